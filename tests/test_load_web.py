"""Web pages, EPUB and mail: told apart, hostile, damaged, and real."""

from __future__ import annotations

import codecs
import random
from collections.abc import Callable
from typing import Any

import pytest

from index.errors import DocumentError
from index.load import html, mail
from tests.documents import headings, lines, sample, soon
from tests.test_load_epub import CONTAINER, NCX, TWO, book, package, xhtml, zipped
from tests.test_load_html import (
    LONG,
    _no_network,  # noqa: F401
    only_ours,
    page,
    read,
)
from tests.test_load_html_furniture import GOVERNMENT, NEWS
from tests.test_load_mail import letter


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
    with soon(5), pytest.raises(DocumentError, match="unpacks to more than is read"):
        read(data, "a.epub")


@pytest.mark.parametrize("tag", ["div", "b", "ul", "blockquote", "font"])
def test_text_nested_deeper_than_anyone_writes_is_read_or_told(tag: str) -> None:
    document = only_ours(f"<html><body><p>Begin</p>{f'<{tag}>' * 50_000}deep words".encode(), "a.html")
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
    document = only_ours(f"<!DOCTYPE html><html><body>{body}</body></html>".encode(), "a.html")
    assert document is not None
    assert "Words." in document.text


def test_the_beginning_of_a_page_is_looked_for_in_time() -> None:
    with soon(5):
        for opening in (b"<!-- -->" * 500, b"<!--" * 1000, b" " * 4096, b"<!-- - -->\n" * 400, b"<?xml " * 700):
            assert not html.looks_like(opening)


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
    only_ours(f"{header}{nested}Content-Type: text/plain\n\nDeep.\n".encode(), "a.eml")
    mails = "Content-Type: message/rfc822\n\nFrom: a@example.org\nTo: b@example.org\n" * 300
    only_ours(f"{header}{mails}\nDeep.\n".encode(), "a.eml")


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
    document = read(sample("files/html_wikipedia_duck.html"), "html_wikipedia_duck.html")
    assert (document.title, document.dated, document.reading.warnings) == ("Duck", "2002-02-25", ())
    assert headings(document)[:4] == [(1, "Duck"), (2, "Etymology"), (2, "Taxonomy"), (2, "Morphology")]
    assert "Duck is the common name for numerous species of waterfowl in the family Anatidae. " in document.text
    assert "Superfamily: | Anatoidea\n" in document.text
    for left_out in ("[edit]", "[1]", "Jump to", "Create account", "Privacy policy", "Toggle", "Main page", "Donate"):
        assert left_out not in document.text


def test_a_book_of_poems() -> None:
    document = read(sample("files/epub_poetry.epub"), "epub_poetry.epub")
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
    document = read(sample("files/eml_with_attachment.eml"), "eml_with_attachment.eml")
    assert document.title == "Email with Attachment"
    assert document.text == (
        "From: Alice Example <alice@example.com>\nTo: Bob Example <bob@example.com>\n\nHello Bob,\n\n"
        "This email contains an attachment.\n\nBest regards,\nAlice\n\nAttachment: test.txt\n\n"
        "This is a test attachment file.\nIt contains some dummy content.\n"
    )
    assert headings(document) == [(1, "Attachment: test.txt")]
