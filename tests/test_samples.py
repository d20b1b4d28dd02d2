"""Real files of every kind: indexed with the pages and characters that they have, or refused with the right advice.

They are public samples that are not part of this repository: QA_DATASETS names the folder that holds them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import docx
import openpyxl
import pptx
import pypdfium2
import pytest

from index.build import Report
from index.errors import DocumentError
from index.ingest import FileRequest
from index.load.draft import Options
from index.load.sandbox import Limits, Sandbox
from qa.wire import Library
from tests.documents import SAMPLES

pytestmark = [
    pytest.mark.samples,
    pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"the sample files are not in {SAMPLES}; set QA_DATASETS"),
]

READ: dict[str, tuple[int | None, int]] = {
    "csv_semicolon.csv": (None, 1719),
    "docx_sample.docx": (None, 833),
    "docx_tables.docx": (None, 1703),
    "eml_with_attachment.eml": (None, 230),
    "epub_poetry.epub": (None, 17027),
    "html_wikipedia_duck.html": (None, 22928),
    "pdf_4pages.pdf": (4, 14633),
    "pdf_encrypted_empty_password_aes256.pdf": (1, 39),
    "pdf_image_and_text.pdf": (1, 617),
    "pdf_missing_info.pdf": (1, 90),
    "pdf_multi_page.pdf": (5, 9508),
    "pdf_multicolumn.pdf": (3, 7204),
    "pdf_multilang.pdf": (1, 139),
    "pdf_outline.pdf": (4, 7814),
    "pdf_paper_table_page.pdf": (1, 2371),
    "pdf_right_to_left.pdf": (1, 1423),
    "pdf_scan_no_text.pdf": (1, 95),
    "pdf_scanned_with_ocr_layer.pdf": (6, 12498),
    "pdf_tiny_broken_bytes.pdf": (1, 41),
    "pdf_with_attachment.pdf": (1, 601),
    "pptx_sample.pptx": (None, 1006),
    "txt_wikipedia_strasbourg.txt": (None, 30171),
    "xlsx_table_with_title.xlsx": (None, 290),
}
"""Pages and characters; for PDF the characters that pdfium finds, line breaks as two, running headers included."""
REFUSED = {
    "doc_legacy.doc": ("an old Word file", ".docx"),
    "pdf_encrypted_needs_password.pdf": ("needs a password", "--password"),
}


def test_every_sample_is_indexed_as_it_is_or_refused_with_advice(make_library: Callable[..., Library]) -> None:
    library = make_library()
    paths = [path for path in sorted(SAMPLES.iterdir()) if path.name != "README.txt"]
    outcomes = {
        request.path.name: one for request, one in library.ingest.run([FileRequest(one, str(one)) for one in paths])
    }
    assert set(outcomes) == set(READ) | set(REFUSED)
    for name, (message, hint) in REFUSED.items():
        error = outcomes[name]
        assert isinstance(error, DocumentError), name
        assert name in error.message
        assert message in error.message
        assert hint in error.hint
    for name, (pages, characters) in READ.items():
        report = outcomes[name]
        assert isinstance(report, Report), (name, report)
        assert report.passages > 0
        assert (name, report.pages) == (name, pages)
        assert report.characters == pytest.approx(characters, rel=0.03, abs=3), name
    for stored in library.catalogue.summaries():
        document = library.catalogue.document(stored.id)
        assert document is not None
        for one in library.catalogue.passages_of(stored.id):
            assert one.passage.text == document.text[one.passage.start : one.passage.end]


@pytest.mark.parametrize("name", [name for name in READ if name.startswith("pdf_") and "scan_no_text" not in name])
def test_no_more_than_2_percent_of_pdfiums_characters_are_lost_or_made_up(sandbox: Sandbox, name: str) -> None:
    document = sandbox.read(SAMPLES / name, name)
    with pypdfium2.PdfDocument(SAMPLES / name) as pdf:
        words = "".join(page.get_textpage().get_text_range() for page in pdf)
    left_out = document.metadata.get("left_out_characters", 0)
    assert isinstance(left_out, int)
    ours, theirs = (len("".join(text.split())) for text in (document.text, words))
    assert ours + left_out == pytest.approx(theirs, rel=0.02, abs=2)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(Limits(seconds=30))
    yield made
    made.close()


def mutations(data: bytes, seed: str) -> Iterator[bytes]:
    """Cut short, bits turned, parts gone, doubled and out of place."""
    dice = random.Random(seed)
    yield data[: dice.randrange(len(data))]
    for count in (1, 20, 300):
        changed = bytearray(data)
        for _ in range(count):
            changed[dice.randrange(len(changed))] = dice.randrange(256)
        yield bytes(changed)
    one, two = sorted(dice.randrange(len(data)) for _ in range(2))
    yield data[:one] + data[two:]
    yield data[:two] + data[one:]


def attempt(sandbox: Sandbox, path: Path) -> DocumentError | str:
    """The text of a file, or why there is none."""
    try:
        return sandbox.read(path, path.name, Options(ocr=False)).text
    except DocumentError as error:
        return error


@pytest.mark.parametrize("name", [*READ, *REFUSED])
def test_whatever_is_done_to_a_file_its_reader_goes_on(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for number, data in enumerate(mutations((SAMPLES / name).read_bytes(), name)):
        path.write_bytes(data)
        outcome = attempt(sandbox, path)
        if isinstance(outcome, DocumentError):
            assert name in outcome.message, (number, outcome.message)
            assert outcome.hint, (number, outcome.message)
            assert "not read within" not in outcome.message, number
        else:
            assert outcome.strip()
    path.write_bytes(b"Still here.")
    assert "Still here." in str(attempt(sandbox, path))


def by_other_readers(path: Path) -> str:
    """What python-docx, python-pptx and openpyxl find: readers written by others."""
    if path.suffix == ".docx":
        blocks = docx.Document(str(path)).iter_inner_content()
        cells = (
            [cell.text for row in one.rows for cell in row.cells] if hasattr(one, "rows") else [one.text]
            for one in blocks
        )
        return "\n".join(words for found in cells for words in found)
    if path.suffix == ".pptx":
        shapes = [shape for slide in pptx.Presentation(str(path)).slides for shape in slide.shapes]
        texts = [shape.text_frame.text for shape in shapes if shape.has_text_frame]
        return "\n".join(
            [*texts, *(cell.text for one in shapes if one.has_table for row in one.table.rows for cell in row.cells)]
        )
    book = openpyxl.load_workbook(path, data_only=True)
    return "\n".join(str(value) for sheet in book for row in sheet.values for value in row if value is not None)


@pytest.mark.parametrize(
    "name", ["docx_sample.docx", "docx_tables.docx", "pptx_sample.pptx", "xlsx_table_with_title.xlsx"]
)
def test_no_word_that_other_readers_find_is_missing(sandbox: Sandbox, name: str) -> None:
    words = re.findall(r"\w+", by_other_readers(SAMPLES / name))
    assert len(words) > 20
    assert set(words) <= set(re.findall(r"\w+", sandbox.read(SAMPLES / name, name).text))


def test_the_right_password_opens_and_a_wrong_one_is_said(sandbox: Sandbox) -> None:
    path = SAMPLES / "pdf_encrypted_needs_password.pdf"
    assert sandbox.read(path, "s", Options(password="openpassword")).text.strip()
    with pytest.raises(DocumentError, match="does not open with the password"):
        sandbox.read(path, "s", Options(password="nonsense"))
