"""Where a result came from, as attributes of its node, as a report for JSON, and as text for a person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import MedSegDLLib
from MedSegDLLib.volume_curve import VolumeCurve, report_of_curve, summary_of

MODEL_ID, MODEL_SHA256, VERSION = "MedSegDL.modelId", "MedSegDL.modelSha256", "MedSegDL.version"  # node attributes
FIRST_FRAME = 1  # what people read, as the sequence browser tells them "3/10"; in code, files and JSON frames count from 0


@dataclass(frozen=True)
class Origin:
    """The model that made a result."""

    model_id: str
    model_title: str
    model_sha256: str  # of the weights

    @property
    def algorithm_name(self) -> str:
        """What DICOM exports say made a segment."""
        return f"MedSegDL {self.model_id}"

    @property
    def attributes(self) -> dict[str, str]:
        """What a segmentation node says of where it came from."""
        return {MODEL_ID: self.model_id, MODEL_SHA256: self.model_sha256, VERSION: MedSegDLLib.__version__}

    @property
    def description(self) -> str:
        """One line for a node's description."""
        return (
            f"Segmented by MedSegDL {MedSegDLLib.__version__} with the model {self.model_id} ({self.model_title}; weights "
            f"SHA-256 {self.model_sha256}). A first draft, to be checked by a person."
        )


def report_of_run(
    reports: Sequence[dict], curves: Sequence[VolumeCurve], volume: str, segmentation: str, origin: Origin
) -> dict:
    """The worker's reports of all frames as one.

    With several frames the labels are those of the first curve's end-diastolic frame, seconds are summed, and "cine" holds
    the curves. `volume` and `segmentation` are the names of the nodes.
    """
    shown = reports[curves[0].end_diastolic_frame if curves else 0]
    seconds = {stage: round(sum(report["seconds"].get(stage, 0.0) for report in reports), 3) for stage in shown["seconds"]}
    return {
        **shown,
        "input": volume,
        "output": segmentation,
        "finished": datetime.now().astimezone().isoformat(timespec="seconds"),
        "model": {"id": origin.model_id, "title": origin.model_title, "sha256": origin.model_sha256},
        "seconds": seconds,
        "peak_memory_mib": max(report["peak_memory_mib"] for report in reports),
        **({"cine": {"curves": list(map(report_of_curve, curves))}} if curves else {}),
    }


def report_text(report: dict, curves: Sequence[VolumeCurve] = ()) -> str:
    """A finished run's report for the clipboard: sentences for a person, then the same and more as JSON."""
    model, seconds = report["model"], sum(report["seconds"].values())
    told = [summary_of(curve, FIRST_FRAME) for curve in curves] if curves else map(_line_of_label, report["labels"])
    lines = [
        f"{report['input']}, segmented with '{model['title']}' ({model['id']}) by MedSegDL {report['versions']['medsegdl']}:",
        *told,
        *filter(None, (curve.doubt_counted_from(FIRST_FRAME) for curve in curves)),
        f"Finished on {report['finished']} after {seconds:.1f} s on {report['device']} ({report['precision']}).",
        "Research software: a person has to check the result before anything is concluded from it.",
        *(["The first frame is frame 1 above, and frame 0 below."] if curves else []),
    ]
    return "\n".join((*lines, "", json.dumps(report, indent=2, ensure_ascii=False), ""))


def _line_of_label(label: dict) -> str:
    if not label["voxels"]:
        return f"{label['name']}: not found"
    return f"{label['name']}: {label['volume_ml']:.2f} ml ({label['voxels']} voxels)"
