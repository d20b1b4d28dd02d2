"""One run against another on the questions that both were asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eval.dataset import Question
from eval.metrics import Values
from eval.statistics import Paired, paired
from index.errors import QAError

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Changed:
    """A question that one run answers better than the other, by the primary measure."""

    question_id: str
    baseline: float
    other: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Each measure on the questions that both runs have; `changed` those that differ most, the largest change first.

    The p of each measure stands for itself: where many are looked at, some are below .05 by chance, so that one
    measure, the primary one, decides.
    """

    primary: str
    measures: dict[str, Paired]
    only_baseline: int
    only_other: int
    changed: tuple[Changed, ...]

    @property
    def regressed(self) -> bool:
        """Is the primary measure significantly worse than in the baseline?"""
        decisive = self.measures[self.primary]
        return decisive.difference.mean < 0 and decisive.p < SIGNIFICANT


def primary(questions: Iterable[Question]) -> str:
    """The measure that decides: nDCG@10 where documents are judged, for their grades and because there may be many;
    RR@10 for spans, where one answer stands at one rank. On BEIR and on MS MARCO these are the usual ones."""
    return "nDCG@10" if any(question.relevant for question in questions) else "RR@10"


def compare(baseline: Values, other: Values, primary: str, most: int = 10, seed: int = 0) -> Comparison:
    """Compare the per-question values of two runs, measures that only one has left out.

    Raises QAError if they have no question in common that the primary measure judges.
    """
    before, after = baseline.get(primary, {}), other.get(primary, {})
    if not before.keys() & after.keys():
        raise QAError(f"the runs have no question in common that has {primary}", "Compare runs of the same eval set.")
    measures = {}
    for name in baseline:
        shared = [question for question in baseline[name] if question in other.get(name, {})]
        if shared:
            measures[name] = paired(
                [baseline[name][question] for question in shared],
                [other[name][question] for question in shared],
                seed,
            )
    return Comparison(
        primary=primary,
        measures=measures,
        only_baseline=len(before.keys() - after.keys()),
        only_other=len(after.keys() - before.keys()),
        changed=_changed(before, after)[:most],
    )


def _changed(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[Changed, ...]:
    both = [Changed(question, before[question], after[question]) for question in before.keys() & after.keys()]
    differing = [one for one in both if one.baseline != one.other]
    return tuple(sorted(differing, key=lambda one: (-abs(one.other - one.baseline), one.question_id)))
