"""What a reranker and a reader add: a better order, a narrower mark, and nothing else changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from index.load import from_text
from index.rerank import BATCH, Reranker, load_reranker
from index.rows import StoredPassage
from index.search import Found
from index.types import Passage, Span
from qa.answer import Answerer, Models
from qa.reader import Reader, load_reader
from qa.refine import narrowed, reranked
from qa.types import Answer, Turn
from qa.wire import Library
from tests import tiny_models
from tests.conftest import HashEmbedder, Server

QUESTION = "where is the ferry"
FAR = "the cow left"
NEAR = "the moon left"
LONG = 60_000.0
"""Milliseconds: more than is ever needed."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_models.one_thread():
        yield


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Reranker:
    """One that prefers passages with the moon."""
    return load_reranker(str(tiny_models.cross_encoder(tmp_path_factory.mktemp("cross-encoder"))))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """One that points to a town."""
    return load_reader(str(tiny_models.reader(tmp_path_factory.mktemp("reader"))))


def found(*texts: str, title: str = "", start: int = 7) -> list[Found]:
    """Passages as a search finds them, each marked whole, best first."""
    return [
        Found(
            StoredPassage(
                Passage(f"d{place}", title, "", start, start + len(text), text, (), 1, 1), "source", "sha256", None
            ),
            score=1.0 - place / 100,
            dense=0.5,
            dense_rank=place + 1,
            bm25=None,
            bm25_rank=None,
            words=0.0,
            sentence=0.5,
            mark=Span(start, start + len(text)),
        )
        for place, text in enumerate(texts)
    ]


def names(passages: Sequence[Found]) -> list[str]:
    return [one.stored.passage.document_id for one in passages]


# Reranked


def test_passages_come_in_the_order_of_the_reranker_with_its_scores(reranker: Reranker) -> None:
    given = found(FAR, NEAR, FAR + " noon", "the moon")
    order, _ = reranked(QUESTION, given, reranker, LONG)
    scores = reranker.rescored(QUESTION, [one.stored.passage.text for one in given], 60).scores
    assert [one.reranked for one in order] == sorted(scores, reverse=True)
    assert set(names(order)[:2]) == {"d1", "d3"}
    for one in order:
        place = int(one.stored.passage.document_id[1:])
        assert one == replace(given[place], reranked=scores[place])


def test_passages_that_the_reranker_cannot_tell_apart_stay_in_their_order(reranker: Reranker) -> None:
    order, _ = reranked(QUESTION, found(FAR, FAR, NEAR, FAR, FAR, NEAR), reranker, LONG)
    assert names(order) == ["d2", "d5", "d0", "d1", "d3", "d4"]


def test_title_and_heading_are_read_with_the_text(reranker: Reranker) -> None:
    plain, titled = (reranked(QUESTION, found(FAR, title=title), reranker, LONG)[0][0] for title in ("", "the moon"))
    assert plain.reranked is not None
    assert titled.reranked is not None
    assert plain.reranked < 0.5 < titled.reranked


def test_what_there_was_no_time_for_follows_in_its_order_and_it_is_told(reranker: Reranker) -> None:
    given = found(*[FAR] * (BATCH - 1), *[NEAR] * 4)
    order, told = reranked(QUESTION, given, reranker, 0)
    assert names(order) == [f"d{place}" for place in [BATCH - 1, *range(BATCH - 1), *range(BATCH, BATCH + 3)]]
    assert [one.reranked is None for one in order] == [False] * BATCH + [True] * 3
    assert (told.passages, told.complete, told.budget_ms) == (BATCH, False, 0)


def test_with_time_for_all_it_is_told_that_these_are_all(reranker: Reranker) -> None:
    given = found(*[FAR] * (BATCH + 1))
    _, told = reranked(QUESTION, given, reranker, LONG)
    assert (told.model, told.passages, told.complete) == (reranker.name, BATCH + 1, True)
    assert 0 < told.took_ms < LONG


def test_nothing_found_is_nothing_reranked(reranker: Reranker) -> None:
    order, told = reranked(QUESTION, [], reranker, LONG)
    assert (order, told.passages, told.complete) == ([], 0, True)


def test_a_reranker_that_fails_leaves_the_order_and_says_why(reranker: Reranker) -> None:
    given = found(FAR, "half a pair: \ud83d", NEAR)
    order, told = reranked(QUESTION, given, reranker, LONG)
    assert order == given
    assert (told.passages, told.complete) == (0, False)
    assert told.failed


# Narrowed


@pytest.mark.parametrize("start", [0, 7, 100_000])
def test_the_mark_is_where_the_words_that_answer_stand_in_the_document(reader: Reader, start: int) -> None:
    text = "🚢 the ferry left new york at noon"
    (one,), _ = narrowed(QUESTION, found(text, start=start), reader)
    assert text[one.mark.start - start : one.mark.end - start] == "new york"


def test_where_the_reader_sees_no_answer_the_passage_stays_as_it_was(reader: Reader) -> None:
    given = found("the ferry left oslo", FAR, "", "lima")
    narrow, told = narrowed(QUESTION, given, reader)
    assert [narrow[1], narrow[2]] == [given[1], given[2]]
    assert [narrow[0].mark, narrow[3].mark] == [Span(7 + 15, 7 + 19), Span(7, 7 + 4)]
    assert (told.model, told.passages, told.failed) == (reader.name, 2, None)


def test_the_reader_changes_nothing_but_the_mark(reader: Reader) -> None:
    given = found("the ferry left oslo", "lima", FAR)
    narrow, _ = narrowed(QUESTION, given, reader)
    assert [replace(one, mark=Span(0, 0)) for one in narrow] == [replace(one, mark=Span(0, 0)) for one in given]


def test_a_reader_that_fails_leaves_every_mark_and_says_why(reader: Reader) -> None:
    given = found("the ferry left oslo", "half a pair: \ud83d")
    narrow, told = narrowed(QUESTION, given, reader)
    assert (narrow, told.passages) == (given, 0)
    assert told.failed


def test_nothing_found_is_nothing_narrowed(reader: Reader) -> None:
    narrow, told = narrowed(QUESTION, [], reader)
    assert (narrow, told.passages, told.failed) == ([], 0, None)


# In an answer

ASKED = "where is the far ferry"


@pytest.fixture
def library(make_library: Callable[..., Library]) -> Library:
    """Of nine documents the search puts d0 first; the last three are those with the moon."""
    made = make_library()
    for number in range(9):
        text = f"The far ferry left {tiny_models.TOWNS[number % 4].title()}{' by the cow' * number}."
        made.builder.put(from_text(text + (" The moon left." if number > 5 else ""), title="", id=f"d{number}"))
    return made


@pytest.fixture
def answerer(library: Library) -> Callable[..., Answerer]:
    """Makes one over the library, with the models given."""

    def make(
        reranker: Reranker | None = None, reader: Reader | None = None, top: int = 20, ms: float = LONG
    ) -> Answerer:
        models = Models(HashEmbedder, lambda: reranker, lambda: reader, top, ms)
        return Answerer(library.searcher, models, library.calibration)

    return make


def documents(answer: Answer) -> list[str]:
    return [passage.citation.document_id for passage in answer.passages]


def test_the_reranker_finds_what_the_search_put_below_those_asked_for(
    answerer: Callable[..., Answerer], reranker: Reranker
) -> None:
    before, after = (answerer(model).ask(ASKED, 2) for model in (None, reranker))
    assert documents(before)[0] == "d0"
    assert set(documents(after)) < {"d6", "d7", "d8"}
    assert [passage.rank for passage in after.passages] == [1, 2]


def test_only_the_first_passages_are_reranked_and_the_others_follow(
    answerer: Callable[..., Answerer], reranker: Reranker
) -> None:
    before, after = (answerer(model, top=3).ask(ASKED, 9) for model in (None, reranker))
    assert documents(after)[3:] == documents(before)[3:]
    assert [passage.scores.reranker is None for passage in after.passages] == [False] * 3 + [True] * 6


def test_confidence_is_that_of_the_search(answerer: Callable[..., Answerer], reranker: Reranker) -> None:
    before, after = (answerer(model).ask(ASKED, 2) for model in (None, reranker))
    assert (after.confidence, after.answerable) == (before.confidence, before.answerable)


def test_the_answer_tells_which_models_worked_on_it(
    answerer: Callable[..., Answerer], reranker: Reranker, reader: Reader
) -> None:
    plain, both = answerer().ask(ASKED, 2), answerer(reranker, reader).ask(ASKED, 2)
    assert (plain.reranking, plain.reading) == (None, None)
    assert both.reranking is not None
    assert both.reading is not None
    assert (both.reranking.model, both.reading.model) == (reranker.name, reader.name)
    assert both.stages_ms.keys() - plain.stages_ms.keys() == {"reranking", "reading the answer"}


def test_with_a_reader_the_town_is_marked_and_verbatim(answerer: Callable[..., Answerer], reader: Reader) -> None:
    answer = answerer(reader=reader).ask(ASKED, 4)
    for passage in answer.passages:
        (mark,) = passage.highlights
        assert mark.text.lower() in tiny_models.TOWNS
        assert mark.text == passage.text[mark.start - passage.citation.start : mark.end - passage.citation.start]


def test_a_follow_up_is_judged_with_the_question_that_it_takes_over(
    answerer: Callable[..., Answerer], reranker: Reranker
) -> None:
    """As the search does: alone its words would say nothing."""
    made = answerer(reranker)
    follow_up, whole = made.ask("Why?", 9, [Turn(ASKED)]), made.ask(f"{ASKED} Why?", 9)
    assert follow_up.effective_question == whole.question
    assert [(one.id, one.scores) for one in follow_up.passages] == [(one.id, one.scores) for one in whole.passages]


@pytest.mark.server
def test_the_service_loads_both_in_the_background_and_says_so(
    start: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("models")
    encoder = tiny_models.cross_encoder(folder / "encoder")
    server = start(QA_RERANKER=str(encoder), QA_READER=str(tiny_models.reader(folder / "reader")), QA_RERANK_MS="60000")
    server.until_hybrid()
    deadline = time.monotonic() + 60
    while any(server.get("/health")[1][one]["state"] != "ready" for one in ("reranker", "reader")):
        assert time.monotonic() < deadline, server.get("/health")[1]
        time.sleep(0.1)
    answer = server.get("/ask?q=Who+would+monitor+the+ceasefire%3F&top_k=2")[1]
    assert answer["reranking"]["complete"]
    assert answer["reranking"]["passages"] > 2
    assert answer["reading"]["failed"] is None
    assert all(passage["scores"]["reranker"] is not None for passage in answer["passages"])


@pytest.mark.server
def test_a_reranker_that_is_not_there_is_told_and_the_answer_comes_without_it(start: Callable[..., Server]) -> None:
    server = start(QA_RERANKER="no-such-model")
    server.until_hybrid()
    told = server.get("/health")[1]["reranker"]
    assert told["state"] == "failed"
    assert "no-such-model" in told["reason"]
    answer = server.get("/ask?q=Who+would+monitor+the+ceasefire%3F")[1]
    assert "no-such-model" in answer["reranking"]["failed"]
    assert answer["passages"]
