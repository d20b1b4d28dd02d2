"""Runs as files, JSON Lines: the facts of the run, then a row for each question; one that was interrupted is gone on
with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from eval.run import Returned, Row, Run
from index.errors import QAError
from index.types import Span


def save(file: Path, run: Run) -> None:
    with _opened(file, "w") as stream:
        _put(stream, _head(run.set_name, run.system, run.facts))
        for row in run.rows:
            _put(stream, _stored(row))


def load(file: Path) -> Run:
    """Raises QAError naming the line that is no part of a run."""
    try:
        lines = file.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise QAError(f"{file} cannot be read: {error}", "Name a file that `qa eval --save` wrote.") from error
    number = 1
    try:
        head = json.loads(lines[0])
        rows = list[Row]()
        for number, line in enumerate(lines[1:], 2):  # noqa: B007  the number is for the error
            rows.append(_row(json.loads(line)))
        return Run(head["set"], head["system"], head["facts"], tuple(rows))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise QAError(f"{file}, line {number}: {error!r}", "Name a file that `qa eval --save` wrote.") from error


def going_on(file: Path, set_name: str, system: str, facts: dict[str, str]) -> list[Row]:
    """The rows of an interrupted run that asked the very same; else none, and the file is begun anew."""
    try:
        head, *whole = file.read_text(encoding="utf-8").split("\n")[:-1]  # without a line that was cut off
        if json.loads(head) == _head(set_name, system, facts):
            rows = [_row(json.loads(line)) for line in whole]
            file.write_text("".join(f"{line}\n" for line in [head, *whole]), encoding="utf-8")
            return rows
    except (OSError, ValueError, KeyError, TypeError):
        pass  # there is none, or it is damaged: the questions are asked again
    with _opened(file, "w") as stream:
        _put(stream, _head(set_name, system, facts))
    return []


def kept(file: Path, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows as they come, each written before the next question is asked."""
    with _opened(file, "a") as stream:
        for row in rows:
            _put(stream, _stored(row))
            stream.flush()
            yield row


def _opened(file: Path, mode: str) -> IO[str]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return file.open(mode, encoding="utf-8")
    except OSError as error:
        raise QAError(f"{file} cannot be written: {error.strerror}", "Name another place.") from error


def _head(set_name: str, system: str, facts: dict[str, str]) -> dict[str, Any]:
    return {"set": set_name, "system": system, "facts": facts}


def _put(stream: IO[str], value: dict[str, Any]) -> None:
    stream.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def _stored(row: Row) -> dict[str, Any]:
    return asdict(row) | {"passages": [[one.document, *one.span, one.score, one.marks] for one in row.passages]}


def _row(stored: dict[str, Any]) -> Row:
    passages = tuple(
        Returned(document, Span(start, end), score, tuple(Span(*mark) for mark in marks))
        for document, start, end, score, marks in stored["passages"]
    )
    return Row(**stored | {"passages": passages})
