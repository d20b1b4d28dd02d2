"""Web pages, EPUB and mail: read as a person reads them, never fetched, never lost in silence."""

from __future__ import annotations

import codecs
import io
import os
import random
import socket
import time
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any, NoReturn

import pytest

from index import load
from index.errors import DocumentError
from index.load import html, mail
from index.types import Document

ROOT = Path(__file__).parent.parent
SAMPLES = Path(os.environ.get("QA_DATASETS", str(ROOT.parent / "shared" / "data"))) / "files"
LONG = "The river rose by two metres in a single night, and the lower town stood under water until noon. " * 6


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: object, **_named: object) -> NoReturn:
        raise AssertionError("a loader reached for the network")

    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def sample(name: str) -> bytes:
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip(f"the sample file {path} is not here (QA_DATASETS names the folder)")
    return path.read_bytes()


def read(data: bytes | str, name: str) -> Document:
    return load.read(data.encode() if isinstance(data, str) else data, name, name)


def page(body: str, head: str = "") -> Document:
    return read(f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>", "page.html")


def lines(document: Document) -> list[str]:
    return [line for line in document.text.split("\n") if line]


def headings(document: Document) -> list[tuple[int, str]]:
    return [(one.level, document.text[one.start : one.end]) for one in document.headings]


# Web pages: encodings


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


# Web pages: what is left out


@pytest.mark.parametrize(
    "furniture",
    [
        "<nav><a href=/>GONE</a></nav>",
        "<script>GONE()</script>",
        "<style>.GONE{}</style>",
        "<noscript>GONE</noscript>",
        "<template><p>GONE</p></template>",
        "<aside>GONE</aside>",
        "<footer>GONE</footer>",
        "<header>GONE</header>",
        "<div hidden>GONE</div>",
        "<div style='color:red; DISPLAY : none'>GONE</div>",
        "<span aria-hidden=true>GONE</span>",
        "<div role=navigation>GONE</div>",
        "<div role=contentinfo>GONE</div>",
        "<div class=cookie-banner>We use GONE cookies</div>",
        "<div id='cookie-consent-banner'>GONE</div>",
        "<div id=onetrust-consent-sdk>GONE</div>",
        "<div class=article__share>GONE</div>",
        "<div class=post-share-links>GONE</div>",
        "<div class='sharedaddy sd-sharing-enabled'>GONE</div>",
        "<div class=jp-relatedposts>GONE</div>",
        "<ul class='share-buttons'><li>GONE</li></ul>",
        "<div class='social-share'>GONE</div>",
        "<div class='related-articles'>GONE</div>",
        "<div class=sidebar>GONE</div>",
        "<div class='breadcrumb'>GONE</div>",
        "<a class=skip-link href=#x>GONE</a>",
        "<button>GONE</button>",
        "<select><option>GONE</option></select>",
        "<form role=search>GONE</form>",
        "<span class=mw-editsection>[GONE]</span>",
        "<sup class=reference><a href=#1>[GONE]</a></sup>",
        "<div class=navbox>GONE</div>",
        "<iframe>GONE</iframe>",
        "<svg><title>GONE</title><text>GONE</text></svg>",
        "<video>GONE</video>",
        "<textarea>GONE</textarea>",
    ],
)
def test_what_surrounds_a_page_is_left_out(furniture: str) -> None:
    document = page(f"{furniture}<h1>Flood</h1><p>{LONG}</p>{furniture}<p>The end.</p>")
    assert lines(document) == ["Flood", LONG.strip(), "The end."]


@pytest.mark.parametrize(
    "kept",
    [
        "<div class='reference-list'>KEPT</div>",
        "<div class=shared-history>KEPT</div>",
        "<div id=sidereal>KEPT</div>",
        "<div class=social-security>KEPT</div>",
        "<div class=informed-consent>KEPT</div>",
        "<div class=market-share>KEPT</div>",
        "<div class=share-capital>KEPT</div>",
        "<div class='navy-blue'>KEPT</div>",
        "<div class='menuhin'>KEPT</div>",
        "<div hidden=until-found>KEPT</div>",
        "<span class=notoc>KEPT</span>",
        "<article><header>KEPT</header><p>Inner.</p></article>",
        "<div class='has-sidebar'><p>KEPT</p></div>",
        "<div class='layout with-sidebar'><p>KEPT</p></div>",
        "<section id=social-history>KEPT</section>",
        "<section id=metadata-formats>KEPT</section>",
        "<h2 id=menu>KEPT</h2>",
        "<h2 id=pager class=anchor>KEPT</h2>",
    ],
)
def test_what_only_sounds_like_furniture_is_kept(kept: str) -> None:
    assert "KEPT" in page(f"<h1>Flood</h1><p>{LONG}</p>{kept}<p>The end.</p>").text


@pytest.mark.parametrize("tag", ["main", "article", "div role=main"])
def test_the_main_part_is_preferred(tag: str) -> None:
    around = "<div class=x>Loose words of the portal.</div>"
    close = tag.split()[0]
    document = page(f"{around}<{tag}><h1>Flood</h1><p>{LONG}</p></{close}>{around}")
    assert lines(document) == ["Flood", LONG.strip()]


def test_several_articles_are_all_read() -> None:
    document = page("<article><p>First post.</p></article><article><p>Second post.</p></article>")
    assert lines(document) == ["First post.", "Second post."]


def test_a_small_main_part_does_not_hide_the_rest() -> None:
    document = page(f"<main><p>Loading</p></main><div>{LONG}</div>")
    assert LONG.strip() in lines(document)


@pytest.mark.parametrize(
    "body",
    [
        f"<nav><p>{LONG}</p></nav>",
        f"<aside><p>{LONG}</p></aside>",
        f"<div class=sidebar><div class=menu><p>{LONG}</p></div></div>",
        f"<div class=menu><p>{LONG}</p></div><div class=sidebar><p>{LONG}</p></div><div class=ads><p>{LONG}</p></div>",
        f"<footer><p>{LONG}</p></footer>",
        f"<div class=page><header><p>{LONG}</p></header><footer>{LONG}</footer></div>",
    ],
)
def test_a_page_where_everything_looks_like_furniture_is_not_emptied(body: str) -> None:
    assert LONG.strip() in page(body).text


def test_a_page_that_shows_nothing_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"page\.html holds no text"):
        page("<script>x</script><div hidden>y</div>")


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


# Web pages of common kinds

NEWS = f"""<header class=site-header><a href=/>The Daily</a><ul class=main-nav><li>World<li>Sport</ul></header>
<div id=CybotCookiebotDialog class=cookieconsent>We value your privacy. Accept all</div>
<div class=article-wrapper><h1>Flood in Basel</h1><p class=byline>By Ann Li</p>
<div class="share-bar sharebar"><a>Facebook</a><a>Share this</a></div><div class=article-body><p>{LONG}</p>
<div class=ad-slot>Advertisement</div><figure><img src=http://x.test/a.png alt="">
<figcaption>The old bridge.</figcaption></figure><h2>What comes next</h2><p>The {{}} town expects more rain.</p></div>
<section class=related-links><h3>Related stories</h3><a>Ten best umbrellas</a></section>
<div class=newsletter-signup><p>Sign up for our newsletter</p></div></div>
<footer><p>Copyright The Daily</p></footer>"""
DOCS = f"""<div class=wy-nav-side role=navigation><p class=caption>Contents</p><ul><li>Install<li>Usage</ul></div>
<section class=wy-nav-content-wrap><div role=main class=document><div class=section id=usage>
<h1>Usage<a class=headerlink href=#usage title="Permalink">¶</a></h1><p>{LONG}</p>
<div class="toc local" id=toc><ul><li>On this page</ul></div>
<div class="highlight-python"><div class=highlight><pre><span></span><span class=k>import</span> river
river.<span class=n>rise</span>(2)
</pre></div></div><dl class="py function"><dt class="sig sig-object">river.<span>rise</span>(<em>metres</em>)</dt>
<dd><p>Let it rise.</p></dd></dl><div class="admonition note"><p class=admonition-title>Note</p><p>It is wet.</p></div>
</div></div></section><footer>Built with Sphinx</footer>"""
FORUM = f"""<div id=nav-top><a>Forum index</a></div><h1>Pump fails</h1>
<div class=post><div class=author>ann</div><div class=content><p>My pump stopped. {LONG}</p></div>
<div class=signature>Sent from my boat</div></div>
<div class=post><div class=author>bob</div><div class=content><blockquote>My pump stopped.</blockquote>
<p>Clean the filter, then restart it.</p></div></div><div class=pagination>1 2 3 Next</div>"""
GOVERNMENT = f"""<div class=usa-banner><header class=usa-banner__header>An official website</header></div>
<a class=usa-skipnav href=#main-content>Skip to main content</a><nav class=usa-nav>Topics</nav>
<main id=main-content><h1>Flood levels</h1><p>{LONG}</p><table class=usa-table><caption>Peak levels by gauge</caption>
<thead><tr><th scope=col>Gauge<th scope=col>Level (m)</tr></thead><tbody>
<tr><th scope=row>Basel<td>8.12</tr><tr><th scope=row>Kehl<td>6.40</tr></tbody></table></main>
<footer class=usa-footer>Return to top</footer>"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            NEWS,
            [
                "Flood in Basel", "By Ann Li", LONG.strip(), "The old bridge.", "What comes next",
                "The {} town expects more rain.",
            ],
            id="news",
        ),
        pytest.param(
            DOCS,
            [
                "Usage", LONG.strip(), "import river", "river.rise(2)", "- river.rise(metres): Let it rise.", "Note",
                "It is wet.",
            ],
            id="documentation",
        ),
        pytest.param(
            FORUM,
            [
                "Pump fails", "ann", f"My pump stopped. {LONG.strip()}", "Sent from my boat", "bob", "My pump stopped.",
                "Clean the filter, then restart it.",
            ],
            id="forum",
        ),
        pytest.param(
            GOVERNMENT,
            [
                "Flood levels", LONG.strip(), "Peak levels by gauge", "Gauge | Level (m)",
                "Gauge: Basel | Level (m): 8.12", "Gauge: Kehl | Level (m): 6.40",
            ],
            id="government",
        ),
    ],
)  # fmt: skip
def test_pages_of_common_kinds_are_read_without_what_surrounds_them(body: str, expected: list[str]) -> None:
    assert lines(page(body)) == expected


@pytest.mark.parametrize(
    "name", ["menu", "nav", "pager", "toc", "share", "ads", "promo", "social", "consent", "metadata", "reference"]
)
def test_a_body_or_a_large_part_is_never_furniture(name: str) -> None:
    text = read(
        f"<html><body class={name}><div class={name}><p>{LONG}</p></div><p>End.</p></body></html>", "a.html"
    ).text
    assert LONG.strip() in text
    assert "End." in text


# EPUB

CONTAINER = """<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">
<rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
ENCRYPTION = """<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#"><EncryptionMethod Algorithm="{}"/></EncryptedData>
</encryption>"""


def xhtml(body: str) -> str:
    return f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head/><body>{body}</body></html>'


def package(chapters: list[tuple[str, str]], more: str = "", spine: list[int] | None = None) -> str:
    items = "".join(
        f'<item id="c{number}" href="{href}" media-type="application/xhtml+xml"/>'
        for number, (href, _) in enumerate(chapters)
    )
    order = "".join(f'<itemref idref="c{number}"/>' for number in spine or range(len(chapters)))
    return (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Rivers</dc:title>'
        "<dc:creator>Ann Li</dc:creator><dc:creator>Bo Wu</dc:creator><dc:language>en</dc:language>"
        "<dc:date>2021-03-04</dc:date></metadata>"
        f"<manifest>{items}{more}</manifest><spine>{order}</spine></package>"
    )


def zipped(parts: dict[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def book(
    chapters: list[tuple[str, str]],
    parts: dict[str, bytes | str] | None = None,
    more: str = "",
    spine: list[int] | None = None,
) -> bytes:
    from urllib.parse import unquote

    pages = {f"OEBPS/{unquote(href)}": xhtml(body) for href, body in chapters}
    opf = package(chapters, more, spine)
    return zipped({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": opf, **pages, **(parts or {})})


TWO = [("one.xhtml", "<p>First words.</p>"), ("two.xhtml", "<p>Second words.</p>")]


def test_chapters_are_read_in_the_order_of_the_spine() -> None:
    document = read(
        book([("a.xhtml", "<h1>A</h1>"), ("b.xhtml", "<h1>B</h1>"), ("c.xhtml", "<h1>C</h1>")], spine=[2, 0, 1]),
        "x.epub",
    )
    assert headings(document) == [(1, "C"), (1, "A"), (1, "B")]


def test_a_book_tells_its_facts() -> None:
    document = read(book(TWO), "x.epub")
    assert (document.title, document.dated, document.media_type) == ("Rivers", "2021-03-04", "application/epub+zip")
    assert document.metadata == {"author": "Ann Li, Bo Wu", "language": "en", "published": "2021-03-04"}


NCX = (
    '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>The  Spring</text></navLabel>'
    '<content src="one.xhtml#start"/></navPoint><navPoint><navLabel><text>The Mouth</text></navLabel>'
    '<content src="two.xhtml"/></navPoint></navMap></ncx>'
)
NAV = xhtml(
    '<nav><ol><li><a href="../one.xhtml">The Spring</a></li>'
    '<li><a href="../two.xhtml#x">The <i>Mouth</i></a></li></ol></nav>'
)


@pytest.mark.parametrize(
    ("item", "path", "content"),
    [
        ('<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/>', "OEBPS/toc.ncx", NCX),
        ('<item id="n" href="nav/nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>',
         "OEBPS/nav/nav.xhtml", NAV),
    ],
)  # fmt: skip
def test_chapters_without_headings_are_called_as_in_the_table_of_contents(item: str, path: str, content: str) -> None:
    document = read(book(TWO, {path: content}, item), "x.epub")
    assert headings(document) == [(1, "The Spring"), (1, "The Mouth")]
    assert lines(document) == ["The Spring", "First words.", "The Mouth", "Second words."]


def test_a_chapter_with_a_heading_of_its_own_keeps_it() -> None:
    item = '<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    chapters = [("one.xhtml", "<h2>Source</h2><p>First.</p>"), TWO[1]]
    assert headings(read(book(chapters, {"OEBPS/toc.ncx": NCX}, item), "x.epub")) == [(2, "Source"), (2, "The Mouth")]


def test_the_table_of_contents_in_the_spine_is_not_read_as_a_chapter() -> None:
    item = '<item id="n" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
    opf = package(TWO, item).replace("<spine>", '<spine><itemref idref="n"/>')
    data = book(TWO, {"OEBPS/nav.xhtml": NAV, "OEBPS/book.opf": opf})
    assert lines(read(data, "x.epub")) == ["First words.", "Second words."]


GUIDE = '<guide><reference type="toc" href="contents.htm"/></guide></package>'


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("<h1>Contents</h1><p><a href='one.xhtml'>The Spring of the river</a></p>", False),
        (f"<p><a href='one.xhtml'>One</a></p><p>{LONG}</p>", True),
    ],
)
def test_a_table_of_contents_that_the_guide_names_is_left_out(body: str, kept: bool) -> None:
    chapters = [("contents.htm", body), *TWO]
    text = read(book(chapters, {"OEBPS/book.opf": package(chapters).replace("</package>", GUIDE)}), "x.epub").text
    assert (LONG.strip() in text) == kept
    assert text.endswith("First words.\n\nSecond words.\n")
    assert "Contents" not in text


def test_a_chapter_that_the_spine_names_often_is_read_once() -> None:
    data = book([("one.xhtml", "<b/>" * 100_000 + "<p>Words.</p>")], spine=[0] * 500)
    document = only_ours(data, "x.epub", seconds=2)
    assert document is not None
    assert lines(document) == ["Words."]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("application/xhtml+xml", "text/x-oeb1-document"),
        ('<spine><itemref idref="c0"/><itemref idref="c1"/></spine>', ""),
        ('href="one.xhtml"', 'href="/OEBPS/one.xhtml"'),
    ],
)
def test_packages_written_otherwise_are_read(old: str, new: str) -> None:
    assert old in package(TWO)
    data = book(TWO, {"OEBPS/book.opf": package(TWO).replace(old, new)})
    assert lines(read(data, "x.epub")) == ["First words.", "Second words."]


def test_a_book_of_which_no_chapter_is_there_is_damaged() -> None:
    data = zipped({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": package(TWO)})
    with pytest.raises(DocumentError, match=r"x\.epub is damaged: its chapters are missing"):
        read(data, "x.epub")


def test_a_book_is_dated_by_its_publication() -> None:
    dates = "".join(
        f'<dc:date xmlns:opf="http://www.idpf.org/2007/opf" opf:event="{event}">{day}</dc:date>'
        for event, day in (("modification", "2022-02-02"), ("publication", "1999-09-09"))
    )
    opf = package(TWO).replace("<dc:date>2021-03-04</dc:date>", dates)
    assert read(book(TWO, {"OEBPS/book.opf": opf}), "x.epub").dated == "1999-09-09"


@pytest.mark.parametrize("algorithm", ["http://ns.adobe.com/adept", "http://www.w3.org/2001/04/xmlenc#aes128-cbc"])
def test_a_protected_book_is_refused(algorithm: str) -> None:
    with pytest.raises(DocumentError, match=r"x\.epub is protected \(DRM\)"):
        read(book(TWO, {"META-INF/encryption.xml": ENCRYPTION.format(algorithm)}), "x.epub")


def test_a_book_with_rights_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"x\.epub is protected \(DRM\)"):
        read(book(TWO, {"META-INF/rights.xml": "<rights/>"}), "x.epub")


@pytest.mark.parametrize("algorithm", ["http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"])
def test_obfuscated_fonts_are_no_protection(algorithm: str) -> None:
    document = read(book(TWO, {"META-INF/encryption.xml": ENCRYPTION.format(algorithm)}), "x.epub")
    assert lines(document) == ["First words.", "Second words."]


def test_percent_encoded_names_are_found() -> None:
    chapters = [("Text/chapter%20one%20%C3%A9.xhtml", "<p>Found.</p>")]
    assert lines(read(book(chapters), "x.epub")) == ["Found."]


def test_a_missing_chapter_is_told_and_the_others_are_read() -> None:
    data = book(TWO, {"OEBPS/book.opf": package([*TWO, ("three.xhtml", "")])})
    document = read(data, "x.epub")
    assert lines(document) == ["First words.", "Second words."]
    assert document.reading.warnings == ("1 of its chapters are missing or damaged",)


def test_an_empty_chapter_is_not_missing() -> None:
    document = read(book([("cover.xhtml", "<img src='cover.jpg'/>"), *TWO]), "x.epub")
    assert document.reading.warnings == ()


def test_chapters_that_point_outside_are_only_looked_up() -> None:
    chapters = [("../../../../etc/passwd", "<p>Not this.</p>"), TWO[0]]
    document = read(zipped({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": package(chapters),
                            "OEBPS/one.xhtml": xhtml("<p>First.</p>")}), "x.epub")  # fmt: skip
    assert lines(document) == ["First."]


def test_a_poem_keeps_its_lines() -> None:
    poem = "<p><span>Rose, oh pure contradiction,</span><br/><span>delight of being no one's sleep</span></p>"
    lined = "<div class='stanza'><div>Line one</div><div>Line two</div></div>"
    assert lines(read(book([("a.xhtml", poem + lined)]), "x.epub")) == [
        "Rose, oh pure contradiction,",
        "delight of being no one's sleep",
        "Line one",
        "Line two",
    ]


def test_self_closed_elements_of_xhtml_swallow_nothing() -> None:
    body = "<p>Before</p><script src='a.js'/><a id='x'/><p>Middle</p><div/><p>After <i/>it</p><title/><p>End</p>"
    document = read(book([("a.xhtml", body)]), "x.epub")
    assert lines(document) == ["Before", "Middle", "After it", "End"]


def test_an_empty_title_of_xhtml_swallows_nothing() -> None:
    chapter = (
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><style/></head><body><p>Words.</p></body></html>'
    )
    data = book(TWO, {"OEBPS/one.xhtml": '<?xml version="1.0" encoding="utf-8"?>\n' + chapter})
    assert lines(read(data, "x.epub")) == ["Words.", "Second words."]


def test_a_chapter_in_utf_16_is_read() -> None:
    data = book(TWO, {"OEBPS/one.xhtml": xhtml("<p>Žižek</p>").encode("utf-16")})
    assert lines(read(data, "x.epub")) == ["Žižek", "Second words."]


def test_a_book_without_a_container_is_found_by_its_package() -> None:
    data = zipped(
        {
            "OEBPS/book.opf": package(TWO),
            "OEBPS/one.xhtml": xhtml("<p>One.</p>"),
            "OEBPS/two.xhtml": xhtml("<p>Two.</p>"),
        }
    )
    assert lines(read(data, "x.epub")) == ["One.", "Two."]


# Mail


def letter(text: str = "Hello.", **fields: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ann <ann@example.org>"
    message["To"] = "Bob <bob@example.org>"
    for name, value in {"Subject": "Pump", **fields}.items():
        message[name] = value
    message.set_content(text)
    return message


def mailed(text: str, content_type: str = "text/plain; charset=utf-8", more: str = "") -> Document:
    header = f"From: ann@example.org\nTo: bob@example.org\nSubject: Pump\nContent-Type: {content_type}\n{more}\n"
    return read(header + text, "a.eml")


def said(document: Document) -> list[str]:
    """The lines below the header."""
    return lines(document)[2:]


def test_encoded_headers_are_decoded() -> None:
    document = read(
        b"From: =?utf-8?q?Zo=C3=AB?= <z@example.org>\r\nTo: b@example.org\r\n"
        b"Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n =?utf-8?b?IGF1cyBLw7Zsbg==?=\r\n"
        b"Date: Fri, 17 May 2024 23:30:00 -0500\r\nMessage-ID: <1@x>\r\n\r\nHello.\r\n",
        "a.eml",
    )
    assert document.title == "Grüße aus Köln"
    assert lines(document)[0] == "From: Zoë <z@example.org>"
    assert document.dated == "2024-05-17"
    assert document.metadata == {
        "author": "Zoë <z@example.org>",
        "to": "b@example.org",
        "date": "Fri, 17 May 2024 23:30:00 -0500",
        "message_id": "<1@x>",
    }


def test_headers_in_raw_utf8_are_read() -> None:
    document = read("From: Zoë <z@example.org>\nTo: b@example.org\nSubject: Grüße\n\nHello.\n", "a.eml")
    assert document.title == "Grüße"
    assert lines(document)[0] == "From: Zoë <z@example.org>"


def test_of_alternatives_the_plain_text_is_read_once() -> None:
    message = letter("The plain words.")
    message.add_alternative("<html><body><p>The HTML words.</p></body></html>", subtype="html")
    assert said(read(message.as_bytes(), "a.eml")) == ["The plain words."]


def test_an_empty_plain_part_gives_way_to_the_html() -> None:
    message = letter(" \n")
    message.add_alternative("<html><body><p>The HTML words.</p></body></html>", subtype="html")
    assert said(read(message.as_bytes(), "a.eml")) == ["The HTML words."]


def test_a_mail_of_html_alone_is_read_as_a_page() -> None:
    document = mailed("<html><body><h1>News</h1><ul><li>One</ul><table><tr><td>x</table></body></html>", "text/html")
    assert said(document) == ["News", "- One", "x"]
    assert headings(document) == [(2, "News")]


def test_a_mail_of_html_in_the_encoding_of_its_meta() -> None:
    data = (
        b"From: a@example.org\nTo: b@example.org\nContent-Type: text/html\n\n"
        + '<html><meta charset="windows-1251"><body><p>Привет всем</p></body></html>'.encode("cp1251")
    )
    assert said(read(data, "a.eml")) == ["Привет всем"]


@pytest.mark.parametrize("cte", ["quoted-printable", "base64", "8bit"])
def test_transfer_encodings_are_undone(cte: str) -> None:
    message = letter()
    message.set_content("Grüße = 5 €, long " + "word " * 30 + "\nZoë\n", cte=cte)
    assert said(read(message.as_bytes(), "a.eml")) == ["Grüße = 5 €, long " + "word " * 29 + "word", "Zoë"]


def test_broken_base64_does_not_stop_the_mail() -> None:
    document = mailed("SGVsbG8gd29ybGQ!!*\n=", more="Content-Transfer-Encoding: base64\n")
    assert "Hello world" in document.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This flows \nover two lines.\nA new one.\n", ["This flows over two lines.", "A new one."]),
        ("> quoted \n> on.\nMine.\n", ["> quoted", "> on.", "Mine."]),
        ("Bye \nAnn\n-- \nAnn Li\nBasel\n", ["Bye Ann", "--", "Ann Li", "Basel"]),
        (" From here \n on.\n", ["From here on."]),
    ],
)
def test_flowed_text_is_joined(text: str, expected: list[str]) -> None:
    assert said(mailed(text, "text/plain; charset=utf-8; format=flowed")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "The pump in the lower hall has been leaking since the storm of\nlast week, and nobody came.\n\nNext one.",
            ["The pump in the lower hall has been leaking since the storm of last week, and nobody came.", "Next one."],
            id="wrapped",
        ),
        pytest.param("Dear Bob,\nshort lines\nstay.\n", ["Dear Bob,", "short lines", "stay."], id="short lines"),
        pytest.param(
            "> The pump in the lower hall has been leaking since the storm of\n> last week, and nobody came to see it\n"
            "> at all.\n\nI see.",
            [
                "> The pump in the lower hall has been leaking since the storm of",
                "> last week, and nobody came to see it",
                "> at all.",
                "I see.",
            ],
            id="quotation",
        ),
        pytest.param(
            "- The pump in the lower hall has been leaking since the storm\n"
            "- The pump in the upper hall is well\n1. x\n",
            [
                "- The pump in the lower hall has been leaking since the storm",
                "- The pump in the upper hall is well",
                "1. x",
            ],
            id="list",
        ),
        pytest.param(
            "Bob\n-- \nAnn Li, of the company that has repaired pumps since 1923 in Basel\nPhone 5\n",
            ["Bob", "--", "Ann Li, of the company that has repaired pumps since 1923 in Basel", "Phone 5"],
            id="long signature",
        ),
        pytest.param(
            f"Name{' ' * 30}Country{' ' * 30}City\nAnn{' ' * 31}Norway{' ' * 31}Oslo\n",
            ["Name Country City", "Ann Norway Oslo"],
            id="columns",
        ),
        pytest.param("Bob\n-- \nAnn Li\nRiver Street 5\n", ["Bob", "--", "Ann Li", "River Street 5"], id="signature"),
    ],
)
def test_wrapped_paragraphs_are_joined_and_other_lines_kept(text: str, expected: list[str]) -> None:
    assert said(mailed(text)) == expected


def test_attachments_are_read_under_their_names() -> None:
    inner = letter("Inner words.", Subject="Inner")
    message = letter("See attached.")
    message.add_attachment("Text words.\n", filename="note.txt")
    message.add_attachment(
        "<html><body><h1>Head</h1><p>Page words.</p></body></html>", subtype="html", filename="p.html"
    )
    message.add_attachment(inner)
    document = read(message.as_bytes(), "a.eml")
    assert said(document) == [
        "See attached.",
        "Attachment: note.txt",
        "Text words.",
        "Attachment: p.html",
        "Head",
        "Page words.",
        "Attachment: Inner.eml",
        "From: Ann <ann@example.org>",
        "To: Bob <bob@example.org>",
        "Inner words.",
    ]
    assert headings(document) == [
        (1, "Attachment: note.txt"),
        (1, "Attachment: p.html"),
        (2, "Head"),
        (1, "Attachment: Inner.eml"),
    ]
    assert document.reading.warnings == ()


def test_an_attachment_with_an_encoded_name_is_read_under_it() -> None:
    message = letter("See attached.")
    message.add_attachment("Words.\n", filename="Zürich – Überblick.txt")
    assert "Attachment: Zürich – Überblick.txt" in lines(read(message.as_bytes(), "a.eml"))


def test_an_unreadable_attachment_is_told_and_the_others_are_read() -> None:
    message = letter("See attached.")
    message.add_attachment(b"%PDF-1.4 broken", maintype="application", subtype="pdf", filename="broken.pdf")
    message.add_attachment(b"\x89PNG\r\n\x1a\n", maintype="image", subtype="png", filename="photo.png")
    message.add_attachment("Text words.\n", filename="note.txt")
    document = read(message.as_bytes(), "a.eml")
    assert said(document) == ["See attached.", "Attachment: note.txt", "Text words."]
    assert [warning.split(" was not read")[0] for warning in document.reading.warnings] == [
        "attachment broken.pdf",
        "attachment photo.png",
    ]


def test_a_mail_inside_a_mail_is_read_to_a_limited_depth() -> None:
    message = letter("Depth 5.")
    for depth in (4, 3, 2, 1, 0):
        outer = letter(f"Depth {depth}.")
        outer.add_attachment(message)
        message = outer
    document = read(message.as_bytes(), "a.eml")
    assert [line for line in lines(document) if line.startswith("Depth")] == [f"Depth {n}." for n in range(4)]
    assert len(document.reading.warnings) == 1
    assert "it lies too deep" in document.reading.warnings[0]


def test_too_many_attachments_are_told() -> None:
    message = letter("Many.")
    for number in range(60):
        message.add_attachment(f"File {number}.\n", filename=f"{number}.txt")
    document = read(message.as_bytes(), "a.eml")
    assert "File 49." in document.text
    assert "File 50." not in document.text
    assert "there are too many" in document.reading.warnings[0]


@pytest.mark.parametrize(
    ("charset", "data", "words", "warned"),
    [
        ("us-ascii", "Zoë — ok".encode(), "Zoë — ok", False),
        ("utf-8", "“Zoë” née".encode("cp1252"), "“Zoë” née", True),
        ("utf-8", "Grüße aus Köln ".encode() + b"\xe2\x82 da", "Grüße aus Köln \ufffd da", True),
        ("no-such", "Zoë — ok".encode(), "Zoë — ok", False),
        ("iso-8859-1", "“Zoë” – 5 €".encode("cp1252"), "“Zoë” – 5 €", False),
        ("base64", "Zoë — ok".encode(), "Zoë — ok", False),
        ("gb2312", "你好，世界龍".encode("gb18030"), "你好，世界龍", False),
    ],
)
def test_a_wrong_charset_is_mended_or_told(charset: str, data: bytes, words: str, warned: bool) -> None:
    header = f"From: a@example.org\nTo: b@example.org\nContent-Type: text/plain; charset={charset}\n\n"
    document = read(header.encode() + data, "a.eml")
    assert said(document) == [words]
    assert bool(document.reading.warnings) == warned


def test_a_mail_with_no_words_but_its_header_is_read() -> None:
    assert lines(read("From: a@example.org\nTo: b@example.org\nSubject: None\n\n", "a.eml")) == [
        "From: a@example.org",
        "To: b@example.org",
    ]


@pytest.mark.parametrize(
    "content_type",
    ["multipart/encrypted; boundary=x", "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m"],
)
def test_an_encrypted_mail_is_refused(content_type: str) -> None:
    with pytest.raises(DocumentError, match=r"a\.eml is encrypted"):
        mailed("--x\nContent-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n--x--\n", content_type)


def test_appointments_and_pictures_of_a_page_are_left_out_in_silence() -> None:
    document = mailed(
        "--x\nContent-Type: text/plain\n\nHello.\n--x\nContent-Type: text/calendar; name=i.ics\n\nBEGIN:VCALENDAR\n"
        "--x\nContent-Type: image/png; name=logo.png\nContent-ID: <1@x>\n\nx\n--x--\n",
        "multipart/mixed; boundary=x",
    )
    assert said(document) == ["Hello."]
    assert document.reading.warnings == ()


def test_a_saved_page_is_read_without_its_frames() -> None:
    document = mailed(
        "--x\nContent-Type: text/html\n\n<html><body><p>The page.</p></body></html>\n"
        "--x\nContent-Type: text/html\nContent-Location: http://x.test/frame\n\n<p>A frame.</p>\n--x--\n",
        "multipart/related; boundary=x",
    )
    assert said(document) == ["The page."]


@pytest.mark.parametrize("name", ["../../etc/note.txt", "C:\\\\x\\\\note.txt", "no\u202ete.txt"])
def test_names_of_attachments_are_shown_without_tricks(name: str) -> None:
    header = f'Content-Type: text/plain\nContent-Disposition: attachment; filename="{name}"'
    document = mailed(f"--x\n\nHello.\n--x\n{header}\n\nWords.\n--x--\n", "multipart/mixed; boundary=x")
    assert [words.replace(" ", "") for _, words in headings(document)] == ["Attachment:note.txt"]


def test_several_text_parts_in_a_mail_are_all_read() -> None:
    data = (
        "From: a@example.org\nTo: b@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n"
        "--x\nContent-Type: text/plain\n\nFirst part.\n--x\nContent-Type: text/plain\n\nList footer.\n--x--\n"
    )
    assert said(read(data, "a.eml")) == ["First part.", "List footer."]


# What looks like what


@pytest.mark.parametrize(
    "data",
    [
        "<!DOCTYPE html>\n<p>x",
        "\n\n  <!doctype HTML PUBLIC '-//W3C'><html>",
        "<html lang=en>",
        "\ufeff<html>",
        "<?xml version='1.0'?>\n<!DOCTYPE html><html>",
        "<!-- saved from url=(0014)about:internet -->\n<html>",
        "<HEAD><title>x",
        "<body>x",
        "<html\n xmlns='http://www.w3.org/1999/xhtml'>",
    ],
)
def test_a_web_page_is_known_by_its_beginning(data: str) -> None:
    assert html.looks_like(data.encode())
    assert html.looks_like(codecs.BOM_UTF16_LE + data.lstrip("\ufeff").encode("utf-16-le"))


MARKDOWN = "# Title\n\nSome <b>bold</b> text and <br> a break.\n\n<div align=center>\n<img src=x>\n</div>\n"
PROSE = "Note: this is prose.\nWarning: it has colons.\nFrom: here on it goes.\nSo it does.\n"
YAML = "from: alice\nto: bob\nsubject: x\nitems:\n  - one\n  - two\nkey: value\n"
LOG = "2024-05-17 INFO: started\n2024-05-17 ERROR: failed\nTraceback: none\n"
NOT_EITHER = {
    "Markdown with inline HTML": MARKDOWN,
    "prose with colons": PROSE,
    "YAML": YAML,
    "log": LOG,
    "empty": "",
    "markup in prose": "The <html> tag opens a page.\n",
    "XML": "<?xml version='1.0'?><note><body>x</body></note>",
    "a fragment": "<header>From: x</header>",
    "SVG": "<svg xmlns='http://www.w3.org/2000/svg'></svg>",
    "a note that quotes a mail": "Date: 5 May\nSubject: the roof\n\nFrom: ann@example.org\n",
    "minutes": "Date: 5 May\nSubject: the roof\nPresent: Ann, Bob\n\nThe roof leaks.\n",
    "a play": "ANN: From where?\nBOB: To where?\n\nSubject: unknown\n",
    "HTTP": "HTTP/1.1 200 OK\nDate: today\nContent-Type: text/html\n\n",
    "git log": "commit 1234\nAuthor: Ann\nDate: today\n\n    Subject: x\n",
    "front matter": "---\nsubject: x\ndate: today\n---\nText\n",
}


@pytest.mark.parametrize("text", NOT_EITHER.values(), ids=NOT_EITHER.keys())
def test_other_text_is_neither_a_page_nor_a_mail(text: str) -> None:
    assert not html.looks_like(text.encode())
    assert not mail.looks_like(text.encode())


@pytest.mark.parametrize(
    "data",
    [
        "From: a@example.org\nSubject: x\n\nHello.",
        "Return-Path: <a@example.org>\r\nReceived: from x\r\n\tby y; today\r\nFrom: a@example.org\r\n\r\nHello.",
        "From ann@example.org Fri May 17 2024\nFrom: a@example.org\nTo: b@example.org\n\nHello.",
        "MIME-Version: 1.0\nDate: Fri, 17 May 2024 10:00:00 +0000\nMessage-ID: <1@x>\nSubject: x\n\nHello.",
        "Delivered-To: b@example.org\nX-Thing: 5\nfrom: a@example.org\n\n",
        "From: =?utf-8?q?Zo=C3=AB?=\n <z@example.org>\nSubject: x\n\nHello.",
        "\ufeffFrom: a@example.org\nSubject: x\n\nHello.",
        "Received: x\nMIME-Version: 1.0\n" + "X-Long: a b c d\n" * 5000 + "From: a@example.org\n\nHello.",
    ],
)
def test_a_mail_is_known_by_its_header(data: str) -> None:
    assert mail.looks_like(data.encode())
    assert not html.looks_like(data.encode())


# Hostile files

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE html [<!ENTITY a "laugh">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    + "]>"
)
SECRET = '<!DOCTYPE html [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'


def only_ours(data: bytes, name: str, seconds: float = 1.0) -> Document | None:
    """The document, or None for one that is refused; anything else, or taking long, fails the test."""
    begun = time.perf_counter()
    try:
        return load.read(data, name, name)
    except DocumentError:
        return None
    finally:
        assert time.perf_counter() - begun < seconds


def test_entity_bombs_stay_small() -> None:
    words = f"{LAUGHS}<html><body><p>Words &m; here.</p></body></html>"
    found = only_ours(words.encode(), "a.html")
    assert found is None or len(found.text) < 200
    container = LAUGHS.replace("DOCTYPE html", "DOCTYPE container") + CONTAINER.partition("?>")[2].replace(
        "<rootfiles>", "&m;<rootfiles>"
    )
    for data in (
        book(TWO, {"OEBPS/one.xhtml": words}),
        book(TWO, {"META-INF/container.xml": container}),
        book(TWO, {"OEBPS/book.opf": LAUGHS + package(TWO).replace("Rivers", "&m;")}),
    ):
        found = only_ours(data, "a.epub")
        assert found is None or len(found.text) + len(found.title) < 400


def test_nothing_is_read_from_other_files() -> None:
    inside = f"{SECRET}<html><head><title>&secret;</title></head><body><p>Words &secret;</p></body></html>"
    linked = "<html><body><p>Words</p><iframe src=file:///etc/passwd></iframe><object data=file:///etc/passwd></object>"
    included = (
        '<html xmlns:xi="http://www.w3.org/2001/XInclude"><body>x<xi:include href="file:///etc/passwd"/></body></html>'
    )
    opf = SECRET.replace("html", "package") + package(TWO).replace("Rivers", "&secret;")
    toc = SECRET.replace("html", "ncx") + NCX.replace("The Mouth", "&secret;")
    item = '<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    for data, name in (
        (inside.encode(), "a.html"),
        (linked.encode(), "a.html"),
        (included.encode(), "a.html"),
        (book(TWO, {"OEBPS/one.xhtml": inside}), "a.epub"),
        (book(TWO, {"OEBPS/book.opf": opf}), "a.epub"),
        (book(TWO, {"OEBPS/toc.ncx": toc}, item), "a.epub"),
    ):
        found = only_ours(data, name)
        assert "root:" not in (repr(found) if found else "")


def test_what_a_page_refers_to_is_never_fetched() -> None:
    document = page(
        "<base href='http://x.test/'><img src=http://x.test/a.png><script src=http://x.test/a.js></script>"
        "<iframe src=http://x.test></iframe><p>Words.</p><embed src=http://x.test>",
        "<link rel=stylesheet href=http://x.test/a.css><meta http-equiv=refresh content='0;url=http://x.test'>",
    )
    assert lines(document) == ["Words."]


def test_a_zip_bomb_is_refused_at_once() -> None:
    data = book(TWO, {"OEBPS/one.xhtml": b" " * (129 * 1024 * 1024)})
    assert len(data) < 1_000_000
    begun = time.perf_counter()
    with pytest.raises(DocumentError, match="unpacks to more than is read"):
        read(data, "a.epub")
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize("tag", ["div", "b", "ul", "blockquote", "font"])
def test_text_nested_deeper_than_anyone_writes_is_read_or_told(tag: str) -> None:
    document = only_ours(f"<html><body><p>Begin</p>{f'<{tag}>' * 50_000}deep words".encode(), "a.html", seconds=3)
    assert document is not None
    assert "Begin" in document.text
    assert "deep words" in document.text or any("nested" in one for one in document.reading.warnings)


def test_what_comes_after_deep_nesting_is_read_or_told() -> None:
    deep = "<div>" * 3000 + "deep words" + "</div>" * 3000
    document = page(f"<p>Begin</p>{deep}<p>The end.</p>")
    told = any("nested" in one for one in document.reading.warnings)
    assert "Begin" in document.text
    assert told or ("deep words" in document.text and "The end." in document.text)


def test_nesting_as_in_old_forums_is_read_whole() -> None:
    deep = "".join(f"<blockquote>reply {n}" for n in range(200)) + "</blockquote>" * 200
    document = page(f"{deep}<p>The end.</p>")
    assert {"reply 0", "reply 199", "The end."} <= set(lines(document))
    assert document.reading.warnings == ()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"<p class='{'x ' * 500_000}'>Words.</p>", id="a class of 1 MB"),
        pytest.param(f"<p style='{'display ' * 130_000}'>Words.</p>", id="a style of 1 MB"),
        pytest.param(f"<img src='data:image/png;base64,{'A' * 1_000_000}'><p>Words.</p>", id="a picture in the page"),
        pytest.param(f"<p {' '.join(f'a{n}=1' for n in range(5_000))}>Words.</p>", id="5,000 attributes"),
        pytest.param("<p>Words.</p>" + "<div>" * 3000 + "<a" * 50_000 + " < ", id="tags that never close, too deep"),
        pytest.param("<p>Words.</p>" + "<div>" * 3000 + "<" + "a" * 200_000 + " < ", id="a tag without end, too deep"),
        pytest.param(
            "<p xmlns='http://www.w3.org/1999/xhtml'>Words.</p>" + "<![CDATA[" * 50_000, id="sections that never close"
        ),
        pytest.param(f"<!-- {'-' * 1_000_000} --><p>Words.</p>", id="a comment of 1 MB"),
        pytest.param("<p>Words.</p>" + "<nav>" * 5000 + "x", id="5,000 navs"),
        pytest.param("<p>Words.</p>" + "<header><h1>x</h1></header>" * 3000, id="3,000 headers"),
        pytest.param("<p>Words.</p>" + "<nav>x" * 1900, id="1,900 navs in one another"),
        pytest.param("<p>Words.</p>" + "<header>x" * 1900, id="1,900 headers in one another"),
        pytest.param("<p>Words.</p>" + "<ul><li>x" * 900, id="900 lists in one another"),
        pytest.param("<p>Words.</p>" + "<table><tr><td>x<td>" * 500, id="500 tables in one another"),
        pytest.param("<p>Words.</p>" + "<table><tr><th>x<th>" * 500, id="500 tables with names in one another"),
        pytest.param("<p>Words.</p>" + "<header>" * 200 + "x" * 200, id="200 headers in one another"),
        pytest.param("<p>Words.</p>" + "<table><tr><td>" * 200 + "x", id="200 tables in one another"),
        pytest.param("<p>Words.</p>" + "<div class=menu>x " * 240, id="240 menus in one another"),
        pytest.param(
            "<p>Words.</p><table>" + "<tr><td colspan=1000 rowspan=9999>x</td></tr>" * 300 + "</table>", id="spans"
        ),
        pytest.param("<p>Words.</p>" + "<article>" * 240 + "x", id="240 articles in one another"),
        pytest.param("<p>Words.</p>" + "<table><tr>" + "<td>x</td>" * 20_000 + "</tr></table>", id="20,000 columns"),
        pytest.param("<p>Words.</p>" + "<table>" + "<tr><td>x<td>y" * 10_000 + "</table>", id="10,000 rows"),
        pytest.param("<p>Words.</p>" + "<table><tr><td>a<td>b</table>" * 5_000, id="5,000 tables"),
        pytest.param("<p>Words.</p>" + "<p>&#0;&#xD800;&#x110000;\x00\x01</p>", id="characters that are none"),
        pytest.param("<p>Words.</p>" + "<div class=menu>x</div>" * 20_000, id="20,000 menus"),
        pytest.param("<p>Words.</p>" + "<main>x</main>" * 10_000, id="10,000 main parts"),
        pytest.param("<p>Words.</p><ol start=99999999999999>" + "<li>x" * 10_000 + "</ol>", id="10,000 items"),
    ],
)
def test_pages_made_to_hurt_are_read_in_time(body: str) -> None:
    document = only_ours(f"<!DOCTYPE html><html><body>{body}</body></html>".encode(), "a.html", seconds=1.5)
    assert document is not None
    assert "Words." in document.text


def test_the_beginning_of_a_page_is_looked_for_in_time() -> None:
    begun = time.perf_counter()
    for opening in (b"<!-- -->" * 500, b"<!--" * 1000, b" " * 4096, b"<!-- - -->\n" * 400, b"<?xml " * 700):
        assert not html.looks_like(opening)
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"From: a@x\nTo: b@x\nSubject: " + b"=?utf-8?q?x?= " * 5000 + b"\n\nHello.", id="long subject"),
        pytest.param(b"From: " + b"(" * 5000 + b"\nTo: b@x\nSubject: x\n\nHello.", id="comments in From"),
        pytest.param(b"From: " + b"a@x, " * 20_000 + b"\nTo: b@x\nSubject: x\n\nHello.", id="20,000 senders"),
        pytest.param(b"From: a@x\nTo: " + b"<" * 5000 + b"\nSubject: x\n\nHello.", id="angles in To"),
        pytest.param(b"From: a@x\nTo: b@x\nDate: " + b"9" * 5000 + b"\n\nHello.", id="long date"),
        pytest.param(b"From: a@x\nTo: b@x\nDate: Fri, 99 May 99999 99:99:99 +9999\n\nHello.", id="no such date"),
        pytest.param(b"From: a@x\nTo: b@x\nContent-Type: multipart/mixed\n\nHello.", id="no boundary"),
        pytest.param(b"From: a@x\nTo: b@x\nContent-Type: text/plain; charset*=x''%ff\n\nHello.", id="odd charset"),
        pytest.param(b"From: a@x\nTo: b@x\nContent-Type: ;;;\n\nHello.", id="no content type"),
        pytest.param(b"From: a@x\nTo: b@x\nContent-Type: message/rfc822\n\nHello.", id="a mail that is none"),
        pytest.param(b"From: a@x\nTo: b@x\nContent-Disposition: =?\xff\n\nHello.", id="odd disposition"),
        pytest.param(b"From: a@x\nTo: b@x\nContent-Type: text/plain; name=\"\x00\xff\n\nHello.", id="open quote"),
        pytest.param(b"From: a@x\nTo: b@x\n\n" + b"Hello. " * 100_000, id="a long line"),
        pytest.param(b"From: a@x\nTo: b@x\n\nHello." + b"\n" * 100_000, id="blank lines"),
        pytest.param(b"From: a@x\nTo: b@x\n\nHello.\n" + b" \n" * 100_000, id="lines of a space"),
        pytest.param(
            b"From: a@x\nTo: b@x\nContent-Type: text/plain; format=flowed\n\nHello.\n" + b" \n" * 50_000, id="flowed"
        ),
    ],
)  # fmt: skip
def test_mails_made_to_hurt_are_read_in_time(data: bytes) -> None:
    document = only_ours(data, "a.eml")
    assert document is not None
    assert "Hello." in document.text or "From:" in document.text


def test_parts_nested_without_end_are_contained() -> None:
    header = "From: a@example.org\nTo: b@example.org\n"
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(300))
    only_ours(f"{header}{nested}Content-Type: text/plain\n\nDeep.\n".encode(), "a.eml", seconds=2)
    mails = "Content-Type: message/rfc822\n\nFrom: a@example.org\nTo: b@example.org\n" * 300
    only_ours(f"{header}{mails}\nDeep.\n".encode(), "a.eml", seconds=2)


def full_mail() -> bytes:
    message = letter("Grüße.\n\n" + LONG, Date="Fri, 17 May 2024 10:00:00 +0000", Subject="Übersicht")
    message.add_alternative(f"<html><body>{GOVERNMENT}</body></html>", subtype="html")
    message.add_attachment("Text words.\n", filename="nöte.txt")
    message.add_attachment(letter("Inner."))
    return message.as_bytes()


def full_page() -> bytes:
    head = "<meta charset=utf-8><title>x</title>"
    return f"<!DOCTYPE html><html lang=en><head>{head}</head><body>{NEWS}{GOVERNMENT}</body></html>".encode()


def full_book() -> bytes:
    item = '<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    return book([*TWO, ("c.xhtml", GOVERNMENT)], {"OEBPS/toc.ncx": NCX}, item)


WHOLE: dict[str, Callable[[], bytes]] = {"a.html": full_page, "a.eml": full_mail, "a.epub": full_book}


@pytest.mark.parametrize("name", WHOLE)
def test_files_cut_short_are_read_or_refused(name: str) -> None:
    data = WHOLE[name]()
    for cut in range(0, len(data), max(1, len(data) // 100)):
        only_ours(data[:cut], name)


def mutated(data: bytes, seed: int) -> bytes:
    chance, changed = random.Random(seed), bytearray(data)
    for _ in range(chance.choice((1, 3, 10, 40))):
        at = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                del changed[at : at + chance.randrange(1, 30)]
            case 2:
                changed[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 10)))
            case _:
                other = chance.randrange(len(changed))
                changed[at:at] = changed[other : other + chance.randrange(1, 60)]
    return bytes(changed)


@pytest.mark.parametrize("name", WHOLE)
def test_files_changed_at_random_are_read_or_refused(name: str) -> None:
    data = WHOLE[name]()
    for seed in range(100):
        only_ours(mutated(data, seed), name)


def test_a_book_whose_parts_are_changed_at_random_is_read_or_refused() -> None:
    item = '<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    parts: dict[str, Any] = {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package(TWO, item),
        "OEBPS/toc.ncx": NCX,
        "OEBPS/one.xhtml": xhtml(GOVERNMENT),
        "OEBPS/two.xhtml": xhtml("<p>Second.</p>"),
    }
    for seed in range(100):
        name = sorted(parts)[seed % len(parts)]
        only_ours(zipped(parts | {name: mutated(parts[name].encode(), seed)}), "a.epub")


# Real files


def test_an_article_of_wikipedia() -> None:
    document = read(sample("html_wikipedia_duck.html"), "html_wikipedia_duck.html")
    assert (document.title, document.dated, document.reading.warnings) == ("Duck", "2002-02-25", ())
    assert headings(document)[:4] == [(1, "Duck"), (2, "Etymology"), (2, "Taxonomy"), (2, "Morphology")]
    assert "Duck is the common name for numerous species of waterfowl in the family Anatidae. " in document.text
    assert "Superfamily: | Anatoidea\n" in document.text
    for left_out in ("[edit]", "[1]", "Jump to", "Create account", "Privacy policy", "Toggle", "Main page", "Donate"):
        assert left_out not in document.text


def test_a_book_of_poems() -> None:
    document = read(sample("epub_poetry.epub"), "epub_poetry.epub")
    assert (document.title, document.metadata["author"]) == ("Poetry", "Sarah Louisa Forten Purvis")
    assert [words for _, words in headings(document)][2:5] == [
        "The Grave of the Slave",
        "The Slave Girl’s Address to Her Mother",
        "Past Joys",
    ]
    assert (
        "The cold storms of winter shall chill him no more,\nHis woes and his sorrows, his pains are all o’er;\n"
        in document.text
    )
    assert document.reading.warnings == ()


def test_a_mail_with_an_attachment() -> None:
    document = read(sample("eml_with_attachment.eml"), "eml_with_attachment.eml")
    assert document.title == "Email with Attachment"
    assert document.text == (
        "From: Alice Example <alice@example.com>\nTo: Bob Example <bob@example.com>\n\nHello Bob,\n\n"
        "This email contains an attachment.\n\nBest regards,\nAlice\n\nAttachment: test.txt\n\n"
        "This is a test attachment file.\nIt contains some dummy content.\n"
    )
    assert headings(document) == [(1, "Attachment: test.txt")]
