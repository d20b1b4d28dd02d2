"""JSON and JSON Lines as records that a person can read: a heading each, "key: value" lines, tables, paragraphs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TypeAlias, Union

from index.errors import DocumentError
from index.load import grid
from index.load.draft import Draft, clean
from index.load.refusals import MAX_PLAIN_CHARACTERS, too_deep, too_long
from index.types import Document

MEDIA_TYPE = "application/json"
LINES_MEDIA_TYPE = "application/jsonl"
_LONG = 200
"""Strings of more characters, or of several lines, are paragraphs of their own."""
_DEEPEST = 6
"""The lowest level of a heading; what is nested deeper is flattened to dotted keys."""
_TITLES = ("title", "name", "question", "heading", "headline", "subject", "label")
_LONGEST_TITLE = 200
_BODIES = {"text", "content", "body", "document"}
"""Keys that say nothing of the long string under them."""
_FIRST_LINES = 20
_NAMED = 5
"""So many malformed lines are named in a warning."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object's pairs in their order; a key may stand there twice."""

    pairs: list[tuple[str, Value]]


Value: TypeAlias = Union[Object, list["Value"], str, bool, None]  # noqa: UP007  a class and a string know no "|"
"""Numbers are kept as they are written."""


def read(text: str, name: str, source: str) -> Document:
    """JSON, or JSON Lines where the whole is no JSON value; the title is a single object's own, else `name`.

    Raises DocumentError where neither can be read, naming line and column, and for what is nested too deeply.
    """
    draft = Draft()
    body = text.removeprefix("\ufeff")
    media_type = MEDIA_TYPE
    try:
        try:
            value = _parse(body)
        except json.JSONDecodeError as error:
            records = _records(body, name, error, draft)
            media_type = LINES_MEDIA_TYPE
            _put_records(draft, records, name)
        else:
            if isinstance(value, Object):
                draft.title = _title(value)
            _put_whole(draft, value, name)
    except RecursionError as error:
        raise too_deep(name) from error
    return draft.done(name=name, source=source, media_type=media_type)


def looks_like_json(text: str) -> bool:
    """Is it an object or an array, by its content alone?"""
    body = text.removeprefix("\ufeff")
    if not re.match(r"\s*[\[{]", body):
        return False
    try:
        _parse(body)
    except (ValueError, RecursionError):
        return False
    return True


def looks_like_lines(text: str) -> bool:
    """Are the first lines, at least two, an object each?"""
    lines: list[str] = []
    for match in re.finditer(r"[^\r\n]+", text.removeprefix("\ufeff")):
        if not match[0].strip():
            continue
        if not match[0].lstrip().startswith("{"):
            return False
        lines.append(match[0])
        if len(lines) == _FIRST_LINES:
            break
    try:
        return len(lines) > 1 and all(isinstance(_parse(line), Object) for line in lines)
    except (ValueError, RecursionError):
        return False


def _parse(text: str) -> Value:
    """Numbers stay as they are written: 1.10, and integers longer than Python reads."""
    value: Value = json.loads(text, object_pairs_hook=Object, parse_int=str, parse_float=str, parse_constant=str)
    return value


def _records(text: str, name: str, error: json.JSONDecodeError, draft: Draft) -> list[Value]:
    """The value of each line; lines that are none are counted in a warning."""
    records: list[Value] = []
    broken: list[int] = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if line.strip():
            try:
                value = _parse(line)
            except (ValueError, RecursionError):
                broken.append(number)
            else:
                records.append(value)
    # A broken document set over many lines has lines that parse, such as "{}" or "3", but does not begin with one.
    begins = text.lstrip().splitlines()[:1] if 1 in broken else []
    torn = any(line.rstrip().endswith(("{", "[", ",")) for line in begins)
    if torn or not records or (broken and not any(isinstance(record, Object | list) for record in records)):
        raise DocumentError(
            f"{name} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})",
            "Check that it was saved whole; JSON Lines need an object on each line.",
        )
    if broken:
        named = ", ".join(map(str, broken[:_NAMED])) + (", …" if len(broken) > _NAMED else "")
        draft.warnings.append(f"{len(broken)} lines are no JSON and were skipped: line {named}.")
    return records


def _put_whole(draft: Draft, value: Value, name: str) -> None:
    if isinstance(value, list) and not _is_table(value) and not _is_scalars(value):
        _put_records(draft, value, name)
    else:
        _put(draft, "", value, 0, name)


def _put_records(draft: Draft, records: list[Value], name: str) -> None:
    """Flat objects are a line each, unless one has a title; else each has a heading: its title, or its number."""
    objects = [record for record in records if isinstance(record, Object)]
    plain = all(map(_is_flat, objects)) and not any(map(_title, objects))
    for number, record in enumerate(records, 1):
        if isinstance(record, Object) and _title(record):
            _put_titled(draft, record, 0, name)
        elif isinstance(record, Object) and plain:
            draft.row([_line(key, value) for key, value in record.pairs if _said(value)])
        else:
            if not plain:
                _heading(draft, f"Record {number}", 0)
            _put(draft, "", record, 0 if plain else 1, name)


def _put(draft: Draft, key: str, value: Value, level: int, name: str) -> None:
    """A value under its key; `level` is that of the heading above it."""
    if len(draft) > MAX_PLAIN_CHARACTERS:
        raise too_long(name, MAX_PLAIN_CHARACTERS)
    if isinstance(value, Object):
        _put_object(draft, key, value, level, name)
    elif isinstance(value, list) and not _is_scalars(value):
        _put_array(draft, key, value, level, name)
    elif isinstance(value, str) and _is_long(value):
        if key.lower() not in _BODIES:
            _heading(draft, key, level)
        draft.paragraph(_whole(value))
    elif _said(value):
        draft.row([_line(key, value)])


def _put_titled(draft: Draft, value: Object, level: int, name: str) -> None:
    """An object under its own title, which need not be said again in it."""
    title = _title(value)
    _heading(draft, title, level)
    rest = [(key, one) for key, one in value.pairs if not (isinstance(one, str) and _one_line(one) == title)]
    _put_object(draft, "", Object(rest), level + 1, name)


def _put_object(draft: Draft, key: str, value: Object, level: int, name: str) -> None:
    """Short values first, as they stand under the heading above; then what has headings of its own, by its path."""
    short = [pair for pair in value.pairs if not _needs_heading(pair[1])]
    if key and any(_said(one) for _, one in short):
        _heading(draft, key, level)
        level += 1
    for inner, one in short:
        _put(draft, inner, one, level, name)
    headed = [(f"{key}.{inner}" if key else inner, one) for inner, one in value.pairs if _needs_heading(one)]
    for inner, one in sorted(headed, key=lambda pair: pair[0].lower() not in _BODIES or not isinstance(pair[1], str)):
        _put(draft, inner, one, level, name)


def _put_array(draft: Draft, key: str, value: list[Value], level: int, name: str) -> None:
    titled = any(isinstance(one, Object) and _title(one) for one in value)
    table = _is_table(value)
    if key and (titled or table or any(not isinstance(one, Object | list) for one in value)):
        _heading(draft, key, level)
        level += 1
    if table:
        _put_table(draft, value, name)
        return
    for number, one in enumerate(value, 1):
        if isinstance(one, Object) and _title(one):
            _put_titled(draft, one, level, name)
        else:
            _put(draft, f"{key} {number}" if key and isinstance(one, Object | list) else "", one, level, name)


def _heading(draft: Draft, words: str, level: int) -> None:
    """A heading below one of `level`; of a path that is too long, its end says most."""
    draft.heading(_whole(words)[-_LONGEST_TITLE:], min(level + 1, _DEEPEST))


def _put_table(draft: Draft, rows: list[Value], name: str) -> None:
    """Flat objects one a row, each value with its key."""
    draft.table_begins()
    for row in rows:
        pairs = [(key, _scalar(one)) for key, one in row.pairs if _said(one)] if isinstance(row, Object) else []
        draft.row([words for _, words in pairs], [key for key, _ in pairs])
        if len(draft) > MAX_PLAIN_CHARACTERS:
            raise too_long(name, MAX_PLAIN_CHARACTERS)


def _title(record: Object) -> str:
    for key in _TITLES:
        for other, value in record.pairs:
            if other.lower() == key and isinstance(value, str) and 0 < len(value.strip()) <= _LONGEST_TITLE:
                words = _one_line(value)
                if words and not grid.is_value(words):
                    return words
    return ""


def _one_line(words: str) -> str:
    return clean(_whole(words)).replace("\n", " ")


def _needs_heading(value: Value) -> bool:
    return isinstance(value, Object) or (isinstance(value, list) and not _is_scalars(value)) or _is_long(value)


def _is_long(value: Value) -> bool:
    return isinstance(value, str) and (len(value) > _LONG or "\n" in value.strip())


def _is_scalars(value: list[Value]) -> bool:
    return all(not isinstance(one, Object | list) and not _is_long(one) for one in value)


def _is_flat(value: Object) -> bool:
    return not any(_needs_heading(one) for _, one in value.pairs)


def _is_table(value: list[Value]) -> bool:
    return len(value) > 1 and all(isinstance(one, Object) and _is_flat(one) for one in value)


def _said(value: Value) -> bool:
    """Is there anything to say of it?"""
    return value is not None and value != "" and value != []


def _line(key: str, value: Value) -> str:
    return f"{key}: {_scalar(value)}" if key else _scalar(value)


def _scalar(value: Value) -> str:
    if isinstance(value, list):
        return ", ".join(_scalar(one) for one in value if _said(one))
    if isinstance(value, bool):
        return "true" if value else "false"
    return _whole(value) if isinstance(value, str) else ""


def _whole(words: str) -> str:
    """Halves of surrogate pairs, which an escape may leave behind, are no characters."""
    return re.sub("[\ud800-\udfff]", "\ufffd", words)
