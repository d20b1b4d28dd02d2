"""The runs of a page put into lines, and the lines into reading order: column after column, tables row by row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.load.pdf_page import Page, Run

_STEP = 2.0
"""Points in a column of the grid on which gutters are looked for."""
_GUTTER = 8.0
"""Points that a gutter between columns is wide at least."""
_LINES = 2
"""Lines on each side of a gutter at least."""
_SURE = 3
"""With fewer lines, they have to be of some length."""
_CELL = 1.4
"""Times the type size: wider gaps part the cells of a table."""
_TRIED = 12
_MOST_ROWS = 1000
"""No page that a person reads has more."""
_NUMERIC = re.compile(r"[\d\s$€£¥%.,()\[\]—–+-]+$")
_MARKER = re.compile(
    r"(?:[•◦‣▪▫●○■□◆➢➤✓–—*·o-]|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]|\[\d{1,3}\]|\d{1,2}(?:\.\d{1,2}){0,3}"
    r"|(?:item|part|section|note|chapter|article|annex|appendix)\s+[\dIVXA-Z]{1,4}[A-Za-z]?[.:]?)$",
    re.IGNORECASE,
)
"""What may stand apart before a line's words: a bullet, a number."""


@dataclass(slots=True)
class Line:
    """Runs on one baseline in reading order, in the reading frame; `cells` counts what wide gaps part.

    A line from right to left on a page of the other direction has its `left` and `right` mirrored.
    """

    runs: list[Run]
    cells: int
    block: int = 0
    left: float = field(init=False)
    right: float = field(init=False)
    top: float = field(init=False)
    bottom: float = field(init=False)
    base: float = field(init=False)
    size: float = field(init=False)
    bold: float = field(init=False)
    backwards: bool = field(init=False)

    def __post_init__(self) -> None:
        runs = self.runs
        weights = [run.end - run.start for run in runs]
        main = runs[weights.index(max(weights))]
        self.left, self.right = min(run.left for run in runs), max(run.right for run in runs)
        self.top, self.bottom = min(run.top for run in runs), max(run.bottom for run in runs)
        self.base, self.size = main.base, main.size
        self.backwards = main.backwards
        if self.backwards:
            self.left, self.right = -self.right, -self.left
        self.bold = sum(run.bold * weight for run, weight in zip(runs, weights, strict=True)) / sum(weights)


class _Gutter(NamedTuple):
    """White space between `left` and `right` all along the rows from `first` to before `last`."""

    left: float
    right: float
    first: int
    last: int
    lines: int


Row = list[Run]


def lines_of(page: Page) -> list[Line]:
    """All lines in reading order; those of one column share a `block`. Turned text comes last, a line each run."""
    lines = list[Line]()
    order = {id(run): number for number, run in enumerate(page.runs)}
    for number, rows in enumerate(_blocks(page, _rows([run for run in page.runs if not run.turned]), order)):
        first = len(lines)
        for row in rows:
            line = _line(page, row, number)
            if len(lines) > first and lines[-1].cells > 1 and _wraps(page, lines[-1], line):
                lines[-1] = _merged(lines[-1], line)
            else:
                lines.append(line)
    lines += [Line([run], 1, block=-1) for run in page.runs if run.turned]
    return lines


def _wraps(page: Page, row: Line, line: Line) -> bool:
    """Does a line hold nothing but the second lines of cells of the row above?"""
    step = line.base - max(run.base for run in row.runs)
    if not 0 < step < 1.5 * line.size or line.cells > row.cells or line.backwards:
        return False
    # Later lines of a cell begin in lower case; other words may be a row of their own.
    if not all(page.text[run.start].islower() for run in line.runs):
        return False
    for run in line.runs:
        under = any(abs(one.left - run.left) < run.size / 2 for one in row.runs)
        following = min((one.left for one in row.runs if one.left > run.left + run.size / 2), default=run.right + 99)
        if not under or run.right > following - run.size / 2:
            return False
    return True


def _merged(row: Line, line: Line) -> Line:
    """Each run of `line` goes after the runs of the row's cell that it stands under."""
    runs = list(row.runs)
    for run in line.runs:
        under = [number for number, one in enumerate(runs) if abs(one.left - run.left) < run.size / 2]
        runs.insert(under[-1] + 1, run)
    return Line(runs, row.cells, row.block)


def words(page: Page, line: Line) -> str:
    """A line's text, a space between runs where one is seen."""
    parts = [page.text[line.runs[0].start : line.runs[0].end]]
    for before, run in pairwise(line.runs):
        parts += [" " if spaced(page, before, run) else "", page.text[run.start : run.end]]
    return "".join(parts)


def gap(before: Run, run: Run) -> float:
    """Points between a run and the next of its line, in either direction."""
    return max(run.left - before.right, before.left - run.right)


def spaced(page: Page, before: Run, run: Run) -> bool:
    """Is there a space between two runs of a line?"""
    if abs(run.base - before.base) > 0.9 * run.size:
        return True  # the next line of a table's cell
    if before.end <= run.start and " " in page.text[before.end : run.start]:
        return gap(before, run) > 0.05 * run.size
    return gap(before, run) > 0.15 * max(run.size, before.size)


def _rows(runs: Sequence[Run]) -> list[Row]:
    """Runs on about one baseline, from the top down, each row from left to right."""
    rows, bases, sizes = list[Row](), list[float](), list[float]()
    for run in sorted(runs, key=lambda run: (run.base, run.left)):
        height = run.size
        if rows and run.base - bases[-1] <= 0.35 * min(sizes[-1], height):
            rows[-1].append(run)
            if height > sizes[-1]:
                bases[-1], sizes[-1] = run.base, height
        else:
            rows.append([run])
            bases.append(run.base)
            sizes.append(height)
    for row in rows:
        row.sort(key=lambda run: run.left)
    return _with_shifted(rows)


def _with_shifted(rows: list[Row]) -> list[Row]:
    """Small type just above or below a baseline, such as a superscript, goes into the line that it touches."""
    kept = list[Row]()
    for number, row in enumerate(rows):
        goal = None
        if all(run.end - run.start <= 6 for run in row) and len(row) <= 4:
            near = rows[max(0, number - 1) : number] + rows[number + 1 : number + 2]
            goal = next((other for other in near if all(_shifted(run, other) for run in row)), None)
        if goal is None:
            kept.append(row)
        else:
            goal.extend(row)
            goal.sort(key=lambda run: run.left)
    return kept


def _shifted(run: Run, row: Row) -> bool:
    return any(
        run.size < 0.85 * other.size
        and abs(run.base - other.base) < 0.6 * other.size
        and -0.3 * other.size < max(run.left - other.right, other.left - run.right) < 0.3 * other.size
        for other in row
    )


def _blocks(page: Page, rows: list[Row], order: dict[int, int], depth: int = 0) -> list[list[Row]]:
    """Rows in reading order, divided at gutters between columns."""
    if not rows:
        return []
    if depth < 12 and _LINES <= len(rows) <= _MOST_ROWS:
        for gutter in _gutters(rows)[:_TRIED]:
            parts = _divided(page, rows, gutter, order)
            if parts is not None:
                return [block for part in parts for block in _blocks(page, part, order, depth + 1)]
    return [rows]


def _gutters(rows: list[Row]) -> list[_Gutter]:
    """White space with lines on both sides, the best first."""
    low, high = min(row[0].left for row in rows), max(run.right for row in rows for run in row)
    bins = int(min((high - low) / _STEP, 3000))
    if bins < 3:
        return []
    covered = np.zeros((len(rows), bins), np.bool_)
    firsts = np.zeros((len(rows), bins), np.bool_)
    for number, row in enumerate(rows):
        for run in row:
            covered[number, max(0, int((run.left - low) / _STEP)) : int(np.ceil((run.right - low) / _STEP))] = True
        firsts[number, min(bins, int((row[0].right - low) / _STEP) + 1) :] = True
    rights = np.array([max(run.left for run in row) for row in rows])
    found = dict[tuple[int, int, int], _Gutter]()
    for column in range(1, bins - 1):
        free = ~covered[:, column]
        if np.count_nonzero(free) < _LINES or np.array_equal(covered[:, column], covered[:, column - 1]):
            continue
        edges = np.flatnonzero(np.diff(np.concatenate(([False], free, [False])).astype(np.int8)))
        for first, last in edges.reshape(-1, 2).tolist():
            if last - first >= _LINES:
                _note(found, covered, firsts, rights, low, column, first, last)
    return sorted(found.values(), key=lambda one: (one.lines, one.right - one.left), reverse=True)


def _note(
    found: dict[tuple[int, int, int], _Gutter],
    covered: NDArray[np.bool_],
    firsts: NDArray[np.bool_],
    rights: NDArray[np.float64],
    low: float,
    column: int,
    first: int,
    last: int,
) -> None:
    """Add the white space around a column of the grid if it is a gutter."""
    before = int(np.count_nonzero(firsts[first:last, column]))
    after = int(np.count_nonzero(rights[first:last] > low + column * _STEP))
    if min(before, after) < _LINES:
        return
    busy = np.flatnonzero(covered[first:last].any(axis=0))
    left, right = busy[busy < column], busy[busy > column]
    if not len(left) or not len(right):
        return
    start, end = int(left[-1]) + 1, int(right[0])
    if (end - start) * _STEP >= _GUTTER - _STEP:
        found[start, first, last] = _Gutter(low + start * _STEP, low + end * _STEP, first, last, min(before, after))


def _divided(page: Page, rows: list[Row], gutter: _Gutter, order: dict[int, int]) -> list[list[Row]] | None:
    """Rows above, left column, right column, rows below; None where the gutter belongs to a table."""
    middle = (gutter.left + gutter.right) / 2
    first, last = gutter.first, gutter.last
    sides = [([r for r in row if r.right <= middle], [r for r in row if r.left >= middle]) for row in rows[first:last]]
    lefts = [order[id(run)] for left, _ in sides for run in left]
    rights = [order[id(run)] for _, right in sides for run in right]
    # A line on one side only, above or below both columns, is told by when it was drawn.
    while len(sides) > 1 and not sides[0][0] and max(order[id(run)] for run in sides[0][1]) < min(lefts):
        if _near(sides[0][1], next((one for _, one in sides[1:] if one), [])):
            break
        sides, first = sides[1:], first + 1
    while len(sides) > 1 and not sides[-1][1] and min(order[id(run)] for run in sides[-1][0]) > max(rights):
        if _near(next((one for one, _ in sides[-2::-1] if one), []), sides[-1][0]):
            break
        sides, last = sides[:-1], last - 1
    left, right = [one for one, _ in sides if one], [one for _, one in sides if one]
    if min(len(left), len(right)) < _LINES or not _are_columns(page, sides, left, right, order):
        return None
    return [rows[:first], left, right, rows[last:]]


def _near(above: Row, below: Row) -> bool:
    """Are two rows as close as lines of one paragraph?"""
    return bool(above and below) and below[0].base - above[0].base < 1.5 * below[0].size


def _are_columns(
    page: Page, sides: list[tuple[Row, Row]], left: list[Row], right: list[Row], order: dict[int, int]
) -> bool:
    """Columns are drawn one after the other, or hold lines of prose that fill them; the rest are tables."""
    drawn = sorted([(order[id(run)], 0) for row in left for run in row] + [(order[id(r)], 1) for o in right for r in o])
    switches = sum(one[1] != other[1] for one, other in pairwise(drawn))
    both = sum(bool(one and other) for one, other in sides)
    aligned = both >= 0.7 * min(len(left), len(right))
    if aligned and (_numeric(page, left) or _numeric(page, right)):
        return False
    if min(len(left), len(right)) < _SURE:
        return switches == 1 and all(len(_text(page, row)) >= 20 for row in (*left, *right))
    if switches <= 3:
        return not aligned or _worded(page, left) or _worded(page, right)
    return _prose(page, left) and _prose(page, right) and (switches >= 0.7 * both or not aligned)


def _text(page: Page, row: Row) -> str:
    return " ".join(page.text[run.start : run.end] for run in row)


def _numeric(page: Page, rows: list[Row]) -> bool:
    """Most runs are numbers."""
    runs = [run for row in rows for run in row]
    return sum(bool(_NUMERIC.match(page.text[run.start : run.end])) for run in runs) > 0.5 * len(runs)


def _worded(page: Page, rows: list[Row]) -> bool:
    """Most lines are of more than one word."""
    return sum(" " in _text(page, row) for row in rows) > 0.5 * len(rows)


def _prose(page: Page, rows: list[Row]) -> bool:
    """Most lines are long, reach to nearly the same right edge, and do not begin anew as cells do."""
    begins = [page.text[row[0].start] for row in rows]
    capitals = sum(letter.isupper() or letter.isdigit() for letter in begins)
    edge, start = max(row[-1].right for row in rows), min(row[0].left for row in rows)
    long = [sum(run.end - run.start for run in row) >= 18 for row in rows]
    full = [row[-1].right >= edge - 0.18 * (edge - start) for row in rows]
    most = 0.65 * len(rows)
    return len(rows) >= 4 and capitals <= most and sum(long) >= most and sum(full) >= 0.6 * len(rows)


def _is_marker(page: Page, first: Run, second: Run) -> bool:
    """Does a line begin with a bullet or a number, set apart from its words?"""
    marked = _MARKER.match(page.text[first.start : first.end])
    return bool(marked) and not _NUMERIC.match(page.text[second.start : second.end])


def _line(page: Page, row: Row, block: int) -> Line:
    cells = 1
    if 2 * sum(run.backwards for run in row) > len(row):
        row = sorted(row, key=lambda run: -run.right)
    for number, (before, run) in enumerate(pairwise(row)):
        wide = gap(before, run) > _CELL * max(before.size, run.size, 6.0)
        cells += wide and not (number == 0 and _is_marker(page, before, run))
    return Line(row, 1 if _justified(page, row) else cells, block)


def _justified(page: Page, row: Row) -> bool:
    """Are all words equally far apart, as where a line is stretched to fill its column?"""
    gaps = [gap(before, run) for before, run in pairwise(row)]
    words = [page.text[run.start : run.end] for run in row]
    single = not any(" " in word or _NUMERIC.match(word) for word in words)
    return len(gaps) > 1 and single and max(gaps) < min(1.3 * min(gaps), 2.5 * row[0].size)
