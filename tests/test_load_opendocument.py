"""OpenDocument texts: read as a person reads them."""

from __future__ import annotations

import pytest

from index.errors import DocumentError
from tests.documents import headings, lines, soon
from tests.office import odt, read, repacked


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
    with soon(60):
        assert len(read("odt", odt(many)).text) < 5_000_000


def test_an_encrypted_opendocument_text_is_refused() -> None:
    mark = b"<m:encryption-data/>"
    data = repacked(odt("<text:p>x</text:p>"), lambda name, part: mark if "manifest" in name else part)
    with pytest.raises(DocumentError, match="file is encrypted"):
        read("odt", data)
