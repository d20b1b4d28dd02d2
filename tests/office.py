"""Office files made for the tests, and the way that they are read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import docx
from docx.oxml import parse_xml

from index.load import opendocument, sheets, slides, word
from index.load.draft import Options
from index.types import Document

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
READERS: dict[str, Callable[..., Document]] = {
    "docx": word.read,
    "pptx": slides.read,
    "xlsx": sheets.read,
    "odt": opendocument.read,
}


def read(kind: str, data: bytes, name: str = "file") -> Document:
    return READERS[kind](data, name, f"{name}.{kind}", Options())


def saved(made: Any) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def repacked(data: bytes, change: Callable[[str, bytes], bytes | None], more: dict[str, bytes] | None = None) -> bytes:
    """The same ZIP file with its members changed (None leaves one out)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            content = change(member.filename, old.read(member))
            if content is not None:
                new.writestr(member.filename, content)
        for name, content in (more or {}).items():
            new.writestr(name, content)
    return buffer.getvalue()


def with_part(data: bytes, victim: str, change: Callable[[bytes], bytes]) -> bytes:
    return repacked(data, lambda name, part: change(part) if name == victim else part)


def body_of(*xml: str) -> bytes:
    """A document whose body is the given WordprocessingML."""
    document = docx.Document()
    for one in xml:
        document.element.body.insert_element_before(
            parse_xml(one.replace(">", f" {W}>", 1) if " xmlns:w=" not in one else one), "w:sectPr"
        )
    return saved(document)


def paragraph(words: str) -> str:
    return f"<w:p><w:r><w:t>{words}</w:t></w:r></w:p>"


ODF = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for short, name in {name: name for name in ("office", "text", "table", "style", "meta")}.items()
    | {("draw", "drawing")}
)


def odt(body: str, styles: str = "", meta: str = "", doctype: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr(
            "content.xml",
            f"{doctype}<office:document-content {ODF}><office:automatic-styles>{styles}</office:automatic-styles>"
            f"<office:body><office:text>{body}</office:text></office:body></office:document-content>",
        )
        if meta:
            dublin = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
            meta = f"<office:document-meta {ODF} {dublin}><office:meta>{meta}</office:meta></office:document-meta>"
            archive.writestr("meta.xml", meta)
    return buffer.getvalue()
