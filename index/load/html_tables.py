"""Tables of web pages: cells in their columns, headers known by their marks or their looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from index.load import grid
from index.load.draft import Draft

_MOST_SPANNED = 200
_BLOCKS = {
    "p",
    "div",
    "ul",
    "ol",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "section",
    "article",
    "blockquote",
    "pre",
}
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_PARTING = _BLOCKS | {"br", "li", "tr", "td", "th", "dt", "dd"}
_LONG_CELL = 600
"""Characters of a cell beyond which a table is a layout rather than data."""


def is_layout(table: Any) -> bool:
    """Whether a table only arranges blocks on the page: its cells are read as the blocks that they hold."""
    if (table.get("role") or "").lower() in ("presentation", "none"):
        return True
    rows = list(_rows(table))
    if table.find("./caption") is not None or any(cell.tag == "th" for row in rows for cell in row):
        return False
    if max((len(row) for row in rows), default=0) < 2 or table.find(".//table") is not None:
        return True
    if next(table.iter(*_HEADINGS, "pre"), None) is not None:
        return True
    return any(len(cell_text(cell, set())) > _LONG_CELL for row in rows for cell in row)


def put(draft: Draft, table: Any, skipped: set[Any], name: str) -> None:
    """Row by row; a cell that spans rows or columns belongs to each of them. Elements in `skipped` are left out."""
    caption = table.find("./caption")
    if caption is not None:
        draft.paragraph(cell_text(caption, skipped))
    spanning: dict[int, tuple[int, str]] = {}  # column -> rows that are left, text
    rows: list[grid.Row] = []
    marked, keys = 0, False
    for row in _rows(table):
        cells, column = list[grid.Cell](), 0
        for cell in row:
            column = _over(spanning, cells, column)
            words = "" if cell in skipped else cell_text(cell, skipped)
            across, down = _span(cell, "colspan"), _span(cell, "rowspan")
            cells.append(grid.Cell(column, words, across))
            if down > 1:
                spanning[column] = (down - 1, words)
            column += across
        _over(spanning, cells, column, to_the_end=True)
        if marked == len(rows) and row and _is_header(row, cells):
            marked += 1
        keys = keys or [cell.tag for cell in row[:2]] == ["th", "td"]
        rows.append(cells)
    header = min(marked, 3) if marked < len(rows) else 0
    grid.put(draft, rows, name, header=header if header or (keys and not marked) else None)


def _is_header(row: list[Any], cells: list[grid.Cell]) -> bool:
    """Whether a row is marked as names of columns; the corner above the names of rows may be empty."""
    if row[0].getparent().getparent().tag == "thead":
        return True
    marked = all(cell.tag == "th" or not cell_text(cell, set()) for cell in row)
    return marked and any(cell.tag == "th" for cell in row) and len(cells) > 1


def _over(spanning: dict[int, tuple[int, str]], cells: list[grid.Cell], column: int, to_the_end: bool = False) -> int:
    """Put in the cells that come down from rows above; the column where the next one of this row stands."""
    while column in spanning or (to_the_end and any(other >= column for other in spanning)):
        if column in spanning:
            left, words = spanning.pop(column)
            cells.append(grid.Cell(column, words))
            if left > 1:
                spanning[column] = (left - 1, words)
                if to_the_end:
                    column += 1
                    continue
        column += 1
    return column


def _span(cell: Any, name: str) -> int:
    found = re.match(r"\s*(\d{1,4})", cell.get(name) or "")
    return min(max(1, int(found[1])), _MOST_SPANNED) if found else 1


def _rows(table: Any) -> Iterator[list[Any]]:
    """The rows of this table, not of tables inside."""
    for part in sorted(table, key=lambda part: part.tag == "tfoot"):
        if part.tag == "tr":
            yield [cell for cell in part if cell.tag in ("td", "th")]
        elif part.tag in ("thead", "tbody", "tfoot"):
            for row in part:
                if row.tag == "tr":
                    yield [cell for cell in row if cell.tag in ("td", "th")]


def cell_text(element: Any, skipped: set[Any]) -> str:
    """The words of an element in one line, a space where blocks meet."""
    if not len(element):
        return " ".join((element.text or "").split())
    words, walker = list[str](), etree.iterwalk(element, events=("start", "end", "comment", "pi"))
    for event, node in walker:
        if event in ("comment", "pi"):
            words.append(node.tail or "")
        elif event == "start":
            if node in skipped or node.tag in ("script", "style", "template"):
                walker.skip_subtree()
            else:
                words += [" " if node.tag in _PARTING else "", node.text or ""]
        elif node is not element:
            words += [" " if node.tag in _PARTING else "", node.tail or ""]
    return " ".join("".join(words).split())
