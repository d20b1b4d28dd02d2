"""PDF: what a person reads on its pages, and the place of every character."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pypdfium2 as pdfium
import pytest
from PIL import Image

from index.boxes import unpack
from index.load import pdf, render
from index.load.draft import AS_THEY_ARE, Options
from index.load.pdf_paragraphs import Hyphens
from index.types import Document
from tests.documents import headings, lines

"""Pages, and characters that pdfium counts."""


class Writer:
    """Writes small PDFs: `text` puts words at a place in points from the bottom left, `page` ends a page."""

    def __init__(self, width: int = 400, height: int = 600) -> None:
        self.size = f"0 0 {width} {height}"
        self._pages = list[tuple[str, str]]()
        self._drawn = list[str]()

    def text(self, x: float, y: float, words: str, size: float = 10, bold: bool = False, turn: str = "1 0 0 1") -> None:
        """`words` are in WinAnsi; \\x80 and \\x81 are set as the ligatures fi and ffl."""
        escaped = words.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        self._drawn.append(f"BT /F{2 if bold else 1} {size} Tf {turn} {x} {y} Tm ({escaped}) Tj ET")

    def lines(self, x: float, y: float, lines: Sequence[str], size: float = 10, pitch: float = 12) -> float:
        for line in lines:
            self.text(x, y, line, size)
            y -= pitch
        return y

    def draw(self, operators: str) -> None:
        self._drawn.append(operators)

    def page(self, extra: str = "") -> None:
        self._pages.append(("\n".join(self._drawn), extra))
        self._drawn = []

    def bytes(self, information: str = "") -> bytes:
        if self._drawn:
            self.page()
        kids = " ".join(f"{7 + 2 * n} 0 R" for n in range(len(self._pages)))
        unicode = "1 beginbfrange <20> <7e> <0020> endbfrange 2 beginbfchar <80> <fb01> <81> <fb04> endbfchar"
        cmap = f"begincmap 1 begincodespacerange <00> <ff> endcodespacerange {unicode} endcmap"
        font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding {} >>"
        objects = [
            "<< /Type /Catalog /Pages 2 0 R >>",
            f"<< /Type /Pages /Kids [{kids}] /Count {len(self._pages)} >>",
            font.format("Helvetica", "/ToUnicode 5 0 R"),
            font.format("Helvetica-Bold", ""),
            f"<< /Length {len(cmap)} >>\nstream\n{cmap}\nendstream",
            f"<< {information} >>",
        ]
        for number, (content, extra) in enumerate(self._pages):
            objects.append(
                f"<< /Type /Page /Parent 2 0 R /MediaBox [{self.size}] /Contents {8 + 2 * number} 0 R {extra}"
                " /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>"
            )
            objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
        output, places = b"%PDF-1.7\n", []
        for number, body in enumerate(objects, 1):
            places.append(len(output))
            output += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
        table = "".join(f"{place:010} 00000 n \n" for place in places)
        size = f"/Size {len(objects) + 1} /Root 1 0 R /Info 6 0 R"
        tail = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< {size} >>\n"
        return output + tail.encode() + f"startxref\n{len(output)}\n%%EOF".encode()


def read(data: bytes, options: Options = AS_THEY_ARE) -> Document:
    return pdf.read(data, "sample", "/documents/sample.pdf", options)


def solid(text: str) -> int:
    return sum(not letter.isspace() for letter in text)


def ends(document: Document) -> list[int]:
    return [*document.pages[1:], len(document.text)]


def boxes(document: Document, page: int = 0) -> list[tuple[int, int, int, int]]:
    return [(a, b, c, d) for a, b, c, d in unpack(document.layout[page].boxes).tolist()]


def agree_with_pdfium(document: Document, data: bytes) -> tuple[int, int]:
    """Ask pdfium which character stands in the middle of each box. Gives how many agree, and how many were asked."""
    agreed = asked = 0
    source = pdfium.PdfDocument(data)
    try:
        for number, (start, end) in enumerate(zip(document.pages, ends(document), strict=True)):
            places = boxes(document, number)
            assert len(places) == end - start
            if number + 1 in document.reading.pages_by_ocr:
                continue
            one = source[number]
            text = one.get_textpage()
            for letter, box in zip(document.text[start:end], places, strict=True):
                if any(box) and not letter.isspace():
                    asked += 1
                    agreed += _found(one, text, box, letter)
            text.close()
            one.close()
    finally:
        source.close()
    return agreed, asked


def _found(one: pdfium.PdfPage, text: pdfium.PdfTextPage, box: Sequence[int], letter: str) -> bool:
    left, bottom, right, top = one.get_bbox()
    x, y = (box[0] + box[2]) / 20, (box[1] + box[3]) / 20
    middle = {
        0: (left + x, top - y),
        90: (left + y, bottom + x),
        180: (right - x, bottom + y),
        270: (right - y, top - x),
    }[one.get_rotation()]
    near = text.get_text_bounded(middle[0] - 0.1, middle[1] - 0.1, middle[0] + 0.1, middle[1] + 0.1)
    near = near.replace("\ufb01", "fi").replace("\ufb04", "ffl").replace("\ufffe", "-").replace("\x02", "-")
    return letter in near


# What a person reads


def test_lines_of_a_paragraph_become_one_line_and_paragraphs_stay_apart() -> None:
    page = Writer()
    y = page.lines(
        50, 550, ["The quick brown fox jumps over the lazy dog and", "then it rests for a while under a tree."]
    )
    page.lines(50, y - 8, ["A second paragraph has nothing to do with the", "first, and ends here."])
    assert lines(read(page.bytes())) == [
        "The quick brown fox jumps over the lazy dog and then it rests for a while under a tree.",
        "A second paragraph has nothing to do with the first, and ends here.",
    ]


def test_an_indented_line_begins_a_paragraph() -> None:
    page = Writer()
    page.lines(
        50,
        550,
        ["Every morning the old man walks to the harbour to", "look at the boats that have come in over the night."],
    )
    page.text(64, 526, "Nobody knows what he is looking for among the")
    page.text(50, 514, "ropes and nets.")
    assert len(lines(read(page.bytes()))) == 2


@pytest.mark.parametrize("interleaved", [False, True])
def test_columns_are_read_one_after_the_other(interleaved: bool) -> None:
    columns = [
        [f"the {side} column has line {word} that reaches" for word in ("one", "two", "three", "four", "five", "six")]
        for side in ("left", "right")
    ]
    page = Writer(500)
    order = [(line, side) for line in range(6) for side in (0, 1)]
    for line, side in order if interleaved else sorted(order, key=lambda one: one[1]):
        page.text(40 + 220 * side, 550 - 12 * line, columns[side][line])
    text = read(page.bytes()).text
    assert text.index("left column has line six") < text.index("right column has line one")


def test_a_title_over_columns_comes_first_and_a_footnote_below_them_last() -> None:
    page = Writer(500)
    page.text(60, 570, "A title that goes over both of the columns of the page", 16)
    for side in (0, 1):
        page.lines(40 + 220 * side, 540, [f"words of column {side + 1} go on and on here" for _ in range(8)])
    page.text(40, 400, "At the very bottom a line goes across the whole page below both of the two columns.")
    found = lines(read(page.bytes()))
    assert found[0].startswith("A title")
    assert found[-1].startswith("At the very bottom")


def test_table_rows_stay_lines_of_their_own() -> None:
    page = Writer()
    for number, row in enumerate([("Product", "2021", "2022"), ("Apples", "10", "12"), ("Pears", "7", "9")]):
        for column, cell in enumerate(row):
            page.text(50 + 120 * column, 550 - 14 * number, cell)
    document = read(page.bytes())
    assert document.text.splitlines() == ["Product 2021 2022", "Apples 10 12", "Pears 7 9"]
    assert document.reading.tables == 1


def test_the_second_line_of_a_cell_stays_with_its_row() -> None:
    page = Writer()
    for y, cells in ((550, ("Bridge", "Costs", "Remarks")), (530, ("The long bridge over", "1,200", "Closed since"))):
        for column, cell in enumerate(cells):
            page.text(50 + 120 * column, y, cell)
    page.text(50, 518, "the river")
    page.text(290, 518, "the flood")
    page.text(50, 500, "Mill")
    page.text(170, 500, "300")
    assert lines(read(page.bytes())) == [
        "Bridge Costs Remarks",
        "The long bridge over the river 1,200 Closed since the flood",
        "Mill 300",
    ]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("This line ends with a word that is hyphen-", "ated as it should be.", "is hyphenated as"),
        ("This line is about something of the years 2010-", "2012, when it was.", "years 2010-2012, when"),
        ("This line is about the language of the Anglo-", "Saxon people.", "the Anglo-Saxon people"),
        ("This line is about a time that was both pre-", "and post-war.", "both pre- and post-war"),
        ("A well-known man. This line is about a well-", "known man.", "a well-known man"),
    ],
)
def test_words_broken_over_lines_are_joined(first: str, second: str, expected: str) -> None:
    page = Writer()
    page.lines(50, 550, [first, second])
    assert expected in read(page.bytes()).text


def test_a_document_without_broken_words_keeps_its_hyphens() -> None:
    hyphens = Hyphens(["A long-term plan is one for the long-", "term, as is said. It is a short-", "lived one."])
    assert hyphens.joint("one for the short-", "lived") == (False, False)


def test_lines_of_chinese_are_joined_without_a_space() -> None:
    hyphens = Hyphens([])
    assert hyphens.joint("東京は日本の", "首都です") == (False, False)
    assert hyphens.joint("words in", "English") == (False, True)


def test_ligatures_are_letters_that_share_a_box() -> None:
    page = Writer()
    page.text(50, 550, "The \x80rst ba\x81e")
    document = read(page.bytes())
    assert document.text == "The first baffle\n"
    assert boxes(document)[4] == boxes(document)[5] != boxes(document)[6]


def test_list_items_begin_their_own_lines() -> None:
    page = Writer()
    page.lines(50, 550, ["1. Fill the kettle with water from the tap and", "switch it on.", "2. Wait until it boils."])
    assert lines(read(page.bytes()))[1] == "2. Wait until it boils."


def test_superscripts_stay_in_their_line() -> None:
    page = Writer()
    page.text(50, 550, "Energy is mc")
    page.text(108, 554, "2", 6)
    page.text(114, 550, "as we know, and it has always been so.")
    assert read(page.bytes()).text == "Energy is mc2 as we know, and it has always been so.\n"


# Running lines, headings, facts


def book(pages: int = 6) -> Writer:
    page = Writer()
    for number in range(1, pages + 1):
        page.text(50 if number % 2 else 250, 580, "The Running Title" if number % 2 else "A Chapter of the Book", 8)
        page.text(50, 540, f"Heading of page {'abcdefghij'[number]}", 14, bold=True)
        page.lines(
            50, 516, ["The body of the page tells one thing or another", f"that is told on no page but {number}."]
        )
        page.text(190, 20, f"- {number} -", 8)
        page.page()
    return page


def test_running_headers_and_page_numbers_are_left_out_and_counted() -> None:
    document = read(book().bytes())
    assert "Running" not in document.text
    assert "- 3 -" not in document.text
    assert document.text.count("The body of the page") == 6
    left = document.metadata["left_out_characters"]
    assert left == 3 * solid("The Running Title") + 3 * solid("A Chapter of the Book") + 6 * 3


def test_lines_that_recur_on_two_pages_only_are_kept() -> None:
    assert read(book(2).bytes()).text.count("The Running Title") == 1


def test_larger_type_makes_headings() -> None:
    document = read(book(3).bytes())
    assert [words for _, words in headings(document)] == [f"Heading of page {letter}" for letter in "bcd"]


def test_pages_begin_where_their_text_begins() -> None:
    page = book(6)
    page.draw("0 0 10 10 re f")
    page.page()
    page.text(50, 550, "The last page has some words again.")
    document = read(page.bytes(), Options(ocr=False))
    assert [document.text[start : start + 7] for start in document.pages] == ["Heading"] * 6 + ["The las"] * 2
    assert document.reading.pages_without_text == (7,)


def test_facts_come_from_the_information_dictionary() -> None:
    page = Writer()
    page.text(50, 550, "Some words.")
    dates = "/CreationDate (D:20200229101112+01'00') /ModDate (D:20210230)"
    given = f"/Title (On the Nature of Things) /Author (Lucretius) {dates}"
    document = read(page.bytes(given))
    assert document.title == "On the Nature of Things"
    assert document.dated == "2020-02-29"
    assert document.metadata == {"author": "Lucretius", "created": "2020-02-29T10:11:12+01:00", "page_count": 1}


@pytest.mark.parametrize(
    "title", ["Microsoft Word - draft3.doc", "untitled", "0000320193-22-000070", "report.pdf", "Ã¤Ã¶Ã¼ ã‡¹"]
)
def test_a_title_that_no_person_gave_is_not_taken(title: str) -> None:
    page = Writer()
    page.text(50, 550, "Some words.")
    assert read(page.bytes(f"/Title ({title})".encode().decode("latin-1"))).title == "sample"


# Places


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", ["", "/CropBox [30 100 380 590]"])
def test_boxes_fit_pages_that_are_turned_or_cropped(rotation: int, crop: str) -> None:
    page = Writer()
    page.text(50, 550, "Words at the top of the \x80rst page")
    page.text(50, 150, "and at its bottom.")
    page.text(5, 50, "X") if crop else None
    page.page(f"/Rotate {rotation} {crop}")
    data = page.bytes()
    document = read(data)
    agreed, asked = agree_with_pdfium(document, data)
    assert asked > 30
    assert agreed == asked
    width, height = (350, 490) if crop else (400, 600)
    layout = document.layout[0]
    assert (layout.width, layout.height) == ((height, width) if rotation % 180 else (width, height))
    assert "X" not in document.text


def test_text_that_is_turned_on_the_page_is_read_in_order() -> None:
    page = Writer()
    page.text(100, 50, "A line that goes up the page and is followed by", turn="0 1 -1 0")
    page.text(112, 50, "another one to the right of it.", turn="0 1 -1 0")
    text = read(page.bytes()).text
    assert text == "A line that goes up the page and is followed by another one to the right of it.\n"


def test_a_marked_page_is_as_wide_as_asked_and_yellow_where_the_boxes_are() -> None:
    page = Writer()
    page.text(50, 550, "Marked words and others")
    data = page.bytes()
    document = read(data)
    image = Image.open(io.BytesIO(render.page(data, 1, boxes(document)[:12], 800)))
    assert image.size == (800, 1200)
    pixels = np.array(image.convert("RGB")).astype(int)
    yellow = (pixels[:, :, 0] > 240) & (pixels[:, :, 2] < 150)
    rows, columns = np.nonzero(yellow)
    assert abs(rows.mean() / 2 - 46) < 4
    assert 90 < columns.min() < 102
    assert columns.max() < 2 * 125


def test_a_page_that_is_not_there_cannot_be_drawn() -> None:
    page = Writer()
    page.text(50, 550, "Words")
    with pytest.raises(IndexError):
        render.page(page.bytes(), 2, [], 100)
