"""Literal search in one text, as a find box does it: case aside, white space aside, offsets of the text as it is."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from index.types import Span

_PLANE = 0x10000
"""Every white space character, and every character that case folding makes longer, is below it."""


def matches(text: str, wanted: str, most: int) -> tuple[int, list[Span]]:
    """How often `wanted` occurs, and the first `most` places, ascending, none overlapping another.

    Both are compared after full Unicode case folding, and any run of white space equals any other; white space around
    `wanted` does not count. A place begins and ends between characters of the text: "s" is not found in "ß", "ss" is.
    Takes time linear in the text, whatever is wanted. Raises ValueError when nothing is.
    """
    needle = " ".join(wanted.split()).casefold()
    if not needle:
        raise ValueError("nothing to find")
    folded, owners, whole = text.casefold(), None, True
    if any(word not in folded for word in needle.split()):
        return 0, []
    if " " in needle or len(folded) != len(text):
        folded, owners, whole = _folded(text)
    total, found, at = 0, list[Span](), folded.find(needle)
    while at >= 0:
        end = at + len(needle)
        if not whole and not _whole(owners, at, end):
            at = folded.find(needle, at + 1)
            continue
        if len(found) < most:
            found.append(Span(at, end) if owners is None else Span(int(owners[at]), int(owners[end - 1]) + 1))
        elif whole:
            return total + folded.count(needle, at), found
        total += 1
        at = folded.find(needle, end)
    return total, found


def _folded(text: str) -> tuple[str, NDArray[np.int64], bool]:
    """The text with its case folded and each run of white space as one space; the offset in the text that each
    character of it comes from; whether each comes from one of its own."""
    white, widths = _tables()
    codes = np.frombuffer(text.encode("utf-32-le"), "<u4")
    spaces = white[np.minimum(codes, _PLANE - 1)]
    kept = np.ones(len(codes), bool)
    kept[1:] = ~(spaces[1:] & spaces[:-1])
    owners = np.flatnonzero(kept)
    plain = np.where(spaces, np.uint32(32), codes)[kept]
    once = plain.astype("<u4").tobytes().decode("utf-32-le")
    folded = once.casefold()
    whole = len(folded) == len(once)  # folding shortens nothing, so that it has changed no length at all
    return folded, owners if whole else np.repeat(owners, widths[np.minimum(plain, _PLANE - 1)]), whole


def _whole(owners: NDArray[np.int64] | None, start: int, end: int) -> bool:
    """Whether a place in the folded text takes no part of a character."""
    if owners is None:
        return True
    first = start == 0 or owners[start] != owners[start - 1]
    return bool(first and (end == len(owners) or owners[end] != owners[end - 1]))


@cache
def _tables() -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """By code point: whether it is white space; how many characters it folds to."""
    characters = [chr(code) for code in range(_PLANE)]
    white = np.array([one.isspace() for one in characters])
    return white, np.array([len(one.casefold()) for one in characters], np.int8)
