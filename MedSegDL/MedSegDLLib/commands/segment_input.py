"""One input of `medsegdl segment`: read, segment, write, and say what came out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from MedSegDLLib import cine, pictures
from MedSegDLLib.atomic import make_folder
from MedSegDLLib.checkpoint import Model
from MedSegDLLib.commands.output_plan import OutputPlan, all_or_nothing, frame_end
from MedSegDLLib.errors import InputError
from MedSegDLLib.expectations import unlike_expected
from MedSegDLLib.files import describe, read_frames, read_image, write_labelmap
from MedSegDLLib.image import Image
from MedSegDLLib.labels import write_label_table
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.pictures import millilitres
from MedSegDLLib.progress import CancelToken
from MedSegDLLib.progress_display import ProgressDisplay
from MedSegDLLib.report import Result, label_volumes, report_of
from MedSegDLLib.segment import segment
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.segmentation_file import write_segmentation
from MedSegDLLib.volume_curve import curves_of


@dataclass(frozen=True)
class Job:
    """What all inputs have in common. With `every_frame`, `frame` is not looked at."""

    model: Model
    options: SegmentOptions
    every_frame: bool
    frame: int | None
    series: str | None
    display: ProgressDisplay
    cancel: CancelToken

    def run(self, plan: OutputPlan) -> tuple[dict, str]:
        """Segment one input and write everything that its plan names, or nothing; returns its report and what to print."""
        if self.series is not None and plan.source.is_file():
            raise InputError(f"{plan.source} is a file; --series chooses from a DICOM folder: leave it out.")
        with all_or_nothing() as made:
            return self._cine(plan, made) if self.every_frame else self._single(plan, made)

    def _single(self, plan: OutputPlan, made: list[Path]) -> tuple[dict, str]:
        self.display("read", 0.0, None)
        image = read_image(plan.source, self.frame, self.series)
        self._warn(unlike_expected(image.geometry, self.model.card), plan)
        result = self._segmented(image)
        output = self._written(result, plan, "", made)
        self._draw(image, result, plan, "", plan.source.name, made)
        rows = label_volumes(result.segmentation)
        if not any(row["voxels"] for row in rows):
            self._warn(["Nothing was found in this image."], plan)
        return report_of(plan.source, output, self.model, result), _told(plan.source, output, result, rows)

    def _cine(self, plan: OutputPlan, made: list[Path]) -> tuple[dict, str]:
        self.display("read", 0.0, None)
        frames = read_frames(plan.source, self.series)
        times_s = tuple(time_ms / 1000 for time_ms in describe(plan.source, self.series).frame_times_ms)
        self._warn(unlike_expected(frames[0].geometry, self.model.card), plan)
        outputs, results = [], []
        for number, image in enumerate(frames):
            results.append(self._segmented(image))
            outputs.append(self._written(results[-1], plan, frame_end(number, len(frames)), made))
        rows = [label_volumes(result.segmentation) for result in results]
        curves = curves_of(results[0].segmentation.labels, rows, times_s)
        self._write_curves(curves, plan, made)
        moments = {curves[0].end_diastolic_frame: "end diastole", curves[0].end_systolic_frame: "end systole"}
        for number, moment in moments.items():
            moment = f" ({moment})" if len(moments) > 1 else ""  # else no heart beat was seen
            title = f"{plan.source.name}, frame {number}{moment}"
            self._draw(frames[number], results[number], plan, frame_end(number, len(frames)), title, made)
        self._warn([curve.doubt for curve in curves if curve.doubt], plan)
        report = _cine_report(plan, self.model, results, outputs, curves)
        return report, "\n".join((f"{plan.source} → {outputs[0]} … {outputs[-1].name}", *map(cine.summary_of, curves)))

    def _segmented(self, image: Image) -> Result:
        return segment(image, self.model, self.options, self.display, self.cancel)

    def _written(self, result: Result, plan: OutputPlan, frame: str, made: list[Path]) -> Path:
        """Write segmentation and label table; returns the path of the segmentation."""
        self.display("write", 0.0, None)
        output = plan.segmentation(frame)
        made += make_folder(output.parent)
        _write(result.segmentation, output, plan.label_table(), made)
        self.display("write", 1.0, 0.0)
        return output

    def _draw(self, image: Image, result: Result, plan: OutputPlan, frame: str, title: str, made: list[Path]) -> None:
        """The overlay picture, if one was asked for."""
        if picture := plan.overlay(frame):
            self.display("draw", 0.0, None)
            card = self.model.card
            title, notes, window = f"{title} · {card.id}", pictures.notes_of(card), pictures.window_of(card)
            pictures.write_picture(pictures.overlay(image, result.segmentation, title, notes, window), picture)
            made.append(picture)
            self.display("draw", 1.0, 0.0)

    def _write_curves(self, curves: Sequence[cine.VolumeCurve], plan: OutputPlan, made: list[Path]) -> None:
        table, picture = plan.volumes(".csv"), plan.volumes(".png")
        cine.write_curves(curves, table)
        made.append(table)
        title = f"{plan.source.name} · {self.model.card.id}"
        pictures.write_picture(cine.figure_of(curves, title, pictures.notes_of(self.model.card)), picture)
        made.append(picture)

    def _warn(self, sentences: tuple[str, ...] | list[str], plan: OutputPlan) -> None:
        for sentence in sentences:
            self.display.clear()
            print(f"Warning: {plan.source}: {sentence}", file=sys.stderr)


def _cine_report(
    plan: OutputPlan, model: Model, results: list[Result], outputs: list[Path], curves: Sequence[cine.VolumeCurve]
) -> dict:
    """The report of the first label's end-diastolic frame, with the seconds of all frames, and the curves under "cine"."""
    shown = curves[0].end_diastolic_frame
    seconds = {stage: sum(result.seconds[stage] for result in results) for stage in results[0].seconds}
    peak = max(result.peak_memory_mib for result in results)
    whole = replace(results[shown], seconds=seconds, peak_memory_mib=peak)
    return report_of(plan.source, outputs[shown], model, whole) | {
        "cine": {"outputs": list(map(str, outputs)), "curves": list(map(cine.report_of_curve, curves))}
    }


def _write(segmentation: Segmentation, path: Path, label_table: Path | None, made: list[Path]) -> None:
    if label_table is None:
        write_segmentation(segmentation, path)
    else:
        write_labelmap(segmentation.labelmap, path)
        made.append(path)
        write_label_table(segmentation.labels, label_table)
        path = label_table
    made.append(path)


def _told(source: Path, output: Path, result: Result, rows: list[dict]) -> str:
    width = max(len(row["name"]) for row in rows)
    found = [f"  {row['name']:<{width}}  {millilitres(row['volume_ml']):>10}  {row['voxels']:>10} voxels" for row in rows]
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in result.seconds.items())
    return "\n".join((f"{source} → {output}", *found, f"  {result.device}, {result.precision}; seconds: {stages}"))
