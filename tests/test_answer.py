"""Answers: verbatim, ranked, honest about what was done; confidence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from index.errors import EngineError
from index.fusion import Mode
from index.load import from_text
from index.select import Filter
from index.types import Document
from qa.confidence import FEATURES, confidence, features
from qa.types import Answer
from qa.wire import Library

Make = Callable[..., Library]


def assert_verbatim(answer: Answer, text: str) -> None:
    """The promise: every text shown is a slice of the stored document, at the offsets that it names."""
    for rank, passage in enumerate(answer.passages, 1):
        citation = passage.citation
        assert passage.rank == rank
        assert passage.text == citation.quote == text[citation.start : citation.end]
        assert citation.url.endswith(f"#char={citation.start},{citation.end}")
        assert citation.line_start == text.count("\n", 0, citation.start) + 1
        assert citation.line_end == text.count("\n", 0, citation.end - 1) + 1
        for mark in passage.highlights:
            assert mark.text == text[mark.start : mark.end]
            assert citation.start <= mark.start < mark.end <= citation.end
    scores = [passage.score for passage in answer.passages]
    assert scores == sorted(scores, reverse=True)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300).filter(str.strip),
    st.text(min_size=1, max_size=60),
    st.sampled_from(["hybrid", "dense", "bm25"]),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_every_reply_is_verbatim_whatever_the_text_and_the_question(
    make_library: Make, text: str, question: str, mode: Mode
) -> None:
    library = make_library()
    library.builder.put(from_text(text, title="Any", id="any"))
    assert_verbatim(library.answerer.ask(f"{question} {text[:20]}", mode=mode), text)
    library.close()


@pytest.mark.parametrize("mode", ["hybrid", "dense", "bm25"])
def test_the_retrieval_asked_for_is_the_one_done(library: Library, seed: Document, mode: Mode) -> None:
    answer = library.answerer.ask("Who would monitor the ceasefire?", mode=mode)
    assert answer.retrieval == mode
    assert_verbatim(answer, seed.text)
    assert mode == "dense" or "ceasefire monitoring" in answer.passages[0].highlights[0].text
    scores = answer.passages[0].scores
    assert (scores.dense is None, scores.bm25 is None) == (mode == "bm25", mode == "dense")


def test_without_a_model_bm25_answers_and_the_reply_says_so(make_library: Make, seed: Document) -> None:
    library = make_library(embedder=None)
    library.builder.put(seed)
    for mode in ("hybrid", "dense", "bm25"):
        answer = library.answerer.ask("Who would monitor the ceasefire?", mode=mode)
        assert answer.retrieval == "bm25"
        assert "ceasefire monitoring" in answer.passages[0].text


def test_only_the_documents_asked_for_are_searched(library: Library, seed: Document) -> None:
    library.builder.put(from_text("Birds cease to sing before the fire of noon.", title="Birds", id="birds"))
    only = library.answerer.ask("Who would monitor the ceasefire?", chosen=Filter(("birds",)))
    assert {passage.citation.document_id for passage in only.passages} == {"birds"}
    assert library.answerer.ask("ceasefire", chosen=Filter(())).passages == []


def test_how_many_passages_are_asked_for_changes_neither_order_nor_confidence(library: Library) -> None:
    one, six = (library.answerer.ask("What did Merz say?", top_k) for top_k in (1, 6))
    assert one.passages == six.passages[:1]
    assert one.confidence == six.confidence


def test_a_question_without_content_finds_nothing_by_keyword_and_is_not_answerable(library: Library) -> None:
    answer = library.answerer.ask("Who is it?", mode="bm25")
    assert (answer.answerable, answer.confidence, answer.passages) == (False, 0.0, [])


def test_a_closed_library_says_so_whatever_is_in_it(make_library: Make, seed: Document) -> None:
    library = make_library()
    library.builder.put(seed)
    library.open_index()
    searcher = library.searcher
    library.builder.put(from_text("Something new.", title="New"))
    library.close()
    library.open_index()
    empty = make_library(name="empty").searcher
    empty.close()
    for late in (searcher.refresh, lambda: library.searcher, empty.refresh, lambda: empty.search("Who?", None, 5)):
        with pytest.raises(EngineError, match="closed"):
            late()


def test_an_empty_library_gives_no_answer_and_no_error(make_library: Make) -> None:
    assert make_library().answerer.ask("Anything?").passages == []


def test_confidence_rises_when_the_question_is_answered(library: Library) -> None:
    searched = {
        question: library.answerer.search(question, 5, mode="bm25")
        for question in ("Who would monitor the ceasefire?", "Which vitamins are good for the skin and the heart?")
    }
    high, low = (confidence(results, library.calibration)[0] for results in searched.values())
    assert 0 <= low < high <= 1
    for results in searched.values():
        assert set(features(results)) == {name for names in FEATURES.values() for name in names}


def test_names_that_the_passage_does_not_hold_count_against_it(library: Library) -> None:
    known, unknown = (
        features(library.answerer.search(f"What did Chancellor {name} say?", 5))["names"] for name in ("Merz", "Scholz")
    )
    assert known == 1.0
    assert unknown < 1.0
