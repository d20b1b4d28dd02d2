"""The numbers of a run: measures of its rankings by ir-measures (trec_eval), of its confidence, and of its speed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import ir_measures
import numpy as np
from ir_measures import RR, R, Success, nDCG
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from eval.dataset import Question
from eval.judge import asked, first_right, judged, marked
from eval.run import Row, Run
from eval.statistics import Interval, interval

MEASURES = (nDCG @ 10, R @ 1, R @ 5, R @ 10, R @ 100, RR @ 10, Success @ 1, Success @ 5, Success @ 10)
MARKED = "marked"
BINS = 15

Values: TypeAlias = Mapping[str, Mapping[str, float]]
"""By measure and question id."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about the same confidence: its mean, and the share of them whose top passage is right."""

    confidence: float
    right: float
    count: int


@dataclass(frozen=True, slots=True)
class Point:
    """At some threshold: the share of questions that are answered, and of those the share answered wrongly."""

    coverage: float
    error: float


@dataclass(frozen=True, slots=True)
class Confidence:
    """What confidence is worth. None where there are no questions to tell it by.

    `auroc`: answerable questions against all others, `near` against near-misses, `off` against other topics. `ece`:
    expected calibration error, of the `bins`. `service`: at the service's own threshold. `kept`: share of the
    answerable questions called so; `refused`: share of the others called so. `curve`: at every threshold.
    """

    auroc: float | None
    near: float | None
    off: float | None
    ece: float
    bins: tuple[Bin, ...]
    service: Point | None
    kept: float | None
    refused: float | None
    curve: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds: the median and the 99th percentile."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Kind:
    """The answerable questions of a kind: how many, and R@1."""

    count: int
    first: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers. `measures`: means over the `answerable` questions with their intervals.

    Of these "marked" is over `marked_of` questions alone, those with a right passage among the first ten.
    `confidence` is None for a run that has none; `latency` is by stage.
    """

    system: str
    questions: int
    answerable: int
    measures: dict[str, Interval]
    marked_of: int
    confidence: Confidence | None
    latency: dict[str, Latency]
    kinds: dict[str, Kind]

    def flat(self) -> dict[str, float]:
        """Every number by the name that the command line knows it by; what is not known is left out."""
        numbers: dict[str, float | None] = {name: one.mean for name, one in self.measures.items()}
        if told := self.confidence:
            numbers |= {"AUROC": told.auroc, "AUROC near": told.near, "AUROC off": told.off, "ECE": told.ece}
            numbers |= {"kept": told.kept, "refused": told.refused}
            if told.service:
                numbers |= {"coverage": told.service.coverage, "error": told.service.error}
        for stage, one in self.latency.items():
            name = "" if stage == "total" else f"{stage} "
            numbers |= {f"p50 {name}ms": one.p50, f"p99 {name}ms": one.p99}
        numbers |= {f"R@1 {kind}": one.first for kind, one in self.kinds.items() if kind}
        return {name: number for name, number in numbers.items() if number is not None}


def lower_is_better(name: str) -> bool:
    """Of the names in `Summary.flat`."""
    return name in ("ECE", "error") or name.endswith(" ms")


def summarise(questions: Iterable[Question], run: Run, seed: int = 0) -> Summary:
    """The numbers of a run; `questions` may be more than it was asked. `seed` is of the bootstrap."""
    answers = list(asked(questions, run))
    found = values((question for question, _ in answers), run)
    return Summary(
        system=run.system,
        questions=len(answers),
        answerable=sum(question.answerable for question, _ in answers),
        measures={name: interval(list(one.values()), seed) for name, one in found.items()},
        marked_of=len(found.get(MARKED, {})),
        confidence=confidence(answers),
        latency=latency([row for _, row in answers]),
        kinds=_kinds(answers, found),
    )


def values(questions: Iterable[Question], run: Run) -> dict[str, dict[str, float]]:
    """Every measure of every answerable question that the run was asked, by measure and question id; "marked" of
    those alone with a right passage among the first ten. Measures without any question are left out."""
    answers = [(question, row) for question, row in asked(questions, run) if question.answerable]
    seen = [judged(question, row) for question, row in answers]
    ids = {one.topic: question.id for one, (question, _) in zip(seen, answers, strict=True)}
    found: dict[str, dict[str, float]] = {str(measure): {} for measure in MEASURES}
    qrels = {one.topic: one.qrels for one in seen}
    for value in ir_measures.iter_calc(MEASURES, qrels, {one.topic: one.run for one in seen}) if seen else ():
        found[str(value.measure)][ids[value.query_id]] = float(value.value)
    marks = ((question.id, marked(question, row)) for question, row in answers)
    marks_at_all = any(passage.marks for _, row in answers for passage in row.passages)  # other tools mark nothing
    found[MARKED] = {name: float(mark) for name, mark in marks if mark is not None and marks_at_all}
    in_order = {measure: {name: one[name] for name in ids.values() if name in one} for measure, one in found.items()}
    return {measure: one for measure, one in in_order.items() if one}


def _kinds(answers: Iterable[tuple[Question, Row]], found: Values) -> dict[str, Kind]:
    kinds: dict[str, list[float]] = {}
    for question, _ in answers:
        if question.answerable:
            kinds.setdefault(question.kind, []).append(found["R@1"][question.id])
    return {kind: Kind(len(firsts), float(np.mean(firsts))) for kind, firsts in kinds.items()}


def recall_curve(questions: Iterable[Question], run: Run, depth: int = 100) -> list[float]:
    """Mean R@k for k from 1 to `depth`, or to the longest ranking where that is less; empty without answers."""
    shares = []
    for question, row in asked(questions, run):
        if question.answerable:
            one = judged(question, row)
            right = [one.qrels.get(name, 0) > 0 for name in one.run][:depth]
            shares.append(np.cumsum(right) / max(1, sum(grade > 0 for grade in one.qrels.values())))
    longest = max((len(share) for share in shares), default=0)
    if not longest:
        return []
    full = [
        np.pad(share, (0, longest - len(share)), mode="edge") if len(share) else np.zeros(longest) for share in shares
    ]
    return [float(one) for one in np.mean(full, axis=0)]


def confidence(answers: Sequence[tuple[Question, Row]]) -> Confidence | None:
    """None if an answer has no confidence (NaN), as those of other tools, or there is none."""
    if not answers or any(math.isnan(row.confidence) for _, row in answers):
        return None
    told = np.array([row.confidence for _, row in answers])
    right = np.array([first_right(question, row) for question, row in answers])
    bins = reliability(told, right)
    called = {is_so: [row.answerable for one, row in answers if one.answerable == is_so] for is_so in (True, False)}
    answered = np.array([row.answerable for _, row in answers])
    return Confidence(
        auroc=_auroc(answers, lambda _: True),
        near=_auroc(answers, lambda question: question.kind != "off"),
        off=_auroc(answers, lambda question: question.kind == "off"),
        ece=ece(bins),
        bins=bins,
        service=Point(float(answered.mean()), float((~right[answered]).mean())) if answered.any() else None,
        kept=float(np.mean(called[True])) if called[True] else None,
        refused=1 - float(np.mean(called[False])) if called[False] else None,
        curve=coverage_curve(told, right),
    )


def auroc(answerable: Sequence[bool], confidence: Sequence[float]) -> float:
    """Probability that an answerable question gets more confidence than another; .5 is chance."""
    return float(roc_auc_score(list(answerable), list(confidence)))


def _auroc(answers: Iterable[tuple[Question, Row]], against: Callable[[Question], bool]) -> float | None:
    """Answerable questions against those of the others that are chosen."""
    chosen = [
        (question.answerable, row.confidence) for question, row in answers if question.answerable or against(question)
    ]
    labels = [label for label, _ in chosen]
    return auroc(labels, [told for _, told in chosen]) if len(set(labels)) == 2 else None


def reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = BINS) -> tuple[Bin, ...]:
    """Bins of as equal a number of answers as can be, those of equal confidence together. Both of shape (n,).

    Adaptive binning: Nguyen and O'Connor, Posterior calibration and exploratory analysis for natural language
    processing models, EMNLP 2015.
    """
    order = np.argsort(confidence, kind="stable")
    told, truth = confidence[order], right[order]
    cuts = [len(told) * number // bins for number in range(1, bins)]
    edges = np.unique(np.searchsorted(told, told[cuts], side="left")) if len(told) else np.array([], int)
    return tuple(
        Bin(float(one.mean()), float(label.mean()), len(one))
        for one, label in zip(np.split(told, edges), np.split(truth, edges), strict=True)
        if len(one)
    )


def ece(bins: Iterable[Bin]) -> float:
    """Expected calibration error: the mean distance of confidence from the share that is right, by answers.

    Naeini, Cooper, Hauskrecht: Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015.
    """
    bins = list(bins)
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.confidence - one.right) for one in bins) / total


def coverage_curve(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[Point, ...]:
    """Coverage and error if the questions of at least some confidence were answered, for each confidence there is.

    The risk-coverage curve of El-Yaniv and Wiener, On the foundations of noise-free selective classification, JMLR
    2010. Both of shape (n,); the least coverage first.
    """
    order = np.argsort(-confidence, kind="stable")
    told, wrong = confidence[order], np.cumsum(~right[order])
    last = [number for number in range(len(told)) if number + 1 == len(told) or told[number + 1] < told[number]]
    return tuple(Point((number + 1) / len(told), float(wrong[number]) / (number + 1)) for number in last)


def latency(rows: Iterable[Row]) -> dict[str, Latency]:
    """Of each stage that any of the answers went through."""
    stages: dict[str, list[float]] = {}
    for row in rows:
        for stage, taken in row.milliseconds.items():
            stages.setdefault(stage, []).append(taken)
    return {stage: Latency(*(float(one) for one in np.percentile(all_, (50, 99)))) for stage, all_ in stages.items()}
