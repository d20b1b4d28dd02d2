"""Numbers of list items and headings as they are printed: 3, c, iii."""

from __future__ import annotations

_ROMAN = {1000: "m", 900: "cm", 500: "d", 400: "cd", 100: "c", 90: "xc", 50: "l", 40: "xl", 10: "x", 9: "ix", 5: "v"}
_ROMAN |= {4: "iv", 1: "i"}


def numeral(value: int, kind: str) -> str:
    """`kind` is "a", "A", "i" or "I" for letters and Roman numerals, "01", "1st", "" for none; else it is decimal."""
    if not kind:
        return ""
    if value > 0 and kind in ("a", "A"):
        # After z comes aa, then bb.
        letter = chr(ord(kind) + (value - 1) % 26)
        return letter * min(1 + (value - 1) // 26, 10)
    if 0 < value < 5000 and kind in ("i", "I"):
        return _roman(value).upper() if kind == "I" else _roman(value)
    if kind == "01":
        return f"{value:02d}"
    return f"{value}{_ordinal(value)}" if kind == "1st" else str(value)


def _roman(value: int) -> str:
    words = ""
    for worth, letters in _ROMAN.items():
        words += letters * (value // worth)
        value %= worth
    return words


def _ordinal(value: int) -> str:
    return "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
