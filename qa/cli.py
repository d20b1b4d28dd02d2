"""The command `qa`. Heavy imports stand inside the commands, so that `--help` answers in a blink."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from index.types import Document
    from qa.types import Answer
    from qa.wire import Library

app = typer.Typer(
    help="Ask your own documents; get the passage that answers, word for word, with a citation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Data = Annotated[Path | None, typer.Option(help="Folder for everything stored (QA_DATA, default ./data).")]
ModelName = Annotated[str | None, typer.Option(help="Embedding model: name or folder (QA_MODEL).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def main() -> None:
    """Run a command; an error that we know ends with its message and hint, and exit status 1."""
    from index.errors import QAError

    try:
        app()
    except QAError as error:
        typer.secho(f"Error: {_plain(error.message)}", fg="red", err=True)
        if error.hint:
            typer.echo(_plain(error.hint), err=True)
        sys.exit(1)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    top_k: Annotated[int, typer.Option(min=1, max=100, help="How many passages.")] = 3,
    mode: Annotated[Literal["hybrid", "dense", "bm25"], typer.Option(help="How to search.")] = "hybrid",
    document: Annotated[list[str] | None, typer.Option(help="Ask only this document id (repeatable).")] = None,
    data: Data = None,
    model: ModelName = None,
    as_json: Json = False,
) -> None:
    """Print the passages that answer a question."""
    import gc
    from concurrent.futures import ThreadPoolExecutor

    gc.disable()  # for one question; going over what is being imported takes a tenth of the time
    from index.errors import IndexMissing

    if not question.strip() or len(question) > 2000:
        raise typer.BadParameter("must have 1 to 2,000 characters that are not blank", param_hint="QUESTION")
    if any("\ud800" <= character <= "\udfff" for character in question):
        raise typer.BadParameter("is not well-formed UTF-8", param_hint="QUESTION")
    with _opened(data, model) as library:
        if library.catalogue.empty():
            raise IndexMissing(f"nothing is indexed in {library.settings.data}", "Run: qa index FILE_OR_FOLDER…")
        unknown = sorted(set(document or ()) - set(library.catalogue.document_ids()))
        if unknown:
            raise typer.BadParameter(f"no such document: {', '.join(unknown)}; see qa list", param_hint="--document")
        with ThreadPoolExecutor(1) as beside:  # before the clock of the answer starts
            loading = beside.submit(library.model.load_once if mode != "bm25" else library.model.current)
            library.searcher.refresh()
            loading.result()
        answer = library.answerer.ask(question, top_k, document_ids=document or None, mode=mode)
        if as_json:
            _print_json(answer)
        else:
            _print_answer(answer)
        if answer.retrieval != mode:
            typer.secho(f"Keyword search only: {library.model.reason}", fg="yellow", err=True)


@app.command()
def index(
    paths: Annotated[list[Path], typer.Argument(help="Text and Markdown files, or folders of them.")],
    data: Data = None,
    model: ModelName = None,
    as_json: Json = False,
) -> None:
    """Add files and folders, or bring them up to date; unchanged files are skipped."""
    from index.errors import DocumentError
    from index.load import find_files
    from qa.wire import read_file

    reports, failures = [], []
    with _opened(data, model, make=True) as library, library.catalogue.lock.held(), _progress() as progress:
        files = list[Path]()
        for path in paths:
            try:
                files += [file for file in find_files([path]) if not library.owns(file)]
            except DocumentError as error:
                failures.append(error)
        if not files and not failures:
            raise DocumentError("no text or Markdown file there", "Name files, or folders with .txt or .md files.")
        sizes = {path: _size(path) for path in files}
        meter = _Meter(progress, sum(sizes.values()))

        def documents() -> Iterator[Document]:
            for path in files:
                try:
                    yield read_file(path, library.settings)
                except DocumentError as error:
                    failures.append(error)
                meter.reached(path.name, sizes[path])

        for outcome in library.builder.put_all(documents(), meter.step):
            if isinstance(outcome, DocumentError):
                failures.append(outcome)
            else:
                reports.append(outcome)
        library.tidy()
        reason = library.model.reason if any(not report.embedded for report in reports) else None
    if as_json:
        _print_json({"documents": reports, "failed": [{"message": one.message, "hint": one.hint} for one in failures]})
    else:
        counts = {
            state: sum(report.state == state for report in reports) for state in ("added", "replaced", "unchanged")
        }
        passages = sum(report.passages for report in reports)
        typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()) + f"; {passages} passages")
    if reason:
        typer.secho(f"Searchable by keywords only for now: {reason}", fg="yellow", err=True)
    for failure in failures:
        typer.secho(_plain(f"Not indexed: {failure.message}. {failure.hint}"), fg="red", err=True)
    if failures:
        raise typer.Exit(1)


@app.command()
def remove(
    documents: Annotated[list[str], typer.Argument(help="Document ids, or the files they came from.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Remove documents and all that was made of them."""
    removed, missing = list[str](), list[str]()
    with _opened(data) as library:
        by_source = {summary.source: summary.id for summary in library.catalogue.summaries() if summary.source}
        for name in documents:
            found = by_source.get(name) or by_source.get(os.path.abspath(name)) or name  # noqa: PTH100
            (removed if library.catalogue.remove(found) else missing).append(name)
        if removed:
            library.tidy()
    if as_json:
        _print_json({"removed": removed, "missing": missing})
    elif removed:
        typer.echo(_plain(f"Removed {', '.join(removed)}"))
    if missing:
        typer.secho(_plain(f"No such document: {', '.join(missing)}. See: qa list"), fg="red", err=True)
        raise typer.Exit(1)


@app.command("list")
def list_(data: Data = None, as_json: Json = False) -> None:
    """List the documents."""
    from rich.table import Table

    with _opened(data) as library:
        summaries = library.catalogue.summaries()
    if as_json:
        _print_json(summaries)
        return
    table = Table("id", "title", "source", "passages", box=None)
    for one in summaries:
        table.add_row(*(_plain(cell) for cell in (one.id, one.title, one.source, str(one.passages))))
    _console().print(table)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (QA_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for any free one (QA_PORT).")] = None,
    data: Data = None,
    model: ModelName = None,
) -> None:
    """Serve the web chat and the API; a new data folder starts with the seed documents."""
    from qa.serve import serve as run

    run(_settings(host=host, port=port, data=data, model=model))


@app.command()
def status(data: Data = None, model: ModelName = None, as_json: Json = False) -> None:
    """Show what is stored, where, and with which model."""
    from index.embed import locate, runtime
    from index.errors import ModelError
    from index.pieces import EstimatedPieces, word_pieces

    with _opened(data, model) as library:
        documents, passages, pending = library.catalogue.counts()
        estimated = isinstance(word_pieces(library.settings.model), EstimatedPieces)
        try:
            installed = str(locate(library.settings.model))
            computed = runtime(library.settings.model, library.settings.cache)
        except ModelError as error:
            installed, computed = f"{error.message}. {error.hint}", "none: BM25 answers alone"
        facts = {
            "data": str(library.settings.data.absolute()),
            "documents": documents,
            "passages": passages,
            "passages_not_embedded": pending,
            "generation": library.catalogue.generation(),
            "bytes": library.size(),
            "model": library.settings.model,
            "model_found": installed,
            "word_pieces": "estimated, the model's tokenizer is not there" if estimated else "the model's own",
            "runtime": computed,
            "model_cache": str(library.settings.cache),
        }
    if as_json:
        _print_json(facts)
    else:
        for name, fact in facts.items():
            typer.echo(f"{name.replace('_', ' '):<22} {fact}")


@app.command()
def reindex(data: Data = None, model: ModelName = None) -> None:
    """Cut and embed every stored document again, after a change of model or passage length."""
    from qa.wire import reindex as run

    with _opened(data, model, remake=True) as library, _progress() as progress:
        meter = _Meter(progress, sum(summary.characters for summary in library.catalogue.summaries()))
        for report in run(library, meter.step):
            meter.reached(report.title[:40], report.characters)
        library.tidy()
        documents, passages, _ = library.catalogue.counts()
    typer.echo(f"{documents} documents, {passages} passages")


@app.command()
def verify(data: Data = None, model: ModelName = None, as_json: Json = False) -> None:
    """Check everything stored: the database, the checksum of every document, every passage, the search index."""
    from index.care import verify as run

    with _opened(data, model) as library:
        problems = list(run(library.catalogue, library.engine_folder))
        documents, passages, _ = library.catalogue.counts()
    if as_json:
        _print_json({"documents": documents, "passages": passages, "problems": problems})
    elif not problems:
        typer.echo(f"{documents} documents and {passages} passages are as they were stored")
    else:
        for problem in problems:
            typer.secho(_plain(problem), fg="red", err=True)
        typer.echo("Index the damaged documents again, or run: qa restore FILE", err=True)
    if problems:
        raise typer.Exit(1)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A new file for the copy.")], data: Data = None, model: ModelName = None
) -> None:
    """Copy everything stored into one file, also while the service runs."""
    from index.care import backup as run

    with _opened(data, model) as library:
        run(library.catalogue, file)
        documents, passages, _ = library.catalogue.counts()
    typer.echo(f"{documents} documents, {passages} passages, {file.stat().st_size:,} bytes in {_plain(str(file))}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `qa backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the documents that are stored now.")] = False,
    data: Data = None,
    model: ModelName = None,
) -> None:
    """Put a backup in the place of everything stored, also while the service runs."""
    from index.care import restore as run

    with _opened(data, model, make=True, remake=True) as library:
        run(library.catalogue, file, replace)
    with _opened(data, model) as library:  # says so when it was made with other settings
        library.tidy()
        documents, passages, _ = library.catalogue.counts()
    typer.echo(f"{documents} documents, {passages} passages")


@app.command()
def compact(data: Data = None, model: ModelName = None) -> None:
    """Give back the space of what was removed or replaced, and forget its words."""
    with _opened(data, model) as library:
        before = library.size()
        library.catalogue.compact()
        library.tidy(everything=True)
        library.catalogue.checkpoint()
        after = library.size()
        if not library.keeps_index:
            typer.echo("The search index belongs to a running service, which compacts it by itself.", err=True)
    typer.echo(f"{before:,} bytes before, {after:,} bytes now")


@app.command("eval")
def evaluate(
    folder: Annotated[Path | None, typer.Option(help="Folder with the documents of the set.")] = None,
    questions: Annotated[
        Path | None, typer.Option(help="Set of questions, JSON Lines (default: of the seeds).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure retrieval, marking and confidence on questions with known answers."""
    from index.errors import QAError

    try:
        from eval.command import run
    except ModuleNotFoundError as error:
        raise QAError(
            f"the evaluation needs {error.name}, which is not installed",
            "Run: make eval (or pip install 'chapter-verse[eval]')",
        ) from error
    run(folder, questions, as_json)


def _settings(**given: object) -> Any:
    from qa.config import settings

    return settings(**given)


@contextmanager
def _opened(
    data: Path | None, model: str | None = None, *, make: bool = False, remake: bool = False
) -> Iterator[Library]:
    """The library of the settings, its model loaded when first needed."""
    from qa.wire import open_library

    library = open_library(_settings(data=data, model=model), make=make, remake=remake, load_when_needed=True)
    try:
        yield library
    finally:
        library.close()


def _size(path: Path) -> int:
    """0 for a file that has gone; reading it says so."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


class _Meter:
    """A bar by size, with passages a second and the time left, for documents that come one after another."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._bar = progress.add_task("", total=total, rate="")
        self._began = time.monotonic()
        self._passages = 0.0
        self._ahead = 0.0

    def reached(self, name: str, size: int) -> None:
        """A document was read, and is on its way."""
        self._ahead += size
        self._progress.update(self._bar, description=_plain(name))

    def step(self, passages: float, share: float) -> None:
        """Passages were embedded, a share of what is on its way."""
        self._passages += passages
        rate = self._passages / max(time.monotonic() - self._began, 1e-3)
        self._progress.update(self._bar, rate=f"{self._passages:,.0f} passages, {rate:,.0f}/s")
        self._progress.advance(self._bar, self._ahead * share)
        self._ahead *= 1 - share


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on standard error for a terminal, nothing for a script."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}", style="dim"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        yield progress


def _print_json(value: object) -> None:
    from dataclasses import asdict, is_dataclass

    def plain(one: object) -> object:
        if is_dataclass(one) and not isinstance(one, type):
            return asdict(one)
        raise TypeError(type(one))

    typer.echo(json.dumps(value, default=plain, ensure_ascii=False, indent=2))


def _print_answer(answer: Answer) -> None:
    from rich.text import Text

    console = _console()
    verdict = "Answered below" if answer.answerable else "Not in these documents, as far as this search can tell"
    console.print(f"{verdict} (confidence {answer.confidence:.2f}, {answer.retrieval})", style="bold")
    if not answer.answerable and answer.passages:
        console.print("The nearest passages:", style="dim")
    for passage in answer.passages:
        citation = passage.citation
        lines = (
            f"line {citation.line_start}"
            if citation.line_start == citation.line_end
            else (f"lines {citation.line_start}–{citation.line_end}")
        )
        console.print()
        console.print(
            Text(f"{passage.rank}. {_plain(citation.title)} · {_plain(citation.source)}, {lines}", style="cyan")
        )
        text = Text(_plain(passage.text))
        for mark in passage.highlights:
            text.stylize("bold reverse", mark.start - citation.start, mark.end - citation.start)
        console.print(text)


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=not sys.stdout.isatty())


def _plain(text: str) -> str:
    """Control characters made visible, one for one: neither a document nor a file's name must drive the terminal."""
    return "".join(character if character in "\n\t" else _visible(character) for character in text)


def _visible(character: str) -> str:
    if character < " ":
        return chr(0x2400 + ord(character))
    driving = "\x7f" <= character <= "\x9f" or "\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069"
    return "\ufffd" if driving or "\ud800" <= character <= "\udfff" else character
