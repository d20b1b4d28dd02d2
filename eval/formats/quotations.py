"""Expected quotations: words that answer, copied from a document, whose place is not known before it is indexed."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import regex

from eval.dataset import Gold, Question
from index.errors import DocumentError
from index.terms import terms
from index.types import Span
from qa.terminal import plain

_log = logging.getLogger(__name__)

_PLAIN = str.maketrans(dict.fromkeys("‘’‚‛′´`", "'") | dict.fromkeys("“”„‟″«»", '"') | dict.fromkeys("‐‑‒–—―−", "-"))
_SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
"""Scripts that set no blanks between words: a quotation may begin and end anywhere."""
_LISTED, _SHOWN = 10, 80
"""Quotations that an error or a warning lists, and characters that it shows of each."""
_OFTEN = 5
"""Places in a document above which a quotation proves little."""


def quotation(text: str, document: str = "", place: str = "") -> Gold:
    """A span yet to be located: in the document of that name, or wherever it stands."""
    return Gold(document, -1, -1, text, place)


def is_located(gold: Gold) -> bool:
    return gold.start >= 0


def locate(
    questions: Iterable[Question], texts: Mapping[str, str], sources: Mapping[str, str] = MappingProxyType({})
) -> tuple[Question, ...]:
    """The questions, each quotation in the place of which stands every span that reads like it, word for word.

    `texts` maps a document's name to its text; each is looked up at most once. A quotation names its document by
    the name or the end of it ("birds.txt" for "/home/me/old/birds.txt"), or is looked for in all of them; `sources` has
    further names of documents, which several may share. Quotations that prove little are told by a warning.
    Raises DocumentError for quotations that stand nowhere, all of them in one.
    """
    asked = tuple(questions)
    quoted = [(one, gold) for one in asked for gold in one.gold if not is_located(gold)]
    named = _by_name([gold for _, gold in quoted], texts, sources)
    found = _find([gold for _, gold in quoted], texts, named)
    missing = [(one, gold) for one, gold in quoted if not found[gold]]
    if missing:
        raise _nowhere(missing, named)
    _warn(said for one, gold in quoted if (said := _trivial(one, gold, found[gold])))
    return tuple(
        replace(one, gold=tuple(dict.fromkeys(place for gold in one.gold for place in found.get(gold, [gold]))))
        for one in asked
    )


def places(text: str, quoted: str) -> list[Span]:
    """Where a quotation stands in a text.

    Runs of white space count as one blank, typographic quotation marks and dashes as plain ones, and case does not
    count; a place that begins or ends within a word is none.
    """
    return _Searched.of(text).places(quoted)


@dataclass(frozen=True, slots=True)
class _Searched:
    """A text, and `folded` of it, in which quotations are looked for."""

    text: str
    folded: str

    @classmethod
    def of(cls, text: str) -> _Searched:
        return cls(text, _folded(text))

    def places(self, quoted: str) -> list[Span]:
        needle = _folded(quoted)
        hits = list(_hits(self.folded, needle)) if needle else []
        at = _offsets(self.text) if hits else []
        spans = [Span(at[hit], at[hit + len(needle) - 1] + 1) for hit in hits]
        return [span for span in spans if not _in_word(self.text, span.start) and not _in_word(self.text, span.end)]


def _hits(text: str, needle: str) -> Iterator[int]:
    hit = text.find(needle)
    while hit >= 0:
        yield hit
        hit = text.find(needle, hit + 1)


def _folded(text: str) -> str:
    """Lower case, plain marks, one blank between words; apart from white space, as long as the text."""
    plain = text.translate(_PLAIN)
    lower = plain.lower()
    if len(lower) != len(plain):  # the Turkish capital İ becomes two characters
        lower = "".join(one.lower() if len(one.lower()) == 1 else one for one in plain)
    return " ".join(lower.replace("ς", "σ").split())


def _offsets(text: str) -> list[int]:
    """Of each character of the folded text, its offset in the text; of a blank, the last of the run."""
    offsets = list[int]()
    for word in re.finditer(r"\S+", text):
        if offsets:
            offsets.append(word.start() - 1)
        offsets.extend(range(*word.span()))
    return offsets


def _in_word(text: str, offset: int) -> bool:
    """Do the characters on both sides belong to one word?"""
    around = text[offset - 1 : offset + 1] if offset else ""
    return len(around) == 2 and all(_of_word(one) for one in around) and not _SPACELESS.search(around)


def _of_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _trivial(question: Question, gold: Gold, places: Sequence[Gold]) -> str:
    """What is to be said of a quotation that almost any passage holds; else nothing."""
    where = gold.place or f"question {question.id}"
    if not terms(gold.text):
        return f"{where}: {_shown(gold.text)} are words that any text has; quote more of what answers"
    document, most = Counter(one.document for one in places).most_common(1)[0]
    if most > _OFTEN:
        return f"{where}: {_shown(gold.text)} stands {most} times in {document}, and each counts as right; quote more"
    return ""


def _warn(doubts: Iterable[str]) -> None:
    told = list(doubts)
    for one in told[:_LISTED]:
        _log.warning("%s", plain(one))
    if len(told) > _LISTED:
        _log.warning("and %d more such quotations", len(told) - _LISTED)


def _find(
    wanted: Iterable[Gold], texts: Mapping[str, str], named: Mapping[str, Sequence[str]]
) -> dict[Gold, list[Gold]]:
    """The places of each quotation, in the order of the texts; `named` as by `_by_name`."""
    found: dict[Gold, list[Gold]] = {gold: [] for gold in wanted}
    everywhere = [gold for gold in found if not gold.document]
    within = defaultdict[str, list[Gold]](list)
    for gold in found:
        for source in named.get(gold.document, ()):
            within[source].append(gold)
    for source in texts if everywhere else within:
        text = _Searched.of(texts[source])
        for gold in everywhere + within.get(source, []):
            found[gold] += [Gold(source, *span, text.text[slice(*span)]) for span in text.places(gold.text)]
    return found


def _by_name(wanted: Iterable[Gold], documents: Iterable[str], sources: Mapping[str, str]) -> dict[str, list[str]]:
    """The documents that each name stands for, those that are so called in full before all others."""
    called = defaultdict[str, list[tuple[str, str]]](list)
    for document in documents:
        for alias in (document, sources.get(document, document)):
            called[_path(alias).rpartition("/")[2]].append((alias, document))
    found = dict[str, list[str]]()
    for name in {gold.document for gold in wanted if gold.document}:
        alike = called[_path(name).rpartition("/")[2]]
        in_full = [document for alias, document in alike if alias == name]
        ending = [document for alias, document in alike if f"/{_path(alias)}".endswith(f"/{_path(name)}")]
        found[name] = list(dict.fromkeys(in_full or ending))
    return found


def _path(source: str) -> str:
    return source.replace("\\", "/")


def _nowhere(missing: Sequence[tuple[Question, Gold]], named: Mapping[str, Sequence[str]]) -> DocumentError:
    lines = list[str]()
    for question, gold in missing[:_LISTED]:
        known = not gold.document or named[gold.document]
        where = f"not in {gold.document or 'any document'}" if known else f"no document is called {gold.document}"
        lines.append(f"  question {question.id}: {_shown(gold.text)}: {where}")
    more = [f"  and {len(missing) - _LISTED} more"] if len(missing) > _LISTED else []
    return DocumentError(
        "\n".join(["these expected quotations stand in none of the documents they are looked for in:", *lines, *more]),
        "Copy whole words from the document as /documents/ID/text shows them, and name it by its source or file name.",
    )


def _shown(text: str) -> str:
    words = " ".join(text.split())
    return f'"{words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"}"'
