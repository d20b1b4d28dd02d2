"""PDF files that are damaged, closed or empty."""

from __future__ import annotations

import numpy as np
import pytest

from index.errors import DocumentError
from index.load import pdf
from index.load.draft import Options
from tests.documents import sample
from tests.test_load_pdf import Writer, book, read


def test_a_password_is_needed_and_has_to_be_right() -> None:
    data = sample("files/pdf_encrypted_needs_password.pdf")
    with pytest.raises(DocumentError, match="needs a password"):
        read(data)
    with pytest.raises(DocumentError, match="does not open with the password"):
        read(data, Options(password="no"))
    assert read(data, Options(password="openpassword")).pages == (0,)


def test_a_password_does_no_harm_where_none_is_needed() -> None:
    page = Writer()
    page.text(50, 550, "Words")
    assert read(page.bytes(), Options(password="any")).text == "Words\n"


def test_truncated_files_are_read_as_far_as_they_go_or_refused() -> None:
    data = book(4).bytes()
    seen = set[bool]()
    for length in range(0, len(data), 61):
        try:
            seen.add(bool(read(data[:length], Options(ocr=False)).text))
        except DocumentError:
            seen.add(False)
    assert seen == {True, False}


@pytest.mark.parametrize("name", ["pdf_multi_page.pdf", "pdf_outline.pdf", "pdf_encrypted_empty_password_aes256.pdf"])
def test_real_files_may_end_anywhere(name: str) -> None:
    data = sample(f"files/{name}")
    for length in np.linspace(0, len(data) - 1, 12).astype(int):
        try:
            document = read(data[:length], Options(ocr=False))
        except DocumentError:
            continue
        assert length > len(data) - 9 or "too early" in document.reading.warnings[0]


def test_mutated_files_raise_nothing_but_document_errors() -> None:
    data = book(2).bytes()
    chance = np.random.default_rng(4)
    for _ in range(60):
        broken = bytearray(data)
        for place in chance.integers(0, len(data), 12):
            broken[place] = int(chance.integers(0, 256))
        try:
            read(bytes(broken), Options(ocr=False))
        except DocumentError:
            continue


def test_more_pages_than_allowed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MAX_PAGES", 2)
    with pytest.raises(DocumentError, match="3 pages"):
        read(book(3).bytes())


def test_more_characters_than_allowed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MAX_CHARACTERS", 100)
    with pytest.raises(DocumentError, match="characters"):
        read(book(3).bytes())


def test_blank_pages_hold_no_text() -> None:
    page = Writer()
    page.page()
    with pytest.raises(DocumentError, match="no text"):
        read(page.bytes())


def test_attachments_are_named() -> None:
    warnings = read(sample("files/pdf_with_attachment.pdf")).reading.warnings
    assert warnings == ("files attached to it are not read: image.png",)
