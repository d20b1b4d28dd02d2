"""Judging and measuring runs: by hand, against ir-measures and scikit-learn, and by law."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from eval.dataset import Gold, Question
from eval.judge import Outcome, first_right, holds, judged, marked, outcome, qrels, right_rank
from eval.metrics import (
    MEASURES,
    Bin,
    Latency,
    Point,
    coverage_curve,
    ece,
    lower_is_better,
    recall_curve,
    reliability,
    summarise,
    values,
)
from eval.run import Returned, Run
from index.types import Span
from tests.runs import DOCUMENTS, ELSEWHERE, GOLD, HIT, MISS, NEAR, OFF, SPANS, judged_runs, row, run

# Judging


def test_a_passage_holds_a_gold_from_half_of_its_characters_on() -> None:
    gold = Gold("d", 10, 20, "x" * 10)
    assert all(holds(Span(*span), gold) for span in ((10, 20), (0, 15), (15, 40)))
    assert not any(holds(Span(*span), gold) for span in ((0, 14), (16, 40), (30, 40)))


def test_the_first_passage_that_holds_the_answer_stands_for_it_and_others_are_left_out() -> None:
    again = replace(HIT, span=Span(95, 140))
    one = judged(SPANS, row(SPANS, MISS, HIT, ELSEWHERE, again))
    assert list(one.run) == ["a.txt:0-90", "a.txt:100-120", "b.txt:90-130"]
    assert one.qrels == {"a.txt:100-120": 1}


def test_a_question_with_several_golds_has_one_answer() -> None:
    question = replace(SPANS, gold=(GOLD, Gold("b.txt", 90, 100, "y" * 10)))
    one = judged(question, row(question, ELSEWHERE, HIT))
    assert one.qrels == {"a.txt:100-120": 1}
    assert list(one.run) == ["a.txt:100-120"]


def test_the_first_passage_of_a_document_stands_for_it_where_documents_are_judged() -> None:
    one = judged(DOCUMENTS, row(DOCUMENTS, ELSEWHERE, MISS, HIT))
    assert list(one.run) == ["b.txt", "a.txt"]
    assert one.qrels == {"a.txt": 2, "b.txt": 1, "c.txt": 0}


def test_a_question_without_an_answer_has_no_qrels() -> None:
    assert judged(OFF, row(OFF, HIT)).qrels == {}
    assert qrels(replace(OFF, relevant={"a.txt": 0})) == {}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_scores_descend_strictly_even_in_32_bits(scores: list[float]) -> None:
    passages = [Returned("a.txt", Span(place, place + 1), score, ()) for place, score in enumerate(scores)]
    given = [np.float32(score) for score in judged(OFF, row(OFF, *passages)).run.values()]
    assert len(given) == len(scores)
    assert all(above > below for above, below in pairwise(given))


def test_scores_that_descend_stay_as_they_are() -> None:
    passages = [Returned("a.txt", Span(place, 9), score, ()) for place, score in enumerate((0.9, 0.5, 0.1))]
    assert list(judged(OFF, row(OFF, *passages)).run.values()) == [0.9, 0.5, 0.1]


@pytest.mark.parametrize(
    ("passages", "expected"),
    [
        ([HIT], True),
        ([replace(HIT, marks=(Span(90, 99),))], False),
        ([replace(HIT, marks=(Span(90, 99), Span(110, 130)))], True),  # half of the gold is enough
        ([MISS, HIT], True),
        ([replace(HIT, marks=()), HIT], False),  # the first that holds it decides
        ([MISS] * 9 + [HIT], True),
        ([MISS] * 10 + [HIT], None),
        ([ELSEWHERE], None),  # the same offsets in another document
        ([], None),
    ],
)
def test_an_answer_is_marked_in_the_first_passage_that_holds_it(
    passages: list[Returned], expected: bool | None
) -> None:
    assert marked(SPANS, row(SPANS, *passages)) is expected


def test_marks_count_where_documents_are_judged_and_golds_known() -> None:
    question = replace(DOCUMENTS, gold=(GOLD,))
    assert marked(question, row(question, MISS, HIT)) is True
    assert marked(DOCUMENTS, row(DOCUMENTS, HIT)) is None
    assert marked(OFF, row(OFF, HIT)) is None


def test_the_top_passage_is_right_by_its_gold_or_by_its_document_where_documents_are_judged() -> None:
    assert first_right(SPANS, row(SPANS, HIT))
    assert not first_right(SPANS, row(SPANS, MISS, HIT))
    assert first_right(replace(DOCUMENTS, gold=(GOLD,)), row(DOCUMENTS, MISS))
    assert not first_right(DOCUMENTS, row(DOCUMENTS, replace(MISS, document="c.txt")))
    assert not first_right(OFF, row(OFF, HIT))
    assert not first_right(SPANS, row(SPANS))
    assert [right_rank(SPANS, row(SPANS, *some)) for some in ((MISS, HIT), (MISS,))] == [2, None]


@pytest.mark.parametrize(
    ("question", "passage", "answerable", "expected"),
    [
        (SPANS, HIT, True, "right"),
        (SPANS, HIT, False, "refused"),
        (SPANS, MISS, True, "wrong"),
        (SPANS, MISS, False, "wrong"),
        (SPANS, replace(HIT, marks=()), True, "not marked"),
        (OFF, HIT, True, "answered in vain"),
        (OFF, HIT, False, "right"),
        (DOCUMENTS, HIT, True, "right"),
    ],
)
def test_an_outcome_is_the_worst_that_can_be_said(
    question: Question, passage: Returned, answerable: bool, expected: Outcome
) -> None:
    assert outcome(question, row(question, passage, answerable=answerable)) == expected


# Measures


def test_measures_of_spans_by_hand() -> None:
    first, third, never = (replace(SPANS, id=name) for name in ("first", "third", "never"))
    other = replace(MISS, span=Span(200, 300))
    rows = (row(first, HIT), row(third, MISS, other, HIT), row(never, MISS), row(OFF, HIT))
    found = summarise([first, third, never, OFF], run(*rows)).flat()
    assert found["R@1"] == found["Success@1"] == pytest.approx(1 / 3)
    assert found["R@5"] == found["Success@5"] == found["R@100"] == pytest.approx(2 / 3)
    assert found["RR@10"] == pytest.approx((1 + 1 / 3) / 3)
    assert found["nDCG@10"] == pytest.approx((1 + 1 / 2) / 3)


def test_measures_of_documents_by_hand() -> None:
    ranked = (replace(MISS, document="c.txt"), ELSEWHERE, MISS, HIT)
    found = values([DOCUMENTS], run(row(DOCUMENTS, *ranked)))
    gain = (1 / math.log2(3) + 2 / math.log2(4)) / (2 / math.log2(2) + 1 / math.log2(3))
    assert found["nDCG@10"] == {"documents": pytest.approx(gain)}
    assert [found[name]["documents"] for name in ("R@1", "R@5", "RR@10", "Success@5")] == [0, 1, 0.5, 1]
    assert "marked" not in found


def test_a_question_that_got_no_passage_counts_as_a_failure() -> None:
    assert values([SPANS], run(row(SPANS)))["RR@10"] == {"spans": 0.0}


def test_answers_to_other_questions_are_left_out() -> None:
    summary = summarise([SPANS], run(row(SPANS, HIT), row(NEAR, HIT)))
    assert (summary.questions, summary.answerable) == (1, 1)


def test_marked_is_a_share_of_those_found() -> None:
    questions = [replace(SPANS, id=name) for name in "abc"]
    rows = (row(questions[0], HIT), row(questions[1], replace(HIT, marks=())), row(questions[2], MISS))
    summary = summarise(questions, run(*rows))
    assert (summary.measures["marked"].mean, summary.marked_of) == (0.5, 2)


def test_kinds_have_their_own_share() -> None:
    who = replace(SPANS, id="who", kind="who")
    summary = summarise([SPANS, who, OFF], run(row(SPANS, MISS), row(who, HIT), row(OFF, HIT)))
    assert {kind: (one.count, one.first) for kind, one in summary.kinds.items()} == {"fact": (1, 0.0), "who": (1, 1.0)}


def test_latency_is_told_by_stage() -> None:
    rows = [row(replace(OFF, id=str(taken)), milliseconds={"total": taken, "embed": 1.0}) for taken in range(101)]
    summary = summarise([replace(OFF, id=str(taken)) for taken in range(101)], run(*rows))
    assert summary.latency == {"total": Latency(50, 99), "embed": Latency(1, 1)}
    assert (summary.flat()["p50 ms"], summary.flat()["p99 embed ms"]) == (50, 1)


def test_every_number_has_the_name_that_the_command_line_knows() -> None:
    asked = [SPANS, NEAR, OFF]
    flat = summarise(asked, run(*(row(one, HIT) for one in asked))).flat()
    assert set(flat) == {
        *map(str, MEASURES),
        *("marked", "AUROC", "AUROC near", "AUROC off", "ECE", "coverage", "error", "kept", "refused"),
        *("p50 ms", "p99 ms", "R@1 fact"),
    }
    assert [name for name in flat if lower_is_better(name)] == ["ECE", "error", "p50 ms", "p99 ms"]


@given(judged_runs())
def test_recall_over_k_passes_through_recall_at_k(drawn: tuple[list[Question], Run]) -> None:
    questions, asked = drawn
    curve = recall_curve(questions, asked)
    means = {name: float(np.mean(list(one.values()))) for name, one in values(questions, asked).items()}
    assert all(left <= right + 1e-12 for left, right in pairwise(curve))
    if curve:
        for k in (1, 5, 10, 100):
            assert curve[min(k, len(curve)) - 1] == pytest.approx(means[f"R@{k}"])


# Confidence


@given(st.lists(st.tuples(st.sampled_from("anf"), st.floats(0, 1)), min_size=1, max_size=40))
def test_auroc_is_that_of_scikit_learn_and_none_without_both_sides(drawn: list[tuple[str, float]]) -> None:
    of = {"a": SPANS, "n": NEAR, "f": OFF}
    questions = [replace(of[kind], id=str(number)) for number, (kind, _) in enumerate(drawn)]
    rows = [row(one, HIT, confidence=told) for one, (_, told) in zip(questions, drawn, strict=True)]
    told = summarise(questions, run(*rows)).confidence
    assert told
    for value, against in ((told.auroc, "nf"), (told.near, "n"), (told.off, "f")):
        chosen = [(kind == "a", sure) for kind, sure in drawn if kind in f"a{against}"]
        labels = [label for label, _ in chosen]
        expected = roc_auc_score(labels, [sure for _, sure in chosen]) if len(set(labels)) == 2 else None
        assert value == (None if expected is None else pytest.approx(expected))


def test_calibration_by_hand() -> None:
    sure = np.array([0.1, 0.3, 0.8, 0.8])
    bins = reliability(sure, np.array([False, True, True, False]), bins=2)
    assert _rows(bins) == [pytest.approx((0.2, 0.5, 2)), pytest.approx((0.8, 0.5, 2))]
    assert ece(bins) == pytest.approx(0.5 * 0.3 + 0.5 * 0.3)


sure_and_right = st.lists(
    st.tuples(st.one_of(st.floats(0, 1), st.sampled_from((0.2, 0.9))), st.booleans()), min_size=1, max_size=80
)


@given(sure_and_right, st.randoms())
def test_calibration_does_not_depend_on_the_order(drawn: list[tuple[float, bool]], chance: random.Random) -> None:
    shuffled = chance.sample(drawn, len(drawn))
    assert _rows(_bins(drawn)) == [pytest.approx(one) for one in _rows(_bins(shuffled))]


def _rows(bins: Iterable[Bin]) -> list[tuple[float, float, int]]:
    return [(one.confidence, one.right, one.count) for one in bins]


def _bins(drawn: Sequence[tuple[float, bool]]) -> list[Bin]:
    return list(reliability(np.array([sure for sure, _ in drawn]), np.array([right for _, right in drawn])))


@given(sure_and_right)
def test_calibration_error_lies_between_the_bias_and_one(drawn: list[tuple[float, bool]]) -> None:
    bins = _bins(drawn)
    bias = abs(float(np.mean([sure for sure, _ in drawn])) - float(np.mean([right for _, right in drawn])))
    assert sum(one.count for one in bins) == len(drawn)
    assert bias - 1e-9 <= ece(bins) <= 1 + 1e-9


@given(st.sets(st.floats(0, 1), min_size=15, max_size=100))
def test_bins_hold_equally_many_answers(sure: set[float]) -> None:
    counts = [one.count for one in _bins([(one, True) for one in sure])]
    assert len(counts) == 15
    assert max(counts) - min(counts) <= 1


def test_coverage_and_error_by_hand() -> None:
    curve = coverage_curve(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, False, True, False]))
    assert _pairs(curve) == [(0.25, 0), pytest.approx((0.75, 1 / 3)), (1, 0.5)]


@given(st.lists(st.tuples(st.sampled_from((SPANS, NEAR)), st.booleans(), st.floats(0, 1)), min_size=1), st.floats(0, 1))
def test_the_service_stands_on_the_curve_of_its_thresholds(
    drawn: list[tuple[Question, bool, float]], threshold: float
) -> None:
    questions = [replace(question, id=str(number)) for number, (question, _, _) in enumerate(drawn)]
    rows = [
        row(one, HIT if right else MISS, confidence=sure, answerable=sure >= threshold)
        for one, (_, right, sure) in zip(questions, drawn, strict=True)
    ]
    told = summarise(questions, run(*rows)).confidence
    assert told
    if told.service:
        assert any(point == pytest.approx((told.service.coverage, told.service.error)) for point in _pairs(told.curve))
    assert told.curve[-1].coverage == 1


def _pairs(curve: Sequence[Point]) -> list[tuple[float, float]]:
    return [(point.coverage, point.error) for point in curve]


def test_the_threshold_keeps_and_refuses() -> None:
    asked = [(SPANS, True, HIT), (replace(SPANS, id="2"), False, HIT), (NEAR, True, HIT), (OFF, False, HIT)]
    asked += [(replace(OFF, id=name), False, HIT) for name in ("3", "4")]
    rows = [row(question, passage, answerable=called) for question, called, passage in asked]
    flat = summarise([question for question, _, _ in asked], run(*rows)).flat()
    assert (flat["kept"], flat["refused"], flat["error"]) == (0.5, 0.75, 0.5)
    assert flat["coverage"] == pytest.approx(1 / 3)


def test_what_cannot_be_known_is_left_out() -> None:
    nothing_answerable = summarise([OFF], run(row(OFF, HIT, answerable=False))).flat()
    assert {"ECE", "refused"} <= set(nothing_answerable)
    assert not {"R@1", "AUROC", "kept", "error"} & set(nothing_answerable)
    without_confidence = summarise([SPANS, OFF], run(row(SPANS, HIT), row(OFF, HIT, confidence=math.nan)))
    assert without_confidence.confidence is None
    assert not {"ECE", "AUROC", "kept", "error"} & set(without_confidence.flat())
    assert summarise([], run()).flat() == {}
