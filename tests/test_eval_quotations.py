"""Quotations are located word for word, wherever they stand."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.dataset import Gold, Question
from eval.formats.quotations import locate, places, quotation
from index.errors import DocumentError

TEXTS = {"old/birds.txt": "Pelicans eat\n  fish. “Gulls” eat fish – and chips.", "cats.txt": "Cats eat fish."}


def located(*golds: Gold) -> tuple[Gold, ...]:
    return locate([Question("1", "What?", gold=golds)], TEXTS)[0].gold


def test_a_quotation_is_located_wherever_it_stands_and_told_verbatim() -> None:
    assert located(quotation("eat fish")) == (
        Gold("old/birds.txt", 9, 19, "eat\n  fish"),
        Gold("old/birds.txt", 29, 37, "eat fish"),
        Gold("cats.txt", 5, 13, "eat fish"),
    )


def test_quotation_marks_dashes_case_and_white_space_are_alike() -> None:
    assert located(quotation(' "gulls"  EAT\tfish - and')) == (Gold("old/birds.txt", 21, 43, "“Gulls” eat fish – and"),)


@pytest.mark.parametrize("name", ["old/birds.txt", "birds.txt", "old\\birds.txt"])
def test_a_document_is_named_by_its_source_or_the_end_of_it(name: str) -> None:
    assert located(quotation("eat fish", name)) == (
        Gold("old/birds.txt", 9, 19, "eat\n  fish"),
        Gold("old/birds.txt", 29, 37, "eat fish"),
    )


def test_a_whole_source_is_that_document_alone() -> None:
    questions = [Question("1", "What?", gold=(quotation("fish", "a.txt"),))]
    (found,) = locate(questions, {"old/a.txt": "fish", "a.txt": "raw fish"})
    assert found.gold == (Gold("a.txt", 4, 8, "fish"),)


def test_what_is_located_already_stays_as_it_is_and_stands_once() -> None:
    gold = Gold("cats.txt", 0, 4, "Cats")
    questions = (Question("1", "Who?", gold=(gold,)), Question("2", "Why?", relevant={"cats.txt": 1}))
    assert locate(questions, {}) == questions
    assert located(gold, quotation("cats", "cats.txt")) == (gold,)


def test_a_place_within_a_word_is_none_but_where_words_have_no_blanks_between_them() -> None:
    assert places("The start of art, and an artist's 1940.", "art") == [(13, 16)]
    assert places("The start of art, and an artist's 1940.", "40") == []
    assert places("Cafe\u0301 cafe", "cafe") == [(6, 10)]
    assert places("联赛中排名第六", "排名") == [(3, 5)]
    assert places("anything", " ") == []


def test_characters_that_change_their_length_with_their_case_shift_nothing() -> None:
    assert places("İİ ΟΔΟΣ straße", "οδος") == [(3, 7)]
    assert places("İİ ΟΔΟΣ straße", "STRAßE") == [(8, 14)]


@given(st.text(), st.text(min_size=1).map(str.strip).filter(bool), st.text())
def test_what_is_copied_from_a_text_is_found_there(before: str, copied: str, after: str) -> None:
    start = len(before) + 1
    assert (start, start + len(copied)) in places(f"{before} {copied}. {after}", re.sub(r"\s+", "\n ", f" {copied}"))


def test_a_name_that_several_documents_share_is_each_of_them() -> None:
    shared = {"1": "Gulls eat chips.", "2": "Gulls eat fish.", "notes.txt": "Gulls sleep."}
    sources = {"1": "old/birds.txt", "2": "old/birds.txt"}
    for name, found in {"birds.txt": ["1", "2"], "old/birds.txt": ["1", "2"], "2": ["2"]}.items():
        (question,) = locate([Question("1", "Who?", gold=(quotation("gulls", name),))], shared, sources)
        assert [gold.document for gold in question.gold] == found


@pytest.mark.parametrize(
    ("quoted", "warning"),
    [
        ("gulls eat fish", ""),
        ("Pelicans", ""),  # one word, but not any
        ("gulls", 'set.csv, row 3: "gulls" stands 6 times in birds.txt, and each counts as right; quote more'),
        ("They", 'set.csv, row 3: "They" are words that any text has; quote more of what answers'),
        ("it was", 'set.csv, row 3: "it was" are words that any text has; quote more of what answers'),
    ],
)
def test_a_quotation_that_proves_little_is_told_by_its_line(
    caplog: pytest.LogCaptureFixture, quoted: str, warning: str
) -> None:
    text = f"Pelicans dive: it was seen. They dive. {'Gulls. ' * 5} Gulls eat fish."
    questions = [Question("1", "Who?", gold=(quotation(quoted, place="set.csv, row 3"),))]
    assert locate(questions, {"birds.txt": text})[0].gold
    assert caplog.messages == ([warning] if warning else [])


def test_many_quotations_that_prove_little_do_not_fill_the_screen(caplog: pytest.LogCaptureFixture) -> None:
    locate([Question(str(at), "Who?", gold=(quotation("they"),)) for at in range(12)], {"a": "They dive."})
    assert len(caplog.messages) == 11
    assert caplog.messages[0].startswith('question 0: "they"')
    assert caplog.messages[-1] == "and 2 more such quotations"


def test_all_quotations_that_stand_nowhere_are_told_at_once() -> None:
    questions = [Question(str(at), "What?", gold=(quotation(f"word{at}"),)) for at in range(1, 13)]
    questions[1] = replace(questions[1], gold=(quotation("long\n" * 40, "birds.txt"), quotation("fish", "dogs.txt")))
    questions[2] = replace(questions[2], gold=(quotation("fish"),))
    with pytest.raises(DocumentError) as error:
        locate(questions, TEXTS)
    assert error.value.message.split("\n") == [
        "these expected quotations stand in none of the documents they are looked for in:",
        '  question 1: "word1": not in any document',
        f'  question 2: "{"long " * 16}…": not in birds.txt',
        '  question 2: "fish": no document is called dogs.txt',
        *(f'  question {at}: "word{at}": not in any document' for at in range(4, 11)),
        "  and 2 more",
    ]
    assert error.value.hint.startswith("Copy whole words from the document as /documents/ID/text shows them")
