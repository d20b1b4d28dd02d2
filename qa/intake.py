"""The commands that take files in: `qa index` once, `qa watch` for as long as it runs."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from qa.terminal import Data, Json, Meter, ModelName, opened, plain, print_json, progress_bar

if TYPE_CHECKING:
    from rich.progress import Progress

    from index.build import Report
    from index.errors import DocumentError
    from index.ingest import FileRequest, Stage
    from index.watch import Event, Mirror
    from qa.wire import Library

Ignore = Annotated[list[str] | None, typer.Option(help="Leave out what matches, as in .gitignore (repeatable).")]
Collection = Annotated[str | None, typer.Option(help="Put the documents into this collection.")]
Tag = Annotated[list[str] | None, typer.Option(help="Give the documents this tag (repeatable).")]
Password = Annotated[str | None, typer.Option(help="Password of encrypted PDF files.")]
Existing = Literal["replace", "keep", "refuse"]


def index(
    paths: Annotated[list[Path], typer.Argument(help="Files, folders of them, or - for standard input.")],
    ignore: Ignore = None,
    collection: Collection = None,
    tag: Tag = None,
    password: Password = None,
    name: Annotated[str, typer.Option(help="What standard input is called: report.pdf, notes.md.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Read unchanged files again, too.")] = False,
    existing: Annotated[Existing, typer.Option(help="What is done with a changed file of a known name.")] = "replace",
    data: Data = None,
    model: ModelName = None,
    as_json: Json = False,
) -> None:
    """Add files and folders, or bring them up to date; unchanged files are skipped."""
    from index.errors import DocumentError

    reports: list[Report] = []
    failures: list[DocumentError] = []
    given = {"collection": collection, "tags": tuple(tag) if tag else None, "again": again, "existing": existing}
    with opened(data, model, make=True) as library, library.catalogue.lock.held(), progress_bar() as progress:
        reading = replace(library.settings.reading, password=password)
        with _requests(library, paths, ignore or [], name, failures, {**given, "options": reading}) as requests:
            bars = _Bars(progress, requests)
            outcomes = {}
            for request, outcome in library.ingest.run(requests, bars.listener):
                bars.settle(request)
                outcomes[request.path] = outcome
            for request in requests:  # told in their order, whatever was done first
                outcome = outcomes[request.path]
                if isinstance(outcome, DocumentError):
                    failures.append(outcome)
                else:
                    reports.append(outcome)
        library.tidy()
        reason = library.model.reason if any(not report.embedded for report in reports) else None
    _tell(reports, failures, as_json)
    if reason:
        typer.secho(f"Searchable by keywords only for now: {reason}", fg="yellow", err=True)
    if failures:
        raise typer.Exit(1)


@contextmanager
def _requests(
    library: Library,
    paths: Sequence[Path],
    ignore: Sequence[str],
    name: str,
    failures: list[DocumentError],
    given: dict[str, Any],
) -> Iterator[list[FileRequest]]:
    """A request for each file; what stands on standard input is a file for as long as it takes."""
    from index.errors import DocumentError
    from qa.library import file_requests

    requests, unfound = file_requests(library, [path for path in paths if str(path) != "-"], ignore, given)
    failures += unfound
    with TemporaryDirectory(prefix="qa-") as folder:
        if Path("-") in paths:
            requests.append(_from_stdin(Path(folder), name, given))
        if not requests and not failures:
            raise DocumentError("no document there", "Name files, or folders of them; qa index --help tells which.")
        yield requests


def _from_stdin(folder: Path, name: str, given: dict[str, Any]) -> FileRequest:
    from index.ingest import FileRequest

    content = sys.stdin.buffer.read()
    path = folder / "stdin"
    path.write_bytes(content)
    source = name or f"stdin:{hashlib.sha256(content).hexdigest()[:16]}"
    return FileRequest(path, source, name=name or "standard input", **given)


class _Bars:
    """How far reading and embedding are, by the size of the files."""

    def __init__(self, progress: Progress, requests: Sequence[FileRequest]) -> None:
        from index.ingest import Listener

        self._sizes = {request.path: _size(request.path) for request in requests}
        self._meter = Meter(progress, sum(self._sizes.values()), reads=True)
        self._read = set[Path]()
        self.listener = Listener(self._stage, self._meter.step)

    def _stage(self, request: FileRequest, stage: Stage, share: float) -> None:
        if stage == "reading" and share == 1.0 and request.path not in self._read:
            self._read.add(request.path)
            self._meter.read(request.path.name, self._sizes[request.path])
            self._meter.reached(request.path.name, self._sizes[request.path])

    def settle(self, request: FileRequest) -> None:
        """A file is done; one that has not changed, or cannot be read, was not embedded."""
        if request.path not in self._read:
            self._meter.read(request.path.name, self._sizes[request.path])
            self._meter.passed(self._sizes[request.path])


def _tell(reports: Sequence[Report], failures: Sequence[DocumentError], as_json: bool) -> None:
    from qa.terminal import reading_notes

    if as_json:
        print_json({"documents": reports, "failed": [{"message": one.message, "hint": one.hint} for one in failures]})
    else:
        counted = {state: sum(report.state == state for report in reports) for state in _STATES}
        told = [f"{count} {state}" for state, count in counted.items() if count or state != "duplicate"]
        typer.echo(f"{', '.join(told)}; {sum(report.passages for report in reports)} passages")
        for report in reports:
            notes = reading_notes(report)
            if notes and report.state != "unchanged":
                typer.secho(plain(f"{report.source}: {notes}"), fg="yellow", err=True)
    for failure in failures:
        typer.secho(plain(f"Not indexed: {failure.message}. {failure.hint}"), fg="red", err=True)


_STATES = ("added", "replaced", "unchanged", "duplicate")


def watch(
    folder: Annotated[Path, typer.Argument(help="Folder that the index is kept equal to.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would change.")] = False,
    ignore: Ignore = None,
    collection: Collection = None,
    tag: Tag = None,
    password: Password = None,
    data: Data = None,
    model: ModelName = None,
) -> None:
    """Keep the index equal to a folder until interrupted: new, changed, moved and deleted files."""
    from index.watch import Change, Mirror
    from qa.wire import file_request

    with opened(data, model, make=True) as library:
        top = Path(os.path.abspath(folder))  # noqa: PTH100
        given: dict[str, Any] = {"collection": collection, "tags": tuple(tag) if tag else None, "root": str(top)}
        given["options"] = replace(library.settings.reading, password=password)
        mirror = Mirror(
            library.ingest, top, lambda path: file_request(path, library.settings, **given), ignore or (), library.owns
        )
        if dry_run:
            planned = mirror.plan()
            for event in planned:
                _show(event)
            counted = ((change, sum(one.change == change for one in planned)) for change in get_args(Change))
            typer.echo(", ".join(f"{count} {change}" for change, count in counted))
            return
        _follow(library, mirror)


def _follow(library: Library, mirror: Mirror) -> None:
    import signal
    from threading import Event as Flag

    import watchfiles

    from index.errors import QAError

    ended = Flag()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    synced = False
    # It yields, even with nothing, once it sees changes: what happens while the whole folder is taken in is not missed.
    for changes in watchfiles.watch(
        mirror.folder, watch_filter=None, stop_event=ended, rust_timeout=_PATIENCE_MS, yield_on_timeout=True
    ):
        paths = sorted({Path(path) for _, path in changes})
        try:
            if not synced:
                _take_turn(library, mirror.sync)
                synced = True
                typer.echo(f"Watching {plain(str(mirror.folder))}; Ctrl+C ends it.")
                sys.stdout.flush()
            if paths:
                _take_turn(library, lambda paths=paths: mirror.follow(paths))  # type: ignore[misc]
        except QAError as error:
            if not synced:
                raise
            typer.secho(plain(f"{error.message}. {error.hint}"), fg="red", err=True)


_PATIENCE_MS = 500
"""Milliseconds after which it looks whether it is to end."""


def _take_turn(library: Library, work: Callable[[], Iterator[Event]]) -> None:
    """Do the work, again from its beginning when another process is writing: what is done is not done twice."""
    import time

    from index.errors import IndexLocked

    while True:
        try:
            count = sum(_show(event) for event in work())
            break
        except IndexLocked as error:
            typer.secho(plain(f"Waiting: {error.message}"), fg="yellow", err=True)
            time.sleep(2)
    if count:
        library.tidy()
    sys.stdout.flush()


def _show(event: Event) -> bool:
    """Whether it tells of a change."""
    if event.error:
        typer.secho(plain(f"Not indexed: {event.error.message}. {event.error.hint}"), fg="red", err=True)
    elif event.change != "unchanged":
        moved = f"{event.before} -> " if event.before else ""
        typer.echo(plain(f"{event.change:<8} {moved}{event.path}"))
    return event.change not in ("unchanged", "failed")


def _size(path: Path) -> int:
    """0 for a file that has gone; reading it says so."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
