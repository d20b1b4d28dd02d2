"""Loading: text as it is, Markdown as it is read, and clear refusals."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from index.chunk import chunk
from index.errors import DocumentError
from index.load import from_text, load_file
from index.load.folder import find_files
from index.pieces import EstimatedPieces
from tests.conftest import ROOT, SEED


def test_the_seed_is_byte_for_byte_the_given_one_and_its_title_is_its_first_line() -> None:
    digest = hashlib.sha256(SEED.read_bytes()).hexdigest()
    assert digest == "0637be65c87be924378bcf59102e755f5f22029d0367b063b7d8b6fdf352fabb"
    document = load_file(SEED)
    assert document.title == document.text.splitlines()[0]
    assert document.text == SEED.read_text(encoding="utf-8")
    assert document.sha256 == digest
    header, *rows = [line.split("\t") for line in (ROOT / "seeds" / "MANIFEST.tsv").read_text().splitlines()]
    assert header == ["file", "title", "sha256", "source"]
    assert [row[:3] for row in rows] == [[SEED.name, document.title, digest]]
    assert list(find_files([ROOT / "seeds"])) == [SEED]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_text_is_read_with_its_line_ends(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("Ein Titel\r\n\r\nGrüße, 世界.\r\n".encode(encoding))
    assert load_file(file).text == "Ein Titel\r\n\r\nGrüße, 世界.\r\n"
    assert load_file(file).title == "Ein Titel"


def test_a_first_line_that_is_a_sentence_is_no_title(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("This is prose.\nAnd more of it.")
    assert load_file(file).title == "notes"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no text"),
        (b" \n\t", "holds no text"),
        ("Grüße".encode("latin-1"), "not UTF-8"),
        (b"%PDF-1.4\n\x00\xff\xfe", r"bad\.txt is damaged"),
        (b"\x7fELF\x02\x00\xff\xfe", "binary file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Word file"),
        (b"{\\rtf1 text}", "RTF"),
        (b"\x89PNG\r\n", "a picture"),
        (b"text\0text", "binary file"),
    ],
)
def test_what_is_not_text_is_refused_by_name_with_a_hint(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "bad.txt"
    file.write_bytes(content)
    with pytest.raises(DocumentError, match=words) as raised:
        load_file(file)
    assert "bad.txt" in raised.value.message
    assert raised.value.hint


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="does not exist"):
        list(find_files([tmp_path / "none.txt"]))


def test_folders_are_searched_for_documents_only(tmp_path: Path) -> None:
    for name in ("b.md", "a.txt", "c.exe", ".hidden.txt", "sub/d.markdown", ".git/e.txt", "~$open.docx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [path.relative_to(tmp_path).as_posix() for path in find_files([tmp_path])] == [
        "a.txt",
        "b.md",
        "sub/d.markdown",
    ]


def test_what_is_ignored_is_left_out_and_old_formats_are_not_passed_over(tmp_path: Path) -> None:
    for name in ("a.txt", "b.doc", "drafts/c.txt", "sub/drafts/d.txt", "keep.log.txt", "x.log.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / ".qaignore").write_text("drafts/\n*.log.txt\n!keep.log.txt\n")
    found = [path.relative_to(tmp_path).as_posix() for path in find_files([tmp_path], ["/a.txt"])]
    assert found == ["b.doc", "keep.log.txt"]


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("letter.bin", b"%PDF-1.4", None),
        ("table.txt", b"Name;Age;City\nAnn;31;Oslo\nBob;25;Rome\nCy;40;Bonn\n", "text/csv"),
        ("page.txt", b"<!DOCTYPE html><p>Hello there.</p>", "text/html"),
        ("data.txt", b'{"name": "Ann", "age": 31}', "application/json"),
        ("rows", b'{"name": "Ann"}\n{"name": "Bob"}\n', "application/jsonl"),
        ("mail.txt", b"From: a@example.org\nTo: b@example.org\nSubject: Hi\n\nHello.\n", "message/rfc822"),
        ("notes.md", b"<html>is a tag</html>", "text/markdown"),
        ("notes.csv", b"Just one line of words", "text/csv"),
        ("prose.txt", b"Ann, Bob and Cy met.\nThey ate, drank, and left.\nIt was late, and dark.\n", "text/plain"),
    ],
)
def test_content_tells_what_a_file_is_whatever_its_name(
    tmp_path: Path, name: str, content: bytes, media_type: str | None
) -> None:
    (tmp_path / name).write_bytes(content)
    if media_type is None:
        with pytest.raises(DocumentError, match="damaged"):
            load_file(tmp_path / name)
    else:
        assert load_file(tmp_path / name).media_type == media_type


MARKDOWN = """\
---
title: The *manual*
---
# Heading one

Some **bold** and [a link](https://example.org), `code
spans`, &amp; entities.
Second line ![alt text](picture.png).

- first
- second
  1. nested

| Name | Size |
|------|------|
| a    | 1    |

```python
x = "**not bold**"
```

<p>Raw <b>markup</b><script>alert(1)</script></p>

Setext heading
--------------
Last line.
"""


def test_markdown_is_read_without_markup_and_line_for_line(tmp_path: Path) -> None:
    file = tmp_path / "manual.md"
    file.write_text(MARKDOWN)
    document = load_file(file)
    assert document.title == "The *manual*"
    source, read = MARKDOWN.splitlines(), document.text.splitlines()
    for words in (
        "Heading one",
        "Second line alt text.",
        "- first",
        "  1. nested",
        "Last line.",
        "a | 1",
        "Raw markup",
    ):
        line = read.index(words)
        assert words.split()[-1].strip(".") in source[line]
    assert read[MARKDOWN.splitlines().index('x = "**not bold**"')] == 'x = "**not bold**"'
    assert "Some bold and a link, code spans, & entities." in document.text.replace("\n", " ")
    assert "alert" not in document.text
    assert [document.text[heading.start : heading.end] for heading in document.headings] == [
        "Heading one",
        "Setext heading",
    ]


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("# T\rline one\r\rline three here\r\rlast words\r", "T\nline one\n\nline three here\n\nlast words\n"),
        ("one\r\n\r\ntwo\r\n", "one\n\ntwo\n"),
        ("a \\` b\n`code` end\nlast", "a ` b\ncode end\nlast\n"),
        ("x ``a ` b`` y `c\nd` z\nlast", "x a ` b y c\nd z\nlast\n"),
        ("one <a\nhref='x'>two</a>\nlast", "one\ntwo\nlast\n"),
        ("<div\n  class='x'\n  id='y'>\nText on four.\n</div>", "\n\n\nText on four.\n"),
        ("Alpha <!-- x\ny\nz --> beta.\nThe zebra.", "Alpha\n\n beta.\nThe zebra.\n"),
        ('See [the\nlink](http://x\n"title\nmore") for it.\nThe walrus', "See the\nlink\n\n for it.\nThe walrus\n"),
        ("Two line\nheading\n===\nText.", "Two line\nheading\n\nText.\n"),
        ("- ```\n  code\n  ```\n\nPlain.", "\ncode\n\n\nPlain.\n"),
        ("---\ndate: 2024-13-45\n---\nText.", "\n\n\nText.\n"),
        (f"---\na: {'[' * 5000}\n---\nText.", "\n\n\nText.\n"),
    ],
)
def test_no_word_of_markdown_is_lost_doubled_or_moved(tmp_path: Path, markdown: str, expected: str) -> None:
    file = tmp_path / "odd.md"
    file.write_bytes(markdown.encode())
    assert load_file(file).text == expected


def test_what_a_parser_cannot_take_is_one_document_refused(tmp_path: Path) -> None:
    file = tmp_path / "odd.md"
    file.write_text("<div>\n<![foo[ bar\n]]>\n</div>")
    with pytest.raises(DocumentError, match=r"odd\.md cannot be read"):
        load_file(file)


def test_only_regular_files_with_readable_names_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert list(find_files([tmp_path])) == []
    with pytest.raises(DocumentError, match="not a regular file"):
        load_file(tmp_path / "pipe.txt")
    named = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.txt"))
    named.write_text("Text.")
    with pytest.raises(DocumentError, match=r"name of .* is not UTF-8"):
        load_file(named)


def test_the_same_file_by_another_path_is_the_same_document(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("Text.")
    assert load_file(tmp_path / "sub" / ".." / "a.txt") == load_file(tmp_path / "a.txt")


@pytest.mark.parametrize(
    "text",
    [
        "The treaty of the seven rivers was signed in Vienna by the ministers of\nFrance and Germany on 3 May 1999.",
        "- Passport number is X123\n- Hotel is Ritz\n- Flight leaves at nine\n",
        "Alice: The door code is 4711\nBob: thanks",
        "Alice,1990,Paris\nBob,1991,Rome",
        "1. Open the box\n\n2. Close it",
        "The CEO of Acme is Jane Roe (since 2019)\n\nMore about her.",
        "One line only",
    ],
)
def test_a_first_line_that_may_be_content_stays_in_the_passages(tmp_path: Path, text: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(text)
    assert chunk(load_file(file), EstimatedPieces())[0].text.startswith(text.splitlines()[0])


def test_a_first_line_above_a_paragraph_or_a_blank_line_is_the_title(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    for text in ("A title of its own\n\nThe treaty was signed\nin Vienna.", "A title of its own\n" + "Long. " * 30):
        file.write_text(text)
        assert load_file(file).title == "A title of its own"
    assert chunk(load_file(file), EstimatedPieces())[0].text.startswith("Long.")


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("| a | b |\n|---|---|\n| Oslo<br>Bergen | Norway |", "Oslo Bergen | Norway"),
        ("<table><tr><td>Paris</td><td>France</td></tr></table>", "Paris France"),
        ("<p>Rent<br>900 euros, <b>un</b>believable</p>", "Rent 900 euros, unbelievable"),
        ("Line<br/>broken H<sub>2</sub>O", "Line broken H2O"),
    ],
)
def test_tags_that_part_words_leave_a_space(tmp_path: Path, markdown: str, words: str) -> None:
    file = tmp_path / "tags.md"
    file.write_text(markdown)
    assert words in load_file(file).text


@pytest.mark.parametrize("title", ["", "[a]", "{b: c}", "5"])
def test_front_matter_without_a_plain_title_gives_none(tmp_path: Path, title: str) -> None:
    file = tmp_path / "name.md"
    file.write_text(f"---\ntitle: {title}\n---\nText.")
    assert load_file(file).title == "name"


def test_an_id_survives_an_edit_of_the_same_source_and_the_text_is_what_is_hashed() -> None:
    one, two = (from_text(text, title="t", source="a.txt") for text in ("before", "after"))
    assert one.id == two.id
    assert one.sha256 == hashlib.sha256(b"before").hexdigest() != two.sha256


@pytest.mark.parametrize("text", ["half \ud800 pair", "nul \0"])
def test_text_that_cannot_be_stored_is_refused(text: str) -> None:
    with pytest.raises(DocumentError, match="not text"):
        from_text(text, title="t")
