"""The commands that look after what is stored: anew, checked, copied, put back, made small, forgotten, taken out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from qa.terminal import Data, Json, Meter, ModelName, opened, plain, print_json, progress_bar


def reindex(data: Data = None, model: ModelName = None) -> None:
    """Cut and embed every stored document again, after a change of model or passage length."""
    from qa.wire import reindex as run

    with opened(data, model, remake=True) as library, progress_bar() as progress:
        meter = Meter(progress, sum(summary.characters for summary in library.catalogue.summaries()))
        for report in run(library, meter.step):
            meter.reached(report.title[:40], report.characters)
        library.tidy()
        documents, passages, _ = library.catalogue.counts.all()
    typer.echo(f"{documents} documents, {passages} passages")


def verify(data: Data = None, model: ModelName = None, as_json: Json = False) -> None:
    """Check everything stored: the database, the checksum of every document, every passage, the search index."""
    from index.care import verify as run

    with opened(data, model) as library:
        problems = list(run(library.catalogue, library.engine_folder))
        documents, passages, _ = library.catalogue.counts.all()
    if as_json:
        print_json({"documents": documents, "passages": passages, "problems": problems})
    elif not problems:
        typer.echo(f"{documents} documents and {passages} passages are as they were stored")
    else:
        for problem in problems:
            typer.secho(plain(problem), fg="red", err=True)
        typer.echo("Index the damaged documents again, or run: qa restore FILE", err=True)
    if problems:
        raise typer.Exit(1)


def backup(
    file: Annotated[Path, typer.Argument(help="A new file for the copy.")], data: Data = None, model: ModelName = None
) -> None:
    """Copy everything stored into one file, also while the service runs."""
    from index.care import backup as run

    with opened(data, model) as library:
        run(library.catalogue, file)
        documents, passages, _ = library.catalogue.counts.all()
        waiting = sum(job.state != "done" for job in library.jobs.recent(1000))
        files = library.files
    typer.echo(f"{documents} documents, {passages} passages, {file.stat().st_size:,} bytes in {plain(str(file))}")
    if waiting:
        typer.secho(
            f"{waiting} uploads are not taken in yet and not in it: back up again later.", fg="yellow", err=True
        )
    if files:
        typer.secho(plain(f"Originals are in {files.name} (QA_FILES): copy them too."), fg="yellow", err=True)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `qa backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the documents that are stored now.")] = False,
    data: Data = None,
    model: ModelName = None,
) -> None:
    """Put a backup in the place of everything stored, also while the service runs."""
    from index.care import restore as run

    with opened(data, model, make=True, remake=True) as library:
        run(library.catalogue, file, replace)
    with opened(data, model) as library:  # says so when it was made with other settings
        library.tidy()
        documents, passages, _ = library.catalogue.counts.all()
    typer.echo(f"{documents} documents, {passages} passages")


def forget(
    documents: Annotated[list[str], typer.Argument(help="Document ids, or the files they came from.")],
    data: Data = None,
    model: ModelName = None,
    as_json: Json = False,
) -> None:
    """Remove documents so that no trace of them is left in the data folder, also while the service runs."""
    found: dict[str, str] = {}
    with opened(data, model) as library:
        for name in documents:
            known = library.forgetting.known(name) or library.forgetting.known(os.path.abspath(name))  # noqa: PTH100
            if known:
                found[name] = known
        library.forgetting.forget(*dict.fromkeys(found.values()))
        server = library.catalogue.database.shared
        place = "the database" if server else "the data folder"
        left = "Backups, the server's write-ahead log and replicas" if server else "Backups"
    missing = [name for name in documents if name not in found]
    if as_json:
        print_json({"forgotten": list(found), "missing": missing})
    elif found:
        typer.echo(plain(f"Forgot {', '.join(found)}: {place} holds no trace any more."))
        typer.echo(f"{left}, and the files that it came from, are where they were.")
    if missing:
        typer.secho(plain(f"No such document: {', '.join(missing)}. See: qa list"), fg="red", err=True)
        raise typer.Exit(1)


def compact(data: Data = None, model: ModelName = None) -> None:
    """Give back the space of what was removed or replaced, and forget its words."""
    with opened(data, model) as library:
        before = library.size()
        library.catalogue.compact()
        library.tidy(everything=True)
        library.catalogue.checkpoint()
        after = library.size()
        if not library.keeps_index:
            typer.echo("The search index belongs to a running service, which compacts it by itself.", err=True)
    typer.echo(f"{before:,} bytes before, {after:,} bytes now")


def feedback(
    export: Annotated[
        Path | None, typer.Option(help="File for the eval set, JSON Lines; - for standard output.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Count what people said of passages, or write it as an eval set."""
    from index.errors import StorageError
    from qa import eval_set

    with opened(data) as library:
        judged = library.catalogue.feedback.standing()
    lines = eval_set.lines(judged)
    if export == Path("-"):
        typer.echo(lines, nl=False)
    elif export:
        try:
            export.write_text(lines, encoding="ascii")
        except OSError as error:
            raise StorageError(
                f"{export} cannot be written: {error.strerror}", "Choose another place for it."
            ) from error
        typer.echo(f"{lines.count(chr(10))} questions in {plain(str(export))}")
    elif as_json:
        print_json(eval_set.counted(judged))
    else:
        for name, count in eval_set.counted(judged).items():
            typer.echo(f"{name.replace('_', ' '):<22} {count}")
