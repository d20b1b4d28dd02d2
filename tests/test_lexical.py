"""BM25 against its oracle, rank_bm25.BM25Okapi."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from index.engine import Engine
from index.lexical import SMALLEST
from index.local import LocalEngine
from index.postings import BLOCK, best
from index.ranking import BM25, RANKING
from index.types import Passage, Span, Stamp

WORDS = "alpha bravo delta echo golf hotel kilo lima oscar papa".split()
CORPORA = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), min_size=SMALLEST, max_size=60)
PARAMETERS = st.sampled_from((RANKING.bm25, BM25(1.2, 0.75))) | st.builds(
    BM25, k1=st.floats(0.1, 3), b=st.floats(0, 1), epsilon=st.floats(0.05, 1)
)


def put(engine: Engine, document_id: str, words: Sequence[str]) -> None:
    text = " ".join(words)
    span = Span(0, len(text))
    engine.replace(document_id, [Passage(document_id, "", "", *span, text, (span,), 1, 1)], None)


def indexed(corpus: Sequence[Sequence[str]], bm25: BM25 = RANKING.bm25) -> LocalEngine:
    engine = LocalEngine(bm25=bm25)
    for row, words in enumerate(corpus):
        put(engine, f"d{row:03}", words)
    engine.commit(Stamp(1))
    return engine


def scores(engine: Engine, query: Sequence[str]) -> dict[str, float]:
    snapshot = engine.snapshot()
    return {hit.passage_id.split(":")[0]: hit.score for hit in snapshot.sparse(snapshot.weights(query), 10_000)}


def oracle(corpus: Sequence[Sequence[str]], bm25: BM25 = RANKING.bm25) -> BM25Okapi:
    return BM25Okapi(corpus, k1=bm25.k1, b=bm25.b, epsilon=bm25.epsilon)


@given(CORPORA, st.lists(st.sampled_from([*WORDS, "unknown"]), min_size=1, max_size=5), PARAMETERS)
def test_scores_are_those_of_rank_bm25(corpus: list[list[str]], query: list[str], bm25: BM25) -> None:
    expected = oracle(corpus, bm25).get_scores([term for term in query if term != "unknown"])
    found = scores(indexed(corpus, bm25), query)
    for row, words in enumerate(corpus):
        if set(words) & set(query):
            assert found[f"d{row:03}"] == pytest.approx(expected[row], rel=1e-5, abs=1e-6)
        else:
            assert f"d{row:03}" not in found


def test_scores_stay_those_of_rank_bm25_after_changes() -> None:
    chance = random.Random(7)
    corpus = [[chance.choice(WORDS) for _ in range(chance.randint(1, 9))] for _ in range(80)]
    engine = indexed(corpus)
    for gone in ("d003", "d050"):
        engine.replace(gone, [], None)
    put(engine, "new", ["alpha", "zulu"])
    engine.commit(Stamp(2))
    remaining = {f"d{row:03}": words for row, words in enumerate(corpus) if row not in (3, 50)}
    remaining["new"] = ["alpha", "zulu"]
    expected = oracle(list(remaining.values())).get_scores(["alpha", "zulu"])
    found = scores(engine, ["alpha", "zulu"])
    np.testing.assert_allclose([found.get(one, 0.0) for one in remaining], expected, rtol=1e-5)


def test_a_library_of_one_or_two_passages_can_be_searched_by_keyword() -> None:
    corpus = [["army", "troop"], ["city", "talk"]]
    assert not oracle(corpus).get_scores(["troop"]).any()  # Okapi's idf is zero for a term in half of them
    for size in (1, 2):
        found = scores(indexed(corpus[:size]), ["troop"])
        assert list(found) == ["d000"]
        assert found["d000"] > 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.booleans())
def test_the_best_rows_are_those_of_a_full_sort(seed: int, k: int, hiding: bool) -> None:
    """Over several blocks, with many equal scores, negative weights and hidden rows."""
    chance = np.random.default_rng(seed)
    size = BLOCK * 2 + 100
    terms = [np.sort(chance.choice(size, chance.integers(1, 300), replace=False)).astype(np.int32) for _ in range(4)]
    firsts = np.cumsum([0, *map(len, terms)])
    rows = np.concatenate(terms)
    counts = chance.integers(1, 3, len(rows)).astype(np.uint16)
    weights = chance.choice([-1.0, 0.5, 1.0, 2.0], 4)
    norms = chance.choice([1.0, 2.0], size).astype(np.float32)
    hidden = chance.random(size) < 0.5 if hiding else np.zeros(0, np.bool_)
    expected = np.zeros(size)
    for term, (first, last) in enumerate(pairwise(firsts.tolist())):
        here = rows[first:last]
        expected[here] += weights[term] * 2.5 * counts[first:last] / (counts[first:last] + norms[here])
    matched = sorted({row for row in rows.tolist() if not (hiding and hidden[row])})
    numbers = np.arange(4, dtype=np.int32) * 3
    shares = (weights * 2.5).astype(np.float32)
    found, found_scores = best(numbers, shares, numbers, firsts, rows, counts, norms, hidden, k)
    np.testing.assert_allclose(found_scores, expected[found], rtol=1e-5, atol=1e-6)
    assert set(found.tolist()) <= set(matched)
    rounded = {row: float(np.float32(expected[row])) for row in matched}
    ranked = sorted(matched, key=lambda row: -rounded[row])[:k]
    np.testing.assert_allclose(sorted(found_scores), sorted(rounded[row] for row in ranked), rtol=1e-5, atol=1e-6)
