"""Files and strings to documents, one module a family of formats; see `index.load.sandbox` for files of strangers."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path, PurePath

from index.errors import DocumentError
from index.load import text
from index.load.draft import AS_THEY_ARE, Options
from index.types import Document

READER = 1
"""Raised when the same file would be read otherwise than before: unchanged files are then read again."""

from_text = text.from_text

_MODULES = {"word", "slides", "sheets", "opendocument", "epub", "mail", "html", "pdf"}
"""Formats that are read from bytes, each by the module of its name."""
_TEXTS = {"text": "text", "markdown": "markdown", "json": "json_records", "lines": "json_records", "csv": "csv_table"}


def read(data: bytes, name: str, source: str, options: Options = AS_THEY_ARE) -> Document:
    """A document from a file's bytes; `name` is its file name, `source` names the document from now on.

    Raises DocumentError when it cannot be read; the message names it.
    """
    from index.load.detect import kind

    found, stem = kind(data, name), PurePath(name).stem
    if found in _MODULES:
        reader: Callable[..., Document] = import_module(f"index.load.{found}").read
        document = _attempt(lambda: reader(data, stem, source, options), name)
    else:
        words, plain = text.decode(data, name), import_module(f"index.load.{_TEXTS[found]}").read
        document = _attempt(lambda: plain(words, stem, source), name)
    return dataclasses.replace(document, original=hashlib.sha256(data).hexdigest())


def _attempt(reading: Callable[[], Document], name: str) -> Document:
    try:
        return reading()
    except DocumentError as error:  # loaders know the name without its suffix
        stem = PurePath(name).stem
        short = error.message.startswith(f"{stem} ")
        raise DocumentError(name + error.message.removeprefix(stem), error.hint) if short else error from error
    except MemoryError:
        raise
    except Exception as error:  # a parser's own: one document must not stop the others
        raise DocumentError(
            f"{name} cannot be read: {error!r:.300}", "Open it in its program and save it again, or as PDF or .txt."
        ) from error


def read_attachment(data: bytes, name: str, options: Options) -> Document:
    """A file inside another; `options.depth` says how deep. Raises DocumentError."""
    return read(data, name, name, options)


def load_file(path: Path, source: str | None = None, options: Options = AS_THEY_ARE) -> Document:
    """Read a file in this process: for files of one's own.

    `source` names the document from now on (default: the absolute path). Raises DocumentError.
    """
    source = source or os.path.abspath(path)  # noqa: PTH100  Path.absolute keeps "..", resolve follows links
    return read(text.content(path), path.name, source, options)
