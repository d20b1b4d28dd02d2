"""An eval set by its name: the one that comes with the program, a file, a folder, a public set."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from eval.dataset import SETS, EvalSet, Folder, Question
from eval.formats import lines, open_set
from eval.formats.quotations import quotation
from index.errors import DocumentError
from tests.conftest import ROOT
from tests.documents import DATASETS
from tests.sets import EARTH, answered, article, beir_folder, refusal, squad_file, texts, written


def test_seeds_are_the_set_that_comes_with_the_program_over_its_documents(tmp_path: Path) -> None:
    found = open_set("seeds", None)
    assert found == EvalSet("seeds", lines.load(SETS / "seeds.jsonl"), Folder(ROOT / "seeds"))
    assert open_set("seeds", tmp_path) == replace(found, corpus=Folder(tmp_path))
    raw = [json.loads(line) for line in (SETS / "seeds.jsonl").read_text(encoding="utf-8").splitlines()]
    read: list[dict[str, Any]] = [
        {"id": one.id, "question": one.question, "kind": one.kind, "gold": [asdict(gold) for gold in one.gold]}
        for one in found.questions
    ]
    for gold in (gold for one in read for gold in one["gold"]):
        del gold["place"]  # told of a span, and not part of the file
    assert read == raw


def test_a_file_of_questions_is_about_the_folder_given_or_the_users_library(tmp_path: Path) -> None:
    question = Question("1", "Who?", gold=(quotation("me"),))
    file = written(tmp_path / "set.JSONL", [{"question": "Who?", "gold": [{"text": "me"}]}])
    (tmp_path / "set.csv").write_text("question,quotation\nWho?,me\n")
    assert open_set(str(file), None) == EvalSet("set.JSONL", (question,), None)
    assert open_set(str(file), tmp_path) == EvalSet("set.JSONL", (question,), Folder(tmp_path))
    assert open_set(str(tmp_path / "set.csv"), tmp_path).questions == (replace(question, id="2"),)
    with pytest.raises(DocumentError, match=r"set\.csv is not a folder"):
        open_set(str(file), tmp_path / "set.csv")


def test_sets_with_documents_of_their_own_take_no_folder(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "birds")
    file = squad_file(tmp_path, article("The_earth", EARTH, answered(13, "round")))
    assert [open_set(str(path), None).name for path in (folder, file)] == ["birds", "squad.json"]
    for path in (folder, file):
        with pytest.raises(DocumentError, match=rf"{path.name} brings its own documents"):
            open_set(str(path), tmp_path)


def test_a_public_set_is_called_by_its_folders_name_and_a_path_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_DATASETS", str(tmp_path / "sets"))
    monkeypatch.chdir(tmp_path)
    beir_folder(tmp_path / "sets" / "birds" / "es")
    assert open_set("birds/es", None).name == "birds/es"
    with pytest.raises(DocumentError, match="birds/es brings its own documents"):
        open_set("birds/es", tmp_path)
    written(tmp_path / "birds" / "es", []).rename(tmp_path / "birds" / "es.txt")
    (tmp_path / "birds" / "es").mkdir()
    with pytest.raises(DocumentError, match=r"^birds/es is no eval set: there is no corpus\.jsonl in it"):
        open_set("birds/es", None)


@pytest.mark.parametrize("name", ["brids", "", "../birds.csv"])
def test_a_name_that_fits_nothing_is_answered_with_what_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("QA_DATASETS", str(tmp_path / "sets"))
    files = "A file is .jsonl (a question a line), .csv (a question and a quotation a row) or .json (SQuAD)"
    with pytest.raises(DocumentError) as error:
        open_set(name, None)
    assert refusal(error, tmp_path) == (
        f"there is no eval set '{name}' | {files}, or name seeds."
        " The public sets need QA_DATASETS to name their folder."
    )
    beir_folder(tmp_path / "sets" / "birds")
    beir_folder(tmp_path / "sets" / "fish" / "es")
    with pytest.raises(DocumentError) as error:
        open_set(name, None)
    assert error.value.hint == f"{files}, a folder is in BEIR's layout. Known by name are seeds, birds, fish/es."


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.xlsx").write_text("")
    with pytest.raises(DocumentError, match=r"set\.xlsx is of no kind that an eval set is read from"):
        open_set(str(tmp_path / "set.xlsx"), None)


# the public sets


@pytest.fixture
def datasets(monkeypatch: pytest.MonkeyPatch) -> Path:
    if not DATASETS.is_dir():
        pytest.skip(f"there is no {DATASETS}; QA_DATASETS names the folder of the data sets")
    monkeypatch.setenv("QA_DATASETS", str(DATASETS))
    return DATASETS


@pytest.mark.samples
@pytest.mark.parametrize(
    ("name", "answerable", "unanswerable", "with_history", "with_spans", "documents"),
    [
        ("squad_a", 2923, 2902, 0, 2923, 584),
        ("nq_mini", 1504, 451, 0, 1503, 1938),  # of one, annotators selected no sentence
        ("doc2dial", 2062, 0, 1717, 2062, 273),
        ("xquad/es", 1190, 0, 0, 1190, 240),
        ("xquad/zh", 1190, 0, 0, 1190, 240),
        ("scifact", 809, 0, 0, 505, 5183),
        ("cran", 225, 0, 0, 0, 1398),  # two abstracts are empty
        ("med", 30, 0, 0, 0, 1033),
        ("cacm", 52, 0, 0, 0, 3204),
    ],
)
def test_public_sets_are_read_whole_and_their_spans_stand_in_their_documents(
    datasets: Path,
    name: str,
    answerable: int,
    unanswerable: int,
    with_history: int,
    with_spans: int,
    documents: int,
) -> None:
    found = open_set(name, None)
    assert found.name == name
    held = texts(found)
    golds = [gold for one in found.questions for gold in one.gold]
    assert all(held[gold.document][gold.start : gold.end] == gold.text for gold in golds)
    assert all(one.relevant or one.kind == "near" for one in found.questions)
    assert all(document in held for one in found.questions for document in one.relevant)
    assert (answerable, unanswerable, with_history, with_spans, documents) == (
        sum(one.answerable for one in found.questions),
        sum(not one.answerable for one in found.questions),
        sum(bool(one.history) for one in found.questions),
        sum(bool(one.gold) for one in found.questions),
        len(held),
    )


@pytest.mark.samples
def test_squad_has_the_questions_that_its_file_says_and_their_answers_in_order(datasets: Path) -> None:
    file = datasets / "squad_a" / "squad.json"
    raw = json.loads(file.read_text(encoding="utf-8"))
    asked = [qa for one in raw["data"] for paragraph in one["paragraphs"] for qa in paragraph["qas"]]
    found = open_set(str(file), None)
    held = texts(found)
    assert [(one.id, one.answerable) for one in found.questions] == [
        (qa["id"], not qa["is_impossible"]) for qa in asked
    ]
    for one, qa in zip(found.questions, asked, strict=True):
        quoted = [held[gold.document][gold.start : gold.end] for gold in one.gold]
        assert quoted == [text for text, _ in dict.fromkeys((a["text"], a["answer_start"]) for a in qa["answers"])]
