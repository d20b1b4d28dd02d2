"""Eval sets as files of each format, for the tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from eval.dataset import EvalSet, Texts
from index.errors import DocumentError

Rows = Sequence[Mapping[str, object]]


def written(path: Path, rows: Rows) -> Path:
    """A JSON Lines file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def refusal(error: pytest.ExceptionInfo[DocumentError], folder: Path) -> str:
    """Message and hint, without the folder's own name."""
    return f"{error.value.message} | {error.value.hint}".replace(f"{folder}/", "")


EARTH = "The earth is round. It is round like a ball."


def article(title: str, context: str, *asked: Mapping[str, object]) -> dict[str, object]:
    return {"title": title, "paragraphs": [{"context": "Before."}, {"context": context, "qas": list(asked)}]}


def answered(start: int, text: str, name: str = "q1") -> dict[str, object]:
    answer = {"text": text, "answer_start": start}
    return {"id": name, "question": "How is it?", "answers": [answer, answer], "is_impossible": False}


def squad_file(folder: Path, *articles: Mapping[str, object]) -> Path:
    (folder / "squad.json").write_text(json.dumps({"version": "v2.0", "data": articles}))
    return folder / "squad.json"


def texts(found: EvalSet) -> dict[str, str]:
    """The texts of its documents, by source; reading them again gives the same."""
    assert isinstance(found.corpus, Texts)
    documents = list(found.corpus.documents())
    assert documents == list(found.corpus.documents())
    assert all(document.id == document.source for document in documents)
    return {document.id: document.text for document in documents}


JUDGED = "q1\td1\t2\nq1\td2\t0\n\nq2\td3\t1\n"


def beir_folder(folder: Path, qrels: str = JUDGED, **files: Rows) -> Path:
    """A small set; `files` stand in the place of its own or beside them."""
    own: dict[str, Rows] = {
        "corpus": [
            {"_id": "d1", "title": "Earth", "text": f" {EARTH}"},
            {"_id": "d2", "title": "Only a title", "text": ""},
            {"_id": "d3", "title": " "},
            {"_id": "d/4", "text": "Cats sleep."},
        ],
        "queries": [{"_id": "q1", "text": "How is it?"}, {"_id": "q2", "text": "What?"}, {"_id": "q3", "text": "Why?"}],
    }
    for name, rows in (own | files).items():
        written(folder / f"{name}.jsonl", rows)
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{qrels}")
    return folder
