"""Candidates for the tests of the ranking: passages as the catalogue keeps them, and what they were made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from index.rescore import Candidate, packed_terms
from index.rows import blobs
from index.types import PassageVectors, Vector

WORDS = "alpha bravo delta echo golf ñandú 漢字".split()
DIM = 3


@dataclass(frozen=True, slots=True)
class Made:
    """A passage: the terms of each of its sentences, and its vectors, None while it is not embedded."""

    sentences: Sequence[Sequence[str]]
    vectors: PassageVectors | None

    def candidate(self, passage_id: str) -> Candidate:
        stored = blobs(self.vectors) if self.vectors else {"vector": None, "sentence_vectors": None}
        return Candidate(passage_id, **stored, sentence_terms=packed_terms(self.sentences))


def candidates(made: Sequence[Made]) -> list[Candidate]:
    return [one.candidate(f"d:{place:03}-999") for place, one in enumerate(made)]


def unit(numbers: Sequence[float]) -> Vector:
    row = np.asarray(numbers, np.float32)
    return np.asarray(row / np.linalg.norm(row), np.float32)


UNITS = st.lists(st.integers(-3, 3), min_size=DIM, max_size=DIM).filter(any).map(unit)
"""Unit vectors, few enough that some are drawn twice."""
WEIGHTS = st.dictionaries(st.sampled_from([*WORDS, "unknown"]), st.sampled_from((-0.5, 0.0, 0.25, 1.0, 4.5)))
"""Terms of questions with their idf."""


@st.composite
def passages(draw: st.DrawFn) -> Made:
    sentences = draw(st.lists(st.lists(st.sampled_from(WORDS), max_size=4), max_size=4))
    if draw(st.integers(0, 3)) == 0:
        return Made(sentences, None)
    rows = [draw(UNITS) for _ in sentences]
    return Made(sentences, PassageVectors(draw(UNITS), np.array(rows, np.float32).reshape(-1, DIM)))


MADE = st.lists(passages(), max_size=8)
"""Lists of passages: empty ones too, and passages not embedded, or without sentences, or with sentences of no terms."""
