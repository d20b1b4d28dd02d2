"""Sentence boundaries with exact offsets, by the sentencex library (Wikimedia, MIT)."""

import sentencex

from index.types import Span

# One code point for one code point, so offsets hold. sentencex 1.0.32 panics on an initial that is followed
# by a space of several bytes ("B\u3000."), and takes a line break inside a wrapped sentence for an end.
_SPACES = str.maketrans(
    dict.fromkeys("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000", " ")
    | {chr(code): " " for code in range(0x2000, 0x200B)}
)


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Spans of the sentences of `text[start:end]`, white space trimmed, in order, none of them empty."""
    part = text[start:end]
    spans = []
    for boundary in sentencex.get_sentence_boundaries("en", part.translate(_SPACES)):
        span = trimmed(text, start + boundary["start_index"], start + boundary["end_index"])
        if span.start < span.end:
            spans.append(span)
    return spans


def trimmed(text: str, start: int, end: int) -> Span:
    """The span without the white space at its ends; empty at `start` when there is nothing else."""
    part = text[start:end]
    left = len(part) - len(part.lstrip())
    return Span(start + left, start + max(left, len(part.rstrip())))
