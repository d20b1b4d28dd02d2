"""Plain text: strict decoding, a title from the first line, nothing else changed."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from index.errors import DocumentError
from index.sentences import trimmed
from index.types import Document, Heading, Span

MAX_BYTES = 64 * 1024 * 1024
_TITLE_CHARACTERS = 200
_WRAP_WIDTH = 120
"""Lines up to here may be wrapped text; longer ones are paragraphs."""
_SHORT = 40
"""Nobody wraps text at so few characters."""
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def decode(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark; line ends are kept as they are.

    Raises DocumentError for anything else: a guessed encoding could quote words that nobody wrote.
    """
    if not _encodable(str(path)):
        raise DocumentError(f"the name of {str(path)!a} is not UTF-8", "Rename the file.")
    if path.exists() and not path.is_file():
        raise DocumentError(f"{path} is not a regular file", "Name a file, or a folder of files.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DocumentError(f"{path} is larger than {MAX_BYTES >> 20} MB", "Split it into smaller files.")
        data = path.read_bytes()
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be read: {error.strerror}", "Check the path and its permissions."
        ) from error
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if b"\0" in data[:4096]:
            raise _binary(path) from error
        raise DocumentError(
            f"{path} is not UTF-8 text (byte {error.start})",
            f"Convert it: iconv -f WINDOWS-1252 -t UTF-8 '{path.name}' > '{path.stem}-utf8{path.suffix}'",
        ) from error
    if "\0" in text:
        raise _binary(path)
    return text


def _binary(path: Path) -> DocumentError:
    return DocumentError(
        f"{path} is a binary file, not text",
        "Save it as text (.txt) or Markdown (.md); other formats are not read yet.",
    )


def read(text: str, name: str, source: str) -> Document:
    """A document whose title is the first line, where that line reads like one, else the file's name."""
    title = title_line(text)
    return from_text(
        text,
        title=text[title.start : title.end] if title else name,
        source=source,
        headings=(title,) if title else (),
    )


def title_line(text: str) -> Heading | None:
    """The first line, if it is short, does not end like a sentence, and was not broken off for want of room."""
    spans, start = [], 0
    for line in text.splitlines(keepends=True):
        spans.append(trimmed(text, start, start + len(line)))
        start += len(line)
    first = next((row for row, (start, end) in enumerate(spans) if start < end), len(spans))
    if first + 1 >= len(spans) or not text[spans[first].end :].strip():
        return None
    title, following = spans[first], spans[first + 1]
    short = title.end - title.start <= _TITLE_CHARACTERS and text[title.end - 1] not in ".!;:,。！；：，"
    return Heading(*title, level=1) if short and not _runs_on(text, title, following, spans[first + 1 :]) else None


def _runs_on(text: str, title: Span, following: Span, rest: Sequence[Span]) -> bool:
    """Does the next line go on with what the first began, as in text wrapped at a margin?"""
    if following.start == following.end:
        return False
    if text[following.start].islower():
        return True
    width = max(end - start for start, end in rest)
    word = len(text[following.start : following.end].split(maxsplit=1)[0])
    return width <= _WRAP_WIDTH and title.end - title.start + 1 + word > 0.75 * width > _SHORT


def from_text(
    text: str,
    *,
    title: str,
    source: str = "",
    id: str | None = None,  # noqa: A002
    media_type: str = "text/plain",
    headings: tuple[Heading, ...] = (),
    metadata: Mapping[str, object] | None = None,
) -> Document:
    """A document from text already at hand.

    Its id is the one given, else made from its source, else from its title and text.
    Raises DocumentError when there is nothing to read, or characters that cannot be stored.
    """
    name = source or title or "the document"
    if not text.strip():
        raise DocumentError(f"{name} holds no text", "Leave it out, or check that it was saved.")
    if "\0" in text + title + source or not _encodable(text + title + source):
        raise DocumentError(
            f"{name!a} holds characters that are not text (NUL or half of a surrogate pair)",
            "Send well-formed Unicode.",
        )
    return Document(
        id=id or _digest(source or f"{title}\0{text}")[:16],
        title=title or text.strip().splitlines()[0][:_TITLE_CHARACTERS],
        source=source,
        text=text,
        sha256=_digest(text),
        media_type=media_type,
        headings=headings,
        metadata=dict(metadata or {}),
    )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
