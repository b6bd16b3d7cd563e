"""Models that stay in memory between requests: what a worker works with."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib.checkpoint import Model, load_model
from MedSegDLLib.device import find_device, free_cached_memory, free_host_bytes
from MedSegDLLib.device_list import device_list
from MedSegDLLib.errors import ModelError
from MedSegDLLib.image import Image
from MedSegDLLib.model_card import CARD_FILE, LABELS_FILE, WEIGHTS_FILE
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.progress import CancelToken, Progress
from MedSegDLLib.protocol import Device
from MedSegDLLib.report import Result
from MedSegDLLib.segment import segment

# Weights may take this share of what is free, or would be without them.
SHARE_OF_FREE_MEMORY = 0.25


@dataclass(frozen=True)
class _Loaded:
    model: Model
    version: tuple
    size: int  # bytes of the weights in memory


class WarmModels:
    """The models used last, least recently used first, as many as a share of the free memory holds, but at least one."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[Path, _Loaded] = OrderedDict()

    def get(self, folder: Path) -> Model:
        """The model in `folder`, loaded (its SHA-256 checked) unless it is in memory and no file of it has changed.

        Raises ModelError.
        """
        folder = folder.resolve()
        version = _version(folder)
        known = self._loaded.pop(folder, None)
        if known is None or known.version != version:
            known = None  # an older version is given back before the new one takes room
            model = load_model(folder)
            known = _Loaded(model, version, _size(model))
        self._loaded[folder] = known
        self._make_room()
        return known.model

    def has(self, folder: Path) -> bool:
        """Whether `get` would find the model in memory."""
        known = self._loaded.get(folder.resolve())
        return known is not None and known.version == _version(folder.resolve())

    def _make_room(self) -> None:
        held = sum(loaded.size for loaded in self._loaded.values())
        limit = (free_host_bytes() + held) * SHARE_OF_FREE_MEMORY
        while held > limit and len(self._loaded) > 1:
            held -= self._loaded.popitem(last=False)[1].size


class WarmEngine:
    """The engine as the worker calls it."""

    def __init__(self) -> None:
        self._models = WarmModels()

    def devices(self) -> tuple[Device, ...]:
        """In words, with the memory that is free now."""
        return device_list()

    def load(self, folder: Path) -> None:
        """Get a model into memory; raises ModelError."""
        self._models.get(folder)

    def segment(
        self, image: Image, folder: Path, options: SegmentOptions, progress: Progress, cancel: CancelToken
    ) -> tuple[Result, str, str]:
        """What segment.segment gives, and id and SHA-256 of the model; raises what that and `load_model` raise.

        Whatever happens, no memory is kept on a GPU that no tensor needs: Slicer's own rendering is to have it.
        """
        progress("model", 0.0, None)
        model = self._models.get(folder)
        progress("model", 1.0, 0.0)
        cancel.check()
        try:
            return segment(image, model, options, progress, cancel), model.card.id, model.card.weights_sha256
        finally:
            free_cached_memory(find_device(options.device))


def _version(folder: Path) -> tuple:
    """What tells one state of a model's files from another: time of change and size of each."""
    try:
        states = [(folder / name).stat() for name in (CARD_FILE, LABELS_FILE, WEIGHTS_FILE)]
    except OSError as reason:
        raise ModelError(
            f"The model in {folder} cannot be read: {reason.strerror}. Get it again, or choose another."
        ) from reason
    return tuple((state.st_mtime_ns, state.st_size, state.st_ino) for state in states)


def _size(model: Model) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in model.network.state_dict().values())
