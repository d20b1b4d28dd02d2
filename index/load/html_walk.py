"""From a page's tree to blocks of text, without recursion: pages are nested as deep as anyone likes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from index.load import html_tables
from index.load.draft import Draft, clean
from index.load.numerals import numeral

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = set(_HEADINGS) | set(
    "html body main article section div p header footer nav aside address blockquote figure figcaption form fieldset "
    "legend details summary dl dt dd ul ol menu li table caption thead tbody tfoot tr td th hr center pre listing xmp "
    "hgroup search dialog video audio".split()
)
_UNSEEN = set(
    "script style template noscript iframe object embed svg canvas map head title link meta input select option "
    "textarea datalist rp rt audio video annotation annotation-xml".split()
)
"""Never shown as text, or not text of the page."""
_FURNITURE = {"nav", "aside", "button", "dialog"}
_ROLES = {"navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar", "toolbar", "dialog"}
_FURNITURE_NAMES = re.compile(
    r"(?:^|[-_\s])(?:nav(?:bar|box|igation|-?menu)?|menu|breadcrumbs?|cookies?(?:-?banner|-?consent)?|consent|"
    r"social|share|sharing|sidebar|side-?bar|toc|newsletter|advert(?:isement)?s?|ads?|promo|pagination|pager|"
    r"skip-?link|related-?(?:posts|articles|content)|mw-editsection|navbox|catlinks|mw-jump-link|printfooter|"
    r"noprint|vector-\w+-pinned-container|interlanguage\w*|metadata|reference)(?:$|[-_\s])",
    re.IGNORECASE,
)
_LARGE = 0.5
"""Nothing that holds more than this share of the words is furniture, whatever it is called."""
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\r\n\f]+")


def unseen(body: Any) -> set[Any]:
    """The elements of which nothing is shown."""
    found = set()
    for one in body.iter(etree.Element):
        hidden = one.get("hidden") is not None and one.get("hidden") != "until-found"
        if (
            one.tag in _UNSEEN
            or hidden
            or one.get("aria-hidden") == "true"
            or _INVISIBLE.search(one.get("style") or "")
        ):
            found.add(one)
    return found


def boilerplate(body: Any) -> set[Any]:
    """The elements that surround what the page is about."""
    every = words(body, set())
    inside = set()
    for one in body.iter("article", "main"):
        inside |= set(one.iter("header", "footer"))
    found = set()
    for one in body.iter(etree.Element):
        if one is body or one.tag in ("main", "article", "html", "body"):
            continue
        role = (one.get("role") or "").lower()
        named = f"{one.get('class') or ''} {one.get('id') or ''}"
        page_edge = one.tag in ("header", "footer") and one not in inside and one.find(".//h1") is None
        if one.tag in _FURNITURE or role in _ROLES or page_edge or _FURNITURE_NAMES.search(named):
            if one.tag == "header" and one.find(".//h1") is not None:
                continue
            if words(one, set()) <= _LARGE * every:
                found.add(one)
    return found


def words(root: Any, skipped: set[Any]) -> int:
    """Characters other than spaces."""
    count, walker = 0, etree.iterwalk(root, events=("start", "end"))
    for event, node in walker:
        if event == "start":
            if node in skipped or node.tag in ("script", "style", "template"):
                walker.skip_subtree()
            else:
                count += len("".join((node.text or "").split()))
        elif node is not root:
            count += len("".join((node.tail or "").split()))
    return count


def put(draft: Draft, root: Any, skipped: set[Any], name: str, levels: int) -> None:
    """Add the blocks of a tree to a draft."""
    walk = _Walk(draft, name, levels)
    walker = etree.iterwalk(root, events=("start", "end", "comment"))
    for event, node in walker:
        if event == "comment":
            walk.words(node.tail)
        elif event == "start":
            if node in skipped or not isinstance(node.tag, str):
                walker.skip_subtree()
                walk.skipped.add(node)
            elif node.tag == "table" and not html_tables.is_layout(node):
                walk.flush()
                html_tables.put(draft, node, skipped, name)
                walker.skip_subtree()
                walk.skipped.add(node)
            else:
                walk.enter(node)
        else:
            if node in walk.skipped:
                walk.skipped.discard(node)
                if node.tag in _BLOCKS:
                    walk.flush()
            else:
                walk.leave(node)
            if node is not root:
                walk.words(node.tail)
    walk.flush()


@dataclass
class _List:
    """A list that is open: how its items are counted, and what the next item is marked with."""

    ordered: bool
    number: int
    step: int
    style: str
    marker: str = ""


@dataclass
class _Walk:
    """What is open while a tree is walked."""

    draft: Draft
    name: str
    levels: int
    skipped: set[Any] = field(default_factory=set)
    _inline: list[str] = field(default_factory=list)
    _lists: list[_List] = field(default_factory=list)
    _heading: int = 0
    _verbatim: int = 0
    _term: str = ""
    _describing: int = 0

    def words(self, text: str | None) -> None:
        if text:
            self._inline.append(text if self._verbatim else _SPACES.sub(" ", text))

    def enter(self, node: Any) -> None:
        tag = node.tag
        if tag in _BLOCKS:
            self.flush()
        if tag in _HEADINGS:
            self._heading = _HEADINGS[tag]
        elif tag in ("ul", "ol", "menu"):
            self._lists.append(_opened(node))
        elif tag == "li" and self._lists:
            self._lists[-1].marker = _marker(self._lists[-1], node)
        elif tag in ("pre", "listing", "xmp"):
            self._verbatim += 1
        elif tag == "br":
            self._inline.append("\n")
        elif tag == "dd":
            self._describing += 1
        elif tag == "img":
            self._inline.append(_alternative(node))
        elif tag == "math":
            self._inline.append(node.get("alttext") or "")
        self.words(node.text)

    def leave(self, node: Any) -> None:
        tag = node.tag
        if tag in _BLOCKS:
            if tag == "dt":
                self._term = clean("".join(self._inline)).replace("\n", " ")
                self._inline.clear()
            self.flush()
        if tag in _HEADINGS:
            self._heading = 0
        elif tag in ("ul", "ol", "menu") and self._lists:
            self._lists.pop()
        elif tag in ("pre", "listing", "xmp"):
            self._verbatim -= 1
        elif tag == "dd":
            self._describing -= 1
        elif tag == "dl" and self._term:
            self.draft.item(self._term)
            self._term = ""

    def flush(self) -> None:
        """What has come together is a block."""
        text = "".join(self._inline)
        self._inline.clear()
        if not text.strip():
            return
        if self._heading:
            self.draft.heading(text, self._heading + self.levels)
        elif self._verbatim:
            self.draft.verbatim(text)
        elif self._describing and self._term:
            self.draft.item(f"{self._term}: {clean(text)}", max(0, len(self._lists)))
            self._term = ""
        elif self._lists and self._lists[-1].marker:
            self.draft.item(text, len(self._lists) - 1, self._lists[-1].marker)
            self._lists[-1].marker = ""
        else:
            self.draft.paragraph(text)


def _opened(node: Any) -> _List:
    ordered = node.tag == "ol"
    back = node.get("reversed") is not None
    start = _integer(node.get("start"), sum(child.tag == "li" for child in node) if back else 1)
    return _List(ordered, start, -1 if back else 1, node.get("type") or "1")


def _marker(one: _List, node: Any) -> str:
    if not one.ordered:
        return "-"
    number = _integer(node.get("value"), one.number)
    one.number = number + one.step
    return f"{numeral(number, one.style)}."


def _integer(given: str | None, usual: int) -> int:
    found = re.fullmatch(r"\s*([+-]?\d{1,9})\s*", given or "")
    return int(found[1]) if found else usual


def _alternative(image: Any) -> str:
    """The words for a picture, where they tell something and are no name of a file."""
    said = " ".join((image.get("alt") or "").split())
    telling = len(said.split()) > 2 and not re.search(r"\.(?:jpe?g|png|gif|svg|webp)$", said, re.IGNORECASE)
    return f" {said} " if telling else ""
