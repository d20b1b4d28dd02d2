"""What was asked for, beside what was measured under load."""

from __future__ import annotations

from eval.bench.openloop import Summary
from eval.bench.phases import Measured
from eval.bench.speed import Row

SHARE_OF_RAW = 0.6
SLOWER_AT_HALF = 5.0
RECOVERS = 5.0
"""Seconds."""
TIMES_TXTAI = 3.0
SLOWER_WITH_UPLOADS = 2.0
_REFUSALS = {200, 429, 503}


def targets(one: Measured, raw: float, txtai: Measured | None) -> list[Row]:
    """A row for each target. `raw` is questions embedded a second; of txtai counts the most that it ever answered."""
    rows = [
        _row("peak / questions embedded a second, raw", "at least 0.6", one.peak / raw, one.peak >= SHARE_OF_RAW * raw),
        _errors_below(one),
    ]
    if one.half:
        times = one.half.p99 / one.lone
        rows.append(_row("p99 at half of the peak / lone median", "at most 5", times, times <= SLOWER_AT_HALF))
    if one.above:
        rows.append(_above(one.above))
    recovered = one.recovered
    rows.append(
        _row("recovered from the flood, s", "at most 5", recovered, recovered is not None and recovered <= RECOVERS)
    )
    if one.quarter and one.uploading:
        times = one.uploading.p99 / one.quarter.p99
        rows.append(_row("p99 with uploads / without", "at most 2", times, times <= SLOWER_WITH_UPLOADS))
    if txtai:
        times = one.peak / txtai.most
        rows.append(_row("peak / the most txtai answered", "at least 3", times, times >= TIMES_TXTAI))
    return rows


def _row(target: str, aim: str, value: float | None, met: bool) -> Row:
    return {"target": target, "aim": aim, "measured": "never" if value is None else round(value, 2), "met": _said(met)}


def _said(met: bool) -> str:
    return "yes" if met else "NO"


def _errors_below(one: Measured) -> Row:
    """Also in a step that was tried once more, and followed then."""
    below = [seen for seen in one.seen if seen["offered/s"] <= one.rate]
    errors = sum(count for seen in below for status, count in seen["statuses"].items() if status != 200)
    return _row("replies other than 200 up to the peak", "0", errors, errors == 0)


def _above(found: Summary) -> Row:
    other = sum(count for status, count in found.statuses.items() if status not in _REFUSALS)
    return _row("replies other than 200, 429, 503 above the peak", "0", other, other == 0)
