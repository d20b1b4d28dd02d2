"""The numbers of runs as tables for people, and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from rich.console import Group
from rich.table import Table
from rich.text import Text

from eval.compare import Comparison
from eval.dataset import Question
from eval.metrics import MARKED, Summary
from eval.statistics import Interval
from qa.terminal import plain

Cell: TypeAlias = str | Interval

NONE = "–"
WORDS = "question"
"""The column of prose."""

LEGEND = {
    "nDCG, R, RR, Success": "by ir-measures; means over the answerable questions, with 95 % bootstrap intervals",
    "right": "a passage that holds at least half of a gold span, and the first such one stands for the answer; where "
    "documents are judged, a passage of a relevant one, and the first passage of a document stands for it",
    "marked": "of the questions with a right passage among the first ten, those whose answer is marked in it",
    "AUROC": "the chance that an answerable question gets more confidence than one that is not: than any such one, "
    "than a near-miss, than one about something else (off)",
    "ECE": "how far confidence is from the share of top passages that are right, in 15 bins of equal number",
    "coverage, error": "questions that were answered; of those, the share whose top passage is not right",
    "kept, refused": "answerable questions that were called so; others that were not",
    "p, W / T / L": "paired randomisation test, two-sided; questions that became better, stayed, became worse. "
    "The measure with a star decides whether a run is worse",
}


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text, for the terminal and for the page."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def grids(summaries: Sequence[Summary]) -> list[Grid]:
    """The tables of a report; those that would be empty are left out."""
    return [
        grid
        for grid in (rankings(summaries), confidences(summaries), kinds(summaries), latencies(summaries))
        if grid.rows
    ]


def rankings(summaries: Sequence[Summary]) -> Grid:
    """A line a system. Success@k is shown where it is not R@k again, which it is with one answer a question."""
    names = list(dict.fromkeys(name for one in summaries for name in one.measures))
    shown = [name for name in names if not _again(name, summaries)]
    rows = tuple((one.system, *(one.measures.get(name, NONE) for name in shown)) for one in summaries if one.measures)
    count = max((one.answerable for one in summaries), default=0)
    return Grid(f"Ranking: {count:,} answerable questions", ("system", *shown), rows)


def _again(name: str, summaries: Iterable[Summary]) -> bool:
    return all(one.measures.get(name) == one.measures.get(_recall(name)) for one in summaries)


def _recall(name: str) -> str:
    """R@k of Success@k; of other measures nothing."""
    measure, _, depth = name.partition("@")
    return f"R@{depth}" if measure == "Success" else ""


def confidences(summaries: Sequence[Summary]) -> Grid:
    """What each system's confidence is worth, and what the service makes of it."""
    names = ("AUROC", "AUROC near", "AUROC off", "ECE", "coverage", "error", "kept", "refused")
    rows = [(one.system, one.flat()) for one in summaries if one.confidence]
    count = max((one.questions - one.answerable for one in summaries), default=0)
    return Grid(
        f"Confidence: with {count:,} questions that the documents do not answer",
        ("system", *names),
        tuple((system, *(_number(numbers.get(name)) for name in names)) for system, numbers in rows),
    )


def latencies(summaries: Sequence[Summary]) -> Grid:
    """Median and 99th percentile of each stage."""
    stages = list(dict.fromkeys(stage for one in summaries for stage in one.latency))
    stages.sort(key=lambda stage: stage != "total")
    rows = tuple((one.system, *(_milliseconds(one, stage) for stage in stages)) for one in summaries if one.latency)
    return Grid("Latency: p50 / p99, in ms", ("system", *stages), rows)


def _milliseconds(summary: Summary, stage: str) -> str:
    one = summary.latency.get(stage)
    return f"{one.p50:,.1f} / {one.p99:,.1f}" if one else NONE


def kinds(summaries: Sequence[Summary]) -> Grid:
    """A line for each kind of question; none where there is but one kind."""
    counts: dict[str, int] = {}
    for summary in summaries:
        for kind, one in summary.kinds.items():
            counts[kind] = max(one.count, counts.get(kind, 0))
    rows = tuple(
        (
            kind or NONE,
            f"{count:,}",
            *(_number(one.kinds[kind].first if kind in one.kinds else None) for one in summaries),
        )
        for kind, count in counts.items()
    )
    return Grid(
        "R@1 by kind of question",
        ("kind", "questions", *(one.system for one in summaries)),
        rows if len(rows) > 1 else (),
    )


def comparisons(found: Mapping[str, Comparison], main: str, questions: Iterable[Question]) -> list[Grid]:
    """The main system against each baseline, by name, and of the last the questions that changed most; those that
    would be empty are left out."""
    tables = [comparison(one, name, main) for name, one in found.items()]
    tables += [changed(one, questions) for one in list(found.values())[-1:]]
    return [grid for grid in tables if grid.rows]


def comparison(found: Comparison, baseline: str, other: str) -> Grid:
    """A line a measure; W / T / L: questions that became better, stayed, became worse. The primary one has a star."""
    rows = tuple(
        (
            f"{name} *" if name == found.primary else name,
            f"{one.baseline:.3f}",
            f"{one.other:.3f}",
            one.difference,
            f"{one.p:.4f}",
            f"{one.wins} / {one.ties} / {one.losses}",
        )
        for name, one in found.measures.items()
        if one != found.measures.get(_recall(name))
    )
    left_out = [
        f"{count:,} only {whose}"
        for count, whose in ((found.only_baseline, "in the baseline"), (found.only_other, "here"))
        if count
    ]
    return Grid(
        f"{other} against {baseline}: {found.measures[found.primary].questions:,} questions"
        + (f"; left out: {', '.join(left_out)}" if left_out else ""),
        ("measure", "baseline", "now", "difference", "p", "W / T / L"),
        rows,
    )


def changed(found: Comparison, questions: Iterable[Question]) -> Grid:
    """The questions that changed most."""
    words = {question.id: question.question for question in questions}
    rows = tuple(
        (one.question_id, f"{one.baseline:.3f}", f"{one.other:.3f}", words.get(one.question_id, ""))
        for one in found.changed
    )
    return Grid(f"Changed most, by {found.primary}", ("id", "baseline", "now", WORDS), rows)


def table(grid: Grid) -> Group:
    """For the terminal, where an interval is the half of its width. A column of words is aligned to the left."""
    drawn = Table(box=None)
    for number, column in enumerate(grid.columns):
        words = number == 0 or column == WORDS
        drawn.add_column(Text(plain(column)), justify="left" if words else "right")
    for row in grid.rows:
        drawn.add_row(*(_text(cell) for cell in row))
    return Group(Text(plain(grid.title), style="bold"), drawn)


def legend() -> str:
    """What the names mean, a line each."""
    return "\n".join(f"{name}: {meaning}." for name, meaning in LEGEND.items())


def _text(cell: Cell) -> Text:
    if isinstance(cell, Interval):
        return Text.assemble(f"{cell.mean:.3f} ", (f"±{(cell.high - cell.low) / 2:.3f}", "dim"))
    return Text(plain(cell))


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def as_json(summaries: Iterable[Summary], comparisons: Mapping[str, Comparison]) -> dict[str, Any]:
    """Everything that the tables say, by system, and by the name of each comparison."""
    return {
        "systems": {one.system: _system(one) for one in summaries},
        "comparisons": {name: asdict(one) | {"regressed": one.regressed} for name, one in comparisons.items()},
    }


def _system(summary: Summary) -> dict[str, Any]:
    return {
        "questions": summary.questions,
        "answerable": summary.answerable,
        MARKED + " of": summary.marked_of,
        "numbers": summary.flat(),
        "intervals": {name: [one.low, one.high] for name, one in summary.measures.items()},
        "reliability": [asdict(one) for one in summary.confidence.bins] if summary.confidence else [],
    }
