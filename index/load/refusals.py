"""What loaders say of files that they cannot read."""

from __future__ import annotations

from index.errors import DocumentError

MAX_CHARACTERS = 20_000_000
"""Of text from one workbook or document: repeated names and merged cells could make far more of a small file."""
MAX_PLAIN_CHARACTERS = 100_000_000
"""Of text from one file of plain text."""


def damaged(name: str, why: object) -> DocumentError:
    return DocumentError(f"{name} is damaged: {str(why)[:200]}", "Open it in its program and save it again.")


def declares_entities(name: str) -> DocumentError:
    return DocumentError(f"{name} declares XML entities, which are not read", "Save it again with its program.")


def no_text(name: str) -> DocumentError:
    return DocumentError(
        f"{name} holds no text", "If it shows pictures of text, save it as PDF: scanned pages are read by tesseract."
    )


def too_deep(name: str) -> DocumentError:
    return DocumentError(f"{name} is nested too deeply to be read", "Save it in a simpler form, such as plain text.")


def too_long(name: str, most: int = MAX_CHARACTERS) -> DocumentError:
    return DocumentError(
        f"{name} holds more than {most // 1_000_000} million characters", "Split it into smaller files."
    )
