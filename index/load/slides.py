"""Presentations (.pptx, .pptm, .ppsx): a heading for each slide, its shapes as they stand, its notes below it.

Slide numbers, dates and footers are left out; hidden slides are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from index.load import drawing, grid
from index.load.draft import Draft, Options
from index.load.drawing import A
from index.load.numerals import numeral
from index.load.package import RELATIONSHIP, Package, local, read_package, understood
from index.load.refusals import damaged, no_text
from index.types import Document

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_SHAPES = {"sp", "grpSp", "graphicFrame", "pic", "cxnSp"}
_TITLES = {"title", "ctrTitle"}
_FURNITURE = {"sldNum", "dt", "ftr", "hdr", "sldImg"}
_BULLETED = {"", "body", "obj"}
"""Placeholders whose paragraphs are items of a list, unless they say otherwise."""
_BULLETS = {"buNone", "buChar", "buAutoNum", "buBlip"}
_KINDS = {"alphaLc": "a", "alphaUc": "A", "romanLc": "i", "romanUc": "I"}
_ROW_HEIGHT = 300_000
"""English metric units (914,400 an inch) by which the tops of shapes that stand side by side may differ."""


@dataclass(frozen=True, slots=True)
class _Slide:
    """A slide's part in the package, and the placeholders that its layout, and behind it its master, describe."""

    path: str
    root: etree._Element
    behind: tuple[etree._Element, ...]


def read(data: bytes, name: str, source: str, options: Options) -> Document:  # noqa: ARG001
    """The document's title is its core property, else the title of its first slide that has one, else `name`."""
    return read_package(data, name, source, MEDIA_TYPE, lambda package, draft: _Reader(package, draft).read())


class _Reader:
    def __init__(self, package: Package, draft: Draft) -> None:
        self._package = package
        self._draft = draft
        self._parts: dict[str, etree._Element | None] = {}

    def read(self) -> None:
        empty, characters = [], 0
        paths = self._slides()
        for number, path in enumerate(paths, 1):
            root = self._package.xml(path)
            if root is None:
                self._draft.warnings.append(f"Slide {number} is missing from the file.")
                continue
            slide = _Slide(path, root, self._behind(path))
            shapes = self._in_order(slide)
            title = next((one for one in shapes if _placeholder(one)[0] in _TITLES), None)
            words = "" if title is None else " ".join(" ".join(drawing.words(title)).split())
            self._draft.title = self._draft.title or words[:300]
            self._draft.heading(f"Slide {number}: {words}" if words else f"Slide {number}", 1)
            before = len(self._draft)
            for shape in shapes:
                if shape is not title:
                    self._put(slide, shape)
            self._put_notes(path)
            characters += len(self._draft) - before + len(words)
            if len(self._draft) == before and not words:
                empty.append(str(number))
        if not characters:
            raise no_text(self._package.name)
        if empty:
            self._draft.warnings.append(f"No text on slide {', '.join(empty[:20])}{' …' if len(empty) > 20 else ''}.")

    def _slides(self) -> list[str]:
        """The parts of the slides in the order in which they are shown."""
        path = self._package.main("ppt/presentation.xml")
        root = self._package.xml(path)
        if root is None:
            raise damaged(self._package.name, "it lists no slides")
        relations = self._package.relations(path)
        keys = [one.get(f"{RELATIONSHIP}id", "") for one in root.iterfind(f"{P}sldIdLst/{P}sldId")]
        return [relations[key].target if key in relations else "" for key in keys]

    def _behind(self, path: str) -> tuple[etree._Element, ...]:
        layout = self._package.related(path, "slideLayout")
        master = self._package.related(layout, "slideMaster") if layout else None
        found = []
        for part in filter(None, (layout, master)):
            if part not in self._parts:
                self._parts[part] = self._package.xml(part)
            root = self._parts[part]
            if root is not None:
                found.append(root)
        return tuple(found)

    def _in_order(self, slide: _Slide) -> list[etree._Element]:
        """The title, then from top to bottom, and from left to right what stands side by side."""
        tree = slide.root.find(f"{P}cSld/{P}spTree")
        shapes = [] if tree is None else list(_shapes(tree))
        return _sorted([(self._corner(slide, shape), shape) for shape in shapes])

    def _corner(self, slide: _Slide, shape: etree._Element) -> tuple[int, int]:
        """The top and left of a shape; a placeholder may leave them to its layout or master."""
        for one in (shape, *_models(slide, shape)):
            for offset in one.iter(f"{A}off"):
                return _integer(offset.get("y")), _integer(offset.get("x"))
        return 0, 0

    def _put(self, slide: _Slide, shape: etree._Element) -> None:
        kind = _placeholder(shape)[0]
        if kind in _FURNITURE:
            return
        if local(shape) == "grpSp":
            inner = [(self._corner(slide, one), one) for one in _shapes(shape)]
            for one in _sorted(inner):
                self._put(slide, one)
        elif local(shape) == "graphicFrame":
            table = next(shape.iter(f"{A}tbl"), None)
            if table is not None:
                self._put_table(table)
            else:
                drawing.put(self._draft, self._package, slide.path, shape)
        else:
            body = shape.find(f"{P}txBody")
            if body is not None:
                is_list = _is_placeholder(shape) and kind in _BULLETED
                self._put_words(body, [*_bodies(_models(slide, shape))] if is_list else None)

    def _put_words(self, body: etree._Element, models: list[etree._Element] | None) -> None:
        """The paragraphs of a text body; `models` are those of a placeholder whose paragraphs have bullets, else None.

        The text bodies of the layout and the master may take the bullets away.
        """
        counts: dict[int, int] = {}
        for paragraph in body.iterfind(f"{A}p"):
            words = drawing.paragraph_words(paragraph)
            properties = paragraph.find(f"{A}pPr")
            level = min(max(0, _integer(None if properties is None else properties.get("lvl"))), 8)
            bullet = _bullet(properties, level, (body, *models) if models is not None else (body,))
            counts = {depth: count for depth, count in counts.items() if depth <= level}
            if not words.strip():
                continue
            if bullet is not None and local(bullet) == "buAutoNum":
                counts[level] = counts.get(level, max(1, _integer(bullet.get("startAt", "1"))) - 1) + 1
                self._draft.item(words, level, _number(counts[level], bullet.get("type", "")))
                continue
            counts.pop(level, None)
            if (bullet is None and models is not None) or (bullet is not None and local(bullet) != "buNone"):
                self._draft.item(words, level)
            else:
                self._draft.paragraph(words)

    def _put_table(self, table: etree._Element) -> None:
        rows, above = [], dict[int, tuple[int, str]]()
        for row in table.iterfind(f"{A}tr"):
            cells, fresh = [], False
            for column, cell in enumerate(row.iterfind(f"{A}tc")):
                left, words = above.get(column, (0, ""))
                if cell.get("vMerge") in ("1", "true"):
                    words = words if left > 0 else ""
                    left -= 1
                elif cell.get("hMerge") in ("1", "true"):
                    words, left = "", 0
                else:
                    words, left = "\n".join(drawing.words(cell)), _integer(cell.get("rowSpan")) - 1
                    fresh = fresh or bool(words.strip())
                above[column] = left, words if len(words) <= 300 else ""
                cells.append(grid.Cell(column, words, min(max(1, _integer(cell.get("gridSpan"))), 1000)))
            rows.append(cells if fresh else [])
        properties = table.find(f"{A}tblPr")
        marked = properties is not None and properties.get("firstRow") in ("1", "true")
        grid.put(self._draft, rows, self._package.name, header=1 if marked and len(rows) > 1 else None)

    def _put_notes(self, path: str) -> None:
        notes = self._package.related(path, "notesSlide")
        root = self._package.xml(notes) if notes else None
        if root is None:
            return
        bodies = [one.find(f"{P}txBody") for one in root.iter(f"{P}sp") if _placeholder(one)[0] == "body"]
        paragraphs = [words for body in bodies if body is not None for words in drawing.words(body) if words.strip()]
        if paragraphs:
            self._draft.heading("Notes", 2)
            for words in paragraphs:
                self._draft.paragraph(words)


def _shapes(tree: etree._Element) -> Iterator[etree._Element]:
    for one in tree:
        if local(one) == "AlternateContent":
            yield from (inner for inner in understood(one) if local(inner) in _SHAPES)
        elif local(one) in _SHAPES:
            yield one


def _sorted(placed: list[tuple[tuple[int, int], etree._Element]]) -> list[etree._Element]:
    order = sorted(range(len(placed)), key=lambda index: placed[index][0])
    rows: list[list[int]] = []
    for index in order:
        if rows and placed[index][0][0] - placed[rows[-1][0]][0][0] <= _ROW_HEIGHT:
            rows[-1].append(index)
        else:
            rows.append([index])
    shapes = [placed[index][1] for row in rows for index in sorted(row, key=lambda one: placed[one][0][1])]
    return sorted(shapes, key=lambda shape: _placeholder(shape)[0] not in _TITLES)


def _is_placeholder(shape: etree._Element) -> bool:
    return shape.find(f"*/{P}nvPr/{P}ph") is not None


def _placeholder(shape: etree._Element) -> tuple[str, str]:
    """The type and index of a placeholder; ("", "") for other shapes, and for content without a type."""
    found = shape.find(f"*/{P}nvPr/{P}ph")
    return ("", "") if found is None else (found.get("type", ""), found.get("idx", ""))


def _models(slide: _Slide, shape: etree._Element) -> Iterator[etree._Element]:
    """The placeholders of the layout and the master that a placeholder takes after."""
    if not _is_placeholder(shape):
        return
    kind, index = _placeholder(shape)
    for root in slide.behind:
        others = [one for one in root.iter(f"{P}sp") if _is_placeholder(one)]
        same = [one for one in others if index and _placeholder(one)[1] == index]
        alike = [one for one in others if _alike(_placeholder(one)[0], kind)]
        yield from (same or alike)[:1]


def _alike(one: str, other: str) -> bool:
    content = _BULLETED | {"subTitle", "tbl", "chart", "dgm", "media", "pic"}
    return one == other or {one, other} <= _TITLES or {one, other} <= content


def _bodies(shapes: Iterator[etree._Element]) -> Iterator[etree._Element]:
    for shape in shapes:
        body = shape.find(f"{P}txBody")
        if body is not None:
            yield body


def _bullet(properties: etree._Element | None, level: int, bodies: tuple[etree._Element, ...]) -> etree._Element | None:
    """What is said of a paragraph's bullet, first by itself, then by the styles for its level; None for nothing."""
    styles = (body.find(f"{A}lstStyle/{A}lvl{level + 1}pPr") for body in bodies)
    for one in (properties, *styles):
        found = [] if one is None else [child for child in one if local(child) in _BULLETS]
        if found:
            return found[0]
    return None


def _number(count: int, kind: str) -> str:
    """`kind` is one of ST_TextAutonumberScheme: "arabicPeriod", "alphaLcParenBoth" and so on."""
    words = numeral(count, next((how for start, how in _KINDS.items() if kind.startswith(start)), "1"))
    if kind.endswith("ParenBoth"):
        return f"({words})"
    return f"{words})" if kind.endswith("ParenR") else words if kind.endswith("Plain") else f"{words}."


def _integer(words: str | None) -> int:
    try:
        return int(words or 0) if len(words or "") < 20 else 0
    except ValueError:
        return 0
