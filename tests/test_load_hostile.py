"""Office files that are damaged or meant to do harm: read as far as they go, or refused clearly."""

from __future__ import annotations

import io
import random
import zipfile
from datetime import date
from functools import cache
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from openpyxl.styles import Font

from index.errors import DocumentError
from tests.documents import soon
from tests.office import READERS, W, body_of, odt, paragraph, read, repacked, saved, with_part


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
            with soon():
                try:
                    text = read(kind, data).text
                except DocumentError:
                    text = ""
            assert "TOP-SECRET" not in text
            assert "lollol" not in text


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
