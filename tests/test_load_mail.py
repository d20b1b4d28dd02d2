"""Mail: who, what, and what is attached."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from index.errors import DocumentError
from index.types import Document
from tests.documents import headings, lines
from tests.test_load_html import (
    _no_network,  # noqa: F401
    read,
)


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
