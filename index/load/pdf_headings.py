"""Running headers and footers, and headings: told by where they stand and how they are set."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import NamedTuple

from index.load.pdf_page import Page, Run
from index.load.pdf_paragraphs import Paragraph

_ZONE = 0.15
"""Share of the page's height at its top and bottom where running lines stand."""
_MARGIN = 0.06
"""Share of the height where running lines may stand among others; further in they are the outermost."""
_OUTERMOST = 4
"""Lines from the edge that may be running ones."""
_ENOUGH = 200
"""Characters on a page that tell the type of its text."""
_FEWEST = 3
"""Pages on which a line recurs at least."""
_SAME_HEIGHT = 8.0
_NUMBER = re.compile(r"(?:page|seite|p\.)?[\s–—|-]*(\d{1,5})[\s–—|-]*(?:(?:of|von|/)\s*\d{1,5})?$", re.IGNORECASE)
_PART = re.compile(r"part\s+[ivx\d]+\b", re.IGNORECASE)
_CHAPTER = re.compile(r"(?:item|chapter|kapitel|article)\s+[\divx]+[a-z]?\b", re.IGNORECASE)
_NOTE = re.compile(r"(?:note|section|annex|appendix|exhibit)\s+[\da-z]{1,3}\b", re.IGNORECASE)
_KINDS = (_PART, _CHAPTER, _NOTE)
_NO_HEADING = re.compile(r"[•◦‣▪▫●○■□◆➢➤✓☐☑☒*·]|.*\(cont(?:inued|'d|\.)\)?", re.IGNORECASE)
_LEVELS = 4


class Bookmark(NamedTuple):
    """An entry of a PDF's outline; `page` counts from 0, `depth` too."""

    title: str
    page: int
    depth: int


class _Place(NamedTuple):
    """Where a line was seen: `offset` is its last number less the number of the page."""

    page: int
    base: float
    offset: int | None
    outermost: bool


class _Row(NamedTuple):
    text: str
    base: float
    runs: list[Run]
    rank: int
    """How many rows are nearer to the edge of the page; negative from the bottom, which is -1."""


def without_running(pages: Sequence[Page]) -> int:
    """Take running headers, footers and page numbers out of the pages' runs; gives how many characters they held."""
    rows = [_edge_rows(page) for page in pages]
    seen = defaultdict[tuple[bool, str], list[_Place]](list)
    for number, edge in enumerate(rows):
        for row in edge:
            key, offset = _normalised(row.text, number)
            seen[row.rank >= 0, key].append(_Place(number, row.base, offset, row.rank in (0, -1)))
    recurring = {key: places for key, places in seen.items() if _recurs(key[1], places, len(pages))}
    running = {key: median(one.base for one in places) for key, places in recurring.items()}
    inside = Counter(key for page, edge in zip(pages, rows, strict=True) for key in _inner(page, edge, running))
    running = {key: base for key, base in running.items() if inside[key[1]] < len(seen[key]) / 2}
    removed = 0
    for number, (page, edge) in enumerate(zip(pages, rows, strict=True)):
        gone = set[int]()
        for top in (True, False):
            for row in sorted((row for row in edge if (row.rank >= 0) == top), key=lambda row: abs(row.rank)):
                base = running.get((top, _normalised(row.text, number)[0]))
                if base is None or (abs(base - row.base) > _SAME_HEIGHT and row.rank not in (0, -1)):
                    if _in_margin(page, row):
                        continue
                    break
                gone.update(id(run) for run in row.runs)
                removed += sum(not letter.isspace() for letter in row.text)
        page.runs = [run for run in page.runs if id(run) not in gone]
    return removed


def _in_margin(page: Page, row: _Row) -> bool:
    return min(row.base, page.span[1] - row.base) < _MARGIN * page.span[1]


def _edge_rows(page: Page) -> list[_Row]:
    """The outermost rows at the top and the bottom of a page."""
    rows = list[list[Run]]()
    for run in sorted((run for run in page.runs if not run.turned), key=lambda run: run.base):
        if rows and run.base - rows[-1][0].base < 3:
            rows[-1].append(run)
        else:
            rows.append([run])
    height, found = page.span[1], list[_Row]()
    for rank, row in (*enumerate(rows), *((-1 - number, row) for number, row in enumerate(reversed(rows)))):
        base = row[0].base
        depth = (base if rank >= 0 else height - base) / height if height else 0.0
        nearest = rank if rank >= 0 else -1 - rank
        if nearest == 0 or depth < _MARGIN or (nearest < _OUTERMOST and depth < _ZONE):
            row.sort(key=lambda run: run.left)
            found.append(_Row(" ".join(page.text[run.start : run.end] for run in row), base, row, rank))
    return found


def _normalised(text: str, number: int) -> tuple[str, int | None]:
    """A line with its digits alike, "#" for a bare page number, and how far its last number is from the page's own."""
    numbers = re.findall(r"\d{1,5}", text)
    match = _NUMBER.match(text)
    if match:
        return "#", int(match[1]) - number
    return " ".join(re.sub(r"\d+", "#", text.casefold()).split()), int(numbers[-1]) - number if numbers else None


def _recurs(key: str, places: Sequence[_Place], pages: int) -> bool:
    """On three pages and half of all, or of every other page: at about the same height, or counting the pages.

    Page numbers have to count up; a line that does so may stand anywhere, as long as it is the page's first or last.
    """
    height = median(one.base for one in places)
    level = {one.page for one in places if abs(one.base - height) <= _SAME_HEIGHT}
    offset, _ = Counter(one.offset for one in places).most_common(1)[0]
    counting = {one.page for one in places if one.outermost and one.offset == offset and offset is not None}
    on = counting if key == "#" or len(counting) > len(level) else level
    if len(on) < _FEWEST:
        return False
    odd = sum(number % 2 for number in on)
    return 2 * len(on) >= pages or 2 * odd >= pages // 2 or 2 * (len(on) - odd) >= (pages + 1) // 2


def _inner(page: Page, edge: Sequence[_Row], running: dict[tuple[bool, str], float]) -> list[str]:
    """Running lines' words that stand inside the page as well: then they are the text's own."""
    if not running or not any(key for _, key in running):
        return []
    outer = {id(run) for row in edge for run in row.runs}
    keys = {key for _, key in running}
    found = (_normalised(page.text[run.start : run.end], -1)[0] for run in page.runs if id(run) not in outer)
    return [key for key in found if key in keys and key != "#"]


class _Body(NamedTuple):
    """The type of running text."""

    size: float
    bold: bool


class _Styled(NamedTuple):
    """A heading with its type: size, and which of `_KINDS` it names."""

    paragraph: Paragraph
    style: tuple[float, int]
    page: int


_Text = Callable[[int, Paragraph], str]
"""The words of a paragraph on a page (from 0)."""


def find_headings(pages: Sequence[Sequence[Paragraph]], text: _Text, bookmarks: Sequence[Bookmark]) -> None:
    """Set the level of every paragraph that is a heading: by the outline where it names it, else by its type."""
    body = _body([one for page in pages for one in page], 0)
    styled = list[_Styled]()
    repeated = _repeated(pages, text)
    for number, paragraphs in enumerate(pages):
        heads = _table_heads(paragraphs)
        own = _body(paragraphs, _ENOUGH)
        own = own if own.size else body
        for place, paragraph in enumerate(paragraphs):
            if (
                len(paragraph.lines) > 3
                or paragraph.row
                or (place in heads and paragraph.lines[0].size < 1.3 * own.size)
            ):
                continue
            words = text(number, paragraph)
            if words not in repeated and _is_heading(paragraph, words, body, own):
                styled.append(_Styled(paragraph, (_rounded(paragraph.lines[0].size), _kind(words)), number))
    _by_style(styled, sum(len(one) for one in pages))
    _by_outline(pages, text, bookmarks, styled)


def _repeated(pages: Sequence[Sequence[Paragraph]], text: _Text) -> set[str]:
    """Lines that stand at the top of several pages, such as a statement's name with "(continued)"."""
    counted = Counter[str]()
    for number, paragraphs in enumerate(pages):
        counted.update({text(number, one) for one in paragraphs[:4] if len(one.lines) <= 2})
    return {words for words, times in counted.items() if times >= _FEWEST}


def _table_heads(paragraphs: Sequence[Paragraph]) -> set[int]:
    """Places of lines that stand right above a table's row or between rows: they are of the table."""
    heads = set[int]()
    for place in range(len(paragraphs) - 2, -1, -1):
        line, below = paragraphs[place].lines[-1], paragraphs[place + 1]
        near = 0 < below.lines[0].base - line.base < 1.7 * line.size
        if near and (below.row or place + 1 in heads):
            heads.add(place)
    return heads


def _body(paragraphs: Iterable[Paragraph], least: int) -> _Body:
    """The type of most of the text, of size 0 where it has fewer characters than `least`."""
    sizes, bold = Counter[float](), Counter[float]()
    for line in (line for paragraph in paragraphs for line in paragraph.lines):
        length = sum(run.end - run.start for run in line.runs)
        sizes[_rounded(line.size)] += length
        bold[_rounded(line.size)] += length * int(line.bold)
    if not sizes or sum(sizes.values()) < least:
        return _Body(0.0, False)
    size = sizes.most_common(1)[0][0]
    return _Body(size, bold[size] > 0.5 * sizes[size])


def _rounded(size: float) -> float:
    return round(2 * size) / 2


def _is_heading(paragraph: Paragraph, text: str, body: _Body, own: _Body) -> bool:
    """Larger than the text, or bold where the text is not, and no smaller than that of its `own` page."""
    first = paragraph.lines[0]
    worded = sum(letter.isalpha() for letter in text) > 0.4 * len(text)
    if not 2 <= len(text) <= 200 or not worded or _NO_HEADING.match(text) or (text[0] in "([" and text[-1] in ")]"):
        return False
    larger = min(line.size for line in paragraph.lines) >= max(1.12 * body.size, body.size + 0.8)
    bolder = not body.bold and all(line.bold > 0.9 for line in paragraph.lines) and first.size >= 0.95 * own.size
    named = _kind(text) < len(_KINDS)
    if larger:
        return text[-1] not in ",;" and (text[-1] != "." or named or len(text) < 80)
    return bolder and len(paragraph.lines) <= 2 and len(text) <= 160 and (named or text[-1] not in ".,;:")


def _kind(text: str) -> int:
    """The place in `_KINDS` of what a heading names: parts stand above items, items above notes, in any type."""
    for kind, pattern in enumerate(_KINDS):
        if pattern.match(text):
            return kind
    return len(_KINDS)


def _by_style(styled: Sequence[_Styled], paragraphs: int) -> None:
    """Levels by what headings name, then by size. Where most paragraphs look like headings, none is."""
    if paragraphs > 6 and len(styled) > 0.6 * paragraphs:
        return
    # Type of a cover only says nothing of the rest: its headings are of the first level.
    inside = [one for one in styled if one.page] or list(styled)
    kinds = sorted({one.style[1] for one in inside} - {len(_KINDS)})
    named = [one.style[0] for one in inside if one.style[1] < len(_KINDS)]
    if len(named) < _FEWEST:
        kinds, named = [], [0.0]
    sizes = sorted({one.style[0] for one in inside if one.style[1] not in kinds}, reverse=True)
    above = [size for size in sizes if size > 1.15 * max(named)] if kinds else []
    for paragraph, (size, kind), page in styled:
        if kind in kinds:
            level = 1 + kinds.index(kind)
        elif size in above or (page == 0 and size not in sizes):
            level = 1
        else:
            level = 1 + len(kinds) + sum(other > size for other in sizes if other not in above)
        paragraph.level = min(_LEVELS, level)


def _by_outline(
    pages: Sequence[Sequence[Paragraph]],
    text: _Text,
    bookmarks: Sequence[Bookmark],
    styled: Sequence[_Styled],
) -> None:
    """Give lines that the outline names its levels; other headings of the same type follow them."""
    named, known_words = dict[int, int](), dict[int, list[str]]()
    for bookmark in bookmarks:
        wanted = _letters(bookmark.title)
        if not wanted or not 0 <= bookmark.page < len(pages):
            continue
        paragraphs = pages[bookmark.page]
        if bookmark.page not in known_words:
            known_words[bookmark.page] = [
                # A row of a table of contents names a heading, and is none.
                "" if one.row or len(one.lines) > 4 else _letters(text(bookmark.page, one))
                for one in paragraphs
            ]
        for paragraph, found in zip(paragraphs, known_words[bookmark.page], strict=True):
            same = found == wanted or (found.endswith(wanted) and len(found) - len(wanted) <= 12)
            if same and id(paragraph) not in named:
                paragraph.level = named[id(paragraph)] = min(bookmark.depth + 1, 6)
                break
    levels = defaultdict[tuple[float, int], list[int]](list)
    for paragraph, style, _ in styled:
        if id(paragraph) in named:
            levels[style].append(named[id(paragraph)])
    smallest = min((style for style in levels), default=(0.0, 0))
    for paragraph, style, _ in styled:
        if levels and id(paragraph) not in named and paragraph.level:
            known = levels.get(style)
            deeper = 1 + max(named.values()) if style[0] <= smallest[0] else 1
            paragraph.level = int(median(known)) if known else min(deeper, 6)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def title_in(paragraphs: Sequence[Paragraph], height: float) -> Paragraph | None:
    """The first heading in the upper half of a page in about the largest type there; it is of the first level."""
    found = [one for one in paragraphs if one.level and one.lines[0].base < height / 2]
    most = max((one.lines[0].size for one in found), default=0.0)
    first = next((one for one in found if one.lines[0].size >= 0.8 * most), None)
    if first is not None:
        first.level = 1
    return first
