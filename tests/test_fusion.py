"""Scores of candidates: a weighted mean on scales of their own, moved towards the first passages."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from index.fusion import Asked, Mode, Scores, by_words, cuts, familiarity, first_scores, scores
from index.lexical import SMALLEST
from index.pieces import ModelPieces, word_pieces
from index.ranking import BM25, RANKING, Ranking
from index.rescore import Evidence
from index.types import PassageVectors, Vector
from tests.candidates import DIM, UNITS, WEIGHTS, Made, candidates, passages, unit
from tests.test_lexical import WORDS, indexed

MODES: tuple[Mode, ...] = ("hybrid", "dense", "bm25")
FOUND = st.lists(st.tuples(passages(), st.floats(0, 30, width=32, allow_subnormal=False)), min_size=1, max_size=8)
"""Candidates with their BM25."""
BETWEEN = [float(one) for one in np.linspace(RANKING.familiar, RANKING.foreign, 4)]
"""Cuts to a letter of questions that the model knows, knows less, and does not know."""
ASKED = st.builds(Asked, UNITS, WEIGHTS, st.sampled_from((0.0, *BETWEEN, 2 * RANKING.foreign)))
RANKINGS = st.builds(
    Ranking,
    dense=st.floats(0.1, 2),
    lexical=st.floats(0.1, 2),
    sentence=st.floats(0, 2),
    feedback=st.sampled_from((0.0, 0.3, 0.6)),
)
STILL = replace(RANKING, feedback=0.0)
"""Without feedback, so that each passage has a score of its own."""

Found = list[tuple[Made, float]]


def bm25_of(found: Found) -> Scores:
    return np.array([bm25 for _, bm25 in found], np.float64)


def evidence_of(found: Found, vector: Vector | None) -> Evidence:
    return Evidence.of(candidates([made for made, _ in found]), vector)


def scored(found: Found, asked: Asked, ranking: Ranking = RANKING, mode: Mode = "hybrid") -> Scores:
    return scores(evidence_of(found, asked.vector), bm25_of(found), asked, ranking, mode)


def ranked(fused: Scores) -> list[int]:
    return sorted(range(len(fused)), key=lambda place: -fused[place])


# Each mode


@given(FOUND, ASKED, RANKINGS)
def test_by_bm25_no_vector_counts(found: Found, asked: Asked, ranking: Ranking) -> None:
    without = scored(found, replace(asked, vector=None), ranking, "bm25")
    assert scored(found, asked, ranking, "bm25").tolist() == without.tolist()


@given(FOUND, ASKED)
def test_by_bm25_the_order_is_that_of_its_scores(found: Found, asked: Asked) -> None:
    assume(any(weight > 0 for weight in asked.weights.values()))
    assert ranked(scored(found, asked, mode="bm25")) == ranked(bm25_of(found))


@given(FOUND, ASKED, RANKINGS)
def test_by_meaning_the_score_is_the_cosine(found: Found, asked: Asked, ranking: Ranking) -> None:
    cosines = evidence_of(found, asked.vector).cosines
    assert scored(found, asked, ranking, "dense").tolist() == cosines.tolist()


@given(FOUND, ASKED)
def test_fused_it_is_the_mean_of_passage_terms_and_telling_sentence_by_their_weights(
    found: Found, asked: Asked
) -> None:
    """By the definition, for a question in a language that the model knows."""
    asked, evidence = replace(asked, cuts=RANKING.familiar), evidence_of(found, asked.vector)
    most = sum(weight for weight in asked.weights.values() if weight > 0) * (STILL.bm25.k1 + 1)
    telling = evidence.telling(asked.weights, STILL.mark_covered)
    for place, (score, best) in enumerate(zip(scored(found, asked, STILL), telling, strict=True)):
        terms = found[place][1] / most * math.sqrt(len(asked.weights) / STILL.usual_terms) if most else 0.0
        parts = (
            (STILL.dense, float(evidence.cosines[place])),
            (STILL.lexical, terms),
            (STILL.sentence, float(best)),
        )
        assert score == pytest.approx(sum(weight * part for weight, part in parts) / sum(weight for weight, _ in parts))


# What scores do not depend on


@given(FOUND, ASKED)
def test_a_score_does_not_depend_on_what_else_was_found(found: Found, asked: Asked) -> None:
    """A weak match stays weak in a list of weaker ones."""
    together = scored(found, asked, STILL)
    apart = [scored([one], asked, STILL)[0] for one in found]
    np.testing.assert_allclose(together, apart, rtol=1e-6, atol=1e-7)


@given(FOUND, ASKED, st.sampled_from((0.125, 2.0, 1024.0)), st.sampled_from(MODES))
def test_the_scale_of_idf_does_not_matter(found: Found, asked: Asked, scale: float, mode: Mode) -> None:
    """Which depends on how many passages there are."""
    larger = replace(asked, weights={term: weight * scale for term, weight in asked.weights.items()})
    found_larger = [(made, bm25 * scale) for made, bm25 in found]
    np.testing.assert_allclose(scored(found_larger, larger, mode=mode), scored(found, asked, mode=mode), rtol=1e-6)


@given(FOUND, ASKED, RANKINGS, st.sampled_from((0.25, 4.0)))
def test_the_scale_of_the_three_weights_does_not_matter(
    found: Found, asked: Asked, ranking: Ranking, scale: float
) -> None:
    larger = replace(
        ranking, dense=ranking.dense * scale, lexical=ranking.lexical * scale, sentence=ranking.sentence * scale
    )
    np.testing.assert_allclose(scored(found, asked, larger), scored(found, asked, ranking), rtol=1e-6, atol=1e-9)


@given(FOUND, ASKED, st.data())
def test_more_bm25_never_lowers_a_score(found: Found, asked: Asked, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(found) - 1))
    better = list(found)
    better[place] = found[place][0], found[place][1] + data.draw(st.floats(0, 10))
    assert scored(better, asked, STILL)[place] >= scored(found, asked, STILL)[place]


# A question in words that the model does not know


@given(FOUND, ASKED, RANKINGS, st.floats(RANKING.foreign, 3))
def test_a_question_foreign_to_the_model_ranks_as_by_bm25_alone(
    found: Found, asked: Asked, ranking: Ranking, cut: float
) -> None:
    asked = replace(asked, cuts=cut)
    hybrid, bm25 = (scored(found, asked, ranking, mode) for mode in ("hybrid", "bm25"))
    np.testing.assert_allclose(hybrid, bm25, rtol=1e-12)
    assert ranked(hybrid) == ranked(bm25)


@given(FOUND, ASKED, st.floats(0, RANKING.familiar))
def test_a_question_in_familiar_words_is_scored_as_one_whose_cuts_are_not_known(
    found: Found, asked: Asked, cut: float
) -> None:
    counted, unknown = (scored(found, replace(asked, cuts=number)) for number in (cut, 0.0))
    assert counted.tolist() == unknown.tolist()


@pytest.mark.parametrize(("cut", "known"), [(0.0, 1), (0.3, 1), (0.375, 0.5), (0.45, 0), (2.0, 0)])
def test_how_far_a_question_is_familiar_falls_from_1_to_0(cut: float, known: float) -> None:
    assert familiarity(Asked(None, {}, cut), Ranking(familiar=0.3, foreign=0.45)) == pytest.approx(known)


@given(FOUND, ASKED)
def test_between_them_meaning_counts_for_less(found: Found, asked: Asked) -> None:
    """Each score lies between the familiar one and the foreign one, and nearer to the latter with more cuts."""
    familiar, some, more, foreign = (scored(found, replace(asked, cuts=cut), STILL) for cut in BETWEEN)
    for nearer, further in ((some, familiar), (more, some)):
        assert (np.abs(foreign - nearer) <= np.abs(foreign - further) + 1e-9).all()


_PIECES = word_pieces()
assert isinstance(_PIECES, ModelPieces)
KNOWN: ModelPieces = _PIECES


@pytest.mark.parametrize("text", ["", "?!", " \n", "…"])
def test_a_question_without_letters_has_no_cuts(text: str) -> None:
    assert cuts(text, KNOWN) == 0


@pytest.mark.parametrize(
    ("question", "known"),
    [
        ("Who would monitor the ceasefire?", True),
        ("how many people live in the city", True),
        ("Who is Merz?", True),
        ("What is a p-value?", True),
        ("What were the reasons for the slower growth of revenue?", True),
        ("Кто будет следить за прекращением огня?", False),
        ("誰が停戦を監視するのですか？", False),
        ("ใครจะเป็นผู้ตรวจสอบการหยุดยิง", False),
        ("የተኩስ አቁሙን ማን ይከታተላል?", False),
        ("Ποιος θα επιβλέπει την κατάπαυση του πυρός;", False),
        ("من سيراقب وقف إطلاق النار؟", False),
    ],
)
def test_the_model_s_word_pieces_tell_english_from_other_scripts(question: str, known: bool) -> None:
    cut = cuts(question, KNOWN)
    assert (cut <= RANKING.familiar, cut >= RANKING.foreign) == (known, not known)


# Feedback


@given(FOUND, ASKED)
def test_feedback_from_no_passage_is_no_feedback(found: Found, asked: Asked) -> None:
    none = replace(RANKING, feedback_passages=0)
    np.testing.assert_allclose(scored(found, asked, none), scored(found, asked, STILL), rtol=1e-12)


@given(FOUND, ASKED)
def test_where_nothing_is_embedded_there_is_no_feedback(found: Found, asked: Asked) -> None:
    found = [(Made(made.sentences, None), bm25) for made, bm25 in found]
    assert scored(found, asked).tolist() == scored(found, asked, STILL).tolist()


@given(FOUND, ASKED, st.integers(1, 10))
def test_with_feedback_the_passages_are_held_against_the_moved_question(found: Found, asked: Asked, top: int) -> None:
    """By the definition (Rocchio 1971): the question and the weighted mean of the first embedded passages."""
    ranking = replace(RANKING, feedback_passages=top)
    asked = replace(asked, cuts=RANKING.familiar)
    before, evidence = scored(found, asked, STILL), evidence_of(found, asked.vector)
    first = [place for place in ranked(before) if found[place][0].vectors][:top]
    assume(first)
    weights = [math.exp((before[place] - before[first[0]]) / ranking.feedback_fall) for place in first]
    mean = sum(weight * evidence.vectors[place].astype(float) for weight, place in zip(weights, first, strict=True))
    moved = np.asarray(asked.vector) + ranking.feedback * mean / sum(weights)
    cosines = evidence.vectors @ (moved / np.linalg.norm(moved))
    dense = ranking.dense / (ranking.dense + ranking.lexical + ranking.sentence)
    expected = before + dense * (cosines - evidence.cosines)
    np.testing.assert_allclose(scored(found, asked, ranking), expected, atol=1e-5)


def test_feedback_raises_what_is_like_the_first_passage() -> None:
    """Of two passages equally far from the question, the one near its best answer."""
    asked = Asked(unit((1, 0, 0)), {"alpha": 1.0})
    found = [(alone(0.5, -0.866, 0), 0.0), (alone(0.5, 0.866, 0), 0.0), (alone(0.8, 0.6, 0), 2.0)]
    assert ranked(scored(found, asked, STILL)) == [2, 0, 1]
    assert ranked(scored(found, asked)) == [2, 1, 0]


def alone(*row: float) -> Made:
    """A passage without sentences."""
    return Made([], PassageVectors(unit(row), np.zeros((0, DIM), np.float32)))


# The share of the most possible


@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), min_size=1, max_size=SMALLEST // 2),
    st.lists(st.sampled_from([*WORDS, "unknown"]), min_size=1, max_size=6),
    st.builds(BM25, st.floats(0.1, 3), st.floats(0, 1)),
)
def test_a_passage_has_at_most_all_that_the_terms_could_give(
    corpus: list[list[str]], query: list[str], bm25: BM25
) -> None:
    """However often it holds them, and whatever BM25's parameters; so few passages that no term weighs less than 0."""
    snapshot = indexed(corpus, bm25).snapshot()
    weights = snapshot.weights(query)
    for hit in snapshot.sparse(weights, len(corpus)):
        words = by_words(hit.score, Asked(None, weights), Ranking(bm25, usual_terms=len(weights)))
        assert 0 <= words < 1 + 1e-6


@pytest.mark.parametrize("weights", [{}, {"alpha": 0.0}, {"alpha": -1.0}])
def test_a_question_whose_terms_weigh_nothing_gives_nothing(weights: dict[str, float]) -> None:
    assert by_words(3.0, Asked(None, weights), RANKING) == 0


@pytest.mark.parametrize(("terms", "raised"), [(1, 1.0), (4, 2.0), (16, 4.0)])
def test_the_share_of_a_long_question_is_raised_by_the_root_of_its_number_of_terms(terms: int, raised: float) -> None:
    asked = Asked(None, {f"term{number}": 1.0 for number in range(terms)})
    half = terms * RANKING.bm25.most / 2
    assert by_words(half, asked, replace(RANKING, usual_terms=1)) == pytest.approx(raised / 2)


# Choosing


@pytest.mark.parametrize("mode", MODES)
@given(found=FOUND, asked=ASKED)
def test_the_first_scores_rank_as_the_final_ones_where_the_sentences_do_not_count(
    found: Found, asked: Asked, mode: Mode
) -> None:
    ranking = replace(STILL, sentence=0.0)
    cosines = evidence_of(found, asked.vector).cosines
    before, after = first_scores(cosines, bm25_of(found), asked, ranking, mode), scored(found, asked, ranking, mode)
    for better, worse in zip(ranked(before), ranked(before)[1:], strict=False):
        assert after[better] >= after[worse] - 1e-9
