"""Scanned pages, read by tesseract where it is installed."""

from __future__ import annotations

import shutil

import pytest

from index.errors import DocumentError
from index.load import ocr
from index.load.draft import Options
from tests.documents import sample
from tests.test_load_pdf import book, boxes, read

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


@needs_tesseract
def test_a_scan_is_read_by_ocr_with_the_place_of_every_character() -> None:
    done = list[tuple[int, int]]()
    options = Options(page_read=lambda page, pages: done.append((page, pages)))
    document = read(sample("files/pdf_scan_no_text.pdf"), options)
    assert document.text.strip() == (
        "Docling bundles PDF document conversion to JSON and Markdown in an easy self contained package"
    )
    assert document.reading.pages_by_ocr == (1,)
    assert done == [(1, 1)]
    places = boxes(document)
    assert all(any(box) == (not letter.isspace()) for letter, box in zip(document.text, places, strict=True))
    assert all(0 <= box[0] < box[2] <= 5960 for box in places if any(box))


@needs_tesseract
def test_a_language_that_is_missing_is_named() -> None:
    with pytest.raises(DocumentError, match="xyz") as caught:
        read(sample("files/pdf_scan_no_text.pdf"), Options(languages="eng+xyz"))
    assert "tesseract-ocr-xyz" in caught.value.hint


@needs_tesseract
def test_a_language_that_is_missing_is_no_reason_to_refuse_the_other_pages() -> None:
    page = book(1)
    page.draw("10 10 100 100 re f")
    page.page()
    document = read(page.bytes(), Options(languages="xyz"))
    assert document.reading.warnings == (
        "page 2 is a scan, not read: tesseract lacks the language xyz (apt-get install tesseract-ocr-xyz)",
    )


def test_a_scan_without_tesseract_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "installed", lambda: False)
    with pytest.raises(DocumentError, match="scanned pages only") as caught:
        read(sample("files/pdf_scan_no_text.pdf"))
    assert "apt-get install tesseract-ocr" in caught.value.hint


def test_scans_among_pages_of_text_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "installed", lambda: False)
    page = book(1)
    for _ in range(2):
        page.draw("10 10 100 100 re f")
        page.page()
    document = read(page.bytes())
    assert document.reading.pages_without_text == (2, 3)
    assert document.reading.warnings == ("pages 2-3 are scans; install tesseract-ocr to have them read",)
