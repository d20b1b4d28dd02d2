"""Terms: the same for documents and questions, whole and in parts, in any script."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.sentences import sentences
from index.terms import STOP_WORDS, terms


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("up to 800,000 troops", "800000"),
        ("up to 800,000 troops", "800"),
        ("800 000".replace(" ", "'"), "800,000"),
        ("legally-binding agreements", "binding"),
        ("legally-binding agreements", "legally-binding agreement"),
        ("Article-5-like guarantees", "Article 5"),
        ("a cease-fire", "ceasefire"),
        ("the ceasefire", "CEASEFIRE"),
        ("ﬁnancial", "financial"),
        ("the U.S. army", "US"),
        ("the US army", "U.S."),
        ("Russia’s demands", "Russia's demand"),
        ("STRASSE", "straße"),
        ("in 2022/23", "2022"),
        ("3.5 million", "3.5"),
        ("今天天气很好", "天气"),
        ("iPhone15手机", "手机"),
        ("Москва говорит", "москва"),
        ("the WHO said", "WHO"),
    ],
)
def test_what_is_asked_is_found_as_it_is_written(written: str, asked: str) -> None:
    assert set(terms(asked)) & set(terms(written))


def test_a_decimal_is_not_another_number() -> None:
    assert "35" not in terms("3.5")


def test_function_words_are_dropped_also_from_a_question_in_capitals() -> None:
    assert (
        terms("WHO WOULD MONITOR THE CEASEFIRE?")
        == terms("Who would monitor the ceasefire?")
        == ["monitor", "ceasefir"]
    )
    assert all(word == word.casefold() for word in STOP_WORDS)


@given(st.text())
def test_any_text_gives_terms_without_white_space(text: str) -> None:
    assert all(term and not any(character.isspace() for character in term) for term in terms(text))
    assert terms(text) == terms(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He met the U.S. President at 5.30 p.m. yesterday. He left.", 2),
        ("Mr. Smith, of Acme Inc., paid $3.5 million. “Stop!” she cried. He stopped.", 3),
        ("Merz said the package was “really considerable,” adding more. It is over.", 2),
        ("El Sr. García llegó a las 3.30. ¿Qué dijo? Nada.", 3),
        ("他说：“你好。”然后离开了。为什么？", 3),
        ("यह एक वाक्य है। यह दूसरा है।", 2),
        ("مرحبا. كيف حالك؟ أنا بخير.", 3),
    ],
)
def test_sentences_end_where_readers_see_them_end(text: str, expected: int) -> None:
    assert len(sentences(text)) == expected


@given(st.text(st.sampled_from("aB.!? \n\r\t\u2028\u3000\x85。“”\"'()é𝒳"), max_size=60))
def test_sentences_are_ordered_trimmed_and_leave_nothing_out(text: str) -> None:
    spans = sentences(text)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert all(one.end <= other.start for one, other in pairwise(spans))
