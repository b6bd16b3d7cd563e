"""Slicer's segmentation files (.seg.nrrd): an NRRD label map whose header names, colours and codes its segments.

The fields are those of vtkMRMLSegmentationStorageNode; `slicerio`, which reads and writes them too, needs pynrrd.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.itk_files import NRRD, array_and_geometry, image_from, read_with_itk, write_with_itk
from MedSegDLLib.labels import Label, LabelTable, terminology_from_text, terminology_to_text
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.stored_image import check_present

SEGMENTATION_SUFFIX = ".seg.nrrd"
# Texts of Slicer's header fields.
_BINARY_LABELMAP = "Binary labelmap"
_TERMINOLOGY = "TerminologyEntry:"


@dataclass(frozen=True)
class _Segment:
    """A segment in a file: the layer and the value there that mark its voxels, and the label that it becomes."""

    layer: int
    stored_value: int
    label: Label


def write_segmentation(segmentation: Segmentation, path: Path) -> None:
    """Write a segmentation so that Slicer loads it with ids, names, colours and terminology; whole or not at all.

    Every label becomes a segment, an empty one where nothing was found. Its id is its name with everything but letters,
    digits, dot, dash and underscore replaced, so that it is the same in every file. Raises OutputError, also for values
    that no label names.
    """
    if not path.name.lower().endswith(SEGMENTATION_SUFFIX):
        raise OutputError(f"{path} cannot be written: the name of a segmentation must end in {SEGMENTATION_SUFFIX}.")
    labelmap, labels = segmentation.labelmap, segmentation.labels.labels
    values = [label.value for label in labels]
    if unnamed := sorted({value for plane in labelmap.array for value in _others(plane, [0, *values])}):
        raise OutputError(f"{path} cannot be written: no label names the values {', '.join(map(str, unnamed))}.")
    array = labelmap.array.astype(np.uint8 if max(values, default=0) <= 255 else np.uint16, copy=False)
    image = image_from(array, labelmap.geometry)
    for key, text in _header(labels, array, labelmap.geometry).items():
        image.SetMetaData(key, text)
    with written_beside(path) as beside:
        write_with_itk(image, beside)


def read_segmentation(path: Path) -> Segmentation:
    """The segments of a .seg.nrrd in one label map (uint8 or uint16), with their names, colours and terminology.

    Segments keep their label values if these differ, else (Slicer numbers every layer anew) they are 1, 2, 3… in the
    file's order; values without a segment become 0; equal names get a number. What Slicer cropped when it saved lies on
    the whole grid again. Raises InputError for a file that is missing, damaged or names no segments, for fractional
    segments, and for segments that overlap, which one label map cannot hold.
    """
    check_present(path)
    image, header = read_with_itk(path, NRRD)
    array, geometry = array_and_geometry(image, path)
    if "Segmentation_ContainedRepresentationNames" not in header and "Segment0_ID" not in header:
        raise InputError(f"{path} names no segments; if it is a label map, let its name end in .nrrd only.")
    if header.get("Segmentation_MasterRepresentation", "").startswith("Fractional"):
        raise InputError(f"{path} holds fractional segments; save it in Slicer as a binary label map.")
    name = path.name[: -len(SEGMENTATION_SUFFIX)]
    try:
        segments = _segments(header, layers=array.shape[1])
        labelmap = _uncropped(LabelMap(_merged(array[0], segments, path), geometry, name), header)
    except ValueError as reason:
        raise InputError(f"{path} has damaged segment fields: {reason}.") from reason
    return Segmentation(labelmap, LabelTable(tuple(segment.label for segment in segments)))


def segment_ids(labels: Sequence[Label]) -> list[str]:
    """The id of each label's segment, in files and in Slicer's scene: its name made safe, the same in every result."""
    ids: list[str] = []
    for label in labels:
        safe = re.sub(r"[^A-Za-z0-9_.-]+", "_", label.name).strip("_") or "segment"
        ids.append(f"{safe}_{label.value}" if safe in ids else safe)
    return ids


def _header(labels: Sequence[Label], array: np.ndarray, geometry: Geometry) -> dict[str, str]:
    header = {
        "Segmentation_ContainedRepresentationNames": f"{_BINARY_LABELMAP}|",
        "Segmentation_MasterRepresentation": _BINARY_LABELMAP,
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
        "Segmentation_ConversionParameters": f"Reference image geometry|{_geometry_text(geometry)}|Grid of the source image&",
    }
    extent = _extent(array)
    for n, (label, segment_id) in enumerate(zip(labels, segment_ids(labels), strict=True)):
        fields = {
            "ID": segment_id,
            "Name": label.name,
            "NameAutoGenerated": "0",
            "Color": " ".join(f"{part / 255:.6g}" for part in label.colour),
            "ColorAutoGenerated": "0",
            "LabelValue": str(label.value),
            "Layer": "0",
            "Extent": extent,
            "Tags": f"{_TERMINOLOGY}{terminology_to_text(label.terminology)}|" if label.terminology else "",
        }
        header |= {f"Segment{n}_{name}": text for name, text in fields.items()}
    return header


def _extent(array: np.ndarray) -> str:
    """First and last index along x, y, z of all voxels that belong to a segment; Slicer drops what is outside."""
    found = [np.flatnonzero(array.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]
    return " ".join(f"{line[0]} {line[-1]}" if len(line) else "0 -1" for line in found)


def _geometry_text(geometry: Geometry) -> str:
    """Matrix and extent as vtkSegmentationConverter serialises them, in RAS."""
    extent = [edge for size in geometry.size for edge in (0, size - 1)]
    return "".join(f"{value:.17g};" for value in (*geometry.affine_ijk_to_ras.ravel(), *extent))


def _others(array: np.ndarray, values: list[int]) -> list[int]:
    """Which values occur in `array` beside `values`."""
    return np.unique(array[np.isin(array, values, invert=True)]).tolist()


def _segments(header: dict[str, str], layers: int) -> list[_Segment]:
    """The segments in the order of their numbers in the file."""
    numbered: dict[int, dict[str, str]] = defaultdict(dict)
    for key, text in header.items():
        if match := re.fullmatch(r"Segment(\d+)_(\w+)", key):
            numbered[int(match[1])][match[2]] = text
    fields = [numbered[number] for number in sorted(numbered)]
    # Files of Slicer 4.10 and before have a layer of ones for each segment and say neither layer nor value.
    places = [(int(one.get("Layer", n if layers > 1 else 0)), int(one.get("LabelValue", 1))) for n, one in enumerate(fields)]
    values = [value for _, value in places]
    if len(set(values)) < len(values):
        values = list(range(1, len(values) + 1))
    names: list[str] = []
    for one in fields:
        names.append(_unlike(one.get("Name") or "segment", names))
    return [_Segment(*place, _label(*row)) for place, row in zip(places, zip(fields, values, names, strict=True), strict=True)]


def _unlike(name: str, names: list[str]) -> str:
    """`name` with the first number appended that makes it different from `names`, if it is among them."""
    numbered = (f"{name} {n}" for n in itertools.count(2))
    return name if name not in names else next(one for one in numbered if one not in names)


def _label(fields: dict[str, str], value: int, name: str) -> Label:
    red, green, blue = (round(255 * float(part)) for part in fields.get("Color", "0.5 0.5 0.5").split())
    tags = [tag for tag in fields.get("Tags", "").split("|") if tag.startswith(_TERMINOLOGY)]
    terminology = terminology_from_text(tags[0][len(_TERMINOLOGY) :]) if tags else None
    return Label(value, name, (red, green, blue), terminology)


def _merged(layers: np.ndarray, segments: list[_Segment], path: Path) -> np.ndarray:
    """One array (Z, Y, X) of the labels' values out of layers (L, Z, Y, X)."""
    names = {segment.label.value: segment.label.name for segment in segments}
    merged = np.zeros(layers.shape[1:], np.uint8 if max(names, default=0) <= 255 else np.uint16)
    for n, layer in enumerate(layers):
        stored = np.clip(layer, 0, None)
        value_of = np.zeros(int(stored.max()) + 1, merged.dtype)
        for segment in segments:
            if segment.layer == n and 0 < segment.stored_value < len(value_of):
                value_of[segment.stored_value] = segment.label.value
        added = value_of[stored]
        if (overlap := (merged > 0) & (added > 0)).any():
            pair = " and ".join(names[int(array[overlap][0])] for array in (merged, added))
            raise InputError(f"{path}: the segments {pair} overlap, but a label map holds one label a voxel.")
        merged += added
    return merged


def _uncropped(labelmap: LabelMap, header: dict[str, str]) -> LabelMap:
    """The label map on the grid of the segmented image, if the file names that and is a part of it."""
    text = re.search(r"Reference image geometry\|([^|]*)\|", header.get("Segmentation_ConversionParameters", ""))
    offset = [int(part) for part in header.get("Segmentation_ReferenceImageExtentOffset", "0 0 0").split()]
    numbers = [float(part) for part in text[1].split(";") if part] if text else []
    if len(numbers) != 22 or offset == [0, 0, 0]:
        return labelmap
    first, last = np.array(numbers[16:], int).reshape(3, 2).T
    start = np.array(offset) - first
    whole = labelmap.geometry.cropped(tuple(-start), tuple(last - first + 1))
    array = np.zeros(whole.shape_zyx, labelmap.array.dtype)
    part = array[tuple(slice(begin, begin + size) for begin, size in zip(start[::-1], labelmap.array.shape, strict=True))]
    matrix = np.reshape(numbers[:16], (4, 4))
    if start.min() < 0 or part.shape != labelmap.array.shape or not np.allclose(whole.affine_ijk_to_ras, matrix, atol=1e-3):
        return labelmap
    part[:] = labelmap.array
    return LabelMap(array, whole, labelmap.name)
