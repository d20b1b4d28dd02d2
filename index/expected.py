"""What kind of answer a question asks for, and whether a sentence holds one (Li and Roth 2002, a few of their classes).

Words of English questions; a question in another language expects nothing, and nothing is then held.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from enum import Enum

import regex

from index.terms import terms


class Expected(Enum):
    """A kind of answer."""

    TIME = "time"
    NUMBER = "number"
    NAME = "name"
    PLACE = "place"
    CAUSE = "cause"


def _words(pattern: str) -> regex.Pattern[str]:
    return regex.compile(rf"\b(?:{pattern})\b", regex.IGNORECASE)


_ASKED = {
    Expected.TIME: _words(
        r"when|(?:what|which) (?:year|date|day|month|century|decade|time|era|period)|how (?:long ago|old)"
    ),
    Expected.NUMBER: _words(
        r"how (?:many|much|long|far|old|tall|high|big|large|often|deep|wide|fast|heavy|hot|cold)|"
        r"what (?:(?:is|was) the )?"
        r"(?:percent|percentage|proportion|number|population|age|length|size|cost|price|amount|distance|height|speed|"
        r"temperature|rate)"
    ),
    Expected.NAME: _words(
        r"who|whom|whose|(?:what|which) (?:\w+ )?(?:person|man|woman|king|queen|president|actor|actress|singer|author|"
        r"artist|team|company|band|group|organi[sz]ation)"
    ),
    Expected.PLACE: _words(
        r"where|(?:what|which) (?:\w+ )?(?:country|city|state|town|place|region|location|continent|county|province|"
        r"island|river|nation)"
    ),
    Expected.CAUSE: _words(r"why|what (?:is|was|were) the (?:reason|cause|purpose)|what caused?"),
}

_YEAR = regex.compile(r"\b(?:1\d{3}|20\d{2})s?\b")
_PERIOD = _words(
    r"january|february|march|april|may|june|july|august|september|october|november|december|"
    r"centur(?:y|ies)|decades?|years?|(?:mon|tues|wednes|thurs|fri|satur|sun)day"
)
_DIGIT = regex.compile(r"\p{N}")
_NUMERAL = _words(
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|thousand|million|billion|dozen|half|third|"
    r"quarter|twice|once|several"
)
_CAPITALISED = regex.compile(r"(?<=\S\s[\"“(‘']*)\p{Lu}[\p{L}\p{M}]+")  # not the first word of the sentence
_AT_A_PLACE = regex.compile(r"\b(?:in|at|near|between|from|to|of|across|around) (?:the )?(?:\p{L}+ern )?\p{Lu}")
_REASON = _words(
    r"because|due to|so that|in order to|as a result|reasons?|cause[sd]?|causing|since|thus|therefore|purpose|"
    r"to (?:protect|prevent|make|help|avoid)"
)
_NAMES = 4
"""Names that count in a sentence; more are no better."""


def expected(question: str) -> list[Expected]:
    """The kinds of answer that a question asks for; often none is told."""
    return [kind for kind, asked in _ASKED.items() if asked.search(question)]


def held(kinds: Sequence[Expected], sentence: str, asked: Collection[str]) -> float:
    """How well a sentence holds an answer of any of the kinds, 0 to 1; a name that is `asked` (terms) is none."""
    return max((_HELD[kind](sentence, asked) for kind in kinds), default=0.0)


def _time(sentence: str, _: Collection[str]) -> float:
    if _YEAR.search(sentence):
        return 1.0
    found = bool(_PERIOD.search(sentence)) + bool(_DIGIT.search(sentence))
    return (0.0, 0.4, 0.75)[found]


def _number(sentence: str, _: Collection[str]) -> float:
    return 1.0 if _DIGIT.search(sentence) else 0.75 if _NUMERAL.search(sentence) else 0.0


def _name(sentence: str, asked: Collection[str]) -> float:
    return min(_new_names(sentence, asked), _NAMES) / _NAMES


def _place(sentence: str, asked: Collection[str]) -> float:
    return 0.5 * bool(_new_names(sentence, asked)) + 0.5 * bool(_AT_A_PLACE.search(sentence))


def _cause(sentence: str, _: Collection[str]) -> float:
    return float(bool(_REASON.search(sentence)))


def _new_names(sentence: str, asked: Collection[str]) -> int:
    return sum(any(term not in asked for term in terms(name)) for name in _CAPITALISED.findall(sentence))


_HELD: dict[Expected, Callable[[str, Collection[str]], float]] = {
    Expected.TIME: _time,
    Expected.NUMBER: _number,
    Expected.NAME: _name,
    Expected.PLACE: _place,
    Expected.CAUSE: _cause,
}
