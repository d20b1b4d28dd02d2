"""Follow-up questions: whether one leans on those before it, and what it then takes over, without any model.

A question leans on a conversation when the documents of that conversation answer it nearly as well as any other: the
less so the likelier it is answered by itself, and the more so when its words point back. When they answer it best, it
finds them alone, and only its words tell. Evidence in DECISIONS.md.
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

_BEST = 0.999
"""A share of the best score that is the best itself, but for rounding."""
_POINTING = regex.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|this|that|these|those|there|then|one|ones|"
    r"same|former|latter|such)\b",
    regex.IGNORECASE,
)
_CONTINUING = regex.compile(
    r"\s*(?:(?:and|but|or|so|what about|how about|then|also)\b|"
    r"(?:what )?if\b(?!.*\b(?:who|whom|whose|what|when|where|which|why|how)\b))",  # no question of its own after it
    regex.IGNORECASE | regex.DOTALL,
)
_ELLIPTIC = regex.compile(
    r"\s*(?:in|on|at|by|for|from|to|with|of|since|until|till|before|after)\b"
    r"(?!.*\b(?:is|are|was|were|do|does|did|has|have|had|can|could|may|might|must|shall|should|will|would)\b)",
    regex.IGNORECASE | regex.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Stand:
    """A question alone: its confidence, its best score in the documents just cited, and its best score anywhere.

    `part`: how much of what is searched those documents are, 0 to 1."""

    confidence: float
    own: float
    best: float
    part: float = 0.0


@dataclass(frozen=True, slots=True)
class Leaning:
    """A question leans when its own score, as a share of the best, is more than `share` + `confident` * its
    confidence, less `pointing` when its words point back; when they do not, more by `few` * the part of all documents
    that was just cited, since of a few any may come near the best. It must point back where its own score is the best,
    and of less confidence than `least`: what the documents do not touch, all of them answer about equally little."""

    share: float = 0.28
    confident: float = 0.3
    pointing: float = 0.35
    few: float = 1.5
    least: float = 0.03


LEANING = Leaning()


def carried(question: str, history: Sequence[Turn]) -> str:
    """The question with the last earlier ones in front, oldest first; what is said twice is said once."""
    questions = [turn.question.strip() for turn in history[-CARRIED:]]
    earlier = list(dict.fromkeys(one for one in questions if one != question.strip()))
    while earlier and sum(map(len, earlier)) > CARRIED_CHARACTERS:
        del earlier[0]
    return " ".join([*earlier, question])


def on_the_same(history: Sequence[Turn]) -> list[Turn]:
    """The last turns, but those for which another document was shown first than for the latest one."""
    last = history[-CARRIED:]
    latest = cited(last[-1:])
    return [turn for turn in last if not latest or cited([turn]) in ([], latest)]


def cited(history: Sequence[Turn]) -> list[str]:
    """The documents of the passages that were shown first for each of the last questions, the latest one's first."""
    ids = [document_of(turn.passages[0]) for turn in reversed(history[-CARRIED:]) if turn.passages]
    return list(dict.fromkeys(ids))


def leans(question: str, stand: Stand, leaning: Leaning = LEANING) -> bool:
    """Does a question lean on the conversation?"""
    if stand.best <= 0:  # its words, if it has any, are nowhere, and earlier ones would hide that
        return not terms(question)
    pointing, own = points_back(question), stand.own / stand.best
    if own > _BEST:
        return pointing
    if stand.confidence < leaning.least and not pointing:
        return False
    needed = leaning.share + leaning.confident * stand.confidence
    return own > needed + (-leaning.pointing if pointing else leaning.few * stand.part)


def points_back(question: str) -> bool:
    """Can its words alone not be understood: none that carry content, or few and a pronoun, or a continuation?"""
    content = len(set(terms(question)))
    if content == 0 or (content == 1 and (len(question.split()) <= 2 or _ELLIPTIC.match(question))):
        return True  # "Who was it?", "Berlin?", "In which month?"
    return (content <= 2 and bool(_POINTING.search(question))) or (content <= 3 and bool(_CONTINUING.match(question)))
