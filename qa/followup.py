"""Follow-up questions: whether one leans on those before it, and what it then takes over, without any model.

A question leans on a conversation when the documents of that conversation answer it nearly as well as any other: the
less so the likelier it is answered by itself, and the more so when its words point back. Evidence in DECISIONS.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import regex

from index.terms import terms
from index.types import document_of
from qa.types import Turn

CARRIED = 3
"""Earlier questions that are taken over, the last ones."""
CARRIED_CHARACTERS = 600
"""Of these at most, the oldest being left out: the embedding model reads some 250 word pieces."""
CITED = 3
"""Documents that a question is held against where the history does not say what was shown."""

_POINTING = regex.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|this|that|these|those|there|then|one|ones|"
    r"same|former|latter|such)\b",
    regex.IGNORECASE,
)
_CONTINUING = regex.compile(r"\s*(?:and|but|or|so|what about|how about|then|also)\b", regex.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stand:
    """A question alone: its confidence, its best score in the documents just cited, and its best score anywhere.

    `everywhere` when there are no documents but those: then how well they answer tells nothing."""

    confidence: float
    own: float
    best: float
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Leaning:
    """A question leans when its own score, as a share of the best, is more than `share` + `confident` * its
    confidence, less `pointing` when its words point back. Of less confidence than `least` it must point back: about
    something that the documents do not touch, all of them answer about equally little."""

    share: float = 0.3
    confident: float = 0.3
    pointing: float = 0.35
    least: float = 0.03


LEANING = Leaning()


def carried(question: str, history: Sequence[Turn]) -> str:
    """The question with the last earlier ones in front, oldest first; what is said twice is said once."""
    questions = [turn.question.strip() for turn in history[-CARRIED:]]
    earlier = list(dict.fromkeys(one for one in questions if one != question.strip()))
    while earlier and sum(map(len, earlier)) > CARRIED_CHARACTERS:
        del earlier[0]
    return " ".join([*earlier, question])


def cited(history: Sequence[Turn]) -> list[str]:
    """The documents of the passages that were shown first for each of the last questions, the latest one's first."""
    ids = [document_of(turn.passages[0]) for turn in reversed(history[-CARRIED:]) if turn.passages]
    return list(dict.fromkeys(ids))


def leans(question: str, stand: Stand, leaning: Leaning = LEANING) -> bool:
    """Does a question lean on the conversation?"""
    if stand.best <= 0:  # its words, if it has any, are nowhere, and earlier ones would hide that
        return not terms(question)
    if stand.everywhere:
        return points_back(question)
    pointing = points_back(question)
    if stand.confidence < leaning.least and not pointing:
        return False
    needed = leaning.share + leaning.confident * stand.confidence - leaning.pointing * pointing
    return stand.own / stand.best > needed


def points_back(question: str) -> bool:
    """Can its words alone not be understood: none that carry content, or few and a pronoun, or a continuation?"""
    content = len(set(terms(question)))
    if content == 0 or (content == 1 and len(question.split()) <= 2):
        return True  # "Who was it?", "In Berlin?"
    return (content <= 2 and bool(_POINTING.search(question))) or (content <= 3 and bool(_CONTINUING.match(question)))
