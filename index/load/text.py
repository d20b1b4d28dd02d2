"""Plain text: strict decoding, a title from the first line, nothing else changed."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from index.errors import DocumentError
from index.sentences import trimmed
from index.types import OPENING_CHARACTERS, Document, Heading, Span, as_label, opening

MAX_BYTES = 256 * 1024 * 1024
_WRAP_WIDTH = 120
"""Lines up to here may be wrapped text; longer ones are paragraphs."""
_LIST_ITEM = re.compile(r"[-*+•‣–—·>|#]|\d{1,3}[.)]\s|\w[.)]\s")
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def content(path: Path, most: int = MAX_BYTES) -> bytes:
    """The bytes of a file. Raises DocumentError, naming it, for what is no file, too large, or cannot be read."""
    if not _encodable(str(path)):
        raise DocumentError(f"the name of {str(path)!a} is not UTF-8", "Rename the file.")
    if path.exists() and not path.is_file():
        raise DocumentError(f"{path} is not a regular file", "Name a file, or a folder of files.")
    try:
        if path.stat().st_size > most:
            raise DocumentError(
                f"{path} is larger than {most >> 20} MB", "Split it into smaller files, or raise QA_FILE_MB."
            )
        return path.read_bytes()
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be read: {error.strerror}", "Check the path and its permissions."
        ) from error


def decode(data: bytes, name: str) -> str:
    """Text in UTF-8, or in UTF-16 with a byte order mark; line ends are kept as they are.

    Raises DocumentError for anything else: a guessed encoding could quote words that nobody wrote.
    """
    encoding = next((found for mark, found in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if b"\0" in data[:4096]:
            raise _binary(name) from error
        stem, dot, suffix = name.rpartition(".")
        raise DocumentError(
            f"{name} is not UTF-8 text (byte {error.start})",
            f"Convert it: iconv -f WINDOWS-1252 -t UTF-8 '{name}' > '{stem or name}-utf8{dot}{suffix if stem else ''}'",
        ) from error
    if "\0" in text:
        raise _binary(name)
    return text


def _binary(name: str) -> DocumentError:
    return DocumentError(
        f"{name} is a binary file of no kind that is read", "Save it as PDF, .docx, .odt, .html, .md or .txt."
    )


def read(text: str, name: str, source: str) -> Document:
    """A document whose title is the first line, where that line reads like one, else the file's name.

    The title line is left out of the passages only above a paragraph in one line, where nothing but a title stands;
    before a blank line it may be content as well, and stays.
    """
    spans = _lines(text)
    title = _title(text, spans)
    alone = title is not None and len(spans) > 1 and spans[1].end - spans[1].start > _WRAP_WIDTH
    return from_text(
        text,
        title=text[title.start : title.end] if title else name,
        source=source,
        headings=(Heading(*title, level=1),) if title and alone else (),
    )


def _lines(text: str) -> list[Span]:
    """The lines from the first that is not blank on, without their white space."""
    spans, start = list[Span](), 0
    for line in text.splitlines(keepends=True):
        span = trimmed(text, start, start + len(line))
        if spans or span.start < span.end:
            spans.append(span)
        start += len(line)
    return spans


def _title(text: str, lines: Sequence[Span]) -> Span | None:
    """The first line, if it is short, ends unlike a sentence, is no list item, and stands apart from what follows."""
    if len(lines) < 2:
        return None
    first, second = lines[:2]
    apart = second.start == second.end or second.end - second.start > _WRAP_WIDTH
    short = first.end - first.start <= OPENING_CHARACTERS and text[first.end - 1] not in ".!;:,。！；：，"
    return first if apart and short and not _LIST_ITEM.match(text, first.start) else None


def from_text(
    text: str,
    *,
    title: str,
    source: str = "",
    id: str | None = None,  # noqa: A002
    media_type: str = "text/plain",
    headings: tuple[Heading, ...] = (),
    metadata: Mapping[str, object] | None = None,
    **given: Any,
) -> Document:
    """A document from text already at hand.

    Its id is the one given, else made from its source, else from its title and text; `given` are its other fields.
    Raises DocumentError when there is nothing to read, or characters that cannot be stored.
    """
    name = source or title or "the document"
    if not text.strip():
        raise DocumentError(f"{name} holds no text", "Leave it out, or check that it was saved.")
    if "\0" in text or not _encodable(text):
        raise DocumentError(
            f"{name!a} holds characters that are not text (NUL or half of a surrogate pair)",
            "Send well-formed Unicode.",
        )
    made = id or _digest(source or f"{title}\0{text}")[:16]
    return Document(
        id=made,
        title=as_label(title) or as_label(opening(text)) or made,
        source=source,
        text=text,
        sha256=_digest(text),
        media_type=media_type,
        headings=headings,
        metadata=dict(metadata or {}),
        **given,
    )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
