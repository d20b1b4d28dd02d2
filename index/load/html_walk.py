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
    "script style template noscript iframe object embed svg canvas map noframes head title link meta input select "
    "option textarea datalist rp rt audio video annotation annotation-xml".split()
)
"""Never shown as text, or not text of the page."""
_FURNITURE = {"nav", "aside", "button", "dialog"}
_NEVER = {"html", "body", "main", "article", *_HEADINGS}
_ROLES = {"navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar", "toolbar", "dialog"}
_FURNITURE_NAMES = re.compile(
    r"(?:^|[-_])(?:(?:main|sub|top|site)?nav(?:bar|box|igation|menu)?|menu|breadcrumbs?|sidebar|side-bar|toc|newsletter|"
    r"cookies?(?:banner|bar|consent|notice|law|popup)?|gdpr|onetrust|cybotcookiebotdialog|taboola|outbrain|"
    r"advert(?:isement)?s?|ads?|promos?|pagination|pager|skip-?(?:link|nav|to-content)|sharebar|addtoany|"
    r"mw-editsection|mw-cite-backlink|mw-redirectedfrom|catlinks|mw-jump-link|printfooter|noprint|interlanguage\w*|"
    r"headerlink|anchor-?link|"
    r"related-?(?:posts?|articles?|content|links?|stories|news|topics|reading|pages))(?:$|[-_])"
    r"|^(?:(?:post|article|entry|page|story|cookie|site|js|[cl])[-_]+)?(?:social|share|sharing|consent)$"
    r"|(?:^|[-_])(?:social|share|sharing|consent)(?:[-_]*(?:media|icons?|links?|buttons?|bars?|share|sharing|"
    r"tools?|widgets?|list|nav|box|banner|dialog|popup|modal|sdk|wrapper|container|follow)){1,4}$"
    r"|^(?:metadata|reference|vector-\w+-pinned-container|cookieconsent\w*|sharedaddy|jp-relatedposts|widget-area|"
    r"linenos|linenodiv|rouge-gutter)$",
    re.IGNORECASE,
)
"""Matched with each name of an element's class, and with its id."""
_STATES = re.compile(r"(?:has|with|without|no|is|not|show|hide|use)[-_]", re.IGNORECASE)
"""So begin names that tell of something else on the page."""
_ANCHORS = {"¶", "#", "§", "🔗"}
"""What documentation sets behind a heading, to link to it."""
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
    sizes, titled, inside = _measured(body)
    found = set()
    for one in body.iter(etree.Element):
        if one is body or one.tag in _NEVER or (one.tag == "header" and one in titled):
            continue
        role = (one.get("role") or "").lower()
        edge = one.tag in ("header", "footer") and one not in inside and one not in titled
        anchor = one.tag == "a" and not len(one) and (one.text or "").strip() in _ANCHORS
        if (one.tag in _FURNITURE or role in _ROLES or edge or anchor or _named_as_furniture(one)) and sizes[
            one
        ] <= _LARGE * sizes[body]:
            found.add(one)
    return found


def _named_as_furniture(one: Any) -> bool:
    """Ids of sections are made of their headings, and tell nothing."""
    names = (one.get("class") or "")[:1000].split()
    if one.get("id") and one.tag != "section" and "section" not in names:
        names.append(one.get("id")[:100])
    return any(_FURNITURE_NAMES.search(name) and not _STATES.match(name) for name in names)


def _measured(body: Any) -> tuple[dict[Any, int], set[Any], set[Any]]:
    """The characters in each element, the elements that hold an h1, and the edges of articles, in one walk."""
    sizes: dict[Any, int] = {}
    titled, inside, open_titles = set[Any](), set[Any](), [False]
    count, articles = 0, 0
    for event, node in etree.iterwalk(body, events=("start", "end", "comment", "pi")):
        said = node.text if event == "start" else node.tail
        if event == "start":
            sizes[node] = -count
            open_titles.append(False)
            articles += node.tag in ("article", "main")
            if articles and node.tag in ("header", "footer"):
                inside.add(node)
        elif event == "end":
            sizes[node] += count
            articles -= node.tag in ("article", "main")
            below = open_titles.pop()
            if below:
                titled.add(node)
            open_titles[-1] = open_titles[-1] or below or node.tag == "h1"
        if said and not (event == "start" and node.tag in ("script", "style", "template")):
            count += len("".join(said.split()))
    return sizes, titled, inside


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
            elif node.tag == "math" and node.get("alttext"):
                walk.words(node.get("alttext"))
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
    _defining: int = 0
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
        elif tag == "dt":
            self._defining += 1
        elif tag == "dd":
            self._describing += 1
        elif tag == "img":
            self._inline.append(_alternative(node))
        self.words(node.text)

    def leave(self, node: Any) -> None:
        tag = node.tag
        if tag in _BLOCKS:
            self.flush()
        if tag in _HEADINGS:
            self._heading = 0
        elif tag in ("ul", "ol", "menu") and self._lists:
            self._lists.pop()
        elif tag in ("pre", "listing", "xmp"):
            self._verbatim -= 1
        elif tag == "dt":
            self._defining -= 1
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
        elif self._defining:
            term = clean(text).replace("\n", " ")
            self._term = f"{self._term}, {term}" if self._term else term
        elif self._describing and self._term:
            self.draft.item(f"{self._term}: {clean(text)}", len(self._lists))
            self._term = ""
            if self._lists:
                self._lists[-1].marker = ""
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
