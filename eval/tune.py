"""Compare values of the ranking over data sets: `make tune`, on the public sets in QA_DATASETS.

Candidates are gathered once for each set and BM25; then rankings are scored by the very function that the service
ranks with. Cross-validation is over sets: for each set the ranking is chosen that is best on the others, and judged
there, which tells how a choice holds on documents unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import ir_measures
import numpy as np
import typer
from ir_measures import Success, nDCG
from rich.console import Console
from rich.table import Table

from eval.dataset import EvalSet, Question
from eval.formats import open_set
from eval.judge import DEPTH, held, holds, judged, topic
from eval.library import opened
from eval.run import Returned, Row
from index.build import catch_up
from index.fusion import Mode, Scores, scores
from index.local import LocalEngine
from index.mark import marked
from index.ranking import BM25, RANKING, Ranking
from index.search import Gathered
from index.types import Passage, Span, Stamp, document_of
from index.view import View
from qa.config import settings
from qa.wire import Library

SETS = ("squad_a", "nq_mini", "cran", "med", "cacm", "scifact", "xquad/es", "xquad/zh")
MARKED = ("squad_a", "nq_mini")
"""Sets whose spans tell whether the right sentence is marked."""
MARKS: dict[str, Sequence[Any]] = {
    "mark_covered": [0.0, 0.5, 1.0, 2.0],
    "mark_expected": [0.0, 0.5, 1.0],
    "mark_both": [0.0, 0.2, 0.4, 0.6, 0.8],
}
MOST = 500
"""Questions of a set, drawn evenly."""
LEGS: tuple[Mode, ...] = ("bm25", "dense")

GRID: dict[str, Sequence[Any]] = {
    "bm25": [BM25(k1, b) for k1, b in ((0.9, 0.4), (1.2, 0.5), (1.2, 0.75), (1.5, 0.75))],
    "lexical": [0.8, 1.0, 1.1, 1.3],
    "sentence": [0.0, 0.25, 0.5, 0.75],
    "feedback": [0.0, 0.4, 0.8],
    "feedback_fall": [0.01, 0.02, 0.04],
    "feedback_passages": [5, 10, 20],
    "usual_terms": [3, 5, 8],
    "familiar": [0.08, 0.13, 0.18],
    "foreign": [0.2, 0.25, 10.0],
}
"""The values tried for each field of the ranking; `foreign` at 10 is without regard to the language."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its candidates; `sources` of the documents by their ids; `right` is the first passage that holds
    the answer, and its place among the candidates."""

    question: Question
    gathered: Gathered
    sources: Mapping[str, str]
    right: tuple[int, Passage] | None = None

    def marked(self, ranking: Ranking) -> bool:
        """Does the mark of the right passage hold the answer?"""
        assert self.right is not None
        (place, passage), weights = self.right, self.gathered.asked.weights
        mark = marked(self.question.question, passage, self.gathered.evidence, place, weights, ranking)
        source = self.sources[passage.document_id]
        return any(gold.document == source and holds(mark, gold) for gold in self.question.gold)


@dataclass(frozen=True, slots=True)
class Measured:
    """A set: by BM25 the candidates of its questions, and what judges their rankings."""

    name: str
    asked: Mapping[BM25, Sequence[Asked]]
    judge: Any

    def of(self, ranking: Ranking, mode: Mode = "hybrid") -> float:
        """The primary number of a set: R@1 where a question has one answer, else nDCG@10."""
        run: dict[str, dict[str, float]] = {}
        for one in self.asked[ranking.bm25]:
            fused = scores(one.gathered.evidence, one.gathered.bm25, one.gathered.asked, ranking, mode)
            run[topic(one.question.id)] = judged(one.question, _row(one, fused)).run
        return float(next(iter(self.judge.calc_aggregate(run).values())))

    def marks(self, ranking: Ranking) -> str:
        """The share of right passages whose mark holds the answer."""
        found = [one.marked(ranking) for one in self.asked[RANKING.bm25] if one.right]
        return f"{np.mean(found):.3f}"


def main(
    sets: Annotated[list[str] | None, typer.Argument(help="Sets to tune on.")] = None,
    most: Annotated[int, typer.Option(help="Questions of a set, at most.")] = MOST,
    rounds: Annotated[int, typer.Option(help="How often every field is gone through.")] = 2,
) -> None:
    console = Console(width=160)
    measured = [gathered(open_set(name, None), most) for name in sets or SETS]
    table = _table(measured)
    for mode in LEGS:
        table.add_row(f"{mode} alone", *(f"{one.of(RANKING, mode):.3f}" for one in measured))
    table.add_row("now", *(f"{one.of(RANKING):.3f}" for one in measured))
    for field, value in one_by_one():
        ranking = replace(RANKING, **{field: value})
        table.add_row(f"{field} {_said(value)}", *(f"{one.of(ranking):.3f}" for one in measured))
    console.print(table)
    console.print(_marks([one for one in measured if one.name in MARKED]))
    chosen = climb(measured, rounds)
    console.print(f"best on all: {_changes(chosen)}")
    held_out = _table(measured)
    held_out.add_row("now", *(f"{one.of(RANKING):.3f}" for one in measured))
    held_out.add_row("best on all", *(f"{one.of(chosen):.3f}" for one in measured))
    choices = [climb([other for other in measured if other is not one], rounds) for one in measured]
    unseen = [f"{one.of(choice):.3f}" for one, choice in zip(measured, choices, strict=True)]
    held_out.add_row("chosen on the others", *unseen)
    console.print(held_out)
    for one, choice in zip(measured, choices, strict=True):
        console.print(f"without {one.name}: {_changes(choice)}")


def gathered(eval_set: EvalSet, most: int = MOST) -> Measured:
    """The candidates of a set's answerable questions."""
    questions = [question for question in eval_set.questions if question.answerable]
    questions = questions[:: max(1, len(questions) // most)][:most]
    library = opened(eval_set, settings())
    try:
        asked = {bm25: list(_asked(library, bm25, questions)) for bm25 in GRID["bm25"]}
    finally:
        library.close()
    one_answer = all(sum(grade > 0 for grade in question.relevant.values()) <= 1 for question in questions)
    qrels = {topic(question.id): judged(question, _EMPTY).qrels for question in questions}
    return Measured(eval_set.name, asked, ir_measures.evaluator([Success @ 1 if one_answer else nDCG @ 10], qrels))


_EMPTY = Row("", "", "", False, 0.0, (), {})


def _asked(library: Library, bm25: BM25, questions: Sequence[Question]) -> Iterator[Asked]:
    engine = LocalEngine(bm25=bm25)
    catch_up(library.catalogue, engine)
    everything = replace(RANKING, bm25=bm25, rescored=2 * RANKING.candidates)
    searcher = library.searcher.ranking_by(everything)
    sources = {summary.id: summary.source for summary in library.catalogue.summaries()}
    embedder, snapshot = library.model.load_once(), engine.snapshot()
    assert embedder is not None
    with library.catalogue.view() as view:
        for question in questions:
            vector = embedder.question(question.question)
            asked = Asked(question, searcher.gather(snapshot, view, question.question, vector, "hybrid"), sources)
            yield replace(asked, right=_right(asked, view, snapshot.stamp))


def _right(asked: Asked, view: View, stamp: Stamp) -> tuple[int, Passage] | None:
    one = asked.gathered
    for place in one.ranked(scores(one.evidence, one.bm25, one.asked, RANKING, "hybrid"))[:DEPTH]:
        if held(asked.question, _returned(one.ids[place], asked.sources, 0.0)):
            return place, view.passages([one.ids[place]], stamp)[one.ids[place]].passage
    return None


def _row(asked: Asked, fused: Scores) -> Row:
    ids = asked.gathered.ids
    places = asked.gathered.ranked(fused)
    passages = [_returned(ids[place], asked.sources, float(fused[place])) for place in places]
    return replace(_EMPTY, passages=tuple(passages))


def _returned(passage_id: str, sources: Mapping[str, str], score: float) -> Returned:
    start, end = passage_id.rpartition(":")[2].split("-")
    return Returned(sources[document_of(passage_id)], Span(int(start), int(end)), score, ())


def _marks(measured: Sequence[Measured]) -> Table:
    table = _table(measured)
    table.title = "Marked"
    table.add_row("now", *(one.marks(RANKING) for one in measured))
    for field, values in MARKS.items():
        for value in (value for value in values if value != getattr(RANKING, field)):
            ranking = replace(RANKING, **{field: value})
            table.add_row(f"{field} {value}", *(one.marks(ranking) for one in measured))
    return table


def one_by_one() -> Iterator[tuple[str, Any]]:
    """Every value of the grid that is not in use."""
    for field, values in GRID.items():
        for value in values:
            if value != getattr(RANKING, field):
                yield field, value


def climb(measured: Sequence[Measured], rounds: int) -> Ranking:
    """Each field in turn set to the value that is best on average over the sets, the others being kept."""
    best = RANKING

    def worth(ranking: Ranking) -> float:
        return float(np.mean([_of(one, ranking) for one in measured]))

    for _ in range(rounds):
        for field, values in GRID.items():
            best = max((replace(best, **{field: value}) for value in values), key=worth)
    return best


_KNOWN: dict[tuple[str, Ranking], float] = {}


def _of(measured: Measured, ranking: Ranking) -> float:
    if (measured.name, ranking) not in _KNOWN:
        _KNOWN[measured.name, ranking] = measured.of(ranking)
    return _KNOWN[measured.name, ranking]


def _table(measured: Sequence[Measured]) -> Table:
    return Table("", *(one.name for one in measured), box=None)


def _changes(ranking: Ranking) -> str:
    changed = [
        f"{field} {_said(getattr(ranking, field))}"
        for field in GRID
        if getattr(ranking, field) != getattr(RANKING, field)
    ]
    return ", ".join(changed) or "as it is"


def _said(value: Any) -> str:
    return f"k1 {value.k1} b {value.b}" if isinstance(value, BM25) else str(value)


if __name__ == "__main__":
    typer.run(main)
