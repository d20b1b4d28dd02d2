"""What Word's styles and numbering say of a paragraph: heading level, list, and the number in front of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from lxml import etree

from index.load.numerals import numeral

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
BODY_LEVEL = 9
"""The outline level that says "no heading"."""
_HEADING = re.compile(
    r"(?:heading|überschrift|titre|título|titolo|kop|rubrik|overskrift|otsikko|nagłówek|nadpis|címsor|başlık"
    r"|заголовок|επικεφαλίδα|标题|標題|見出し|제목)\s?([1-9])",
    re.IGNORECASE,
)
_LIST = re.compile(r"list (?:bullet|number)(?: ([2-5]))?", re.IGNORECASE)
_CONTENTS = re.compile(r"toc ?(?:\d|heading)|table of figures", re.IGNORECASE)
_KINDS = {
    "lowerLetter": "a",
    "upperLetter": "A",
    "lowerRoman": "i",
    "upperRoman": "I",
    "decimalZero": "01",
    "ordinal": "1st",
    "none": "",
    "bullet": "",
}
_LEVELS = 9


@dataclass(frozen=True, slots=True)
class Style:
    """A paragraph or table style, as far as it matters here; None where it leaves a thing to the one it is based on."""

    name: str
    based_on: str
    outline: int | None
    number: str | None
    level: int | None
    hidden: bool
    first_row: bool
    """Does a table in this style show its first row as a header?"""


@dataclass(slots=True)
class Level:
    """How one level of a list is numbered: "%1.%2" and the like is its text; `kind` as in `numeral`."""

    start: int = 1
    kind: str = "1"
    text: str = "%1."
    bullet: bool = False
    legal: bool = False
    style: str = ""


class Place(NamedTuple):
    """Where a paragraph stands in a list: its depth, 0 the outermost, and its printed marker, "" for a bullet."""

    depth: int
    marker: str


class Styles:
    """The styles of styles.xml by id. Names are the built-in ones whatever the language of the program; ids are not."""

    def __init__(self, root: etree._Element | None) -> None:
        self._styles: dict[str, Style] = {}
        self.default = ""
        for one in root.iterfind(f"{W}style") if root is not None else ():
            key = one.get(f"{W}styleId", "")
            self._styles[key] = Style(
                name=value(one, "name"),
                based_on=value(one, "basedOn"),
                outline=number(value(one, "pPr/outlineLvl")),
                number=value(one, "pPr/numPr/numId") or None,
                level=number(value(one, "pPr/numPr/ilvl")),
                hidden=switched(one.find(f"{W}rPr/{W}vanish")),
                first_row=any(look.get(f"{W}type") == "firstRow" for look in one.iterfind(f"{W}tblStylePr")),
            )
            if one.get(f"{W}default") in ("1", "true") and one.get(f"{W}type") == "paragraph":
                self.default = key

    def chain(self, key: str) -> list[Style]:
        """A style and those it is based on, the nearest first."""
        found: list[Style] = []
        seen: set[str] = set()
        while key in self._styles and key not in seen and len(found) < 50:
            seen.add(key)
            found.append(self._styles[key])
            key = self._styles[key].based_on
        return found

    def heading_level(self, key: str) -> int:
        """1 to 9 for headings, 0 for others. An unknown id may still be a heading's: "Heading1"."""
        chain = self.chain(key)
        for style in chain:
            if style.outline is not None:
                return style.outline + 1 if style.outline < BODY_LEVEL else 0
            found = _HEADING.fullmatch(style.name.strip())
            if found:
                return int(found[1])
        found = None if chain else _HEADING.fullmatch(key)
        return int(found[1]) if found else 0

    def is_title(self, key: str) -> bool:
        names = [style.name.lower() for style in self.chain(key)] or [key.lower()]
        return next((name for name in names if name in ("title", "subtitle")), "") == "title"

    def is_contents(self, key: str) -> bool:
        return any(_CONTENTS.match(style.name) for style in self.chain(key)) or bool(_CONTENTS.match(key))

    def list_depth(self, key: str) -> int | None:
        """The depth that the name of a list style tells: "List Bullet 2" is 1."""
        for style in self.chain(key):
            found = _LIST.fullmatch(style.name.strip())
            if found:
                return int(found[1] or 1) - 1
        return None

    def numbering(self, key: str) -> tuple[str, int | None] | None:
        chain = self.chain(key)
        chosen = next((style.number for style in chain if style.number is not None), None)
        level = next((style.level for style in chain if style.level is not None), None)
        return None if chosen is None else (chosen, level)

    def hidden(self, key: str) -> bool:
        return bool(self.chain(key)) and self.chain(key)[0].hidden


@dataclass(slots=True)
class _List:
    """An abstract list and how far it has been counted: its instances count on together."""

    levels: dict[int, Level] = field(default_factory=dict)
    style: str = ""
    counts: dict[int, int] = field(default_factory=dict)


class Numbering:
    """Counts the list items and numbered headings of one document, in the order in which they are asked for."""

    def __init__(self, root: etree._Element | None, styles: Styles) -> None:
        self._styles = styles
        self._lists: dict[str, _List] = {}
        self._of: dict[str, str] = {}
        self._starts: dict[str, dict[int, int]] = {}
        self._overrides: dict[str, dict[int, Level]] = {}
        self._begun: set[str] = set()
        if root is None:
            return
        for one in root.iterfind(f"{W}abstractNum"):
            levels = {number(level.get(f"{W}ilvl")) or 0: _level(level) for level in one.iterfind(f"{W}lvl")}
            self._lists[one.get(f"{W}abstractNumId", "")] = _List(levels, value(one, "numStyleLink"))
        for one in root.iterfind(f"{W}num"):
            key = one.get(f"{W}numId", "")
            self._of[key] = value(one, "abstractNumId")
            self._starts[key], self._overrides[key] = {}, {}
            for override in one.iterfind(f"{W}lvlOverride"):
                level, start = number(override.get(f"{W}ilvl")) or 0, number(value(override, "startOverride"))
                if start is not None:
                    self._starts[key][level] = start
                given = override.find(f"{W}lvl")
                if given is not None:
                    self._overrides[key][level] = _level(given)

    def place(self, key: str, level: int | None, style: str = "") -> Place | None:
        """Count one more paragraph of list `key`; None if it stands in no list, or in one without a marker."""
        found = self._list(key)
        if found is None:
            return None
        if level is None:
            level = next((depth for depth, one in found.levels.items() if style and one.style == style), 0)
        level = min(max(0, level), _LEVELS - 1)
        levels = found.levels | self._overrides.get(key, {})
        this = levels.get(level, Level())
        if key not in self._begun:
            self._begun.add(key)
            found.counts.update({depth: start - 1 for depth, start in self._starts.get(key, {}).items()})
        found.counts[level] = found.counts.get(level, this.start - 1) + 1
        for deeper in range(level + 1, _LEVELS):
            found.counts.pop(deeper, None)
        if this.bullet:
            return Place(level, "")
        marker = self._marker(this, levels, found.counts)
        return Place(level, marker) if marker else None

    def _list(self, key: str) -> _List | None:
        """The list of a number, by way of the style that it may be linked to."""
        for _ in range(4):
            found = self._lists.get(self._of.get(key, ""))
            if found is None or found.levels or not found.style:
                return found
            linked = self._styles.numbering(found.style)
            if linked is None:
                return found
            key = linked[0]
        return None

    @staticmethod
    def _marker(this: Level, levels: dict[int, Level], counts: dict[int, int]) -> str:
        def printed(match: re.Match[str]) -> str:
            depth = int(match[1]) - 1
            one = levels.get(depth, Level())
            return numeral(counts.get(depth, one.start), "1" if this.legal else one.kind)

        return re.sub(r"%([1-9])", printed, this.text).strip()[:50]


def _level(element: etree._Element) -> Level:
    kind = value(element, "numFmt") or "decimal"
    start = number(value(element, "start"))
    text = element.find(f"{W}lvlText")
    return Level(
        start=1 if start is None else start,
        kind=_KINDS.get(kind, "1"),
        text="" if text is None else text.get(f"{W}val", ""),
        bullet=kind == "bullet",
        legal=switched(element.find(f"{W}isLgl")),
        style=value(element, "pStyle"),
    )


def value(element: etree._Element, path: str) -> str:
    """The `val` of the element at a path of plain names; "" where there is none."""
    found = element.find("/".join(W + step for step in path.split("/")))
    return "" if found is None else found.get(f"{W}val", "")


def number(words: str | None) -> int | None:
    return int(words) if words and re.fullmatch(r"-?\d{1,9}", words) else None


def switched(element: etree._Element | None) -> bool:
    """Is a property on? It is when its element stands there without saying otherwise."""
    return element is not None and element.get(f"{W}val", "true") not in ("0", "false", "off")
