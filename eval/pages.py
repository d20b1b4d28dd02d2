"""Is the page that holds the answer among those cited? `make eval-pages`, over the filings in QA_DATASETS/sec10q.

The questions stand in the public set; which pages answer each of them was written down for
`eval/sets/sec10q.pages.jsonl`. A question succeeds at k when one of the first k passages stands on such a page.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ir_measures
import typer
from ir_measures import Success
from rich.console import Console
from rich.table import Table

from eval.dataset import SETS, public
from eval.systems import SYSTEMS
from index.build import Report
from index.errors import DocumentError
from index.load.folder import find_files
from index.types import Document
from qa.config import settings
from qa.types import Answer
from qa.wire import Library, file_request, open_library

DEPTH = 10
MEASURES = {f"Success@{k}": Success @ k for k in (1, 3, 5, 10)}


@dataclass(frozen=True, slots=True)
class PagedQuestion:
    """A question, and the pages any of which answers it, each named "file, page"."""

    id: str
    question: str
    pages: frozenset[str]


def load(folder: Path) -> list[PagedQuestion]:
    """The questions of the set in `folder` for which pages were written down."""
    asked = [json.loads(line) for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    words = {row["_id"]: row["text"] for row in asked}
    rows = [json.loads(line) for line in (SETS / "sec10q.pages.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        PagedQuestion(
            row["_id"],
            words[row["_id"]],
            frozenset(name(file, page) for file, pages in row["pages"].items() for page in pages),
        )
        for row in rows
    ]


def name(file: str, page: int) -> str:
    return f"{file}, {page}"


def success(questions: Sequence[PagedQuestion], ranked: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, float]:
    """Mean over questions; `ranked` has the pages of each passage, best first. A passage is right on any right page."""
    qrels = [ir_measures.Qrel(one.id, "the answer", 1) for one in questions]
    run = []
    for one in questions:
        first = next((rank for rank, pages in enumerate(ranked[one.id], 1) if one.pages & set(pages)), None)
        run += [
            ir_measures.ScoredDoc(one.id, "the answer" if rank == first else f"passage {rank}", 1.0 / rank)
            for rank in range(1, len(ranked[one.id]) + 1)
        ]
    values = ir_measures.calc_aggregate(list(MEASURES.values()), qrels, run)
    return {label: float(values[measure]) for label, measure in MEASURES.items()}


def pages_of(answer: Answer) -> list[list[str]]:
    """The pages that each passage of an answer is cited to."""
    cited = [passage.citation for passage in answer.passages]
    return [
        [name(Path(one.source).name, page) for page in range(one.page_start or 0, (one.page_end or 0) + 1)]
        for one in cited
    ]


def reading_speed(library: Library, files: Sequence[Path]) -> tuple[int, float]:
    """Pages, and seconds that it takes to read them, as many files at a time as `qa index` reads, nothing embedded."""
    from concurrent.futures import ThreadPoolExecutor

    from index.ingest import READERS

    def read(path: Path) -> Document:
        return library.sandbox.read(path, str(path))

    with ThreadPoolExecutor(READERS) as pool:
        began = time.perf_counter()
        documents = list(pool.map(read, files))
        return sum(len(document.pages) for document in documents), time.perf_counter() - began


def main() -> None:
    folder = public("sec10q")
    questions = load(folder)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="qa-eval-") as data:
        library = open_library(settings().apart(Path(data)), make=True, load_when_needed=True)
        try:
            files = list(find_files([folder / "pdfs"]))
            pages, seconds = reading_speed(library, files)
            console.print(f"{len(files)} files, {pages} pages read in {seconds:.1f} s: {pages / seconds:.0f} pages/s")
            requests = [file_request(path, library.settings) for path in files]
            began = time.perf_counter()
            for request, outcome in library.ingest.run(requests):
                if isinstance(outcome, DocumentError):
                    console.print(f"{request.path.name}: {outcome.message}", style="red")
                elif isinstance(outcome, Report):
                    console.print(
                        f"  {request.path.name}: {outcome.pages} pages, {outcome.characters} characters, "
                        f"{outcome.passages} passages, {outcome.tables} tables"
                    )
            console.print(f"indexed in {time.perf_counter() - began:.0f} s, embedding included\n")
            console.print(_table(library, questions))
        finally:
            library.close()


def _table(library: Library, questions: Sequence[PagedQuestion]) -> Table:
    table = Table("system", *MEASURES, title=f"{len(questions)} questions, by page", box=None)
    for system in SYSTEMS.values():
        answerer = library.answerer_with(system.ranking)
        ranked = {one.id: pages_of(answerer.ask(one.question, DEPTH, mode=system.mode)) for one in questions}
        table.add_row(system.name, *(f"{value:.3f}" for value in success(questions, ranked).values()))
    return table


if __name__ == "__main__":
    typer.run(main)
