"""The loops over postings, compiled by numba. The only file that imports it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

_Loop = TypeVar("_Loop", bound=Callable[..., Any])

BLOCK = 1 << 14
"""Passages scored at a time: their scores stay in the processor's nearest cache."""
TINY = np.float32(1e-30)
"""In the place of a weight of zero: a score of zero is that of a passage that holds none of the terms."""
GROUP = 16
"""Scores compared with the lowest kept one at a time."""


def _compiled(loop: _Loop) -> _Loop:
    """Compiled at its first call, and kept on disk for the next process where there is a place for it."""
    try:
        return cast(_Loop, numba.njit(cache=True, nogil=True, error_model="numpy")(loop))
    except RuntimeError:  # neither this folder nor the user's cache can be written
        return cast(_Loop, numba.njit(nogil=True, error_model="numpy")(loop))


@_compiled
def _keep(rows: NDArray[np.int32], scores: NDArray[np.float32], kept: int, row: int, score: float) -> int:
    """Put a row on the heap of the best so far, its worst on top; of equal scores the last row is the worst."""
    k = len(rows)
    if kept < k:
        place = kept
        kept += 1
        while place > 0:
            parent = (place - 1) // 2
            if scores[parent] < score or (scores[parent] == score and rows[parent] > row):
                break
            scores[place], rows[place] = scores[parent], rows[parent]
            place = parent
    else:
        place = 0
        while True:
            child = 2 * place + 1
            if child >= k:
                break
            other = child + 1
            if other < k and (
                scores[other] < scores[child] or (scores[other] == scores[child] and rows[other] > rows[child])
            ):
                child = other
            if scores[child] > score or (scores[child] == score and rows[child] < row):
                break
            scores[place], rows[place] = scores[child], rows[child]
            place = child
    scores[place], rows[place] = score, row
    return kept


@_compiled
def best(
    asked: NDArray[np.int32],
    weights: NDArray[np.float32],
    terms: NDArray[np.int32],
    firsts: NDArray[np.int64],
    rows: NDArray[np.int32],
    counts: NDArray[np.uint16],
    norms: NDArray[np.float32],
    hidden: NDArray[np.bool_],
    k: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The k rows with the highest sum of `weight * count / (count + norm)`, in no order; of equals the first rows.

    The term `terms[t]` (ascending) has the postings `firsts[t]:firsts[t + 1]` of `rows` (ascending) and `counts`; of
    these terms the `asked` ones count. Rows that hold none of them, and `hidden` ones (may be empty: none is), are
    left out.
    """
    position = np.zeros(len(asked), np.int64)
    ends = np.zeros(len(asked), np.int64)
    for number in range(len(asked)):
        place = np.searchsorted(terms, asked[number])
        if place < len(terms) and terms[place] == asked[number]:
            position[number], ends[number] = firsts[place], firsts[place + 1]
    kept_rows = np.empty(k, np.int32)
    kept_scores = np.empty(k, np.float32)
    kept = 0
    lowest = np.float32(-np.inf)
    scores = np.zeros(BLOCK, np.float32)
    impacts = np.empty(BLOCK, np.float32)
    for start in range(0, len(norms) if k else 0, BLOCK):
        end = min(start + BLOCK, len(norms))
        touched = False
        for term in range(len(weights)):
            first = position[term]
            last = first + np.searchsorted(rows[first : min(ends[term], first + end - start)], end)
            if last == first:
                continue
            touched = True
            position[term] = last
            weight = weights[term] if weights[term] != 0 else TINY
            for place in range(last - first):  # without a branch or a sum: several at a time
                count = np.float32(counts[first + place])
                impacts[place] = weight * count / (count + norms[rows[first + place]])
            for place in range(last - first):
                scores[rows[first + place] - start] += impacts[place]
        if not touched:
            continue
        for group in range(0, end - start, GROUP):
            highest = np.float32(-np.inf)
            for place in range(group, group + GROUP):
                highest = max(highest, scores[place])
            if highest <= lowest and kept == k:
                continue
            for row in range(start + group, min(start + group + GROUP, end)):
                score = scores[row - start]
                if score == 0 or (kept == k and score <= lowest) or (len(hidden) and hidden[row]):
                    continue
                kept = _keep(kept_rows, kept_scores, kept, row, score)
                lowest = kept_scores[0]
        scores[:] = 0
    return kept_rows[:kept], kept_scores[:kept]


@_compiled
def inverted(
    firsts: NDArray[np.int64], terms: NDArray[np.int32], counts: NDArray[np.uint16], distinct: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint16]]:
    """Bags, row by row (row r holds `firsts[r]:firsts[r + 1]`), as postings, term by term: firsts, rows, counts.

    `terms` are numbers below `distinct`.
    """
    starts = np.zeros(distinct + 1, np.int64)
    for term in terms:
        starts[term + 1] += 1
    for term in range(distinct):
        starts[term + 1] += starts[term]
    position = starts[:-1].copy()
    rows = np.empty(len(terms), np.int32)
    turned = np.empty(len(terms), np.uint16)
    for row in range(len(firsts) - 1):
        for place in range(firsts[row], firsts[row + 1]):
            term = terms[place]
            rows[position[term]] = row
            turned[position[term]] = counts[place]
            position[term] += 1
    return starts, rows, turned


def prepare() -> None:
    """Have the loop of a search compiled, or read from where it is kept: half a second that no question then waits."""
    numbers, floats = np.zeros(0, np.int32), np.zeros(0, np.float32)
    counts = np.zeros(0, np.uint16)
    best(numbers, floats, numbers, np.zeros(1, np.int64), numbers, counts, floats, np.zeros(0, np.bool_), 0)
