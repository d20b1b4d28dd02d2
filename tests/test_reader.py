"""The reader: the words that answer, where they stand, and when there are none."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from index.errors import ModelError
from qa.reader import LONGEST, Reader, ReadSpan, load_reader
from tests import tiny_models

QUESTION = "where is the ferry"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_models.one_thread():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader that points to a town."""
    return tiny_models.reader(tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="module")
def reader(folder: Path) -> Reader:
    return load_reader(str(folder))


@pytest.fixture(scope="module")
def by_bytes(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A reader at random, whose word pieces are bytes and which cannot say that there is no answer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertForQuestionAnswering, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = Tokenizer(models.BPE({"[PAD]": 0} | {letter: n for n, letter in enumerate(alphabet, 1)}, []))
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    folder = tmp_path_factory.mktemp("bytes")
    BertForQuestionAnswering(tiny_models.config(vocab_size=257)).save_pretrained(folder)
    tokenizer: Any = PreTrainedTokenizerFast
    tokenizer(tokenizer_object=pieces, pad_token="[PAD]", model_max_length=64).save_pretrained(folder)
    return load_reader(str(folder))


def read(reader: Reader, text: str) -> str | None:
    span = reader.span(QUESTION, text)
    return None if span is None else text[span.start : span.end]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("the ferry left oslo at noon.", "oslo"),
        ("Oslo", "Oslo"),
        ("the ferry left New  York at noon", "New  York"),
        ("\n\n  (Cairo)\t", "Cairo"),
        ("🚢🚢 left 👩‍👩‍👧: lima, 🌙", "lima"),
        ("a cafe\u0301 in ca\u0301iro\u0301", "ca\u0301iro\u0301"),
        ("𝔘𝔫𝔨𝔫𝔬𝔴𝔫 ﬁ naïve Ω oslo", "oslo"),
    ],
)
def test_the_answer_is_a_verbatim_part_of_the_text(reader: Reader, text: str, answer: str) -> None:
    assert read(reader, text) == answer


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b", "the ferry left at noon", "cow " * 300, "🚢"])
def test_where_nothing_answers_there_is_no_span(reader: Reader, text: str) -> None:
    assert reader.span(QUESTION, text) is None


def test_a_sure_answer_scores_higher_than_a_doubtful_one(reader: Reader) -> None:
    sure, doubtful = reader.spans(QUESTION, ["the ferry left oslo", "the ferry left oslo in lima"])
    assert sure is not None
    assert doubtful is not None
    assert 0 < doubtful.score < sure.score <= 1


@pytest.mark.parametrize("text", ["the ferry left new york at noon", "oslo by lima", "the new # in cairo ( york )"])
def test_the_score_is_the_probability_among_all_spans_less_that_of_none(
    reader: Reader, folder: Path, text: str
) -> None:
    """By the definition, over one window."""
    starts, ends, context = logits(folder, text)
    spans = [starts[i] + ends[j] for i in context for j in context if i <= j < i + LONGEST]
    none = starts[0] + ends[0]
    total = math.log(sum(math.exp(one) for one in [*spans, none]))
    found = reader.span(QUESTION, text)
    assert found is not None
    assert found.score == pytest.approx(math.exp(max(spans) - total) - math.exp(none - total), abs=1e-5)


def logits(folder: Path, text: str) -> tuple[list[float], list[float], list[int]]:
    import torch
    from transformers import BertForQuestionAnswering

    encoded = tiny_models.tokenizer()(QUESTION, text, return_tensors="pt")
    model: Any = BertForQuestionAnswering.from_pretrained(folder)  # not in training, as it comes
    with torch.inference_mode():
        output = model(**encoded)
    context = [place for place, part in enumerate(encoded.sequence_ids(0)) if part == 1]
    return output.start_logits[0].tolist(), output.end_logits[0].tolist(), context


@pytest.mark.parametrize("before", range(0, 200, 7))
def test_in_a_long_text_the_answer_is_found_wherever_it_stands(reader: Reader, before: int) -> None:
    """Also where two windows overlap: it counts once, and is as sure as elsewhere."""
    text = "cow " * before + "lima " + "cow " * (200 - before)
    span = reader.span(QUESTION, text)
    assert span is not None
    assert (span.start, span.end) == (4 * before, 4 * before + len("lima"))
    assert span.score > 0.9


def test_a_question_is_cut_off_before_it_crowds_out_the_text(reader: Reader) -> None:
    text = "the ferry left oslo"
    for question in ("where " * 2000, "", "🚢" * 500):
        span = reader.span(question, text)
        assert span is not None
        assert text[span.start : span.end] == "oslo"


def test_a_question_is_not_cut_off_within_a_character(by_bytes: Reader) -> None:
    for length in range(4, 9):
        assert by_bytes.span("🚢" * length, "a b c")


def test_texts_together_get_the_spans_that_they_get_alone(reader: Reader) -> None:
    texts = ["oslo", "", "cow " * 500 + "lima", "the cow", "was it cairo", *["far " * n + "oslo" for n in range(30)]]
    together = reader.spans(QUESTION, texts)
    for text, span in zip(texts, together, strict=True):
        assert place(span) == place(reader.span(QUESTION, text))
    assert reader.spans(QUESTION, []) == []


def place(span: ReadSpan | None) -> tuple[int, int, Any] | None:
    return (span.start, span.end, pytest.approx(span.score, abs=1e-4)) if span else None


def test_several_threads_get_the_spans_that_one_gets(reader: Reader) -> None:
    """Though each question leaves other room for the text, which the tokenizer has to be told."""
    questions = ["where " * number for number in range(1, 9)]
    texts = ["far " * number + "oslo" for number in range(60, 120, 3)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # turns as short as they may come
    try:
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda question: reader.spans(question, texts), questions))
    finally:
        sys.setswitchinterval(interval)
    assert found == [reader.spans(question, texts) for question in questions]


@given(st.text(st.sampled_from("ab.\n  \u3000🚢👩\u200d👧é\u0301漢字\U0001d518\ufe0f🏽🇩🇪"), max_size=120))
def test_a_span_has_whole_characters_and_no_whitespace_at_its_ends(by_bytes: Reader, text: str) -> None:
    """Word pieces of bytes cut an emoji into four, and would cut an accent from its letter."""
    span = by_bytes.span("which?", text)
    assert (span is None) == (not text.strip())
    if span:
        found = text[span.start : span.end]
        assert found
        assert found == found.strip()
        bounds = {0} | {match.end() for match in regex.finditer(r"\s|\X", text)}  # an accent may stand on a space
        assert {span.start, span.end} <= bounds


def test_an_answer_has_a_limited_number_of_word_pieces(by_bytes: Reader) -> None:
    span = by_bytes.span("which?", "abcdefghij" * 40)
    assert span is not None
    assert span.end - span.start <= LONGEST


# What is refused


def test_a_model_made_for_something_else_is_refused(tmp_path: Path) -> None:
    from transformers import BertModel

    tiny_models.save(BertModel(tiny_models.config()), tmp_path)
    with pytest.raises(ModelError, match="was not made for question answering: it lacks qa_outputs") as raised:
        load_reader(str(tmp_path))
    assert "question-answering model" in raised.value.hint


def test_a_model_whose_tokenizer_knows_no_offsets_is_refused(tmp_path: Path) -> None:
    from transformers import CanineConfig

    CanineConfig().save_pretrained(tmp_path)  # it reads characters
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}')
    with pytest.raises(ModelError, match="has no fast tokenizer") as raised:
        load_reader(str(tmp_path))
    assert "tokenizer.json" in raised.value.hint
