"""Word documents (.docx, .docm, .dotx) in reading order: headings, lists with their numbers, tables, notes.

Inserted text of tracked changes is read, deleted text is not; neither are comments, page headers and footers, tables of
contents, and hidden text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from index.load import drawing, grid
from index.load.draft import Draft, Options
from index.load.package import Package, local, read_package, understood
from index.load.refusals import damaged
from index.load.word_styles import Numbering, Place, Styles, W, number, switched, value
from index.types import Document

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_LONGEST_HEADING = 200
"""Characters; what is longer is a paragraph that merely looks like a heading."""
_LONGEST_REPEATED = 300
"""Characters of a cell over several rows that are repeated in each of them."""
_LEFT_OUT = {f"{W}{name}" for name in "del moveFrom delText instrText pPr rPr sdtPr rt commentReference".split()}
_CHARACTERS = {
    f"{W}tab": "\t",
    f"{W}ptab": "\t",
    f"{W}br": "\n",
    f"{W}cr": "\n",
    f"{W}noBreakHyphen": "-",
    f"{_MATH}den": "/",
    f"{_MATH}sup": "^",
    f"{_MATH}sub": "_",
}
"""What an element puts in front of the text in it, if any."""
_SYMBOLS = {"F0FC": "✓", "F0FE": "☒", "F0A8": "☐", "F06F": "☐", "F0E0": "→", "F0B7": "•"}
"""Of the fonts Symbol and Wingdings, those that carry meaning in a text."""


@dataclass(frozen=True, slots=True)
class _Paragraph:
    words: str
    kind: Literal["title", "heading", "item", "text"]
    level: int = 0
    marker: str = ""
    boxes: tuple[etree._Element, ...] = ()
    """Text boxes, and graphics that may be charts, anchored in the paragraph."""


def read(data: bytes, name: str, source: str, options: Options) -> Document:  # noqa: ARG001
    """The document's title is its core property, else its title paragraph, else its first heading, else `name`."""
    return read_package(data, name, source, MEDIA_TYPE, lambda package, draft: _Reader(package, draft).read())


class _Reader:
    def __init__(self, package: Package, draft: Draft) -> None:
        self._package = package
        self._draft = draft
        self._path = package.main("word/document.xml")
        self._styles = Styles(self._part("styles"))
        self._numbering = Numbering(self._part("numbering"), self._styles)
        self._notes: dict[str, list[tuple[int, str]]] = {"footnote": [], "endnote": []}
        self._title = ""
        self._first_heading = ""

    def read(self) -> None:
        root = self._package.xml(self._path)
        body = None if root is None else root.find(f"{W}body")
        if body is None:
            raise damaged(self._package.name, "it has no body")
        self._put(body)
        self._put_notes("footnote", "Footnotes")
        self._put_notes("endnote", "Endnotes")
        self._draft.title = self._draft.title or self._title or self._first_heading

    def _part(self, kind: str) -> etree._Element | None:
        return self._package.xml(self._package.related(self._path, kind) or f"word/{kind}.xml")

    def _put(self, parent: etree._Element) -> None:
        for block in _blocks(parent):
            if block.tag == f"{W}tbl":
                self._put_table(block)
            else:
                self._put_paragraph(self._paragraph(block))

    def _put_paragraph(self, paragraph: _Paragraph) -> None:
        draft, words = self._draft, paragraph.words
        if paragraph.kind == "title":
            self._title = self._title or " ".join(words.split())
            draft.heading(words, 1)
        elif paragraph.kind == "heading":
            if paragraph.level == 1:
                self._first_heading = self._first_heading or " ".join(words.split())
            draft.heading(f"{paragraph.marker} {words}", paragraph.level)
        elif paragraph.kind == "item":
            draft.item(words, paragraph.level, paragraph.marker or "-")
        else:
            draft.paragraph(words)
        for box in paragraph.boxes:
            if box.tag == f"{W}txbxContent":
                self._put(box)
            else:
                drawing.put(draft, self._package, self._path, box)

    def _put_notes(self, kind: str, heading: str) -> None:
        """The notes that the text refers to, in its order."""
        root = self._part(f"{kind}s") if self._notes[kind] else None
        notes = {one.get(f"{W}id"): one for one in root.iterfind(f"{W}{kind}")} if root is not None else {}
        found = [(number, notes[key]) for number, key in self._notes[kind] if key in notes]
        texts = [(number, self._cell(note)[0]) for number, note in found]
        if any(words.strip() for _, words in texts):
            self._draft.heading(heading, 1)
            for count, words in texts:
                self._draft.item(words, 0, f"[{count}]")

    def _paragraph(self, element: etree._Element) -> _Paragraph:
        words, boxes = self._inline(element)
        properties = element.find(f"{W}pPr")
        style = self._styles.default if properties is None else value(properties, "pStyle") or self._styles.default
        if self._styles.hidden(style) or self._styles.is_contents(style):
            return _Paragraph("", "text")
        place = self._place(properties, style, counted=bool(words.strip() or boxes))
        outline = None if properties is None else number(value(properties, "outlineLvl"))
        level = self._styles.heading_level(style) if outline is None else (outline + 1 if 0 <= outline < 9 else 0)
        short = bool(words.strip()) and len(words) <= _LONGEST_HEADING
        if short and self._styles.is_title(style):
            return _Paragraph(words, "title", boxes=boxes)
        if short and level:
            return _Paragraph(words, "heading", level, place.marker if place else "", boxes)
        if place:
            return _Paragraph(words, "item", place.depth, place.marker, boxes)
        return _Paragraph(words, "text", boxes=boxes)

    def _place(self, properties: etree._Element | None, style: str, *, counted: bool) -> Place | None:
        """The place in a list that the paragraph says itself, or its style does; an empty one is not counted."""
        own = "" if properties is None else value(properties, "numPr/numId")
        level = None if properties is None else number(value(properties, "numPr/ilvl"))
        given = self._styles.numbering(style)
        key = own or (given[0] if given else "")
        depth = self._styles.list_depth(style)
        if key == "0" or not counted:
            return None
        if level is None and given:
            level = given[1]
        place = self._numbering.place(key, level, style) if key else None
        if place and depth and not place.depth:
            place = Place(depth, place.marker)
        return place or (Place(depth, "") if depth is not None and not key else None)

    def _inline(self, paragraph: etree._Element) -> tuple[str, tuple[etree._Element, ...]]:
        """The words of a paragraph, and the boxes anchored in it."""
        words: list[str] = []
        boxes: list[etree._Element] = []
        fields: list[bool] = []  # of each field that is open: have its codes ended, so that its result is read?
        stack = [iter(paragraph)]
        while stack:
            element = next(stack[-1], None)
            if element is None:
                stack.pop()
                continue
            tag = element.tag
            if tag == f"{W}fldChar":
                _enter_field(fields, element.get(f"{W}fldCharType", ""))
            elif tag in _LEFT_OUT or _is_hidden(element):
                continue
            elif tag == f"{W}txbxContent":
                boxes.append(element)
            elif local(element) == "AlternateContent":
                stack.append(understood(element))
            else:
                if tag == f"{W}drawing":
                    boxes.append(element)
                if all(fields):
                    words.append(self._said(element))
                stack.append(iter(element))
        return "".join(words), tuple(box for box in boxes if box.tag != f"{W}drawing" or _holds_graphic(box))

    def _said(self, element: etree._Element) -> str:
        tag = element.tag
        if tag in (f"{W}t", f"{_MATH}t"):
            return element.text or ""
        if tag in (f"{W}footnoteReference", f"{W}endnoteReference"):
            kind = local(element).removesuffix("Reference")
            count = sum(map(len, self._notes.values())) + 1
            self._notes[kind].append((count, element.get(f"{W}id", "")))
            return f"[{count}]"
        if tag == f"{W}sym":
            code = element.get(f"{W}char", "").upper()
            return _SYMBOLS.get(code, "")
        return _CHARACTERS.get(tag, "")

    def _put_table(self, table: etree._Element) -> None:
        rows = [row for row in _inside(table, "tr") if row.find(f"{W}trPr/{W}del") is None]
        cells = [list(_inside(row, "tc")) for row in rows]
        if sum(map(len, cells)) == 1 or any(self._holds_heading(cell) for row in cells for cell in row):
            for cell in (cell for row in cells for cell in row):  # a frame around text, or columns of a page
                self._put(cell)
            return
        nested: list[etree._Element] = []
        grid.put(self._draft, list(self._rows(rows, cells, nested)), self._package.name, self._headers(table, rows))
        for one in nested:
            if one.tag == f"{W}tbl":
                self._put_table(one)
            else:
                drawing.put(self._draft, self._package, self._path, one)

    def _rows(
        self, rows: list[etree._Element], cells: list[list[etree._Element]], nested: list[etree._Element]
    ) -> Iterator[list[grid.Cell]]:
        """A cell over several rows stands in each of them; graphics and tables inside are added to `nested`."""
        above: dict[int, str] = {}
        for row, its_cells in zip(rows, cells, strict=True):
            column, found, fresh = number(value(row, "trPr/gridBefore")) or 0, [], False
            for cell in its_cells:
                across = min(max(1, number(value(cell, "tcPr/gridSpan")) or 1), 1000)
                merge = cell.find(f"{W}tcPr/{W}vMerge")
                covered = value(cell, "tcPr/hMerge") == "continue"
                if merge is not None and merge.get(f"{W}val", "continue") == "continue":
                    words = above.get(column, "")
                    words = words if len(words) <= _LONGEST_REPEATED else ""
                elif covered or cell.find(f"{W}tcPr/{W}cellDel") is not None:
                    words = ""
                else:
                    words, inside = self._cell(cell)
                    nested += inside
                    fresh = fresh or bool(words)
                above[column] = words
                found.append(grid.Cell(column, words, across))
                column += across
            yield found if fresh else []

    def _cell(self, cell: etree._Element) -> tuple[str, list[etree._Element]]:
        """The words of a cell or note, and the tables and graphics in it."""
        paragraphs: list[_Paragraph] = []
        nested: list[etree._Element] = []
        waiting = [_blocks(cell)]
        while waiting:
            block = next(waiting[-1], None)
            if block is None:
                waiting.pop()
            elif block.tag == f"{W}tbl":
                nested.append(block)
            else:
                paragraph = self._paragraph(block)
                paragraphs.append(paragraph)
                waiting += [_blocks(box) for box in reversed(paragraph.boxes) if box.tag == f"{W}txbxContent"]
                nested += [box for box in paragraph.boxes if box.tag != f"{W}txbxContent"]
        several = sum(1 for one in paragraphs if one.words.strip()) > 1
        marks = [one.marker or ("-" if one.kind == "item" and several else "") for one in paragraphs]
        lines = (f"{mark} {one.words}".strip() for mark, one in zip(marks, paragraphs, strict=True) if one.words)
        return "\n".join(lines), nested

    def _holds_heading(self, cell: etree._Element) -> bool:
        for block in _blocks(cell):
            style = value(block, "pPr/pStyle") if block.tag == f"{W}p" else ""
            if style and (self._styles.heading_level(style) or self._styles.is_title(style)) and any(_texts(block)):
                return True
        return False

    def _headers(self, table: etree._Element, rows: list[etree._Element]) -> int | None:
        """How many rows are headers, as far as the table says: by a mark, by bold type, by its style."""
        marked = 0
        while marked < len(rows) and switched(rows[marked].find(f"{W}trPr/{W}tblHeader")):
            marked += 1
        if marked:
            return marked
        if len(rows) < 2:
            return 0
        first, second = (list(_inside(row, "tc")) for row in rows[:2])
        if len(first) > 1 and all(map(_is_bold, first)) and not all(map(_is_bold, second)):
            return 1
        if len(first) > 1 and _is_bold(first[0]) and not any(map(_is_bold, first[1:])) and _is_bold(second[0]):
            return 0
        look = table.find(f"{W}tblPr/{W}tblLook")
        mask = "" if look is None else look.get(f"{W}val", "")
        shown = look is not None and (
            look.get(f"{W}firstRow", "") in ("1", "true", "on")
            or (look.get(f"{W}firstRow") is None and len(mask) == 4 and mask[2:3].upper() in set("2367ABEF"))
        )
        style = self._styles.chain(value(table, "tblPr/tblStyle"))
        words = ["".join(_texts(cell)).strip() for cell in first]
        named = len(words) > 1 and all(words) and not any(map(grid.is_value, words))
        return 1 if shown and named and any(one.first_row for one in style) else None


def _blocks(parent: etree._Element) -> Iterator[etree._Element]:
    """The paragraphs and tables in order, those inside content controls and tracked insertions too."""
    stack = [iter(parent)]
    while stack:
        element = next(stack[-1], None)
        if element is None:
            stack.pop()
        elif element.tag in (f"{W}p", f"{W}tbl"):
            yield element
        elif local(element) == "AlternateContent":
            stack.append(understood(element))
        elif element.tag not in _LEFT_OUT and not _is_hidden(element):
            stack.append(iter(element))


def _inside(parent: etree._Element, kind: Literal["tr", "tc"]) -> Iterator[etree._Element]:
    """Rows of a table, or cells of a row, but not those of tables inside."""
    stack = [iter(parent)]
    while stack:
        element = next(stack[-1], None)
        if element is None:
            stack.pop()
        elif element.tag == f"{W}{kind}":
            yield element
        elif element.tag not in _LEFT_OUT | {f"{W}p", f"{W}tbl"}:
            stack.append(iter(element))


def _is_hidden(element: etree._Element) -> bool:
    """Hidden runs, and content controls that show but what to fill in, or a table of contents."""
    if element.tag == f"{W}r":
        return switched(element.find(f"{W}rPr/{W}vanish"))
    if element.tag != f"{W}sdt":
        return False
    return (
        switched(element.find(f"{W}sdtPr/{W}showingPlcHdr"))
        or value(element, "sdtPr/docPartObj/docPartGallery") == "Table of Contents"
    )


def _enter_field(fields: list[bool], kind: str) -> None:
    """A field begins with its codes, which end where its result is parted from them."""
    if kind == "begin":
        fields.append(False)
    elif kind == "separate" and fields:
        fields[-1] = True
    elif kind == "end" and fields:
        fields.pop()


def _holds_graphic(element: etree._Element) -> bool:
    return any(one.get("uri", "").endswith(("/chart", "/diagram")) for one in element.iter(f"{drawing.A}graphicData"))


def _texts(element: etree._Element) -> Iterator[str]:
    return (one.text for one in element.iter(f"{W}t") if one.text and one.text.strip())


def _is_bold(cell: etree._Element) -> bool:
    runs = [run for run in cell.iter(f"{W}r") if any(_texts(run))]
    return bool(runs) and all(switched(run.find(f"{W}rPr/{W}b")) for run in runs)
