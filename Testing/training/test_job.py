"""job.json: strict reading, values that make sense, and a schema that says the same as the code."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from MedSegDLLib.errors import InputError
from MedSegDLLib.strict_json import from_json, to_json
from MedSegDLTrainLib import job as job_module
from MedSegDLTrainLib.job import TrainingJob, job_schema, read_job, write_job
from Testing.documents import with_value

ZOO = Path(__file__).resolve().parents[2] / "models_zoo"

# Every key of a job, with values other than the defaults wherever that makes sense.
JOB = {
    "cases": "cases",
    "network": {"key": "no_new_net", "in_channels": 1, "out_channels": 3, "numbers": {"features_per_stage": [4, 8]}},
    "preprocessing": {
        "orientation": "LPS",
        "spacing": [1.5, 1.5, None],
        "normalisation": {"method": "window", "region": "volume", "percentiles": None, "window": [-100.0, 400.0]},
        "resampling": "cubic",
    },
    "sampling": {
        "patch_size": [32, 32, 16],
        "batch_size": 4,
        "sampler": "foreground",
        "foreground_fraction": 0.7,
        "jitter_mm": 3.0,
        "empty_slice_fraction": 0.1,
    },
    "optimisation": {
        "learning_rate": 0.001,
        "epochs": 20,
        "steps_per_epoch": 100,
        "minutes": 10.0,
        "optimizer": "sgd",
        "momentum": 0.95,
        "nesterov": True,
        "betas": [0.8, 0.99],
        "epsilon": 1e-7,
        "weight_decay": 0.005,
        "decayed": "convolution_kernels",
        "schedule": "steps",
        "decay_factor": 0.5,
        "decay_every": 3000,
        "lowest_rate": 1e-8,
        "clip_norm": 12.0,
        "clip_value": 1.0,
        "accumulation": 2,
        "average_decay": None,
        "blends": [0.5],
        "precision": "bfloat16",
    },
    "inference": {"patch_size": [64, 64, 32], "activation": "softmax", "overlap": 0.25, "threshold": 0.5, "mirror_axes": "x"},
    "loss": "dice",
    "seed": 3,
    "labels": ["left", "right"],
    "augmentation": {
        "scale": [0.8, 1.25],
        "stretch": 0.1,
        "rotation_degrees": 20.0,
        "tilt_degrees": 5.0,
        "flips": "xy",
        "right_angles": True,
        "shear": 0.1,
        "elastic_mm": 1.0,
        "gamma": [0.7, 1.4],
        "curve": 0.5,
        "contrast": [0.8, 1.2],
        "brightness": 0.2,
        "bias_field": 0.2,
        "blur_pixels": 1.0,
        "motion_blur_pixels": 5.0,
        "low_resolution": 2.0,
        "noise": 0.1,
        "probability": 0.3,
    },
    "postprocessing": {
        "largest_component": ["left"],
        "fill_holes": ["right"],
        "fill_holes_by_slice": True,
        "minimum_volume_ml": 0.5,
        "bridged_slices": 2,
    },
    "validation": {
        "fold": 2,
        "folds": 4,
        "patients": ["P7"],
        "train_patients": ["P1", "P2"],
        "metric": "hd95_mm",
        "share": 0.2,
    },
    "start_from": "lv_cine_mr",
    "reasons": {"batch_size": "what fits into memory"},
}


def changed(*path, to):
    """A copy of JOB with the value at `path` replaced, or removed where `to` is ..."""
    return with_value(JOB, *path, to=to)


def written(document, folder):
    path = folder / "job.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def paths(value, path=()):
    """Paths to every value within parsed JSON."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from paths(item, (*path, key))


def test_the_example_names_every_key():
    def keys(value):
        return {name: keys(item) for name, item in value.items() if isinstance(item, dict)} | dict.fromkeys(value)

    def fields(instance):
        return dict.fromkeys(field.name for field in dataclasses.fields(instance))

    job = from_json(TrainingJob, JOB, "job", InputError)
    assert set(JOB) == set(fields(job))
    for name in ("network", "preprocessing", "sampling", "optimisation", "inference", "augmentation", "validation"):
        assert set(JOB[name]) == set(fields(getattr(job, name))), name
    assert set(JOB["postprocessing"]) == set(fields(job.postprocessing))


def test_a_job_is_read_as_it_stands_and_written_so_that_it_is_read_again(tmp_path):
    job = read_job(written(JOB, tmp_path))
    assert to_json(job) == JOB
    assert job.sampling.patch_size == (32, 32, 16)
    write_job(job, tmp_path / "again.json")
    assert read_job(tmp_path / "again.json") == job


def test_what_is_left_out_has_a_default(job_file, tmp_path):
    job = read_job(job_file)
    assert (job.optimisation.optimizer, job.optimisation.betas, job.labels) == ("adamw", (0.9, 0.999), ())
    write_job(job, tmp_path / "again.json")
    assert read_job(tmp_path / "again.json") == job


NEGATIVE = ("rotation_degrees", "tilt_degrees", "shear", "elastic_mm", "brightness", "bias_field", "noise", "blur_pixels")


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("cases",), " ", "cases must name a case folder"),
        (("network", "key"), "unet", "network: key 'unet' must be one of unet_2d, no_new_net"),
        (("network", "in_channels"), 0, "in_channels 0 must be at least 1"),
        (("network", "out_channels"), 1, "at least 2 .* but is 1"),
        (("network", "out_channels"), 4, r"labels names 2 label\(s\), but the network tells 3 apart"),
        (("inference", "activation"), "sigmoid", "must be 1 with sigmoid activation, but is 3"),
        (("labels",), ["left"], r"labels names 1 label\(s\), but the network tells 2 apart"),
        (("labels",), ["left", "left"], "labels names a label twice"),
        (("labels",), ["left", "up"], "postprocessing names 'right', which is not among the labels"),
        (("seed",), -1, "seed -1 must be within"),
        (("seed",), 2**63, "seed 9223372036854775808 must be within"),
        (("preprocessing", "orientation"), "LPX", "orientation 'LPX'"),
        (("preprocessing", "spacing"), [1, 0, None], "spacing .* must be positive or null"),
        (("preprocessing", "normalisation", "window"), [5, 5], "lowest, then highest"),
        (("preprocessing", "normalisation", "window"), None, "window is given with the method"),
        (("inference", "overlap"), 0.95, "overlap 0.95 must be within"),
        (("inference", "patch_size"), [64, 64, 1], "patch_size must have z = 1 in both"),
        (("postprocessing", "minimum_volume_ml"), -1, "minimum_volume_ml -1.0 must not be negative"),
        (("sampling", "patch_size"), [32, 0, 16], "sampling: patch_size .* must be positive"),
        (("sampling", "sampler"), "slices", "the sampler slices needs a patch_size with z = 1"),
        (("sampling", "batch_size"), 0, "batch_size 0 must be at least 1"),
        (("sampling", "jitter_mm"), -1, "jitter_mm -1.0 must not be negative"),
        (("sampling", "foreground_fraction"), 1.1, "foreground_fraction 1.1 must be within 0…1"),
        (("sampling", "empty_slice_fraction"), -0.1, "empty_slice_fraction -0.1 must be within 0…1"),
        (("augmentation", "scale"), [0, 1], r"scale \(0.0, 1.0\) must be positive"),
        (("augmentation", "gamma"), [2, 1], r"gamma \(2.0, 1.0\) must be positive, smallest first"),
        (("augmentation", "contrast"), [-1, 1], "contrast .* must be positive"),
        (("augmentation", "stretch"), 1, "stretch 1.0 must be within 0…1, without 1"),
        (("augmentation", "curve"), 1.5, "curve 1.5 must be within 0…1"),
        (("augmentation", "probability"), -0.5, "probability -0.5 must be within 0…1"),
        *((("augmentation", name), -1, f"augmentation: {name} -1.0 must not be negative") for name in NEGATIVE),
        (("augmentation", "motion_blur_pixels"), -1, "motion_blur_pixels -1.0 must not be negative"),
        (("augmentation", "low_resolution"), 0.5, "low_resolution 0.5 must be at least 1"),
        (("augmentation", "flips"), "xt", "flips 'xt' must be some of xyz"),
        (("optimisation", "learning_rate"), 0, "learning_rate 0.0 must be positive"),
        (("sampling", "batch_size"), 10**9, "batch_size 1e.09 must not exceed 4,096"),
        (("sampling", "patch_size"), [10**6, 32, 16], "patch_size .* must not exceed 4096"),
        (("optimisation", "minutes"), 1e300, "minutes 1e.300 must not exceed"),
        (("augmentation", "scale"), [1e-6, 1], "scale .* must lie within 1/20…20"),
        (("optimisation", "epochs"), 10**400, "epochs .* must not exceed 1,000,000"),
        (("cases",), "a\0b", "cases 'a.x00b' cannot be the name of a folder"),
        (("cases",), "/".join(["ab"] * 2000), "cases 'ab/ab.*' cannot be the name of a folder"),
        (("start_from",), "x" * 256, "start_from 'x+' cannot be the name of a folder"),
        (("preprocessing", "spacing"), [1e9, 1.0, None], "spacing .* must lie within 0.01…100 mm"),
        (("preprocessing", "spacing"), [1.0, 1e-9, None], "spacing .* must lie within 0.01…100 mm"),
        (("inference", "patch_size"), [10**6, 64, 32], "inference: patch_size .* must not exceed 4096"),
        (("augmentation", "rotation_degrees"), 1e308, "rotation_degrees 1e.308 must not exceed 180"),
        (("network", "in_channels"), 2, "in_channels 2 must be 1: a case has one image"),
        (("augmentation", "shear"), 1e9, "shear 1e.09 must not exceed 2"),
        (("optimisation", "blends"), [0.5, 1], "must lie between 0 and 1"),
        (("start_from",), "", "the weights of start_from, which is empty"),
        (("optimisation", "epochs"), -1, "epochs -1 must not be negative"),
        (("optimisation", "steps_per_epoch"), -5, "steps_per_epoch -5 must be positive"),
        (("optimisation", "accumulation"), 0, "accumulation 0 must be positive"),
        (("optimisation", "accumulation"), 5, "accumulation 5 must not exceed the batch_size 4"),
        (("optimisation", "decay_every"), 0, "decay_every 0 must be positive"),
        (("optimisation", "epsilon"), 0, "epsilon 0.0 must be positive"),
        (("optimisation", "minutes"), 0, "minutes 0.0 must be positive or null"),
        (("optimisation", "clip_norm"), 0, "clip_norm 0.0 must be positive or null"),
        (("optimisation", "clip_value"), -1, "clip_value -1.0 must be positive or null"),
        (("optimisation", "weight_decay"), -1, "weight_decay -1.0 must not be negative"),
        (("optimisation", "lowest_rate"), -1, "lowest_rate -1.0 must be within 0…learning_rate"),
        (("optimisation", "lowest_rate"), 0.01, "lowest_rate 0.01 must be within 0…learning_rate"),
        (("optimisation", "schedule"), "cosine", "schedule 'cosine' must be one of constant, exponential"),
        (("optimisation", "decay_factor"), 0, "decay_factor 0.0 must be within 0…1, without 0"),
        (("optimisation", "decay_factor"), 1.5, "decay_factor 1.5 must be within"),
        (("optimisation", "momentum"), 1, "momentum 1.0 must be within 0…1, without 1"),
        (("optimisation", "momentum"), 0, "nesterov needs a momentum above 0"),
        (("optimisation", "betas"), [0.9, 1], "betas 1.0 must be within"),
        (("optimisation", "average_decay"), 1, "average_decay 1.0 must be within"),
        (("validation", "folds"), 1, "folds 1 must be at least 2"),
        (("validation", "fold"), 4, "fold 4 must be within 0…3"),
        (("validation", "share"), 0, "share 0.0 must be within 0…1, without 0"),
    ],
)
def test_values_that_make_no_sense_are_refused(path, value, complaint, tmp_path):
    file = written(changed(*path, to=value), tmp_path)
    with pytest.raises(InputError, match=f"job.json is not a usable training job: .*{complaint}"):
        read_job(file)


@pytest.mark.parametrize("edge", [0, -1.5])
def test_a_spacing_that_is_not_positive_is_told_once(tmp_path, edge):
    file = written(changed("preprocessing", "spacing", to=[1, edge, None]), tmp_path)
    with pytest.raises(InputError, match="must be positive or null") as told:
        read_job(file)
    assert str(told.value).count("preprocessing: spacing") == 1


def test_every_problem_is_told_at_once(tmp_path):
    file = written(changed("seed", to=-1) | {"labels": ["left", "left"]}, tmp_path)
    with pytest.raises(InputError, match=r"seed -1 must be .*; labels names a label twice"):
        read_job(file)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not a JSON file"),
        ("[]", "must be an object"),
        (json.dumps(JOB)[:-1] + ', "seed": 4}', "the key 'seed' stands there twice"),
        (json.dumps(JOB | {"sead": 1}), "has unknown keys: sead. Known are cases, network"),
        (json.dumps(changed("sampling", "patchsize", to=3)), "sampling has unknown keys: patchsize"),
        (json.dumps(changed("loss", to=...)), "lacks the keys loss: add them"),
        (json.dumps(changed("sampling", "sampler", to="anywhere")), "sampler is 'anywhere', but must be one of 'slices'"),
        (json.dumps(changed("sampling", "patch_size", to=[16, 16])), "patch_size must be a list of 3"),
    ],
)
def test_files_that_are_no_job_are_refused_with_a_sentence(tmp_path, text, complaint):
    path = tmp_path / "job.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        read_job(path)


@pytest.mark.parametrize("path", sorted(ZOO.glob("*/job.json")), ids=lambda path: path.parent.name)
def test_the_zoos_jobs_are_readable(path):
    assert read_job(path).optimisation.epochs > 0


# The schema

SCHEMA = jsonschema.Draft202012Validator(json.loads(job_schema()))


def test_the_committed_schema_is_the_one_that_the_code_makes():
    committed = Path(job_module.__file__).with_name("job.schema.json")
    assert committed.read_text(encoding="utf-8") == job_schema(), "make it again: see the first lines of job.py"


def test_the_schema_is_a_schema_and_describes_what_is_not_plain():
    jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)
    sampling = SCHEMA.schema["properties"]["sampling"]["properties"]
    assert sampling["sampler"]["enum"] == ["slices", "uniform", "balanced", "foreground"]
    assert "balanced: round a voxel of a label" in sampling["sampler"]["description"]


def agree(document):
    """Whether both accept `document`; fails where one accepts it and the other does not."""
    try:
        accepted = bool(from_json(TrainingJob, document, "job", InputError))
    except InputError:
        accepted = False
    assert SCHEMA.is_valid(document) == accepted, document
    return accepted


@pytest.mark.parametrize("path", list(paths(JOB)), ids=str)
def test_schema_and_code_accept_and_refuse_the_same_jobs(path):
    assert agree(JOB)
    replacements = (..., None, True, 7, -0.5, "text", [], [1, 2], [1, 2, 3], ["text"], {}, {"text": 1})
    assert not all(agree(changed(*path, to=value)) for value in replacements)


@pytest.mark.parametrize("name", [name for name, value in JOB.items() if isinstance(value, dict) and name != "reasons"])
def test_schema_and_code_refuse_unknown_keys(name):
    assert not agree(changed(name, "unknown", to=1))
