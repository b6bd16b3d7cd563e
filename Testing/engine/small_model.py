"""A whole model folder for tests, in a moment."""

import hashlib
import json
from pathlib import Path

from MedSegDLLib.labels import Label, LabelTable, write_label_table

CARD = {
    "card_version": 1,
    "id": "small",
    "title": "Small model",
    "description": "For tests.",
    "modality": "MR",
    "anatomy": "heart",
    "intended_use": "tests",
    "not_for": ["patients"],
    "network": {"key": "unet_2d", "in_channels": 1, "out_channels": 3, "numbers": {"features_per_stage": [4, 8]}},
    "preprocessing": {"orientation": "slices", "spacing": [None, None, None], "normalisation": {"method": "zscore"}},
    "inference": {"patch_size": [16, 16, 1], "activation": "softmax"},
    "postprocessing": {},
    "training": {"data": "none", "data_kind": "synthetic", "patients": 0, "cases": 0},
    "quality": [],
    "licence": "CC0-1.0",
    "citation": "",
}
LABELS = LabelTable((Label(1, "left", (200, 0, 0)), Label(2, "right", (0, 0, 200))))
WEIGHTS = bytes(range(256)) * 400  # not weights of anything: enough wherever no network is built


def write_model(zoo: Path, model_id: str = "small", weights: bytes = WEIGHTS, **changes) -> Path:
    """Write the model `model_id` into the folder `zoo`, its card with `changes`; returns the model's folder."""
    folder = zoo / model_id
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(weights)
    card = CARD | {"id": model_id, "weights_sha256": hashlib.sha256(weights).hexdigest()} | changes
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    write_label_table(LABELS, folder / "labels.csv")
    (folder / "README.md").write_text("A small model.\n", encoding="utf-8")
    return folder
