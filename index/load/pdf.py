"""PDF to a document: text in reading order, with the place of every character on its page."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as raw

from index.errors import DocumentError
from index.load import ocr, render
from index.load.draft import Options
from index.load.pdf_facts import cleaned, facts, title_line, title_of
from index.load.pdf_headings import Bookmark
from index.load.pdf_page import Frame, Glyphs, Page, Style, page_of
from index.load.pdf_text import Composed, compose
from index.load.text import from_text
from index.types import Document, Reading

MAX_PAGES = 10_000
MAX_CHARACTERS = 20_000_000
_MAX_BOOKMARKS = 20_000
_FEW = 25
"""A page with fewer characters than this, and a picture on most of it, is a scan with a stamp."""
_BOLD = ("bold", "black", "heavy", "demi")
_FORCED_BOLD = 1 << 18
"""Flag of a font descriptor (ISO 32000-1, table 123)."""


@dataclass(slots=True)
class _Report:
    """Pages from 1, by what became of them."""

    failed: list[int] = field(default_factory=list)
    scans: list[int] = field(default_factory=list)
    by_ocr: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unread: DocumentError | None = None
    """Why scans were not read, other than for want of tesseract."""


def read(data: bytes, name: str, source: str, options: Options) -> Document:
    """Raises DocumentError for what is encrypted, too long, holds no text, or cannot be read at all."""
    with render.opened(data, name, options.password) as document:
        count = len(document)
        if not count:
            raise DocumentError(f"{name} holds no pages that can be read", "Print it to a new PDF from a viewer.")
        if count > MAX_PAGES:
            raise DocumentError(f"{name} has {count} pages, more than {MAX_PAGES}", "Split it into smaller files.")
        report = _Report()
        pages = _pages(document, name, options, report)
        composed = compose(pages, list(_bookmarks(document)))
        given = _information(document)
        attached = _attachments(document)
    if not composed.text.strip():
        raise _nothing(name, report, options)
    if b"%%EOF" not in data[-2048:]:
        report.warnings.insert(0, "the file ends too early: a part of it may be missing")
    if attached:
        report.warnings.append("files attached to it are not read: " + ", ".join(attached))
    return _document(name, source, composed, given, report)


def _document(name: str, source: str, composed: Composed, given: dict[str, str], report: _Report) -> Document:
    metadata = facts(given) | {"page_count": len(composed.pages)}
    if composed.left_out:
        metadata["left_out_characters"] = composed.left_out
    ends = [*composed.pages[1:], len(composed.text)]
    empty = [n for n, (start, end) in enumerate(zip(composed.pages, ends, strict=True), 1) if start == end]
    return from_text(
        composed.text,
        title=title_of(given.get("Title", "")) or title_line(composed.title) or name,
        source=source,
        media_type="application/pdf",
        headings=tuple(composed.headings),
        metadata=metadata,
        dated=str(metadata.get("modified") or metadata.get("created") or "")[:10],
        wrapped=False,
        pages=tuple(composed.pages),
        layout=tuple(composed.layout),
        reading=Reading(
            pages_without_text=tuple(empty),
            pages_by_ocr=tuple(report.by_ocr),
            tables=composed.tables,
            warnings=tuple(_warnings(report)),
        ),
    )


def _warnings(report: _Report) -> Iterator[str]:
    if report.failed:
        yield f"{_numbered(report.failed)} cannot be read: damaged"
    if report.scans:
        are, them = ("are scans", "them") if len(report.scans) > 1 else ("is a scan", "it")
        if report.unread:
            why = f", not read: {report.unread.message} ({report.unread.hint})"
        elif ocr.installed():
            why = ", not read as OCR is switched off"
        else:
            why = f"; install tesseract-ocr to have {them} read"
        yield f"{_numbered(report.scans)} {are}{why}"
    yield from report.warnings


def _nothing(name: str, report: _Report, options: Options) -> DocumentError:
    """Why a file gave no text."""
    if report.unread:
        return DocumentError(f"{name} holds scanned pages only: {report.unread.message}", report.unread.hint)
    if report.scans and not ocr.installed():
        return DocumentError(
            f"{name} holds scanned pages only", "Install tesseract to have them read: apt-get install tesseract-ocr"
        )
    if report.scans and not options.ocr:
        return DocumentError(f"{name} holds scanned pages only, and OCR is switched off", "Allow OCR.")
    if report.warnings:
        return DocumentError(f"{name} holds no text that can be read: {report.warnings[0]}", "Check the file.")
    if report.failed:
        return DocumentError(f"{name} is damaged: no page can be read", "Print it to a new PDF from a viewer.")
    if report.by_ocr:
        return DocumentError(f"{name} holds no text, and OCR found none in its pictures", "Scan it again, or leave it.")
    return DocumentError(f"{name} holds no text: its pages are blank", "Leave it out.")


def _numbered(pages: Sequence[int]) -> str:
    """ "page 3", "pages 3, 5-8"."""
    ranges = list[list[int]]()
    for page in pages:
        if ranges and page == ranges[-1][1] + 1:
            ranges[-1][1] = page
        else:
            ranges.append([page, page])
    said = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    more = f" and {len(said) - 20} more" if len(said) > 20 else ""
    return ("page " if len(pages) == 1 else "pages ") + ", ".join(said[:20]) + more


_TOLD = 16
"""Pages after which it is told how far it is, if none takes long."""


def _pages(document: pdfium.PdfDocument, name: str, options: Options, report: _Report) -> list[Page]:
    pages, characters, count = list[Page](), 0, len(document)
    for number in range(count):
        try:
            one = document[number]
        except pdfium.PdfiumError:
            report.failed.append(number + 1)
            pages.append(Page(0.0, 0.0))
            continue
        try:
            pages.append(_page(one, number + 1, options, report))
            if report.by_ocr[-1:] == [number + 1] or number % _TOLD == _TOLD - 1:
                options.page_read(number + 1, count)
        finally:
            one.close()
        characters += len(pages[-1].text)
        if characters > MAX_CHARACTERS:
            raise DocumentError(f"{name} holds more than {MAX_CHARACTERS:,} characters", "Split it into smaller files.")
    return pages


def _page(one: pdfium.PdfPage, number: int, options: Options, report: _Report) -> Page:
    """A page's own text, or what OCR makes of its picture where it has none."""
    size = one.get_size()
    try:
        page = _own_text(one, size)
    except pdfium.PdfiumError:
        report.failed.append(number)
        return Page(size[0], size[1], span=size)
    if not _is_scan(one, page):
        return page
    if not options.ocr or not ocr.installed():
        if not page.text.strip():
            report.scans.append(number)
        return page
    try:
        ocr.check(options.languages)
        found = ocr.read(*render.grey(one, ocr.DOTS_PER_INCH), size, options.languages)
    except DocumentError as error:
        report.scans.append(number)
        report.unread = error
        return page
    except (ocr.OCRError, pdfium.PdfiumError, ValueError) as error:
        report.warnings.append(f"page {number}: {error}")
        return page
    if len(found.text) <= len(page.text):
        return page
    report.by_ocr.append(number)
    return found


def _is_scan(one: pdfium.PdfPage, page: Page) -> bool:
    """No text, but something to see; or next to none, on a picture of the page."""
    letters = sum(not letter.isspace() for letter in page.text)
    garbled = sum("\ue000" <= letter <= "\uf8ff" or letter == "\ufffd" for letter in page.text)
    if letters >= _FEW:
        return garbled > 0.6 * letters
    if not letters:
        return next(iter(one.get_objects(max_depth=1)), None) is not None
    covered = 0.0
    for image in islice(one.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3), 1000):
        left, bottom, right, top = image.get_bounds()
        covered += max(0.0, right - left) * max(0.0, top - bottom)
    return covered > 0.5 * page.width * page.height


def _own_text(one: pdfium.PdfPage, size: tuple[float, float]) -> Page:
    text = one.get_textpage()
    try:
        left, bottom, right, top = one.get_bbox()
        glyphs = _glyphs(text, Frame(left, bottom, right, top, one.get_rotation() // 90))
        return page_of(glyphs, size, _styles(text))
    finally:
        text.close()


def _function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function of pdfium that takes addresses as numbers: an object for each call would take longer than the call."""
    address = ctypes.cast(getattr(raw, name), ctypes.c_void_p).value
    return ctypes.CFUNCTYPE(result, ctypes.c_void_p, ctypes.c_int, *arguments)(address or 0)


_pointer = ctypes.c_void_p
_code = _function("FPDFText_GetUnicode", ctypes.c_uint)
_is_generated = _function("FPDFText_IsGenerated", ctypes.c_int)
_angle = _function("FPDFText_GetCharAngle", ctypes.c_float)
_loose_box = _function("FPDFText_GetLooseCharBox", ctypes.c_int, _pointer)
_tight_box = _function("FPDFText_GetCharBox", ctypes.c_int, _pointer, _pointer, _pointer, _pointer)
_origin = _function("FPDFText_GetCharOrigin", ctypes.c_int, _pointer, _pointer)


def _glyphs(text: pdfium.PdfTextPage, frame: Frame) -> Glyphs:
    """Every character that pdfium knows of a page."""
    count = min(max(0, text.count_chars()), MAX_CHARACTERS + 1)
    handle = ctypes.cast(text.raw, ctypes.c_void_p).value
    codes = np.array([_code(handle, at) for at in range(count)], np.uint32)
    tight, loose = np.zeros((count, 4)), np.zeros((count, 4), np.float32)
    origins, angles = np.zeros((count, 2)), np.zeros(count)
    to_tight, to_loose, to_origin = tight.ctypes.data, loose.ctypes.data, origins.ctypes.data
    generated = np.isin(codes, (0x20, 0x0D, 0x0A))
    for at in range(count):
        if generated[at]:
            generated[at] = _is_generated(handle, at) == 1
        # Tight boxes come as left, right, bottom, top, loose ones as left, top, right, bottom.
        place = to_tight + 32 * at
        _tight_box(handle, at, place, place + 16, place + 8, place + 24)
        _loose_box(handle, at, to_loose + 16 * at)
        _origin(handle, at, to_origin + 16 * at, to_origin + 16 * at + 8)
        angles[at] = _angle(handle, at)
    return Glyphs(
        codes=codes,
        generated=generated,
        tight=_rectangles(frame, tight),
        loose=_rectangles(frame, loose.astype(np.float64)),
        origins=frame.displayed(origins),
        quarters=np.rint(angles / (np.pi / 2)).astype(np.int64) % 4,
    )


def _rectangles(frame: Frame, boxes: Any) -> Any:
    one, other = frame.displayed(boxes[:, :2]), frame.displayed(boxes[:, 2:])
    return np.nan_to_num(np.concatenate((np.minimum(one, other), np.maximum(one, other)), axis=1))


def _styles(text: pdfium.PdfTextPage) -> Callable[[int], Style]:
    buffer, flags, matrix = ctypes.create_string_buffer(256), ctypes.c_int(), raw.FS_MATRIX()

    def style(at: int) -> Style:
        size = raw.FPDFText_GetFontSize(text, at)
        if raw.FPDFText_GetMatrix(text, at, matrix):
            size *= float(np.hypot(matrix.c, matrix.d))
        length = raw.FPDFText_GetFontInfo(text, at, buffer, len(buffer), flags)
        name = buffer.raw[: max(0, length - 1)].decode("utf-8", "replace").lower() if length <= len(buffer) else ""
        heavy = raw.FPDFText_GetFontWeight(text, at) >= 600 or bool(flags.value & _FORCED_BOLD)
        bold = any(word in name for word in _BOLD) or heavy
        return Style(size if 0.5 < size < 2000 else 10.0, bold)

    return style


def _bookmarks(document: pdfium.PdfDocument) -> Iterator[Bookmark]:
    """The outline, as far as it can be read."""
    try:
        for one in islice(document.get_toc(), _MAX_BOOKMARKS):
            destination = one.get_dest()
            page = destination.get_index() if destination is not None else None
            if page is not None:
                yield Bookmark(cleaned(one.get_title()), page, one.level)
    except (pdfium.PdfiumError, UnicodeDecodeError):
        return


def _information(document: pdfium.PdfDocument) -> dict[str, str]:
    found = {}
    for key in ("Title", "Author", "Subject", "Keywords", "CreationDate", "ModDate"):
        try:
            found[key] = document.get_metadata_value(key)
        except UnicodeDecodeError:
            found[key] = ""
    return found


def _attachments(document: pdfium.PdfDocument) -> list[str]:
    """Names of the files inside a PDF."""
    names = list[str]()
    for number in range(min(document.count_attachments(), 100)):
        try:
            names.append(cleaned(document.get_attachment(number).get_name()) or f"file {number + 1}")
        except (pdfium.PdfiumError, UnicodeDecodeError):
            names.append(f"file {number + 1}")
    return names
