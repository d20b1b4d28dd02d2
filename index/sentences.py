"""Sentence boundaries with exact offsets, by the sentencex library (Wikimedia, MIT)."""

from collections.abc import Iterator

import sentencex

from index.types import Span

# One code point for one code point, so offsets hold. sentencex 1.0.32 panics on an initial that is followed
# by a space of several bytes ("B\u3000."), and takes a line break inside a wrapped sentence for an end.
_SPACES = str.maketrans(
    dict.fromkeys("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000", " ")
    | {chr(code): " " for code in range(0x2000, 0x200B)}
)

_MOST = 10_000
"""Characters of a paragraph that are looked at together: sentencex takes time with the square of them where there are
quotation marks and nothing else, a minute for 300,000."""


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Spans of the sentences of `text[start:end]`, white space trimmed, in order, none of them empty."""
    end = len(text) if end is None else min(end, len(text))
    spans = []
    for first, last in _boundaries(text, start, end):
        span = trimmed(text, first, last)
        if span.start < span.end:
            spans.append(span)
    return spans


def _boundaries(text: str, start: int, end: int) -> Iterator[Span]:
    """What sentencex says, asked for so much at a time; the last sentence of each part is read again with the next."""
    while start < end:
        until = min(end, start + _MOST)
        found = [
            Span(start + one["start_index"], start + one["end_index"])
            for one in sentencex.get_sentence_boundaries("en", text[start:until].translate(_SPACES))
        ]
        whole = found if until == end or len(found) < 2 else found[:-1]
        yield from whole
        start = whole[-1].end if whole else until


def trimmed(text: str, start: int, end: int) -> Span:
    """The span without the white space at its ends; empty at `start` when there is nothing else."""
    part = text[start:end]
    left = len(part) - len(part.lstrip())
    return Span(start + left, start + max(left, len(part.rstrip())))
