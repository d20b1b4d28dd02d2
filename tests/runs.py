"""Questions, answers and runs for the tests of the evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from eval.dataset import Gold, Question
from eval.run import Returned, Row, Run
from index.types import Span

GOLD = Gold("a.txt", 100, 120, "x" * 20)
SPANS = Question("spans", "Where?", "fact", gold=(GOLD,))
DOCUMENTS = Question("documents", "Which?", "fact", relevant={"a.txt": 2, "b.txt": 1, "c.txt": 0})
NEAR = Question("near", "Nearly?", "near")
OFF = Question("off", "Off?", "off")

HIT = Returned("a.txt", Span(90, 130), 1.0, (Span(100, 120),))
MISS = Returned("a.txt", Span(0, 90), 1.0, (Span(0, 20),))
ELSEWHERE = Returned("b.txt", Span(90, 130), 1.0, (Span(100, 120),))


def row(
    question: Question,
    *passages: Returned,
    answerable: bool = True,
    confidence: float = 0.5,
    milliseconds: Mapping[str, float] | None = None,
) -> Row:
    return Row(
        question.id, question.question, "hybrid", answerable, confidence, passages, dict(milliseconds or {"total": 1.0})
    )


def run(*rows: Row) -> Run:
    return Run("set", "hybrid", {}, rows)


@st.composite
def judged_runs(draw: st.DrawFn) -> tuple[list[Question], Run]:
    """Questions of both levels and none, over documents with odd names, and what might have been returned."""
    names = draw(st.lists(st.text(min_size=1, max_size=6), min_size=2, max_size=4, unique=True))
    spans = st.tuples(st.sampled_from(range(0, 100, 10)), st.sampled_from((5, 10, 30)))
    passages = st.builds(
        lambda name, span, score: Returned(name, Span(span[0], sum(span)), score, ()),
        *(st.sampled_from(names), spans, st.sampled_from((0.25, 0.5, 1.0))),
    )
    questions, rows = [], []
    for number in range(draw(st.integers(1, 4))):
        gold = [Gold(name, 20, 30, "") for name in draw(st.lists(st.sampled_from(names), max_size=2))]
        grades = draw(st.dictionaries(st.sampled_from(names), st.integers(0, 3)))
        level = draw(st.sampled_from(("spans", "documents")))
        questions.append(
            Question(
                f"{draw(st.text(max_size=3))} {number}",
                "?",
                gold=tuple(gold) if level == "spans" else (),
                relevant=grades if level == "documents" else {},
            )
        )
        rows.append(row(questions[-1], *draw(st.lists(passages, max_size=12))))
    return questions, run(*rows)
