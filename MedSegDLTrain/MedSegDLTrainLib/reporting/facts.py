"""A run, the cases that it is judged by, and the model that it started from: what a report and a card have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib.checkpoint import Model, load_model
from MedSegDLLib.commands.text_table import plural
from MedSegDLLib.errors import InputError
from MedSegDLLib.model_card import OF_THE_VALIDATION
from MedSegDLTrainLib.cases import Case, Dataset, check_there, read_case_list, read_dataset
from MedSegDLTrainLib.compare import PairedComparison
from MedSegDLTrainLib.division import Division, counted, divided
from MedSegDLTrainLib.job import TrainingJob, read_job
from MedSegDLTrainLib.run_folder import JOB_FILE
from MedSegDLTrainLib.start import start_folder

METRIC_NAMES = {
    "dice": "Dice",
    "jaccard": "Jaccard index",
    "surface_distance_mean_mm": "mean surface distance (mm)",
    "hd95_mm": "95th percentile Hausdorff distance (mm)",
}


@dataclass(frozen=True)
class RunFacts:
    """A run's job, its case folder, and which of its cases were for what."""

    run: Path
    job: TrainingJob
    folder: Path
    dataset: Dataset
    division: Division

    @property
    def judging_cases(self) -> tuple[Case, ...]:
        """The cases that say how good the run's model is: those held out, or the validation's if there are none."""
        return self.division.held_out or self.division.validation

    @property
    def patients(self) -> dict[str, str]:
        """The patients' keys by the names of the judging cases."""
        return {case.name: case.patient for case in self.judging_cases}


def facts_of(run: Path) -> RunFacts:
    """What a run's folder and its case folder say; raises InputError if it is no run or its cases cannot be read."""
    if not (run / JOB_FILE).is_file():
        raise InputError(f"{run} holds no training run: there is no {JOB_FILE} in it.")
    job = read_job(run / JOB_FILE)
    folder = Path(job.cases)
    check_there(folder)
    return RunFacts(run, job, folder, read_dataset(folder), divided(read_case_list(folder), job.validation))


def start_model(job: TrainingJob) -> Model | None:
    """The model whose weights a job starts from, None without one; raises ModelError if it is no longer there."""
    if not job.start_from:
        return None
    return load_model(start_folder(job))


def amount(cases: Sequence[Case]) -> str:
    """For example "6 patients (12 cases)"."""
    count = counted(cases)
    return f"{plural(count['patients'], 'patient')} ({plural(count['cases'], 'case')})"


def data_words(facts: RunFacts) -> str:
    """Which data a figure was measured on, behind the number of patients."""
    if facts.division.held_out:
        return "held out for ever: never trained on, and not used to choose the best weights"
    return f"{OF_THE_VALIDATION}: not trained on, but the best weights were chosen by them"


def comparison_sentence(result: PairedComparison, old: str) -> str:
    """What a paired comparison with the model `old` comes to, in words."""
    figures = f"{result.old:.3f} with {old}, {result.new:.3f} now ({result.difference:+.3f})"
    patients = f"mean of {plural(len(result.patients), 'patient')}"
    test = result.reason if result.p_value is None else f"Wilcoxon's signed-rank test: p = {result.p_value:.3g}."
    return f"The new model is {result.verdict}: {METRIC_NAMES[result.metric]} {figures}, {patients}. {test}"
