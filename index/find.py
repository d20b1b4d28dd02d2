"""Literal search in one text, as a find box does it: case aside, white space aside, offsets of the text as it is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.types import Span

_PLANE = 0x10000
"""Every white space character, and every character that case folding makes longer, is below it."""
_PIECE = 1 << 18
"""Characters looked through at a time: what is held beside the text, and how long other threads wait, depend on it."""
_SPACE = 32


class _Folded(NamedTuple):
    """Part of the text with its case folded and each run of white space as one space.

    `owners` has the offset in the text that each character of it comes from; `inner` says which of them are not the
    first that comes from theirs.
    """

    text: str
    owners: NDArray[np.int64]
    inner: NDArray[np.bool_]

    def then(self, more: _Folded) -> _Folded:
        owners = np.concatenate((self.owners, more.owners))
        return _Folded(self.text + more.text, owners, np.concatenate((self.inner, more.inner)))

    def since(self, start: int) -> _Folded:
        return _Folded(self.text[start:], self.owners[start:], self.inner[start:])

    def span(self, start: int, end: int) -> Span:
        return Span(int(self.owners[start]), int(self.owners[end - 1]) + 1)


def matches(text: str, wanted: str, most: int) -> tuple[int, list[Span]]:
    """How often `wanted` occurs, and the first `most` places, ascending, none overlapping another.

    Both are compared after full Unicode case folding, and any run of white space equals any other; white space around
    `wanted` does not count. A place begins and ends between characters of the text: "s" is not found in "ß", "ss" is.
    Takes time linear in the text, and memory for a piece of it. Raises ValueError when nothing is wanted.
    """
    needle = " ".join(wanted.split()).casefold()
    if not needle:
        raise ValueError("nothing to find")
    total, found = 0, list[Span]()
    rest = _Folded("", np.zeros(0, np.int64), np.zeros(0, np.bool_))
    for piece in _pieces(text, needle):
        part = rest.then(piece)
        number, starts, end = _places(part, needle, most - len(found))
        total += number
        found += [part.span(start, start + len(needle)) for start in starts]
        rest = part.since(max(end, len(part.text) - len(needle) + 1))  # a place may begin here and end in the next
    return total, found


def _places(part: _Folded, needle: str, most: int) -> tuple[int, list[int], int]:
    """How many places there are, the starts of the first `most`, and where the search for another one stopped."""
    folded = part.text
    inner = part.inner.tobytes() + b"\0" if part.inner.any() else b""
    starts, number, at = list[int](), 0, 0
    while (inner or number < most) and (start := folded.find(needle, at)) >= 0:
        at = start + len(needle)
        if inner and (inner[start] or inner[at]):
            at = start + 1
            continue
        number += 1
        if number <= most:
            starts.append(start)
    if not inner and number == most and len(needle) == 1:
        number, at = number + folded.count(needle, at), len(folded)
    elif not inner and number == most:
        others = folded[at:].split(needle)
        number, at = number + len(others) - 1, len(folded) - len(others[-1])
    return number, starts, at


def _pieces(text: str, needle: str) -> Iterator[_Folded]:
    """The text in pieces. Of a character that folds to several, a place may hold all or none: where the needle has not
    all of them in a row, one that is not in the needle stands for it."""
    widths, table = _tables()[1], _table(needle)
    white = False
    for begin in range(0, len(text), _PIECE):
        piece = text[begin : begin + _PIECE]
        if piece.isascii() and " " not in needle:
            yield _Folded(piece.casefold(), np.arange(begin, begin + len(piece)), np.zeros(len(piece), np.bool_))
            continue
        codes = np.frombuffer(piece.encode("utf-32-le"), "<u4")
        codes = np.where(codes < _PLANE, table[np.minimum(codes, _PLANE - 1)], codes)
        spaces = np.concatenate(([white], codes == _SPACE))
        white = bool(spaces[-1])
        kept = ~(spaces[1:] & spaces[:-1])
        plain, owners = codes[kept], np.flatnonzero(kept) + begin
        folded = plain.astype("<u4").tobytes().decode("utf-32-le").casefold()
        if len(folded) != len(plain):  # folding shortens nothing
            owners = np.repeat(owners, widths[np.minimum(plain, _PLANE - 1)])
        yield _Folded(folded, owners, np.diff(owners, prepend=-1) == 0)


def _table(needle: str) -> NDArray[np.uint32]:
    """By code point: what stands for a character before its case is folded."""
    white, widths = _tables()
    table = np.arange(_PLANE, dtype=np.uint32)
    table[white] = _SPACE
    absent = next(code for code in count(0xE000) if chr(code) not in needle)
    table[[code for code in np.flatnonzero(widths > 1).tolist() if chr(code).casefold() not in needle]] = absent
    return table


@cache
def _tables() -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """By code point: whether it is white space; how many characters it folds to."""
    characters = [chr(code) for code in range(_PLANE)]
    white = np.array([one.isspace() for one in characters])
    return white, np.array([len(one.casefold()) for one in characters], np.int8)
