"""A page's glyphs, as a PDF library or OCR gives them, made into clean text with the place of every character.

Two frames of coordinates are used. The displayed page: points from its top left corner, which `boxes` holds in tenths.
The reading frame: the displayed page turned so that most lines run from left to right and from the top down; text
from right to left is mirrored, so that what comes first is always left of what comes next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.boxes import SCALE, Boxes

Floats = NDArray[np.float64]

HYPHENS = "-\u2010"
SOFT_HYPHEN = "\u00ad"
_LIGATURES = {
    0xFB00: "ff",
    0xFB01: "fi",
    0xFB02: "fl",
    0xFB03: "ffi",
    0xFB04: "ffl",
    0xFB05: "st",
    0xFB06: "st",
}
_REPLACED = {0x02: 0x2D, 0xFFFE: 0x2D, 0xF0B7: 0x2022, 0xF0A7: 0x25AA, 0x2011: 0x2D}
"""pdfium's marks for the hyphen at a line's end, and bullets of symbol fonts."""
_SPACES = (0x09, 0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
_BREAKS = (0x0A, 0x0D)
_INVISIBLE = (0x200B, 0x2060, 0xFEFF)
_ALEFS = (0x622, 0x623, 0x625, 0x627)
_LAM = 0x644
_APART = 0.6
"""Wider gaps than this share of the type size part runs; they may yet be one line."""


class Style(NamedTuple):
    """Type size in points, and whether it is bold."""

    size: float
    bold: bool


class Frame(NamedTuple):
    """The box of a page that is displayed, in its own coordinates (y upwards), and its clockwise quarter turns."""

    left: float
    bottom: float
    right: float
    top: float
    turns: int

    @property
    def size(self) -> tuple[float, float]:
        """Width and height as displayed."""
        across, up = self.right - self.left, self.top - self.bottom
        return (up, across) if self.turns % 2 else (across, up)

    def displayed(self, points: Floats) -> Floats:
        """Points (n, 2) of the page in points from the top left corner of the displayed page."""
        x, y = points[:, 0], points[:, 1]
        turned = (
            (x - self.left, self.top - y),
            (y - self.bottom, x - self.left),
            (self.right - x, y - self.bottom),
            (self.top - y, self.right - x),
        )[self.turns % 4]
        return np.stack(turned, axis=1)


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of a page in the order of a library, in points of the displayed page.

    `codes` (n,) are code points; `generated` (n,) marks those that are nowhere on the page; `tight` and `loose` (n, 4)
    are the boxes of the ink and of the type, `origins` (n, 2) where they stand on the baseline, `quarters` (n,) the
    quarter turn in which each is written, whichever way it is counted.
    """

    codes: NDArray[np.uint32]
    generated: NDArray[np.bool_]
    tight: Floats
    loose: Floats
    origins: Floats
    quarters: NDArray[np.int64]


@dataclass(slots=True)
class Run:
    """Characters that follow each other on a line without a wide gap, in the reading frame; `bold` from 0 to 1."""

    start: int
    end: int
    left: float
    top: float
    right: float
    bottom: float
    base: float
    size: float
    bold: float = 0.0
    turned: bool = False
    backwards: bool = False
    """Most of it is written from right to left, but not most of the page."""


@dataclass(slots=True)
class Page:
    """A displayed page in points: its text in the library's order, a box for each character, and its runs."""

    width: float
    height: float
    text: str = ""
    boxes: Boxes = field(default_factory=lambda: np.zeros((0, 4), np.int32))
    runs: list[Run] = field(default_factory=list)
    span: tuple[float, float] = (0.0, 0.0)
    """Width and height in the reading frame."""
    outside: int = 0
    """Characters that were left out because they lie outside the displayed page."""


def page_of(glyphs: Glyphs, size: tuple[float, float], style: Callable[[int], Style]) -> Page:
    """`style` tells the type of the glyph at a place."""
    page = Page(*size, span=size)
    order = _logical_order(glyphs)
    glyphs, places, page.outside = _clean(_taken(glyphs, order), size)
    places = order[places]
    if not len(places):
        return page
    page.text = glyphs.codes.astype("<u4").tobytes().decode("utf-32-le")
    page.boxes = _boxes(glyphs)
    solid = np.flatnonzero(~np.isin(glyphs.codes, (*_SPACES, *_BREAKS)))
    if not len(solid):
        return page
    quarters = glyphs.quarters[solid]
    main = int(np.bincount(quarters).argmax())
    frame = _reading_frame(glyphs, solid[quarters == main], size)
    page.span = frame.size
    page.runs = _runs(glyphs, places, solid, main, frame, style)
    page.text = page.text.replace("\r", " ").replace("\n", " ")
    return page


def _clean(glyphs: Glyphs, size: tuple[float, float]) -> tuple[Glyphs, NDArray[np.int64], int]:
    """Without what is not text or lies outside the page, each space once, ligatures resolved.

    Gives for each character left the place of its glyph, and how many lay outside.
    """
    codes = _paired(glyphs.codes)
    for old, new in _REPLACED.items():
        codes[codes == old] = new
    space, broken = np.isin(codes, _SPACES), np.isin(codes, _BREAKS)
    codes[space] = 0x20
    controls = ((codes < 0x20) & ~broken) | ((codes >= 0x7F) & (codes < 0xA0)) | (codes > 0x10FFFF)
    unpaired = (codes >= 0xD800) & (codes < 0xE000)
    nothing = ((codes >= 0xFDD0) & (codes < 0xFDF0)) | (codes & 0xFFFE == 0xFFFE) | np.isin(codes, _INVISIBLE)
    ends = np.append(broken[1:], True)
    kept = ~(controls | unpaired | nothing | ((codes == ord(SOFT_HYPHEN)) & ~ends))
    middle = (glyphs.tight[:, :2] + glyphs.tight[:, 2:]) / 2
    outside = kept & ~glyphs.generated & ((middle < 0) | (middle > size)).any(axis=1)
    kept &= ~outside & ~_needless(glyphs, codes)
    places = np.flatnonzero(kept)
    blank = space[places]
    places = places[~(blank & np.append(False, blank[:-1]))]
    lengths = np.array([len(_LIGATURES.get(code, "1")) for code in codes[places].tolist()], np.int64)
    first = np.cumsum(lengths) - lengths
    resolved = np.repeat(codes[places], lengths)
    for at in np.flatnonzero(lengths > 1).tolist():
        letters = _LIGATURES[int(codes[places[at]])]
        resolved[first[at] : first[at] + len(letters)] = [ord(letter) for letter in letters]
    places = np.repeat(places, lengths)
    cleaned = replace(_taken(glyphs, places), codes=resolved)
    return cleaned, places, int(np.count_nonzero(outside & ~space & ~broken))


def _needless(glyphs: Glyphs, codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Spaces put in between letters that touch: in Indic scripts, pdfium takes the parts of syllables for words."""
    found = np.zeros(len(codes), np.bool_)
    indic = (codes >= 0x900) & (codes < 0x10A0)
    between = np.flatnonzero(glyphs.generated[1:-1] & (codes[1:-1] == 0x20) & indic[:-2] & indic[2:]) + 1
    gaps = glyphs.tight[between + 1, 0] - glyphs.tight[between - 1, 2]
    found[between] = gaps < 0.15 * _heights(glyphs.loose[between - 1])
    return found


def _taken(glyphs: Glyphs, places: NDArray[np.int64]) -> Glyphs:
    return Glyphs(*(getattr(glyphs, one.name)[places] for one in fields(Glyphs)))


def _logical_order(glyphs: Glyphs) -> NDArray[np.int64]:
    """The order in which Arabic and Hebrew are typed: each word from right to left, lam before alef in their ligature,
    a vowel mark after its letter."""
    order = np.arange(len(glyphs.codes))
    backwards = _right_to_left(glyphs.codes)
    if not backwards.any():
        return order
    middles = (glyphs.tight[:, 0] + glyphs.tight[:, 2]) / 2
    _turn_words(glyphs.codes, backwards, middles, order)
    codes, tight, middles = glyphs.codes[order], glyphs.tight[order], middles[order]
    same = (np.abs(tight[:-1] - tight[1:]) < 1e-3).all(axis=1)
    swapped = np.flatnonzero(same & np.isin(codes[:-1], _ALEFS) & (codes[1:] == _LAM))
    order[swapped], order[swapped + 1] = order[swapped + 1], order[swapped]
    lost = list[int]()
    for mark in np.flatnonzero((codes[:-1] >= 0x64B) & (codes[:-1] < 0x660)).tolist():
        if not tight[mark + 1, 0] <= middles[mark] <= tight[mark + 1, 2]:
            continue
        order[mark], order[mark + 1] = order[mark + 1], order[mark]
        if mark and codes[mark - 1] == 0x20:
            lost.append(mark - 1)  # it was put in for the mark to stand on
    return np.delete(order, lost)


def _turn_words(
    codes: NDArray[np.uint32], backwards: NDArray[np.bool_], middles: Floats, order: NDArray[np.int64]
) -> None:
    """Turn words around that are drawn, and given, from left to right, but not the numbers inside them."""
    space = np.isin(codes, (*_SPACES, *_BREAKS))
    for start, end in _stretches(~space):
        if np.count_nonzero(backwards[start:end]) < 2:
            continue
        steps = np.diff(middles[start:end])[backwards[start : end - 1] & backwards[start + 1 : end]]
        if np.count_nonzero(steps > 0.01) > np.count_nonzero(steps < -0.01):
            order[start:end] = np.arange(end - 1, start - 1, -1)
            forwards = (codes[order[start:end]] < 0x590) & np.array(
                [chr(one).isalnum() for one in codes[order[start:end]]]
            )
            for first, last in _stretches(forwards):
                order[start + first : start + last] = order[start + first : start + last][::-1].copy()


def _stretches(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where runs of true values begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _paired(codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A copy with the halves of surrogate pairs put together."""
    codes = codes.copy()
    halves = np.flatnonzero((codes[:-1] & 0xFFFFFC00 == 0xD800) & (codes[1:] & 0xFFFFFC00 == 0xDC00))
    codes[halves] = 0x10000 + ((codes[halves] & 0x3FF) << 10) + (codes[halves + 1] & 0x3FF)
    codes[halves + 1] = 0
    return codes


def _boxes(glyphs: Glyphs) -> Boxes:
    """Boxes of the ink in tenths of a point, of the type for spaces; zeros for what is nowhere."""
    places = np.where((glyphs.codes == 0x20)[:, None], glyphs.loose, glyphs.tight) * SCALE
    boxes: Boxes = np.clip(np.rint(places), -(2**30), 2**30).astype(np.int32)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    boxes[glyphs.generated] = 0
    return boxes


def _right_to_left(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = ((codes >= 0x590) & (codes < 0x900)) | ((codes >= 0xFB1D) & (codes < 0xFE00))
    return found | ((codes >= 0xFE70) & (codes < 0xFF00))


@dataclass(frozen=True, slots=True)
class _Reading:
    """Turns places of the displayed page into the reading frame: `turns` clockwise quarters back, then `mirrored`."""

    width: float
    height: float
    turns: int
    mirrored: bool

    @property
    def size(self) -> tuple[float, float]:
        return (self.height, self.width) if self.turns % 2 else (self.width, self.height)

    def points(self, points: Floats) -> Floats:
        x, y = points[:, 0], points[:, 1]
        turned = ((x, y), (y, self.width - x), (self.width - x, self.height - y), (self.height - y, x))[self.turns]
        u, v = turned
        return np.stack((self.size[0] - u if self.mirrored else u, v), axis=1)

    def rectangles(self, boxes: Floats) -> Floats:
        one, other = self.points(boxes[:, :2]), self.points(boxes[:, 2:])
        return np.concatenate((np.minimum(one, other), np.maximum(one, other)), axis=1)


def _reading_frame(glyphs: Glyphs, solid: NDArray[np.int64], size: tuple[float, float]) -> _Reading:
    """From the way most characters follow each other."""
    backwards = _right_to_left(glyphs.codes[solid])
    mirrored = bool(np.count_nonzero(backwards) > len(solid) / 2)
    steps = np.diff(glyphs.origins[solid], axis=0)
    near = np.abs(steps).max(axis=1) < 3 * _heights(glyphs.loose[solid])[1:]
    steps = steps[near & (backwards[1:] == mirrored)] * (-1 if mirrored else 1)
    if not len(steps):
        return _Reading(*size, 0, mirrored)
    across, down = np.median(steps, axis=0)
    turns = (0 if across >= 0 else 2) if abs(across) >= abs(down) else (1 if down > 0 else 3)
    return _Reading(*size, turns, mirrored)


def _heights(rectangles: Floats) -> Floats:
    heights: Floats = np.minimum(rectangles[:, 3] - rectangles[:, 1], 200.0)
    return np.where(heights > 0.1, heights, 10.0)


def _runs(
    glyphs: Glyphs,
    places: NDArray[np.int64],
    solid: NDArray[np.int64],
    main: int,
    frame: _Reading,
    style: Callable[[int], Style],
) -> list[Run]:
    rectangles = frame.rectangles(glyphs.loose[solid])
    bases = frame.points(glyphs.origins[solid])[:, 1]
    quarters = glyphs.quarters[solid]
    lines = np.cumsum(np.isin(glyphs.codes, _BREAKS))[solid]
    backwards = _right_to_left(glyphs.codes[solid])
    parted = _parted(rectangles, bases, quarters == main) | (np.diff(lines) > 0) | (np.diff(quarters) != 0)
    firsts = np.append(0, np.flatnonzero(parted) + 1)
    lasts = np.append(firsts[1:], len(solid)) - 1
    lows = np.minimum.reduceat(rectangles[:, :2], firsts, axis=0).tolist()
    highs = np.maximum.reduceat(rectangles[:, 2:], firsts, axis=0).tolist()
    levels, runs = bases.tolist(), []
    for first, last, (left, top), (right, bottom) in zip(firsts.tolist(), lasts.tolist(), lows, highs, strict=True):
        sampled = {first, (first + last) // 2, last} if last - first > 8 else {(first + last) // 2}
        styles = [style(int(places[solid[at]])) for at in sampled]
        size = sorted(one.size for one in styles)[len(styles) // 2]
        bold = sum(one.bold for one in styles) / len(styles)
        base = sorted(levels[first : last + 1])[(last - first) // 2]
        turned = bool(quarters[first] != main)
        start, end = int(solid[first]), int(solid[last]) + 1
        other = not frame.mirrored and 2 * np.count_nonzero(backwards[first : last + 1]) > last + 1 - first
        runs.append(Run(start, end, left, top, right, bottom, base, size, bold, turned, bool(other)))
    return runs


def _parted(rectangles: Floats, bases: Floats, upright: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a gap or another baseline lies between each character and the next. Shape (n - 1,)."""
    heights = _heights(rectangles)
    size = np.maximum(heights[:-1], heights[1:])
    gap = np.maximum(rectangles[1:, 0] - rectangles[:-1, 2], rectangles[:-1, 0] - rectangles[1:, 2])
    overlap = np.minimum(rectangles[1:, 3], rectangles[:-1, 3]) - np.maximum(rectangles[1:, 1], rectangles[:-1, 1])
    lower = overlap < 0.3 * np.minimum(heights[:-1], heights[1:])
    lower &= np.abs(np.diff(bases)) > 0.3 * size
    parted: NDArray[np.bool_] = (gap > _APART * size) | lower
    return parted & upright[1:] & upright[:-1]
