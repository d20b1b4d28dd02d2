"""Word documents: read as a person reads them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import docx
import pytest
from docx.enum.text import WD_BREAK
from docx.oxml import parse_xml

from index.load.numerals import numeral
from tests.documents import headings, lines, sample
from tests.office import W, body_of, paragraph, read, repacked, saved


def word_lines(*xml: str) -> list[str]:
    return lines(read("docx", body_of(*xml)))


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


def test_the_samples_of_word() -> None:
    made = read("docx", sample("files/docx_sample.docx"))
    assert headings(made) == [(1, "Swimming in the lake"), (1, "Let’s swim!"), (2, "Let’s eat")]
    assert made.title == "Swimming in the lake"
    assert "2. Don’t forget to drink water\n3. Use sun cream\n" in made.text
    assert "\nBerries | Food: Blueberry, Strawberry, Cranberry | Calories per portion: 150\n" in made.text
    tables = read("docx", sample("files/docx_tables.docx"))
    assert tables.reading.tables == 7
    assert "Header 0.0: Cell 2.0 | Header 0.1: Merged Cell 1.1 2.1 | Header 0.2: Cell 2.2" in tables.text
