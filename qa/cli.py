"""The command `qa`. Heavy imports stand inside the commands, so that `--help` answers in a blink."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Annotated, Literal

import typer

from qa.intake import index, watch
from qa.mcp_command import mcp
from qa.migrate import migrate
from qa.terminal import (
    Data,
    Json,
    ModelName,
    chosen_settings,
    console,
    opened,
    plain,
    print_answer,
    print_json,
    reading_notes,
)
from qa.tokens import app as tokens
from qa.upkeep import backup, compact, feedback, forget, reindex, restore, verify

app = typer.Typer(
    help="Ask your own documents; get the passage that answers, word for word, with a citation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run a command; an error that we know ends with its message and hint, and exit status 1, or 2 for wrong usage."""
    from index.errors import QAError, UsageError

    try:
        app()
    except QAError as error:
        typer.secho(f"Error: {plain(error.message)}", fg="red", err=True)
        if error.hint:
            typer.echo(plain(error.hint), err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    top_k: Annotated[int, typer.Option(min=1, max=100, help="How many passages.")] = 3,
    mode: Annotated[Literal["hybrid", "dense", "bm25"], typer.Option(help="How to search.")] = "hybrid",
    document: Annotated[list[str] | None, typer.Option(help="Ask only this document id (repeatable).")] = None,
    collection: Annotated[list[str] | None, typer.Option(help="Ask only this collection (repeatable).")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Ask only documents with this tag (all of them).")] = None,
    type_: Annotated[list[str] | None, typer.Option("--type", help="Ask only pdf, docx, html, … (repeatable).")] = None,
    after: Annotated[str, typer.Option(help="Ask only documents dated then or later: YYYY, YYYY-MM, YYYY-MM-DD.")] = "",
    before: Annotated[str, typer.Option(help="Ask only documents dated then or earlier.")] = "",
    data: Data = None,
    model: ModelName = None,
    as_json: Json = False,
) -> None:
    """Print the passages that answer a question."""
    import gc
    from concurrent.futures import ThreadPoolExecutor

    gc.disable()  # for one question; going over what is being imported takes a tenth of the time
    from index.errors import IndexMissing
    from index.select import Filter

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
            loading = beside.submit(library.load_models, mode != "bm25")
            library.searcher.refresh()
            loading.result()
        chosen = Filter(
            tuple(document) if document else None,
            tuple(collection or ()),
            tuple(tag or ()),
            tuple(type_ or ()),
            after,
            before,
        )
        answer = library.answerer.ask(question, top_k, chosen=chosen, mode=mode)
        if as_json:
            print_json(answer)
        else:
            print_answer(answer)
        if answer.retrieval != mode:
            reason = library.model.reason or "the embedding model does not know the words of this question"
            typer.secho(f"Keyword search only: {reason}", fg="yellow", err=True)
        for what, done in (("Not reranked", answer.reranking), ("Not read", answer.reading)):
            if done and done.failed:
                typer.secho(f"{what}: {done.failed}", fg="yellow", err=True)


app.command()(index)
app.command()(watch)


@app.command()
def remove(
    documents: Annotated[list[str], typer.Argument(help="Document ids, or the files they came from.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Remove documents and all that was made of them."""
    removed, missing = list[str](), list[str]()
    with opened(data) as library:
        by_source = {source: summary.id for summary in library.catalogue.summaries() for source in summary.sources}
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
    """List the documents, and how each was read."""
    from rich.table import Table

    from index.select import TYPES

    with opened(data) as library:
        summaries = library.catalogue.summaries()
    if as_json:
        print_json(summaries)
        return
    table = Table("id", "title", "source", "type", "pages", "characters", "passages", "tables", "notes", box=None)
    names = {media_type: name for name, media_type in TYPES.items()}
    for one in summaries:
        cells = (
            one.id,
            one.title,
            ", ".join(one.sources),
            names.get(one.media_type, one.media_type),
            str(one.pages or ""),
            str(one.characters),
            str(one.passages),
            str(one.reading.tables or ""),
            reading_notes(one.reading),
        )
        table.add_row(*(plain(cell) for cell in cells))
    console().print(table)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (QA_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for any free one (QA_PORT).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve (QA_WORKERS, default 1).")] = None,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Ask nobody to sign in, on any address (QA_INSECURE).")
    ] = None,
    data: Data = None,
    model: ModelName = None,
) -> None:
    """Serve the web chat and the API; a new data folder starts with the seed documents."""
    from qa.serve import serve as run

    run(chosen_settings(host=host, port=port, workers=workers, insecure=insecure, data=data, model=model))


@app.command()
def worker(data: Data = None, model: ModelName = None) -> None:
    """Take in what was sent to services of one PostgreSQL: any number of workers, on any machine."""
    from qa.worker import work

    work(chosen_settings(data=data, model=model))


app.command()(mcp)


@app.command()
def status(data: Data = None, model: ModelName = None, as_json: Json = False) -> None:
    """Show what is stored, where, and with which model."""
    from index.embed import locate, runtime
    from index.errors import ModelError
    from index.pieces import EstimatedPieces, word_pieces

    with opened(data, model) as library:
        documents, passages, pending = library.catalogue.counts.all()
        estimated = isinstance(word_pieces(library.settings.model), EstimatedPieces)
        try:
            installed = str(locate(library.settings.model))
            computed = runtime(library.settings.model, library.settings.cache)
        except ModelError as error:
            installed, computed = f"{error.message}. {error.hint}", "none: BM25 answers alone"
        facts = {
            "data": str(library.settings.data.absolute()),
            "catalogue": library.catalogue.database.name,
            "files": library.files.name if library.files else "with the documents",
            "engine": library.engine_place,
            "documents": documents,
            "passages": passages,
            "passages_not_embedded": pending,
            "generation": library.catalogue.generation(),
            "bytes": library.size(),
            "model": library.settings.model,
            "model_found": installed,
            "word_pieces": "estimated, the model's tokenizer is not there" if estimated else "the model's own",
            "runtime": computed,
            "confidence": plain(library.calibration.origin),
            "ocr": which("tesseract") or "tesseract is not there: scanned pages are reported, not read",
            "model_cache": str(library.settings.cache),
        }
    if as_json:
        print_json(facts)
    else:
        for name, fact in facts.items():
            typer.echo(f"{name.replace('_', ' '):<22} {fact}")


for _command in (reindex, verify, backup, restore, migrate, forget, compact, feedback):
    app.command()(_command)


app.add_typer(tokens, name="token")


@app.command("eval")
def evaluate(
    sets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SET]...",
            help="seeds, feedback, a file (.jsonl, .csv, SQuAD .json), a BEIR folder, or a set of QA_DATASETS.",
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder with the documents of the questions; without it your own library.")
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(help="bm25, dense, fused (without sentences) or hybrid; the last is the main one."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only so many questions, the first.")] = None,
    save: Annotated[Path | None, typer.Option(help="Folder to save the runs to.")] = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option(
            help="Saved run, or TREC run file, to compare with; exit status 1 if it was significantly better."
        ),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=VALUE", help="Exit status 1 below, as in R@1=0.8; of ECE, error and ms above."),
    ] = None,
    trec: Annotated[Path | None, typer.Option(help="Folder to write TREC runs and qrels to.")] = None,
    html: Annotated[Path | None, typer.Option(help="Folder to write a page with plots and every question to.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Measure retrieval, marking and confidence on questions with known answers."""
    with _evaluation():
        from eval.command import Options, run
    options = Options(
        folder=folder,
        data=data,
        limit=limit,
        save=save,
        compare=tuple(compare or ()),
        fail_under=tuple(fail_under or ()),
        trec=trec,
        html=html,
        as_json=as_json,
        systems=tuple(system or ()),
    )
    if not run(sets or (), options):
        raise typer.Exit(1)


@app.command()
def calibrate(
    questions: Annotated[
        str | None, typer.Argument(metavar="[SET]", help="Questions about your documents: .jsonl or .csv, or feedback.")
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Take it back: use the one that comes with the program again.")
    ] = False,
    data: Data = None,
) -> None:
    """Fit confidence to your own documents, questions, and embedding model."""
    if reset == (questions is not None):
        raise typer.BadParameter("name a set of questions, or give --reset, and not both", param_hint="SET")
    if questions is None:
        with opened(data) as library:
            taken = library.catalogue.calibration.forget()
            typer.echo(f"{'Taken back.' if taken else 'Nothing was fitted.'} In use is {library.calibration.origin}.")
        return
    with _evaluation():
        from eval.command import calibrated
    typer.echo(calibrated(questions, data))


@contextmanager
def _evaluation() -> Iterator[None]:
    """Says what to install where the evaluation's packages are missing."""
    from index.errors import QAError

    try:
        yield
    except ModuleNotFoundError as error:
        raise QAError(
            f"the evaluation needs {error.name}, which is not installed",
            "Run: make eval (or pip install 'chapter-verse[eval]')",
        ) from error
