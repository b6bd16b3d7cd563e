"""The model card: strict reading, values that make sense, and a schema that says the same as the code."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from MedSegDLLib import model_card
from MedSegDLLib.errors import ModelError
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.model_card import ModelCard, card_schema, check_card, check_labels, read_card
from MedSegDLLib.strict_json import from_json, to_json
from Testing.documents import with_value

ROOT = Path(__file__).parents[2]

CARD = {
    "card_version": 1,
    "id": "heart_mr",
    "title": "Heart",
    "description": "Two labels,\nfor tests.",
    "modality": "MR",
    "anatomy": "heart",
    "intended_use": "tests",
    "not_for": ["patients"],
    "network": {"key": "unet_2d", "in_channels": 1, "out_channels": 3, "numbers": {"features_per_stage": [4, 8]}},
    "preprocessing": {
        "orientation": "LPS",
        "spacing": [1.5, 1.5, None],
        "normalisation": {"method": "zscore", "region": "slice", "percentiles": [1, 99.5], "window": None},
        "resampling": "cubic",
    },
    "inference": {
        "patch_size": [64, 64, 1],
        "activation": "softmax",
        "overlap": 0.25,
        "threshold": 0.5,
        "mirror_axes": "xy",
    },
    "postprocessing": {
        "largest_component": ["left"],
        "fill_holes": ["right"],
        "fill_holes_by_slice": True,
        "minimum_volume_ml": 0.5,
        "bridged_slices": 2,
    },
    "training": {
        "data": "none",
        "data_kind": "synthetic",
        "patients": 2,
        "cases": 4,
        "held_out": ["P1"],
        "notes": "",
        "job": "job.json",
    },
    "quality": [
        {"data": "d", "cases": 2, "label": "left", "metric": "dice", "mean": 0.9, "standard_deviation": 0.1, "worst": 0.7}
    ],
    "licence": "CC0-1.0",
    "citation": "",
    "weights_sha256": "0123456789abcdef" * 4,
    "expected": {"spacing_mm": [0.5, 2], "field_of_view_mm": None},
}
TABLE = LabelTable((Label(1, "left", (1, 2, 3)), Label(2, "right", (4, 5, 6))))


def changed(*path, to):
    """A copy of CARD with the value at `path` replaced, or removed where `to` is ..."""
    return with_value(CARD, *path, to=to)


def parsed(document):
    return from_json(ModelCard, document, "card", ModelError)


def paths(value, path=()):
    """Paths to every value within parsed JSON."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from paths(item, (*path, key))


def test_card_is_read_as_it_stands():
    card = parsed(CARD)
    assert card.network.numbers == {"features_per_stage": (4, 8)}
    assert card.preprocessing.spacing == (1.5, 1.5, None)
    assert to_json(card) == CARD
    check_card(card, "card")


@pytest.mark.parametrize(
    "path, value, complaint",
    [
        (("id",), "Heart", "id 'Heart' must be"),
        (("id",), "../heart", "must be 1 to 64 of a-z"),
        (("id",), "heart\n", "must be 1 to 64 of a-z"),
        (("id",), "h" * 65, "must be 1 to 64 of a-z"),
        (("id",), "", "must be 1 to 64 of a-z"),
        (("weights_sha256",), "0" * 63, "64 hexadecimal digits"),
        (("weights_sha256",), "A" * 64, "in lower case"),
        (("title",), " ", "title must not be empty"),
        (("licence",), "", "licence must not be empty"),
        (("title",), "\x1b]0;owned\x07", "control characters"),
        (("not_for",), ["a\u202eb"], "control characters"),
        (("network", "numbers"), {"a\x00": 1}, "control characters"),
        (("network", "in_channels"), 0, "in_channels 0 must be at least 1"),
        (("network", "out_channels"), 1, "at least 2 .* but is 1"),
        (("inference", "activation"), "sigmoid", "must be 1 with sigmoid activation, but is 3"),
        (("preprocessing", "orientation"), "LPX", "orientation 'LPX'"),
        (("preprocessing", "orientation"), "LRS", "orientation 'LRS'"),
        (("preprocessing", "orientation"), "LP", "orientation 'LP'"),
        (("preprocessing", "orientation"), "LPSS", "orientation 'LPSS'"),
        (("preprocessing", "orientation"), "lps", "orientation 'lps'"),
        (("preprocessing", "spacing"), [1, 0, None], "spacing .* must be positive or null"),
        (("preprocessing", "normalisation", "window"), [0, 1], "window is given with the method 'window' and only then"),
        (("preprocessing", "normalisation"), {"method": "window"}, "window is given with the method"),
        (("preprocessing", "normalisation"), {"method": "window", "window": [5, 5]}, "lowest, then highest"),
        (("preprocessing", "normalisation"), {"method": "window", "window": [0, 1], "percentiles": [1, 2]}, "zscore' only"),
        (("preprocessing", "normalisation", "percentiles"), [99, 1], "must rise within"),
        (("preprocessing", "normalisation", "percentiles"), [0, 101], "must rise within"),
        (("inference", "patch_size"), [64, 0, 1], "patch_size .* must be positive"),
        (("inference", "overlap"), 0.95, "overlap 0.95 must be within"),
        (("inference", "overlap"), -0.1, "overlap -0.1 must be within"),
        (("inference", "threshold"), 1.0, "threshold 1.0 must be between"),
        (("postprocessing", "minimum_volume_ml"), -1, "minimum_volume_ml -1.0 must not be negative"),
        (("postprocessing", "bridged_slices"), -1, "bridged_slices -1 must not be negative"),
        (("training", "cases"), -1, "patients and cases must not be negative"),
        (("training", "job"), "../job.json", "must be empty or job.json"),
        (("quality", 0, "cases"), 0, r"quality\[0\]: cases must be at least 1"),
        (("quality", 0, "standard_deviation"), -0.1, "standard_deviation not negative"),
        (("expected", "spacing_mm"), [2, 1], "spacing_mm .* smallest first"),
        (("expected", "field_of_view_mm"), [0, 1], "field_of_view_mm .* must be positive"),
    ],
)
def test_values_that_make_no_sense_are_refused(path, value, complaint):
    card = parsed(changed(*path, to=value))
    with pytest.raises(ModelError, match=complaint):
        check_card(card, "card.json")


def test_every_problem_is_told_at_once():
    card = parsed(changed("id", to="Heart") | {"title": ""})
    with pytest.raises(ModelError, match=r"id 'Heart' must be .*; title must not be empty"):
        check_card(card, "card.json")


@pytest.mark.parametrize("orientation", ["slices", "RAS", "SLP", "IAR"])
def test_orientations_that_are_legal(orientation):
    check_card(parsed(changed("preprocessing", "orientation", to=orientation)), "card.json")


def test_labels_are_the_classes_of_the_network():
    check_labels(parsed(CARD), TABLE, "labels.csv")
    two_of_three = LabelTable((Label(1, "left", (1, 2, 3)), Label(3, "right", (4, 5, 6))))
    with pytest.raises(ModelError, match=r"labels.csv disagrees .* tells 2 label\(s\) apart, .* 1…2, but they are 1, 3"):
        check_labels(parsed(CARD), two_of_three, "labels.csv")
    with pytest.raises(ModelError, match="but they are none"):
        check_labels(parsed(CARD), LabelTable(()), "labels.csv")


def test_one_sigmoid_output_is_one_label():
    card = parsed(changed("inference", "activation", to="sigmoid") | {"network": CARD["network"] | {"out_channels": 1}})
    check_card(card, "card")
    with pytest.raises(ModelError, match=r"tells 1 label\(s\) apart"):
        check_labels(card, TABLE, "labels.csv")


@pytest.mark.parametrize("step", ["largest_component", "fill_holes"])
def test_postprocessing_names_labels_of_the_table(step):
    with pytest.raises(ModelError, match="has no label 'atrium', which the card's postprocessing names"):
        check_labels(parsed(changed("postprocessing", step, to=["left", "atrium"])), TABLE, "labels.csv")


def test_card_belongs_to_its_folder(tmp_path):
    for name in ("heart_mr", "heart_ct"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text(json.dumps(CARD), encoding="utf-8")
    assert read_card(tmp_path / "heart_mr") == parsed(CARD)
    with pytest.raises(ModelError, match="is the card of 'heart_mr', but its folder is called 'heart_ct'"):
        read_card(tmp_path / "heart_ct")


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "is not a JSON file"),
        ("[" * 100_000, "is not a JSON file"),
        ("[]", "must be an object"),
        (json.dumps(CARD)[:-1] + ', "id": "other"}', "the key 'id' stands there twice"),
        (json.dumps(CARD | {"threshhold": 1}), "has unknown keys: threshhold"),
        (json.dumps(CARD).replace("0.25", "NaN"), "overlap must be a finite number"),
    ],
)
def test_files_that_are_no_card_are_refused(tmp_path, text, complaint):
    (tmp_path / "card.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=complaint):
        read_card(tmp_path)


# The schema


def test_committed_schema_is_the_one_that_the_code_makes():
    assert (ROOT / "models_zoo" / "card.schema.json").read_text(encoding="utf-8") == card_schema(), (
        "make it again: python -m MedSegDLLib.model_card > models_zoo/card.schema.json"
    )


def test_schema_is_printed_by_the_module():
    library = str(Path(model_card.__file__).parents[1])
    printed = subprocess.run(
        [sys.executable, "-m", "MedSegDLLib.model_card"], capture_output=True, check=True, env={"PYTHONPATH": library}
    )
    assert printed.stdout.decode("utf-8") == card_schema()


SCHEMA = jsonschema.Draft202012Validator(json.loads(card_schema()))


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)


def agree(document):
    """Whether both accept `document`; fails where one accepts it and the other does not."""
    try:
        accepted = bool(parsed(document))
    except ModelError:
        accepted = False
    assert SCHEMA.is_valid(document) == accepted, document
    return accepted


@pytest.mark.parametrize("path", list(paths(CARD)), ids=str)
def test_schema_and_code_accept_and_refuse_the_same_cards(path):
    assert agree(CARD)
    replacements = (..., None, True, 7, -0.5, "text", [], [1, 2], [1, 2, 3], ["text"], {}, {"text": 1})
    assert not all(agree(changed(*path, to=value)) for value in replacements)


OBJECTS = [(), ("network",), ("preprocessing",), ("preprocessing", "normalisation"), ("inference",), ("postprocessing",)]
OBJECTS += [("training",), ("quality", 0), ("expected",)]


@pytest.mark.parametrize("path", OBJECTS, ids=str)
def test_schema_and_code_refuse_unknown_keys(path):
    card = copy.deepcopy(CARD)
    place = card
    for key in path:
        place = place[key]
    place["unknown"] = 1
    assert not agree(card)
