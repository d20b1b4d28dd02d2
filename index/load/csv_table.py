"""Tables in plain text: fields parted by commas, semicolons, tabs or bars."""

from __future__ import annotations

import csv
import itertools
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import mean

from index.load import grid
from index.load.draft import Draft
from index.load.refusals import MAX_PLAIN_CHARACTERS
from index.types import Document

MEDIA_TYPE = "text/csv"
_DELIMITERS = "\t;|,"
_SAMPLE = 64 * 1024
"""Characters from which the delimiter is told."""
_SAMPLE_ROWS = 200
_SEPARATOR = re.compile(r"\ufeff?\"?sep=([^\w\"\r\n ])\"?\r?\n", re.IGNORECASE)
"""What Excel may put first, to name the delimiter."""
_PROSE = re.compile(r"[^\W\d_]+(?:[ ,;]+[^\W\d_]+){7,}")


def read(text: str, name: str, source: str) -> Document:
    """A row a line, with the names of its columns where the table has them; the title is `name`.

    Rows of fewer or more fields than most are read as they are, with a warning.
    """
    draft = Draft()
    separator = _SEPARATOR.match(text)
    body = text[separator.end() :] if separator else text.removeprefix("\ufeff")
    delimiter = separator[1] if separator else _delimiter(body) or ","
    media_type = "text/tab-separated-values" if delimiter == "\t" else MEDIA_TYPE
    widths: Counter[int] = Counter()
    rows = _cells(_whole(body, delimiter, draft), widths)
    grid.put(draft, rows, name, most=MAX_PLAIN_CHARACTERS)
    ragged = _ragged(widths)
    if ragged:
        draft.warnings.append(f"{ragged} rows have more or fewer fields than the others.")
    return draft.done(name=name, source=source, media_type=media_type)


def looks_like(text: str) -> bool:
    """Is this certainly a table, by its content alone? Prose with commas and columns set by spaces are not."""
    if _SEPARATOR.match(text):
        return True
    sample = _whole_lines(text.removeprefix("\ufeff"))
    delimiter = _delimiter(sample)
    if not delimiter:
        return False
    rows = [row for row in _sample(sample, delimiter) if any(row)]
    rows = rows[:-1] if len(sample) < len(text) - 1 and len(rows) < _SAMPLE_ROWS else rows  # the last may be cut off
    if len(rows) < 3 or len({len(row) for row in rows}) > 1 or len(rows[0]) < 2:
        return False
    if delimiter == "," and _spaced(sample) > 0.5:
        return False
    fields = [field for row in rows for field in row]
    if sum(1 for field in fields if _PROSE.search(field)) * 3 > len(rows) or _is_markup(rows):
        return False
    return _has_values(rows[1:]) or (_is_header(rows) and len(rows[0]) > 2)


def _delimiter(text: str) -> str:
    """The one that cuts most rows into the same number of fields; "" if none does."""
    best, found = 0.0, ""
    for delimiter in _DELIMITERS:
        rows = _sample(_whole_lines(text), delimiter)
        widths = Counter(len(row) for row in rows if len(row) > 1)
        if not widths:
            continue
        width, count = max(widths.items(), key=lambda one: (one[1], one[0]))
        agreement = count / max(1, sum(1 for row in rows if any(row)))
        score = agreement * (1 + min(width, 20) / 100)
        if delimiter == "," and ";" in text and _decimal(text) > 0.3:
            score *= 0.8
        if score > best:
            best, found = score, delimiter
    return found


def _sample(text: str, delimiter: str) -> list[list[str]]:
    return [row for row, _ in itertools.islice(_rows(_lines(text), delimiter), _SAMPLE_ROWS)]


def _whole(text: str, delimiter: str, draft: Draft) -> Iterator[list[str]]:
    """All rows. A quotation mark that is never closed would swallow the lines to the end: there, all are plain."""
    last = sum(1 for _ in _lines(text)) if text.count('"') % 2 else 0
    done = 0
    for row, line in _rows(_lines(text), delimiter):
        if line == last and line - done > 1:
            draft.warnings.append(f"The quotation mark in line {done + 1} is never closed, and was read as it stands.")
            break
        done = line
        yield row
    else:
        return
    rest = itertools.islice(_lines(text), done, None)
    yield from (row for row, _ in _rows(rest, delimiter, quoted=False))


def _rows(lines: Iterator[str], delimiter: str, *, quoted: bool = True) -> Iterator[tuple[list[str], int]]:
    """Each row, and the number of lines so far."""
    csv.field_size_limit(sys.maxsize)
    # The module keeps a line break inside quotes only if the lines keep theirs.
    ended = (line + "\n" for line in lines)
    reader = csv.reader(
        ended,
        delimiter=delimiter,
        skipinitialspace=True,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    )
    for row in reader:
        yield [field.strip() for field in row], reader.line_num


def _lines(text: str) -> Iterator[str]:
    """Lines ended by any of \\n, \\r\\n, \\r, without the ends; no copy of the whole is made."""
    start = 0
    for end in re.finditer(r"\r\n|\n|\r", text):
        yield text[start : end.start()]
        start = end.end()
    if start < len(text):
        yield text[start:]


def _cells(rows: Iterator[list[str]], widths: Counter[int]) -> Iterator[list[grid.Cell]]:
    """The fields that hold something, with their columns; `widths` counts the rows by their number of fields."""
    for row in rows:
        cells = [grid.Cell(column, field) for column, field in enumerate(row) if field]
        if len(cells) > 1:
            widths[len(row)] += 1
        yield cells


def _ragged(widths: Counter[int]) -> int:
    return widths.total() - max(widths.values(), default=0)


def _whole_lines(text: str) -> str:
    """The beginning of a text, without a line that is cut off."""
    return text if len(text) <= _SAMPLE else text[:_SAMPLE].rpartition("\n")[0]


def _spaced(text: str) -> float:
    """The share of commas outside quotes with a space after them, as in prose."""
    plain = re.sub(r'"[^"]*"', '""', text)
    return plain.count(", ") / max(1, plain.count(","))


def _decimal(text: str) -> float:
    """The share of commas between digits."""
    return len(re.findall(r"\d,\d", text)) / max(1, text.count(","))


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    first = rows[0]
    named = all(field and len(field) < 60 and not grid.is_value(field) for field in first)
    return named and len(set(first)) == len(first) and all(first[0] != row[0] for row in rows[1:])


def _has_values(rows: Sequence[Sequence[str]]) -> bool:
    """Is there a column of numbers or dates?"""
    columns = zip(*rows, strict=True)
    return any(mean(bool(field) and grid.is_value(field) for field in column) > 0.8 for column in columns)


def _is_markup(rows: Sequence[Sequence[str]]) -> bool:
    """Lines of code, and tables as Markdown draws them."""
    fields = [field for row in rows for field in row]
    code = sum(1 for field in fields if re.search(r"[{}]|\w\(|=>|^#|^//|;$", field))
    return code * 4 > len(rows) or any(re.fullmatch(r":?-{3,}:?", field) for field in fields)
