"""Comparing and exchanging runs: exact p, the normal distribution, and other tools as oracles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import RR, R, Success, nDCG, read_trec_qrels, read_trec_run
from scipy import stats  # type: ignore[import-untyped]

from eval.compare import Changed, compare, primary
from eval.dataset import Question
from eval.judge import docno
from eval.metrics import MEASURES, summarise, values
from eval.run import Run
from eval.statistics import Interval, interval, paired
from eval.trec import read_run, write_qrels, write_run
from index.errors import QAError
from index.types import Span
from tests.runs import DOCUMENTS, GOLD, HIT, MISS, OFF, SPANS, judged_runs, row, run

# Statistics


def test_the_interval_of_one_value_is_that_value() -> None:
    assert interval([0.25]) == interval([0.25, 0.25, 0.25]) == Interval(0.25, 0.25, 0.25)
    with pytest.raises(ValueError, match="no values"):
        interval([])


def test_the_interval_of_many_values_is_that_of_the_normal_distribution_and_the_same_each_time() -> None:
    sample = [1.0] * 700 + [0.0] * 300
    found = interval(sample)
    half = 1.96 * math.sqrt(0.7 * 0.3 / 1000)
    assert found == interval(sample) != interval(sample, seed=1)
    assert found == pytest.approx((0.7, 0.7 - half, 0.7 + half), abs=0.1 * half)


@given(st.lists(st.sampled_from((0.0, 0.1, 0.5, 1.0)), min_size=1, max_size=12))
def test_an_interval_holds_the_mean_and_stays_among_the_values(sample: list[float]) -> None:
    mean, low, high = interval(sample)
    assert min(sample) - 1e-9 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= max(sample) + 1e-9


@pytest.mark.parametrize(
    ("differences", "p"),
    [([1] * 5, 2 / 32), ([1] * 8, 2 / 256), ([1, 1, 1, -1], 10 / 16), ([1, -1], 1), ([1], 1), ([0, 0], 1)],
)
def test_few_questions_are_tested_exactly(differences: list[float], p: float) -> None:
    found = paired([0.0] * len(differences), differences)
    assert found.p == pytest.approx(p)
    assert paired(differences, [0.0] * len(differences)).p == pytest.approx(p)


@given(st.lists(st.sampled_from((-1.0, -0.5, 0.25, 0.5, 1.0)), min_size=2, max_size=10))
def test_exact_p_is_that_of_scipy(differences: list[float]) -> None:
    theirs = stats.permutation_test((np.array(differences),), np.mean, permutation_type="samples", vectorized=True)
    assert paired([0.0] * len(differences), differences).p == pytest.approx(theirs.pvalue)


def test_many_questions_are_tested_as_by_students_test_and_the_same_each_time() -> None:
    chance = np.random.default_rng(0)
    before = chance.random(200)
    after = before + chance.normal(0.02, 0.15, 200)
    found = paired(before.tolist(), after.tolist())
    assert found.p == pytest.approx(stats.ttest_rel(before, after).pvalue, abs=0.01)
    assert found == paired(before.tolist(), after.tolist())


def test_wins_ties_and_losses_are_those_of_the_other() -> None:
    found = paired([0.1 + 0.2, 0.5, 1.0, 0.0], [0.3, 1.0, 0.5, 0.5])
    assert (found.wins, found.ties, found.losses) == (2, 1, 1)
    assert found.difference.mean == pytest.approx(0.125)
    with pytest.raises(ValueError, match="cannot be paired"):
        paired([1.0], [])


# Comparing


def test_questions_that_only_one_run_has_are_counted_and_left_out() -> None:
    found = compare({"RR@10": {"a": 1.0, "b": 0.5, "x": 1.0}}, {"RR@10": {"a": 1.0, "b": 1.0, "y": 0, "z": 0}}, "RR@10")
    assert (found.only_baseline, found.only_other, found.measures["RR@10"].questions) == (1, 2, 2)
    assert found.changed == (Changed("b", 0.5, 1.0),)


def test_the_questions_that_changed_most_come_first_and_equal_ones_by_id() -> None:
    before = {"d": 0.0, "c": 0.5, "b": 0.0, "a": 0.2}
    after = {"d": 1.0, "c": 0.5, "b": 1.0, "a": 0.0}
    found = compare({"RR@10": before}, {"RR@10": after}, "RR@10", most=2)
    assert [one.question_id for one in found.changed] == ["b", "d"]


@pytest.mark.parametrize(("after", "regressed"), [([0.0] * 6, True), ([0.0] * 5 + [1.0], False), ([1.0] * 6, False)])
def test_only_a_significant_loss_is_a_regression(after: list[float], regressed: bool) -> None:
    before = {"RR@10": dict.fromkeys("abcdef", 1.0)}
    assert compare(before, {"RR@10": dict(zip("abcdef", after, strict=True))}, "RR@10").regressed is regressed


def test_a_significant_gain_is_no_regression() -> None:
    low, high = {"RR@10": dict.fromkeys("abcdef", 0.0)}, {"RR@10": dict.fromkeys("abcdef", 1.0)}
    assert not compare(low, high, "RR@10").regressed


def test_runs_without_a_common_question_are_not_compared() -> None:
    with pytest.raises(QAError, match="no question in common"):
        compare({"RR@10": {"a": 1.0}}, {"RR@10": {"b": 1.0}}, "RR@10")


def test_the_primary_measure_follows_what_is_judged() -> None:
    assert primary([SPANS, OFF]) == "RR@10"
    assert primary([DOCUMENTS, OFF]) == "nDCG@10"


# TREC files


def _written(folder: Path, questions: Sequence[Question], asked: Run) -> tuple[str, str]:
    write_qrels(folder / "set.qrels", questions)
    write_run(folder / "hybrid.run", questions, asked)
    return str(folder / "set.qrels"), str(folder / "hybrid.run")


@given(drawn=judged_runs())
def test_other_tools_find_our_numbers_in_our_files(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[list[Question], Run]
) -> None:
    questions, asked = drawn
    qrels_file, run_file = _written(tmp_path_factory.mktemp("trec"), questions, asked)
    ours = summarise(questions, asked).flat()
    rels = list(read_trec_qrels(qrels_file))  # type: ignore[no-untyped-call]
    if rels:
        ranked = read_trec_run(run_file)  # type: ignore[no-untyped-call]
        theirs = ir_measures.calc_aggregate(MEASURES, rels, ranked)
        assert {str(name): value for name, value in theirs.items()} == pytest.approx(
            {str(name): ours[str(name)] for name in MEASURES}
        )
    else:
        assert "R@1" not in ours


@given(drawn=judged_runs())
def test_our_files_read_again_are_judged_the_same(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[list[Question], Run]
) -> None:
    questions, asked = drawn
    _, run_file = _written(tmp_path_factory.mktemp("trec"), questions, asked)
    if not Path(run_file).read_text():
        return
    again = read_run(Path(run_file), questions, "set")
    assert again.system == "hybrid"
    before, after = values(questions, asked), values(questions, again)
    before.pop("marked", None)  # marks are not written
    after.pop("marked", None)
    assert after == before


def test_files_have_the_columns_that_trec_eval_reads(tmp_path: Path) -> None:
    question = replace(SPANS, id="a b", gold=(replace(GOLD, document="my notes.txt"),))
    passages = (replace(MISS, document="100 %"), replace(HIT, document="my notes.txt"), replace(MISS, score=0.25))
    asked = replace(run(row(question, *passages), row(OFF, MISS)), system="as of today")
    qrels_file, run_file = _written(tmp_path, [question, OFF], asked)
    assert Path(qrels_file).read_text() == "a%20b 0 my%20notes.txt:100-120 1\n"
    assert Path(run_file).read_text().splitlines() == [
        "a%20b Q0 100%20%25:0-90 1 1.0 as%20of%20today",
        "a%20b Q0 my%20notes.txt:100-120 2 0.999999 as%20of%20today",
        "a%20b Q0 a.txt:0-90 3 0.25 as%20of%20today",
        "off Q0 a.txt:0-90 1 1.0 as%20of%20today",
    ]


@given(st.text(min_size=1), st.integers(0, 99))
def test_names_hold_no_whitespace_and_are_told_apart(name: str, start: int) -> None:
    assert docno(name).isascii()
    assert docno(name).split() == [docno(name)]
    assert docno(name, Span(start, 100)) == f"{docno(name)}:{start}-100"
    assert docno(name) != docno(f"{name} ")


def test_a_run_of_another_tool_is_judged_as_trec_eval_does(tmp_path: Path) -> None:
    file = tmp_path / "other.run"
    file.write_text(
        "documents Q0 b.txt 1 3.5 anserini\ndocuments Q0 a.txt 2 7 anserini\n\n"
        "documents Q0 z.txt 3 3.5 anserini\nunknown Q0 b.txt 1 1 anserini\n"
    )
    read = read_run(file, [DOCUMENTS, OFF], "set")
    assert [one.document for one in read.rows[0].passages] == ["a.txt", "z.txt", "b.txt"]
    assert read.rows[1].passages == ()
    assert read.system == "anserini"
    rels = [ir_measures.Qrel("documents", name, grade) for name, grade in DOCUMENTS.relevant.items()]
    for measure in (nDCG @ 10, R @ 1, RR @ 10, Success @ 1):
        ranked = read_trec_run(str(file))  # type: ignore[no-untyped-call]
        theirs = ir_measures.calc_aggregate([measure], rels, ranked)[measure]
        assert values([DOCUMENTS], read)[str(measure)]["documents"] == pytest.approx(theirs)
    assert summarise([DOCUMENTS, OFF], read).confidence is None


def test_passages_of_another_tool_are_judged_by_their_spans(tmp_path: Path) -> None:
    file = tmp_path / "other.run"
    file.write_text("spans Q0 a.txt:0-90 1 2 t\nspans Q0 a.txt:90-130 2 1 t\n")
    assert values([SPANS], read_run(file, [SPANS], "set"))["RR@10"] == {"spans": 0.5}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("spans Q0 a.txt:0-90 1 2", "5 columns, not 6"),
        ("spans Q0 a.txt:0-90 1 high tag", "the score high is not a number"),
        ("spans Q0 a.txt:0-90 1 nan tag", "the score nan is not a number"),
        ("spans Q0 a.txt 1 2 tag", "a.txt does not say which passage"),
        ("spans Q0 a.txt:1-2 1 2 tag", "a.txt:1-2 is already in the ranking of spans"),
    ],
)
def test_a_line_that_does_not_fit_is_named(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "other.run"
    file.write_text(f"spans Q0 a.txt:1-2 1 9 tag\n\n{line}\n")
    with pytest.raises(QAError, match=rf"other\.run, line 3: {said}"):
        read_run(file, [SPANS], "set")


def test_a_file_that_is_no_run_of_the_set_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.run"
    with pytest.raises(QAError, match="cannot be read"):
        read_run(file, [SPANS], "seeds")
    file.write_bytes(b"\xff")
    with pytest.raises(QAError, match="cannot be read"):
        read_run(file, [SPANS], "seeds")
    file.write_text("elsewhere Q0 a.txt:1-2 1 9 tag\n")
    with pytest.raises(QAError, match="no answer to any question of seeds"):
        read_run(file, [SPANS], "seeds")
