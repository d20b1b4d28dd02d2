"""Chunking: every passage a slice, sentences whole, nothing lost, nothing too long."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.chunk import Chunking, chunk
from index.load import from_text, markdown
from index.load.text import read
from index.pieces import EstimatedPieces, word_pieces
from index.types import Document, Passage

MODEL = word_pieces()
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=400)
PROSE = st.lists(
    st.sampled_from(
        ["Mr. Li paid $3.5 million.", "Why? “No.”", "他说：“你好。”", "x" * 90, "\n\n", " ", "\r\n", "a b c d"]
    ),
    max_size=60,
).map(" ".join)
OPTIONS = st.builds(Chunking, st.integers(16, 60), st.integers(0, 20))


def document(text: str) -> Document:
    return replace(read("stand-in", "name", "source"), text=text, title="name", headings=())


def kept(text: str) -> str:
    return "".join(text.split())


@given(st.one_of(WORDS, PROSE), OPTIONS)
def test_every_passage_and_sentence_is_a_slice_of_the_document(text: str, options: Chunking) -> None:
    made = document(text)
    for passage in chunk(made, MODEL, options):
        assert passage.text == made.text[passage.start : passage.end]
        assert passage.id == f"{made.id}:{passage.start}-{passage.end}"
        for (start, end), sentence in zip(passage.sentences, passage.sentence_texts(), strict=True):
            assert passage.start <= start < end <= passage.end
            assert sentence == made.text[start:end] == sentence.strip()


@given(st.one_of(WORDS, PROSE), st.integers(16, 60))
def test_passages_hold_every_visible_character_once_and_in_order(text: str, pieces: int) -> None:
    passages = chunk(document(text), MODEL, Chunking(pieces))
    assert "".join(kept(sentence) for passage in passages for sentence in passage.sentence_texts()) == kept(text)


@given(PROSE, OPTIONS)
def test_no_passage_is_longer_than_the_model_reads(text: str, options: Chunking) -> None:
    for passage in chunk(document(text), MODEL, options):
        assert len(MODEL.spans([passage.text])[0]) <= options.pieces
        assert len(passage.text) <= options.pieces * 8 + len(passage.sentences) + passage.text.count("\n") * 2 + 99


@given(PROSE, st.integers(30, 60))
def test_a_sentence_is_cut_only_when_it_alone_is_too_long(text: str, pieces: int) -> None:
    whole = {span for passage in chunk(document(text), MODEL, Chunking(480)) for span in passage.sentences}
    for passage in chunk(document(text), MODEL, Chunking(pieces)):
        for span in set(passage.sentences) - whole:
            inside = next(one for one in whole if one.start <= span.start and span.end <= one.end)
            assert (
                len(MODEL.spans([text[inside.start : inside.end]])[0]) > pieces
                or inside.end - inside.start > 8 * pieces
            )


def test_overlap_repeats_the_last_sentences_of_a_long_paragraph() -> None:
    text = " ".join(f"This is the plain sentence number {number}." for number in range(40))
    first, second = chunk(document(text), MODEL, Chunking(60, 20))[:2]
    assert first.sentences[-2:] == second.sentences[:2]
    assert not set(first.sentences) & set(chunk(document(text), MODEL, Chunking(60, 0))[1].sentences)


def test_a_paragraph_that_fits_stays_whole() -> None:
    paragraphs = [" ".join([f"Paragraph {number} speaks of one thing only."] * 4) for number in range(6)]
    passages = chunk(document("\n\n".join(paragraphs)), MODEL, Chunking(60))
    assert [passage.text for passage in passages] == paragraphs


def test_wrapped_lines_do_not_end_sentences_and_list_items_do() -> None:
    wrapped = (
        "The quick brown fox jumps over the lazy dog and\nruns into the wood. It is not seen\nagain.\n- one item\n- two"
    )
    assert [text for passage in chunk(document(wrapped), MODEL) for text in passage.sentence_texts()] == [
        "The quick brown fox jumps over the lazy dog and\nruns into the wood.",
        "It is not seen\nagain.",
        "- one item",
        "- two",
    ]


def test_title_and_headings_stand_in_front_and_not_inside() -> None:
    made = markdown.read(
        "# Guide\n\nStart here.\n\n## Install\n\n### Linux\n\nUse apt.\n\n## Empty\n", "guide", "guide.md"
    )
    assert [(passage.heading, passage.text, passage.line_start) for passage in chunk(made, MODEL)] == [
        ("", "Start here.", 3),
        ("Install › Linux", "Use apt.", 9),
        ("", "Empty", 11),
    ]
    assert chunk(made, MODEL)[1].context == "Guide\nInstall › Linux"


@pytest.mark.parametrize(
    "line",
    ["The lamp burned colza oil until the winter of 1871. " * 6, "東京は日本の首都です。" * 90, "A short one.  "],
)
def test_a_first_line_in_the_place_of_a_title_is_not_said_twice(line: str) -> None:
    made = from_text(f"{line}\n\nThen came paraffin. " + "It was cheaper, and it burned brighter. " * 30, title="")
    first, *others = chunk(made, MODEL)
    assert first.title == line.rstrip()[:200]
    assert first.context == ""
    assert others
    assert others[-1].context == first.title


def test_pages_and_lines_count_from_one_and_include_both_ends() -> None:
    text = "First page, first line.\nSecond line.\fSecond page here."
    paged = replace(document(text), pages=(0, text.index("\f") + 1))
    passage = chunk(paged, MODEL)[0]
    assert (passage.page_start, passage.page_end, passage.line_start, passage.line_end) == (1, 2, 1, 2)
    assert chunk(document(text), MODEL)[0].page_start is None


@pytest.mark.parametrize(
    "text", ["word " * 5000, "字" * 5000, "x" * 5000, "e\u0301" * 3000, "\u200b" * 5000, "👩🏽‍🚒" * 900]
)
def test_text_without_sentences_is_cut_within_bounds(text: str) -> None:
    passages: list[Passage] = chunk(document(text), MODEL, Chunking(100))
    assert all(len(MODEL.spans([passage.text])[0]) <= 100 and len(passage.text) <= 800 for passage in passages)
    assert not any(passage.text[0] in "\u0301\u200d🏽🚒" for passage in passages)


def test_without_a_model_the_estimate_is_not_below_the_real_number_for_prose(seed: Document) -> None:
    estimated, real = (pieces.spans([seed.text])[0] for pieces in (EstimatedPieces(), MODEL))
    assert len(estimated) >= len(real)
    assert chunk(seed, EstimatedPieces())


def test_a_long_title_leaves_room_for_the_text() -> None:
    made = from_text("One sentence. " * 200, title="A very long title " * 50, source="s")
    for passage in chunk(made, MODEL, Chunking(240)):
        assert len(MODEL.spans([f"{passage.context}\n{passage.text}"])[0]) <= MODEL.max_length - 2


def test_endless_combining_marks_are_cut_into_few_passages() -> None:
    text = "a" + "\u0301" * 50_000
    passages = chunk(from_text(text, title="t"), EstimatedPieces())
    assert "".join(one.text for one in passages) == text
    assert len(passages) < 200
