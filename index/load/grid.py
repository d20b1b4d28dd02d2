"""Tables as people lay them out: a caption, a header of one or more rows, sections, cells that span columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import NamedTuple, TypeAlias

from index.load.draft import Draft, clean
from index.load.refusals import MAX_CHARACTERS, too_long

_LOOKED_AT = 60
"""Rows from which the header is told."""
_CAPTIONS = 12
"""So many rows may stand above a header that nobody marked."""
_LONGEST_NAME = 120
_YEAR = re.compile(r"(?:FY|CY)?\s?(?:1[5-9]|20|21)\d\d(?:\s?[/–-]\s?\d\d(?:\d\d)?)?")
_VALUE = re.compile(
    r"[-+−(]?\s*[$€£¥₹]?\s*[-+−]?(?:\d[\d.,'’\s\u00a0\u202f]*|\.\d+)(?:[eE][-+]?\d+)?\s*[%‰$€£¥₹]?\s*\)?"
    r"|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\.?(?:[T ]\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[-+]\d\d:?\d\d)?)?"
    r"|\d{1,3}:\d\d(?::\d\d(?:\.\d+)?)?(?:\s?[AaPp][Mm])?|TRUE|FALSE|[-–—]|n/?a",
    re.IGNORECASE,
)


class Cell(NamedTuple):
    """A cell that holds something: its first column, and how many it spans."""

    column: int
    text: str
    across: int = 1


Row: TypeAlias = Sequence[Cell]
"""The cells that are not empty, from left to right."""
Names: TypeAlias = dict[int, str]
"""What a header calls each column."""


def put(
    draft: Draft,
    rows: Iterable[Row],
    name: str,
    header: int | None = None,
    before: Names | None = None,
    most: int = MAX_CHARACTERS,
) -> Names:
    """Add a table to the draft, and return the names of its columns, empty where it has no header.

    `header` counts the rows that are marked as such, None where nothing is said: then it is told by its looks.
    `before` are the names of a table right above, which go on in one without a header of its own.
    Raises DocumentError, naming the file, when the text grows longer than `most` characters.
    """
    rows = (row for row in map(_cleaned, rows) if row)
    head = list(islice(rows, _LOOKED_AT))
    captions = _captions(head)
    for caption in head[:captions]:
        draft.paragraph(caption[0].text)
    head = head[captions:]
    if not head:
        return {}
    above = 0
    if header is None:
        above, header = _by_looks(head)
    else:
        header = min(max(0, header - captions), len(head) - 1)
        header += _second(head[0], head[1:]) if header == 1 else 0
    names = _names(head[above : above + header])
    if not header and before and _goes_on(head, before):
        names = before
    draft.table_begins()
    for number, row in enumerate(chain(head, rows)):
        _put_row(draft, row, {} if number < above + header else names)
        if len(draft) > most:
            raise too_long(name, most)
    return names


def is_value(words: str) -> bool:
    """Is it a number, a date, a time, or a sign for none, rather than words?"""
    return bool(_VALUE.fullmatch(words.strip()))


def _goes_on(rows: Sequence[Row], names: Names) -> bool:
    """Does a table below another, without a header, stand in its columns and hold values?"""
    cells = [cell for row in rows for cell in row]
    return {cell.column for cell in cells} <= names.keys() and any(is_value(cell.text) for cell in cells)


def _put_row(draft: Draft, row: Row, names: Names) -> None:
    """A lone cell over several columns is a section's name, and belongs to none of them."""
    if len(row) == 1 and row[0].across > 1:
        names = {}
    draft.row([cell.text for cell in row], [names.get(cell.column, "") for cell in row])


def _cleaned(row: Row) -> Row:
    cleaned = (Cell(cell.column, clean(cell.text).replace("\n", " "), cell.across) for cell in row)
    return [cell for cell in cleaned if cell.text]


def _captions(rows: Sequence[Row]) -> int:
    """The rows with a single cell above a table of several columns."""
    return next((number for number, row in enumerate(rows) if len(row) > 1), 0)


def _by_looks(rows: Sequence[Row]) -> tuple[int, int]:
    """How many rows stand above the header, and how many it has; (0, 0) for none."""
    width = len({cell.column for row in rows for cell in row})
    for number, row in enumerate(rows[: min(_CAPTIONS, len(rows) - 1)]):
        if _is_header(row, rows[number + 1 :]):
            return number, 1 + _second(row, rows[number + 1 :])
        if 2 * len(row) > width:
            return 0, 0
    return 0, 0


def _second(row: Row, below: Sequence[Row]) -> int:
    """1 if the header goes on in the next row, below cells that span several columns ("2023": "Q1", "Q2"), else 0."""
    if all(cell.across == 1 for cell in row) or len(below) < 2:
        return 0
    spanned = {cell.column + step for cell in row if cell.across > 1 for step in range(min(cell.across, 1000))}
    filled = {cell.column for cell in below[0]}
    texts = all(_can_name(cell.text) for cell in below[0])
    return int(texts and len(spanned & filled) > 1 and any(is_value(cell.text) for one in below[1:] for cell in one))


def _is_header(row: Row, below: Sequence[Row]) -> bool:
    """Short, distinct names over (nearly) every column, unlike what stands below them."""
    words = [cell.text for cell in row]
    if len(row) < 2 or len(set(words)) < len(words) or not all(map(_can_name, words)):
        return False
    covered = {cell.column + step for cell in row for step in range(min(cell.across, 1000))}
    used = sorted({cell.column for one in below for cell in one})
    bare = [column for column in used if column not in covered]
    if 5 * len([column for column in bare if column != used[0]]) > 2 * len(used):
        return False
    columns: dict[int, list[str]] = {cell.column: [] for cell in row}
    for one in (cell for other in below for cell in other if cell.column in columns):
        columns[one.column].append(one.text)
    second = any(cell.across > 1 for cell in row)  # the header may have a second row, with cells of the first in it
    if any(cell.text in columns[cell.column][second:] for cell in row):
        return False
    years = [cell for cell in row if is_value(cell.text)]
    if years and ((len(years) == len(row) and not bare) or not all(_measures(columns[cell.column]) for cell in years)):
        return False
    return not _is_key_and_value(row, below)


def _can_name(words: str) -> bool:
    if len(words) > _LONGEST_NAME or (len(words) > 40 and words.endswith((".", "!", "?"))):
        return False
    return bool(_YEAR.fullmatch(words)) or words in "#%№" or (not is_value(words) and any(map(str.isalnum, words)))


def _measures(cells: Sequence[str]) -> bool:
    """Values, most of which are no years themselves: what may stand under a year."""
    values = [cell for cell in cells if is_value(cell)]
    return len(values) * 2 >= len(cells) > 0 and sum(1 for cell in values if _YEAR.fullmatch(cell)) * 2 <= len(values)


def _is_key_and_value(row: Row, below: Sequence[Row]) -> bool:
    """Two columns, of which the first names what stands in the second."""
    keys = [one[0].text for one in (row, *below) if one]
    return len(row) == 2 and sum(1 for key in keys if key.endswith(":")) * 2 > len(keys)


def _names(header: Sequence[Row]) -> Names:
    """For each column the words above it, from top to bottom."""
    names: Names = {}
    for row in header:
        for cell in row:
            for column in range(cell.column, cell.column + min(cell.across, 1000)):
                said = names.get(column, "")
                words = cell.text if not said or said == cell.text else f"{said} {cell.text}"
                names[column] = words if len(words) <= _LONGEST_NAME else said
    return names
