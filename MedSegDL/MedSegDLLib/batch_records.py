"""What a batch has finished: a record beside each result, and one table of all of them.

<name>.done.json beside the results of an input says what was asked for, of which image, and what came out. With the same
question about the same image, and the files still there, there is nothing to do.
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from MedSegDLLib.atomic import make_folder, written_beside
from MedSegDLLib.batch_inputs import BatchInput
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.strict_json import write_json

RECORD_SUFFIX = ".done.json"
SUMMARY_FILE = "summary.csv"
_COLUMNS = (
    "input", "series", "state", "output", "label", "voxels", "volume_ml", "end_diastolic_ml", "end_systolic_ml",
    "ejection_fraction_percent", "model", "device", "seconds", "message",
)  # fmt: skip
# Writing the table may take this share of the time.
_SHARE_FOR_THE_TABLE = 0.02


@dataclass(frozen=True)
class Row:
    """One input in the table: `state` is done, failed or left out; `message` says why."""

    input: BatchInput
    state: str
    report: dict | None = None
    message: str = ""


def question_of(item: BatchInput, model_id: str, model_sha256: str, options: SegmentOptions, frame: str, suffix: str) -> dict:
    """All that a result depends on, ready for JSON; files count by name, size and time of their last change."""
    asked = {"model": model_id, "sha256": model_sha256, "options": asdict(options), "frame": frame, "format": suffix}
    files = [item.source] if item.source.is_file() else sorted(path for path in item.source.rglob("*") if path.is_file())
    stamps = [[str(path.relative_to(item.source)), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    question = asked | {"image": str(item.source.resolve()), "series": item.series, "files": stamps}
    return json.loads(json.dumps(question))  # as it is read again: lists for tuples


def write_record(path: Path, question: dict, report: dict) -> None:
    """Write the record whole or not at all."""
    write_json({"question": question, "report": report}, path)


def recorded(path: Path, question: dict) -> dict | None:
    """The report of an earlier run if it answers `question` and its files are still there, else None."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        report = record["report"]
        outputs = [report["output"], *report.get("cine", {}).get("outputs", [])]
        same = record["question"] == question
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return report if same and all(Path(output).is_file() for output in outputs) else None


class Summary:
    """The table: a line for each label of each input that is done, one for every other input that something is known of.

    Its inputs stand in the order in which they were found. UTF-8 with a mark that Excel needs.
    """

    def __init__(self, path: Path, inputs: Iterable[BatchInput]) -> None:
        self._path = path
        self._lines = dict.fromkeys(inputs, "")
        self._written_at, self._seconds_to_write = float("-inf"), 0.0

    def put(self, row: Row) -> None:
        """What is known of an input now."""
        text = io.StringIO()
        csv.DictWriter(text, _COLUMNS).writerows(_lines(row))
        self._lines[row.input] = text.getvalue()

    @property
    def is_due(self) -> bool:
        """Whether to write it between two inputs: always while it is small; a long one would take most of the time."""
        return time.monotonic() - self._written_at >= self._seconds_to_write / _SHARE_FOR_THE_TABLE

    def write(self) -> None:
        """Write the table, whole or not at all, so that whatever ends the batch leaves a whole one; raises OutputError."""
        start = time.monotonic()
        make_folder(self._path.parent)
        with written_beside(self._path) as beside, beside.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerow(_COLUMNS)
            file.writelines(self._lines.values())
        self._written_at = time.monotonic()
        self._seconds_to_write = self._written_at - start


def _lines(row: Row) -> Iterator[dict]:
    whole = {"input": str(row.input.source), "series": row.input.series or "", "state": row.state, "message": row.message}
    if row.report is None:
        yield whole
        return
    report = row.report
    whole |= {"output": report["output"], "model": report["model"]["id"], "device": report["device"]}
    whole |= {"seconds": round(sum(report["seconds"].values()), 2)}
    curves = {curve["label"]: curve for curve in report.get("cine", {}).get("curves", [])}
    for label in report["labels"]:
        found = {"label": label["name"], "voxels": label["voxels"], "volume_ml": label["volume_ml"]}
        yield whole | found | _heart(curves.get(label["name"]))


def _heart(curve: dict | None) -> dict:
    """What is known of a heart beat, and whether to believe it; a single frame is none."""
    if curve is None:
        return {}
    names = ("end_diastolic_ml", "end_systolic_ml", "ejection_fraction_percent") if len(curve["volumes_ml"]) > 1 else ()
    return {name: curve[name] for name in names} | {"message": curve["doubt"]}
