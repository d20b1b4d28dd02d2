"""Results as tables for people and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from eval.metrics import RETRIEVAL
from eval.run import Result


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


def _table(first: str, rows: Mapping[str, Mapping[str, float]], title: str) -> Table:
    columns = list(next(iter(rows.values())))
    table = Table(first, title=title, title_justify="left", box=None)
    for column in columns:
        table.add_column(column, justify="right")
    for name, values in rows.items():
        table.add_row(name, *(f"{values[column]:.3f}" for column in columns))
    return table


LEGEND = f"""\
{", ".join(RETRIEVAL)} by ir-measures (RR: its mean is MRR). A passage is relevant if it holds half of a gold span or more;
a question has one answer, and the first relevant passage stands for it.
marked: is the answer in the marked sentence of the first relevant passage? (no such passage in ten: no)
AUROC: how well confidence tells answerable questions from all others, from near-misses on the topic, from other topics."""
