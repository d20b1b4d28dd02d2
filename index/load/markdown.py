"""Markdown as a reader sees it, line for line: the markup goes, every line keeps its number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html.parser import HTMLParser

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.front_matter import front_matter_plugin

from index.load.text import from_text
from index.types import Document, Heading

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"]).use(front_matter_plugin)
_HIDDEN_TAGS = {"script", "style"}


def read(text: str, name: str, source: str) -> Document:
    """A document with its headings; the title is the front matter's, else the first top heading, else the name.

    Line n of the document is line n of the file, so that a cited line can be looked up in an editor.
    """
    tokens = _PARSER.parse(text)
    lines = [""] * (text.count("\n") + 2)
    marks: list[tuple[int, int]] = []
    for line, words, level in _blocks(tokens):
        for offset, row in enumerate(words.split("\n")):
            if line + offset < len(lines):
                lines[line + offset] += (" | " if lines[line + offset] else "") + row.rstrip()
        if level:
            marks.append((line, level))
    starts = [0]
    for row in lines:
        starts.append(starts[-1] + len(row) + 1)
    headings = tuple(
        Heading(starts[line], starts[line] + len(lines[line]), level) for line, level in marks if lines[line].strip()
    )
    body = "\n".join(lines).rstrip("\n") + "\n"
    first = next((body[heading.start : heading.end] for heading in headings if heading.level == 1), "")
    return from_text(
        body,
        title=_front_matter(tokens).get("title", "") or " ".join(first.split()) or name,
        source=source,
        media_type="text/markdown",
        headings=headings,
    )


def _front_matter(tokens: Sequence[Token]) -> dict[str, str]:
    content = next((token.content for token in tokens if token.type == "front_matter"), "")
    try:
        values = yaml.safe_load(content)
    except yaml.YAMLError:
        return {}
    return {str(key): str(value) for key, value in values.items()} if isinstance(values, dict) else {}


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
        elif token.type == "html_block" and token.map:
            yield token.map[0], _without_tags(token.content), 0


def _words(inline: Token) -> str:
    words, position = "", 0
    for token in inline.children or []:
        if token.type in ("softbreak", "hardbreak"):
            words += "\n"
        elif token.type == "image":
            words += _words(token)
        elif token.type == "code_inline":
            start = inline.content.find(token.markup, position) + len(token.markup)
            position = inline.content.find(token.markup, start) + len(token.markup)
            written = inline.content[start : position - len(token.markup)]
            words += written if "\n" in written else token.content  # the parser makes spaces of line breaks
        elif token.type in ("text", "text_special"):
            words += token.content
    return words


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._hidden = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._hidden = self._hidden or (tag if tag in _HIDDEN_TAGS else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden:
            self._hidden = ""

    def handle_data(self, data: str) -> None:
        self.text += "\n" * data.count("\n") if self._hidden else data

    def handle_comment(self, data: str) -> None:
        self.text += "\n" * data.count("\n")


def _without_tags(html: str) -> str:
    parser = _Text()
    parser.feed(html)
    parser.close()
    return parser.text
