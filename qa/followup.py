"""Follow-up questions: what a short or leaning question takes over from the one before it, without any model."""

from __future__ import annotations

from collections.abc import Sequence

import regex

from index.terms import terms

_LEANING = regex.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|this|that|these|those|there|then|one|ones|"
    r"same|former|latter|such)\b",
    regex.IGNORECASE,
)
_CONTINUING = regex.compile(r"\s*(?:and|but|or|so|what about|how about|then|also)\b", regex.IGNORECASE)


def effective_question(question: str, history: Sequence[str]) -> str:
    """The question with the last question that stands by itself in front, if it leans on what was asked before.

    It leans when it has no content word or is little more than one, has no more than two and a pronoun that points
    back, or no more than three and begins like a continuation. One that stands by itself is returned as it is.
    """
    if not history or not leans(question):
        return question
    earlier = next((one for one in reversed(history) if not leans(one)), history[0])
    return f"{earlier} {question}"


def leans(question: str) -> bool:
    """Can this question not be understood without the ones before it?"""
    content = len(set(terms(question)))
    if content == 0 or (content == 1 and len(question.split()) <= 2):
        return True  # "Who was it?", "In Berlin?"
    return (content <= 2 and bool(_LEANING.search(question))) or (content <= 3 and bool(_CONTINUING.match(question)))
