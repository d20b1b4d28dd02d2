"""Eval sets in JSON Lines: what a line says, and what is refused with its place and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.dataset import Gold, Question
from eval.formats import lines
from eval.formats.quotations import is_located
from index.errors import DocumentError
from tests.sets import refusal, written


def test_a_line_is_a_question_with_its_spans_grades_and_history(tmp_path: Path) -> None:
    span = {"document": "birds.txt", "start": 19, "end": 35, "text": "Gulls eat chips."}
    row = {"id": "a", "question": "And gulls?", "kind": "fact", "gold": [span, span], "relevant": {"birds.txt": 2}}
    file = written(tmp_path / "set.jsonl", [row | {"history": ["What do pelicans eat?"]}])
    assert lines.load(file) == (
        Question(
            *("a", "And gulls?", "fact"),
            gold=(Gold("birds.txt", 19, 35, "Gulls eat chips."),),
            relevant={"birds.txt": 2},
            history=("What do pelicans eat?",),
        ),
    )


def test_a_line_needs_but_a_question_and_gold_and_its_id_is_its_number(tmp_path: Path) -> None:
    file = tmp_path / "set.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"question": "Who?", "gold": []}\r\n\r\n  \n{"question": "Why?", "gold": []}')
    assert lines.load(file) == (Question("1", "Who?"), Question("4", "Why?"))


def test_gold_without_offsets_is_a_quotation_yet_to_be_located(tmp_path: Path) -> None:
    gold = [{"document": "birds.txt", "text": "Gulls eat chips."}, {"text": "chips"}]
    (question,) = lines.load(written(tmp_path / "set.jsonl", [{"question": "What?", "gold": gold}]))
    assert question.gold == (Gold("birds.txt", -1, -1, "Gulls eat chips."), Gold("", -1, -1, "chips"))
    assert question.answerable
    assert not any(map(is_located, question.gold))
    assert question.gold[1].place == f"{tmp_path / 'set.jsonl'}, line 1, gold 2"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{,", ": not JSON: Expecting property name enclosed in double quotes (column 2) | Write one object a line."),
        (f"{{'id': {'1' * 5000}}}", ": not JSON that can be read: Exceeds the limit (4300 digits)"),
        ("[]", ": not a JSON object | Write one object a line, in curly brackets."),
        ('"\udce4"', ": not UTF-8 text | Save the file as UTF-8."),
        ("{Q, G, 'ID': 'x'}", ": there is no key 'ID' in this format | Known are id, question, kind, gold,"),
        ("{'qestion': 'q'}", ": there is no key 'qestion' in this format | Did you mean 'question'?"),
        ("{Q}", ': neither gold nor relevant says what answers the question | Write "gold": [] where the documents'),
        ("{Q, 'gold': null}", ": neither gold nor relevant says what answers the question"),
        (
            "{'question': ' ', G}",
            ": question is missing or empty | Give each question its words, or remove the record.",
        ),
        ("{'question': '\\ud800', G}", ": question holds characters that are not text (NUL or half of a surrogate"),
        ("{'question': 1, G}", ": question is not a string | Put question in quotation marks."),
        ("{Q, 'gold': {}}", ": gold is not a list | Put gold in square brackets."),
        ("{Q, 'gold': ['x']}", ": gold 1 is not an object | Put its keys and values in curly brackets."),
        ("{Q, 'gold': [{'text': 'a', 'star': 1}]}", ", gold 1: there is no key 'star' in this format | Did you mean"),
        ("{Q, 'gold': [{D, 'text': 'a', 'start': 1}]}", ", gold 1: end is missing or not a whole number"),
        ("{Q, 'gold': [{D, 'text': 'a', 'start': 5, 'end': 5}]}", ", gold 1: 5 to 5 is no span | Offsets count"),
        ("{Q, 'gold': [{'text': 'a', 'start': 1, 'end': 2}]}", ", gold 1: document is missing or empty"),
        ("{Q, 'relevant': {'d': true}}", ", relevant: d is missing or not a whole number"),
        ("{Q, G, 'history': ['', 'x']}", ", history 1: history is missing or empty"),
        ("{Q, G, 'id': 1}", ": the id '1' is that of set.jsonl, line 1 already | Give each its own."),
    ],
)
def test_a_line_that_does_not_fit_is_named_with_its_remedy(tmp_path: Path, line: str, message: str) -> None:
    text = line.replace("Q", "'question': 'q'").replace("G", "'gold': []").replace("D,", "'document': 'd',")
    data = f'{{"question": "q", "gold": []}}\n{text}\n'.replace("'", '"').encode(errors="surrogateescape")
    (tmp_path / "set.jsonl").write_bytes(data)
    with pytest.raises(DocumentError) as error:
        lines.load(tmp_path / "set.jsonl")
    assert refusal(error, tmp_path).startswith(f"set.jsonl, line 2{message}")


def test_a_set_without_questions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text("\n")
    with pytest.raises(DocumentError, match=r"set\.jsonl holds no questions"):
        lines.load(tmp_path / "set.jsonl")
