"""Milvus and the embedded engine, after the same writes, asked the same questions: the same passages, up to ties."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from index.engine import Engine
from index.local import LocalEngine
from index.ranking import BM25
from index.terms import terms
from index.types import Hit, Passage, Span, Stamp, Vector, Vectors
from tests.documents import DATASETS
from tests.milvus import lite_engine

pytestmark = pytest.mark.cluster

SETS = ("nq_mini", "med")
QUESTIONS = 1_000
DIM = 64
DEPTH = 100
EQUAL = 1.5e-4
"""Scores of one passage in both: rounded to 1e-4 in one of them."""


@dataclass(frozen=True)
class Write:
    """One commit: documents with their passages; without any, they are removed."""

    documents: dict[str, list[Passage]]


@lru_cache(maxsize=1 << 17)
def direction(term: str) -> Vector:
    seed = int.from_bytes(term.encode()[:16].ljust(16), "big")
    return np.asarray(np.random.default_rng(seed).standard_normal(DIM), np.float32)


def embedded(texts: Sequence[str]) -> Vectors:
    """Sums of a random direction for each term: shared words mean likeness."""
    rows = np.stack([sum((direction(term) for term in terms(text)), np.full(DIM, 1e-3, np.float32)) for text in texts])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def lines(name: str, file: str) -> Iterator[dict[str, str]]:
    path = DATASETS / name / file
    if not path.exists():
        pytest.skip(f"there is no {path}; QA_DATASETS names the folder of the data sets")
    with path.open(encoding="utf-8") as opened:
        yield from (json.loads(line) for line in opened)


def cut(document_id: str, title: str, text: str, size: int) -> list[Passage]:
    return [
        Passage(document_id, title, "", at, at + len(text[at : at + size]), text[at : at + size], (Span(at, at),), 1, 1)
        for at in range(0, len(text), size)
    ]


def history(seed: int = 8) -> list[Write]:
    """Twelve commits that add, replace and remove at random; the first one holds a third of all."""
    chosen = random.Random(seed)
    texts = {f"{name}:{one['_id']}": one for name in SETS for one in lines(name, "corpus.jsonl") if one["text"].strip()}
    names = chosen.sample(sorted(texts), len(texts))
    writes, there = list[Write](), list[str]()
    share = len(names) // 3
    for number in range(12):
        new, names = (names[:share], names[share:]) if not number else (names[: share // 6], names[share // 6 :])
        again = chosen.sample(there, min(len(there), 60))
        gone = set(again[:30])
        documents = {
            one: [] if one in gone else cut(one, texts[one]["title"], texts[one]["text"], chosen.randint(500, 2500))
            for one in [*new, *again]
        }
        there = [one for one in dict.fromkeys([*there, *new]) if one not in gone]
        writes.append(Write(documents))
    return writes


def write(engine: Engine, writes: Sequence[Write], vectors: dict[str, Vectors]) -> None:
    for number, one in enumerate(writes, 1):
        with engine.turn():
            for document_id, passages in one.documents.items():
                key = f"{number} {document_id}"
                if passages and key not in vectors:
                    vectors[key] = embedded([passage.text for passage in passages])
                # Some are not embedded yet.
                engine.replace(document_id, passages, vectors.get(key) if hash_of(document_id) % 10 else None)
            engine.commit(Stamp(number, "test"))


def hash_of(name: str) -> int:
    return sum(name.encode())


def differences(ours: Sequence[Hit], theirs: Sequence[Hit]) -> list[str]:
    """What is not the same in two lists, other than the order of equals, and which of them come last."""
    if len(ours) != len(theirs):
        return [f"{len(ours)} and {len(theirs)} passages"]
    scores, others = {hit.passage_id: hit.score for hit in ours}, {hit.passage_id: hit.score for hit in theirs}
    found = [
        f"{one.score} and {other.score} at {place}"
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True))
        if abs(one.score - other.score) > EQUAL
    ]
    for one, score in scores.items():
        if one not in others:
            found += [f"{one} is missing"] if score - theirs[-1].score > EQUAL else []
        elif abs(others[one] - score) > EQUAL:
            found.append(f"{one}: {score} and {others[one]}")
    return found


def test_both_engines_find_the_same(tmp_path: Path) -> None:
    writes, vectors = history(), dict[str, Vectors]()
    milvus = lite_engine(tmp_path)
    write(milvus, writes, vectors)
    milvus.maintain()
    local = LocalEngine(bm25=BM25(average=milvus.average))
    write(local, writes, vectors)
    documents = sorted({one for made in writes for one in made.documents})
    asked = [one["text"] for name in SETS for one in lines(name, "queries.jsonl")]
    chosen = random.Random(1)
    asked = chosen.sample(asked, QUESTIONS)
    ours, theirs = local.snapshot(), milvus.snapshot()
    wrong, found = list[str](), 0
    for number, (question, vector) in enumerate(zip(asked, embedded(asked), strict=True)):
        where: Collection[str] | None = None
        if number % 2:
            where = frozenset(chosen.sample(documents, chosen.choice([1, 30, 1000])))
        weights = ours.weights(terms(question))
        assert theirs.weights(terms(question)) == pytest.approx(weights)
        for leg, one, other in (
            ("dense", ours.dense(vector, DEPTH, where), theirs.dense(vector, DEPTH, where)),
            ("sparse", ours.sparse(weights, DEPTH, where), theirs.sparse(weights, DEPTH, where)),
        ):
            found += len(one)
            wrong += [f"{question} ({leg}): {what}" for what in differences(one, other)]
    local.close()
    milvus.close()
    assert found > 100 * QUESTIONS
    assert not wrong, f"{len(wrong)} differences: {wrong[:5]}"
