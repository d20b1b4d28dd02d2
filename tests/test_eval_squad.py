"""Eval sets in SQuAD's format: articles become documents, and spans stay where they were."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.dataset import Gold, Question, Texts
from eval.formats import squad
from index.errors import DocumentError
from tests.sets import EARTH, answered, article, refusal, squad_file, texts


def test_an_article_of_squad_is_a_document_and_impossible_questions_are_near_misses(tmp_path: Path) -> None:
    miss = {"id": "q2", "question": "How flat?", "answers": [], "plausible_answers": [{}], "is_impossible": True}
    no_words: dict[str, object] = {"title": "Blank", "paragraphs": [{"context": " ", "qas": []}]}
    file = squad_file(
        tmp_path,
        article("The_earth", EARTH, answered(13, "round"), miss),
        article("The_earth", EARTH, answered(26, "round like", "q3")),
        no_words,
    )
    found = squad.load(file, "mine")
    assert found.name == "mine"
    assert found.questions == (
        Question("q1", "How is it?", gold=(Gold("The_earth", 22, 27, "round"),)),
        Question("q2", "How flat?", "near"),
        Question("q3", "How is it?", gold=(Gold("The_earth_2", 35, 45, "round like"),)),
    )
    assert texts(found) == {"The_earth": f"Before.\n\n{EARTH}", "The_earth_2": f"Before.\n\n{EARTH}"}
    assert isinstance(found.corpus, Texts)
    assert [document.title for document in found.corpus.documents()] == ["The earth", "The earth"]


@given(st.lists(st.tuples(st.text(), st.text(min_size=1).filter(str.strip), st.text()), min_size=1, max_size=5))
def test_spans_of_squad_survive_the_joining_of_paragraphs(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str, str]]
) -> None:
    drawn = [
        (before.replace("\0", ""), text.replace("\0", "x"), after.replace("\0", "")) for before, text, after in drawn
    ]
    paragraphs = [
        {"context": "".join(parts), "qas": [answered(len(parts[0]), parts[1], str(at))]}
        for at, parts in enumerate(drawn)
    ]
    found = squad.load(squad_file(tmp_path_factory.getbasetemp(), {"title": "", "paragraphs": paragraphs}), "drawn")
    (text,) = texts(found).values()
    golds = [one.gold[0] for one in found.questions]
    assert [gold.text for gold in golds] == [text[gold.start : gold.end] for gold in golds]
    assert [gold.text for gold in golds] == [middle for _, middle, _ in drawn]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{\n,}", "squad.json, line 2: not JSON: Expecting property name"),
        ('{"data": ' + "1" * 5000 + "}", "squad.json is not JSON that can be read: Exceeds the limit (4300 digits)"),
        ("[]", "squad.json is not in SQuAD's format: it has no list of articles, called data | Name a file of SQuAD"),
        ('{"data": []}', "squad.json holds no questions | Name a file of SQuAD v1.1 or v2.0"),
        ('{"data": [1]}', "squad.json: data 1 is not an object"),
        (
            '{"data": [{"paragraphs": [{"qas": [{}]}]}]}',
            "squad.json, data 1, paragraphs 1, qas 1: id is missing or empty",
        ),
    ],
)
def test_what_is_not_squad_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "squad.json").write_text(text)
    with pytest.raises(DocumentError) as error:
        squad.load(tmp_path / "squad.json", "mine")
    assert refusal(error, tmp_path).startswith(message)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (answered(14, "round"), "q1, answers 1: 'round' does not stand at 14 of its paragraph | Correct answer_start"),
        (answered(-7, "ball"), "q1, answers 1: 'ball' does not stand at -7 of its paragraph"),
        (answered(0, "The") | {"answers": []}, "q1: it has no answers | Write is_impossible: true where"),
        (answered(0, "The") | {"question": ""}, "q1: question is missing or empty"),
    ],
)
def test_a_wrong_answer_of_squad_is_named_by_its_question(
    tmp_path: Path, asked: Mapping[str, object], message: str
) -> None:
    with pytest.raises(DocumentError) as error:
        squad.load(squad_file(tmp_path, article("The_earth", EARTH, asked)), "mine")
    assert refusal(error, tmp_path).startswith(f"squad.json, question {message}")
