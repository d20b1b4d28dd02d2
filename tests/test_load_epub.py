"""EPUB: chapters in their order, as the book calls them."""

from __future__ import annotations

import io
import zipfile

import pytest

from index.errors import DocumentError
from tests.documents import headings, lines
from tests.test_load_html import (
    LONG,
    _no_network,  # noqa: F401
    only_ours,
    read,
)

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
    document = only_ours(data, "x.epub")
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
