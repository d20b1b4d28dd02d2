"""The candidates against the question, all together as arrays: their sentences are numbered through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.terms import code
from index.types import Vector, Vectors


class Candidate(NamedTuple):
    """A found passage as the catalogue keeps it: `vector` float32, `sentence_vectors` float16, both None until it is
    embedded; `sentence_terms` see `packed_terms`."""

    passage_id: str
    vector: bytes | None
    sentence_vectors: bytes | None
    sentence_terms: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of n candidates with m sentences: candidate i has the sentences `firsts[i]:firsts[i + 1]`.

    `embedded` (n,), `vectors` (n, dim) and cosines with the question, of passages (n,) and sentences (m,): zeros
    where a candidate is not embedded, and without a question's vector. Sentence s has the term codes
    `codes[code_firsts[s]:code_firsts[s + 1]]`.
    """

    embedded: NDArray[np.bool_]
    vectors: Vectors
    cosines: NDArray[np.float64]
    sentence_cosines: NDArray[np.float64]
    firsts: NDArray[np.int64]
    codes: NDArray[np.uint32]
    code_firsts: NDArray[np.int64]

    @classmethod
    def of(cls, candidates: Sequence[Candidate], vector: Vector | None) -> Evidence:
        unpacked = [np.frombuffer(one.sentence_terms, "<u4") for one in candidates]
        counts = [int(numbers[0]) if len(numbers) else 0 for numbers in unpacked]
        lengths = _joined([numbers[1 : 1 + count] for numbers, count in zip(unpacked, counts, strict=True)])
        codes = _joined([numbers[1 + count :] for numbers, count in zip(unpacked, counts, strict=True)])
        embedded = np.array([vector is not None and one.vector is not None for one in candidates], np.bool_)
        vectors = np.zeros((len(candidates), 0 if vector is None else len(vector)), np.float32)
        cosines, sentence_cosines = np.zeros(len(candidates)), np.zeros(sum(counts))
        if vector is not None and embedded.any():
            vectors[embedded] = np.frombuffer(b"".join(one.vector or b"" for one in candidates), "<f4").reshape(
                -1, len(vector)
            )
            cosines = (vectors @ vector).astype(np.float64)
            rows = np.frombuffer(b"".join(one.sentence_vectors or b"" for one in candidates if one.vector), "<f2")
            sentences = rows.reshape(-1, len(vector)).astype(np.float32)
            sentence_cosines[np.repeat(embedded, counts)] = sentences @ vector
        return cls(embedded, vectors, cosines, sentence_cosines, _firsts(counts), codes, _firsts(lengths))

    def telling(self, weights: Mapping[str, float], words: float) -> NDArray[np.float64]:
        """The cosine of each candidate's telling sentence, the first of equals; 0 for a candidate without sentences.

        It is the best by cosine and, `words` times, by the share of the question's terms that it holds.
        """
        cosines = np.zeros(len(self.embedded))
        some = np.flatnonzero(np.diff(self.firsts))
        if len(some):
            matches = self.sentence_cosines + words * self.covered(weights)
            best = np.maximum.reduceat(matches, self.firsts[some])
            owners = np.repeat(np.arange(len(self.embedded)), np.diff(self.firsts))
            places = np.flatnonzero(matches == np.repeat(best, np.diff(self.firsts)[some]))
            _, first = np.unique(owners[places], return_index=True)
            cosines[some] = self.sentence_cosines[places[first]]
        return cosines

    def sentences(self, candidate: int) -> NDArray[np.float64]:
        """The cosine of each sentence of a candidate."""
        return self.sentence_cosines[self.firsts[candidate] : self.firsts[candidate + 1]]

    def covered(self, weights: Mapping[str, float], candidate: int | None = None) -> NDArray[np.float64]:
        """The share of the weight of some terms that each sentence holds, of one candidate or of all; 0 where the terms
        weigh nothing."""
        first, last = (0, len(self.sentence_cosines)) if candidate is None else self.firsts[candidate : candidate + 2]
        total = sum(max(weight, 0.0) for weight in weights.values())
        if not total:
            return np.zeros(last - first)
        sought = np.array(sorted({code(term) for term in weights}), np.uint32)
        weighing = np.zeros(len(sought))
        for term, weight in weights.items():
            weighing[np.searchsorted(sought, code(term))] += max(weight, 0.0)
        start, end = self.code_firsts[first], self.code_firsts[last]
        codes = self.codes[start:end]
        columns = np.minimum(np.searchsorted(sought, codes), len(sought) - 1)
        places = np.flatnonzero(sought[columns] == codes)
        holding = np.zeros((last - first, len(sought)), np.bool_)
        rows = np.searchsorted(self.code_firsts, places + start, side="right") - 1 - first
        holding[rows, columns[places]] = True
        return np.asarray(holding @ weighing / total)


def packed_terms(sentences: Sequence[Sequence[str]]) -> bytes:
    """The terms of each sentence as uint32: how many sentences, how many terms in each, the codes of the terms."""
    numbers = [len(sentences), *map(len, sentences), *(code(term) for terms in sentences for term in terms)]
    return np.array(numbers, "<u4").tobytes()


def _joined(parts: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    return np.concatenate(parts) if parts else np.zeros(0, np.uint32)


def _firsts(counts: Iterable[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.fromiter(counts, np.int64))]).astype(np.int64)
