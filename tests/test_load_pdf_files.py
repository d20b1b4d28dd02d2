"""Real PDF files: their text against pdfium's own, and the place of every character."""

from __future__ import annotations

import pypdfium2 as pdfium
import pytest

from index.load import pdf
from index.load.draft import AS_THEY_ARE
from tests.documents import headings, sample
from tests.test_load_pdf import read, solid


def pdfium_text(data: bytes) -> str:
    source = pdfium.PdfDocument(data)
    parts = []
    for number in range(len(source)):
        one = source[number]
        text = one.get_textpage()
        parts.append(text.get_text_range())
        text.close()
        one.close()
    source.close()
    return "".join(parts)


def test_arabic_is_in_logical_order() -> None:
    document = read(sample("files/pdf_right_to_left.pdf"))
    assert "تحسين الإنتاجية وحل المشكلات من خلال البرمجة بلغة" in document.text
    assert "أيضًا" in document.text


def test_a_filing_has_its_items_for_headings_and_its_rows_for_lines() -> None:
    data = sample("sec10q/pdfs/2022 Q3 AAPL.pdf")
    document = pdf.read(data, "2022 Q3 AAPL", "x.pdf", AS_THEY_ARE)
    found = headings(document)
    assert (2, "Item 4. Controls and Procedures") in found
    assert any(words.startswith("Item 2. Management’s Discussion and Analysis") for _, words in found)
    assert "Services 19,604 17,486 58,941 50,148" in document.text.splitlines()
    assert "Apple Inc. | Q3 2022 Form 10-Q |" not in document.text
    assert document.title == "2022 Q3 AAPL"
    assert solid(document.text) + int(str(document.metadata["left_out_characters"])) == pytest.approx(
        solid(pdfium_text(data)), rel=0.002
    )


def test_columns_of_a_paper_are_read_one_after_the_other() -> None:
    text = read(sample("files/pdf_multicolumn.pdf")).text
    assert "consectetuer adipiscing elit. Ut purus elit, vestibulum ut, placerat ac," in text
    assert "Finland 5.5 338,424 Helsinki Finnish, Swedish" in text.splitlines()
