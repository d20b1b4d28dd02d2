"""Document to passages: aligned to sentences, bounded by the model's word pieces, every one a slice."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import regex

from index.sentences import sentences, trimmed
from index.types import Document, Heading, Passage, Span, as_label, context

_WRAP_WIDTH = 120
"""Lines all shorter than this many characters are taken for wrapped text, longer ones for paragraphs."""
_CHARACTERS_PER_PIECE = 8
"""No passage is longer than this many characters a piece, however few pieces a tokenizer makes of it."""
_JOINED = regex.compile(r"[\p{M}\u200d\p{Emoji_Modifier}]")
"""What belongs to the character before it."""
_MOST_JOINED = 32
"""Such characters that a cut steps back over; more of them are no text, and are cut anywhere."""
_LIST_ITEM = regex.compile(r"\s*(?:[-*+•‣–—·]|\p{N}{1,3}[.)]|\p{L}[.)])\s")


@dataclass(frozen=True, slots=True)
class Chunking:
    """How documents are cut: at most `pieces` word pieces a passage, `overlap` of them repeated from the last."""

    pieces: int = 160
    overlap: int = 0


class WordPieces(Protocol):
    """The embedding model's tokenizer, as far as chunking needs it."""

    max_length: int
    """Word pieces that the model reads, special ones included."""

    def spans(self, texts: Sequence[str]) -> list[list[Span]]:
        """The place of every word piece in each text, in characters."""
        ...


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence, or a part of one that is longer than a passage may be."""

    span: Span
    pieces: int
    paragraph: int


def chunk(document: Document, pieces: WordPieces, options: Chunking = Chunking()) -> list[Passage]:
    """Cut a document into passages.

    A section under a heading starts a new passage. A paragraph stays whole where it fits, and no sentence is
    cut unless it alone is longer than a passage may be. Together the passages hold every character that is
    neither white space nor part of a heading that has text below it.
    """
    lines = [0, *(match.end() for match in regex.finditer(r"\n", document.text))]
    passages = []
    for body, trail in _sections(document):
        prefix = len(pieces.spans([context(document.title, trail)])[0])
        limit = max(16, min(options.pieces, pieces.max_length - 2 - prefix))
        units = _units(document.text, _paragraphs(document.text, body, document.wrapped), pieces, limit)
        for group in _pack(units, limit, options.overlap):
            passages.append(_passage(document, trail, [unit.span for unit in group], lines))
    return passages


def _passage(document: Document, trail: str, spans: Sequence[Span], lines: Sequence[int]) -> Passage:
    start, end = spans[0].start, spans[-1].end
    return Passage(
        document_id=document.id,
        title=document.title,
        heading=trail,
        start=start,
        end=end,
        text=document.text[start:end],
        sentences=tuple(spans),
        line_start=bisect_right(lines, start),
        line_end=bisect_right(lines, end - 1),
        page_start=bisect_right(document.pages, start) or None,
        page_end=bisect_right(document.pages, end - 1) or None,
    )


def _sections(document: Document) -> Iterator[tuple[Span, str]]:
    """Each stretch of text with the trail of the headings above it; the title is not repeated in the trail."""
    text, above = document.text, list[Heading]()
    ends = [*(heading.start for heading in document.headings), len(text)]
    if text[: ends[0]].strip():
        yield Span(0, ends[0]), ""
    levels = [*(heading.level for heading in document.headings), 0]
    for heading, end, following in zip(document.headings, ends[1:], levels[1:], strict=True):
        above = [other for other in above if other.level < heading.level]
        parents = _trail(text, above, document.title)
        above.append(heading)
        if text[heading.end : end].strip():
            yield Span(heading.end, end), _trail(text, above, document.title)
        elif following <= heading.level:
            yield Span(heading.start, heading.end), parents  # nothing below it: the heading is the text


def _trail(text: str, headings: Sequence[Heading], title: str) -> str:
    names = (as_label(" ".join(text[heading.start : heading.end].split())) for heading in headings)
    return " › ".join(name for name in names if name not in ("", title))


def _paragraphs(text: str, body: Span, wrapped: bool) -> Iterator[Span]:
    """Blocks of lines that belong together, by blank lines, list items, and lines ended before the margin.

    Where lines are not `wrapped`, each is a paragraph.
    """
    lines, start = list[Span](), body.start
    for row in text[body.start : body.end].splitlines(keepends=True):
        lines.append(trimmed(text, start, start + len(row)))
        start += len(row)
    if not wrapped:
        yield from (line for line in lines if line.start < line.end)
        return
    width = max((end - start for start, end in lines), default=0)
    block: Span | None = None
    for line in lines:
        if line.start == line.end or (block and _ends_before(text, block, line, width)):
            if block:
                yield block
            block = None
        if line.start < line.end:
            block = Span(block.start if block else line.start, line.end)
    if block:
        yield block


def _ends_before(text: str, block: Span, line: Span, width: int) -> bool:
    """Does a new paragraph begin with `line`, the next after `block`?"""
    if width > _WRAP_WIDTH or _LIST_ITEM.match(text, line.start, line.end):
        return True
    last = block.end - max(text.rfind("\n", block.start, block.end) + 1, block.start)
    word = len(text[line.start : line.end].split(maxsplit=1)[0])
    return last + 1 + word <= 0.75 * width and not text[line.start].islower()


def _units(text: str, blocks: Iterable[Span], pieces: WordPieces, limit: int) -> list[_Unit]:
    spans, paragraphs = [], []
    for number, (start, end) in enumerate(blocks):
        for span in sentences(text, start, end):
            spans.append(span)
            paragraphs.append(number)
    tokens = pieces.spans([text[start:end] for start, end in spans])
    units = []
    for span, paragraph, inner in zip(spans, paragraphs, tokens, strict=True):
        cost = _cost(span, len(inner))
        parts = [span] if cost <= limit else _cut(text, span, [span.start + piece.start for piece in inner], limit)
        units += [_Unit(part, cost if part == span else limit, paragraph) for part in parts]
    return units


def _cost(span: Span, pieces: int) -> int:
    return max(pieces, -(-(span.end - span.start) // _CHARACTERS_PER_PIECE))


def _cut(text: str, span: Span, starts: Sequence[int], limit: int) -> list[Span]:
    """Cut a sentence that is too long, at a space where one is near, never before a combining mark."""
    parts, start = [], span.start
    while start < span.end:
        following = bisect_right(starts, start) - 1 + limit
        end = min(starts[following] if following < len(starts) else span.end, start + limit * _CHARACTERS_PER_PIECE)
        if end < span.end:
            end = max(start + 1, _boundary(text, start, end))
        part = trimmed(text, start, end)
        if part.start < part.end:
            parts.append(part)
        start = end
    return parts


def _boundary(text: str, start: int, end: int) -> int:
    space = regex.search(r"(?r)\s", text, pos=(start + end) // 2, endpos=end)
    if space:
        return space.end()
    least = max(start + 1, end - _MOST_JOINED)
    whole = end
    while whole > least and (_JOINED.match(text[whole]) or text[whole - 1] == "\u200d"):
        whole -= 1
    return whole if whole > least else end


def _pack(units: Sequence[_Unit], limit: int, overlap: int) -> Iterator[list[_Unit]]:
    """Fill passages in order; a paragraph that would not fit begins the next one, if this one is a third full."""
    whole: dict[int, int] = {}
    for unit in units:
        whole[unit.paragraph] = whole.get(unit.paragraph, 0) + unit.pieces
    group, total = list[_Unit](), 0
    for unit in units:
        begins = bool(group) and unit.paragraph != group[-1].paragraph
        if total + unit.pieces > limit or (begins and total + whole[unit.paragraph] > limit and total >= limit // 3):
            if group:
                yield group
            group = [] if begins else _tail(group, min(overlap, limit - unit.pieces))
            total = sum(one.pieces for one in group)
        group.append(unit)
        total += unit.pieces
    if group:
        yield group


def _tail(group: Sequence[_Unit], room: int) -> list[_Unit]:
    """The last sentences of a passage that fit into `room` word pieces, never the whole passage."""
    kept = list[_Unit]()
    for unit in reversed(group[1:]):
        room -= unit.pieces
        if room < 0:
            break
        kept.insert(0, unit)
    return kept
