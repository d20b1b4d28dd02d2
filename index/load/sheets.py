"""Workbooks (.xlsx, .xlsm, .xltx): a heading for each sheet, its tables row by row, values as a person sees them.

Sheets are read as a stream and hold only the cells that say something, however many rows they declare.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from lxml import etree

from index.load import grid
from index.load.draft import Draft, Options
from index.load.number_format import BUILT_IN, shown
from index.load.package import RELATIONSHIP, Package, read_package
from index.load.refusals import MAX_CHARACTERS, damaged, no_text, too_long
from index.load.xml import SAFE
from index.types import Document

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_PLACE = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_MOST_CELLS = 3_000_000
_MOST_MERGED = 20_000
_MOST_REPEATED = 1000
_WIDEST = 16_384


class _Merged(NamedTuple):
    """Columns that the cell at the top left of a merged range covers, and its rows."""

    across: int
    down: int


def read(data: bytes, name: str, source: str, options: Options) -> Document:  # noqa: ARG001
    """The document's title is its core property, else `name`."""
    return read_package(data, name, source, MEDIA_TYPE, lambda package, draft: _Reader(package, draft).read())


class _Reader:
    def __init__(self, package: Package, draft: Draft) -> None:
        self._package = package
        self._draft = draft
        self._path = package.main("xl/workbook.xml")
        self._strings = self._shared_strings()
        self._formats = self._number_formats()
        self._since_1904 = False
        self._cells = 0
        self._characters = 0
        self._without_result = 0

    def read(self) -> None:
        root = self._package.xml(self._path)
        if root is None:
            raise damaged(self._package.name, "it lists no sheets")
        properties = root.find(f"{S}workbookPr")
        self._since_1904 = properties is not None and properties.get("date1904") in ("1", "true")
        relations = self._package.relations(self._path)
        hidden, before = [], self._draft.tables
        for sheet in root.iterfind(f"{S}sheets/{S}sheet"):
            title = sheet.get("name", "")
            relation = relations.get(sheet.get(f"{RELATIONSHIP}id", ""))
            part = self._package.part(relation.target) if relation and relation.kind == "worksheet" else None
            if part is not None and self._put(title, part) and sheet.get("state", "visible") != "visible":
                hidden.append(title)
        if not self._characters and before == self._draft.tables:
            raise no_text(self._package.name)
        if hidden:
            self._draft.warnings.append(f"Hidden sheets were read too: {', '.join(hidden)[:300]}.")
        if self._without_result:
            self._draft.warnings.append(
                f"{self._without_result} formulas have no stored result: open the file in its program and save it."
            )

    def _put(self, title: str, part: bytes) -> bool:
        """Add a sheet, if it holds anything."""
        merged, rows = _merged(part, self._package.name), dict[int, dict[int, str]]()
        for number, cells in self._rows(part):
            if cells:
                rows.setdefault(number, {}).update(cells)
        self._fill_down(rows, merged)
        if not rows:
            return False
        self._draft.heading(title or "Sheet", 1)
        names: grid.Names = {}
        for block in _blocks(rows, merged):
            table = [_spread(number, rows, merged) for number in block]
            if all(len(row) <= 1 for row in table):
                for row in table:
                    self._draft.paragraph(row[0].text if row else "")
            else:
                names = grid.put(self._draft, table, self._package.name, before=names)
        return True

    def _rows(self, part: bytes) -> Iterator[tuple[int, dict[int, str]]]:
        """Each row's number, and the text of its cells by column, both from 1."""
        number, column, found = 0, 0, dict[int, str]()
        for element in _stream(part, self._package.name, f"{S}c", f"{S}row"):
            if element.tag == f"{S}c":
                place = _PLACE.fullmatch(element.get("r", ""))
                column = _column(place[1]) if place else column + 1
                words = self._words(element)
                if words and column <= _WIDEST:
                    found[column] = words
                    self._count(words)
            else:
                given = element.get("r", "")
                number = int(given) if given.isdecimal() and len(given) < 9 else number + 1
                yield number, found
                found, column = {}, 0
            _forget(element)

    def _fill_down(self, rows: dict[int, dict[int, str]], merged: dict[tuple[int, int], _Merged]) -> None:
        """A cell over several rows stands in each of them that holds something else."""
        for (row, column), one in merged.items():
            words = rows.get(row, {}).get(column, "")
            for below in range(row + 1, row + min(one.down, _MOST_REPEATED)) if words else ():
                if below in rows and column not in rows[below]:
                    rows[below][column] = words
                    self._count(words)

    def _count(self, words: str) -> None:
        self._cells += 1
        self._characters += len(words)
        if self._cells > _MOST_CELLS or self._characters > MAX_CHARACTERS:
            raise too_long(self._package.name)

    def _words(self, cell: etree._Element) -> str:
        """A cell as it is shown; a formula by the result stored with it."""
        kind: str = cell.get("t", "n")
        value: str = cell.findtext(f"{S}v", "")
        if kind == "inlineStr":
            inline = cell.find(f"{S}is")
            return "" if inline is None else _rich(inline)
        if not value:
            self._without_result += cell.find(f"{S}f") is not None
            return ""
        if kind == "s":
            index = int(value) if value.isdecimal() and len(value) < 10 else -1
            return self._strings[index] if 0 <= index < len(self._strings) else ""
        if kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        if kind == "d":
            return value.removesuffix("T00:00:00").removesuffix("T00:00:00Z").replace("T", " ")
        if kind == "n":
            style = cell.get("s", "")
            code = self._formats.get(int(style) if style.isdecimal() and len(style) < 7 else 0, "General")
            return shown(value, code, since_1904=self._since_1904)
        return _unescaped(value)

    def _shared_strings(self) -> list[str]:
        path = self._package.related(self._path, "sharedStrings") or "xl/sharedStrings.xml"
        part = self._package.part(path)
        strings = []
        for element in _stream(part, self._package.name, f"{S}si") if part else ():
            strings.append(_rich(element))
            _forget(element)
        return strings

    def _number_formats(self) -> dict[int, str]:
        """The number format of each cell style."""
        root = self._package.xml(self._package.related(self._path, "styles") or "xl/styles.xml")
        if root is None:
            return {}
        codes: dict[str, str] = {str(key): code for key, code in BUILT_IN.items()}
        for one in root.iterfind(f"{S}numFmts/{S}numFmt"):
            codes[one.get("numFmtId", "")] = one.get("formatCode", "")
        styles = root.iterfind(f"{S}cellXfs/{S}xf")
        return {number: codes.get(style.get("numFmtId", ""), "General") for number, style in enumerate(styles)}


def _stream(part: bytes, name: str, *tags: str) -> Iterator[etree._Element]:
    """The elements of these names as they end. Raises DocumentError where the XML is broken."""
    try:
        for _, element in etree.iterparse(io.BytesIO(part), events=("end",), tag=tags, **SAFE):
            yield element
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise damaged(name, error) from error


def _forget(element: etree._Element) -> None:
    """Give back the memory of an element that has been read, and of those before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _merged(part: bytes, name: str) -> dict[tuple[int, int], _Merged]:
    """The merged ranges by the row and column of their first cell."""
    found: dict[tuple[int, int], _Merged] = {}
    if b"mergeCell" not in part:
        return found
    for element in _stream(part, name, f"{S}mergeCell"):
        first, _, last = element.get("ref", "").partition(":")
        start, end = _PLACE.fullmatch(first), _PLACE.fullmatch(last)
        if start and end and len(found) < _MOST_MERGED:
            column, row = _column(start[1]), int(start[2])
            found[row, column] = _Merged(
                max(1, min(_column(end[1]) - column + 1, _WIDEST)), max(1, int(end[2]) - row + 1)
            )
        _forget(element)
    return found


def _blocks(rows: dict[int, dict[int, str]], merged: dict[tuple[int, int], _Merged]) -> Iterator[list[int]]:
    """Rows that follow each other without a blank one between, by number."""
    numbers = sorted(rows)
    covered = {row + step for (row, _), one in merged.items() for step in range(min(one.down, 100))}
    block = numbers[:1]
    for last, number in pairwise(numbers):
        if number - last > 1 and not all(between in covered for between in range(last + 1, min(number, last + 100))):
            yield block
            block = []
        block.append(number)
    yield block


def _spread(number: int, rows: dict[int, dict[int, str]], merged: dict[tuple[int, int], _Merged]) -> list[grid.Cell]:
    """The cells of a row with the columns that they span."""
    return [
        grid.Cell(column, words, merged.get((number, column), _Merged(1, 1)).across)
        for column, words in sorted(rows[number].items())
    ]


def _column(letters: str) -> int:
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - 64
    return column


def _rich(element: etree._Element) -> str:
    """A string's runs together, without the readings (furigana) that may stand beside them."""
    runs = (one.text or "" for one in element.iter(f"{S}t") if one.getparent().tag != f"{S}rPh")
    return _unescaped("".join(runs))


def _unescaped(words: str) -> str:
    """Characters that XML cannot hold are written as _x000D_."""
    if "_x" not in words:
        return words
    return _ESCAPED.sub(lambda match: "" if 0xD800 <= int(match[1], 16) < 0xE000 else chr(int(match[1], 16)), words)
