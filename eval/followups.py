"""When does a question lean on those before it? `make followups`, on doc2dial, nq_mini and squad_a in QA_DATASETS.

Follow-ups of doc2dial are asked after their own conversation, questions of nq_mini after three drawn at random of that
set, each with and without taking the earlier ones over; then every rule is judged by what it would have chosen.
Conversations are split in two: the rule that does best on one half is judged on the other.

Then the rule in use, in libraries of a few documents, of which any may come near the best: squad_a with an article as a
document, and two of our own, `eval/sets/small`, of five short documents each.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from eval.bench.report import Section, text
from eval.dataset import SETS, EvalSet, Question, public
from eval.formats import open_set
from eval.judge import held
from eval.library import names, opened, placed
from eval.run import Returned
from eval.systems import SYSTEMS, Asker
from index.search import Results
from index.types import Span
from qa.config import settings
from qa.followup import LEANING, Leaning, Stand, leans, points_back
from qa.types import Turn
from qa.wire import Library

Rule: TypeAlias = Callable[["Case"], bool]

UNRELATED = 3
"""Questions on something else before one that stands by itself."""
DEPTH = 20
DRAWN = 300
"""Questions of squad_a that are asked after others."""
SMALL = ("home", "club")
"""The libraries in `eval/sets/small`."""
_CONSOLE = Console(stderr=True)
LOSS = 0.01
"""What questions that stand by themselves may lose."""
GRID = [
    Leaning(share, confident, pointing)
    for share, confident, pointing in itertools.product(
        np.arange(0.1, 0.85, 0.05).round(2).tolist(), (-0.2, 0.0, 0.2, 0.4), (0.0, 0.1, 0.2, 0.3)
    )
]


@dataclass(frozen=True, slots=True)
class Ranks:
    """Of the first document that answers, and of the first passage; None where none was found."""

    document: int | None
    passage: int | None


@dataclass(frozen=True, slots=True)
class Case:
    """A question after others: how it stands alone, and what it finds, alone and with the others."""

    question: str
    stand: Stand
    alone: Ranks
    carried: Ranks

    def ranks(self, leaning: bool) -> Ranks:
        return self.carried if leaning else self.alone


def main(most: Annotated[int | None, typer.Option(help="Questions of each set, at most.")] = None) -> None:
    followups, standalone = _public("doc2dial", most), _public("nq_mini", most)
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
    few = [*_small_rows("squad_a by article", cases(*_articles(most)))]
    for name in SMALL:
        few += _small_rows(name, cases(*small(name)))
    typer.echo("\n" + text(Section("", "", few)))


def choose(followups: Sequence[Case], standalone: Sequence[Case]) -> Leaning:
    """The rule with most follow-ups right among the first five, of those that cost the others less than they may
    lose, with some to spare."""
    before = _documents(standalone, lambda _: False, 1)
    kept = [one for one in GRID if before - _with(standalone, one, 1) <= 0.7 * LOSS]
    return max(kept, key=lambda one: _with(followups, one, 5))


def _with(cases: Sequence[Case], leaning: Leaning, depth: int) -> float:
    return _documents(cases, _by(leaning), depth)


def _documents(cases: Sequence[Case], leaning: Rule, depth: int) -> float:
    return _right((one.ranks(leaning(one)).document for one in cases), depth)


def _passages(cases: Sequence[Case], leaning: Rule) -> float:
    return _right((one.ranks(leaning(one)).passage for one in cases), 1)


def _right(ranks: Iterable[int | None], depth: int) -> float:
    return float(np.mean([rank is not None and rank <= depth for rank in ranks]))


def _public(name: str, most: int | None) -> list[Case]:
    eval_set, chance = open_set(name, None), random.Random(0)
    questions = [one for one in eval_set.questions if one.answerable]
    if name == "doc2dial":
        questions = [one for one in questions if one.history]
    else:
        questions = [_after(one, chance.sample(questions, UNRELATED)) for one in questions]
    return cases(eval_set, {name: questions[:most]})[name]


def small(name: str) -> tuple[EvalSet, dict[str, list[Question]]]:
    """A library of our own, and what is asked of it: questions that are complete after one on the same document, after
    one on another and after three; follow-ups after the question that they go on from, and with two on other documents
    before; and questions about the documents of the other library."""
    folder, chance = SETS / "small", random.Random(0)
    eval_set = open_set(str(folder / f"{name}.jsonl"), folder / name)
    other = next(one for one in SMALL if one != name)
    complete = [one for one in eval_set.questions if not one.history]
    later = [one for one in eval_set.questions if one.history]
    foreign = [one for one in open_set(str(folder / f"{other}.jsonl"), None).questions if not one.history]
    apart = {one.id: [two for two in complete if _document(two) != _document(one)] for one in eval_set.questions}
    same = {one.id: [two for two in complete if two not in apart[one.id] and two != one] for one in complete}
    return eval_set, {
        "complete, after one on the same document": [_after(one, chance.sample(same[one.id], 1)) for one in complete],
        "complete, after one on another": [_after(one, chance.sample(apart[one.id], 1)) for one in complete],
        "complete, after three on any": [
            _after(one, chance.sample([two for two in complete if two != one], UNRELATED)) for one in complete
        ],
        "follow-ups": later,
        "follow-ups, two on other documents before": [_after(one, chance.sample(apart[one.id], 2)) for one in later],
        "not in these documents, after three": [
            replace(_after(one, chance.sample(complete, UNRELATED)), gold=()) for one in foreign
        ],
    }


def _articles(most: int | None) -> tuple[EvalSet, dict[str, list[Question]]]:
    """squad_a with an article as a document, and questions after three on the same or on any."""
    eval_set, chance = open_set(str(public("squad_a") / "squad.json"), None), random.Random(0)
    questions = [one for one in eval_set.questions if one.answerable]
    drawn = chance.sample(questions, DRAWN)[:most]
    same = {one.id: [two for two in questions if _document(two) == _document(one) and two != one] for one in drawn}
    return eval_set, {
        "complete, after three on the same document": [_after(one, chance.sample(same[one.id], 3)) for one in drawn],
        "complete, after three on any": [_after(one, chance.sample(questions, UNRELATED)) for one in drawn],
    }


def _after(question: Question, earlier: Sequence[Question]) -> Question:
    return replace(question, history=(*(one.question for one in earlier), *question.history))


def _document(question: Question) -> str:
    return question.gold[0].document


def cases(eval_set: EvalSet, groups: Mapping[str, Sequence[Question]]) -> dict[str, list[Case]]:
    """Every question after its history, which is asked turn by turn."""
    library = opened(eval_set, settings())
    try:
        asker, called = Asker(library, SYSTEMS["hybrid"]), names(library)
        return {
            group: [
                _case(library, called, asker.turns(one.history), one)
                for one in track(placed(tuple(questions), library), group, console=_CONSOLE, transient=True)
            ]
            for group, questions in groups.items()
        }
    finally:
        library.close()


def _case(library: Library, called: Mapping[str, str], turns: Sequence[Turn], question: Question) -> Case:
    answerer = library.answerer
    alone = answerer.search(question.question, DEPTH)
    stand = answerer.stand(question.question, alone, turns)
    together = answerer.together(question.question, DEPTH, turns)
    return Case(question.question, stand, _ranks(question, alone, called), _ranks(question, together, called))


def _ranks(question: Question, results: Results, called: Mapping[str, str]) -> Ranks:
    passages = [found.stored.passage for found in results.found]
    returned = [Returned(called[one.document_id], Span(one.start, one.end), 0.0, ()) for one in passages]
    documents = list(dict.fromkeys(one.document for one in returned))
    answering = {gold.document for gold in question.gold} | {one for one, grade in question.relevant.items() if grade}
    return Ranks(
        next((rank for rank, one in enumerate(documents, 1) if one in answering), None),
        next((rank for rank, one in enumerate(returned, 1) if held(question, one)), None),
    )


def _by(leaning: Leaning) -> Rule:
    return lambda one: leans(one.question, one.stand, leaning)


def _row(name: str, followups: Sequence[Case], standalone: Sequence[Case], leaning: Rule) -> dict[str, object]:
    return {
        "taken over": name,
        "doc2dial R@1": f"{_documents(followups, leaning, 1):.3f}",
        "doc2dial R@5": f"{_documents(followups, leaning, 5):.3f}",
        "its passage R@1": f"{_passages(followups, leaning):.3f}",
        "of them taken over": f"{np.mean([leaning(one) for one in followups]):.3f}",
        "nq_mini R@1": f"{_documents(standalone, leaning, 1):.3f}",
        "of those taken over": f"{np.mean([leaning(one) for one in standalone]):.3f}",
    }


def _small_rows(library: str, groups: Mapping[str, Sequence[Case]]) -> Iterator[dict[str, object]]:
    for group, asked in groups.items():
        answered = "not in" not in group
        yield {
            "library": library,
            "questions": group,
            "asked": len(asked),
            "never, R@1": f"{_passages(asked, lambda _: False):.3f}" if answered else "–",
            "always, R@1": f"{_passages(asked, lambda _: True):.3f}" if answered else "–",
            "in use, R@1": f"{_passages(asked, _by(LEANING)):.3f}" if answered else "–",
            "taken over": f"{taken_over(asked):.3f}",
        }


def taken_over(asked: Sequence[Case], leaning: Leaning = LEANING) -> float:
    """The share of the questions that are asked together with those before them."""
    return float(np.mean([_by(leaning)(one) for one in asked]))


def right_first(asked: Sequence[Case], leaning: Leaning = LEANING) -> float:
    """The share of the questions whose first passage answers."""
    return _passages(asked, _by(leaning))


def _said(leaning: Leaning) -> str:
    return f"share {leaning.share:g} + {leaning.confident:g} confidence - {leaning.pointing:g} pointing"


if __name__ == "__main__":
    typer.run(main)
