"""`medsegdl models`: which models there are, whether they are intact, and how they come and go."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from MedSegDLLib.archive import LARGEST_ARCHIVE_BYTES, export_model, import_folder, import_model
from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.commands.text_table import plural, text_table
from MedSegDLLib.download import download, split_url
from MedSegDLLib.errors import ModelError
from MedSegDLLib.folders import cache_folder
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.model_card import ModelCard
from MedSegDLLib.progress_display import KINDS, progress_display
from MedSegDLLib.zoo import find_model, read_model, read_zoo, search_path, user_zoo, verify_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands list, show, verify, import, export and download."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="the models on this machine")
    show = actions.add_parser("show", help="what a model is for, how good it is, and what it was trained on")
    show.add_argument("id", metavar="ID")
    verify = actions.add_parser("verify", help="check card, labels and weights of one model, or of all")
    verify.add_argument("id", metavar="ID", nargs="?")
    import_ = actions.add_parser("import", help="put a model archive or folder into your own zoo")
    import_.add_argument("file", metavar="FILE.zip|FOLDER", type=Path)
    export = actions.add_parser("export", help="write a model into an archive")
    export.add_argument("id", metavar="ID")
    export.add_argument("file", metavar="FILE.zip", type=Path)
    get = actions.add_parser("download", help="get a model archive from the web and put it into your own zoo")
    get.add_argument("url", metavar="URL", help="http(s) address, best with #sha256=… at its end")
    get.add_argument("--sha256", metavar="DIGITS", help="what the SHA-256 of the archive must be")
    get.add_argument("--progress", choices=KINDS, help="how to show progress; without it a bar on a terminal, else nothing")
    for action in (import_, get):
        action.add_argument("--replace", action="store_true", help="replace a model of the same id in your own zoo")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; returns the exit status. Raises MedSegDLError with a sentence."""
    return _ACTIONS[arguments.action](arguments)


def _list(arguments: argparse.Namespace) -> int:
    zoo = read_zoo()
    rows = [("ID", "MODALITY", "ANATOMY", "TITLE", "FOLDER")]
    rows += [(m.card.id, m.card.modality, m.card.anatomy, m.card.title, str(m.folder)) for m in zoo.models]
    print(text_table(rows) if zoo.models else f"No models in {', '.join(map(str, search_path()))}.")
    for problem in zoo.hidden + zoo.problems:
        print(f"Note: {problem}", file=sys.stderr)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    folder = find_model(arguments.id)
    card, labels = read_model(folder)
    print("\n".join([*_facts(card, folder), "", _label_rows(labels), "", _quality_rows(card)]))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    """Verify one model, or every model; what cannot even be read is counted as a failure."""
    if arguments.id:
        verify_model(find_model(arguments.id))
        print(f"{arguments.id}: intact")
        return 0
    zoo = read_zoo()
    failures = list(zoo.problems)
    for model in zoo.models:
        try:
            verify_model(model.folder)
            print(f"{model.card.id}: intact")
        except ModelError as problem:
            failures.append(str(problem))
    for failure in failures:
        print(failure, file=sys.stderr)
    return ModelError.exit_code if failures else 0


def _import(arguments: argparse.Namespace) -> int:
    import_ = import_folder if arguments.file.is_dir() else import_model
    folder = import_(arguments.file, user_zoo(), arguments.replace)
    print(f"{folder.name}: imported into {folder}")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    export_model(find_model(arguments.id), arguments.file)
    print(f"{arguments.id}: written to {arguments.file}\nSHA-256 of the archive: {sha256_of(arguments.file)}")
    return 0


def _download(arguments: argparse.Namespace) -> int:
    _, expected = split_url(arguments.url, arguments.sha256)
    display = progress_display(arguments.progress, sys.stdout, sys.stderr)
    try:
        archive = download(arguments.url, cache_folder() / "downloads", LARGEST_ARCHIVE_BYTES, arguments.sha256, display)
    finally:
        display.clear()
    try:
        folder = import_model(archive, user_zoo(), arguments.replace)
    finally:
        archive.unlink()
    print(f"{folder.name}: downloaded into {folder}")
    if expected is None:
        print("The weights have the SHA-256 that the card names, but no SHA-256 of the archive itself was given to check.")
    return 0


_ACTIONS = {
    "list": _list,
    "show": _show,
    "verify": _verify,
    "import": _import,
    "export": _export,
    "download": _download,
}


def _facts(card: ModelCard, folder: Path) -> list[str]:
    training = card.training
    counts = f"{plural(training.patients, 'patient')}, {plural(training.cases, 'case')}"
    held_out = f"; never trained on: {', '.join(training.held_out)}" if training.held_out else ""
    facts = {
        "Model": f"{card.id}, {card.title}",
        "Folder": str(folder),
        "For": f"{card.modality}, {card.anatomy}",
        "About": card.description,
        "Intended use": card.intended_use,
        "Not for": " ".join(card.not_for),
        "Network": f"{card.network.key}, {card.network.in_channels} in, {card.network.out_channels} out",
        "Trained on": f"{training.data.rstrip('.')} ({training.images}; {counts}{held_out})",
        "Notes": training.notes,
        "Licence": card.licence,
        "Citation": card.citation,
        "SHA-256": card.weights_sha256,
    }
    return [f"{name + ':':<14}{text}" for name, text in facts.items() if text]


def _label_rows(labels: LabelTable) -> str:
    rows = [("VALUE", "LABEL", "CODE")]
    for label in labels.labels:
        code = label.terminology.type if label.terminology else None
        rows.append((str(label.value), label.name, f"{code.scheme} {code.value} {code.meaning}" if code else ""))
    return text_table(rows)


def _quality_rows(card: ModelCard) -> str:
    if not card.quality:
        return "Its quality has not been measured."
    rows = [("MEASURED ON", "CASES", "LABEL", "METRIC", "MEAN", "SD", "WORST")]
    for row in card.quality:
        numbers = [f"{number:.4g}" for number in (row.mean, row.standard_deviation, row.worst)]
        rows.append((row.data, str(row.cases), row.label, row.metric, *numbers))
    return text_table(rows)
