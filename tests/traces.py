"""Looks for traces of something in every byte of a folder, also in what is packed there."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from index.terms import terms

_PACKED = re.compile(rb"\x78[\x01\x5e\x9c\xda]|PK\x03\x04")


def traces(folder: Path, marks: Iterable[str | bytes]) -> dict[str, set[str]]:
    """Which marks are found, and in which files: words in any case, stemmed as the search index has them, in UTF-8 or
    UTF-16, escaped as in JSON; bytes as they are."""
    wanted = {str(mark): _forms(mark) for mark in marks}
    found: dict[str, set[str]] = {}
    for file in folder.rglob("*"):
        try:
            data = file.read_bytes() if file.is_file() else b""
        except FileNotFoundError:  # a service that runs has replaced it
            continue
        for part in (data, *_unpacked(data)):
            lower = part.lower()
            for mark, forms in wanted.items():
                if any(form in part or form in lower for form in forms):
                    found.setdefault(mark, set()).add(file.relative_to(folder).parts[0])
        for mark, forms in wanted.items():
            if any(form in str(file.relative_to(folder)).encode() for form in forms):
                found.setdefault(mark, set()).add("a name of a file")
    return found


def _forms(mark: str | bytes) -> set[bytes]:
    if isinstance(mark, bytes):
        return {mark}
    texts = {mark, mark.lower(), mark.casefold(), json.dumps(mark)[1:-1], json.dumps(mark).lower()[1:-1], *terms(mark)}
    return {text.encode(code) for text in texts for code in ("utf-8", "utf-16-le")}


def _unpacked(data: bytes) -> Iterator[bytes]:
    for place in _PACKED.finditer(data):
        start, raw = place.start(), place.group() == b"PK\x03\x04"
        if raw:
            name, extra = (int.from_bytes(data[start + at : start + at + 2], "little") for at in (26, 28))
            start += 30 + name + extra
        unpacker = zlib.decompressobj(-15 if raw else 15)
        try:
            yield unpacker.decompress(data[start:], 1 << 22)
        except zlib.error:
            continue
