"""Results as tables for people and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from eval.metrics import RETRIEVAL
from eval.run import Result
from index.search import Mode


def summary(result: Result) -> dict[str, float]:
    """Every number of one mode, by the name of its column."""
    return {
        **result.retrieval,
        "marked": result.marked,
        "AUROC": result.auroc,
        "AUROC near": result.auroc_near,
        "AUROC off": result.auroc_off,
    }


def overall(results: Sequence[Result]) -> Table:
    """A line for each mode."""
    rows = {result.mode: summary(result) for result in results}
    return _table("mode", rows, title="All answerable questions; AUROC: against the unanswerable ones")


def by_kind(results: Sequence[Result]) -> Table:
    """R@1 of each mode for each kind of question."""
    rows = {result.mode: result.first_by_kind for result in results}
    return _table("R@1", rows, title="By kind of question")


def _table(first: str, rows: Mapping[Mode, Mapping[str, float]], title: str) -> Table:
    columns = list(next(iter(rows.values())))
    table = Table(first, title=title, title_justify="left", box=None)
    for column in columns:
        table.add_column(column, justify="right")
    for name, values in rows.items():
        table.add_row(name, *(f"{values[column]:.3f}" for column in columns))
    return table


LEGEND = f"""\
{", ".join(RETRIEVAL)} by ir-measures (the mean of RR is MRR).
A passage is relevant if it holds at least half of a gold span; the first relevant one stands for the answer.
marked: is the answer in the marked sentence of that passage? (none among the first ten: no)
AUROC: does confidence tell answerable questions from the others: all, near-misses on the topic, other topics?"""
