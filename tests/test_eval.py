"""The evaluation: its labels, its arithmetic, and the numbers that must not fall."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from eval.command import measure
from eval.dataset import SETS, Gold, load
from eval.metrics import auroc, holds, retrieval
from eval.report import summary
from eval.run import MODES
from index.errors import DocumentError
from index.types import Span
from tests.conftest import ROOT, SEED, qa


def test_every_gold_span_stands_in_the_document_as_it_says() -> None:
    text = SEED.read_text(encoding="utf-8")
    for question in load(SETS / "seeds.jsonl"):
        for gold in question.gold:
            assert gold.document == SEED.name
            assert text[gold.start : gold.end] == gold.text


def test_the_set_is_large_and_varied_and_half_of_the_unanswerable_are_near_misses() -> None:
    questions = load(SETS / "seeds.jsonl")
    kinds = Counter(question.kind for question in questions)
    assert len({question.question for question in questions}) == len({one.id for one in questions}) == len(questions)
    assert sum(bool(question.gold) for question in questions) >= 70
    assert all(bool(question.gold) != (question.kind in ("near", "off")) for question in questions)
    assert kinds["near"] + kinds["off"] >= 20
    assert 2 * kinds["near"] >= kinds["near"] + kinds["off"]
    for kind, least in {"fact": 20, "paraphrase": 15, "who": 8, "where": 4, "howmany": 5, "why": 4, "two": 6}.items():
        assert kinds[kind] >= least


def test_a_passage_holds_a_span_from_half_of_its_characters_on() -> None:
    gold = Gold("d", 10, 20, "x" * 10)
    assert [holds(Span(*span), gold) for span in ((10, 20), (0, 15), (0, 14), (15, 40), (16, 40), (30, 40))] == [
        *(True, True, False),
        *(True, False, False),
    ]


def test_measures_by_hand() -> None:
    relevant = {"first": {"a"}, "third": {"c", "d"}, "never": {"z"}}
    ranked = {"first": ["a", "b"], "third": ["x", "y", "d", "c"], "never": ["a", "b"]}
    values = retrieval(relevant, ranked)
    assert values == pytest.approx({"R@1": 1 / 3, "R@3": 2 / 3, "RR": (1 + 1 / 3) / 3, "nDCG@10": (1 + 0.5) / 3})
    assert auroc([True, True, False, False], [0.9, 0.4, 0.5, 0.1]) == 0.75


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "a"}', '{"id": "a", "question": "b", "kind": "c", "gold": [{}]}'])
def test_a_line_that_does_not_fit_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text(f'{{"id": "1", "question": "q", "kind": "off", "gold": []}}\n{line}\n')
    with pytest.raises(DocumentError, match=r"set\.jsonl, line 2"):
        load(file)


@pytest.mark.model
def test_the_numbers_that_must_not_fall() -> None:
    results = {result.mode: result for result in measure(ROOT / "seeds", load(SETS / "seeds.jsonl"))}
    assert tuple(results) == MODES
    hybrid = summary(results["hybrid"])
    assert hybrid["R@1"] >= 0.90
    assert hybrid["marked"] >= 0.85
    assert hybrid["AUROC"] >= 0.90
    for other in ("bm25", "dense"):
        assert hybrid["R@1"] >= summary(results[other])["R@1"]


@pytest.mark.model
def test_the_command_measures_another_set_over_other_documents(tmp_path: Path) -> None:
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
    done = qa("eval", "--folder", str(folder), "--questions", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["hybrid"]["R@1"] == json.loads(done.stdout)["hybrid"]["marked"] == 1.0
    rows[0]["gold"] = [gold | {"start": 18}]
    file.write_text("\n".join(map(json.dumps, rows)))
    wrong = qa("eval", "--folder", str(folder), "--questions", str(file))
    assert wrong.returncode == 1
    assert "1: birds.txt[18:35] is not" in wrong.stderr
    assert "Traceback" not in wrong.stderr
