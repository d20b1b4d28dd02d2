"""The telling sentences of a passage, and what a question expects of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from index.expected import Expected, expected, held
from index.mark import marked
from index.ranking import RANKING, Ranking
from index.rescore import Evidence
from index.sentences import sentences
from index.terms import terms
from index.types import Passage, PassageVectors, Span
from tests.candidates import Made, candidates

ONE = Ranking(mark_covered=1.0, mark_expected=1.0, mark_both=-1.0)
"""Never a second sentence."""
START = 70
"""Where the passages of the tests begin in their document."""


def passage(text: str, title: str = "", heading: str = "") -> Passage:
    spans = tuple(Span(START + start, START + end) for start, end in sentences(text))
    return Passage("d", title, heading, START, START + len(text), text, spans, 1, 1)


def mark(
    question: str,
    text: str,
    weights: Mapping[str, float] | None = None,
    cosines: Sequence[float] | None = None,
    ranking: Ranking = ONE,
    title: str = "",
) -> str:
    """What is marked; terms weigh 1 unless told, and without `cosines` of its sentences the passage is not embedded."""
    found = passage(text, title)
    if weights is None:
        weights = dict.fromkeys(terms(question), 1.0)
    span = marked(question, found, _evidence(found, cosines), 0, weights, ranking)
    return text[span.start - START : span.end - START]


def _evidence(found: Passage, cosines: Sequence[float] | None) -> Evidence:
    """The question's vector is (1,), so that a sentence's is its cosine."""
    one = np.ones(1, np.float32)
    vectors = None if cosines is None else PassageVectors(one, np.array(cosines, np.float32).reshape(-1, 1))
    made = Made([terms(text) for text in found.sentence_texts()], vectors)
    return Evidence.of(candidates([made]), one)


# Whole sentences, one or two

TEXTS = st.lists(
    st.sampled_from(
        ["Gulls eat 12 chips.", "Why?", "Ann Li left in May.", "他说。", "“No,” said he.", "x", "\n\n", "It rained."]
    ),
    min_size=1,
    max_size=6,
).map(" ".join)
COSINES = st.lists(st.sampled_from((-0.5, 0.0, 0.125, 0.25, 0.5, 0.75)), min_size=1, max_size=6)
QUESTIONS = st.sampled_from(["Who left?", "How many chips do gulls eat?", "When did it rain?", "Where?", "他说什么"])


@given(TEXTS.filter(str.strip), QUESTIONS, st.data())
def test_whole_sentences_are_marked_one_or_two_adjacent_ones(text: str, question: str, data: st.DataObject) -> None:
    found = passage(text, data.draw(st.sampled_from(("", "Gulls"))))
    some = st.floats(-1, 1)
    cosines = data.draw(st.none() | st.lists(some, min_size=len(found.sentences), max_size=len(found.sentences)))
    weights = dict.fromkeys(terms(question), data.draw(st.floats(-1, 9)))
    span = marked(question, found, _evidence(found, cosines), 0, weights, RANKING)
    places = [place for place, one in enumerate(found.sentences) if span.start <= one.start and one.end <= span.end]
    assert (found.sentences[places[0]].start, found.sentences[places[-1]].end) == span
    assert len(places) <= 2


def test_a_passage_without_sentences_is_marked_whole() -> None:
    found = replace(passage("no sentence"), sentences=())
    span = marked("Who?", found, _evidence(found, None), 0, {}, RANKING)
    assert span == (found.start, found.end)


@given(COSINES, st.sampled_from((0.0, 0.125, 0.25, 0.4)))
@example([0.25, 0.5, 0.25], 0.25)
@example([0.5, 0.25, 0.5], 0.25)
def test_the_better_neighbour_is_marked_too_unless_it_is_so_much_worse(cosines: list[float], within: float) -> None:
    """Of equals the first, both of the best and of their neighbours."""
    numbers = list(range(len(cosines)))
    best = min(numbers, key=lambda place: (-cosines[place], place))
    beside = [place for place in numbers if abs(place - best) == 1 and cosines[best] - cosines[place] <= within]
    expected_places = {best, *sorted(beside, key=lambda place: (-cosines[place], place))[:1]}
    text = " ".join(f"Word{'a' * number} is here." for number in numbers)
    found = mark("Nothing asked", text, {}, cosines, replace(RANKING, mark_both=within))
    assert {place for place in numbers if f"Word{'a' * place} " in found} == expected_places


# Which of them

GULLS = "Gulls eat chips. Herons eat frogs. Owls eat mice."


@pytest.mark.parametrize(
    ("cosines", "marked_text"),
    [
        ([0.1, 0.7, 0.3], "Herons eat frogs."),
        ([0.5, 0.5, 0.5], "Gulls eat chips."),
        ([-0.9, -0.9, -0.5], "Owls eat mice."),
        (None, "Gulls eat chips."),
    ],
)
def test_with_nothing_else_to_tell_the_sentence_nearest_in_meaning_is_marked(
    cosines: Sequence[float] | None, marked_text: str
) -> None:
    assert mark("Nothing asked", GULLS, {}, cosines) == marked_text


def test_the_sentence_with_the_words_of_the_question_is_marked() -> None:
    assert mark("frogs", GULLS) == "Herons eat frogs."


def test_a_rare_word_counts_for_more_than_common_ones() -> None:
    text = "What gulls eat in winter is known. Owls do not."
    assert mark("gulls eat winter owls", text, {"gull": 1.0, "eat": 1.0, "winter": 1.0, "owl": 4.0}) == "Owls do not."


def test_words_that_the_title_says_do_not_count() -> None:
    text = "Pelicans are large. They nest on the harbour."
    weights = {"pelican": 5.0, "harbour": 1.0}
    assert mark("pelicans harbour", text, weights, title="Birds") == "Pelicans are large."
    assert mark("pelicans harbour", text, weights, title="The pelican") == "They nest on the harbour."


def test_words_that_the_heading_says_do_not_count() -> None:
    found = passage("Pelicans are large. They nest on the harbour.", heading="Pelicans")
    span = marked("pelicans harbour", found, _evidence(found, None), 0, {"pelican": 5.0, "harbour": 1.0}, ONE)
    assert span == found.sentences[1]


@pytest.mark.parametrize(
    ("question", "marked_text"),
    [
        ("How many gulls were there?", "There were 31 gulls."),
        ("When were the gulls there?", "The gulls left in May 1987."),
        ("Who saw the gulls?", "The gulls were seen by Ann Li."),
        ("Why were there gulls?", "The gulls came because of fish."),
        ("Describe the gulls", "The gulls were grey."),
    ],
)
def test_of_sentences_with_the_same_words_the_one_with_what_is_asked_for_is_marked(
    question: str, marked_text: str
) -> None:
    others = ("There were 31 gulls.", "The gulls were seen by Ann Li.", "The gulls came because of fish.")
    text = " ".join(["The gulls were grey.", *others, "The gulls left in May 1987."])
    assert mark(question, text, {"gull": 1.0}) == marked_text


def test_a_name_that_was_asked_for_does_not_count_as_one_that_answers() -> None:
    text = "It was led by Merz. It was led by Li."
    assert mark("Who led it with Merz?", text, {"merz": 1.0}, title="Merz") == "It was led by Li."


def test_a_sentence_with_what_is_asked_for_does_not_outweigh_the_right_one_that_holds_it_too() -> None:
    text = "The 12 owls slept. The 31 gulls ate chips."
    assert mark("How many gulls ate chips?", text) == "The 31 gulls ate chips."


# What a question expects


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("When did the war end?", {Expected.TIME}),
        ("In what year was it built?", {Expected.TIME}),
        ("how long ago did they leave", {Expected.TIME, Expected.NUMBER}),
        ("How old is the bridge?", {Expected.TIME, Expected.NUMBER}),
        ("HOW MANY GULLS", {Expected.NUMBER}),
        ("What was the population of Lima?", {Expected.NUMBER}),
        ("What percentage of revenue is that?", {Expected.NUMBER}),
        ("Who would monitor the ceasefire?", {Expected.NAME}),
        ("Which French king was it?", {Expected.NAME}),
        ("Where do they live?", {Expected.PLACE}),
        ("Which European country is it?", {Expected.PLACE}),
        ("Why did it fail?", {Expected.CAUSE}),
        ("What is the reason?", {Expected.CAUSE}),
        ("Who left, and when?", {Expected.NAME, Expected.TIME}),
        ("What do gulls eat?", set()),
        ("the whole whenever nowhere", set()),
        ("¿Cuándo terminó la guerra?", set()),
        ("Кто это?", set()),
        ("", set()),
    ],
)
def test_a_question_word_tells_what_is_expected(question: str, kinds: set[Expected]) -> None:
    assert set(expected(question)) == kinds


@pytest.mark.parametrize(
    ("kind", "better", "worse"),
    [
        (Expected.TIME, "It ended in 1945.", "It ended on 4 May."),
        (Expected.TIME, "It ended on 4 May.", "It took years."),
        (Expected.TIME, "It took years.", "It ended."),
        (Expected.TIME, "In the 1980s it grew.", "It grew by 80 %."),
        (Expected.NUMBER, "There were 3 of them.", "There were three of them."),
        (Expected.NUMBER, "There were three of them.", "There were some of them."),
        (Expected.NUMBER, "There were ٣ of them.", "There were some of them."),
        (Expected.NAME, "It was led by Ann Li.", "It was led by Ann."),
        (Expected.NAME, "It was led by Ann.", "She led it."),
        (Expected.PLACE, "They live in Lima.", "They live with Ann."),
        (Expected.PLACE, "They live in northern Peru.", "They live there."),
        (Expected.CAUSE, "It failed because of rain.", "It failed."),
    ],
)
def test_a_sentence_with_the_kind_of_answer_holds_more_than_one_without(
    kind: Expected, better: str, worse: str
) -> None:
    assert held([kind], better, ()) > held([kind], worse, ())


def test_a_name_that_the_question_says_is_no_answer_to_it() -> None:
    sentence = "There was Chancellor Merz."
    assert held([Expected.NAME], sentence, terms("Who is Chancellor Merz?")) == 0
    assert held([Expected.NAME], sentence, terms("Who is the Chancellor?")) > 0


def test_the_capital_letter_that_begins_a_sentence_makes_no_name() -> None:
    assert held([Expected.NAME], "Nobody came.", ()) == 0


SENTENCES = st.text(max_size=60) | st.lists(
    st.sampled_from(["Ann", "Li", "Ångström", "in", "Lima", "because", "1987", "three", "May", "left", "“", "."]),
    max_size=12,
).map(" ".join)


@given(SENTENCES, st.sets(st.sampled_from(Expected)), st.sets(st.sampled_from(["ann", "li"])))
def test_what_a_sentence_holds_is_between_0_and_1_and_the_best_of_the_kinds(
    sentence: str, kinds: set[Expected], asked: set[str]
) -> None:
    alone = [held([kind], sentence, asked) for kind in kinds]
    assert all(0 <= one <= 1 for one in alone)
    assert held(list(kinds), sentence, asked) == max(alone, default=0)
