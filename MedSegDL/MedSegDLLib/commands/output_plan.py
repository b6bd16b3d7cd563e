"""Where results go, worked out and checked before the long work starts.

- OUTPUT is a file if it ends in a suffix that can be written, a folder if it exists as one, ends in / or has no suffix.
- In a folder, an input's results are called like the input without its suffix. Inputs of one name (often DICOM folders)
  get the name of their parent folder in front; if that does not tell them apart, it is an error.
- `--frame all` adds _frame00, _frame01, … to the name, and writes <name>_volumes.csv and <name>_volumes.png.
- Files that hold numbers only get their meaning beside them, in <name>_labels.csv.
- Several inputs: the name of each is added to that of the overlay picture.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.files import LABEL_SUFFIXES, name_of, suffix_of
from MedSegDLLib.segmentation_file import SEGMENTATION_SUFFIX

OUTPUT_SUFFIXES = (SEGMENTATION_SUFFIX, *LABEL_SUFFIXES)
PICTURE_SUFFIX = ".png"


@dataclass(frozen=True)
class OutputPlan:
    """The files that one input leads to; `base` is the segmentation's path without its suffix."""

    source: Path
    base: Path
    suffix: str
    overlay_base: Path | None

    def segmentation(self, frame: str = "") -> Path:
        return _with_end(self.base, frame + self.suffix)

    def label_table(self) -> Path | None:
        """Where the names of the values go; None if the segmentation's file holds them itself."""
        return None if self.suffix == SEGMENTATION_SUFFIX else _with_end(self.base, "_labels.csv")

    def overlay(self, frame: str = "") -> Path | None:
        return self.overlay_base and _with_end(self.overlay_base, frame + PICTURE_SUFFIX)

    def volumes(self, suffix: str) -> Path:
        return _with_end(self.base, f"_volumes{suffix}")


def plan_outputs(
    inputs: Sequence[Path], output: str, suffix: str | None, overlay: Path | None, report: Path | None
) -> list[OutputPlan]:
    """A plan for each input. Raises InputError or OutputError with what to change if any of it cannot be.

    `suffix`: one of OUTPUT_SUFFIXES or None for OUTPUT's own.
    """
    bases, suffix = _bases(inputs, output, suffix)
    plans = [
        OutputPlan(source, base, suffix, picture)
        for source, base, picture in zip(inputs, bases, _overlay_bases(bases, overlay), strict=True)
    ]
    made_for_results = {base.parent.resolve() for base in bases}
    for path in (overlay, report):
        if path is not None and not path.parent.is_dir() and path.parent.resolve() not in made_for_results:
            raise OutputError(f"{path} cannot be written: there is no folder {path.parent}; make it or choose another.")
        if path is not None and path.is_dir():
            raise OutputError(f"{path} is a folder; give the name of a file.")
    _refuse_overwriting_inputs(plans, report)
    for folder in {path.parent for path in (*bases, overlay, report) if path is not None}:
        check_writable(folder)
    return plans


def frame_end(frame: int, frames: int) -> str:
    """The end of a file's name that says which of `frames` time frames it holds: _frame07."""
    return f"_frame{frame:0{max(2, len(str(frames - 1)))}d}"


@contextmanager
def all_or_nothing() -> Iterator[list[Path]]:
    """A list to note what has been made; on any exception those files and folders are removed again."""
    made: list[Path] = []
    try:
        yield made
    except BaseException:
        for path in reversed(made):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        raise


def _bases(inputs: Sequence[Path], output: str, suffix: str | None) -> tuple[list[Path], str]:
    path = Path(output)
    own = suffix_of(path, OUTPUT_SUFFIXES)
    if path.is_dir() or output.endswith(("/", os.sep)) or not (own or path.suffix):
        return [path / name for name in _different_names(inputs)], suffix or SEGMENTATION_SUFFIX
    if not own:
        raise InputError(
            f"{output} ends in '{path.suffix}'; a segmentation ends in {' '.join(OUTPUT_SUFFIXES)}, or name a folder."
        )
    if suffix not in (None, own):
        raise InputError(f"{output} ends in '{own}', but --format asks for '{suffix}': leave one of them out.")
    if len(inputs) > 1:
        raise InputError(f"{len(inputs)} inputs cannot go into the one file {output}: name a folder, for example results/.")
    if not path.parent.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {path.parent}; make it or choose another.")
    return [path.with_name(path.name[: -len(own)])], own


def _different_names(inputs: Sequence[Path]) -> list[str]:
    names = [name_of(source) for source in inputs]
    count = Counter(names)
    names = [
        f"{source.resolve().parent.name}_{name}" if count[name] > 1 else name
        for source, name in zip(inputs, names, strict=True)
    ]
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        same = " and ".join(str(source) for source, name in zip(inputs, names, strict=True) if name == repeated[0])
        raise InputError(f"The results of {same} would have one name: run them one by one, with a file for each as --output.")
    return names


def _overlay_bases(bases: Sequence[Path], overlay: Path | None) -> list[Path | None]:
    if overlay is None:
        return [None] * len(bases)
    if overlay.suffix.lower() != PICTURE_SUFFIX:
        raise InputError(f"{overlay} must end in {PICTURE_SUFFIX}: the overlay is a PNG picture.")
    stem = overlay.with_suffix("")
    return [stem] if len(bases) == 1 else [_with_end(stem, f"_{base.name}") for base in bases]


def _refuse_overwriting_inputs(plans: Sequence[OutputPlan], report: Path | None) -> None:
    inputs = {plan.source.resolve() for plan in plans}
    for plan in plans:
        made = (plan.segmentation(), plan.label_table(), plan.overlay(), plan.volumes(".csv"), plan.volumes(".png"), report)
        for path in made:
            if path is not None and path.resolve() in inputs:
                raise OutputError(f"{path} is an input and would be overwritten: choose another name or folder.")


def check_writable(folder: Path) -> None:
    """Raise OutputError unless a file can be made in `folder`, or in the nearest folder above it that exists."""
    nearest = next((place for place in (folder, *folder.absolute().parents) if place.exists()), folder)
    if not nearest.is_dir():
        raise OutputError(f"{nearest} is a file, so there can be no folder {folder}: choose another.")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as reason:
        raise OutputError(f"{nearest} takes no files ({reason.strerror}): choose another folder.") from reason


def _with_end(base: Path, end: str) -> Path:
    return base.with_name(base.name + end)
