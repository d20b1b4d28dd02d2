"""Numbers of spreadsheet cells as a person sees them there; dates in ISO form whatever the cell's own."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Literal, NamedTuple

BUILT_IN = {
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    37: "#,##0 ;(#,##0)",
    38: "#,##0 ;(#,##0)",
    39: "#,##0.00;(#,##0.00)",
    40: "#,##0.00;(#,##0.00)",
    49: "@",
} | {
    **dict.fromkeys((14, 15, 16, 17, *range(27, 32), 36, *range(50, 59)), "yyyy-mm-dd"),
    **dict.fromkeys((18, 19, 20, 21, 32, 33, 34, 35), "hh:mm:ss"),
    22: "yyyy-mm-dd hh:mm",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
}
"""Formats that files name by number only (ECMA-376, part 1, 18.8.30)."""
_PIECE = re.compile(r'"([^"]*)"|\\(.)|_(.)|\*(.)|\[\$([^\]-]*)(?:-[^\]]*)?\]|\[([^\]]*)\]|(.)', re.DOTALL)
_PATTERN = re.compile(r"[#0?][#0?,]*(?:\.[#0?]*)?,*(?:[eE][-+]0+)?|\.[#0?]+")
_MOST_DECIMALS = 15


class Section(NamedTuple):
    """One part of a format: how a number's digits are printed, and the words before and after them."""

    kind: Literal["general", "number", "date", "time", "elapsed", "scientific", "text"]
    before: str = ""
    after: str = ""
    decimals: int = 0
    optional: int = 0
    """So many of the decimals are left out where they are zeros."""
    integers: int = 1
    grouped: bool = False
    scale: int = 0
    """The power of ten by which the number is multiplied: 2 for a percentage, -3 for thousands."""


def shown(value: str, code: str, *, since_1904: bool = False) -> str:
    """A stored number by its format; one that cannot be used is shown as it is stored."""
    if code == "General" and len(value) < 16 and value.isascii() and value.isdigit():
        return value
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    if not number.is_finite() or abs(number.adjusted()) > 300:
        return value
    parts = sections(code)
    part = parts[0]
    if number < 0 and len(parts) > 1:
        part, number = parts[1], -number  # the section for negative numbers says itself how they look
    elif number == 0 and len(parts) > 2:
        part = parts[2]
    if part.kind in ("date", "time", "elapsed"):
        return _moment(number, part.kind, since_1904) or _general(number)
    if part.kind == "text":
        return part.before + part.after
    if part.kind == "number":
        return _digits(number, part)
    if part.kind == "scientific":
        return f"{part.before}{number:.{part.decimals}E}{part.after}"
    return part.before + _general(number) + part.after


@lru_cache(maxsize=1024)
def sections(code: str) -> tuple[Section, ...]:
    """The sections of a format: for positive numbers, negative ones, zero; text has no use for its own here."""
    parts, part, quoted = [], "", False
    for index, character in enumerate(code[:255]):
        if character == '"' and code[index - 1 : index] != "\\":
            quoted = not quoted
        if character == ";" and not quoted:
            parts.append(part)
            part = ""
        else:
            part += character
    return tuple(map(_section, [*parts, part][:3]))


def _section(code: str) -> Section:
    literal, plain = [], ""  # `plain` stands for the code, with a mark for each literal word
    elapsed = False
    for quoted, escaped, space, filler, currency, bracket, other in _PIECE.findall(code):
        if quoted or escaped or currency or space:
            literal.append(quoted or escaped or currency or " ")
            plain += "\0"
        elif bracket and re.fullmatch(r"h+|m+|s+", bracket, re.IGNORECASE):
            elapsed = True
        elif not filler and not bracket:
            plain += other
    if elapsed:
        return Section("elapsed")
    if not re.search(r"general", plain, re.IGNORECASE) and re.search(r"[ymdhs]", plain, re.IGNORECASE):
        return Section("date" if re.search(r"[yd]|^\W*m+\W*$", plain, re.IGNORECASE) else "time")
    words = iter(literal)

    def said(piece: str) -> str:
        return "".join(next(words, "") if character == "\0" else character for character in piece)

    if plain in ("", "@") or re.search("general", plain, re.IGNORECASE):
        before, _, after = re.sub("general|@", "\1", plain, flags=re.IGNORECASE).partition("\1")
        return Section("general", said(before), said(after))
    pattern = _PATTERN.search(plain)
    if not pattern:
        return Section("text", said(plain))
    digits, before, after = pattern[0], plain[: pattern.start()], plain[pattern.end() :]
    if "?/" in digits + after or "#/" in digits + after or re.match(r"\s*[#?0]+/", after):
        return Section("general")  # fractions
    decimals = min(len(re.sub("[^#0?]", "", re.split("[eE]", digits.partition(".")[2])[0])), _MOST_DECIMALS)
    if "e" in digits.lower():
        return Section("scientific", said(before), said(after), decimals)
    whole = digits.partition(".")[0]
    thousands = len(digits) - len(digits.rstrip(","))
    scale = 2 * (before + after).count("%") - 3 * thousands
    optional = len(re.sub("[^#0?]", "", digits.partition(".")[2])) - digits.partition(".")[2].count("0")
    integers = min(whole.count("0"), 50)
    grouped = "," in whole.rstrip(",")
    return Section("number", said(before), said(after), decimals, optional, integers, grouped, scale)


def _digits(number: Decimal, part: Section) -> str:
    scaled = number.scaleb(part.scale)
    rounded = scaled
    if scaled.adjusted() < 20:
        rounded = scaled.quantize(Decimal(1).scaleb(-part.decimals), ROUND_HALF_UP)
    words = f"{abs(rounded):{',' if part.grouped else ''}.{part.decimals}f}"
    if part.optional and "." in words:
        kept = len(words) - part.optional
        words = (words[:kept] + words[kept:].rstrip("0")).rstrip(".")
    whole = words.partition(".")[0]
    words = "0" * (part.integers - len(whole)) + words
    return ("-" if rounded < 0 else "") + (part.before + words + part.after).strip()


def _general(number: Decimal) -> str:
    """Fifteen digits, as many as a spreadsheet keeps, without zeros at the end."""
    words = f"{float(number):.15g}"
    if "e" not in words:
        return words
    return f"{number:f}" if 0 < number.adjusted() < 15 else words.upper()


def _moment(number: Decimal, kind: str, since_1904: bool) -> str:
    """A count of days as a date, with the time if there is one; "" where the calendar does not reach.

    Day 60 of the usual calendar is 29 February 1900, which never was; the days before it are counted one less.
    """
    if not 0 <= number < 2_958_466:
        return ""
    seconds = round(float(number % 1) * 86_400)
    if kind == "elapsed":
        hours, rest = divmod(int(number) * 86_400 + seconds, 3600)
        return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
    days = int(number) + (1462 if since_1904 else 0)
    try:
        moment = datetime(1899, 12, 30) + timedelta(days=days + (0 < days < 60), seconds=seconds)
    except OverflowError:  # the last day of 9999, rounded up
        return ""
    time = f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
    if kind == "time" and number < 1:
        return time
    day = f"{moment.year:04d}-{moment:%m-%d}"
    return f"{day} {time}" if seconds % 86_400 else day
