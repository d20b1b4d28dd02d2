"""The plan on paper of docs/scale.md: what 1, 10 and 100 million documents take, computed from what was measured.

`python -m eval.bench.scale` prints the tables of that page; give it your own documents' shape, and your own machines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from eval.bench.report import Section, text
from eval.bench.speed import Row

DIM = 384
DOCUMENTS = (1_000_000, 10_000_000, 100_000_000)

# Bytes, of one passage: `eval.bench.sizes`, and the same documents in PostgreSQL 15.
FACTS = 1_710
"""In the catalogue beside vectors: text, terms of its sentences, offsets, row, indices."""
OF_DOCUMENT = 600
"""Its share of the document: the text once more, and what is known of it."""
LAYOUT = 2_330
"""PDF only: the place of every character."""
ORIGINAL = 1_610
"""PDF only: the file."""
STATISTICS = 2_860
"""Of a document, not of a passage: its row of the engine's statistics, with some 290 distinct terms."""
TERM_ROW = 174
"""Of a distinct term, its index included; as many again for each change that is not purged yet."""
TERMS = 50
"""Distinct terms, each a posting."""
PIECES = 110
"""Word pieces of its text. Title and heading, and the two marks around each text that is embedded, come besides."""
TOASTED = 1.85
"""Values that PostgreSQL keeps out of line."""

# Of Milvus: formulas of its index types, and the memory of a server of 2.3.5 before and after loading 200,000 rows.
POSTING = 8
"""Bytes of a posting: row and weight, 32 bits each."""
LINKS = 16
"""M of HNSW: twice as many links of 4 bytes in its lowest layer."""
LOADED = 1.2
"""Memory of a loaded row, by the bytes of its vector: identifiers, timestamps, what the allocator keeps."""
SEGMENT_BYTES = 1 << 30
"""Of raw vectors, in a sealed segment, by default."""

# Of time. Cores are those that docs/bench.html was measured on.
PIECES_A_CORE = 12_500
"""Word pieces embedded a second by a core, bfloat16."""
FLAT_NS = 105
"""Nanoseconds of a core to compare a question with one float32 vector (Milvus 2.3.5)."""
GRAPH_MS = 0.6
"""Milliseconds of a core to search a segment's HNSW (FAISS, 400 deep, a million vectors)."""
POSTINGS_MS = 0.49
"""Milliseconds of a core for BM25 over a million passages (the embedded engine's loop, six terms)."""
CALL_MS = 2.9
"""A search in Milvus among few passages; there are two of them to a question."""
TERMS_MS = 1.0
"""How often a question's terms occur, from PostgreSQL."""
QUESTION_MS = 8.3
"""Everything else over HTTP: embedding, candidates from the page cache, ranking, the reply."""
CANDIDATES = 100
CANDIDATES_MS = 3.7
"""These from PostgreSQL, from its memory, and the passages of the reply."""
READS = 5
"""Pages that a candidate lies on where none is in memory: index, row, index of what is out of line, two parts of it."""
READ_MS = 0.08
"""A page from an NVMe drive: assumed, not measured."""
COMMITTED = 2_900
"""Passages a second that one transaction after another stores in PostgreSQL, 64 documents each."""
ALONE, HALF = 1.4, 7.0
"""p99 by the median of questions asked one after another: asked so; at half of the peak (4.8 to 9 were measured)."""

HEAPS = 0.6, 13.8
"""Distinct terms of a text: `13.8 * running terms ** .6`, fitted to 38,000 to 1,300,000 of them."""
RUNNING = 54
"""Terms of a passage, repeated ones counted."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What documents are like, and the machines: memory in gigabytes (1e9 bytes)."""

    passages: int = 10
    sentences: int = 5
    node_memory: int = 64
    node_cores: int = 16
    fill: float = 0.7
    replicas: int = 2
    database_memory: int = 128

    def in_database(self, passages: int) -> float:
        """Bytes of passages, documents and statistics, without layouts, originals and rows of terms."""
        return passages * (self.vector + self.of_sentences + FACTS + OF_DOCUMENT + STATISTICS / self.passages)

    @property
    def vector(self) -> int:
        return DIM * 4

    @property
    def of_sentences(self) -> int:
        return self.sentences * DIM * 2


SHAPE = Shape()
"""What the page shows: documents as `make bench` draws them, some three pages each."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An index of the dense leg."""

    name: str
    bytes: int
    graph: bool

    @property
    def row(self) -> int:
        return self.bytes + (2 * LINKS * 4 + 12 if self.graph else 0)


KINDS = (
    Kind("FLAT, 32 bits", DIM * 4, False),
    Kind("HNSW, 32 bits", DIM * 4, True),
    Kind("HNSW, 16 bits", DIM * 2, True),
    Kind("HNSW, 8 bits", DIM, True),
)


def vectors(shape: Shape) -> list[Row]:
    """Memory of the query nodes by how vectors are kept, the sparse leg with them."""
    rows = []
    for kind in KINDS:
        row: Row = {"dense index": kind.name, "bytes a passage": kind.row}
        for documents in DOCUMENTS:
            one = _loaded(documents * shape.passages, kind)
            row[f"{_short(documents)}: GB"] = _round(one / 1e9)
            row[f"{_short(documents)}: nodes"] = _nodes(one, shape)
        rows.append(row)
    return rows


def catalogue(shape: Shape) -> list[Row]:
    """What PostgreSQL holds, and what lies beside it."""
    parts = {
        "sentence vectors, float16": shape.of_sentences,
        "passage vectors, float32": shape.vector,
        "text, terms, rows, indices": FACTS,
        "documents": OF_DOCUMENT,
        "statistics of the engine, by document": STATISTICS / shape.passages,
        "together": shape.in_database(1),
        "write-ahead log of taking them in": shape.in_database(1),
        "besides for PDF: places of characters": LAYOUT,
        "besides for PDF: originals (QA_FILES)": ORIGINAL,
        "object store of Milvus: vectors and postings": shape.vector + TERMS * POSTING,
        "together while `qa reindex` runs": shape.in_database(1) + shape.vector + shape.of_sentences + FACTS,
    }
    rows: list[Row] = []
    for name, size in parts.items():
        row: Row = {"what": name, "bytes a passage": int(size)}
        rows.append(row | {f"{_short(one)}: GB": _round(one * shape.passages * size / 1e9) for one in DOCUMENTS})
    return rows


def statistics(shape: Shape) -> list[Row]:
    """Numbers of rows, and of what PostgreSQL counts."""
    rows = []
    for documents in DOCUMENTS:
        passages = documents * shape.passages
        power, factor = HEAPS
        distinct = factor * (passages * RUNNING) ** power
        rows.append(
            {
                "documents": documents,
                "passages": passages,
                "vectors, sentences included": passages * (1 + shape.sentences),
                "postings": passages * TERMS,
                "distinct terms": _round(distinct),
                "their rows, GB": _round(distinct * TERM_ROW / 1e9),
                "values out of line, of 2^32": f"{passages * TOASTED / 2**32:.1%}",
                "segments": math.ceil(passages * shape.vector / SEGMENT_BYTES),
            }
        )
    return rows


def intake(shape: Shape, cores: Sequence[int] = (2, 16, 64, 256)) -> list[Row]:
    """Hours to take all in: by cores that embed, and what one transaction after another allows."""
    rows = []
    for documents in DOCUMENTS:
        passages = documents * shape.passages
        row: Row = {"documents": documents, "core hours": _round(passages / embedded_a_core(shape) / 3600)}
        for count in cores:
            seconds = passages / min(count * embedded_a_core(shape), COMMITTED)
            row[f"{count} cores: hours"] = _round(seconds / 3600)
        row["commits alone: hours"] = _round(passages / COMMITTED / 3600)
        rows.append(row)
    return rows


def embedded_a_core(shape: Shape) -> float:
    """Passages a second, with their sentences: every word piece twice, title and heading, two marks a text."""
    return PIECES_A_CORE / (2 * PIECES + 8 + 2 * (1 + shape.sentences))


def latency(shape: Shape) -> list[Row]:
    """Milliseconds of a question, by parts; cores of one replica share the work of a leg."""
    rows = []
    for documents in DOCUMENTS:
        for kind in (KINDS[0], KINDS[-1]):
            passages = documents * shape.passages
            nodes = max(1, _nodes(_loaded(passages, kind), shape) // shape.replicas)
            cores = nodes * shape.node_cores
            dense, sparse = _core_ms(passages, kind)
            missing = max(0.0, 1 - 0.8 * shape.database_memory * 1e9 / shape.in_database(passages))
            legs = TERMS_MS + 2 * CALL_MS + (dense + sparse) / cores
            read = CANDIDATES_MS + CANDIDATES * missing * READS * READ_MS
            median = QUESTION_MS + legs + read
            rows.append(
                {
                    "documents": documents,
                    "dense index": kind.name,
                    "cores a replica": cores,
                    "both legs, core ms": _round(dense + sparse),
                    "both legs": _round(legs),
                    "candidates": _round(read),
                    "p50": _round(median),
                    "p99 alone": _round(median * ALONE),
                    "p99, half of the peak": _round(median * HALF),
                    "most questions/s": _round(shape.replicas * cores * 1e3 / (dense + sparse)),
                }
            )
    return rows


def cost(shape: Shape, kind: Kind = KINDS[-1]) -> list[Row]:
    """Machines for 100 questions a second, but for Milvus's own coordinators, etcd, log and object store."""
    rows = []
    for documents in DOCUMENTS:
        passages = documents * shape.passages
        nodes = _nodes(_loaded(passages, kind), shape)
        database = shape.in_database(passages) / 1e9
        rows.append(
            {
                "documents": documents,
                "query nodes": f"{nodes} x {shape.node_cores} cores, {shape.node_memory} GB",
                "PostgreSQL, and a standby": f"2 x {shape.node_cores} cores, {shape.database_memory} GB",
                "NVMe of each, GB": _round(2 * database),
                "object store, GB": _round(passages * (shape.vector + TERMS * POSTING) * 2 / 1e9),
                "API": "4 x 2 cores, 2 GB",
                "workers, while it is filled": f"{round(COMMITTED / embedded_a_core(shape))} cores",
                "cores kept": nodes * shape.node_cores + 2 * shape.node_cores + 8,
                "memory kept, GB": nodes * shape.node_memory + 2 * shape.database_memory + 8,
            }
        )
    return rows


TABLES = {
    "statistics": statistics,
    "vectors": vectors,
    "catalogue": catalogue,
    "intake": intake,
    "latency": latency,
    "cost": cost,
}


def tables(shape: Shape) -> dict[str, str]:
    """By name, each in Markdown."""
    return {name: text(Section("", "", rows(shape))) for name, rows in TABLES.items()}


def _loaded(passages: int, kind: Kind) -> float:
    """Bytes of memory of one replica, both legs."""
    return passages * (kind.row + TERMS * POSTING) * LOADED


def _nodes(loaded: float, shape: Shape) -> int:
    """As many to each replica as hold it."""
    return shape.replicas * math.ceil(loaded / (shape.node_memory * 1e9 * shape.fill))


def _core_ms(passages: int, kind: Kind) -> tuple[float, float]:
    """Milliseconds of one core that each leg takes, whichever cores share it."""
    segments = math.ceil(passages * DIM * 4 / SEGMENT_BYTES)
    dense = segments * GRAPH_MS if kind.graph else passages * FLAT_NS / 1e6
    return dense, passages / 1e6 * POSTINGS_MS


def _round(value: float) -> float | int:
    """Two digits tell enough."""
    short = float(f"{value:.2g}")
    return int(short) if short >= 10 else short


def _short(documents: int) -> str:
    return f"{documents // 1_000_000} M"


def main(
    passages: Annotated[int, typer.Option(help="Of a document.")] = SHAPE.passages,
    sentences: Annotated[int, typer.Option(help="Of a passage.")] = SHAPE.sentences,
    node_memory: Annotated[int, typer.Option(help="Gigabytes of a query node.")] = SHAPE.node_memory,
    node_cores: Annotated[int, typer.Option(help="Cores of a query node.")] = SHAPE.node_cores,
    replicas: Annotated[int, typer.Option(help="Of every segment.")] = SHAPE.replicas,
    database_memory: Annotated[int, typer.Option(help="Gigabytes of PostgreSQL's machine.")] = SHAPE.database_memory,
) -> None:
    """Print the tables of docs/scale.md for your own documents and machines."""
    shape = Shape(passages, sentences, node_memory, node_cores, replicas=replicas, database_memory=database_memory)
    for name, table in tables(shape).items():
        typer.echo(f"\n{name}\n\n{table}")


if __name__ == "__main__":
    typer.run(main)
