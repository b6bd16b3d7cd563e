"""job.json: strict, and the one in the zoo is readable."""

import json
from pathlib import Path

import pytest

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.job import read_job, write_job

ZOO = Path(__file__).resolve().parents[2] / "models_zoo"


def test_round_trip(job_file, tmp_path):
    job = read_job(job_file)
    write_job(job, tmp_path / "again.json")
    assert read_job(tmp_path / "again.json") == job


def test_unknown_keys_are_refused(job_file):
    document = json.loads(job_file.read_text(encoding="utf-8"))
    document["sampling"]["patchsize"] = 3
    job_file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match="sampling has unknown keys: patchsize"):
        read_job(job_file)


@pytest.mark.parametrize("path", sorted(ZOO.glob("*/job.json")), ids=lambda path: path.parent.name)
def test_the_zoos_jobs_are_readable(path):
    assert read_job(path).optimisation.steps > 0
