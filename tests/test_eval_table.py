"""Eval sets in spreadsheets, as Excel and others save them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.dataset import Gold, Question
from eval.formats import table
from eval.formats.quotations import quotation
from index.errors import DocumentError
from tests.sets import refusal

TABLE = "Question,Expected quotation,Document,Kind,History\n"


def test_a_row_is_a_question_and_the_quotation_that_is_expected(tmp_path: Path) -> None:
    file = tmp_path / "set.csv"
    file.write_text(
        TABLE
        + 'Who won?,"The snail, in 2019",race.txt,who,\n'
        + ",,,,\n"
        + 'And then?," two\nlines ",,,"Who won?\nWho lost?"\n'
        + "Who fell?\n"
        + "Who won?,the snail won,,,\n"
    )
    assert table.load(file) == (
        Question("2", "Who won?", "who", (Gold("race.txt", -1, -1, "The snail, in 2019"), quotation("the snail won"))),
        Question("4", "And then?", gold=(quotation("two\nlines"),), history=("Who won?", "Who lost?")),
        Question("5", "Who fell?"),
    )


@pytest.mark.parametrize("heading", ["quotation", "Expected  Quotation", " ANSWER ", "expected"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16"], ids=["UTF-8", "UTF-8 with a mark", "UTF-16 with a mark"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_tables_are_read_as_excel_saves_them(tmp_path: Path, heading: str, encoding: str, delimiter: str) -> None:
    file = tmp_path / "set.csv"
    text = f'Question{delimiter}{heading}{delimiter}\r\n"Who, then; or who?"{delimiter}Zoë{delimiter}\r\n'
    file.write_bytes(text.encode(encoding))
    assert table.load(file) == (Question("2", "Who, then; or who?", gold=(quotation("Zoë"),)),)


def test_the_line_in_which_excel_names_the_delimiter_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_bytes(b"\xef\xbb\xbfsep=|\r\nquestion|quotation\r\nWho?|me\r\n")
    assert table.load(tmp_path / "set.csv") == (Question("2", "Who?", gold=(quotation("me"),)),)


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=30).map(str.strip)


@given(rows=st.lists(st.tuples(cells.filter(bool), cells), min_size=1, unique_by=lambda row: row[0]), data=st.data())
def test_whatever_is_written_in_a_cell_is_read_from_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], data: st.DataObject
) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=data.draw(st.sampled_from(",;\t"))).writerows([("question", "quotation"), *rows])
    file = tmp_path_factory.getbasetemp() / "drawn.csv"
    file.write_bytes(stream.getvalue().encode(data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))))
    read = [(one.question, one.gold[0].text if one.gold else "") for one in table.load(file)]
    assert read == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "set.csv holds no questions | Write one a row below the headings."),
        (TABLE, "set.csv holds no questions | Write one a row below the headings."),
        (
            "question,document\nq,d\n",
            "set.csv, row 1: no column is called quotation"
            " | Columns are question and quotation; also document, kind, history and notes.",
        ),
        ("answer\na\n", "set.csv, row 1: no column is called question"),
        ("question,answer,documnet\n", "set.csv, row 1: there is no column 'documnet' in this format"),
        ("question,answer,expected\n", "set.csv, row 1: two columns hold the quotation | Keep one;"),
        (f"{TABLE},me,,,\n", "set.csv, row 2: question is missing or empty"),
        (
            "question,answer\n\nWho?,the snail, in 2019\n",
            "set.csv, row 3: cell 3 has no heading | Put quotation marks around a text that holds the delimiter.",
        ),
        ("question,answer,\nWho?,me,you\n", "set.csv, row 2: cell 3 has no heading"),
        (f"{TABLE}Who?,,race.txt\n", "set.csv, row 2: race.txt is named, but nothing is quoted from it"),
        (
            f"{TABLE}Who?,me\nWho?,\n",
            "set.csv, row 3: row 2 asks the same, and only one of them has a quotation",
        ),
        (
            f"{TABLE}Who?,me,,who\nWho?,you,,fact\n",
            "set.csv, row 3: the kind is 'fact', but 'who' in row 2, which asks the same | Give both the same kind.",
        ),
        (
            f'{TABLE}Who?,me\nWhy?,"so\n',
            "set.csv, row 3: unexpected end of data"
            " | Close each quotation mark that opens a cell, and double those within it.",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_named_with_its_remedy(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "set.csv").write_text(text)
    with pytest.raises(DocumentError) as error:
        table.load(tmp_path / "set.csv")
    assert refusal(error, tmp_path).startswith(message)


def test_a_table_in_an_old_encoding_is_refused_rather_than_misread(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_bytes("question;quotation\nWer?;Zoë\n".encode("cp1252"))
    with pytest.raises(DocumentError) as error:
        table.load(tmp_path / "set.csv")
    assert (
        refusal(error, tmp_path) == 'set.csv is not UTF-8 text (byte 26) | In the spreadsheet, save it as "CSV UTF-8".'
    )
