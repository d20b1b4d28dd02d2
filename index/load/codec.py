"""A document as JSON and back, for the way out of the process that read it."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import asdict
from typing import Any

from index.types import Document, Heading, PageLayout, Reading


def dumps(document: Document) -> str:
    return json.dumps(asdict(document), default=lambda packed: b64encode(packed).decode())


def loads(text: str | bytes) -> Document:
    """Raises ValueError, KeyError or TypeError when it is not what `dumps` made."""
    values: dict[str, Any] = json.loads(text)
    return Document(
        **values
        | {
            "pages": tuple(values["pages"]),
            "headings": tuple(Heading(**one) for one in values["headings"]),
            "tags": tuple(values["tags"]),
            "reading": Reading.of(values["reading"]),
            "layout": tuple(PageLayout(**one | {"boxes": b64decode(one["boxes"])}) for one in values["layout"]),
        }
    )
