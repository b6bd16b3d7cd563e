"""The one function that turns an image and a model into a segmentation."""

from __future__ import annotations

from MedSegDLLib.checkpoint import Model
from MedSegDLLib.image import Image
from MedSegDLLib.options import Region, SegmentOptions
from MedSegDLLib.progress import CancelToken, Progress, no_progress
from MedSegDLLib.report import Result

__all__ = ["Region", "Result", "SegmentOptions", "segment"]


def segment(
    image: Image,
    model: Model,
    options: SegmentOptions = SegmentOptions(),  # noqa: B008 (frozen)
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Result:
    """Segment `image` with `model`: preprocess, patches, network, stitched labels, postprocess, on the source grid exactly."""
    raise NotImplementedError
