"""The contract of `index.engine.Engine`, a test for each line; another engine joins by a line in ENGINES."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from index.engine import Engine
from index.errors import EngineError
from index.local import LocalEngine
from index.types import Passage, Span, Stamp, Vectors
from tests.milvus import lite_engine

ENGINES: dict[str, Callable[[Path], Engine]] = {
    "in memory": lambda _: LocalEngine(),
    "in files": lambda folder: LocalEngine(folder, in_background=True),
    "milvus lite": lambda folder: lite_engine(folder),
}
PARAMETERS = [pytest.param(name, marks=[pytest.mark.cluster] if "milvus" in name else []) for name in ENGINES]
RANDOM = np.random.default_rng(0)


def passages(document_id: str, *texts: str) -> list[Passage]:
    made, start = [], 0
    for text in texts:
        end = start + len(text)
        made.append(Passage(document_id, "", "", start, end, text, (Span(start, end),), 1, 1))
        start = end + 1
    return made


def unit(count: int, dim: int = 8) -> Vectors:
    rows = RANDOM.standard_normal((count, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture(params=PARAMETERS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    made = ENGINES[request.param](tmp_path)
    yield made
    made.close()


def put(engine: Engine, document_id: str, *texts: str, vectors: Vectors | None = None) -> list[str]:
    made = passages(document_id, *texts)
    engine.replace(document_id, made, unit(len(made)) if vectors is None else vectors)
    return [one.id for one in made]


def sparse_ids(engine: Engine, *terms: str, k: int = 10, where: set[str] | None = None) -> list[str]:
    return [hit.passage_id for hit in engine.snapshot().sparse(engine.snapshot().weights(terms), k, where)]


def test_an_empty_engine_finds_nothing_at_generation_zero(engine: Engine) -> None:
    assert (
        engine.stamp.generation,
        engine.snapshot().dense(unit(1)[0], 5),
        engine.snapshot().sparse({"a": 1.0}, 5),
    ) == (0, [], [])


def test_ids_are_ours_and_dense_is_the_inner_product(engine: Engine) -> None:
    vectors = unit(3)
    ids = put(engine, "doc", "alpha", "beta", "gamma", vectors=vectors)
    engine.commit(Stamp(1))
    question = unit(1)[0]
    expected = sorted(zip((vectors @ question).tolist(), ids, strict=True), reverse=True)
    found = engine.snapshot().dense(question, 3)
    assert [hit.passage_id for hit in found] == [one for _, one in expected]
    assert [hit.score for hit in found] == pytest.approx(
        [score for score, _ in expected], abs=1e-3
    )  # it may keep vectors as float16


def test_at_most_k_and_never_an_error_for_more_than_there_are(engine: Engine) -> None:
    put(engine, "doc", *["alpha beta"] * 4)
    engine.commit(Stamp(1))
    for k, expected in ((0, 0), (2, 2), (4, 4), (1000, 4)):
        assert len(engine.snapshot().dense(unit(1)[0], k)) == len(sparse_ids(engine, "alpha", k=k)) == expected


def test_ties_are_broken_by_id(engine: Engine) -> None:
    same = np.repeat(unit(1), 3, axis=0)
    ids = put(engine, "b", "alpha", "alpha", "alpha", vectors=same) + put(engine, "a", "alpha", vectors=same[:1])
    engine.commit(Stamp(1))
    assert [hit.passage_id for hit in engine.snapshot().dense(same[0], 9)] == sorted(ids) == sparse_ids(engine, "alpha")
    for k in (1, 2, 3):
        assert (
            [hit.passage_id for hit in engine.snapshot().dense(same[0], k)]
            == sorted(ids)[:k]
            == sparse_ids(engine, "alpha", k=k)
        )


def test_sparse_gives_real_matches_only(engine: Engine) -> None:
    ids = put(engine, "doc", "alpha", "beta")
    engine.commit(Stamp(1))
    assert sparse_ids(engine, "beta") == [ids[1]]
    assert sparse_ids(engine, "delta") == []


def test_where_narrows_before_ranking(engine: Engine) -> None:
    for number in range(50):
        put(engine, f"d{number:02}", "alpha beta")
    engine.commit(Stamp(1))
    where = {"d31", "d47"}
    assert {hit.passage_id.split(":")[0] for hit in engine.snapshot().dense(unit(1)[0], 2, where)} == where
    assert {one.split(":")[0] for one in sparse_ids(engine, "alpha", k=2, where=where)} == where
    assert engine.snapshot().dense(unit(1)[0], 5, set()) == []
    assert sparse_ids(engine, "alpha", where=set()) == sparse_ids(engine, "alpha", where={"unknown"}) == []


def test_writes_are_seen_after_commit_and_not_before(engine: Engine) -> None:
    put(engine, "doc", "alpha")
    assert sparse_ids(engine, "alpha") == []
    engine.commit(Stamp(3))
    assert engine.stamp == Stamp(3)
    assert len(sparse_ids(engine, "alpha")) == len(engine.snapshot().dense(unit(1)[0], 5)) == 1


def test_a_snapshot_taken_before_keeps_its_answers(engine: Engine) -> None:
    vectors, question = unit(3), unit(1)[0]
    for number, name in enumerate(("a", "b", "c")):
        put(engine, name, "alpha beta", vectors=vectors[number : number + 1])
    engine.commit(Stamp(1))
    before = engine.snapshot()
    weights = before.weights(["alpha", "gamma"])
    answers = before.dense(question, 9), before.sparse(weights, 9), before.dense(question, 9, {"a", "b"})
    put(engine, "a", "alpha gamma", "alpha")
    engine.replace("b", [], None)
    put(engine, "d", "gamma")
    engine.commit(Stamp(2))
    assert before.stamp == Stamp(1)
    assert before.weights(["alpha", "gamma"]) == weights
    assert (before.dense(question, 9), before.sparse(weights, 9), before.dense(question, 9, {"a", "b"})) == answers
    engine.clear()
    engine.commit(Stamp(3))
    assert (before.dense(question, 9), before.sparse(weights, 9)) == answers[:2]
    assert engine.snapshot().dense(question, 9) == engine.snapshot().sparse(weights, 9) == []


def test_what_is_staged_in_a_turn_is_seen_when_it_is_committed(engine: Engine) -> None:
    with engine.turn():
        put(engine, "a", "alpha")
        with engine.turn():
            put(engine, "a", "beta")
            engine.discard()
            put(engine, "b", "alpha")
            put(engine, "b", "alpha gamma", "alpha")
        assert sparse_ids(engine, "alpha") == []
        engine.commit(Stamp(1))
    assert sparse_ids(engine, "alpha", "gamma") == ["b:0-11", "b:12-17"]
    assert sparse_ids(engine, "beta") == []


def test_looking_after_it_changes_no_answer(engine: Engine) -> None:
    for generation in range(1, 4):
        put(engine, "a", "alpha", "beta")
        put(engine, f"b{generation}", "alpha")
        engine.replace(f"b{generation - 1}", [], None)
        engine.commit(Stamp(generation))
    before = sparse_ids(engine, "alpha"), engine.snapshot().weights(["alpha"])
    engine.maintain(everything=True)
    engine.look()
    assert (sparse_ids(engine, "alpha"), engine.snapshot().weights(["alpha"])) == before
    assert (engine.degraded, engine.repaired, engine.stale) == (None, None, False)


def test_replace_is_idempotent_and_no_passages_means_removed(engine: Engine) -> None:
    for _ in range(2):
        put(engine, "doc", "alpha", "beta")
        engine.commit(Stamp(1))
    assert len(engine.snapshot().dense(unit(1)[0], 9)) == 2
    put(engine, "doc", "gamma")
    engine.commit(Stamp(2))
    assert (len(engine.snapshot().dense(unit(1)[0], 9)), sparse_ids(engine, "alpha")) == (1, [])
    engine.replace("doc", [], None)
    engine.commit(Stamp(3))
    assert engine.snapshot().dense(unit(1)[0], 9) == []
    assert sparse_ids(engine, "gamma") == []


def test_passages_that_are_not_embedded_are_found_by_their_words(engine: Engine) -> None:
    engine.replace("doc", passages("doc", "alpha"), None)
    engine.commit(Stamp(1))
    assert len(sparse_ids(engine, "alpha")) == 1
    assert engine.snapshot().dense(unit(1)[0], 5) == []


def test_weights_count_repeated_terms_and_know_unseen_ones(engine: Engine) -> None:
    put(engine, "doc", "alpha", "beta")
    engine.commit(Stamp(1))
    snapshot = engine.snapshot()
    weights = snapshot.weights(["alpha", "alpha", "unseen"])
    assert weights["alpha"] == pytest.approx(2 * weights["unseen"])
    assert weights["alpha"] == pytest.approx(2 * snapshot.weights(["beta"])["beta"])


def test_what_goes_wrong_inside_is_an_engine_error(engine: Engine) -> None:
    put(engine, "doc", "alpha")
    engine.commit(Stamp(1))
    with pytest.raises(EngineError):
        engine.snapshot().dense(unit(1, dim=3)[0], 5)
    with pytest.raises(EngineError):
        engine.replace("doc", passages("doc", "one", "two"), unit(1))


def test_readers_never_see_half_a_document(engine: Engine) -> None:
    stop, broken = threading.Event(), list[list[str]]()

    def read() -> None:
        while not stop.is_set():
            found = sparse_ids(engine, "alpha", k=100)
            if len({one.split(":")[0] for one in found}) > 1 or len(found) not in (0, 20):
                broken.append(found)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for generation in range(1, 40):
        put(engine, f"d{generation}", *["alpha beta"] * 20)
        engine.replace(f"d{generation - 1}", [], None)
        engine.commit(Stamp(generation))
    stop.set()
    for thread in threads:
        thread.join()
    assert not broken


def test_equal_scores_are_in_the_order_of_documents_however_many_and_however_they_came(engine: Engine) -> None:
    """FAISS cuts equal scores as it likes, and ":" stands in ids of ours."""
    same, better = unit(1)[0], unit(1)[0]
    names = [f"a{':1' * (number % 2)}{number // 2:03}" for number in range(200)]
    for generation, name in enumerate(reversed(names), 1):
        put(engine, name, "alpha", vectors=np.stack([same]))
        if generation % 50 == 0:
            engine.commit(Stamp(generation))
    for number in range(5):
        put(engine, f"z{number}", "beta beta", vectors=np.stack([better]))
    engine.commit(Stamp(500))
    for k in (1, 7, 60, 205):
        dense = engine.snapshot().dense(same, k)
        equal = [hit.passage_id.rpartition(":")[0] for hit in dense if hit.score == dense[0].score]
        assert equal == sorted(names)[:k]
        assert [one.rpartition(":")[0] for one in sparse_ids(engine, "alpha", k=k)] == sorted(names)[:k]
