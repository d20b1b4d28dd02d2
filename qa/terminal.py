"""What the commands share: their options, the library opened, progress, and text that cannot drive the terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from index.build import Report
    from index.types import Reading
    from qa.types import Answer
    from qa.wire import Library

_WIDE = 300
"""Characters of a line that goes to a file or a program."""

Data = Annotated[Path | None, typer.Option(help="Folder for everything stored (QA_DATA, default ./data).")]
ModelName = Annotated[str | None, typer.Option(help="Embedding model: name or folder (QA_MODEL).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def chosen_settings(**given: object) -> Any:
    from qa.config import settings

    return settings(**given)


@contextmanager
def opened(
    data: Path | None, model: str | None = None, *, make: bool = False, remake: bool = False
) -> Iterator[Library]:
    """The library of the settings, its model loaded when first needed."""
    from qa.wire import open_library

    library = open_library(chosen_settings(data=data, model=model), make=make, remake=remake, load_when_needed=True)
    try:
        yield library
    finally:
        library.close()


class Meter:
    """Bars by size for documents that come one after another, with passages a second and the time left.

    One for reading, where `reads` says that files are read, and one for embedding.
    """

    def __init__(self, progress: Progress, total: int, reads: bool = False) -> None:
        self._progress = progress
        self._reading = progress.add_task("", stage="Reading", total=total, rate="") if reads else None
        self._bar = progress.add_task("", stage="Embedding", total=total, rate="")
        self._began = time.monotonic()
        self._passages = 0.0
        self._ahead = 0.0

    def read(self, name: str, size: int) -> None:
        """A file was read."""
        if self._reading is not None:
            self._progress.update(self._reading, advance=size, description=plain(name))

    def reached(self, name: str, size: int) -> None:
        """A document is on its way to being embedded."""
        self._ahead += size
        self._progress.update(self._bar, description=plain(name))

    def passed(self, size: int) -> None:
        """A file has nothing in it to embed: it has not changed, or cannot be read."""
        self._progress.advance(self._bar, size)

    def step(self, passages: float, share: float) -> None:
        """Passages were embedded, a share of what is on its way."""
        self._passages += passages
        rate = self._passages / max(time.monotonic() - self._began, 1e-3)
        self._progress.update(self._bar, rate=f"{self._passages:,.0f} passages, {rate:,.0f}/s")
        self._progress.advance(self._bar, self._ahead * share)
        self._ahead *= 1 - share


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Bars on standard error for a terminal, nothing for a script."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.fields[stage]:<9}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}", style="dim"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        yield progress


def print_json(value: object) -> None:
    from dataclasses import asdict, is_dataclass

    def as_dict(one: object) -> object:
        if is_dataclass(one) and not isinstance(one, type):
            return asdict(one)
        raise TypeError(type(one))

    typer.echo(json.dumps(value, default=as_dict, ensure_ascii=False, indent=2))


def print_answer(answer: Answer) -> None:
    from rich.text import Text

    screen = console()
    verdict = "Answered below" if answer.answerable else "Not in these documents, as far as this search can tell"
    screen.print(f"{verdict} (confidence {answer.confidence:.2f}, {answer.retrieval})", style="bold")
    if answer.degraded:
        screen.print(f"Passages may be missing: {plain(answer.degraded)}", style="yellow")
    if not answer.answerable and answer.passages:
        screen.print("The nearest passages:", style="dim")
    for passage in answer.passages:
        citation = passage.citation
        where = [plain(citation.title), f"{plain(citation.source)}, {citation.place}"]
        where += [plain(citation.heading)] if citation.heading else []
        screen.print()
        screen.print(Text(f"{passage.rank}. {' · '.join(where)}", style="cyan"))
        text = Text(plain(passage.text))
        for mark in passage.highlights:
            text.stylize("bold reverse", mark.start - citation.start, mark.end - citation.start)
        screen.print(text)


def reading_notes(reading: Reading | Report) -> str:
    """What a person should know about how a file was read, in a line."""
    notes = list(reading.warnings)
    if reading.pages_by_ocr:
        notes.insert(0, f"{len(reading.pages_by_ocr)} pages read by OCR")
    missing = len(reading.pages_without_text)
    if missing and not any("page" in note for note in reading.warnings):
        notes.insert(0, f"{missing} pages without text")
    return "; ".join(notes)


def console() -> Any:
    from rich.console import Console

    tty = sys.stdout.isatty()
    return Console(highlight=False, markup=False, soft_wrap=not tty, width=None if tty else _WIDE)


def plain(text: str) -> str:
    """Control characters made visible, one for one: neither a document nor a file's name must drive the terminal."""
    return "".join(character if character in "\n\t" else _visible(character) for character in text)


def _visible(character: str) -> str:
    if character < " ":
        return chr(0x2400 + ord(character))
    driving = "\x7f" <= character <= "\x9f" or "\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069"
    return "\ufffd" if driving or "\ud800" <= character <= "\udfff" else character
