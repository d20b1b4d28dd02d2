"""`make bench-cluster`: what PostgreSQL and Milvus add to a question, beside the embedded engine over the same library.

Both answer in turns, in one run and one process; servers are this machine's own, so that what a network adds is not in
it. The dense leg is measured on a real Milvus (2.3.5, which has no sparse vectors), both legs on Milvus Lite.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from eval.bench import servers
from eval.bench.corpus import PASSAGES, Drawn, drawn
from eval.bench.report import Section, text
from eval.bench.speed import Row, median, milliseconds
from eval.bench.workers import intake
from eval.dataset import public
from index import embed
from index.build import catch_up
from index.catalogue import Catalogue
from index.engine import Engine
from index.errors import QAError
from index.ledger import Ledger
from index.local import LocalEngine
from index.milvus import SETTLED, MilvusEngine
from index.milvus_client import VectorIndex
from index.search import Searcher
from index.terms import terms
from qa.config import settings

_REAL = 1_000
"""Real passages embedded, around whose vectors others are drawn."""
_GROUP = 100
_DEPTH, _SHOWN = 100, 5
_BLOCK = 25
"""Questions that one is asked before the other has its turn."""
_WRITTEN = 10
"""Questions after a write, each after one of its own."""


def main(
    passages: Annotated[str, typer.Option(help="Sizes of the libraries.")] = "11000,200000",
    asked: Annotated[int, typer.Option(help="Questions.")] = 200,
    documents: Annotated[int, typer.Option(help="Short documents taken in by workers; 0 for none.")] = 2_000,
    workers: Annotated[str, typer.Option(help="Numbers of worker processes.")] = "1,2",
    real: Annotated[bool, typer.Option(help="Measure the dense leg on Milvus 2.3.5, too.")] = True,
) -> None:
    """Measure both, print the tables."""
    try:
        public("squad_a")
        source = drawn(embed.load(settings().model, settings().cache), _REAL)
        for size in map(int, filter(None, passages.split(","))):
            _tell(f"{size:,} passages", *compared(source, size, asked, real, SETTLED))
        if documents:
            _tell("Documents taken in", intake(documents, [int(one) for one in workers.split(",")]))
    except QAError as error:
        typer.secho(f"{error.message}. {error.hint}", fg="red", err=True)
        raise typer.Exit(1) from error


def _tell(name: str, *tables: list[Row]) -> None:
    written = "\n\n".join(text(Section("", "", rows)) for rows in tables)
    typer.echo(f"\n## {name}\n\n{written}", color=False)


@dataclass(frozen=True, slots=True)
class Sides:
    """One library twice: embedded, and in a cluster. `dense`: engines that have that leg alone, by name."""

    embedded: Searcher
    cluster: Searcher
    dense: Mapping[str, Engine]
    built: list[Row]


Asked = Sequence[tuple[str, Any]]
"""Questions, and a vector (dim,) for each."""


def compared(source: Drawn, size: int, asked: int, real: bool, settled: float) -> tuple[list[Row], list[Row]]:
    """How long it took to fill them, and what a question takes of each, so many seconds after that."""
    chance = np.random.default_rng(size)
    questions = [" ".join(chance.choice(one.split(), 6)) for one in source.passages(chance, asked)]
    pairs = list(zip(questions, source.around(chance, asked), strict=True))
    with tempfile.TemporaryDirectory(prefix="qa-bench-") as name, ExitStack() as ends:
        sides = _filled(source, size, Path(name), ends, real)
        time.sleep(settled)
        return sides.built, [*_legs(sides, pairs), *_catalogues(sides, pairs), *_questions(sides, pairs, source)]


def _filled(source: Drawn, size: int, folder: Path, ends: ExitStack, real: bool) -> Sides:
    url = ends.enter_context(servers.postgresql(folder))
    lite = ends.enter_context(servers.milvus(folder, lite=True))
    file = ends.enter_context(closing(Catalogue(folder / "embedded", {})))
    shared = ends.enter_context(closing(Catalogue(folder / "shared", {}, url=url)))
    rows: list[Row] = []

    def fill(what: str, work: Callable[[], object]) -> None:
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
        typer.echo(f"{what}: {seconds:.1f} s", err=True)
        rows.append({"what": what, "s": round(seconds, 1), "passages/s": round(size / seconds)})

    fill("stored in SQLite", lambda: _store(source, size, file))
    fill("stored in PostgreSQL", lambda: _store(source, size, shared))
    with shared.database.pool.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")  # as autovacuum does within a minute
    ledger = Ledger(shared.database.read, shared.database.note, shared.database.mutex)
    local = LocalEngine(folder / "engine")
    fill("embedded engine", lambda: _build(file, local))
    both = MilvusEngine(lite, "bench", ledger, timeout=60)
    fill("Milvus Lite, both legs", lambda: _build(shared, both))
    dense: dict[str, Engine] = {}
    if real:
        uri = ends.enter_context(servers.milvus(folder, lite=False))
        for kind, index in (("FLAT", VectorIndex()), ("HNSW", VectorIndex.hnsw())):
            engine = MilvusEngine(uri, f"bench_{kind.lower()}", ledger, legs="dense", index=index, timeout=120)
            ends.callback(engine.close)
            fill(f"Milvus 2.3.5, dense, {kind}", partial(_build, shared, engine))
            dense[f"Milvus 2.3.5, {kind}"] = engine
    embedded, cluster = Searcher(file, local), Searcher(shared, both)
    ends.callback(embedded.close)
    ends.callback(cluster.close)
    return Sides(embedded, cluster, dense, rows)


def _store(source: Drawn, size: int, catalogue: Catalogue) -> None:
    documents = source.documents(0, size // PASSAGES)
    while group := list(islice(documents, _GROUP)):
        catalogue.put_all(group)


def _build(catalogue: Catalogue, engine: LocalEngine | MilvusEngine) -> None:
    catch_up(catalogue, engine)
    engine.maintain()


def _legs(sides: Sides, pairs: Asked) -> Iterator[Row]:
    """Each leg's 100 best."""
    engines = {"embedded": sides.embedded.engine, "Milvus Lite": sides.cluster.engine, **sides.dense}
    snapshots = {name: engine.snapshot() for name, engine in engines.items()}
    vectors = [(vector, _DEPTH) for _, vector in pairs]
    yield from _rows("dense leg", {name: one.dense for name, one in snapshots.items()}, vectors)
    asked = [(terms(question),) for question, _ in pairs]
    worded = {name: snapshots[name] for name in ("embedded", "Milvus Lite")}
    yield from _rows("terms weighed", {name: one.weights for name, one in worded.items()}, asked)
    weights = [(worded["embedded"].weights(*one), _DEPTH) for one in asked]
    yield from _rows("sparse leg", {name: one.sparse for name, one in worded.items()}, weights)


def _catalogues(sides: Sides, pairs: Asked) -> Iterator[Row]:
    """What a question reads: the candidates for ranking, and the first passages for the reply."""
    snapshot = sides.embedded.engine.snapshot()
    found = [[hit.passage_id for hit in snapshot.dense(vector, _DEPTH)] for _, vector in pairs]
    searchers = {"SQLite": sides.embedded, "PostgreSQL": sides.cluster}

    def read(searcher: Searcher) -> Callable[[list[str]], None]:
        def one(ids: list[str]) -> None:
            with searcher.catalogue.view() as view:
                view.candidates(ids, view.stamp)
                view.passages(ids[:_SHOWN], view.stamp)

        return one

    calls = {name: read(searcher) for name, searcher in searchers.items()}
    yield from _rows("100 candidates and 5 passages read", calls, [(ids,) for ids in found])


def _questions(sides: Sides, pairs: Asked, source: Drawn) -> Iterator[Row]:
    """A whole search, the question's vector being there; and one right after a write, which it must find."""
    both = {"embedded": sides.embedded, "PostgreSQL and Milvus Lite": sides.cluster}
    given = [(question, vector, _SHOWN) for question, vector in pairs]
    yield from _rows("whole search", {name: one.search for name, one in both.items()}, given)
    taken: dict[str, list[float]] = {name: [] for name in both}
    for number, made in enumerate(source.documents(9_000_000, _WRITTEN)):
        question, vector = given[number][:2]
        for name, searcher in both.items():
            searcher.catalogue.put(*made)
            began = time.perf_counter()
            searcher.refresh()
            searcher.search(question, vector, _SHOWN)
            taken[name].append((time.perf_counter() - began) * 1e3)
    yield from _beside("a document more, then searched", taken)


def _rows(what: str, calls: Mapping[str, Callable[..., object]], given: Sequence[tuple[Any, ...]]) -> list[Row]:
    """In turns, some questions each, after one of these turns that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for start in range(-_BLOCK, len(given), _BLOCK):
        some = given[max(start, 0) : max(start, 0) + _BLOCK]
        for name, call in calls.items():
            found = milliseconds(call, some)
            taken[name] += found if start >= 0 else []
    return _beside(what, taken)


def _beside(what: str, taken: Mapping[str, list[float]]) -> list[Row]:
    first = float(np.median(next(iter(taken.values()))))
    return [
        {
            "what": what,
            "by": name,
            "ms": round(median(one), 2),
            "p99 ms": round(float(np.percentile(one, 99)), 1),
            "times": round(float(np.median(one)) / first, 1),
            "added ms": round(float(np.median(one)) - first, 2),
        }
        for name, one in taken.items()
    ]


if __name__ == "__main__":
    typer.run(main)
