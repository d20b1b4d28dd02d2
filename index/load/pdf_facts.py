"""What a PDF says of itself: title, author, dates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

_DATE = re.compile(
    r"(?:D:)?(\d{4})(?:-?(\d\d))?(?:-?(\d\d))?(?:[T ]?(\d\d))?(?::?(\d\d))?(?::?(\d\d))?"
    r"\s*(?:(Z)|([+-])(\d\d)'?:?(\d\d)?)?"
)
_NO_TITLE = re.compile(
    r"microsoft (?:word|powerpoint|excel)\b|untitled|unbenannt|sans titre|unknown|no title|title$"
    r"|document\d*$|slide \d+$"
    r"|[\w() -]+\.(?:docx?|pptx?|xlsx?|pdf|tex|dvi|indd|odt|odp|html?|txt|qxd|rtf|fm|ps|eps)$"
    r"|(?:https?|file):|about:blank|[A-Z]:\\|/|[\d_.,\s-]+$|[0-9a-f-]{16,}$",
    re.IGNORECASE,
)
_MOJIBAKE = re.compile("[\ufffd\x00-\x08\x0e-\x1f\x7f-\x9f]|[ÃÂãâäåæçèé][^\\w\\s'’.,;:!?)\"”-]|Ã\\w")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def cleaned(value: str) -> str:
    return " ".join(_CONTROLS.sub(" ", value).split())[:1000]


def title_of(value: str) -> str:
    """A title that reads like one; empty for what programs put in its place."""
    title = cleaned(value)
    plausible = 2 < len(title) <= 300 and any(letter.isalpha() for letter in title)
    return title if plausible and not _NO_TITLE.match(title) and not _MOJIBAKE.search(value) else ""


def title_line(line: str) -> str:
    """A heading that may stand for the title: of several words, unlike "Contents", "FORM 10-Q" or a company's name."""
    title = title_of(line)
    letters = sum(letter.isalpha() for letter in title)
    wide = sum(letter >= "\u3000" for letter in title) > len(title) / 2
    worded = letters >= 15 and len(title.split()) >= 3
    return title if (worded or (wide and letters >= 6)) and not title[0].isdigit() else ""


def moment(value: str) -> str:
    """A PDF date (D:20240131120000+01'00') in ISO 8601; empty where it is none."""
    match = _DATE.match(value.strip())
    if not match:
        return ""
    year, month, day, hour, minute, second = (int(part) if part else None for part in match.groups()[:6])
    try:
        zone = None
        if match[7]:
            zone = timezone.utc  # noqa: UP017  zones with minutes need timezone anyway
        elif match[8]:
            shift = timedelta(hours=int(match[9]), minutes=min(int(match[10] or 0), 59))
            zone = timezone(-shift if match[8] == "-" else shift)
        when = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=zone)
    except ValueError:
        return ""
    return when.isoformat() if hour is not None else when.date().isoformat()


def facts(given: Mapping[str, str]) -> dict[str, object]:
    """Metadata from the Info dictionary: author, subject, keywords, created, modified, where they say something."""
    found: dict[str, object] = {}
    for key in ("Author", "Subject", "Keywords"):
        value = cleaned(given.get(key, ""))
        if value and not _MOJIBAKE.search(given[key]):
            found[key.lower()] = value
    for key, name in (("CreationDate", "created"), ("ModDate", "modified")):
        value = moment(given.get(key, ""))
        if value:
            found[name] = value
    return found
