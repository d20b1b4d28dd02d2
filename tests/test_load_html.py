"""Web pages as a reader sees them."""

from __future__ import annotations

import codecs
import socket
from typing import NoReturn

import pytest

from index import load
from index.errors import DocumentError
from index.types import Document
from tests.documents import headings, lines, soon

LONG = "The river rose by two metres in a single night, and the lower town stood under water until noon. " * 6


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: object, **_named: object) -> NoReturn:
        raise AssertionError("a loader reached for the network")

    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def read(data: bytes | str, name: str) -> Document:
    return load.read(data.encode() if isinstance(data, str) else data, name, name)


def page(body: str, head: str = "") -> Document:
    return read(f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>", "page.html")


def only_ours(data: bytes, name: str) -> Document | None:
    """The document, or None for one that is refused; anything else, or taking long, fails the test."""
    with soon():
        try:
            return load.read(data, name, name)
        except DocumentError:
            return None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(codecs.BOM_UTF8 + "<html><body>Zoë née".encode(), "Zoë née", id="UTF-8 mark"),
        pytest.param(codecs.BOM_UTF16_LE + "<html><body>Zoë née".encode("utf-16-le"), "Zoë née", id="UTF-16-LE mark"),
        pytest.param(codecs.BOM_UTF16_BE + "<html><body>Zoë née".encode("utf-16-be"), "Zoë née", id="UTF-16-BE mark"),
        pytest.param("<html><body>Zoë née – 2 €".encode(), "Zoë née – 2 €", id="UTF-8 undeclared"),
        pytest.param(
            "<html><meta charset=windows-1251><body>Привет".encode("cp1251"), "Привет", id="meta charset, cyrillic"
        ),
        pytest.param(
            '<html><meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2"><body>Łódź'.encode(
                "iso-8859-2"
            ),
            "Łódź",
            id="meta http-equiv",
        ),
        pytest.param(
            '<html><meta charset="iso-8859-1"><body>“Zoë” – 2 €'.encode("cp1252"), "“Zoë” – 2 €", id="latin1 is cp1252"
        ),
        pytest.param('<html><meta charset="Shift_JIS"><body>日本語'.encode("cp932"), "日本語", id="Shift_JIS"),
        pytest.param(
            '<?xml version="1.0" encoding="iso-8859-15"?><html><body>2 €'.encode("iso-8859-15"), "2 €", id="XML"
        ),
        pytest.param("<html><meta charset='utf-16'><body>Zoë".encode(), "Zoë", id="utf-16 in a meta is UTF-8"),
        pytest.param("<html><meta charset='no-such'><body>Zoë".encode(), "Zoë", id="unknown label"),
        pytest.param("<html><meta charset='base64'><body>Zoë".encode(), "Zoë", id="a codec that is no encoding"),
        pytest.param("<html><meta charset='idna'><body>Zoë".encode(), "Zoë", id="a codec for host names"),
    ],
)
def test_a_page_is_decoded_as_it_says(data: bytes, words: str) -> None:
    document = read(data, "page.html")
    assert lines(document) == [words]
    assert document.reading.warnings == ()


def test_an_undeclared_encoding_is_read_as_browsers_do_and_told() -> None:
    document = read("<html><body>“Zoë” née".encode("cp1252"), "page.html")
    assert lines(document) == ["“Zoë” née"]
    assert document.reading.warnings == ("no encoding is declared; read as Windows-1252, as browsers do",)


def test_a_label_of_utf8_on_a_page_in_windows_1252_is_told() -> None:
    document = read(b"<html><meta charset=utf-8><body>good \xff\xfe bytes", "page.html")
    assert lines(document) == ["good \ufffd\ufffd bytes"]
    assert document.reading.warnings == ("2 bytes are no utf-8 and were left out as \ufffd",)


def test_a_replacement_character_of_the_page_itself_is_no_warning() -> None:
    assert read("<html><meta charset=utf-8><body>lost \ufffd once", "page.html").reading.warnings == ()


# Web pages: blocks


@pytest.mark.parametrize(
    "mention",
    [
        "<!-- charset=koi8-r -->",
        "<script charset=koi8-r></script>",
        "<script>x = '<meta charset=koi8-r>'</script>",
        "<link rel=stylesheet href=a.css charset=iso-8859-5>",
        "<title>How to write <meta charset=koi8-r></title>",
        "</head><body><p>Write charset=koi8-r or encoding='koi8-r'.</p>",
    ],
)
def test_only_a_meta_tag_or_an_xml_declaration_declares_an_encoding(mention: str) -> None:
    document = read(f"<html><head>{mention}<body><p>Zoë née – 2 €</p>", "page.html")
    assert lines(document)[-1] == "Zoë née – 2 €"


def test_a_page_in_utf_16_cut_in_two_is_told() -> None:
    document = read(codecs.BOM_UTF16_LE + "<html><body>Zoë".encode("utf-16-le") + b"x", "page.html")
    assert document.reading.warnings == ("1 bytes are no utf-16-le and were left out as \ufffd",)


def test_headings_keep_their_levels_and_places() -> None:
    document = page("<h1>Rivers</h1><p>One.</p><h2>The <em>Rhine</em></h2><p>Two.</p><h4>Deep</h4><h2></h2>")
    assert headings(document) == [(1, "Rivers"), (2, "The Rhine"), (4, "Deep")]
    assert document.text == "Rivers\n\nOne.\n\nThe Rhine\n\nTwo.\n\nDeep\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("<p>One.</p><p>Two.</p>", ["One.", "Two."], id="paragraphs"),
        pytest.param("<div>One.<div>Two.</div>Three.</div>", ["One.", "Two.", "Three."], id="nested divs"),
        pytest.param("<p>un<b>believ</b>able</p>", ["unbelievable"], id="bold inside a word"),
        pytest.param("<p><b>un</b>believable <i>news</i></p>", ["unbelievable news"], id="bold begins a word"),
        pytest.param("<p>a\n   line\n\tbroken</p>", ["a line broken"], id="source line breaks are spaces"),
        pytest.param("<p>one<br>two<br/>three</p>", ["one", "two", "three"], id="br"),
        pytest.param("<p>one<!-- hidden -->two</p>", ["onetwo"], id="comment"),
        pytest.param("<p>one<script>x()</script> two</p>", ["one two"], id="script in a paragraph"),
        pytest.param("<p>so\u00adft and wide\u200bspace</p>", ["soft and widespace"], id="soft hyphen"),
        pytest.param("<p>wo<wbr>rd &amp; &eacute;t&#233; &hellip;</p>", ["word & été …"], id="entities and wbr"),
        pytest.param("<blockquote><p>Said.</p></blockquote>After", ["Said.", "After"], id="blockquote"),
        pytest.param("<p>One.<p>Two.<p>Three.", ["One.", "Two.", "Three."], id="unclosed paragraphs"),
        pytest.param("Bare words<p>Para</p>tail", ["Bare words", "Para", "tail"], id="bare text"),
        pytest.param("<p>漢<ruby>字<rp>(</rp><rt>じ</rt><rp>)</rp></ruby></p>", ["漢字"], id="ruby"),
        pytest.param(
            "<figure><img alt='x.png'><figcaption>A duck.</figcaption></figure>Text", ["A duck.", "Text"], id="figure"
        ),
        pytest.param("<p>See <img alt='A map of the old harbour'> now</p>", ["See A map of the old harbour now"]),
        pytest.param(
            "<details><summary>Why?</summary><p>Because.</p></details>", ["Why?", "Because."], id="closed details"
        ),
        pytest.param(
            "<p>so <math alttext='x^2'><mi>x</mi><annotation>x^2</annotation></math> is</p>", ["so x^2 is"], id="math"
        ),
        pytest.param("<p>so <math><mi>x</mi></math> is</p>", ["so x is"], id="math without words"),
        pytest.param("<p>x<sup>2</sup> and H<sub>2</sub>O</p>", ["x2 and H2O"], id="super- and subscripts"),
        pytest.param("<custom-card><p>One</p><p>Two</p></custom-card>", ["One", "Two"], id="custom elements"),
        pytest.param("<h2>A</h2>b<h2>C</h2>d", ["A", "b", "C", "d"], id="headings part the text"),
        pytest.param("<h2>A<br>B</h2>c", ["A B", "c"], id="br in a heading"),
        pytest.param("<a href=x><h2>Linked</h2><p>Teaser</p></a>", ["Linked", "Teaser"], id="blocks in a link"),
        pytest.param("<h2><div>Wrapped</div></h2>c", ["Wrapped", "c"], id="div in a heading"),
    ],
)
def test_blocks_stand_on_lines_of_their_own_and_words_stay_whole(body: str, expected: list[str]) -> None:
    assert lines(page(body)) == expected


def test_a_div_in_a_heading_is_the_heading() -> None:
    assert headings(page("<h2><div>Wrapped</div></h2>c")) == [(2, "Wrapped")]


def test_preformatted_text_keeps_its_lines_and_spaces() -> None:
    document = page("<p>Code:</p><pre><code>def f():\n    return <b>1</b>\n\nf()\n</code></pre><p>End.</p>")
    assert document.text == "Code:\n\ndef f():\n    return 1\n\nf()\n\nEnd.\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("<ul><li>One<li>Two</ul>", ["- One", "- Two"], id="bullets"),
        pytest.param("<ol><li>One</li><li>Two</li></ol>", ["1. One", "2. Two"], id="numbers"),
        pytest.param("<ol start=5><li>Five</li><li>Six</li></ol>", ["5. Five", "6. Six"], id="start"),
        pytest.param("<ol reversed><li>Two</li><li>One</li></ol>", ["2. Two", "1. One"], id="reversed"),
        pytest.param("<ol type=a><li>x</li><li>y</li></ol>", ["a. x", "b. y"], id="letters"),
        pytest.param("<ol type=I start=4><li>x</li><li>y</li></ol>", ["IV. x", "V. y"], id="Roman"),
        pytest.param("<ol><li value=7>x</li><li>y</li></ol>", ["7. x", "8. y"], id="value"),
        pytest.param(
            "<ul><li>One<ol><li>Inner</li></ol></li><li>Two</li></ul>", ["- One", "  1. Inner", "- Two"], id="nested"
        ),
        pytest.param("<ul><li><p>One</p></li><li><p>Two</p></li></ul>", ["- One", "- Two"], id="paragraphs in items"),
        pytest.param("<ol><li></li><li>Two</li></ol>", ["2. Two"], id="an empty item counts"),
        pytest.param("<ul><li>One</li></ul>After", ["- One", "After"], id="text after a list"),
        pytest.param("<li>Loose</li>", ["Loose"], id="an item without a list"),
        pytest.param("<dl><dt>Duck<dd>A bird.<dt>Oak<dd>A tree.</dl>", ["- Duck: A bird.", "- Oak: A tree."], id="dl"),
        pytest.param("<dl><dt>Duck<dd>A bird.<dd>A dive.</dl>", ["- Duck: A bird.", "A dive."], id="two meanings"),
        pytest.param("<dl><dt>Duck<dt>Drake<dd>A bird.</dl>", ["- Duck, Drake: A bird."], id="two terms"),
        pytest.param("<dl><dt>Lonely</dl><p>End", ["- Lonely", "End"], id="a term alone"),
        pytest.param(
            "<ul><li>One<pre>x = 1</pre>after</li><li>Two</li></ul>", ["- One", "x = 1", "after", "- Two"], id="pre"
        ),
    ],
)
def test_lists_keep_their_markers(body: str, expected: list[str]) -> None:
    assert lines(page(body)) == expected


# Web pages: tables

HEAD = "<tr><th>Name</th><th>Country</th></tr>"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        pytest.param(
            f"<thead>{HEAD}</thead><tbody><tr><td>Oslo</td><td>Norway</td></tr></tbody>",
            ["Name | Country", "Name: Oslo | Country: Norway"],
            id="thead",
        ),
        pytest.param(
            f"{HEAD}<tr><td>Oslo</td><td>Norway</td></tr>",
            ["Name | Country", "Name: Oslo | Country: Norway"],
            id="th without thead",
        ),
        pytest.param(
            "<thead><tr><td>Name</td><td>Country</td></tr></thead><tr><td>Oslo</td><td>Norway</td></tr>",
            ["Name | Country", "Name: Oslo | Country: Norway"],
            id="thead of td",
        ),
        pytest.param(
            f"<caption>Cities</caption>{HEAD}<tr><td>Oslo</td><td>Norway</td></tr>",
            ["Cities", "Name | Country", "Name: Oslo | Country: Norway"],
            id="caption",
        ),
        pytest.param(
            f"{HEAD}<tr><td>Oslo</td><td rowspan=2>Norway</td></tr><tr><td>Bergen</td></tr>",
            ["Name | Country", "Name: Oslo | Country: Norway", "Name: Bergen | Country: Norway"],
            id="rowspan",
        ),
        pytest.param(
            "<tr><th rowspan=2>Name<th colspan=2>People</tr><tr><th>1990<th>2020</tr><tr><td>Oslo<td>450<td>690</tr>",
            ["Name | People", "Name | 1990 | 2020", "Name: Oslo | People 1990: 450 | People 2020: 690"],
            id="two rows of names",
        ),
        pytest.param(
            "<tr><td></td><th>2019</th><th>2020</th></tr><tr><th>Sales</th><td>5</td><td>6</td></tr>",
            ["2019 | 2020", "Sales | 2019: 5 | 2020: 6"],
            id="row headers",
        ),
        pytest.param(
            "<tr><th>Capital</th><td>Oslo</td></tr><tr><th>Language</th><td>Norwegian</td></tr>",
            ["Capital | Oslo", "Language | Norwegian"],
            id="keys and values",
        ),
        pytest.param(
            f"{HEAD}<tr><td>Oslo<br>city</td><td><p>Nor</p><p>way</p></td></tr>",
            ["Name | Country", "Name: Oslo city | Country: Nor way"],
            id="blocks in cells",
        ),
        pytest.param(
            f"{HEAD}<tr><td>Oslo<tr><td>Bergen<td>Norway",
            ["Name | Country", "Name: Oslo", "Name: Bergen | Country: Norway"],
            id="unclosed and short rows",
        ),
        pytest.param(
            "<tr><th rowspan=0>Name</th><th colspan=x>Size</th></tr><tr><td>Oslo</td><td>5</td></tr>",
            ["Name | Size", "Name: Oslo | Size: 5"],
            id="spans that are no numbers",
        ),
        pytest.param(
            f"<tfoot><tr><td>Sum</td><td>1</td></tr></tfoot><thead>{HEAD}</thead><tr><td>Oslo</td><td>Norway</td></tr>",
            ["Name | Country", "Name: Oslo | Country: Norway", "Name: Sum | Country: 1"],
            id="a foot above the body",
        ),
    ],
)
def test_a_table_is_read_row_by_row_with_its_names(table: str, expected: list[str]) -> None:
    document = page(f"<p>Before</p><table>{table}</table><p>After</p>")
    assert lines(document) == ["Before", *expected, "After"]
    assert document.reading.tables == 1


def test_a_layout_table_is_read_as_the_blocks_that_it_holds() -> None:
    document = page(
        f"<table><tr><td><h2>Title</h2><p>{LONG}</p></td><td><p>Side</p><ul><li>x</li></ul></td></tr></table>"
    )
    assert lines(document) == ["Title", LONG.strip(), "Side", "- x"]
    assert headings(document) == [(2, "Title")]
    assert document.reading.tables == 0


def test_code_with_numbered_lines_is_read_as_code() -> None:
    numbers, code = "<td class=linenos><pre>1\n2</pre></td>", "<td class=code><pre>if x:\n    y()</pre></td>"
    assert page(f"<p>{LONG}</p><table><tr>{numbers}{code}</tr></table>").text == f"{LONG.strip()}\n\nif x:\n    y()\n"


def test_a_data_table_in_a_layout_table_keeps_its_names() -> None:
    inner = f"<table>{HEAD}<tr><td>Oslo</td><td>Norway</td></tr></table>"
    document = page(f"<table><tr><td>Left</td><td>{inner}</td></tr></table>")
    assert "Name: Oslo | Country: Norway" in lines(document)


# Web pages: facts


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        ("<title>Flood in Basel - The Daily</title>", "<h1>Flood in Basel</h1>", "Flood in Basel"),
        ("<title>Flood\n  in Basel</title>", "<p>x</p>", "Flood in Basel"),
        ("", "<h1>Flood</h1>", "Flood"),
        ("<title>Report</title>", "<h1>Another heading</h1>", "Report"),
        ("", "<p>words</p>", "page"),
        ("<title>Report</title>", "<p>a</p><svg><title>Icon</title></svg>", "Report"),
        ("", "<p>a</p><svg><title>Icon</title></svg>", "page"),
        ("<title>Flood in Basel | The Daily</title>", "<h1>The Daily</h1><h2>Flood in Basel</h2>", "Flood in Basel"),
        ("<title>About The Daily</title>", "<h1>The Daily</h1>", "About The Daily"),
        ("<title>Duck - Wikipedia</title>", "<h1><span>Duck</span></h1>", "Duck"),
    ],
)
def test_the_title_is_the_heading_or_the_pages_own(head: str, body: str, title: str) -> None:
    assert page(f"{body}<p>{LONG}</p>", head).title == title


def test_a_page_tells_facts_of_itself() -> None:
    document = read(
        "<!doctype html><html lang=en-GB><head><meta name=author content='Ann  Li'>"
        "<meta property='og:description' content='About it'><meta name=keywords content='a, b'>"
        "<meta property='article:published_time' content='2024-05-17T08:00:00Z'>"
        "<meta property='article:modified_time' content='2024-06-01'><meta property='og:site_name' content='Daily'>"
        "<link rel=canonical href='https://example.org/a'></head><body><p>Words.</p></body></html>",
        "page.html",
    )
    assert document.metadata == {
        "author": "Ann Li",
        "description": "About it",
        "keywords": "a, b",
        "published": "2024-05-17T08:00:00Z",
        "modified": "2024-06-01",
        "site": "Daily",
        "language": "en-GB",
        "url": "https://example.org/a",
    }
    assert document.dated == "2024-05-17"


@pytest.mark.parametrize(
    ("head", "body", "dated"),
    [
        ('<script type="application/ld+json">{"datePublished": "2023-01-02T10:00"}</script>', "", "2023-01-02"),
        ('<script type="application/ld+json">{"@graph": [{}, {"datePublished": "2022-01-02"}]}</script>', "",
         "2022-01-02"),
        ('<script type="application/ld+json">[{"datePublished": "2023-01-02"}]</script>', "", "2023-01-02"),
        ('<script type="application/ld+json">{"datePublished": 5}</script>', "", ""),
        ('<script type="application/ld+json">{broken</script>', "", ""),
        ("<script type='application/ld+json'>" + "[" * 5000 + "</script>", "", ""),
        ("", "<article><time datetime=2022-12-31>New Year's Eve</time></article>", "2022-12-31"),
        ("<meta name=date content=2024-02-30>", "", ""),
        ("<meta name=date content=20240517>", "", "2024-05-17"),
        ("<meta name=date content=202405171200>", "", ""),
        ("<meta http-equiv=last-modified content='Fri, 17 May 2024 10:00:00 GMT'>", "", "2024-05-17"),
        ("<meta name=date content=yesterday>", "", ""),
        ("<meta http-equiv=last-modified content='2024-02-03'>", "", "2024-02-03"),
    ],
)  # fmt: skip
def test_the_day_of_a_page(head: str, body: str, dated: str) -> None:
    assert page(f"<p>Words.</p>{body}", head).dated == dated


def test_an_address_is_no_author_and_xml_names_the_language() -> None:
    document = read(
        '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="de"><head>'
        '<meta property="article:author" content="https://x.test/ann"/><meta name="author" content="Ann"/></head>'
        "<body><p>Words.</p></body></html>",
        "page.html",
    )
    assert document.metadata == {"author": "Ann", "language": "de"}


def test_what_a_document_type_declares_is_no_text() -> None:
    document = read('<!DOCTYPE html [\n<!ENTITY co "Acme">\n]>\n<html><body><p>By Ann.</p></body></html>', "page.html")
    assert lines(document) == ["By Ann."]


def test_sections_of_characters_in_xhtml_are_text() -> None:
    opening = '<html xmlns="http://www.w3.org/1999/xhtml"><head><script>//<![CDATA[\nx("<p>")\n//]]></script></head>'
    document = read(f"{opening}<body><p><![CDATA[if a < b & c]]> holds</p><p>End<![CDATA[open", "page.html")
    assert lines(document)[:2] == ["if a < b & c holds", "End"]
