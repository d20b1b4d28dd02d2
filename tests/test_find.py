"""Literal search in a text, against a search that tries every place."""

from __future__ import annotations

import tracemalloc
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from index.find import matches
from tests.documents import soon

LETTERS = st.sampled_from("aAsSßẞeéfﬀﬃiİıŉnʼςσΣǰ\u0307\ufeff𝕬😀 \t\n\r\u00a0\u2028\u3000\x1f.*(")
PIECES = (1, 2, 3, 7, 1 << 18)
TEXTS = st.text(LETTERS, max_size=40)


def same(text: str) -> str:
    return " ".join(text.split()).casefold()


def tried(text: str, wanted: str) -> list[tuple[int, int]]:
    """Every place, found by comparing every slice."""
    found, start = list[tuple[int, int]](), 0
    while start < len(text):
        ends = (
            end
            for end in range(start + 1, len(text) + 1)
            if not text[start].isspace() and not text[end - 1].isspace() and same(text[start:end]) == same(wanted)
        )
        end = next(ends, None)
        if end:
            found.append((start, end))
        start = end or start + 1
    return found


@given(TEXTS, st.text(LETTERS, min_size=1, max_size=4).filter(str.strip), st.integers(1, 5), st.sampled_from(PIECES))
@example("aﬀﬀi", "ffi", 5, 3)
@example("sßß", "ss", 5, 1)
@example("aa" * 9 + "ß", "aa", 2, 5)
@example("a  \t b" * 3, "a b", 1, 2)
def test_it_finds_what_trying_every_place_finds(text: str, wanted: str, most: int, piece: int) -> None:
    every = tried(text, wanted)
    with patch("index.find._PIECE", piece):
        assert matches(text, wanted, most) == (len(every), every[:most])


@given(TEXTS, st.data())
def test_a_slice_of_the_text_is_found_where_it_stands_or_overlaps(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    wanted = text[start : data.draw(st.integers(start, len(text)))]
    if wanted.strip():
        total, places = matches(text, wanted, 100)
        assert total == len(places) > 0
        assert all(same(text[place.start : place.end]) == same(wanted) for place in places)


def test_line_breaks_and_case_do_not_matter_and_offsets_are_of_the_text_as_it_is() -> None:
    text = "Die  STRASSE\r\n\r\nam Fluß; die Straße\u00a0am Fluss."
    total, places = matches(text, "  strasse\tam   fluss ", 10)
    assert [text[one.start : one.end] for one in places] == ["STRASSE\r\n\r\nam Fluß", "Straße\u00a0am Fluss"]
    assert total == 2
    assert matches("a.c abc", "a.c", 10) == (1, [(0, 3)])


def test_nothing_wanted_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to find"):
        matches("text", " \n", 10)


@pytest.mark.parametrize("wanted", ["a " * 99 + "b", "ß" * 99 + "b", "a" * 199 + "b"])
def test_it_takes_time_in_the_length_of_the_text_alone(wanted: str) -> None:
    """Trying every place for each letter would take minutes."""
    for text in (wanted[:-1] * 10_000, ("a" + " " * 999) * 1_000, "ß" * 1_000_000):
        with soon():
            assert matches(text, wanted, 10) == (0, [])


@pytest.mark.parametrize("wanted", ["a", "to a", "strasse", "ss"])
def test_one_sharp_s_makes_a_long_text_neither_slow_nor_large(wanted: str) -> None:
    """With a check of each place it took 180 MB."""
    text = "She gave a coin to a man. " * 200_000
    text = f"{text[:2_500_000]} Straße {text[2_500_000:]}"
    tracemalloc.start()
    with soon():
        total, places = matches(text, wanted, 1000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (total, len(places)) == {
        "a": (800_001, 1000),
        "to a": (200_000, 1000),
        "strasse": (1, 1),
        "ss": (1, 1),
    }[wanted]
    assert all(same(text[one.start : one.end]) == wanted for one in places)
    assert peak < 30 << 20
