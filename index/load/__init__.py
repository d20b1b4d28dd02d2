"""Files and strings to documents, one module a family of formats."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from index.errors import DocumentError
from index.load import markdown, text
from index.types import Document

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown"})
SUFFIXES = MARKDOWN_SUFFIXES | {".txt", ".text"}
"""The file names that a folder is searched for."""

from_text = text.from_text


def load_file(path: Path, source: str | None = None) -> Document:
    """Read a file as Markdown by its suffix, else as plain text.

    `source` names the document from now on (default: the absolute path).
    Raises DocumentError when the file cannot be read as text; the message names it.
    """
    source = source or os.path.abspath(path)  # noqa: PTH100  Path.absolute keeps "..", resolve follows links
    reader = markdown.read if path.suffix.lower() in MARKDOWN_SUFFIXES else text.read
    words = text.decode(path)
    try:
        return reader(words, path.stem, source)
    except DocumentError:
        raise
    except Exception as error:  # a parser's own: one document must not stop the others
        raise DocumentError(f"{path} cannot be read: {error!r}", "Save it as plain text (.txt).") from error


def find_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The given files, and the text and Markdown files below the given folders, hidden ones left out, sorted.

    Raises DocumentError for a path that does not exist.
    """
    for path in paths:
        if path.is_dir():
            yield from _below(path)
        elif path.exists():
            yield path
        else:
            raise DocumentError(f"{path} does not exist", "Check the path; relative ones count from this folder.")


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and path.is_file():
                yield path
