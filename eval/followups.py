"""When does a question lean on those before it? `make followups`, on doc2dial and nq_mini in QA_DATASETS.

Follow-ups of doc2dial are asked after their own conversation, questions of nq_mini after three drawn at random of that
set, each with and without taking the earlier ones over; then every rule is judged by what it would have chosen.
Conversations are split in two: the rule that does best on one half is judged on the other.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from eval.bench.report import Section, text
from eval.dataset import Question
from eval.formats import open_set
from eval.library import opened
from eval.systems import SYSTEMS, Asker
from index.search import Results
from qa.config import settings
from qa.followup import LEANING, Leaning, Stand, carried, leans, points_back
from qa.types import Turn
from qa.wire import Library

Rule: TypeAlias = Callable[["Case"], bool]

UNRELATED = 3
"""Questions on something else before one that stands by itself."""
DEPTH = 20
LOSS = 0.01
"""What questions that stand by themselves may lose."""
GRID = [
    Leaning(share, confident, pointing)
    for share, confident, pointing in itertools.product(
        np.arange(0.1, 0.85, 0.05).round(2).tolist(), (-0.2, 0.0, 0.2, 0.4), (0.0, 0.1, 0.2, 0.3)
    )
]


@dataclass(frozen=True, slots=True)
class Case:
    """A question after others: how it stands alone, and at which rank its document is, alone and with the others."""

    question: str
    stand: Stand
    alone: int | None
    carried: int | None

    def rank(self, leaning: bool) -> int | None:
        return self.carried if leaning else self.alone


def main(most: Annotated[int | None, typer.Option(help="Questions of each set, at most.")] = None) -> None:
    followups = list(_cases("doc2dial", most))
    standalone = list(_cases("nq_mini", most))
    rows = [
        _row("never", followups, standalone, lambda _: False),
        _row("always", followups, standalone, lambda _: True),
        _row("words that point back", followups, standalone, lambda one: points_back(one.question)),
    ]
    rows += [
        _row(f"own share above {share}", followups, standalone, _by(Leaning(share, 0.0, 0.0)))
        for share in (0.3, 0.4, 0.5, 0.6, 0.7)
    ]
    rows.append(_row(f"in use: {_said(LEANING)}", followups, standalone, _by(LEANING)))
    for half, other in ((0, 1), (1, 0)):
        best = choose(followups[half::2], standalone[half::2])
        name = f"best on one half, judged on the other: {_said(best)}"
        rows.append(_row(name, followups[other::2], standalone[other::2], _by(best)))
    best = choose(followups, standalone)
    rows.append(_row(f"best on both: {_said(best)}", followups, standalone, _by(best)))
    typer.echo(text(Section("", "", rows)))


def choose(followups: Sequence[Case], standalone: Sequence[Case]) -> Leaning:
    """The rule with most follow-ups right among the first five, of those that cost the others less than they may
    lose, with some to spare."""
    before = _right((one.alone for one in standalone), 1)
    kept = [one for one in GRID if before - _with(standalone, one, 1) <= 0.7 * LOSS]
    return max(kept, key=lambda one: _with(followups, one, 5))


def _with(cases: Sequence[Case], leaning: Leaning, depth: int) -> float:
    return _right((one.rank(leans(one.question, one.stand, leaning)) for one in cases), depth)


def _right(ranks: Iterable[int | None], depth: int) -> float:
    return float(np.mean([rank is not None and rank <= depth for rank in ranks]))


def _cases(name: str, most: int | None) -> Iterator[Case]:
    eval_set, chance = open_set(name, None), random.Random(0)
    questions = [one for one in eval_set.questions if one.answerable]
    if name == "doc2dial":
        questions = [one for one in questions if one.history]
    else:
        words = [one.question for one in questions]
        questions = [replace(one, history=tuple(chance.sample(words, UNRELATED))) for one in questions]
    library = opened(eval_set, settings())
    asker = Asker(library, SYSTEMS["hybrid"])
    try:
        for question in track(questions[:most], name, console=Console(stderr=True), transient=True):
            yield _case(library, asker.turns(question.history), question)
    finally:
        library.close()


def _case(library: Library, turns: Sequence[Turn], question: Question) -> Case:
    answerer = library.answerer
    alone = answerer.search(question.question, DEPTH)
    stand = answerer.stand(question.question, alone, turns)
    together = answerer.search(carried(question.question, turns), DEPTH)
    return Case(question.question, stand, _rank(question, alone), _rank(question, together))


def _rank(question: Question, results: Results) -> int | None:
    documents = list(dict.fromkeys(found.stored.passage.document_id for found in results.found))
    ranks = [rank for rank, one in enumerate(documents, 1) if question.relevant.get(one, 0) > 0]
    return min(ranks, default=None)


def _by(leaning: Leaning) -> Rule:
    return lambda one: leans(one.question, one.stand, leaning)


def _row(name: str, followups: Sequence[Case], standalone: Sequence[Case], leaning: Rule) -> dict[str, object]:
    return {
        "taken over": name,
        "doc2dial R@1": f"{_right((one.rank(leaning(one)) for one in followups), 1):.3f}",
        "doc2dial R@5": f"{_right((one.rank(leaning(one)) for one in followups), 5):.3f}",
        "of them taken over": f"{np.mean([leaning(one) for one in followups]):.3f}",
        "nq_mini R@1": f"{_right((one.rank(leaning(one)) for one in standalone), 1):.3f}",
        "of those taken over": f"{np.mean([leaning(one) for one in standalone]):.3f}",
    }


def _said(leaning: Leaning) -> str:
    return f"share {leaning.share:g} + {leaning.confident:g} confidence - {leaning.pointing:g} pointing"


if __name__ == "__main__":
    typer.run(main)
