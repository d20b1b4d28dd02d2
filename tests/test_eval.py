"""`qa eval`: the labels of its own set, runs that are saved and gone on with, and the numbers that must not fall."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from eval import store
from eval.all import minmax
from eval.command import Options, measure
from eval.compare import compare
from eval.formats import open_set
from eval.metrics import values
from eval.run import Run
from index.errors import QAError
from tests.conftest import ROOT, SEED, environment, qa
from tests.runs import HIT, MISS, SPANS, judged_runs, row, run


def test_every_gold_span_stands_in_the_document_as_it_says() -> None:
    text = SEED.read_text(encoding="utf-8")
    for question in open_set("seeds", None).questions:
        for gold in question.gold:
            assert gold.document == SEED.name
            assert text[gold.start : gold.end] == gold.text


def test_the_set_is_large_and_varied_and_half_of_the_unanswerable_are_near_misses() -> None:
    questions = open_set("seeds", None).questions
    kinds = Counter(question.kind for question in questions)
    assert len({question.question for question in questions}) == len({one.id for one in questions}) == len(questions)
    assert sum(question.answerable for question in questions) >= 70
    assert all(question.answerable != (question.kind in ("near", "off")) for question in questions)
    assert kinds["near"] + kinds["off"] >= 20
    assert 2 * kinds["near"] >= kinds["near"] + kinds["off"]
    for kind, least in {"fact": 20, "paraphrase": 15, "who": 8, "where": 4, "howmany": 5, "why": 4, "two": 6}.items():
        assert kinds[kind] >= least


@given(judged_runs())
def test_a_saved_run_is_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, asked: tuple[object, Run]) -> None:
    file = tmp_path_factory.mktemp("runs") / "run.jsonl"
    store.save(file, asked[1])
    assert store.load(file) == asked[1]


@pytest.mark.parametrize(
    "text", ["", "{", '{"set": "a"}', '{"set": "a", "system": "b", "facts": {}}\n{"question_id": "1"}', "[]\n"]
)
def test_a_file_that_is_no_run_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text(text)
    with pytest.raises(QAError, match=rf"run\.jsonl, line {2 if 'question_id' in text else 1}"):
        store.load(file)


def test_an_interrupted_run_goes_on_after_the_last_whole_line(tmp_path: Path) -> None:
    file, facts = tmp_path / "run.jsonl", {"questions": "1"}
    rows = [row(SPANS, HIT), row(replace(SPANS, id="other"), MISS)]
    assert store.going_on(file, "set", "hybrid", facts) == []
    assert list(store.kept(file, iter(rows))) == rows
    file.write_bytes(file.read_bytes()[:-9])  # killed while it wrote the second
    assert store.going_on(file, "set", "hybrid", facts) == rows[:1]
    assert list(store.kept(file, iter(rows[1:]))) == rows[1:]
    assert store.load(file).rows == tuple(rows)


def test_a_run_that_asked_something_else_is_not_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    store.going_on(file, "set", "hybrid", {"ranking": "old"})
    list(store.kept(file, iter([row(SPANS, HIT)])))
    assert store.going_on(file, "set", "hybrid", {"ranking": "new"}) == []


def test_min_max_by_hand() -> None:
    a, b = replace(HIT, score=9.0), replace(MISS, score=3.0)
    words, meaning = run(row(SPANS, a, b)), run(row(SPANS, replace(b, score=0.8), replace(a, score=0.2)))
    assert [one.score for one in minmax(words, meaning).rows[0].passages] == [0.5, 0.5]
    assert [one.score for one in minmax(words, run(row(SPANS, replace(b, score=0.8)))).rows[0].passages] == [0.5, 0.5]


Birds = Mapping[str, Path]


@pytest.fixture
def birds(tmp_path: Path) -> Birds:
    """A folder of documents, and a set of questions about them."""
    folder = tmp_path / "birds"
    folder.mkdir()
    (folder / "birds.txt").write_text("Pelicans eat fish. Gulls eat chips.")
    (folder / "old").mkdir()
    (folder / "old" / "birds.txt").write_text("Cats sleep all day.")  # of the same name, and not in the way
    gold = {"document": "birds.txt", "start": 19, "end": 35, "text": "Gulls eat chips."}
    rows: list[dict[str, object]] = [
        {"id": "1", "question": "What do gulls eat?", "kind": "fact", "gold": [gold]},
        {"id": "2", "question": "What do gulls drink in Rome?", "kind": "near", "gold": []},
        {"id": "3", "question": "How tall is the tower?", "kind": "off", "gold": []},
    ]
    file = tmp_path / "birds.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return {"folder": folder, "set": file, "out": tmp_path / "out", "data": tmp_path / "data"}


@pytest.mark.model
def test_seeds_must_not_fall() -> None:
    """The gate: hybrid and its legs on the seed set, against what was measured when this was last changed."""
    measured = measure(open_set("seeds", None), Options(("bm25", "dense", "hybrid")))
    hybrid = measured.summaries[-1].flat()
    least = {"R@1": 0.90, "R@5": 0.98, "RR@10": 0.94, "marked": 0.94, "AUROC": 0.90, "AUROC off": 0.98, "kept": 0.85}
    assert {name: hybrid[name] for name, value in least.items() if hybrid[name] < value} == {}
    judged = [values(measured.questions, one) for one in measured.runs]
    for leg in judged[:-1]:
        assert not compare(leg, judged[-1], "RR@10").regressed


@pytest.mark.model
def test_the_command_measures_reports_saves_and_compares(birds: Birds) -> None:
    out = birds["out"]
    files = ["--save", str(out), "--trec", str(out), "--html", str(out)]
    done = qa("eval", str(birds["set"]), "--folder", str(birds["folder"]), "--json", *files)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["birds.jsonl"]["systems"]
    assert list(told) == ["bm25", "dense", "fused", "hybrid"]
    assert told["hybrid"]["numbers"]["R@1"] == told["hybrid"]["numbers"]["marked"] == 1.0
    assert {one.name for one in out.iterdir()} == {
        "birds.jsonl.html",
        "birds.jsonl.qrels",
        *(f"birds.jsonl.{system}.{kind}" for system in told for kind in ("jsonl", "run")),
    }
    page = (out / "birds.jsonl.html").read_text()
    assert "Gulls eat chips." in page
    assert "hybrid against fused: 1 questions" in page
    for baseline in ("birds.jsonl.bm25.jsonl", "birds.jsonl.hybrid.run"):
        again = qa(
            *("eval", str(birds["set"]), "--folder", str(birds["folder"]), "--system", "hybrid"),
            *("--compare", str(out / baseline), "--fail-under", "R@1=1", "--json"),
        )
        assert again.returncode == 0, again.stderr
        assert list(json.loads(again.stdout)["birds.jsonl"]["comparisons"])


@pytest.mark.model
def test_below_a_bound_the_exit_status_is_1_and_says_which(birds: Birds) -> None:
    asked = ("eval", str(birds["set"]), "--folder", str(birds["folder"]), "--system", "hybrid", "--fail-under")
    missed = qa(*asked, "R@1=1.01")
    assert missed.returncode == 1
    assert "R@1 is 1.0000, below 1.01" in missed.stderr
    slow = qa(*asked, "p50 ms=0.0001")
    assert slow.returncode == 1
    assert "above 0.0001" in slow.stderr
    unknown = qa(*asked, "p99 gazing ms=1")
    assert unknown.returncode == 1
    assert "p99 gazing ms could not be measured" in unknown.stderr
    assert "Traceback" not in missed.stderr + slow.stderr + unknown.stderr


@pytest.mark.model
def test_a_gold_span_that_is_not_there_is_named(birds: Birds) -> None:
    birds["set"].write_text(birds["set"].read_text().replace('"start": 19', '"start": 18'))
    wrong = qa("eval", str(birds["set"]), "--folder", str(birds["folder"]))
    assert wrong.returncode == 1
    assert "1: birds.txt[18:35] is not" in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.mark.model
def test_a_spreadsheet_is_asked_of_the_users_own_library_which_it_leaves_as_it_was(birds: Birds) -> None:
    table = birds["set"].with_suffix(".csv")
    table.write_text("question,quotation\nWhat do gulls eat?,gulls eat chips\nHow tall is the tower?,\n")
    own = {"QA_DATA": str(birds["data"])}
    assert "nothing is indexed" in qa("eval", str(table), **own).stderr
    assert qa("index", str(birds["folder"]), **own).returncode == 0
    before = json.loads(qa("status", "--json", **own).stdout)
    done = qa("eval", str(table), "--json", **own)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["birds.csv"]["systems"]["hybrid"]["numbers"]["R@1"] == 1.0
    after = json.loads(qa("status", "--json", **own).stdout)
    assert {name: after[name] for name in ("documents", "generation")} == {
        name: before[name] for name in ("documents", "generation")
    }
    table.write_text("question,quotation\nWhat do gulls eat?,gulls eat caviar\n")
    wrong = qa("eval", str(table), **own)
    assert wrong.returncode == 1
    assert "gulls eat caviar" in wrong.stderr


@pytest.mark.model
def test_interrupted_it_goes_on_where_it_was(birds: Birds, tmp_path: Path) -> None:
    rows = [
        json.dumps({"id": f"day {n}", "question": f"What do gulls eat on day {n}?", "gold": []}) for n in range(4000)
    ]
    birds["set"].write_text("\n".join([birds["set"].read_text(), *rows]))
    command = ["eval", str(birds["set"]), "--folder", str(birds["folder"]), "--system", "bm25", "--json"]
    cache = tmp_path / "cache"
    cache.mkdir()
    for shared in _shared_cache().glob("model-*"):  # converted once
        (cache / shared.name).symlink_to(shared)
    values = environment(QA_CACHE=str(cache))
    process = subprocess.Popen([sys.executable, "-m", "qa", *command], env=values, cwd=ROOT, stderr=subprocess.PIPE)
    runs = cache / "eval" / "runs"
    deadline = time.monotonic() + 120
    while not any(len(file.read_bytes().splitlines()) > 20 for file in runs.glob("*.jsonl")):
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    (file,) = runs.glob("*.jsonl")
    asked = len(file.read_bytes().splitlines()) - 1
    assert 0 < asked < 4000
    with file.open() as stream:
        first = stream.readlines()[:2][1]
    file.write_text(file.read_text().replace(first, first.replace('"answerable":true', '"answerable":false'), 1))
    done = qa(*command, QA_CACHE=str(cache))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["birds.jsonl"]["systems"]["bm25"]
    assert told["questions"] == 4003
    assert told["numbers"]["kept"] == 0.0  # what was changed by hand was not asked again
    assert not list(runs.glob("*.jsonl"))


def _shared_cache() -> Path:
    from qa.config import settings

    return settings().cache
