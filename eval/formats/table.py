"""Spreadsheets saved as CSV: a question and the quotation that is expected, a row each."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from eval.dataset import Gold, Question
from eval.formats.quotations import quotation
from eval.formats.record import Record
from index.errors import DocumentError
from index.load.text import content, decode

_NOTES = "notes"
_COLUMNS = {
    "question": "question",
    **dict.fromkeys(("quotation", "expected quotation", "expected", "answer"), "quotation"),
    "document": "document",
    "kind": "kind",
    "history": "history",
    **dict.fromkeys(("note", "notes", "comment", "comments"), _NOTES),
    "": "",
}
"""What each heading stands for; nothing may stand below an empty one."""
_KNOWN = "Columns are question and quotation; also document, kind, history and notes."
_SEPARATOR = re.compile(r"\"?sep=([^\w\"\r\n])\"?(?:\r\n?|\n)", re.IGNORECASE)
"""What Excel may put first, to name the delimiter."""


def load(file: Path) -> tuple[Question, ...]:
    """The questions of a table with the columns `question` and `quotation`, and maybe `document`, `kind`, `history`
    (the questions before, one a line in the cell) and `notes` (not read).

    Fields are parted by commas, semicolons or tabs, in UTF-8 or in UTF-16 with its mark. Rows with the same question
    and history are one question with several quotations; an empty quotation says that the documents do not hold the
    answer. A question's id is the number of its first row. Raises DocumentError, naming the row, for what does not fit.
    """
    questions = dict[tuple[str, tuple[str, ...]], Question]()
    for row in _rows(file):
        one = _question(row)
        before = questions.get((one.question, one.history))
        questions[one.question, one.history] = _joined(before, one, row) if before else one
    if not questions:
        raise DocumentError(f"{file} holds no questions", "Write one a row below the headings.")
    return tuple(questions.values())


def _question(row: Record) -> Question:
    quoted, document = row.string("quotation"), row.string("document")
    if document and not quoted:
        raise row.error(
            f"{document} is named, but nothing is quoted from it",
            "Copy the words that answer, or empty the document's cell where it does not hold the answer.",
        )
    return Question(
        id=row.place.removeprefix("row "),
        question=row.words("question"),
        kind=row.string("kind"),
        gold=(quotation(quoted, document, row.where),) if quoted else (),
        history=tuple(line.strip() for line in row.string("history").splitlines() if line.strip()),
    )


def _joined(first: Question, second: Question, row: Record) -> Question:
    if bool(first.gold) != bool(second.gold):
        raise row.error(
            f"row {first.id} asks the same, and only one of them has a quotation",
            "Remove the row that is wrong, or word its question differently.",
        )
    if first.kind and second.kind and first.kind != second.kind:
        raise row.error(
            f"the kind is {second.kind!r}, but {first.kind!r} in row {first.id}, which asks the same",
            "Give both the same kind.",
        )
    gold: tuple[Gold, ...] = tuple(dict.fromkeys(first.gold + second.gold))
    return replace(first, kind=first.kind or second.kind, gold=gold)


def _rows(file: Path) -> Iterator[Record]:
    """The rows below the headings that are not blank, their cells by column, without white space around them."""
    text = _text(file)
    separator = _SEPARATOR.match(text)
    text = text[separator.end() :] if separator else text
    table = _table(text, separator[1] if separator else _delimiter(text), file)
    columns: Sequence[str] | None = None
    for number, cells in enumerate(table, 1):
        row = Record(file, f"row {number}", {})
        if not any(cells):
            continue
        if columns is None:
            columns = _headings(cells, row)
            continue
        values = dict[str, str]()
        for at, (column, cell) in enumerate(zip_longest(columns, cells, fillvalue=""), 1):
            if cell and not column:
                raise row.error(
                    f"cell {at} has no heading", "Put quotation marks around a text that holds the delimiter."
                )
            values[column] = cell
        yield replace(row, values=values)


def _text(file: Path) -> str:
    data = content(file)
    try:
        return decode(data, str(file)).removeprefix("\ufeff")
    except DocumentError as error:
        raise DocumentError(error.message, 'In the spreadsheet, save it as "CSV UTF-8".') from error


def _delimiter(text: str) -> str:
    """The one that parts the first row into the most headings that are known."""

    def headings(delimiter: str) -> int:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            first = next((row for row in rows if any(cell.strip() for cell in row)), [])
        except csv.Error:
            return 0
        return sum(bool(_COLUMNS.get(_heading(cell))) for cell in first)

    return max(",;\t", key=headings)


def _table(text: str, delimiter: str, file: Path) -> list[list[str]]:
    rows = list[list[str]]()
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            rows.append([cell.strip() for cell in row])
    except csv.Error as error:
        raise DocumentError(
            f"{file}, row {len(rows) + 1}: {error}",
            "Close each quotation mark that opens a cell, and double those within it.",
        ) from error
    return rows


def _headings(cells: Sequence[str], row: Record) -> list[str]:
    columns = list[str]()
    for cell in cells:
        column = _COLUMNS.get(_heading(cell))
        if column is None:
            raise row.error(f"there is no column {cell!r} in this format", _KNOWN)
        if column and column != _NOTES and column in columns:
            raise row.error(
                f"two columns hold the {column}", "Keep one; several quotations are written in several rows."
            )
        columns.append(column)
    for column in ("question", "quotation"):
        if column not in columns:
            raise row.error(f"no column is called {column}", _KNOWN)
    return columns


def _heading(cell: str) -> str:
    return " ".join(cell.split()).casefold()
