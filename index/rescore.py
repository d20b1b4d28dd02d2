"""The sentences of the candidates against the question: which one of each matches best, and how well.

All candidates are looked at together, as arrays: their sentences are numbered through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.engine import K1, MOST, B
from index.terms import code
from index.types import Vector


class Candidate(NamedTuple):
    """A found passage as the catalogue keeps it: `vector` float32, `sentence_vectors` float16, both None until it is
    embedded; `sentence_terms` see `packed_terms`."""

    passage_id: str
    vector: bytes | None
    sentence_vectors: bytes | None
    sentence_terms: bytes


class Telling(NamedTuple):
    """The best sentence of a candidate by its number, its match and cosine; the cosine of the whole passage."""

    sentence: int
    match: float
    sentence_cosine: float | None
    cosine: float | None


def packed_terms(sentences: Sequence[Sequence[str]]) -> bytes:
    """The terms of each sentence as uint32: how many sentences, how many terms in each, the codes of the terms."""
    numbers = [len(sentences), *map(len, sentences), *(code(term) for terms in sentences for term in terms)]
    return np.array(numbers, "<u4").tobytes()


def telling(
    candidates: Sequence[Candidate], weights: Mapping[str, float], vector: Vector | None, words: float
) -> list[Telling]:
    """The telling sentence of each candidate, the first of equals.

    A sentence's match is its cosine and its share of BM25, weighted with 1 - `words` and `words`; of a candidate
    that is not embedded, or without a `vector`, the share alone.
    """
    unpacked = [np.frombuffer(one.sentence_terms, "<u4") for one in candidates]
    counts = [int(numbers[0]) if len(numbers) else 0 for numbers in unpacked]
    if not sum(counts):
        return [Telling(0, 0.0, None, None) for _ in candidates]
    lengths = np.concatenate([numbers[1 : 1 + count] for numbers, count in zip(unpacked, counts, strict=True)])
    codes = np.concatenate([numbers[1 + count :] for numbers, count in zip(unpacked, counts, strict=True)])
    shares = _shares(codes, lengths.astype(np.int64), weights)
    cosines, embedded, whole = _cosines(candidates, counts, vector)
    matches = np.where(embedded, (1 - words) * cosines + words * shares, shares).tolist()
    sentence_cosines, known = cosines.tolist(), embedded.tolist()  # plain numbers: faster one by one
    found, first = [], 0
    for number, count in enumerate(counts):
        here = matches[first : first + count]
        match = max(here)
        best = here.index(match)
        cosine = sentence_cosines[first + best] if known[first] else None
        found.append(Telling(best, match, cosine, whole[number]))
        first += count
    return found


def share(bm25: float | None, weights: Mapping[str, float]) -> float:
    """A BM25 score as a share of the most that the question's terms could give, 0 to 1."""
    most = sum(weight for weight in weights.values() if weight > 0) * MOST
    return (bm25 or 0.0) / most if most else 0.0


def _shares(codes: NDArray[np.uint32], lengths: NDArray[np.int64], weights: Mapping[str, float]) -> NDArray[np.float64]:
    """Each sentence's BM25 with the idf of the passages, against all sentences here, as a share of the most."""
    sentences = np.repeat(np.arange(len(lengths)), lengths)
    average = lengths.mean()
    norms = K1 * (1 - B + B * lengths / average) if average else np.ones(len(lengths))
    scores = np.zeros(len(lengths))
    for term, weight in weights.items():
        here = sentences[codes == code(term)]
        if len(here):
            occurring = np.bincount(here, minlength=len(lengths))
            scores += weight * occurring * MOST / (occurring + norms)
    most = share(1.0, weights)
    return scores * most


def _cosines(
    candidates: Sequence[Candidate], counts: Sequence[int], vector: Vector | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[float | None]]:
    """Of every sentence, whether it has one, and of every passage."""
    known = np.array([vector is not None and one.vector is not None for one in candidates])
    embedded = np.repeat(known, counts)
    cosines = np.zeros(len(embedded))
    whole: list[float | None] = [None] * len(candidates)
    if vector is not None and known.any():
        rows = np.frombuffer(b"".join(one.sentence_vectors or b"" for one in candidates if one.vector), "<f2")
        cosines[embedded] = rows.reshape(-1, len(vector)).astype(np.float32) @ vector
        passages = np.frombuffer(b"".join(one.vector or b"" for one in candidates), "<f4").reshape(-1, len(vector))
        for place, cosine in zip(np.flatnonzero(known).tolist(), (passages @ vector).tolist(), strict=True):
            whole[place] = cosine
    return cosines, embedded, whole
