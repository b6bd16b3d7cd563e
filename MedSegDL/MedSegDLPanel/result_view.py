"""What the last run found, and where to go on with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import slicer
from slicer.i18n import tr as _

from MedSegDLLib.errors import InputError, MedSegDLError
from MedSegDLLib.volume_curve import VolumeCurve
from MedSegDLPanel import show_nodes
from MedSegDLPanel.notes import standOut
from MedSegDLPanel.segment_table import SegmentTable, TableRow
from MedSegDLPanel.wording import breakable
from MedSegDLScene.comparison import Comparison, compareSegmentations
from MedSegDLScene.grids import BINARY_LABELMAP
from MedSegDLScene.run_report import FIRST_FRAME, report_text
from MedSegDLScene.segmentation_runs import Run
from MedSegDLScene.volume_plots import volumeChartOf

_CURVES_TOLD = 3


class ResultView:
    """Table, comparison and buttons of one finished run; hidden while there is none or its segmentation is gone."""

    def __init__(self, ui: object, onTrain: Callable[[Run], None]) -> None:
        """`onTrain` is told the run whose segmentation is to become a case."""
        self._ui, self._onTrain = ui, onTrain
        self._run: Run | None = None
        self._rows: list[TableRow] = []
        self._unchanged: dict[str, int] = {}  # of the run's segments
        self._table = SegmentTable(ui.resultTable)
        standOut(ui.curveLabel)
        ui.show3dButton.connect("clicked(bool)", self._onShow3D)
        ui.editorButton.connect("clicked(bool)", self._onEdit)
        ui.trainButton.connect("clicked(bool)", lambda: self._onTrain(self._run))
        ui.copyButton.connect("clicked(bool)", self._onCopy)
        ui.plotButton.connect("clicked(bool)", self._onPlot)
        ui.compareSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onCompare)
        ui.trainButton.visible = show_nodes.hasTraining()
        self.clear()

    def clear(self) -> None:
        """No result."""
        self._run = None
        self._ui.resultButton.visible = False

    def show(self, run: Run) -> None:
        """A run that has finished."""
        ui = self._ui
        self._run = run
        self._unchanged = _changed(run.segmentationNode)
        self._rows = [TableRow(row.segmentId, row.name, row.colour, row.ml) for row in run.rows if row.voxels]
        ui.resultLabel.text = _summary(run)
        ui.curveLabel.text = "\n".join(map(_curveLine, _worthTelling(run.curves)))
        ui.curveLabel.visible = ui.plotButton.visible = bool(run.curves)
        ui.resultButton.visible = True
        ui.resultButton.collapsed = False
        ui.show3dButton.checked = show_nodes.isShownIn3D(run.segmentationNode)
        ui.compareSelector.setCurrentNode(None)
        self._onCompare(None)

    def look(self) -> None:
        """Hide the result if its segmentation has left the scene; measure it again if somebody has corrected it since."""
        if self._run is None:
            return
        node = self._run.segmentationNode
        if node is None:
            self.clear()
        elif not self._run.curves and _changed(node) != self._unchanged:  # of a sequence each frame changes them
            self._unchanged = _changed(node)
            self._measure(node)

    def _measure(self, node: slicer.vtkMRMLSegmentationNode) -> None:
        """Show the segments as they are now."""
        try:
            rows = self._comparison(node).rows
        except MedSegDLError:  # no volume, or nothing left to measure
            note = _("The segments were changed since the model found these volumes.")
        else:
            segments = node.GetSegmentation()
            self._rows = [TableRow(row.segmentId, row.name, _colour(segments, row.segmentId), row.ml) for row in rows]
            note = _("The segments were changed since: the table has their present volumes.")
        self._ui.resultLabel.text = _summary(self._run) + "\n" + note
        self._onCompare(self._ui.compareSelector.currentNode())

    def _onShow3D(self) -> None:
        show_nodes.showIn3D(self._run.segmentationNode, self._ui.show3dButton.checked)

    def _onEdit(self) -> None:
        show_nodes.openInSegmentEditor(self._run.segmentationNode, self._run.order.volumeNode)

    def _onPlot(self) -> None:
        chart = volumeChartOf(self._run.segmentationNode)
        if chart is not None:
            show_nodes.showChart(chart)

    def _onCopy(self) -> None:
        slicer.app.clipboard().setText(report_text(self._run.report, self._run.curves))
        slicer.util.showStatusMessage(_("The report is in the clipboard."), 3000)

    def _onCompare(self, other: slicer.vtkMRMLSegmentationNode | None) -> None:
        """Show how far this result and `other` agree; without one, the table alone."""
        rows, note = self._rows, ""
        if other is not None and self._run is not None:
            try:
                rows, note = self._compared(other)
            except MedSegDLError as problem:
                note = str(problem)
        self._table.show(rows, compared=rows is not self._rows)
        self._ui.compareNoteLabel.text, self._ui.compareNoteLabel.visible = note, bool(note)

    def _compared(self, other: slicer.vtkMRMLSegmentationNode) -> tuple[list[TableRow], str]:
        """The rows with what the comparison has of them, and which segments have no counterpart."""
        comparison = self._comparison(other)
        found = {row.segmentId: row for row in comparison.rows}
        rows = [
            replace(row, ml=pair.ml, otherMl=pair.otherMl, dice=pair.dice) if (pair := found.get(row.segmentId)) else row
            for row in self._rows
        ]
        alone = comparison.onlyInSecond
        note = _("Only in '{name}': {segments}.").format(name=other.GetName(), segments=_shortened(alone)) if alone else ""
        return rows, note

    def _comparison(self, other: slicer.vtkMRMLSegmentationNode) -> Comparison:
        volumeNode = self._run.order.volumeNode
        if volumeNode is None:
            raise InputError(_("The volume was removed, and both are compared on its grid."))
        return compareSegmentations(self._run.segmentationNode, other, volumeNode)


def _changed(segmentationNode: slicer.vtkMRMLSegmentationNode) -> dict[str, int]:
    """When each segment's voxels were changed last, on VTK's clock."""
    segments = segmentationNode.GetSegmentation()
    voxels = {each: segments.GetSegment(each).GetRepresentation(BINARY_LABELMAP) for each in segments.GetSegmentIDs()}
    return {each: image.GetMTime() for each, image in voxels.items() if image is not None}


def _colour(segments: slicer.vtkSegmentation, segmentId: str) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in segments.GetSegment(segmentId).GetColor())
    return red, green, blue


def _summary(run: Run) -> str:
    """Model, device and time, what was not found, and what a person should know."""
    report = run.report
    facts = _("{title}: {seconds:.1f} s on {device} ({precision})").format(
        title=breakable(run.title),
        seconds=sum(report["seconds"].values()),
        device=report["device"],
        precision=report["precision"],
    )
    absent = [row.name for row in run.rows if not row.voxels]
    missing = _("Not found: {names}.").format(names=_shortened(absent)) if absent and not run.curves else ""
    return "\n".join(line for line in (facts, run.sentence, missing) if line)


def _shortened(names: Sequence[str]) -> str:
    """At most six names, and how many more there are."""
    if len(names) <= 6:
        return ", ".join(names)
    return _("{names} and {number} more").format(names=", ".join(names[:6]), number=len(names) - 6)


def _worthTelling(curves: Sequence[VolumeCurve]) -> list[VolumeCurve]:
    """The curves of what was found, the largest few; the plot and the table of the plot have all."""
    found = [curve for curve in curves if curve.end_diastolic_ml]
    return sorted(found, key=lambda curve: -curve.end_diastolic_ml)[:_CURVES_TOLD] or list(curves[:1])


def _curveLine(curve: VolumeCurve) -> str:
    """The numbers of a heart beat, most wanted first; frames count from 1, as in the sequence browser ("3/10")."""
    fraction = curve.ejection_fraction_percent
    return _(
        "{label}: ejection fraction {fraction}, stroke volume {stroke:.1f} ml, "
        "largest {largest:.1f} ml (frame {first} of {frames}), smallest {smallest:.1f} ml (frame {last})"
    ).format(
        label=curve.label,
        fraction=_("unknown") if fraction is None else f"{fraction:.0f} %",
        stroke=curve.stroke_volume_ml,
        largest=curve.end_diastolic_ml,
        first=curve.end_diastolic_frame + FIRST_FRAME,
        frames=len(curve.volumes_ml),
        smallest=curve.end_systolic_ml,
        last=curve.end_systolic_frame + FIRST_FRAME,
    )
