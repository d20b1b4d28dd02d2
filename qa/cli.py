"""The command `qa`. Heavy imports stand inside the commands, so that `--help` answers in a blink."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from qa.terminal import (
    Data,
    Json,
    Meter,
    ModelName,
    chosen_settings,
    console,
    opened,
    plain,
    print_answer,
    print_json,
    progress_bar,
)
from qa.upkeep import backup, compact, reindex, restore, verify

if TYPE_CHECKING:
    from index.types import Document

app = typer.Typer(
    help="Ask your own documents; get the passage that answers, word for word, with a citation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run a command; an error that we know ends with its message and hint, and exit status 1."""
    from index.errors import QAError

    try:
        app()
    except QAError as error:
        typer.secho(f"Error: {plain(error.message)}", fg="red", err=True)
        if error.hint:
            typer.echo(plain(error.hint), err=True)
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
    with opened(data, model) as library:
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
            print_json(answer)
        else:
            print_answer(answer)
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
    with opened(data, model, make=True) as library, library.catalogue.lock.held(), progress_bar() as progress:
        files = list[Path]()
        for path in paths:
            try:
                files += [file for file in find_files([path]) if not library.owns(file)]
            except DocumentError as error:
                failures.append(error)
        if not files and not failures:
            raise DocumentError("no text or Markdown file there", "Name files, or folders with .txt or .md files.")
        sizes = {path: _size(path) for path in files}
        meter = Meter(progress, sum(sizes.values()))

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
        print_json({"documents": reports, "failed": [{"message": one.message, "hint": one.hint} for one in failures]})
    else:
        counts = {
            state: sum(report.state == state for report in reports) for state in ("added", "replaced", "unchanged")
        }
        passages = sum(report.passages for report in reports)
        typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()) + f"; {passages} passages")
    if reason:
        typer.secho(f"Searchable by keywords only for now: {reason}", fg="yellow", err=True)
    for failure in failures:
        typer.secho(plain(f"Not indexed: {failure.message}. {failure.hint}"), fg="red", err=True)
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
    with opened(data) as library:
        by_source = {summary.source: summary.id for summary in library.catalogue.summaries() if summary.source}
        for name in documents:
            found = by_source.get(name) or by_source.get(os.path.abspath(name)) or name  # noqa: PTH100
            (removed if library.catalogue.remove(found) else missing).append(name)
        if removed:
            library.tidy()
    if as_json:
        print_json({"removed": removed, "missing": missing})
    elif removed:
        typer.echo(plain(f"Removed {', '.join(removed)}"))
    if missing:
        typer.secho(plain(f"No such document: {', '.join(missing)}. See: qa list"), fg="red", err=True)
        raise typer.Exit(1)


@app.command("list")
def list_(data: Data = None, as_json: Json = False) -> None:
    """List the documents."""
    from rich.table import Table

    with opened(data) as library:
        summaries = library.catalogue.summaries()
    if as_json:
        print_json(summaries)
        return
    table = Table("id", "title", "source", "passages", box=None)
    for one in summaries:
        table.add_row(*(plain(cell) for cell in (one.id, one.title, one.source, str(one.passages))))
    console().print(table)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (QA_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for any free one (QA_PORT).")] = None,
    data: Data = None,
    model: ModelName = None,
) -> None:
    """Serve the web chat and the API; a new data folder starts with the seed documents."""
    from qa.serve import serve as run

    run(chosen_settings(host=host, port=port, data=data, model=model))


@app.command()
def status(data: Data = None, model: ModelName = None, as_json: Json = False) -> None:
    """Show what is stored, where, and with which model."""
    from index.embed import locate, runtime
    from index.errors import ModelError
    from index.pieces import EstimatedPieces, word_pieces

    with opened(data, model) as library:
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
        print_json(facts)
    else:
        for name, fact in facts.items():
            typer.echo(f"{name.replace('_', ' '):<22} {fact}")


for _command in (reindex, verify, backup, restore, compact):
    app.command()(_command)


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


def _size(path: Path) -> int:
    """0 for a file that has gone; reading it says so."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
