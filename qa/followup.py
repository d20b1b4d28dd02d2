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
_CONTINUING = regex.compile(
    r"\s*(?:and|but|or|so|what about|how about|then|also|why|how so|really)\b", regex.IGNORECASE
)


def effective_question(question: str, history: Sequence[str]) -> str:
    """The question with the last question that stands by itself in front, if it leans on what was asked before.

    It leans when it has no more than one content word, or begins like a continuation or points back with a
    pronoun while it has no more than three. A question that stands by itself is returned as it is.
    """
    if not history or not leans(question):
        return question
    for earlier in reversed(history):
        if not leans(earlier) or earlier == history[0]:
            return f"{earlier} {question}"
    return question


def leans(question: str) -> bool:
    """Can this question not be understood without the ones before it?"""
    content = len(set(terms(question)))
    if content <= 1:
        return True
    return content <= 3 and bool(_LEANING.search(question) or _CONTINUING.match(question))
