"""The order in which the parts of an OpenDocument text are read, and what of it is none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from index.load.package import local

_NAMESPACE = "urn:oasis:names:tc:opendocument:xmlns:"
OFFICE, STYLE, TEXT, TABLE, DRAW = (
    f"{{{_NAMESPACE}{name}:1.0}}" for name in ("office", "style", "text", "table", "drawing")
)
BLOCKS = {f"{TEXT}p", f"{TEXT}h", f"{TEXT}list", f"{TABLE}table", f"{TEXT}numbered-paragraph"}
LEFT_OUT = {
    *(TEXT + name for name in "tracked-changes table-of-content ruby-text hidden-text note-citation".split()),
    *(TEXT + name for name in "sequence-decls variable-decls user-field-decls index-title-template".split()),
    *(OFFICE + name for name in "annotation annotation-end forms event-listeners".split()),
    f"{{{_NAMESPACE}svg-compatible:1.0}}title",
    f"{{{_NAMESPACE}svg-compatible:1.0}}desc",
}


def blocks(parent: etree._Element) -> Iterator[etree._Element]:
    """Paragraphs, headings, lists and tables in order, those in sections, indexes and text boxes too."""
    if parent.tag in BLOCKS:
        yield parent
        return
    stack = [iter(parent)]
    while stack:
        element = next(stack[-1], None)
        if element is None:
            stack.pop()
        elif element.tag in BLOCKS:
            yield element
        elif element.tag not in LEFT_OUT and not is_hidden(element):
            stack.append(iter(element))


def items(top: etree._Element) -> Iterator[tuple[etree._Element, int, bool]]:
    """The paragraphs and tables of a list, how deep they stand, and whether an item begins with them."""
    if top.tag == f"{TEXT}numbered-paragraph":
        depth = min(max(0, integer(top.get(f"{TEXT}level"), 1) - 1), 9)
        for one in top.iterfind("*"):
            yield one, depth, True
        return
    stack = [(iter(top), 0, False)]
    while stack:
        children, depth, begins = stack[-1]
        element = next(children, None)
        if element is None:
            stack.pop()
        elif local(element) in ("list-item", "list-header"):
            stack.append((iter(element), depth, local(element) == "list-item"))
        elif element.tag == f"{TEXT}list":
            stack.append((iter(element), min(depth + 1, 9), False))
        elif element.tag in BLOCKS:
            yield element, depth, begins
            stack[-1] = children, depth, False
        elif element.tag not in LEFT_OUT:
            stack.append((iter(element), depth, begins))


def rows_of(table: etree._Element) -> Iterator[tuple[etree._Element, bool]]:
    """The rows of a table, and whether they are marked as headers."""
    stack = [(iter(table), False)]
    while stack:
        children, marked = stack[-1]
        element = next(children, None)
        if element is None:
            stack.pop()
        elif element.tag == f"{TABLE}table-row":
            yield element, marked
        elif local(element) in ("table-header-rows", "table-rows", "table-row-group"):
            stack.append((iter(element), marked or local(element) == "table-header-rows"))


def own_text(element: etree._Element) -> str:
    """Frames and shapes have white space of the file between their parts, paragraphs' parts have text."""
    return "" if element.tag.startswith((DRAW, TABLE)) else element.text or ""


def is_hidden(element: etree._Element) -> bool:
    return bool(element.tag == f"{TEXT}section" and element.get(f"{TEXT}display") == "none")


def integer(words: str | None, otherwise: int) -> int:
    return int(words) if words and re.fullmatch(r"\d{1,9}", words) else otherwise
