"""Where the command line lets a campaign work."""

import argparse
from pathlib import Path

import pytest

from MedSegDLTrainLib.commands.campaign_place import add_place_arguments, place_of
from Testing.training.campaigning import write_job_of_patients


@pytest.mark.parametrize("given, folder", [((), "job_crossval"), (("--output", "elsewhere"), "elsewhere")])
def test_a_campaign_works_beside_its_job_unless_told_otherwise(tmp_path, monkeypatch, given, folder):
    job = write_job_of_patients(tmp_path)
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    add_place_arguments(parser, "crossval")
    with place_of(parser.parse_args([job.name, *given])) as place:
        assert place.folder == Path(folder)
