"""A record of an eval set's file, a line, a row or an object, that knows what to call itself in an error."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from index.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Record:
    """Values by name. `place` is where they stand in the file: "line 3"; empty for the whole of it."""

    file: Path
    place: str
    values: Mapping[str, object]

    @property
    def where(self) -> str:
        """The file, and the place in it."""
        return _place(str(self.file), self.place)

    def error(self, message: str, hint: str = "") -> DocumentError:
        return DocumentError(f"{self.where}: {message}", hint)

    def only(self, *keys: str) -> None:
        """Raises DocumentError for a key that is none of these: misspelt, it would be passed over in silence."""
        for key in self.values:
            if key not in keys:
                near = get_close_matches(key, keys, 1)
                raise self.error(
                    f"there is no key {key!r} in this format",
                    f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(keys)}.",
                )

    def string(self, key: str) -> str:
        """Empty where there is none."""
        value = self.values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.error(f"{key} is not a string", f"Put {key} in quotation marks.")
        if "\0" in value or not _encodable(value):
            raise self.error(f"{key} holds characters that are not text (NUL or half of a surrogate pair)")
        return value

    def words(self, key: str) -> str:
        """A string that is not blank."""
        value = self.string(key)
        if not value.strip():
            raise self.error(f"{key} is missing or empty", f"Give each {key} its words, or remove the record.")
        return value

    def id(self, key: str) -> str:
        """A string that is not blank; a whole number is taken as one."""
        value = self.values.get(key)
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self.words(key)

    def integer(self, key: str) -> int:
        value = self.values.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(f"{key} is missing or not a whole number")
        return value

    def each(self, key: str) -> list[object]:
        """Empty where there is none."""
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(f"{key} is not a list", f"Put {key} in square brackets.")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of strings that are not blank."""
        return tuple(self.part(f"{key} {at}", {key: one}).words(key) for at, one in enumerate(self.each(key), 1))

    def parts(self, key: str) -> list[Record]:
        """A list of objects."""
        return [self.part(f"{key} {at}", one) for at, one in enumerate(self.each(key), 1)]

    def part(self, name: str, value: object) -> Record:
        if not isinstance(value, dict):
            raise self.error(f"{name} is not an object", "Put its keys and values in curly brackets.")
        return Record(self.file, _place(self.place, name), value)

    def once(self, name: str, seen: dict[str, str]) -> str:
        """An id, noted in `seen`. Raises DocumentError when it was there."""
        if name in seen:
            raise self.error(f"the id {name!r} is that of {seen[name]} already", "Give each its own.")
        seen[name] = _place(self.file.name, self.place)
        return name


def records(file: Path) -> Iterator[Record]:
    """The objects of a JSON Lines file in UTF-8, one at a time; blank lines are skipped.

    Raises DocumentError, naming the file and the line, for a file that cannot be read and a line that is no object.
    """
    try:
        with file.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                data = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if data.strip():
                    yield Record(file, f"line {number}", _object(Record(file, f"line {number}", {}), data))
    except OSError as error:
        raise DocumentError(
            f"{file} cannot be read: {error.strerror}", "Check the path and its permissions."
        ) from error


def _object(line: Record, data: bytes) -> dict[str, object]:
    try:
        value = json.loads(data.decode())
    except UnicodeDecodeError as error:
        raise line.error("not UTF-8 text", "Save the file as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise line.error(f"not JSON: {error.msg} (column {error.colno})", "Write one object a line.") from error
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of thousands of digits
        raise line.error(f"not JSON that can be read: {error}", "Write one object a line.") from error
    if not isinstance(value, dict):
        raise line.error("not a JSON object", "Write one object a line, in curly brackets.")
    return value


def _place(*names: str) -> str:
    return ", ".join(name for name in names if name)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
