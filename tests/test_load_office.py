"""Office documents, OpenDocument, tables in plain text, and JSON: read as a person reads them, or refused clearly."""

from __future__ import annotations

import io
import json
import os
import random
import time
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

import docx
import openpyxl
import pptx
import pytest
from docx.enum.text import WD_BREAK
from docx.oxml import parse_xml
from openpyxl.styles import Font
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from index.errors import DocumentError
from index.load import csv_table, json_records, opendocument, sheets, slides, word
from index.load.draft import Options
from index.load.number_format import shown
from index.load.numerals import numeral
from index.types import Document

ROOT = Path(__file__).parent.parent
SAMPLES = Path(os.environ.get("QA_DATASETS", str(ROOT.parent / "shared" / "data"))) / "files"
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


def lines(document: Document) -> list[str]:
    return [line for line in document.text.split("\n") if line]


def headings(document: Document) -> list[tuple[int, str]]:
    return [(one.level, document.text[one.start : one.end]) for one in document.headings]


def sample(name: str) -> bytes:
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip(f"the sample file {path} is not here (QA_DATASETS names the folder)")
    return path.read_bytes()


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


# Word


def body_of(*xml: str) -> bytes:
    """A document whose body is the given WordprocessingML."""
    document = docx.Document()
    for one in xml:
        document.element.body.insert_element_before(
            parse_xml(one.replace(">", f" {W}>", 1) if " xmlns:w=" not in one else one), "w:sectPr"
        )
    return saved(document)


def word_lines(*xml: str) -> list[str]:
    return lines(read("docx", body_of(*xml)))


def paragraph(words: str) -> str:
    return f"<w:p><w:r><w:t>{words}</w:t></w:r></w:p>"


def test_a_word_document_is_read_in_order_with_headings_lists_and_tables() -> None:
    document = docx.Document()
    document.add_paragraph("Annual report", style="Title")
    document.add_heading("Income", 1)
    document.add_paragraph("First line").add_run().add_break(WD_BREAK.LINE)
    document.paragraphs[-1].add_run("second line")
    document.add_heading("By country", 2)
    table = document.add_table(0, 2)
    for row in (["Country", "Income"], ["Norway", "12"], ["Chile", "7"]):
        for cell, words in zip(table.add_row().cells, row, strict=True):
            cell.text = words
    document.add_paragraph("apples", style="List Bullet")
    document.add_paragraph("pears", style="List Bullet 2")
    document.add_paragraph("one", style="List Number")
    document.add_paragraph("two", style="List Number")
    made = read("docx", saved(document))
    assert made.title == "Annual report"
    assert headings(made) == [(1, "Annual report"), (1, "Income"), (2, "By country")]
    assert made.text == (
        "Annual report\n\nIncome\n\nFirst line\nsecond line\n\nBy country\n\n"
        "Country | Income\nCountry: Norway | Income: 12\nCountry: Chile | Income: 7\n\n"
        "- apples\n  - pears\n1. one\n2. two\n"
    )
    assert made.reading.tables == 1


def test_core_properties_become_metadata_title_and_date() -> None:
    document = docx.Document()
    properties = document.core_properties
    properties.title, properties.author, properties.keywords = "Ducks of Norway", "Kari", "duck, bird"
    properties.created, properties.modified = datetime(2020, 1, 2), datetime(2021, 3, 4, 5, 6)
    document.add_paragraph("text")
    made = read("docx", saved(document))
    assert (made.title, made.dated) == ("Ducks of Norway", "2021-03-04")
    assert made.metadata["author"] == "Kari"
    assert made.metadata["keywords"] == "duck, bird"
    assert made.metadata["created"] == "2020-01-02T00:00:00Z"


@pytest.mark.parametrize("title", ["", "Word Document", "Microsoft Word - report.doc", "report.docx", "Untitled"])
def test_a_title_that_a_program_made_up_is_none(title: str) -> None:
    document = docx.Document()
    document.core_properties.title = title
    document.add_paragraph("text")
    assert read("docx", saved(document), "my file").title == "my file"
    document.add_heading("Real words", 1)
    assert read("docx", saved(document), "my file").title == "Real words"


@pytest.mark.parametrize(
    ("style", "level"),
    [
        ('<w:style w:type="paragraph" w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>', 2),
        ('<w:style w:type="paragraph" w:styleId="X"><w:name w:val="Überschrift 3"/></w:style>', 3),
        ('<w:style w:type="paragraph" w:styleId="X"><w:name w:val="Own"/><w:basedOn w:val="Heading4"/></w:style>', 4),
        (
            '<w:style w:type="paragraph" w:styleId="X"><w:name w:val="Own"/>'
            '<w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>',
            2,
        ),
        (
            '<w:style w:type="paragraph" w:styleId="X"><w:name w:val="Own"/><w:basedOn w:val="Heading1"/>'
            '<w:pPr><w:outlineLvl w:val="9"/></w:pPr></w:style>',
            0,
        ),
        (
            '<w:style w:type="paragraph" w:styleId="X"><w:name w:val="Loop"/><w:basedOn w:val="X"/></w:style>',
            0,
        ),
    ],
)
def test_heading_levels_come_from_names_in_any_language_outline_and_base_style(style: str, level: int) -> None:
    document = docx.Document()
    element = parse_xml(style.replace(">", f" {W}>", 1))
    document.styles.element.append(element)
    key = element.get("{http://schemas.openxmlformats.org/wordprocessingml/2006/main}styleId")
    document.element.body.insert_element_before(
        parse_xml(f'<w:p {W}><w:pPr><w:pStyle w:val="{key}"/></w:pPr><w:r><w:t>Words</w:t></w:r></w:p>'), "w:sectPr"
    )
    assert headings(read("docx", saved(document))) == ([(level, "Words")] if level else [])


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (
            "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>o</w:delText></w:r></w:del></w:p>",
            "new",
        ),
        (
            "<w:p><w:moveFrom><w:r><w:t>x</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t>y</w:t></w:r></w:moveTo></w:p>",
            "y",
        ),
        ('<w:p><w:hyperlink w:anchor="a"><w:r><w:t>a link</w:t></w:r></w:hyperlink></w:p>', "a link"),
        ("<w:p><w:sdt><w:sdtContent><w:r><w:t>control</w:t></w:r></w:sdtContent></w:sdt></w:p>", "control"),
        ("<w:sdt><w:sdtContent><w:p><w:r><w:t>block</w:t></w:r></w:p></w:sdtContent></w:sdt>", "block"),
        (
            '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>PAGEREF x</w:instrText></w:r>'
            '<w:r><w:t>code</w:t></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>7</w:t></w:r>'
            '<w:r><w:fldChar w:fldCharType="end"/></w:r><w:r><w:t> pages</w:t></w:r></w:p>',
            "7 pages",
        ),
        ('<w:p><w:fldSimple w:instr="DATE"><w:r><w:t>today</w:t></w:r></w:fldSimple></w:p>', "today"),
        ("<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:r><w:t>seen</w:t></w:r></w:p>", "seen"),
        ("<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:noBreakHyphen/><w:t>c</w:t></w:r></w:p>", "a b-c"),
        ("<w:p><w:smartTag><w:r><w:t>smart</w:t></w:r></w:smartTag></w:p>", "smart"),
        (
            '<w:p xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
            'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><m:oMath><m:r><m:t>E=m</m:t></m:r>'
            "<m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath></w:p>",
            "E=mc^2",
        ),
    ],
)
def test_a_paragraph_says_what_a_person_sees(xml: str, expected: str) -> None:
    assert word_lines(xml) == [expected]


def test_a_text_box_is_read_once() -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>in the box</w:t></w:r></w:p></w:txbxContent>"
    xml = (
        f'<w:p {W} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:v="urn:v" '
        'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"><w:r><w:t>before</w:t></w:r><w:r>'
        f'<mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wps:txbx>{box}</wps:txbx></w:drawing></mc:Choice>'
        f"<mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert word_lines(xml) == ["before", "in the box"]


NUMBERING = (
    f"<w:numbering {W}>"
    '<w:abstractNum w:abstractNumId="0">'
    '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%2)"/></w:lvl>'
    '<w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%1.%2.%3"/></w:lvl>'
    "</w:abstractNum>"
    '<w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl>'
    "</w:abstractNum>"
    '<w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num>'
    '<w:num w:numId="6"><w:abstractNumId w:val="1"/></w:num>'
    '<w:num w:numId="7"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="9"/>'
    "</w:lvlOverride></w:num>"
    "</w:numbering>"
).encode()


def numbered(key: int, level: int, words: str, style: str = "Normal") -> str:
    return (
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/><w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{key}"/></w:numPr>'
        f"</w:pPr><w:r><w:t>{words}</w:t></w:r></w:p>"
    )


def test_numbered_lists_are_counted_as_word_counts_them() -> None:
    data = body_of(
        numbered(5, 0, "first"),
        numbered(5, 1, "inner"),
        numbered(5, 1, "inner too"),
        numbered(5, 2, "deep"),
        numbered(5, 0, "second"),
        numbered(5, 1, "again"),
        numbered(6, 0, "bullet"),
        numbered(0, 0, "no list"),
        numbered(7, 0, "restarted"),
        numbered(7, 0, "A heading", "Heading1"),
    )
    data = repacked(data, lambda name, content: NUMBERING if name == "word/numbering.xml" else content)
    assert read("docx", data).text.splitlines() == [
        "1. first", "  a) inner", "  b) inner too", "    1.b.I deep", "2. second", "  a) again", "- bullet",
        "", "no list", "", "9. restarted", "", "10. A heading",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "kind", "printed"),
    [
        (3, "1", "3"),
        (3, "a", "c"),
        (28, "A", "BB"),
        (4, "i", "iv"),
        (1994, "I", "MCMXCIV"),
        (7, "01", "07"),
        (22, "1st", "22nd"),
        (11, "1st", "11th"),
        (0, "i", "0"),
        (5, "", ""),
    ],
)
def test_numerals(value: int, kind: str, printed: str) -> None:
    assert numeral(value, kind) == printed


def test_merged_cells_stand_once_in_a_row_and_in_each_row_that_they_span() -> None:
    document = docx.Document()
    table = document.add_table(4, 3)
    for row, words in enumerate((["Region", "City", "People"], ["North", "Oslo", "7"], ["", "Bergen", "3"])):
        for column, word_ in enumerate(words):
            table.cell(row, column).text = word_
    table.cell(1, 0).merge(table.cell(2, 0))
    table.cell(3, 0).text = "All of them"
    table.cell(3, 0).merge(table.cell(3, 2))
    assert lines(read("docx", saved(document))) == [
        "Region | City | People",
        "Region: North | City: Oslo | People: 7",
        "Region: North | City: Bergen | People: 3",
        "All of them",
    ]


def word_table(rows: list[list[str]], change: Callable[[Any], None] = lambda _: None) -> list[str]:
    document = docx.Document()
    table = document.add_table(len(rows), len(rows[0]))
    for row, words in enumerate(rows):
        for column, one in enumerate(words):
            table.cell(row, column).text = one
    change(table)
    return lines(read("docx", saved(document)))


def test_a_header_is_known_by_its_mark_its_style_its_bold_type_or_its_looks() -> None:
    def marked(table: Any) -> None:
        table.rows[0]._tr.get_or_add_trPr().append(parse_xml(f"<w:tblHeader {W}/>"))

    def bold(table: Any) -> None:
        for cell in table.rows[0].cells:
            cell.paragraphs[0].runs[0].bold = True

    def bold_keys(table: Any) -> None:
        for row in table.rows:
            row.cells[0].paragraphs[0].runs[0].bold = True

    def styled(table: Any) -> None:
        table.style = "Light Grid Accent 1"

    same = [["x", "y"], ["x", "z"]]
    assert word_table(same) == ["x | y", "x | z"]  # "x" is repeated below: no name of a column
    for change in (marked, bold, styled):
        assert word_table(same, change) == ["x | y", "x | y: z"]
    assert word_table([["Name", "Oslo"], ["Land", "Norway"]]) == ["Name | Oslo", "Name: Land | Oslo: Norway"]
    assert word_table([["Name", "Oslo"], ["Land", "Norway"]], bold_keys) == ["Name | Oslo", "Land | Norway"]
    assert word_table([["Name:", "Oslo"], ["Land:", "Norway"]]) == ["Name: | Oslo", "Land: | Norway"]
    assert word_table([["1", "2"], ["3", "4"]]) == ["1 | 2", "3 | 4"]
    assert word_table([["", "2019", "2020"], ["Rent", "500", "510"]]) == ["2019 | 2020", "Rent | 2019: 500 | 2020: 510"]


def test_nested_tables_follow_and_frames_are_no_tables() -> None:
    document = docx.Document()
    outer = document.add_table(2, 2)
    for cell, words in zip(outer._cells, ("Name", "Details", "Duck", "see below"), strict=True):
        cell.text = words
    inner = outer.cell(1, 1).add_table(2, 2)
    for cell, words in zip(inner._cells, ("Size", "Weight", "30", "2"), strict=True):
        cell.text = words
    frame = document.add_table(1, 1)
    frame.cell(0, 0).text = "A note in a frame."
    made = read("docx", saved(document))
    assert lines(made) == [
        "Name | Details",
        "Name: Duck | Details: see below",
        "Size | Weight",
        "Size: 30 | Weight: 2",
        "A note in a frame.",
    ]
    assert made.reading.tables == 2


def test_footnotes_stand_at_the_end_comments_headers_and_contents_do_not() -> None:
    note = f'<w:footnotes {W}><w:footnote w:id="2"><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote></w:footnotes>'
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Running header"
    document.add_paragraph("Introduction 3").style = document.styles.add_style("toc 1", 1)
    body = document.add_paragraph("Body")
    body._p.append(parse_xml(f'<w:r {W}><w:footnoteReference w:id="2"/></w:r>'))
    body.add_run(" goes on.")
    document.add_comment(body.runs, "A comment", "me", "m")
    data = repacked(saved(document), lambda _, content: content, {"word/footnotes.xml": note.encode()})
    made = read("docx", data)
    assert made.text == "Body[1] goes on.\n\nFootnotes\n\n[1] A note.\n"
    assert headings(made) == [(1, "Footnotes")]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/vnd.ms-word.document.macroEnabled.main+xml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
    ],
)
def test_macro_documents_and_templates_open(content_type: str) -> None:
    old = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    data = repacked(body_of(paragraph("words")), lambda _, content: content.replace(old, content_type.encode()))
    assert lines(read("docx", data)) == ["words"]


def test_strict_documents_open() -> None:
    transitional = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    strict = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
    data = repacked(body_of(paragraph("words")), lambda _, content: content.replace(transitional, strict))
    assert lines(read("docx", data)) == ["words"]


# PowerPoint


def deck(fill: Callable[[Any], None]) -> Document:
    presentation = pptx.Presentation()
    fill(presentation)
    return read("pptx", saved(presentation))


def test_each_slide_is_a_heading_with_its_bullets_tables_and_notes() -> None:
    def fill(presentation: Any) -> None:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = "Plans for\vducks"
        frame = slide.placeholders[1].text_frame
        frame.text = "Feed them"
        frame.add_paragraph().text = "with leaves"
        frame.paragraphs[1].level = 1
        slide.notes_slide.notes_text_frame.text = "Say it slowly.\nTwice."
        second = presentation.slides.add_slide(presentation.slide_layouts[6])
        second._element.set("show", "0")
        table = second.shapes.add_table(2, 2, Inches(1), Inches(3), Inches(4), Inches(1)).table
        for number, words in enumerate(("Name", "Age", "Anna", "3")):
            table.cell(number // 2, number % 2).text = words
        second.shapes.add_textbox(Inches(5), Inches(1), Inches(2), Inches(1)).text_frame.text = "right"
        second.shapes.add_textbox(Inches(1), Inches(1.1), Inches(2), Inches(1)).text_frame.text = "left"
        group = second.shapes.add_group_shape()
        group.shapes.add_textbox(Inches(1), Inches(6), Inches(2), Inches(1)).text_frame.text = "grouped"

    made = deck(fill)
    assert made.title == "Plans for ducks"
    assert headings(made) == [(1, "Slide 1: Plans for ducks"), (2, "Notes"), (1, "Slide 2")]
    assert lines(made) == [
        "Slide 1: Plans for ducks", "- Feed them", "  - with leaves", "Notes", "Say it slowly.", "Twice.",
        "Slide 2", "left", "right", "Name | Age", "Name: Anna | Age: 3", "grouped",
    ]  # fmt: skip
    assert made.pages == ()
    assert made.reading.tables == 1


def test_a_chart_is_a_table_of_its_categories() -> None:
    def fill(presentation: Any) -> None:
        data: Any = cast(Any, CategoryChartData)()
        data.categories = ["East", "West"]
        data.add_series("2019", (19.2, 21.4))
        data.add_series("2020", (5, 6))
        slide = presentation.slides.add_slide(presentation.slide_layouts[5])
        slide.shapes.title.text = "Sales"
        place = (Inches(1), Inches(2), Inches(5), Inches(4))
        chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, data).chart
        chart.has_title = True
        chart.chart_title.text_frame.text = "Ducks sold"

    made = deck(fill)
    assert lines(made)[1:3] == ["Ducks sold", "2019 | 2020"]
    assert lines(made)[3:] == ["East | 2019: 19.2 | 2020: 5", "West | 2019: 21.4 | 2020: 6"]


def test_slide_numbers_are_left_out_and_numbered_paragraphs_counted() -> None:
    number = (
        '<p:sp xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><p:nvSpPr><p:cNvPr id="9" name="n"/>'
        '<p:cNvSpPr/><p:nvPr><p:ph type="sldNum" idx="12"/></p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p>'
        '<a:fld id="{B}" '
        'type="slidenum"><a:t>42</a:t></a:fld></a:p></p:txBody></p:sp>'
    )

    def fill(presentation: Any) -> None:
        slide = presentation.slides.add_slide(presentation.slide_layouts[6])
        slide.shapes._spTree.append(parse_xml(number))
        frame = slide.shapes.add_textbox(Inches(1), Inches(1), Inches(5), Inches(1)).text_frame
        for words in ("eggs", "nests"):
            line = frame.add_paragraph()
            line.text = words
            drawing = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
            bullet = f'<a:buAutoNum {drawing} type="alphaLcParenR"/>'
            line._p.get_or_add_pPr().append(parse_xml(bullet))

    assert lines(deck(fill)) == ["Slide 1", "a) eggs", "b) nests"]


def test_a_presentation_without_a_word_is_refused_and_an_empty_slide_is_reported() -> None:
    with pytest.raises(DocumentError, match="file holds no text"):
        deck(lambda presentation: presentation.slides.add_slide(presentation.slide_layouts[6]))

    def fill(presentation: Any) -> None:
        presentation.slides.add_slide(presentation.slide_layouts[0]).shapes.title.text = "Words"
        presentation.slides.add_slide(presentation.slide_layouts[6])

    assert deck(fill).reading.warnings == ("No text on slide 2.",)


# Excel


def workbook(fill: Callable[[Any], None]) -> Document:
    book = openpyxl.Workbook()
    fill(book.active)
    return read("xlsx", saved(book))


def test_a_sheet_is_read_as_a_person_sees_it() -> None:
    def fill(sheet: Any) -> None:
        sheet.title = "Ducks"
        sheet.append(["Ducks by day"])
        sheet.append([])
        sheet.append(["Day", "Count", "Share", "Price", "Wild", "Seen at"])
        sheet.append([date(2024, 5, 1), 12.0, 0.25, 1234.5, True, datetime(2024, 5, 1, 14, 30)])
        sheet["C4"].number_format, sheet["D4"].number_format = "0%", '"$"#,##0.00'

    made = workbook(fill)
    assert headings(made) == [(1, "Ducks")]
    assert lines(made) == [
        "Ducks",
        "Ducks by day",
        "Day | Count | Share | Price | Wild | Seen at",
        "Day: 2024-05-01 | Count: 12 | Share: 25% | Price: $1,234.50 | Wild: TRUE | Seen at: 2024-05-01 14:30",
    ]


@pytest.mark.parametrize(
    ("value", "code", "seen"),
    [
        ("3.0", "General", "3"),
        ("0.30000000000000004", "General", "0.3"),
        ("1234567890123", "General", "1234567890123"),
        ("0.1234", "0.00%", "12.34%"),
        ("-1234.5", "#,##0.00_);(#,##0.00)", "(1,234.50)"),
        ("1234.5", "#,##0.00\\ [$€-407]", "1,234.50 €"),
        ("5", '0 "kg"', "5 kg"),
        ("123", "00000", "00123"),
        ("1.5", "0.0##", "1.5"),
        ("0", '0;-0;"-"', "-"),
        ("45292", "[$-409]mmmm d, yyyy", "2024-01-01"),
        ("45292.75", "dd.mm.yyyy hh:mm", "2024-01-01 18:00"),
        ("0.5", "h:mm AM/PM", "12:00"),
        ("1.5", "[h]:mm", "36:00:00"),
        ("59", "yyyy-mm-dd", "1900-02-28"),
        ("61", "yyyy-mm-dd", "1900-03-01"),
        ("99999999999", "yyyy-mm-dd", "99999999999"),
        ("NaN", "0.00", "NaN"),
        ("1e400", "0.00", "1e400"),
    ],
)
def test_number_formats(value: str, code: str, seen: str) -> None:
    assert shown(value, code) == seen


def test_no_number_format_fails() -> None:
    chance = random.Random(5)
    signs = '0#?.,%;"\\_*[]$-eE+ymdhs@/ General€x'
    codes = ["".join(chance.choice(signs) for _ in range(chance.randrange(30))) for _ in range(1000)]
    values = ("0", "-1.5", "45292.123", "1e300", "-1e-300", "2958465.99999999")
    for code, value in ((code, value) for code in codes for value in values):
        assert isinstance(shown(value, code), str)


def test_tables_on_one_sheet_have_a_header_each_and_one_without_goes_on() -> None:
    def fill(sheet: Any) -> None:
        for row in (["Name", "Age"], ["Anna", 3], [], ["Bob", 4], [], [None, "City", "People"], [None, "Oslo", 7]):
            sheet.append(row)

    made = workbook(fill)
    assert lines(made)[1:] == [
        "Name | Age", "Name: Anna | Age: 3", "Name: Bob | Age: 4", "City | People", "City: Oslo | People: 7",
    ]  # fmt: skip
    assert made.reading.tables == 3


def test_merged_cells_carry_over() -> None:
    def fill(sheet: Any) -> None:
        for row in (["Land", "2023", None, "2024", None], [None, "Q1", "Q2", "Q1", "Q2"], ["Chile", 1, 2, 3, 4]):
            sheet.append(row)
        sheet.append(["Peru", 5, 6, 7, 8])
        sheet.append([None, 9, 9, 9, 8])
        for area in ("B1:C1", "D1:E1", "A1:A2", "A4:A5"):
            sheet.merge_cells(area)

    assert lines(workbook(fill))[3:] == [
        "Land: Chile | 2023 Q1: 1 | 2023 Q2: 2 | 2024 Q1: 3 | 2024 Q2: 4",
        "Land: Peru | 2023 Q1: 5 | 2023 Q2: 6 | 2024 Q1: 7 | 2024 Q2: 8",
        "Land: Peru | 2023 Q1: 9 | 2023 Q2: 9 | 2024 Q1: 9 | 2024 Q2: 8",
    ]


def test_hidden_sheets_are_read_with_a_warning_empty_ones_are_left_out() -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "words"
    book.create_sheet("Secret")["A1"] = "hidden words"
    book["Secret"].sheet_state = "hidden"
    book.create_sheet("Empty")
    made = read("xlsx", saved(book))
    assert headings(made) == [(1, "Sheet"), (1, "Secret")]
    assert made.reading.warnings == ("Hidden sheets were read too: Secret.",)


def test_formulas_are_read_by_their_stored_results() -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Sum", "=1+1"])

    assert workbook(fill).reading.warnings == (
        "1 formulas have no stored result: open the file in its program and save it.",
    )
    book = openpyxl.Workbook()
    book.active.append(["Sum", "=1+1"])
    with_result = repacked(saved(book), lambda _, part: part.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>").replace(
        b"<f>1+1</f><v></v>", b"<f>1+1</f><v>2</v>"))  # fmt: skip
    assert lines(read("xlsx", with_result))[1:] == ["Sum | 2"]


def test_a_sheet_that_declares_a_million_rows_takes_no_time() -> None:
    def change(name: str, part: bytes) -> bytes:
        return part.replace(b'ref="A1:B2"', b'ref="A1:XFD1048576"').replace(b'r="2"', b'r="1048576"')

    book = openpyxl.Workbook()
    book.active.append(["Name", "Age"])
    book.active.append(["Anna", 3])
    began = time.monotonic()
    assert "Anna" in read("xlsx", repacked(saved(book), change)).text
    assert time.monotonic() - began < 1


def test_a_workbook_of_too_many_characters_is_refused() -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for _ in range(800):
        sheet.append(["x" * 30_000])
    with pytest.raises(DocumentError, match="file holds more than 20 million characters"):
        read("xlsx", saved(book))


# OpenDocument

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


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('<text:p>a<text:s text:c="1000000000"/>b<text:tab/>c<text:line-break/>d</text:p>', ["a b c", "d"]),
        ("<text:p>one <text:span>two</text:span> <text:a>three</text:a></text:p>", ["one two three"]),
        ("<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes><text:p>kept</text:p>", ["kept"]),
        ("<text:p>said<office:annotation><text:p>comment</text:p></office:annotation>.</text:p>", ["said."]),
        (
            "<text:p>Body<text:note text:note-class='footnote'><text:note-citation>1</text:note-citation>"
            "<text:note-body><text:p>A note.</text:p></text:note-body></text:note> goes on.</text:p>"
            "<text:p>After.</text:p>",
            ["Body[1] goes on.", "After.", "Footnotes", "[1] A note."],
        ),
        (
            "<text:p>before<draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box></draw:frame> after"
            "</text:p>",
            ["before after", "boxed"],
        ),
        (
            "<text:list><text:list-item><text:p>a</text:p><text:list><text:list-item><text:p>b</text:p></text:list-item>"
            "</text:list></text:list-item></text:list>",
            ["- a", "  - b"],
        ),
        (
            "<text:list text:style-name='L'><text:list-item><text:p>a</text:p></text:list-item><text:list-item>"
            "<text:p>b</text:p></text:list-item></text:list>",
            ["i) a", "ii) b"],
        ),
        ("<text:section><text:p>inside</text:p></text:section>", ["inside"]),
        (
            "<text:table-of-content><text:index-body><text:p>One 1</text:p></text:index-body></text:table-of-content>"
            "<text:p>x</text:p>",
            ["x"],
        ),
    ],
)
def test_an_opendocument_text_says_what_a_person_sees(body: str, expected: list[str]) -> None:
    style = (
        '<text:list-style style:name="L"><text:list-level-style-number text:level="1" style:num-format="i" '
        'style:num-suffix=")"/></text:list-style>'
    )
    assert lines(read("odt", odt(body, style))) == expected


def test_an_opendocument_text_has_headings_a_title_and_facts() -> None:
    body = (
        '<text:p text:style-name="P1">The title</text:p><text:h text:outline-level="1">One</text:h><text:p>x</text:p>'
        '<text:h text:outline-level="2">Two</text:h><text:p>y</text:p>'
    )
    style = '<style:style style:name="P1" style:family="paragraph" style:parent-style-name="Title"/>'
    meta = "<meta:initial-creator>Kari</meta:initial-creator><dc:date>2022-02-03T10:00:00</dc:date>"
    made = read("odt", odt(body, style, meta))
    assert headings(made) == [(1, "The title"), (1, "One"), (2, "Two")]
    assert (made.title, made.dated, made.metadata["author"]) == ("The title", "2022-02-03", "Kari")


def test_an_opendocument_table_has_headers_merged_cells_and_bounded_repetition() -> None:
    def row(*cells: str, more: str = "") -> str:
        return f"<table:table-row {more}>{''.join(cells)}</table:table-row>"

    def cell(words: str, more: str = "") -> str:
        return f"<table:table-cell {more}><text:p>{words}</text:p></table:table-cell>"

    empty = '<table:table-cell table:number-columns-repeated="1000000000"/>'
    body = (
        f"<table:table><table:table-header-rows>{row(cell('1'), cell('City'))}</table:table-header-rows>"
        + row(cell("North", 'table:number-rows-spanned="2"'), cell("Oslo"), empty)
        + row("<table:covered-table-cell/>", cell("Bergen"))
        + row(empty, more='table:number-rows-repeated="1000000000"')
        + "</table:table>"
    )
    assert lines(read("odt", odt(body))) == ["1 | City", "1: North | City: Oslo", "1: North | City: Bergen"]
    wide = cell("x", 'table:number-columns-repeated="999999999"')
    many = f"<table:table>{row(wide, more='table:number-rows-repeated=' + repr('999999999'))}</table:table>"
    began = time.monotonic()
    assert len(read("odt", odt(many)).text) < 5_000_000
    assert time.monotonic() - began < 10


def test_an_encrypted_opendocument_text_is_refused() -> None:
    mark = b"<m:encryption-data/>"
    data = repacked(odt("<text:p>x</text:p>"), lambda name, part: mark if "manifest" in name else part)
    with pytest.raises(DocumentError, match="file is encrypted"):
        read("odt", data)


# Tables in plain text


def table(text: str) -> Document:
    return csv_table.read(text, "table", "table.csv")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name,Age\nAnna,3\n", ["Name | Age", "Name: Anna | Age: 3"]),
        ("Name;Age\r\nAnna;3,5\r\nBob;4,5\r\n", ["Name | Age", "Name: Anna | Age: 3,5", "Name: Bob | Age: 4,5"]),
        ("Name\tAge\nAnna\t3\n", ["Name | Age", "Name: Anna | Age: 3"]),
        ("Name|Age\nAnna|3\n", ["Name | Age", "Name: Anna | Age: 3"]),
        ("sep=;\r\nName;Age\r\nAnna;3\r\n", ["Name | Age", "Name: Anna | Age: 3"]),
        ("\ufeffName,Age\nAnna,3\n", ["Name | Age", "Name: Anna | Age: 3"]),
        ('Name,Said\nAnna,"Hello, ""you"",\nbye"\n', ["Name | Said", 'Name: Anna | Said: Hello, "you", bye']),
        ("1,2\n3,4\n", ["1 | 2", "3 | 4"]),
        ("1,5;2,5\n3,5;4,5\n", ["1,5 | 2,5", "3,5 | 4,5"]),
        ("Ducks\n\nName,Age\nAnna,3\nBob,4\n", ["Ducks", "Name | Age", "Name: Anna | Age: 3", "Name: Bob | Age: 4"]),
        ("Name,Note\nAnna,\nBob,x\n", ["Name | Note", "Name: Anna", "Name: Bob | Note: x"]),
        ("just one\ncolumn of\nwords\n", ["just one", "column of", "words"]),
    ],
)
def test_a_table_in_plain_text_is_read_row_by_row(text: str, expected: list[str]) -> None:
    assert lines(table(text)) == expected


def test_a_quotation_mark_that_is_never_closed_does_not_swallow_the_rest() -> None:
    made = table('size,what\n1,"a disk, old"\n2,"5 inch\n3,tape\n4,drum\n')
    assert lines(made)[1:] == [
        "size: 1 | what: a disk, old",
        'size: 2 | what: "5 inch',
        "size: 3 | what: tape",
        "size: 4 | what: drum",
    ]
    assert made.reading.warnings == ("The quotation mark in line 3 is never closed, and was read as it stands.",)


def test_ragged_rows_are_read_with_a_warning() -> None:
    made = table("a,b\nu,1\nv,2,extra\nw,3\n")
    assert lines(made)[2] == "a: v | b: 2 | extra"
    assert made.reading.warnings == ("1 rows have more or fewer fields than the others.",)


def test_a_very_large_field_is_read() -> None:
    assert len(table(f'a,b\n1,"{"x" * 300_000}"\n').text) > 300_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name,Age\nAnna,3\nBob,4\n", True),
        ("Name;City;Land\nAnna;Oslo;Norway\nBob;Rome;Italy\n", True),
        ("1\t2\n3\t4\n5\t6\n", True),
        ("sep=;\nx;y\n", True),
        ("Dear all, this is a letter\nWith one comma, on each line\nOf it, as it happens\n", False),
        ("One, two\nThree, four\nFive, six\n", False),
        ("| Name | Age |\n|---|---|\n| Anna | 3 |\n", False),
        ("x = f(a, b);\ny = g(c, d);\nz = h(e, f);\n", False),
        ("Just text\nof a few\nlines\n", False),
        ("Name,Age\nAnna,3\n", False),
        ("", False),
        ("A,B\n1,2\n3,4,5\n", False),
    ],
)
def test_a_table_is_known_by_its_content(text: str, expected: bool) -> None:
    assert csv_table.looks_like(text) is expected


# JSON


def records(value: object) -> Document:
    return json_records.read(value if isinstance(value, str) else json.dumps(value), "data", "data.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1.10, "b": true, "c": null, "d": "x"}', ["a: 1.10", "b: true", "d: x"]),
        ('{"a": NaN, "b": -Infinity, "c": 1e400}', ["a: NaN", "b: -Infinity", "c: 1e400"]),
        (f'{{"a": {"9" * 5000}}}', ["a", "9" * 5000]),
        ('{"a": 1, "a": 2}', ["a: 1", "a: 2"]),
        ('{"tags": ["x", "y", 3]}', ["tags: x, y, 3"]),
        ('[{"name": "Anna", "age": 3}, {"name": "Bob"}]', ["name: Anna | age: 3", "name: Bob"]),
        ('{"a": {"b": {"c": 1}}}', ["a.b", "c: 1"]),
        ('{"notes": "one\\ntwo", "text": "three\\nfour"}', ["three", "four", "notes", "one", "two"]),
        ('{"a": "\\ud800x"}', ["a: \ufffdx"]),
        ('{"a": "\\ud83d\\ude00"}', ["a: 😀"]),
        ('"only words"', ["only words"]),
        ("[1, 2, 3]", ["1, 2, 3"]),
        ('[[1, 2], [3, {"a": 4}]]', ["1, 2", "3", "a: 4"]),
    ],
)
def test_json_is_read_as_lines(text: str, expected: list[str]) -> None:
    assert lines(records(text)) == expected


def test_records_are_headed_by_their_titles() -> None:
    long = "word " * 60
    made = records([{"title": "Ducks", "text": long, "more": {"x": 1}}, {"question": "Why?", "notes": long}])
    assert headings(made) == [(1, "Ducks"), (2, "more"), (1, "Why?"), (2, "notes")]
    assert records({"name": "Ducks", "x": 1}).title == "Ducks"
    made = records([{"id": 1, "notes": long}, {"id": 2, "notes": long}])
    assert headings(made) == [(1, "Record 1"), (2, "notes"), (1, "Record 2"), (2, "notes")]


def test_json_lines_are_a_record_each_and_broken_ones_are_counted() -> None:
    made = records('{"a": 1, "b": "x"}\n\nnot json\n{"a": 2}\n{"a":\n')
    assert lines(made) == ["a: 1 | b: x", "a: 2"]
    assert made.reading.warnings == ("2 lines are no JSON and were skipped: line 3, 5.",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json\nat all\n", r"data is not JSON: .* \(line 1, column 1\)"),
        ('{\n"a": 1,\n"b": [\n1,\n2\n', "data is not JSON"),
        ("[" * 100_000, "data is nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "data is nested too deeply"),
        ("{}", "holds no text"),
        ("[]", "holds no text"),
        ("null", "holds no text"),
        ("", "data is not JSON"),
    ],
)
def test_what_is_no_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        records(text)


@pytest.mark.parametrize(
    ("text", "whole", "by_line"),
    [
        ('{"a": 1}', True, False),
        (' [1, "x"]', True, False),
        ('{"a": 1}\n{"a": 2}\n', False, True),
        ("[draft] of a letter", False, False),
        ("3", False, False),
        ("{ braces }\n{ in text }", False, False),
        ("[" * 100_000, False, False),
        ("", False, False),
    ],
)
def test_json_is_known_by_its_content(text: str, whole: bool, by_line: bool) -> None:
    assert json_records.looks_like_json(text) is whole
    assert json_records.looks_like_lines(text) is by_line


# What strangers send


@cache
def made(kind: str) -> bytes:
    """A file of each kind with a bit of everything."""
    if kind == "docx":
        document = docx.Document()
        document.add_heading("Heading", 1)
        document.add_paragraph("item", style="List Number")
        cells = document.add_table(2, 2)._cells
        for number, cell in enumerate(cells):
            cell.text = f"cell {number}"
        return saved(document)
    if kind == "pptx":
        presentation = pptx.Presentation()
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = "Title"
        slide.placeholders[1].text = "Words"
        slide.notes_slide.notes_text_frame.text = "Notes"
        return saved(presentation)
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for row in (["Name", "Day"], ["Anna", date(2024, 1, 2)], ["Bob", 0.5]):
            book.active.append(row)
        book.active["B3"].number_format = "0%"
        book.active["A1"].font = Font(bold=True)
        return saved(book)
    return odt(
        "<text:h text:outline-level='1'>H</text:h>"
        "<text:list><text:list-item><text:p>i</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell>"
        "<text:p>b</text:p></table:table-cell></table:table-row></table:table>"
    )


def contained(kind: str, data: bytes) -> None:
    """A document, or an error that a person can act upon; nothing else."""
    try:
        document = read(kind, data)
    except DocumentError as error:
        said = error.message.startswith("file") and error.hint
    else:
        said = document.text.strip()
    assert said


@pytest.mark.parametrize("kind", READERS)
def test_files_cut_off_or_changed_anywhere_are_contained(kind: str) -> None:
    data, chance = made(kind), random.Random(7)
    for _ in range(100):
        contained(kind, data[: chance.randrange(len(data))])
        changed = bytearray(data)
        for _ in range(chance.randrange(1, 8)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        contained(kind, bytes(changed))


@pytest.mark.parametrize("kind", READERS)
def test_parts_changed_anywhere_are_contained(kind: str) -> None:
    """The checksums of the ZIP file are right here: the XML itself is broken."""
    data, chance = made(kind), random.Random(11)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = sorted(name for name in archive.namelist() if name.endswith((".xml", ".rels")))
    parts = [name for name in parts if "theme" not in name and "slideLayouts" not in name and "Content" not in name]

    def broken(part: bytes) -> bytes:
        changed = bytearray(part)
        for _ in range(chance.randrange(1, 6)):
            at, how = chance.randrange(len(changed)), chance.randrange(3)
            if how == 0:
                changed[at] = chance.randrange(256)
            elif how == 1:
                del changed[at : at + chance.randrange(1, 50)]
            else:
                changed[at:at] = changed[chance.randrange(len(changed)) :][: chance.randrange(60)]
            changed = changed or bytearray(b"x")
        return bytes(changed)

    for _ in range(100):
        victim = chance.choice(parts)
        contained(kind, with_part(data, victim, broken))


def entity_bomb(part: bytes) -> bytes:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return with_doctype(part, f'<!ENTITY l0 "lol">{levels}', b"&l9;")


def with_doctype(part: bytes, entities: str, use: bytes) -> bytes:
    """The part with entities declared, and one of them in the first text or behind the first tag."""
    start = part.index(b"?>") + 2 if part.startswith(b"<?xml") else 0
    first = part.index(b">", start) + 1
    return part[:start] + f"<!DOCTYPE x [{entities}]>".encode() + part[start:first] + use + part[first:]


@pytest.mark.parametrize("kind", READERS)
def test_entities_are_never_expanded(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("TOP-SECRET-WORDS")
    outside = f'<!ENTITY out SYSTEM "{secret.as_uri()}">'
    with zipfile.ZipFile(io.BytesIO(made(kind))) as archive:
        parts = [name for name in archive.namelist() if name.endswith((".xml", ".rels"))]
    for victim in parts:
        for change in (entity_bomb, lambda part: with_doctype(part, outside, b"&out;")):
            data = with_part(made(kind), victim, change)
            began = time.monotonic()
            try:
                text = read(kind, data).text
            except DocumentError:
                text = ""
            assert "TOP-SECRET" not in text
            assert "lollol" not in text
            assert time.monotonic() - began < 5


def test_entities_hidden_in_another_encoding_are_refused() -> None:
    def change(name: str, part: bytes) -> bytes:
        if name != "word/document.xml":
            return part
        words = entity_bomb(part).decode().replace("UTF-8", "UTF-16").replace("utf-8", "UTF-16")
        return words.encode("utf-16")

    with pytest.raises(DocumentError, match="declares XML entities"):
        read("docx", repacked(made("docx"), change))


@pytest.mark.parametrize("kind", READERS)
def test_a_zip_bomb_is_refused(kind: str) -> None:
    bomb = b"\0" * (130 * 1024 * 1024)
    data = repacked(made(kind), lambda _, part: part, {"bomb.xml": bomb})
    with pytest.raises(DocumentError, match="file unpacks to more than is read"):
        read(kind, data)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"not a zip file", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_such_file_is_refused(kind: str, data: bytes) -> None:
    with pytest.raises(DocumentError, match="file is damaged"):
        read(kind, data)


@pytest.mark.parametrize("kind", ["docx", "xlsx", "odt"])
def test_a_file_without_words_is_refused(kind: str) -> None:
    empty = {"docx": saved(docx.Document()), "xlsx": saved(openpyxl.Workbook()), "odt": odt("<text:p/>")}
    with pytest.raises(DocumentError, match="holds no text"):
        read(kind, empty[kind])


def test_tables_nested_deeply_are_contained() -> None:
    def nested(depth: int) -> str:
        inner = paragraph("deep")
        for _ in range(depth):
            inner = f"<w:tbl><w:tr><w:tc>{inner}<w:p/></w:tc><w:tc>{paragraph('x')}</w:tc></w:tr></w:tbl>"
        return inner

    assert "deep" in read("docx", body_of(nested(5))).text
    deep = f"<w:document {W}><w:body>{nested(600)}</w:body></w:document>".encode()
    contained("docx", repacked(made("docx"), lambda name, part: deep if name == "word/document.xml" else part))


def test_a_cell_over_many_rows_does_not_multiply() -> None:
    row = "<w:tr><w:tc><w:tcPr><w:vMerge/></w:tcPr><w:p/></w:tc><w:tc><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc></w:tr>"
    first = row.replace("<w:vMerge/>", '<w:vMerge w:val="restart"/>').replace("<w:p/>", paragraph("y" * 100_000))
    assert len(read("docx", body_of(f"<w:tbl>{first}{row * 500}</w:tbl>")).text) < 200_000


def test_damaged_properties_do_not_cost_the_document() -> None:
    document = read("docx", with_part(made("docx"), "docProps/core.xml", lambda _: b"<broken"))
    assert "Heading" in document.text
    assert "are damaged and were left out" in document.reading.warnings[0]


def test_relationships_to_the_network_are_not_followed() -> None:
    relation = (
        b'<Relationship Id="rId999" TargetMode="External" Target="http://127.0.0.1:9/x" '
        b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"/></Relationships>'
    )
    data = repacked(
        made("docx"),
        lambda name, part: part.replace(b"</Relationships>", relation) if name.endswith("document.xml.rels") else part,
    )
    assert "Heading" in read("docx", data).text


@pytest.mark.parametrize("reader", [csv_table.read, json_records.read])
def test_any_text_is_contained(reader: Callable[..., Document]) -> None:
    chance = random.Random(3)
    seeds = ['Name;Age\n"An;na";3\nBob;4,5\n', '{"a": [1, {"b": "x\\ny"}], "title": "T"}\n{"a": 2}\n']
    for _ in range(300):
        text = list(chance.choice(seeds) * chance.randrange(1, 4))
        for _ in range(chance.randrange(8)):
            text[chance.randrange(len(text))] = chance.choice('",;\t|\n\r{}[]:\\ \ud800\0x1')
        words = "".join(text)
        csv_table.looks_like(words)
        json_records.looks_like_json(words)
        json_records.looks_like_lines(words)
        try:
            said = reader(words, "file", "file.txt").text.strip()
        except DocumentError as error:
            said = error.hint
        assert said


# The sample files


def test_the_samples_of_word() -> None:
    made = read("docx", sample("docx_sample.docx"))
    assert headings(made) == [(1, "Swimming in the lake"), (1, "Let’s swim!"), (2, "Let’s eat")]
    assert made.title == "Swimming in the lake"
    assert "2. Don’t forget to drink water\n3. Use sun cream\n" in made.text
    assert "\nBerries | Food: Blueberry, Strawberry, Cranberry | Calories per portion: 150\n" in made.text
    tables = read("docx", sample("docx_tables.docx"))
    assert tables.reading.tables == 7
    assert "Header 0.0: Cell 2.0 | Header 0.1: Merged Cell 1.1 2.1 | Header 0.2: Cell 2.2" in tables.text


def test_the_sample_of_powerpoint() -> None:
    made = read("pptx", sample("pptx_sample.pptx"))
    assert headings(made) == [
        (1, "Slide 1: Test Table Slide"),
        (1, "Slide 2: Second slide title"),
        (2, "Notes"),
        (1, "Slide 3"),
        (2, "Notes"),
    ]
    assert "R2 | Class1 C: True | Class2 A: False" in made.text
    assert "1. List item4\n2. List item5\n3. List item6\n" in made.text
    assert "Some notes on the second slide." in made.text


def test_the_sample_of_excel() -> None:
    made = read("xlsx", sample("xlsx_table_with_title.xlsx"))
    assert made.title == "Wild Duck Observations"
    assert lines(made)[:2] == ["Duck Observations", "Number of freshwater ducks per year"]
    assert "Year: 2023 | Freshwater Ducks: 160" in made.text


def test_the_sample_of_csv() -> None:
    made = table(sample("csv_semicolon.csv").decode())
    assert len(lines(made)) == 6
    assert "Last Name: Olsen | Company: Dominguez;Mcmillan and Donovan | City: Bensonview" in made.text
    assert csv_table.looks_like(sample("csv_semicolon.csv").decode())
