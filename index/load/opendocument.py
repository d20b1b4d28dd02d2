"""OpenDocument text (.odt, .ott): headings, lists with their numbers, tables, notes, in reading order.

Deleted text of tracked changes, comments, page headers and footers, and tables of contents are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from index.errors import DocumentError
from index.load import grid
from index.load.archive import Archive
from index.load.draft import Draft, Options
from index.load.numerals import numeral
from index.load.opendocument_walk import (
    BLOCKS,
    DRAW,
    LEFT_OUT,
    OFFICE,
    STYLE,
    TABLE,
    TEXT,
    blocks,
    integer,
    items,
    own_text,
    rows_of,
)
from index.load.package import facts, local, parse, refuse_entities
from index.load.refusals import damaged, no_text, too_deep
from index.types import Document

MEDIA_TYPE = "application/vnd.oasis.opendocument.text"
_FACTS = {
    "title": "title",
    "subject": "subject",
    "keyword": "keywords",
    "initial-creator": "author",
    "creator": "author",
    "creation-date": "created",
    "date": "modified",
    "language": "language",
}
_CHARACTERS = {f"{TEXT}s": " ", f"{TEXT}tab": "\t", f"{TEXT}line-break": "\n"}
_LONGEST_HEADING = 200
_MOST_REPEATED = 256
"""Times that a cell or row is repeated, whatever its file says."""
_LONGEST_REPEATED = 300


@dataclass(frozen=True, slots=True)
class _Level:
    """How one level of a list is numbered: `kind` is "1", "a", "i" and the like, "" for bullets."""

    kind: str
    before: str
    after: str
    shown: int
    start: int


@dataclass(slots=True)
class _Words:
    """A paragraph's text, and the boxes and tables anchored in it."""

    text: str = ""
    boxes: list[etree._Element] = field(default_factory=list)


def read(data: bytes, name: str, source: str, options: Options) -> Document:  # noqa: ARG001
    """The document's title is its metadata's, else its title paragraph, else its first heading, else `name`."""
    draft = Draft()
    archive = Archive(data, name)
    _refuse_encrypted(archive, name)
    parts = {part: _part(archive, f"{part}.xml", name, draft) for part in ("meta", "styles", "content")}
    content = parts["content"]
    if content is None:
        raise damaged(name, "it has no content")
    meta = parts["meta"]
    if meta is not None:
        draft_facts: dict[str, str] = {}
        for one in meta.iterfind(f"{OFFICE}meta/*"):
            words = " ".join("".join(one.itertext()).split())
            if local(one) in _FACTS and words:
                draft_facts.setdefault(_FACTS[local(one)], words)
        facts(draft, draft_facts)
    try:
        _Reader(draft, name, [root for root in (parts["styles"], content) if root is not None]).read(content)
    except RecursionError as error:
        raise too_deep(name) from error
    return draft.done(name=name, source=source, media_type=MEDIA_TYPE)


class _Reader:
    def __init__(self, draft: Draft, name: str, roots: list[etree._Element]) -> None:
        self._draft = draft
        self._name = name
        self._parents: dict[str, str] = {}
        self._list_of: dict[str, str] = {}
        self._levels: dict[str, dict[int, _Level]] = {}
        self._counts: dict[str, dict[int, int]] = {}
        self._lists: dict[str, str] = {}  # by xml:id, the style of a list that others may continue
        self._notes: list[tuple[str, str, etree._Element]] = []
        self._titles = {"title": "", "heading": ""}
        for root in roots:
            for one in root.iter(f"{STYLE}style"):
                if one.get(f"{STYLE}family") == "paragraph":
                    key = one.get(f"{STYLE}name", "")
                    self._parents[key] = one.get(f"{STYLE}parent-style-name", "")
                    self._list_of[key] = one.get(f"{STYLE}list-style-name", "")
            for one in root.iter(f"{TEXT}list-style", f"{TEXT}outline-style"):
                key = "" if local(one) == "outline-style" else one.get(f"{STYLE}name", "")
                self._levels[key] = {
                    integer(level.get(f"{TEXT}level"), 1): _level(level) for level in one if local(level)
                }

    def read(self, root: etree._Element) -> None:
        body = root.find(f"{OFFICE}body/{OFFICE}text")
        if body is None:
            raise damaged(self._name, "it has no text body")
        self._put(body)
        for kind, heading in (("footnote", "Footnotes"), ("endnote", "Endnotes")):
            self._put_notes(kind, heading)
        self._draft.title = self._draft.title or self._titles["title"] or self._titles["heading"]
        if not len(self._draft):
            raise no_text(self._name)

    def _put(self, parent: etree._Element) -> None:
        for block in blocks(parent):
            if block.tag == f"{TABLE}table":
                self._put_table(block)
            elif block.tag in (f"{TEXT}list", f"{TEXT}numbered-paragraph"):
                self._put_list(block)
            else:
                self._put_paragraph(block)

    def _put_paragraph(self, element: etree._Element, item: tuple[int, str] | None = None) -> None:
        """`item` is the depth and marker of a list's first paragraph."""
        words = self._inline(element)
        said = " ".join(words.text.split())
        level = integer(element.get(f"{TEXT}outline-level"), 1) if element.tag == f"{TEXT}h" else 0
        if said and self._is_title(element.get(f"{TEXT}style-name", "")) and len(said) <= _LONGEST_HEADING:
            self._titles["title"] = self._titles["title"] or said
            self._draft.heading(said, 1)
        elif said and level and len(said) <= _LONGEST_HEADING:
            if level == 1:
                self._titles["heading"] = self._titles["heading"] or said
            marker = item[1] if item and item[1] != "-" else "" if item else self._count("", level)
            self._draft.heading(f"{marker} {said}", min(level, 9))
        elif item:
            self._draft.item(words.text, item[0], item[1])
        else:
            self._draft.paragraph(words.text)
        for box in words.boxes:
            self._put(box)

    def _put_list(self, top: etree._Element) -> None:
        style = self._style_of(top)
        for element, depth, first in items(top):
            if element.tag == f"{TABLE}table":
                self._put_table(element)
            else:
                marker = self._count(style, depth + 1) or "-" if first else ""
                self._put_paragraph(element, (depth, marker) if marker else None)

    def _style_of(self, top: etree._Element) -> str:
        """The style of a list, by its name, by the list that it continues, or by that of its first paragraph.

        A list that does not say that it continues another is counted anew.
        """
        continued = self._lists.get(top.get(f"{TEXT}continue-list", ""), "")
        style: str = top.get(f"{TEXT}style-name", "") or continued
        if not style:
            paragraph = next(top.iter(f"{TEXT}p"), None)
            for name in self._chain("" if paragraph is None else paragraph.get(f"{TEXT}style-name", "")):
                style = style or self._list_of.get(name, "")
        self._lists[top.get("{http://www.w3.org/XML/1998/namespace}id", "")] = style
        goes_on = continued or top.get(f"{TEXT}continue-numbering") == "true"
        if style and not goes_on and local(top) == "list":
            self._counts.pop(style, None)
        return style

    def _count(self, style: str, level: int) -> str:
        """The printed number of one more item at a level, 1 the outermost; "" where it has none."""
        levels = self._levels.get(style, {})
        this = levels.get(level)
        counts = self._counts.setdefault(style, {})
        counts[level] = counts.get(level, (this.start if this else 1) - 1) + 1
        for deeper in [one for one in counts if one > level]:
            del counts[deeper]
        if this is None or not this.kind:
            return ""
        above = range(max(1, level - this.shown + 1), level + 1)
        numbers = (numeral(counts.get(one, 1), levels[one].kind) for one in above if one in levels)
        return f"{this.before}{'.'.join(number for number in numbers if number)}{this.after}".strip()

    def _chain(self, style: str) -> list[str]:
        names: list[str] = []
        while style and style not in names and len(names) < 50:
            names.append(style)
            style = self._parents.get(style, "")
        return names

    def _is_title(self, style: str) -> bool:
        return next((name for name in self._chain(style) if name in ("Title", "Subtitle")), "") == "Title"

    def _inline(self, paragraph: etree._Element) -> _Words:
        """The words of a paragraph; notes are kept for the end."""
        found, words = _Words(), [paragraph.text or ""]
        stack = [(iter(paragraph), "")]
        while stack:
            element = next(stack[-1][0], None)
            if element is None:
                words.append(stack.pop()[1])
                continue
            tail = element.tail or ""
            if element.tag in LEFT_OUT or not local(element):
                words.append(tail)
            elif element.tag == f"{TEXT}note":
                words.append(self._note(element) + tail)
            elif element.tag == f"{DRAW}text-box" or element.tag in BLOCKS:
                found.boxes.append(element)
                words.append(tail)
            else:
                words.append(_CHARACTERS.get(element.tag, "") + own_text(element))
                stack.append((iter(element), tail))
        found.text = "".join(words)
        return found

    def _note(self, note: etree._Element) -> str:
        """A mark in the text; marks are numbers where the note has no label that fits."""
        label = " ".join(note.findtext(f"{TEXT}note-citation", "").split())[:10] or str(len(self._notes) + 1)
        body = note.find(f"{TEXT}note-body")
        if body is not None:
            self._notes.append((note.get(f"{TEXT}note-class", "footnote"), label, body))
        return f"[{label}]"

    def _put_notes(self, kind: str, heading: str) -> None:
        notes = [(label, self._cell(body)[0]) for one, label, body in list(self._notes) if one == kind]
        if any(words.strip() for _, words in notes):
            self._draft.heading(heading, 1)
            for label, words in notes:
                self._draft.item(words, 0, f"[{label}]")

    def _put_table(self, table: etree._Element) -> None:
        rows = [(row, marked) for row, marked in rows_of(table)]
        nested: list[etree._Element] = []
        grid_rows = list(self._grid([row for row, _ in rows], nested))
        marked = 0
        while marked < len(rows) and rows[marked][1]:
            marked += 1
        if sum(1 for row in grid_rows for cell in row if cell.text.strip()) == 1:
            for row, _ in rows:  # a frame around text
                for cell in row.iterfind(f"{TABLE}table-cell"):
                    self._put(cell)
            return
        grid.put(self._draft, grid_rows, self._name, header=marked or None)
        for one in nested:
            self._put_table(one)

    def _grid(self, rows: list[etree._Element], nested: list[etree._Element]) -> Iterator[list[grid.Cell]]:
        """A cell over several rows stands in each of them; tables inside are added to `nested`."""
        above: dict[int, tuple[int, str]] = {}
        for row in rows:
            column, cells, fresh = 0, list[grid.Cell](), False
            for cell in row.iterfind("*"):
                if local(cell) not in ("table-cell", "covered-table-cell"):
                    continue
                across = min(max(1, integer(cell.get(f"{TABLE}number-columns-spanned"), 1)), _MOST_REPEATED)
                left, words = above.get(column, (0, ""))
                if local(cell) == "table-cell":
                    words, inside = self._cell(cell)
                    nested += inside
                    left, fresh = integer(cell.get(f"{TABLE}number-rows-spanned"), 1), fresh or bool(words.strip())
                elif left <= 0:
                    words = ""
                above[column] = left - 1, words if len(words) <= _LONGEST_REPEATED else ""
                repeated = max(1, integer(cell.get(f"{TABLE}number-columns-repeated"), 1))
                for step in range(min(repeated, _MOST_REPEATED) if words else 0):
                    cells.append(grid.Cell(column + step, words, across))
                column += repeated
            times = min(max(1, integer(row.get(f"{TABLE}number-rows-repeated"), 1)), _MOST_REPEATED)
            for _ in range(times if fresh else 0):
                yield cells

    def _cell(self, cell: etree._Element) -> tuple[str, list[etree._Element]]:
        """The words of a cell or note, and the tables in it."""
        lines, nested = list[str](), list[etree._Element]()
        waiting = [blocks(cell)]
        while waiting:
            block = next(waiting[-1], None)
            if block is None:
                waiting.pop()
            elif block.tag == f"{TABLE}table":
                nested.append(block)
            elif block.tag in (f"{TEXT}list", f"{TEXT}numbered-paragraph"):
                style = self._style_of(block)
                for element, depth, first in items(block):
                    if element.tag == f"{TABLE}table":
                        nested.append(element)
                    elif first:
                        lines.append(f"{self._count(style, depth + 1) or '-'} {self._inline(element).text}")
                    else:
                        lines.append(self._inline(element).text)
            else:
                words = self._inline(block)
                lines.append(words.text)
                waiting += [blocks(box) for box in reversed(words.boxes)]
        lines = [line for line in lines if line.strip()]
        return "\n".join(lines if len(lines) > 1 else (line.removeprefix("- ") for line in lines)), nested


def _refuse_encrypted(archive: Archive, name: str) -> None:
    manifest = archive.read("META-INF/manifest.xml") if "META-INF/manifest.xml" in archive.names else b""
    if b"encryption-data" in manifest or "encrypted-package" in archive.names:
        raise DocumentError(f"{name} is encrypted with a password", "Open it in its program and save it without.")


def _part(archive: Archive, part: str, name: str, draft: Draft) -> etree._Element | None:
    if part not in archive.names:
        return None
    data = archive.read(part)
    refuse_entities(data, name)
    return parse(data, name, draft)


def _level(element: etree._Element) -> _Level:
    return _Level(
        kind=element.get(f"{STYLE}num-format", "") if local(element) != "list-level-style-bullet" else "",
        before=element.get(f"{STYLE}num-prefix", ""),
        after=element.get(f"{STYLE}num-suffix", ""),
        shown=integer(element.get(f"{TEXT}display-levels"), 1),
        start=integer(element.get(f"{TEXT}start-value"), 1),
    )
