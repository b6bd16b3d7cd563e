"""A training job out of a case folder: every value with a reason, as nnU-Net plans, but readable."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.job_checks import problems_of
from MedSegDLTrainLib.planning.cost import Machine
from MedSegDLTrainLib.planning.like import job_like
from MedSegDLTrainLib.planning.new import job_with_network
from MedSegDLTrainLib.planning.wishes import Wishes, check_wishes


def planned_job(folder: Path, output: Path, wishes: Wishes, machine: Machine) -> TrainingJob:
    """The job for the cases in `folder` that is to be written to `output`, on `machine`, with `reasons` by dotted name.

    Raises InputError for cases that nothing can be learnt from, ModelError for an unknown model, OutputError if `output` is
    there already, DeviceError if nothing can be trained here.
    """
    check_wishes(wishes, output)
    job = job_like(folder, wishes, machine) if wishes.like else job_with_network(folder, wishes, machine)
    job = replace(job, cases=path_from(output, folder))
    if problems := list(problems_of(job)):  # of a person's numbers, or of a model's card and job
        raise InputError(f"No usable job comes out of that: {'; '.join(problems)}.")
    return job


def path_from(output: Path, folder: Path) -> str:
    """`folder` as seen from the job file, so that both can be moved together; absolute where there is no way."""
    try:
        return Path(os.path.relpath(folder.resolve(), output.resolve().parent)).as_posix()
    except ValueError:  # another drive
        return str(folder.resolve())
