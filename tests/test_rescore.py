"""What is known of the candidates: as plain loops over the passages say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.rescore import Evidence
from index.terms import code
from index.types import Vector
from tests.candidates import MADE, UNITS, WEIGHTS, Made, candidates, unit

QUESTIONS = st.none() | UNITS


def cosine(vector: Vector | None, other: Vector) -> float:
    return 0.0 if vector is None else sum(float(a) * float(b) for a, b in zip(vector, other, strict=True))


def sentence_cosines(made: Made, vector: Vector | None) -> list[float]:
    """Of vectors as they are stored: in half precision."""
    if made.vectors is None:
        return [0.0] * len(made.sentences)
    return [cosine(vector, row.astype(np.float16)) for row in made.vectors.sentences]


def covered(sentence: Sequence[str], weights: Mapping[str, float]) -> float:
    total = sum(weight for weight in weights.values() if weight > 0)
    return sum(weight for term, weight in weights.items() if weight > 0 and term in sentence) / total if total else 0.0


@given(MADE, QUESTIONS)
def test_cosines_are_those_of_the_stored_vectors_and_zero_where_there_are_none(
    made: list[Made], vector: Vector | None
) -> None:
    evidence = Evidence.of(candidates(made), vector)
    expected = [cosine(vector, one.vectors.passage) if one.vectors else 0.0 for one in made]
    np.testing.assert_allclose(evidence.cosines, expected, atol=1e-6)
    for place, one in enumerate(made):
        np.testing.assert_allclose(evidence.sentences(place), sentence_cosines(one, vector), atol=1e-6)


@given(MADE, QUESTIONS, WEIGHTS, st.sampled_from((0.0, 0.5, 1.0)))
def test_the_telling_sentence_is_the_best_by_cosine_and_terms_and_counts_by_its_cosine(
    made: list[Made], vector: Vector | None, weights: dict[str, float], words: float
) -> None:
    """The first of equals; where two differ by less than a rounding error, either will do."""
    found = Evidence.of(candidates(made), vector).telling(weights, words)
    for cosine_found, one in zip(found, made, strict=True):
        cosines = sentence_cosines(one, vector)
        matches = [
            cosine + words * covered(sentence, weights) for cosine, sentence in zip(cosines, one.sentences, strict=True)
        ]
        best = [cosine for cosine, match in zip(cosines, matches, strict=True) if match >= max(matches) - 1e-6]
        assert min(abs(cosine_found - cosine) for cosine in best or [0.0]) < 1e-6


@given(MADE, QUESTIONS, WEIGHTS)
def test_a_sentence_covers_the_share_of_the_weight_that_it_holds(
    made: list[Made], vector: Vector | None, weights: dict[str, float]
) -> None:
    """Terms count once however often they occur; those that weigh nothing or less do not."""
    evidence = Evidence.of(candidates(made), vector)
    for place, one in enumerate(made):
        expected = [covered(sentence, weights) for sentence in one.sentences]
        np.testing.assert_allclose(evidence.covered(weights, place), expected, atol=1e-12)
    every = [covered(sentence, weights) for one in made for sentence in one.sentences]
    np.testing.assert_allclose(evidence.covered(weights), every, atol=1e-12)


@given(MADE, UNITS)
def test_vectors_are_kept_as_they_are_and_zero_where_there_are_none(made: list[Made], vector: Vector) -> None:
    evidence = Evidence.of(candidates(made), vector)
    assert evidence.embedded.tolist() == [one.vectors is not None for one in made]
    expected = [one.vectors.passage if one.vectors else np.zeros_like(vector) for one in made]
    assert evidence.vectors.tolist() == [row.tolist() for row in expected]


@given(MADE)
def test_without_a_question_s_vector_nothing_counts_as_embedded(made: list[Made]) -> None:
    assert not Evidence.of(candidates(made), None).embedded.any()


@pytest.mark.parametrize("vector", [None, unit([1, 0, 0])])
def test_of_no_candidates_there_is_nothing_to_know(vector: Vector | None) -> None:
    evidence = Evidence.of([], vector)
    assert (evidence.cosines.tolist(), evidence.telling({}, 1.0).tolist()) == ([], [])


def test_terms_are_told_apart_by_all_32_bits_of_their_code() -> None:
    """A code above 2**31 would be lost as a signed number."""
    high = next(f"word{number}" for number in range(1000) if code(f"word{number}") >= 1 << 31)
    evidence = Evidence.of(candidates([Made([[], ["other"], [high]], None)]), None)
    assert evidence.covered({high: 2.0}, 0).tolist() == [0.0, 0.0, 1.0]
