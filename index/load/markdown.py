"""Markdown as a reader sees it, line for line: the markup goes, every line keeps its number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.front_matter import front_matter_plugin

from index.load.text import from_text
from index.types import Document, Heading

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"]).use(front_matter_plugin)
_PARTING = re.compile(
    r"<?/?(?:br|hr|p|div|li|dd|dt|t[dhr]|h[1-6]|option|section|article|blockquote|pre)\b", re.IGNORECASE
)
_HIDDEN_TAGS = {"script", "style"}


def read(text: str, name: str, source: str) -> Document:
    """A document with its headings; the title is the front matter's, else the first top heading, else the name.

    Line n of the document is line n of the file, so that a cited line can be looked up in an editor.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    tokens = _PARSER.parse(text)
    lines = [""] * (text.count("\n") + 2)
    marks: list[tuple[int, int, int]] = []
    for line, words, level in _blocks(tokens):
        rows = words.split("\n")
        for offset, row in enumerate(rows[: len(lines) - line]):
            lines[line + offset] += (" | " if lines[line + offset] else "") + row.rstrip()
        if level and words.strip():
            marks.append((line, line + len(rows) - 1, level))
    starts = [0]
    for row in lines:
        starts.append(starts[-1] + len(row) + 1)
    headings = tuple(Heading(starts[first], starts[last] + len(lines[last]), level) for first, last, level in marks)
    body = "\n".join(lines).rstrip("\n") + "\n"
    first = next((body[heading.start : heading.end] for heading in headings if heading.level == 1), "")
    return from_text(
        body,
        title=_front_matter_title(tokens) or " ".join(first.split()) or name,
        source=source,
        media_type="text/markdown",
        headings=headings,
    )


def _front_matter_title(tokens: Sequence[Token]) -> str:
    content = next((token.content for token in tokens if token.type == "front_matter"), "")
    try:
        values = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError):  # a date that does not exist, brackets without end
        return ""
    title = values.get("title") if isinstance(values, dict) else None
    return " ".join(title.split()) if isinstance(title, str) else ""


def _blocks(tokens: Sequence[Token]) -> Iterator[tuple[int, str, int]]:
    """Each block of text: its first line (0-based), its words, and its level if it is a heading, else 0."""
    level, marker, row = 0, "", 0
    items: list[str] = []
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
        elif token.type == "heading_close":
            level = 0
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            items.append("-" if token.type.startswith("bullet") else ".")
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            items.pop()
        elif token.type == "list_item_open":
            marker = "  " * (len(items) - 1) + ("- " if items[-1] == "-" else f"{token.info}{token.markup} ")
        elif token.type == "tr_open" and token.map:
            row = token.map[0]
        elif token.type == "inline":
            yield (token.map[0] if token.map else row), marker + _words(token), level
            marker = ""
        elif token.type in ("fence", "code_block") and token.map:
            yield token.map[0] + (token.type == "fence"), token.content.rstrip("\n"), 0
            marker = ""
        elif token.type == "html_block" and token.map:
            yield token.map[0], _without_tags(token.content), 0
            marker = ""


def _words(inline: Token) -> str:
    words, position, link = "", 0, -1
    for token in inline.children or []:
        if token.type in ("softbreak", "hardbreak"):
            words += "\n"
        elif token.type == "code_inline":
            written = _code(token).search(inline.content, position)
            position = written.end() if written else position
            words += written[1] if written else token.content
        elif token.type == "html_inline":
            words += _gap(words, token.content) + "\n" * token.content.count("\n")
        elif token.type in ("text", "text_special"):
            words += token.content
        elif token.type in ("image", "link_close"):
            words += _words(token) if token.type == "image" else ""
            link = len(words) if link < 0 else link
    inside = inline.content.count("\n") - words.count("\n")  # line breaks in the address or title of a link
    return words if link < 0 or inside <= 0 else words[:link] + "\n" * inside + words[link:]


def _gap(before: str, tag: str) -> str:
    """A space where a tag parts words that would run together: a line break, a cell, a block."""
    return " " if _PARTING.match(tag) and before[-1:].strip() else ""


def _code(token: Token) -> re.Pattern[str]:
    """A code span as it was written: the parser makes spaces of its line breaks."""
    inside = "".join(r"[ \n]" if character == " " else re.escape(character) for character in token.content)
    return re.compile(rf"(?<!`){token.markup}[ \n]?({inside})[ \n]?{token.markup}(?!`)")


class _Text(HTMLParser):
    """The words between tags, each on the line where it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._line = 1
        self._hidden = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.text += _gap(self.text, tag)
        self._hidden = self._hidden or (tag if tag in _HIDDEN_TAGS else "")

    def handle_endtag(self, tag: str) -> None:
        self.text += _gap(self.text, tag)
        if tag == self._hidden:
            self._hidden = ""

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text += "\n" * (self.getpos()[0] - self._line) + data
            self._line = self.getpos()[0] + data.count("\n")


def _without_tags(html: str) -> str:
    parser = _Text()
    parser.feed(html)
    parser.close()
    return parser.text
