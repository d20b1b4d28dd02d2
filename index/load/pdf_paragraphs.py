"""Lines joined into paragraphs, and words that were broken over two lines put together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import regex

from index.load.pdf_lines import Line, gap, words
from index.load.pdf_page import HYPHENS, SOFT_HYPHEN, Page

_ITEM = regex.compile(
    r"(?:[•◦‣▪▫●○■□◆➢➤✓☐☑☒–—*·-]\s|o\s(?=\p{Lu})|\(?\d{1,3}[.)]\s|\d{1,2}(?:\.\d{1,2})+\s|\(?[a-zA-Z][.)]\s|\([ivx]{1,5}\)\s|\[\d{1,3}\]\s)"
)
_NUMBERED = regex.compile(r"\d{1,2}(?:\.\d{1,2})*\s\p{Lu}")
_LEADERS = re.compile(r"(?:\.\s?){4,}|…{2,}|_{4,}")
_ENDED = regex.compile(r"[.!?:;。！？：；]['\"”’)\]]*$")
_CJK = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\u3000-\u303f\uff00-\uffef]")
_WORD = regex.compile(r"\p{L}[\p{L}\p{M}'’]*(?:-\p{L}[\p{L}\p{M}'’]*)*")
_BROKEN = regex.compile(rf"(\p{{L}}[\p{{L}}\p{{M}}-]*)[{HYPHENS}{SOFT_HYPHEN}]$")
_CONTINUED = regex.compile(r"\p{Ll}[\p{L}\p{M}]*")
_AND = frozenset({"and", "or", "to", "und", "oder", "bis", "et", "ou", "y", "o", "e"})
"""Words after a hyphen that stands for a word left out: "pre- and post-war"."""
_COMPOUNDING = frozenset({"well", "self", "half"})
"""Where nothing else tells, a hyphen after these is the word's own."""
_NEIGHBOURS = 4
_SHORT = 24
"""Characters: shorter lines are hardly the full first lines of paragraphs."""


@dataclass(slots=True)
class Paragraph:
    """Lines that are one line of the stored text; `row` for one of a table, `item` for one of a list."""

    lines: list[Line]
    row: bool
    item: bool = False
    level: int = 0
    """Of the heading that it is, 0 for none."""

    @property
    def close(self) -> bool:
        """No blank line parts it from another such."""
        return self.row or (self.item and not self.level)


def paragraphs_of(page: Page, lines: Sequence[Line]) -> list[Paragraph]:
    """Lines in reading order, those of one paragraph together."""
    texts = [words(page, line) for line in lines]
    rows = [_is_row(lines, number, text) for number, text in enumerate(texts)]
    pitch = _pitch(lines)
    found = list[Paragraph]()
    for number, line in enumerate(lines):
        joined = False
        if number and not (rows[number] or rows[number - 1]):
            margin = _margin(lines, rows, number)
            joined = _continues(page, found[-1].lines, line, texts[number - 1], texts[number], margin, pitch)
        elif number and rows[number] and not rows[number - 1]:
            joined = _is_label(lines[number - 1], line, texts[number - 1], texts[number], pitch)
        if joined:
            found[-1].lines.append(line)
            found[-1].row |= rows[number]
        else:
            found.append(Paragraph([line], rows[number], bool(_ITEM.match(texts[number]))))
    return found


def tables_in(paragraphs: Iterable[Paragraph]) -> int:
    """Runs of at least three rows."""
    rows, tables = 0, 0
    for paragraph in paragraphs:
        rows = rows + 1 if paragraph.row else 0
        tables += rows == 3
    return tables


def _is_row(lines: Sequence[Line], number: int, text: str) -> bool:
    """Several cells, or leaders to a page number; not a line of prose that was stretched to fill its column."""
    line = lines[number]
    if line.cells == 1:
        return bool(_LEADERS.search(text)) and text[-1:].isalnum()
    near = (*lines[max(0, number - 1) : number], *lines[number + 1 : number + 2])
    prose = [one for one in near if one.cells == 1 and one.block == line.block]
    widest = max(gap(before, run) for before, run in pairwise(line.runs))
    stretched = len(prose) == 2 and all(one.right - one.left >= 0.9 * (line.right - line.left) for one in prose)
    return not (stretched and widest < 3 * line.size)


def _pitch(lines: Sequence[Line]) -> float:
    """The usual distance of two lines of a paragraph, in type sizes."""
    steps = [
        (line.base - before.base) / before.size
        for before, line in pairwise(lines)
        if line.block == before.block and abs(line.size - before.size) < 0.1 * line.size and line.cells == 1
    ]
    steps = sorted(step for step in steps if 0.8 <= step <= 2.6)
    # Paragraphs of one line each, with space between, are further apart than lines of one paragraph.
    return median(steps[: max(1, len(steps) * 3 // 4)]) if steps else 1.3


def _margin(lines: Sequence[Line], rows: Sequence[bool], number: int) -> tuple[float, float]:
    """Where lines near this one begin and end."""
    low, high = max(0, number - _NEIGHBOURS), number + _NEIGHBOURS
    line = lines[number]
    near = [
        one
        for one, row in zip(lines[low:high], rows[low:high], strict=True)
        if one.block == line.block and one.backwards == line.backwards and not row
    ]
    return min(one.left for one in (line, *near)), max(one.right for one in (line, *near))


def _continues(
    page: Page, above: Sequence[Line], line: Line, before: str, text: str, margin: tuple[float, float], pitch: float
) -> bool:
    """Does `line` go on with the paragraph of the lines `above`, the last of which reads `before`?"""
    last = above[-1]
    begins_low, ended = bool(_CONTINUED.match(text)), bool(_ENDED.search(before))
    broken = bool(_BROKEN.search(before)) and begins_low
    if (
        _ITEM.match(text)
        or (_NUMBERED.match(text) and _NUMBERED.match(before))
        or abs(line.size - last.size) > max(0.6, 0.08 * last.size)
        or line.block < 0
        or line.backwards != last.backwards
    ):
        return False
    if len(above) == 1 and not begins_low and _stands_alone(before):
        return False
    if line.block != last.block:
        return broken or (begins_low and not ended and not _ITEM.match(before))
    step = line.base - last.base
    if not 0.2 * last.size < step <= max(1.25 * pitch * last.size + 1, 1.15 * last.size):
        return False
    needed = _first_word(page, line) + 0.25 * line.size
    width = margin[1] - margin[0]
    full = broken or (margin[1] - last.right < needed and last.right - last.left > 0.45 * width)
    if (last.bold > 0.9) != (line.bold > 0.9) and not (begins_low and full):
        return False
    if _centred(above, line, margin):
        return begins_low or width - (last.right - last.left) < needed
    if not _aligned(above, line, before, ended and not begins_low):
        return False
    return full or (begins_low and not ended)


def _stands_alone(text: str) -> bool:
    """Too short for a line that was full, or a label."""
    return not _CJK.search(text[-1:]) and (len(text) < _SHORT or (text.endswith(":") and len(text) < 40))


def _aligned(above: Sequence[Line], line: Line, before: str, sentence: bool) -> bool:
    """Does the line begin where the paragraph goes on, rather than indented as a new one or further out?"""
    last, em = above[-1], line.size
    shift = line.left - last.left
    if abs(shift) <= 0.6 * em:
        return True
    if shift > 0:
        # Under the words of a list item, or a hanging indent; else the first line of a new paragraph.
        return len(above) == 1 and (bool(_ITEM.match(before)) or not sentence) and shift < 6 * em
    return len(above) == 1 and -shift < 6 * em


def _centred(above: Sequence[Line], line: Line, margin: tuple[float, float]) -> bool:
    last = above[-1]
    apart = abs(line.left - last.left) > 0.6 * line.size and abs(line.right - last.right) > 0.6 * line.size
    return apart and abs(line.left + line.right - last.left - last.right) < line.size and line.left > margin[0]


def _first_word(page: Page, line: Line) -> float:
    """The width of a line's first word, as if all its letters were equally wide."""
    run = line.runs[0]
    text = page.text[run.start : run.end]
    length = 1 if _CJK.match(text) else len(text.split(" ", 1)[0])
    return (run.right - run.left) * length / max(1, len(text))


def _is_label(last: Line, line: Line, before: str, text: str, pitch: float) -> bool:
    """Is the line before a table's row the beginning of its first cell, which was too long for one line?"""
    near = 0 < line.base - last.base <= 1.25 * pitch * last.size + 1 and last.block == line.block
    begins = bool(_CONTINUED.match(text)) and not _ENDED.search(before)
    return near and begins and abs(line.left - last.left) < 2 * line.size and last.right < line.right


class Hyphens:
    """Decides what becomes of a hyphen at a line's end, from how words are written elsewhere in the document."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._words: Counter[str] = Counter()
        self._habit = 0
        broken = list[tuple[str, str]]()
        before = ""
        for text in lines:
            self._words.update(word.casefold() for word in _WORD.findall(text))
            match, next_word = _BROKEN.search(before), _CONTINUED.match(text)
            if match and next_word:
                broken.append((match[1], next_word[0]))
            before = text
        # A document that breaks no words has only compounds at its lines' ends.
        for first, second in broken:
            self._habit += self._votes(first, second)

    def _votes(self, first: str, second: str) -> int:
        """Above zero for a broken word, below for a compound."""
        joined = self._words[(first + second).casefold()]
        compound = self._words[f"{first}-{second}".casefold()]
        return (joined > compound) - (compound > joined)

    def joint(self, before: str, text: str) -> tuple[bool, bool]:
        """Whether the last character of `before` is dropped, and whether a space stands before `text`."""
        if before.endswith(SOFT_HYPHEN):
            return True, False
        if not before or before[-1] not in HYPHENS:
            return False, not (bool(_CJK.search(before[-1:])) and bool(_CJK.match(text)))
        match, next_word = _BROKEN.search(before), _CONTINUED.match(text)
        if not match or not next_word:
            return False, len(before) > 1 and not (before[-2].isalnum() and text[:1].isalnum())
        first, second = match[1], next_word[0]
        if second in _AND:
            return False, True
        if len(first) == 1 or "-" in first or "://" in before.rpartition(" ")[2]:
            return False, False
        votes = self._votes(first, second) or (-1 if first.casefold() in _COMPOUNDING else self._habit)
        return (votes > 0 if votes else not self._both_known(first, second)), False

    def _both_known(self, first: str, second: str) -> bool:
        """Are both halves words of the document? Each was counted once where it was broken."""
        return all(len(half) > 3 and self._words[half.casefold()] > 1 for half in (first, second))
