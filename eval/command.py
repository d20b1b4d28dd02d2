"""`qa eval`: measure a set of questions over a folder of documents, in a library made for it and thrown away."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

from eval.dataset import SETS, Question, load
from eval.report import LEGEND, by_kind, overall, summary
from eval.run import MODES, Result, evaluate, library_of
from index.errors import DocumentError, ModelError
from qa.config import resource, settings


def run(folder: Path | None, questions: Path | None, as_json: bool) -> None:
    """Print the tables, or JSON. Raises DocumentError for a set or folder that does not fit, ModelError."""
    asked = load(questions or SETS / "seeds.jsonl")
    folder = folder or resource("seeds")
    if not folder.is_dir():
        raise DocumentError(f"{folder} is not a folder", "Name the folder that holds the documents of the set.")
    results = measure(folder, asked)
    if as_json:
        typer.echo(json.dumps({result.mode: summary(result) for result in results}, indent=2))
        return
    console = Console(width=max(Console().width, 125))
    answerable = sum(bool(question.gold) for question in asked)
    console.print(f"{answerable} answerable questions, {len(asked) - answerable} that the documents do not answer\n")
    console.print(overall(results))
    console.print()
    console.print(by_kind(results))
    console.print(f"\n{LEGEND}", style="dim", markup=False, highlight=False)


def measure(folder: Path, asked: Sequence[Question]) -> list[Result]:
    """Every mode over the documents of a folder."""
    console = Console(stderr=True)
    with (
        tempfile.TemporaryDirectory(prefix="qa-eval-") as data,
        Progress(console=console, disable=not console.is_terminal, transient=True) as progress,
    ):
        bar = progress.add_task("Asking", total=len(asked) * len(MODES))
        library = library_of(folder, Path(data), settings())
        try:
            if library.model.embedder is None:
                raise ModelError(f"only BM25 could be measured: {library.model.reason}")
            return [evaluate(library, asked, mode, lambda: progress.advance(bar)) for mode in MODES]
        finally:
            library.close()
