"""Follow-ups: when a question leans on the conversation, and what it then takes over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.followups import SMALL, cases, right_first, small, taken_over
from index.fusion import Mode
from index.load import from_text
from index.select import Filter
from qa.followup import CARRIED, CITED, LEANING, Stand, carried, cited, leans, on_the_same, points_back
from qa.types import Answer, Turn
from qa.wire import Library

Make = Callable[..., Library]
QUESTIONS = st.text("ab? ", min_size=1, max_size=4).filter(str.strip)
TURNS = st.lists(st.builds(Turn, QUESTIONS), max_size=6)


def turns(*questions: str) -> list[Turn]:
    return [Turn(question) for question in questions]


# Words that point back


@pytest.mark.parametrize(
    ("question", "back"),
    [
        ("Why?", True),
        ("Who is it?", True),
        ("In Berlin?", True),
        ("And Germany?", True),
        ("what about the guarantees", True),
        ("But how would they be monitored?", True),
        ("What did he say about it?", True),
        ("And who rejected foreign troops?", True),
        ("Which of them rejected the troops?", True),
        ("WHEN WAS THAT SIGNED", True),
        ("…?", True),
        ("In which month?", True),
        ("What if I pay too late?", True),
        ("If I pay too late?", True),
        ("For how long?", True),
        ("If defects appear, who must know?", False),
        ("If the boiler breaks who repairs it?", False),
        ("For whom are bicycles?", False),
        ("Who is Merz?", False),
        ("When is the rent due?", False),
        ("How much is the rent?", False),
        ("At what temperature is the milk done?", False),
        ("Android phones?", False),
        ("Who would monitor the ceasefire?", False),
        ("Where were the peace talks held in December?", False),
        ("Which of them rejected foreign troops?", False),
        ("And which countries would deploy their forces in western Ukraine?", False),
    ],
)
def test_a_question_points_back_when_its_words_alone_say_too_little(question: str, back: bool) -> None:
    assert points_back(question) is back


# What is taken over


@pytest.mark.parametrize(
    ("question", "history", "expected"),
    [
        ("And Germany?", ["Which countries would deploy forces?"], "Which countries would deploy forces? And Germany?"),
        ("Why?", ["Why was it hard?", "Who led the talks?"], "Why was it hard? Who led the talks? Why?"),
        ("What did he say about it?", ["Who is Merz?"], "Who is Merz? What did he say about it?"),
        ("In Berlin?", ["Where were the talks held?"], "Where were the talks held? In Berlin?"),
        ("And Germany?", [], "And Germany?"),
        ("And then?", ["Why?", "Who is Merz?", "Why?"], "Why? Who is Merz? And then?"),
        ("Why?", ["Who is Merz?", " Why? "], "Who is Merz? Why?"),
        ("And 5?", ["Is it 1?", "Or 2?", "Or 3?", "Or 4?"], "Or 2? Or 3? Or 4? And 5?"),
    ],
)
def test_the_last_questions_are_put_in_front_each_once(question: str, history: list[str], expected: str) -> None:
    assert carried(question, turns(*history)) == expected


@given(QUESTIONS, TURNS)
def test_a_question_keeps_its_words_and_gains_only_those_of_the_last_ones(question: str, history: list[Turn]) -> None:
    made = carried(question, history)
    assert made.endswith(question)
    assert made == carried(question, history[-CARRIED:])
    assert set(made.split()) == set(" ".join([*(turn.question for turn in history[-CARRIED:]), question]).split())


def test_the_documents_of_the_first_passages_count_the_latest_first_each_once() -> None:
    history = [
        Turn("One?", ("a:0-9",)),
        Turn("Two?", ("b:0-9", "c:1:5-9", "b:10-19")),
        Turn("Three?"),
        Turn("Four?", ("a:5-9", "d:0-4")),
    ]
    assert cited(history) == ["a", "b"]
    assert cited(history[:2]) == ["b", "a"]


@given(st.lists(st.builds(Turn, QUESTIONS, st.lists(st.sampled_from(["a:0-1", "b:0-1", "c:0-1", "d:0-1"])).map(tuple))))
def test_only_documents_of_the_last_turns_are_cited_and_not_many(history: list[Turn]) -> None:
    found = cited(history)
    assert len(found) <= CITED
    assert set(found) <= {passage[0] for turn in history[-CARRIED:] for passage in turn.passages}


def test_of_the_last_questions_those_on_the_document_just_cited_can_be_told_from_others() -> None:
    history = [
        Turn("One?", ("a:0-9",)),
        Turn("Two?", ("b:0-9", "a:0-9")),
        Turn("Three?"),
        Turn("Four?", ("a:5-9", "b:0-4")),
    ]
    assert on_the_same(history) == history[2:]
    assert on_the_same([history[0], *history[2:]]) == [history[0], *history[2:]]
    assert on_the_same(history[:3]) == history[:3]  # nobody knows what was shown for the latest
    assert on_the_same([]) == []


# Leaning

STANDS = st.builds(Stand, st.floats(0, 1), st.floats(0, 2), st.floats(0.01, 2), st.floats(0, 1))


@given(STANDS, st.sampled_from((0.25, 8.0)))
def test_the_scale_of_the_scores_does_not_matter(stand: Stand, scale: float) -> None:
    larger = replace(stand, own=stand.own * scale, best=stand.best * scale)
    assert leans("Who left?", larger) == leans("Who left?", stand)


@given(STANDS, st.floats(0, 1))
def test_the_likelier_a_question_is_answered_by_itself_the_less_it_leans(stand: Stand, more: float) -> None:
    surer = replace(stand, confidence=max(stand.confidence, more))
    assert leans("Who left?", surer) <= leans("Who left?", stand)


@given(STANDS, st.floats(0, 0.99))
def test_the_better_the_conversation_answers_a_question_the_more_it_leans(stand: Stand, more: float) -> None:
    """As long as it does not answer it best."""
    better = replace(stand, own=max(stand.own, more * stand.best))
    for question in ("Who left?", "Who left the harbour?"):
        assert leans(question, better) >= leans(question, stand) or better.own >= 0.999 * better.best


@given(STANDS, st.floats(0, 1))
def test_the_fewer_other_documents_there_are_the_less_a_complete_question_leans(stand: Stand, part: float) -> None:
    fewer = replace(stand, part=max(stand.part, part))
    assert leans("Who left the harbour?", fewer) <= leans("Who left the harbour?", stand)
    assert leans("And then?", fewer) == leans("And then?", stand)


@pytest.mark.parametrize("confidence", [0.01, 0.3, 0.9])
def test_a_question_that_finds_the_documents_just_cited_by_itself_leans_by_its_words_alone(confidence: float) -> None:
    """Whatever it takes over would only be in the way of what it found."""
    assert not leans("When is the rent due?", Stand(confidence, 0.7, 0.7, 0.01))
    assert leans("And when is it due?", Stand(confidence, 0.7, 0.7, 0.01))


@given(STANDS)
def test_words_that_point_back_make_a_question_lean_more(stand: Stand) -> None:
    assert leans("And then?", stand) >= leans("Who left the harbour?", stand)


@pytest.mark.parametrize(
    ("question", "own", "leaning"),
    [
        ("Who left the harbour?", 0.99, True),
        ("Who left the harbour?", 1.0, False),
        ("And then?", 1.0, True),
        ("Who left the harbour?", LEANING.share + LEANING.confident / 2 - 0.01, False),
        ("And then?", LEANING.share + LEANING.confident / 2 - 0.01, True),
        ("And then?", 0.0, False),
    ],
)
def test_a_question_leans_when_the_conversation_answers_it_about_as_well_as_anything(
    question: str, own: float, leaning: bool
) -> None:
    assert leans(question, Stand(0.5, own, 1.0)) is leaning


def test_a_question_that_finds_nothing_leans_if_it_has_no_words_of_its_own() -> None:
    assert leans("And?", Stand(0.0, 0.0, 0.0))
    assert not leans("And Atlantis?", Stand(0.0, 0.0, 0.0))


# In a library

TEXTS = {
    "talks": "The talks in Berlin were led by Witkoff and Kushner. Merz welcomed the guarantees that were offered.",
    "birds": "Pelicans nest near the harbour in spring. They eat fish and small crabs from shallow water.",
    "bread": "Bakers knead the dough for ten minutes. The loaf rests for an hour before it is baked in the oven.",
    "trains": "Freight trains cross the bridge at night. Their drivers change at the junction beyond the tunnel.",
    "music": "A choir of forty voices sang the cantata. The organ was tuned for the occasion by its builder.",
    "ships": "Ferries sail between the islands twice a week. Tickets are sold on board by the purser.",
    "glass": "Molten sand is blown into bottles. Colour comes from metal oxides that are added to the furnace.",
    "tax": "Returns are due by the end of July. Late filing costs a fee for every month that has begun.",
}


@pytest.fixture
def shelf(make_library: Make) -> Library:
    made = make_library()
    for name, text in TEXTS.items():
        made.builder.put(from_text(text, title=name, id=name))
    return made


def documents(answer: Answer) -> list[str]:
    return [passage.citation.document_id for passage in answer.passages]


def shown(answer: Answer) -> Turn:
    """The turn that a client sends back of an answer."""
    return Turn(answer.question, tuple(passage.id for passage in answer.passages))


def conversation(library: Library, *questions: str, top_k: int = 1, mode: Mode = "hybrid") -> Answer:
    """The answer to the last of some questions, each asked after the ones before."""
    history = list[Turn]()
    for question in questions:
        answer = library.answerer.ask(question, top_k, history, mode=mode)
        history.append(shown(answer))
    return answer


@pytest.mark.parametrize("mode", ["hybrid", "dense", "bm25"])
def test_a_question_of_pronouns_is_asked_together_with_the_one_before(shelf: Library, mode: Mode) -> None:
    answer = conversation(shelf, "Where do pelicans nest?", "And what do they eat?", mode=mode)
    assert answer.question == "And what do they eat?"
    assert answer.effective_question == "Where do pelicans nest? And what do they eat?"
    assert documents(answer) == ["birds"]


def test_a_question_about_something_else_is_asked_alone(shelf: Library) -> None:
    answer = conversation(shelf, "Where do pelicans nest?", "How long do bakers knead the dough?")
    assert answer.effective_question == answer.question
    assert documents(answer) == ["bread"]


def test_a_question_asked_alone_has_the_answer_that_it_has_without_history(shelf: Library) -> None:
    question = "How long do bakers knead the dough?"
    answer = conversation(shelf, "Where do pelicans nest?", question)
    without = shelf.answerer.ask(question, 1)
    assert (answer.passages, answer.confidence) == (without.passages, without.confidence)


def test_without_the_passages_shown_the_history_is_searched_for_them(shelf: Library) -> None:
    history = turns("Where do pelicans nest near the harbour in spring?")
    answer = shelf.answerer.ask("And what do they eat?", 1, history)
    assert answer.effective_question == f"{history[0].question} And what do they eat?"
    apart = shelf.answerer.ask("How long do bakers knead the dough?", 1, history)
    assert apart.effective_question == apart.question


def test_the_documents_asked_for_stay_the_only_ones_in_a_conversation(shelf: Library) -> None:
    """And no others count as cited."""
    only = Filter(("bread",))
    for history in (turns("Where do pelicans nest?"), [Turn("Where do pelicans nest?", ("birds:0-95",))]):
        answer = shelf.answerer.ask("And what do they eat?", 5, history, only)
        assert set(documents(answer)) <= {"bread"}


def test_in_a_library_of_one_document_only_words_that_point_back_make_a_question_lean(library: Library) -> None:
    """The documents just cited are all that there is, so they always answer best."""
    history = turns("Who is Merz?")
    for question, leaning in (("Who would monitor the ceasefire?", False), ("What did he say?", True)):
        answer = library.answerer.ask(question, 1, history)
        assert (answer.effective_question != question) == leaning


@pytest.mark.parametrize("passages", [("gone:0-10",), ("no passage id",), ("birds:7-8",)])
def test_passages_that_are_not_there_any_more_are_no_error(shelf: Library, passages: Sequence[str]) -> None:
    answer = shelf.answerer.ask("How long do bakers knead?", 1, [Turn("Where do pelicans nest?", tuple(passages))])
    assert documents(answer) == ["bread"]


def test_a_question_without_words_of_its_own_takes_the_conversation_along(make_library: Make) -> None:
    library = make_library(embedder=None)
    library.builder.put(from_text(TEXTS["birds"], title="birds", id="birds"))
    answer = library.answerer.ask("Why so?", 1, turns("What do pelicans eat?"))
    assert answer.effective_question == "What do pelicans eat? Why so?"
    assert documents(answer) == ["birds"]


def test_a_question_on_something_else_altogether_is_not_joined_to_an_answered_one(shelf: Library) -> None:
    """Where nothing answers it, the documents just cited do so about as little as any others."""
    history = [Turn("Where do pelicans nest?", ("birds:0-95",))]
    question = "Which composer wrote the ninth symphony in Vienna?"
    answer = shelf.answerer.ask(question, 1, history)
    assert answer.effective_question == question
    assert not answer.answerable


def test_a_follow_up_is_asked_together_with_the_questions_on_its_document_not_with_others(shelf: Library) -> None:
    """Those on something else would lead away from it."""
    asked = ("How long do bakers knead the dough?", "Where do pelicans nest near the harbour?", "And what do they eat?")
    answer = conversation(shelf, *asked)
    assert answer.effective_question == " ".join(asked[1:])
    assert documents(answer) == ["birds"]


def test_the_last_question_says_what_is_marked(shelf: Library) -> None:
    first = "Where do pelicans nest near the harbour in spring?"
    history = [Turn(first, (shelf.answerer.ask(first, 1).passages[0].id,))]
    answer = shelf.answerer.ask("And what do they eat?", 1, history)
    assert answer.effective_question != answer.question
    assert "eat" in answer.passages[0].highlights[0].text or "fish" in answer.passages[0].highlights[0].text


# In libraries of a few documents, with the real model


@pytest.mark.model
@pytest.mark.parametrize("name", SMALL)
def test_among_a_few_documents_complete_questions_are_asked_alone_and_follow_ups_are_not(name: str) -> None:
    asked = cases(*small(name))
    complete = [one for group, ones in asked.items() if group.startswith(("complete", "not in")) for one in ones]
    assert len(complete) == 120
    assert taken_over(complete) <= 0.02
    least = {"complete": 0.93, "follow-ups": 0.94, "follow-ups, two on other documents before": 0.8}
    groups = {
        "complete": [one for group, ones in asked.items() if group.startswith("complete") for one in ones],
        "follow-ups": asked["follow-ups"],
        "follow-ups, two on other documents before": asked["follow-ups, two on other documents before"],
    }
    assert {group: right for group, ones in groups.items() if (right := right_first(ones)) < least[group]} == {}
