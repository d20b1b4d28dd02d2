"""What a passage takes: in the catalogue, table by table, and in the embedded engine; on real texts, vectors drawn.

The constants of `eval.bench.scale` come from here: `python -m eval.bench.sizes`, a minute; nothing is embedded, since
the size of a vector does not depend on what it says.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from eval.bench.corpus import texts
from eval.bench.report import Section, text
from eval.bench.speed import Row
from eval.dataset import public
from index.build import catch_up
from index.catalogue import Catalogue
from index.chunk import WordPieces, chunk
from index.load import from_text, read
from index.load.draft import Options
from index.local import LocalEngine
from index.pieces import word_pieces
from index.types import Document, Passage, PassageVectors

DIM = 384
_GROUP = 64
_POSTINGS = ("bag", "posting")
_LENGTH = {
    "vector": "length(vector)",
    "sentence_vectors": "length(sentence_vectors)",
    "sentence_terms": "length(sentence_terms)",
    "text": "octet_length(text)",
    "sentences": "octet_length(sentences::text)",
}
"""Columns of passages, and how many bytes PostgreSQL says that they hold."""
_WEIGHED_BY_SQLITE = "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_schema m ON m.name = s.name GROUP BY 1"
_WEIGHED_BY_POSTGRESQL = (
    "SELECT relname, pg_total_relation_size(oid) FROM pg_class "
    "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)

Made = tuple[Document, list[Passage], list[PassageVectors]]
"""A document as the catalogue stores it."""


def paragraphs(count: int) -> Iterator[Document]:
    """Paragraphs of the public sets, each a document."""
    for number, one in enumerate(texts()[:count]):
        yield from_text(one, title="", id=f"p{number:06}")


def filings() -> Iterator[Document]:
    """Quarterly reports, PDF files of some 40 pages, with the place of every character."""
    for path in sorted((public("sec10q") / "pdfs").glob("*.pdf")):
        yield read(path.read_bytes(), path.name, path.name, Options())


def made(documents: Iterable[Document], pieces: WordPieces) -> Iterator[Made]:
    """Cut as the service cuts, with unit vectors drawn at random."""
    chance = np.random.default_rng(0)
    for document in documents:
        if passages := chunk(document, pieces):
            drawn = [_unit(chance, 1 + len(one.sentences)) for one in passages]
            yield document, passages, [PassageVectors(one[0], one[1:]) for one in drawn]


def _unit(chance: np.random.Generator, count: int) -> Any:
    drawn = chance.standard_normal((count, DIM), dtype=np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def measure(name: str, every: Iterable[Made], folder: Path, pieces: WordPieces, url: str = "") -> Row:
    """Store documents, build the engine, and weigh both; bytes a passage but where it says otherwise."""
    catalogue, rest = Catalogue(folder, {}, url=url), iter(every)
    documents, passages, sentences, words, seconds, before = 0, 0, 0, 0, 0.0, _logged(catalogue)
    while group := list(islice(rest, _GROUP)):
        documents += len(group)
        for _, cut, _ in group:
            passages += len(cut)
            sentences += sum(len(one.sentences) for one in cut)
            words += sum(map(len, pieces.spans([one.text for one in cut])))
        began = time.perf_counter()
        catalogue.put_all(group)
        seconds += time.perf_counter() - began
    log = _logged(catalogue) - before
    row: Row = {
        "documents": documents,
        "passages a document": passages / documents,
        "sentences a passage": sentences / passages,
        "word pieces a passage": words / passages,
        "stored, passages/s": passages / seconds,
        **{f"catalogue: {table}": size / passages for table, size in _tables(catalogue).items()},
        **({"write-ahead log": log / passages} if log else {}),
    }
    if not url:
        row |= {f"engine: {kind}": size / passages for kind, size in _engine(catalogue, folder / "engine").items()}
    catalogue.close()
    return {"what": name} | {key: round(value, 1 if value < 100 else None) for key, value in row.items()}


def _tables(catalogue: Catalogue) -> dict[str, int]:
    """Bytes on disk by table, indices and what is out of line included; and what the passages' columns hold."""
    with catalogue.read() as connection:
        lite = connection.dialect.name == "sqlite"
        rows = connection.exec_driver_sql(_WEIGHED_BY_SQLITE if lite else _WEIGHED_BY_POSTGRESQL)
        found = {str(name): int(size) for name, size in rows}
        sizes = ", ".join(f"sum(length(CAST({name} AS BLOB)))" if lite else f"sum({_LENGTH[name]})" for name in _LENGTH)
        columns = connection.exec_driver_sql(f"SELECT {sizes} FROM passages").one()  # noqa: S608  names of our own
    large = {name: size for name, size in found.items() if size > sum(found.values()) / 1000}
    return large | {f"passages, {name}": int(size) for name, size in zip(_LENGTH, columns, strict=True)}


def _logged(catalogue: Catalogue) -> int:
    """Bytes of PostgreSQL's write-ahead log since it was made; 0 for SQLite, whose log begins anew."""
    with catalogue.read() as connection:
        if connection.dialect.name == "sqlite":
            return 0
        return int(connection.exec_driver_sql("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").scalar_one())


def _engine(catalogue: Catalogue, folder: Path) -> dict[str, int]:
    """Bytes of the embedded engine's files, and how many distinct terms a passage has."""
    engine = LocalEngine(folder)
    catch_up(catalogue, engine)
    engine.maintain()
    kinds = {"vectors": 0, "postings": 0, "vocabulary": 0, "rest": 0}
    postings = sum(len(part.segment.arrays.bag_terms) for part in engine.snapshot().parts)
    for file in folder.rglob("*"):
        if file.is_file():
            kind = "vectors" if file.suffix == ".faiss" else "vocabulary" if "terms.lines" in file.name else "rest"
            kinds["postings" if file.name.startswith(_POSTINGS) else kind] += file.stat().st_size
    vocabulary = len(engine.snapshot().vocabulary)
    engine.close()
    return kinds | {"distinct terms of a passage": postings, "distinct terms of all": vocabulary}


def main(
    count: Annotated[int, typer.Option(help="Paragraphs.")] = 11_000,
    url: Annotated[str, typer.Option(help="An empty database, instead of SQLite.")] = "",
    only: Annotated[str, typer.Option(help="paragraphs or filings.")] = "",
) -> None:
    """Weigh libraries of paragraphs and of PDF files."""
    pieces = word_pieces()
    rows = []
    for name, documents in (("paragraphs", paragraphs(count)), ("filings", filings())):
        if only in ("", name):
            with tempfile.TemporaryDirectory(prefix="qa-bench-") as folder:
                rows.append(measure(name, made(documents, pieces), Path(folder), pieces, url))
    names = dict.fromkeys(key for row in rows for key in row if key != "what")
    turned = [{"what": key} | {row["what"]: row.get(key, "") for row in rows} for key in names]
    typer.echo(text(Section("", "", turned)))


if __name__ == "__main__":
    typer.run(main)
