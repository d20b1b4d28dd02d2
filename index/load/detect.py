"""What a file is, by its content; its name decides only between kinds of plain text."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePath
from typing import Literal

from index.errors import DocumentError
from index.load import csv_table, html, json_records, mail
from index.load.folder import CSV_SUFFIXES, MARKDOWN_SUFFIXES

Kind = Literal[
    "text",
    "markdown",
    "html",
    "pdf",
    "word",
    "slides",
    "sheets",
    "opendocument",
    "epub",
    "mail",
    "json",
    "lines",
    "csv",
]

_PARTS: tuple[tuple[str, Kind], ...] = (
    ("word/", "word"),
    ("ppt/", "slides"),
    ("xl/", "sheets"),
)
_MIMETYPES: dict[bytes, Kind] = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.text": "opendocument",
    b"application/vnd.oasis.opendocument.text-template": "opendocument",
}
_LEGACY = {
    ".xls": "an old Excel file: save it as .xlsx",
    ".ppt": "an old PowerPoint file: save it as .pptx",
    ".msg": "an Outlook message: save it as .eml",
}
_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"{\\rtf", "is an RTF file", "Save it as .docx, .odt or PDF."),
    (b"\x89PNG", "is a picture", "Save it as PDF; scanned pages are read with tesseract."),
    (b"\xff\xd8\xff", "is a picture", "Save it as PDF; scanned pages are read with tesseract."),
    (b"GIF8", "is a picture", "Save it as PDF; scanned pages are read with tesseract."),
    (b"II*\0", "is a picture", "Save it as PDF; scanned pages are read with tesseract."),
    (b"MM\0*", "is a picture", "Save it as PDF; scanned pages are read with tesseract."),
    (b"\x1f\x8b", "is compressed (gzip)", "Unpack it first."),
    (b"7z\xbc\xaf", "is an archive (7z)", "Unpack it first."),
    (b"Rar!", "is an archive (RAR)", "Unpack it first."),
    (b"%!PS", "is a PostScript file", "Convert it to PDF: ps2pdf."),
)
_WANTED = "Save it as PDF, .docx, .odt, .html, .md or .txt."


def kind(data: bytes, name: str) -> Kind:
    """Raises DocumentError, with what to convert it to, for what is not read."""
    suffix = PurePath(name).suffix.lower()
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith(b"PK\x03\x04") or data.startswith(b"PK\x05\x06"):
        return _zipped(data, name)
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise _compound(data, name, suffix)
    for magic, what, hint in _FOREIGN:
        if data.startswith(magic):
            raise DocumentError(f"{name} {what}", hint)
    if suffix not in MARKDOWN_SUFFIXES and html.looks_like(data):
        return "html"
    if mail.looks_like(data) and suffix not in MARKDOWN_SUFFIXES:
        return "mail"
    return _plain(data, suffix)


def _plain(data: bytes, suffix: str) -> Kind:
    """Kinds of text; what cannot be decoded is refused later, by name."""
    if suffix in MARKDOWN_SUFFIXES:
        return "markdown"
    if suffix in CSV_SUFFIXES:
        return "csv"
    text = data.decode("utf-8-sig", "replace")
    if json_records.looks_like_json(text):
        return "json"
    if json_records.looks_like_lines(text) or suffix in (".jsonl", ".ndjson"):
        return "lines"
    if suffix == ".json":
        return "json"
    return "csv" if csv_table.looks_like(text) else "text"


def _zipped(data: bytes, name: str) -> Kind:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            declared = archive.read("mimetype")[:200].strip() if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise DocumentError(f"{name} is damaged: {error}", "Open it in its program and save it again.") from error
    if declared in _MIMETYPES:
        return _MIMETYPES[declared]
    if declared.startswith(b"application/vnd.oasis.opendocument"):
        raise DocumentError(f"{name} is an OpenDocument file, but no text", "Save it as .xlsx, .pptx or PDF.")
    if "[Content_Types].xml" in names:
        for start, found in _PARTS:
            if any(member.startswith(start) for member in names):
                return found
    if "META-INF/container.xml" in names:
        return "epub"
    if "content.xml" in names and "META-INF/manifest.xml" in names:
        return "opendocument"
    raise DocumentError(f"{name} is a ZIP archive", "Unpack it, and index the files in it.")


def _compound(data: bytes, name: str, suffix: str) -> DocumentError:
    """Microsoft's old file system: legacy Office, or a new file that is encrypted."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        return DocumentError(f"{name} is encrypted with a password", "Open it in its program and save it without.")
    streams = {"WordDocument": ".doc", "Workbook": ".xls", "PowerPoint Document": ".ppt", "__substg1.0": ".msg"}
    found = next((kind for stream, kind in streams.items() if stream.encode("utf-16-le") in data), suffix)
    what = _LEGACY.get(found, "an old Word file (.doc): save it as .docx")
    return DocumentError(
        f"{name} is {what.partition(':')[0]}", f"{what.partition(':')[2].strip().capitalize()}, or as PDF."
    )
