"""Is the new model better than the old one? The same cases, one value a patient, and a paired test.

Patients, not cases or slices, are what may be taken for independent of each other. The test is Wilcoxon's signed-rank test
(Biometrics Bulletin 1945, doi:10.2307/3001968), two-sided: it asks for no normal distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from scipy.stats import wilcoxon

from MedSegDLTrainLib.measure import is_better, patient_scores

SIGNIFICANT = 0.05
FEWEST_PATIENTS = 6  # with five that all agree, p is 2 / 2^5 = 0.0625

_SAME = 1e-9  # smaller differences are rounding


@dataclass(frozen=True)
class PairedComparison:
    """Two models on the same patients by one metric; `patients` maps a patient to the old and the new model's value.

    `old` and `new` are means over patients; without a `p_value`, `reason` says why. `left_out` are patients of whom the
    metric is undefined for one of the two.
    """

    metric: str
    patients: dict[str, tuple[float, float]]
    old: float
    new: float
    p_value: float | None
    reason: str
    left_out: tuple[str, ...]

    @property
    def difference(self) -> float:
        """New minus old mean."""
        return self.new - self.old

    @property
    def verdict(self) -> str:
        """better, worse, or not different; "better so far" and "worse so far" where there are too few patients to tell."""
        better = is_better(self.metric, self.new, self.old)
        if self.p_value is not None:
            return "not different" if self.p_value >= SIGNIFICANT else "better" if better else "worse"
        if abs(self.difference) < _SAME:
            return "not different"
        return "better so far" if better else "worse so far"


def paired(
    old: Mapping[str, Sequence[Mapping]], new: Mapping[str, Sequence[Mapping]], patients: Mapping[str, str], metric: str
) -> PairedComparison | None:
    """Compare rows of `measure.case_rows` by case; `patients` are the patients' keys by case.

    Only labels that both models have count. None if no patient has a defined value of both.
    """
    shared = {case: _shared_names(old[case], new[case]) for case in old if case in new}
    before, after = (
        patient_scores({case: [row for row in rows[case] if row["name"] in shared[case]] for case in shared}, patients, metric)
        for rows in (old, new)
    )
    pairs = {patient: (before[patient], after[patient]) for patient in before if patient in after}
    if not pairs:
        return None
    p_value, reason = _p_value([new - old for old, new in pairs.values()])
    means = (fmean(values) for values in zip(*pairs.values(), strict=True))
    everyone = {patients[case] for case in shared}
    return PairedComparison(metric, pairs, *means, p_value, reason, tuple(sorted(everyone - set(pairs))))


def _shared_names(old: Sequence[Mapping], new: Sequence[Mapping]) -> set[str]:
    return {row["name"] for row in old} & {row["name"] for row in new}


def _p_value(differences: Sequence[float]) -> tuple[float | None, str]:
    """Wilcoxon's two-sided p, exact for few patients, or None and why there is none."""
    if len(differences) < FEWEST_PATIENTS:
        few = "a single patient" if len(differences) == 1 else f"{len(differences)} patients"
        return None, f"With {few} no test can reach p < {SIGNIFICANT}; it takes {FEWEST_PATIENTS} at least."
    changed = [round(difference, 9) for difference in differences if abs(difference) >= _SAME]
    if len(changed) < FEWEST_PATIENTS:
        return None, f"Only {len(changed)} of {len(differences)} patients differ at all: too few for a test."
    return float(wilcoxon(changed).pvalue), ""
