"""A search through real parts: SQLite, FAISS, BM25's postings, and an embedder of bags of words."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from index.fusion import Mode
from index.load import from_text
from index.ranking import RANKING
from index.search import Results, Searcher
from index.terms import terms
from index.types import Span
from qa.config import settings
from qa.wire import Library, open_library
from tests.conftest import HashEmbedder

Make = Callable[..., Library]
MODES: tuple[Mode, ...] = ("hybrid", "dense", "bm25")
WORDS = "harbour pelican treaty lighthouse ferry budget volcano orchard senate glacier".split()
WORDS += [f"{first}{last}" for first in "bor kam lim nud pol rak".split() for last in "ado eki ila opu uno".split()]
QUESTIONS = ("Which pelican sat on the lighthouse?", "treaty", "budget of the senate, budget", "volcano glacier ferry")
PENDING = 140
"""The first document of the shelf that is not embedded."""


class Letters:
    """The vocabulary of a model that knows no word: each letter is a piece."""

    def known(self, text: str) -> list[Span]:
        return [Span(place, place + 1) for place in range(len(text))]


def texts(count: int) -> list[str]:
    chance = random.Random(count)
    drawn = [[chance.choices(WORDS, k=chance.randint(2, 9)) for _ in range(3)] for _ in range(count)]
    return [" ".join(f"{' '.join(words).capitalize()}." for words in sentences) for sentences in drawn]


def put(library: Library, documents: Iterable[tuple[str, str]]) -> None:
    list(library.builder.put_all(from_text(text, title="", id=name) for name, text in documents))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """More short documents than a leg is asked for: ten of them twice, and the last ten not embedded."""
    library = open_library(settings(data=tmp_path_factory.mktemp("search") / "data"), make=True)
    made = texts(PENDING)
    made = [*made[:-10], *made[:10], *texts(10)]
    numbered = [(f"d{number:03}", text) for number, text in enumerate(made)]
    library.model.embedder = HashEmbedder()
    put(library, numbered[:PENDING])
    library.model.embedder = None
    put(library, numbered[PENDING:])
    yield library
    library.close()


def search(searcher: Searcher, question: str, k: int = 10, mode: Mode = "hybrid") -> Results:
    return searcher.search(question, HashEmbedder().question(question), k, mode)


def ids(results: Results) -> list[str]:
    return [found.stored.passage.id for found in results.found]


def scores(results: Results) -> list[float]:
    return [found.score for found in results.found]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_how_many_are_asked_for_changes_neither_order_nor_scores(shelf: Library, question: str, mode: Mode) -> None:
    every = search(shelf.searcher, question, RANKING.rescored, mode)
    for k in (1, 7, 50):
        some = search(shelf.searcher, question, k, mode)
        assert (ids(some), scores(some)) == (ids(every)[:k], scores(every)[:k])
        assert [found.mark for found in some.found] == [found.mark for found in every.found[:k]]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_results_are_in_the_order_of_their_scores_and_equals_in_that_of_their_ids(
    shelf: Library, question: str, mode: Mode
) -> None:
    results = search(shelf.searcher, question, 100, mode)
    ranked = list(zip([-score for score in scores(results)], ids(results), strict=True))
    assert ranked == sorted(ranked)
    assert len(set(ids(results))) == len(ranked)


@pytest.mark.parametrize("question", QUESTIONS)
def test_by_bm25_the_order_is_the_engine_s(shelf: Library, question: str) -> None:
    results = search(shelf.searcher, question, 50, "bm25")
    snapshot = shelf.searcher.engine.snapshot()
    hits = snapshot.sparse(snapshot.weights(terms(question)), 50)
    assert ids(results) == [hit.passage_id for hit in hits]
    assert [found.bm25 for found in results.found] == [hit.score for hit in hits]


@pytest.mark.parametrize("question", QUESTIONS)
def test_by_meaning_the_score_is_the_cosine_of_question_and_passage(shelf: Library, question: str) -> None:
    for found in search(shelf.searcher, question, 50, "dense").found:
        assert found.stored.vectors is not None
        cosine = float(found.stored.vectors.passage @ HashEmbedder().question(question))
        assert found.score == found.dense == pytest.approx(cosine, abs=1e-6)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_in_words_foreign_to_the_model_is_ranked_by_bm25_alone(shelf: Library, question: str) -> None:
    searcher = Searcher(shelf.catalogue, shelf.searcher.engine, Letters())
    by_words = search(searcher, question, 20, "bm25")
    hybrid = search(searcher, question, 20)
    assert (hybrid.mode, hybrid.familiar) == ("bm25", 0)
    assert ids(hybrid) == ids(by_words)
    assert scores(hybrid) == pytest.approx(scores(by_words))


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_leg_s_score_and_rank_are_told_where_it_found_the_passage(shelf: Library, question: str) -> None:
    results = search(shelf.searcher, question, 100)
    snapshot = shelf.searcher.engine.snapshot()
    dense = snapshot.dense(HashEmbedder().question(question), RANKING.candidates)
    sparse = snapshot.sparse(snapshot.weights(terms(question)), RANKING.candidates)
    dense_ranks, bm25_ranks = ({hit.passage_id: rank for rank, hit in enumerate(leg, 1)} for leg in (dense, sparse))
    for one, found in zip(ids(results), results.found, strict=True):
        assert (found.dense_rank, found.bm25_rank) == (dense_ranks.get(one), bm25_ranks.get(one))
        assert found.bm25 == next((hit.score for hit in sparse if hit.passage_id == one), None)
        assert (found.dense is None) == (found.sentence is None) == (found.stored.vectors is None)


def test_a_passage_that_is_not_embedded_is_found_by_its_words(shelf: Library) -> None:
    (pending,) = shelf.catalogue.passages_of(f"d{PENDING}")
    results = search(shelf.searcher, pending.passage.text, 100)
    found = next(one for one in results.found if one.stored.passage == pending.passage)
    assert (found.dense, found.dense_rank, found.sentence, found.bm25_rank) == (None, None, None, 1)


def test_without_a_vector_bm25_answers_alone_and_the_results_say_so(shelf: Library) -> None:
    for mode in MODES:
        results = shelf.searcher.search(QUESTIONS[0], None, 20, mode)
        assert results.mode == "bm25"
        assert ids(results) == ids(search(shelf.searcher, QUESTIONS[0], 20, "bm25"))


@pytest.mark.parametrize("mode", MODES)
def test_a_narrow_choice_of_documents_still_fills_the_list(shelf: Library, mode: Mode) -> None:
    where = {f"d{number:03}" for number in range(0, PENDING, 20)}
    question = " ".join(WORDS)
    results = shelf.searcher.search(question, HashEmbedder().question(question), 99, mode, where)
    assert {found.stored.passage.document_id for found in results.found} == where


@pytest.mark.parametrize("mode", MODES)
def test_the_order_in_which_documents_came_does_not_matter(make_library: Make, mode: Mode) -> None:
    made = [(f"d{number:03}", text) for number, text in enumerate(texts(60))]
    forth, back = make_library(name="forth"), make_library(name="back")
    put(forth, made)
    put(back, reversed(made))
    for question in (*QUESTIONS, *(text for _, text in made[:5])):
        one, other = (search(library.searcher, question, 60, mode) for library in (forth, back))
        np.testing.assert_allclose(scores(one), scores(other), rtol=1e-5)
        assert ids(one)[:3] == ids(other)[:3]


def test_another_ranking_of_the_same_library_leaves_the_first_as_it_was(shelf: Library) -> None:
    question = QUESTIONS[0]
    before = search(shelf.searcher, question, 50)
    words = shelf.searcher.ranking_by(replace(RANKING, dense=0.0, sentence=0.0))
    assert ids(search(words, question, 20)) == ids(search(shelf.searcher, question, 20, "bm25"))
    assert ids(search(shelf.searcher, question, 50)) == ids(before)


def test_a_passage_that_one_leg_left_out_counts_there_as_the_last_that_it_found(make_library: Make) -> None:
    """So that the best by words alone is looked at, however few are."""
    library = make_library()
    put(library, [("near", "Pelican harbour."), *((f"d{number}", text) for number, text in enumerate(texts(9)))])
    library.model.embedder = None
    put(library, [("pending", "Pelican.")])
    one_each = Searcher(library.catalogue, library.searcher.engine, None, replace(RANKING, candidates=1, rescored=1))
    assert search(one_each, "pelican", 1, "dense").found[0].stored.passage.document_id == "near"
    assert search(one_each, "pelican", 1).found[0].stored.passage.document_id == "pending"


def test_a_score_is_the_same_however_few_are_looked_at_closely(shelf: Library) -> None:
    many = shelf.searcher.ranking_by(replace(RANKING, feedback=0.0))
    few = shelf.searcher.ranking_by(replace(RANKING, feedback=0.0, rescored=5))
    every, some = (search(searcher, QUESTIONS[0], k) for searcher, k in ((many, 100), (few, 5)))
    known = dict(zip(ids(every), scores(every), strict=True))
    assert scores(some) == pytest.approx([known[one] for one in ids(some)])
    assert len(some.found) == 5
