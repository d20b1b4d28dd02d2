"""The pages of a PDF put together: one text with the place of every character, headings, and where pages begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from index.boxes import Boxes, pack
from index.load.pdf_headings import Bookmark, find_headings, title_in, without_running
from index.load.pdf_lines import Line, lines_of, spaced, words
from index.load.pdf_page import Page
from index.load.pdf_paragraphs import Hyphens, Paragraph, paragraphs_of, tables_in
from index.types import Heading, PageLayout

_NOWHERE = np.zeros((1, 4), np.int32)


@dataclass(slots=True)
class Composed:
    """What `from_text` needs; `title` is the largest heading of the first page, empty for none."""

    text: str = ""
    pages: list[int] = field(default_factory=list)
    layout: list[PageLayout] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    tables: int = 0
    left_out: int = 0
    """Characters other than spaces in running headers and footers, and outside the displayed page."""
    title: str = ""


def compose(pages: Sequence[Page], bookmarks: Sequence[Bookmark] = ()) -> Composed:
    """Every page's paragraphs, a line each, in reading order; a blank line parts all but list items and table rows."""
    done = Composed(left_out=without_running(pages) + sum(page.outside for page in pages))
    lines = [lines_of(page) for page in pages]
    hyphens = Hyphens(words(page, line) for page, on in zip(pages, lines, strict=True) for line in on)
    paragraphs = [paragraphs_of(page, on) for page, on in zip(pages, lines, strict=True)]
    find_headings(paragraphs, lambda number, one: _Words(pages[number], hyphens).of(one), bookmarks)
    first = title_in(paragraphs[0], pages[0].span[1]) if pages else None
    done.title = _Words(pages[0], hyphens).of(first) if first else ""
    parts, length = list[str](), 0
    for page, on in zip(pages, paragraphs, strict=True):
        done.pages.append(length)
        writer = _Words(page, hyphens)
        boxes = [np.zeros((0, 4), np.int32)]
        for place, paragraph in enumerate(on):
            if place and not (paragraph.close and on[place - 1].close):
                parts.append("\n")
                boxes.append(_NOWHERE)
                length += 1
            text = writer.of(paragraph)
            if paragraph.level:
                done.headings.append(Heading(length, length + len(text), paragraph.level))
            parts.append(text + "\n")
            boxes += [*writer.boxes, _NOWHERE]
            length += len(text) + 1
        if on and page is not pages[-1]:
            parts.append("\n")
            boxes.append(_NOWHERE)
            length += 1
        done.layout.append(PageLayout(page.width, page.height, pack(np.concatenate(boxes))))
        done.tables += tables_in(on)
    done.text = "".join(parts)
    return done


class _Words:
    """Writes the paragraphs of a page; `boxes` are those of the last one's characters."""

    def __init__(self, page: Page, hyphens: Hyphens) -> None:
        self._page = page
        self._hyphens = hyphens
        self.boxes = list[Boxes]()

    def of(self, paragraph: Paragraph) -> str:
        parts = list[str]()
        self.boxes = []
        before = ""
        for line in paragraph.lines:
            text = words(self._page, line)
            if before:
                dropped, space = self._hyphens.joint(before, text)
                if dropped:
                    parts[-1] = parts[-1][:-1]
                    self.boxes[-1] = self.boxes[-1][:-1]
                if space:
                    parts.append(" ")
                    self.boxes.append(_NOWHERE)
            self._line(line, parts)
            before = text
        if parts and parts[-1].endswith("\u00ad"):
            parts[-1], self.boxes[-1] = parts[-1][:-1], self.boxes[-1][:-1]
        return "".join(parts)

    def _line(self, line: Line, parts: list[str]) -> None:
        for number, run in enumerate(line.runs):
            if number and spaced(self._page, line.runs[number - 1], run):
                parts.append(" ")
                self.boxes.append(_NOWHERE)
            parts.append(self._page.text[run.start : run.end])
            self.boxes.append(self._page.boxes[run.start : run.end])
