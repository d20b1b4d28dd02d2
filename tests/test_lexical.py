"""BM25 against its oracle, rank_bm25.BM25Okapi."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from index.lexical import SMALLEST, LexicalIndex

CORPORA = st.lists(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=12), min_size=SMALLEST, max_size=60)


def indexed(corpus: list[list[str]]) -> LexicalIndex:
    return LexicalIndex().changed([], {f"d{row:03}:0-1": words for row, words in enumerate(corpus)})


def scores(index: LexicalIndex, query: list[str]) -> dict[str, float]:
    return {hit.passage_id: hit.score for hit in index.search(index.weights(query), len(index.ids))}


@given(CORPORA, st.lists(st.sampled_from("abcdefghijk"), min_size=1, max_size=5))
def test_scores_are_those_of_rank_bm25(corpus: list[list[str]], query: list[str]) -> None:
    expected = BM25Okapi(corpus).get_scores([term for term in query if term != "k"])
    found = scores(indexed(corpus), query)
    for row, words in enumerate(corpus):
        if set(words) & set(query):
            assert found[f"d{row:03}:0-1"] == pytest.approx(expected[row], rel=1e-9, abs=1e-12)
        else:
            assert f"d{row:03}:0-1" not in found


def test_scores_stay_those_of_rank_bm25_after_changes() -> None:
    chance = random.Random(7)
    corpus = [[chance.choice("abcdefgh") for _ in range(chance.randint(1, 9))] for _ in range(80)]
    index = indexed(corpus).changed(["d003", "d050"], {"new:0-1": ["a", "z"]})
    remaining = [words for row, words in enumerate(corpus) if row not in (3, 50)] + [["a", "z"]]
    expected = BM25Okapi(remaining).get_scores(["a", "z"])
    np.testing.assert_allclose([scores(index, ["a", "z"]).get(one, 0.0) for one in index.ids], expected, rtol=1e-9)


def test_a_library_of_one_or_two_passages_can_be_searched_by_keyword() -> None:
    corpus = [["army", "troops"], ["city", "talks"]]
    assert not BM25Okapi(corpus).get_scores(["troops"]).any()  # Okapi's idf is zero for a term in half of them
    for size in (1, 2):
        index = indexed(corpus[:size])
        assert [hit.passage_id for hit in index.search(index.weights(["troops"]), 5)] == ["d000:0-1"]
        assert index.search(index.weights(["troops"]), 5)[0].score > 0
