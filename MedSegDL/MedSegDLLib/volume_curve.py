"""How a volume changes over the heart beat, in numbers; imports nothing heavy (the figure of it is in cine.py)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.labels import LabelTable


@dataclass(frozen=True)
class VolumeCurve:
    """Volumes in ml of one label in every time frame (frames count from 0); `times_s` is empty where unknown."""

    label: str
    colour: tuple[int, int, int]
    volumes_ml: tuple[float, ...]
    times_s: tuple[float, ...] = ()

    @property
    def end_diastolic_frame(self) -> int:
        """The frame with the largest volume, the first of equals."""
        return int(np.argmax(self.volumes_ml))

    @property
    def end_systolic_frame(self) -> int:
        """The frame with the smallest volume, the first of equals."""
        return int(np.argmin(self.volumes_ml))

    @property
    def end_diastolic_ml(self) -> float:
        return self.volumes_ml[self.end_diastolic_frame]

    @property
    def end_systolic_ml(self) -> float:
        return self.volumes_ml[self.end_systolic_frame]

    @property
    def stroke_volume_ml(self) -> float:
        """End-diastolic minus end-systolic volume."""
        return self.end_diastolic_ml - self.end_systolic_ml

    @property
    def ejection_fraction_percent(self) -> float | None:
        """Stroke volume as a share of the end-diastolic volume; None if that is 0, and for a single frame."""
        if len(self.volumes_ml) < 2 or not self.end_diastolic_ml:
            return None
        return 100 * self.stroke_volume_ml / self.end_diastolic_ml

    @property
    def doubt(self) -> str:
        """A sentence where the numbers must not be trusted, else empty; frames count from 0 in it."""
        return self.doubt_counted_from(0)

    def doubt_counted_from(self, first: int) -> str:
        """The sentence of `doubt`, with `first` as the number of the first frame."""
        if not self.end_diastolic_ml:
            return f"{self.label} was found in no frame, so there is no ejection fraction: look at the images."
        if missing := [frame for frame, volume in enumerate(self.volumes_ml, first) if not volume]:
            listed = ", ".join(map(str, missing))
            return f"{self.label} was not found in frame {listed}: do not trust its end-systolic volume and ejection fraction."
        if len(self.volumes_ml) < 2:
            return f"One frame does not make a heart beat: {self.label} has no ejection fraction."
        return ""


def summary_of(curve: VolumeCurve, first: int = 0) -> str:
    """What a person reads: one line for one label; `first` is the number of the first frame."""
    fraction = curve.ejection_fraction_percent
    return (
        f"{curve.label}: end-diastolic {curve.end_diastolic_ml:.1f} ml (frame {first + curve.end_diastolic_frame}), "
        f"end-systolic {curve.end_systolic_ml:.1f} ml (frame {first + curve.end_systolic_frame}), "
        f"stroke volume {curve.stroke_volume_ml:.1f} ml, "
        f"ejection fraction {'unknown' if fraction is None else f'{fraction:.0f} %'}"
    )


def curves_of(labels: LabelTable, frames: Sequence[Sequence[dict]], times_s: tuple[float, ...] = ()) -> tuple[VolumeCurve, ...]:
    """A curve for each label; `frames` holds for each frame the rows that report.label_volumes gives for these labels."""
    return tuple(
        VolumeCurve(label.name, label.colour, tuple(rows[n]["volume_ml"] for rows in frames), times_s)
        for n, label in enumerate(labels.labels)
    )


def report_of_curve(curve: VolumeCurve) -> dict:
    """The numbers of a curve, ready for JSON; the ejection fraction is null where there is none."""
    fraction = curve.ejection_fraction_percent
    return {
        "label": curve.label,
        "volumes_ml": [round(volume, 4) for volume in curve.volumes_ml],
        "times_s": [round(time_s, 4) for time_s in curve.times_s] or None,
        "end_diastolic_frame": curve.end_diastolic_frame,
        "end_diastolic_ml": round(curve.end_diastolic_ml, 4),
        "end_systolic_frame": curve.end_systolic_frame,
        "end_systolic_ml": round(curve.end_systolic_ml, 4),
        "stroke_volume_ml": round(curve.stroke_volume_ml, 4),
        "ejection_fraction_percent": None if fraction is None else round(fraction, 2),
        "doubt": curve.doubt,
    }


def write_curves(curves: Sequence[VolumeCurve], path: Path) -> None:
    """A CSV table with a row for each frame: its number, its time where known, the volume of each label; raises OutputError."""
    times = curves[0].times_s
    columns = ["frame", *(["time_s"] if times else []), *(f"{curve.label} ml" for curve in curves)]
    with written_beside(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for frame in range(len(curves[0].volumes_ml)):
            time_s = [f"{times[frame]:.4f}"] if times else []
            writer.writerow([frame, *time_s, *(f"{curve.volumes_ml[frame]:.3f}" for curve in curves)])
