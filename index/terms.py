"""Text to BM25 terms: Unicode-aware, and the same for documents and questions.

NFKC and case folding; Snowball stems for Latin script; English function words dropped; numbers and compounds
both whole and in parts ("800,000" -> 800000, 800, 000; "legally-binding" -> legallybinding, legal, bind);
bigrams for scripts that write without spaces.
"""

import unicodedata
import zlib
from functools import lru_cache

import regex
import Stemmer

# The long lists of the field drop content ("world", "computer"); these are the function words of English questions
# and prose, and the verbs that carry no topic, which a small library takes for rare ones ("What did they say?").
# "us" is left out: folded, it is also the United States.
STOP_WORDS = frozenset(
    """
    a about after again against all also although am an and any are as at be because been before being both but
    by can could did do does doing down during each either else ever few for from further had has have having he
    her here hers herself him himself his how however i if in into is it its itself just let may me might more
    most must my myself neither no nor not now of off on once only onto or other ought our ours ourselves out
    over own per please quite rather shall she should since so some such than that the their theirs them
    themselves then there these they this those though through thus to too under until up upon very was we were
    what whatever when where whether which while who whom whose why will with within without would yet you your
    yours yourself yourselves s t d ll m re ve
    come comes coming came get gets getting got give gives given gave go goes going gone went happen happens
    happened happening know knows known knew make makes making made many much part put puts say says saying said
    see sees seen saw take takes taking taken took tell tells telling told thing things think thinks thought
    want wants wanted way
    """.split()
)

_WORD = regex.compile(r"[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}]|['’.,:/_\-‐‑](?=[\p{L}\p{N}]))*")
_PART = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+")
_LATIN = regex.compile(r"[\p{Latin}\p{M}]+")
_POSSESSIVE = regex.compile(r"['’]s?$")
_MARKS = regex.compile(r"['’.,:/_\-‐‑]")
_NUMBER = regex.compile(r"\p{N}[\p{N}.,’']*")
_GROUPED = regex.compile(r"\p{N}{1,3}([.,’'])\p{N}{3}(?:\1\p{N}{3})*(?:[.,]\p{N}+)?")

# No cache inside the stemmer: it is the only part of it that threads would share.
_stem = lru_cache(maxsize=1 << 16)(Stemmer.Stemmer("english", 0).stemWord)


def terms(text: str) -> list[str]:
    """The index terms of a text, repeated as often as they occur, in reading order."""
    return list(_terms(text))


@lru_cache(maxsize=1 << 16)
def code(term: str) -> int:
    """A number below 2**32 in the place of a term, where one passage is compared with one question."""
    return zlib.crc32(term.encode())


@lru_cache(maxsize=1 << 14)
def _terms(text: str) -> tuple[str, ...]:
    text = unicodedata.normalize("NFKC", text)
    shouting = " " in text.strip() and not any(character.islower() for character in text)
    found: list[str] = []
    for match in _WORD.finditer(text):
        found += _of_word(match.group(), shouting)
    return tuple(found)


@lru_cache(maxsize=1 << 16)
def _of_word(word: str, shouting: bool) -> tuple[str, ...]:
    acronym = len(word) > 1 and word.isupper() and not shouting  # "WHO", "IT" in running text are names
    folded = _POSSESSIVE.sub("", word.casefold())
    parts: list[str] = _PART.findall(folded)
    if len(parts) == 1:
        return tuple(_of_part(parts[0], keep=acronym))
    if all(len(part) == 1 for part in parts) and not _NUMBER.fullmatch(folded):
        return ("".join(parts),)  # "U.S." is "us", not u and s
    found = [_whole(folded)]
    for part in parts:
        found += _of_part(part, keep=False)
    return tuple(found)


def _whole(folded: str) -> str:
    """A compound as one term: "3.5" as it is, "800,000" and "800.000" as 800000, "e-mail" as "email"."""
    grouped = _GROUPED.fullmatch(folded)
    if grouped:
        return folded.replace(grouped[1], "")
    return folded if _NUMBER.fullmatch(folded) else _stem(_MARKS.sub("", folded))


def _of_part(part: str, keep: bool) -> list[str]:
    if not _SPACELESS.search(part):
        if part in STOP_WORDS and not keep:
            return []
        return [_stem(part) if _LATIN.fullmatch(part) else part]
    found, position = [], 0
    for run in _SPACELESS.finditer(part):
        found += _of_part(part[position : run.start()], keep) if run.start() > position else []
        found += _bigrams(run.group())
        position = run.end()
    return found + (_of_part(part[position:], keep) if position < len(part) else [])


def _bigrams(run: str) -> list[str]:
    return [run] if len(run) == 1 else [run[i : i + 2] for i in range(len(run) - 1)]
