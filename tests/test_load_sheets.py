"""Workbooks: read row by row, as a person sees them."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest

from index.errors import DocumentError
from index.load.number_format import shown
from index.types import Document
from tests.documents import headings, lines, sample, soon
from tests.office import read, repacked, saved


def workbook(fill: Callable[[Any], None]) -> Document:
    book = openpyxl.Workbook()
    fill(book.active)
    return read("xlsx", saved(book))


def test_a_sheet_is_read_as_a_person_sees_it() -> None:
    def fill(sheet: Any) -> None:
        sheet.title = "Ducks"
        sheet.append(["Ducks by day"])
        sheet.append([])
        sheet.append(["Day", "Count", "Share", "Price", "Wild", "Seen at"])
        sheet.append([date(2024, 5, 1), 12.0, 0.25, 1234.5, True, datetime(2024, 5, 1, 14, 30)])
        sheet["C4"].number_format, sheet["D4"].number_format = "0%", '"$"#,##0.00'

    made = workbook(fill)
    assert headings(made) == [(1, "Ducks")]
    assert lines(made) == [
        "Ducks",
        "Ducks by day",
        "Day | Count | Share | Price | Wild | Seen at",
        "Day: 2024-05-01 | Count: 12 | Share: 25% | Price: $1,234.50 | Wild: TRUE | Seen at: 2024-05-01 14:30",
    ]


@pytest.mark.parametrize(
    ("value", "code", "seen"),
    [
        ("3.0", "General", "3"),
        ("0.30000000000000004", "General", "0.3"),
        ("1234567890123", "General", "1234567890123"),
        ("0.1234", "0.00%", "12.34%"),
        ("-1234.5", "#,##0.00_);(#,##0.00)", "(1,234.50)"),
        ("1234.5", "#,##0.00\\ [$€-407]", "1,234.50 €"),
        ("5", '0 "kg"', "5 kg"),
        ("123", "00000", "00123"),
        ("1.5", "0.0##", "1.5"),
        ("0", '0;-0;"-"', "-"),
        ("45292", "[$-409]mmmm d, yyyy", "2024-01-01"),
        ("45292.75", "dd.mm.yyyy hh:mm", "2024-01-01 18:00"),
        ("0.5", "h:mm AM/PM", "12:00"),
        ("1.5", "[h]:mm", "36:00:00"),
        ("59", "yyyy-mm-dd", "1900-02-28"),
        ("61", "yyyy-mm-dd", "1900-03-01"),
        ("99999999999", "yyyy-mm-dd", "99999999999"),
        ("NaN", "0.00", "NaN"),
        ("1e400", "0.00", "1e400"),
    ],
)
def test_number_formats(value: str, code: str, seen: str) -> None:
    assert shown(value, code) == seen


def test_no_number_format_fails() -> None:
    chance = random.Random(5)
    signs = '0#?.,%;"\\_*[]$-eE+ymdhs@/ General€x'
    codes = ["".join(chance.choice(signs) for _ in range(chance.randrange(30))) for _ in range(1000)]
    values = ("0", "-1.5", "45292.123", "1e300", "-1e-300", "2958465.99999999")
    for code, value in ((code, value) for code in codes for value in values):
        assert isinstance(shown(value, code), str)


def test_tables_on_one_sheet_have_a_header_each_and_one_without_goes_on() -> None:
    def fill(sheet: Any) -> None:
        for row in (["Name", "Age"], ["Anna", 3], [], ["Bob", 4], [], [None, "City", "People"], [None, "Oslo", 7]):
            sheet.append(row)

    made = workbook(fill)
    assert lines(made)[1:] == [
        "Name | Age", "Name: Anna | Age: 3", "Name: Bob | Age: 4", "City | People", "City: Oslo | People: 7",
    ]  # fmt: skip
    assert made.reading.tables == 3


def test_merged_cells_carry_over() -> None:
    def fill(sheet: Any) -> None:
        for row in (["Land", "2023", None, "2024", None], [None, "Q1", "Q2", "Q1", "Q2"], ["Chile", 1, 2, 3, 4]):
            sheet.append(row)
        sheet.append(["Peru", 5, 6, 7, 8])
        sheet.append([None, 9, 9, 9, 8])
        for area in ("B1:C1", "D1:E1", "A1:A2", "A4:A5"):
            sheet.merge_cells(area)

    assert lines(workbook(fill))[3:] == [
        "Land: Chile | 2023 Q1: 1 | 2023 Q2: 2 | 2024 Q1: 3 | 2024 Q2: 4",
        "Land: Peru | 2023 Q1: 5 | 2023 Q2: 6 | 2024 Q1: 7 | 2024 Q2: 8",
        "Land: Peru | 2023 Q1: 9 | 2023 Q2: 9 | 2024 Q1: 9 | 2024 Q2: 8",
    ]


def test_hidden_sheets_are_read_with_a_warning_empty_ones_are_left_out() -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "words"
    book.create_sheet("Secret")["A1"] = "hidden words"
    book["Secret"].sheet_state = "hidden"
    book.create_sheet("Empty")
    made = read("xlsx", saved(book))
    assert headings(made) == [(1, "Sheet"), (1, "Secret")]
    assert made.reading.warnings == ("Hidden sheets were read too: Secret.",)


def test_formulas_are_read_by_their_stored_results() -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Sum", "=1+1"])

    assert workbook(fill).reading.warnings == (
        "1 formulas have no stored result: open the file in its program and save it.",
    )
    book = openpyxl.Workbook()
    book.active.append(["Sum", "=1+1"])
    with_result = repacked(saved(book), lambda _, part: part.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>").replace(
        b"<f>1+1</f><v></v>", b"<f>1+1</f><v>2</v>"))  # fmt: skip
    assert lines(read("xlsx", with_result))[1:] == ["Sum | 2"]


def test_a_sheet_that_declares_a_million_rows_takes_no_time() -> None:
    def change(name: str, part: bytes) -> bytes:
        return part.replace(b'ref="A1:B2"', b'ref="A1:XFD1048576"').replace(b'r="2"', b'r="1048576"')

    book = openpyxl.Workbook()
    book.active.append(["Name", "Age"])
    book.active.append(["Anna", 3])
    with soon():
        assert "Anna" in read("xlsx", repacked(saved(book), change)).text


def test_a_workbook_of_too_many_characters_is_refused() -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for _ in range(800):
        sheet.append(["x" * 30_000])
    with pytest.raises(DocumentError, match="file holds more than 20 million characters"):
        read("xlsx", saved(book))


def test_the_sample_of_excel() -> None:
    made = read("xlsx", sample("files/xlsx_table_with_title.xlsx"))
    assert made.title == "Wild Duck Observations"
    assert lines(made)[:2] == ["Duck Observations", "Number of freshwater ducks per year"]
    assert "Year: 2023 | Freshwater Ducks: 160" in made.text
