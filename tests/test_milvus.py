"""The engine on servers of Milvus that are killed, come back, forget, and are written to by several processes."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
import pytest

from index import milvus as milvus_engine
from index import milvus_search
from index.build import catch_up
from index.catalogue import Catalogue
from index.errors import EngineError
from index.milvus import MilvusEngine
from index.milvus_client import Milvus, VectorIndex
from index.milvus_search import MilvusSnapshot
from index.types import Document, PassageVectors, Stamp, Vectors
from tests.conftest import ROOT
from tests.milvus import LiteServer, MilvusServer, ledger_of
from tests.test_engine import passages, put, sparse_ids, unit
from tests.waiting import until

pytestmark = pytest.mark.cluster

DIM = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """Milvus 2.3.5, which has no sparse vectors."""
    made = MilvusServer(tmp_path_factory.mktemp("milvus"))
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiteServer]:
    made = LiteServer(tmp_path_factory.mktemp("lite"))
    made.start()
    yield made
    made.kill()


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue(tmp_path / "data", {})
    yield made
    made.close()


class Engines:
    """Engines over one ledger, as several processes have them, closed at the end."""

    def __init__(self, catalogue: Catalogue, name: str) -> None:
        self._catalogue, self._name = catalogue, name
        self.made = list[MilvusEngine]()

    def __call__(self, server: MilvusServer, **given: Any) -> MilvusEngine:
        if type(server) is MilvusServer:
            given = {"legs": "dense"} | given
        self.made.append(MilvusEngine(server.uri, self._name, ledger_of(self._catalogue), **given))
        return self.made[-1]


@pytest.fixture
def engines(catalogue: Catalogue, request: pytest.FixtureRequest) -> Iterator[Engines]:
    made = Engines(catalogue, request.node.name.split("[")[0][:80])
    yield made
    for engine in made.made:
        engine.close()


def dense_ids(engine: MilvusEngine, where: set[str] | None = None, k: int = 1000) -> set[str]:
    return {hit.passage_id.rpartition(":")[0] for hit in engine.snapshot().dense(unit(1)[0], k, where)}


def add(engine: MilvusEngine, document_id: str, generation: int, text: str = "alpha beta") -> None:
    with engine.turn():
        put(engine, document_id, text)
        engine.commit(Stamp(generation))


# Several processes

WRITER = """
import sys
from pathlib import Path
from index.catalogue import Catalogue
from index.milvus import MilvusEngine
from tests.milvus import ledger_of
from tests.test_milvus import add
uri, folder, name = sys.argv[1:]
engine = MilvusEngine(uri, name, ledger_of(Catalogue(Path(folder), {})), legs="dense")
print("ready", flush=True)
for line in sys.stdin:
    add(engine, line.strip(), engine.stamp.generation + 1)
    print("done", flush=True)
"""


def test_what_another_process_has_just_committed_is_found(
    server: MilvusServer, engines: Engines, catalogue: Catalogue
) -> None:
    """A read with bounded staleness does not see it for seconds; one as of the write's own time does."""
    reader = engines(server)
    add(reader, "first", 1)
    name = "test_what_another_process_has_just_committed_is_found"
    command = [sys.executable, "-c", WRITER, server.uri, str(catalogue.folder), name]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        for number in range(10):
            print(f"d{number}", file=writer.stdin, flush=True)
            assert writer.stdout.readline() == "done\n"
            reader.look()
            assert dense_ids(reader) == {"first", *(f"d{one}" for one in range(number + 1))}
        writer.stdin.close()
    assert reader.stamp == Stamp(11)


def test_engines_over_one_ledger_see_each_other_s_writes_and_take_turns(lite: LiteServer, engines: Engines) -> None:
    one, other = engines(lite), engines(lite)
    entered, order = threading.Event(), list[str]()

    def second() -> None:
        entered.set()
        with other.turn():
            order.append("second")
            assert sparse_ids(other, "alpha") == ["a:0-5"]
            put(other, "b", "alpha")
            other.commit(Stamp(2))

    with one.turn():
        thread = threading.Thread(target=second)
        thread.start()
        entered.wait()
        put(one, "a", "alpha")
        time.sleep(0.2)
        order.append("first")
        one.commit(Stamp(1))
    thread.join()
    one.look()
    assert order == ["first", "second"]
    assert (one.stamp, sparse_ids(one, "alpha")) == (Stamp(2), ["a:0-5", "b:0-5"])
    assert one.snapshot().weights(["alpha"]) == other.snapshot().weights(["alpha"])


def test_what_another_process_put_there_again_is_adopted_though_the_stamp_is_the_same(
    lite: LiteServer, engines: Engines
) -> None:
    one, other = engines(lite, grace=0.0), engines(lite, grace=0.0)
    add(one, "a", 1)
    other.look()
    assert dense_ids(other) == {"a"}
    with one.turn():
        one.clear()
        put(one, "a", "alpha")
        one.commit(Stamp(1))
    one.maintain()
    with pytest.raises(EngineError):
        dense_ids(other)
    other.take_over()
    assert (dense_ids(other), other.stale, other.degraded) == ({"a"}, False, None)


def test_one_that_waits_for_its_turn_is_closed_at_once(lite: LiteServer, engines: Engines) -> None:
    one, other, raised = engines(lite), engines(lite), list[str]()

    def commit() -> None:
        put(other, "a", "alpha")
        try:
            other.commit(Stamp(1))
        except EngineError as error:
            raised.append(error.message)

    thread = threading.Thread(target=commit)
    with one.turn():
        thread.start()
        until(lambda: bool(other._staged))
        before = time.monotonic()
        other.close()
        assert time.monotonic() - before < 20
    thread.join()
    assert raised == ["the search index was closed"]
    one.look()
    assert one.stamp == Stamp()


def test_what_was_superseded_goes_after_a_while_and_only_then(lite: LiteServer, engines: Engines) -> None:
    engine = engines(lite, grace=0.5)
    add(engine, "a", 1)
    before = engine.snapshot()
    add(engine, "a", 2, "gamma")
    engine.maintain()
    assert len(before.sparse(before.weights(["alpha"]), 5)) == 1
    time.sleep(0.6)
    engine.take_over()
    assert before.sparse(before.weights(["alpha"]), 5) == []
    assert (engine.snapshot().gone, sparse_ids(engine, "gamma")) == ({}, ["a:0-5"])


def test_the_ledger_is_kept_by_postgresql_as_well(lite: LiteServer, database_url: str, tmp_path: Path) -> None:
    catalogues = [Catalogue(tmp_path / str(number), {}, url=database_url) for number in range(2)]
    one, other = (MilvusEngine(lite.uri, "ledger", ledger_of(catalogue), grace=0.0) for catalogue in catalogues)
    for generation in range(1, 4):
        for name in ("a", "b"):
            put(one, name, f"alpha word{generation}", "beta")
        one.replace("b" if generation == 2 else "unknown", [], None)
        one.commit(Stamp(generation, "é"))
    other.look()
    assert (other.stamp, sparse_ids(other, "alpha")) == (Stamp(3, "é"), ["a:0-11", "b:0-11"])
    other.maintain(everything=True)
    assert (other.degraded, sparse_ids(other, "word2"), len(sparse_ids(other, "word3"))) == (None, [], 2)
    weights = [engine.snapshot().weights(["alpha", "word1", "word3", "beta"]) for engine in (one, other)]
    assert weights[0] == weights[1]
    for engine, catalogue in zip((one, other), catalogues, strict=True):
        engine.close()
        catalogue.close()


# What ends in the middle


@pytest.mark.parametrize("anew", [False, True])
def test_a_writer_that_dies_before_it_publishes_leaves_nothing(
    lite: LiteServer, engines: Engines, monkeypatch: pytest.MonkeyPatch, anew: bool
) -> None:
    monkeypatch.setattr(milvus_engine, "FLUSHED", 2)
    dying = engines(lite)
    add(dying, "a", 1)
    with dying.turn():
        if anew:
            dying.clear()
        for name in ("a", "b", "c"):
            put(dying, name, "alpha gamma")
    next_one = engines(lite)
    assert (next_one.stamp, sparse_ids(next_one, "gamma"), len(sparse_ids(next_one, "alpha"))) == (Stamp(1), [], 1)
    add(next_one, "b", 2, "delta")
    assert (sparse_ids(next_one, "gamma"), len(sparse_ids(next_one, "delta"))) == ([], 1)
    assert (next_one.maintain(), next_one.degraded) == (True, None)
    put(dying, "d", "alpha")
    with pytest.raises(EngineError, match="took over"):
        dying.commit(Stamp(9))


def test_every_acknowledged_commit_is_read_back_after_the_server_was_killed(
    server: MilvusServer, engines: Engines
) -> None:
    engine, acknowledged = engines(server, timeout=5), list[str]()
    add(engine, "first", 1)

    def write() -> None:
        for number in range(1000):
            try:
                add(engine, f"d{number}", number + 2)
            except EngineError:
                return
            acknowledged.append(f"d{number}")

    thread = threading.Thread(target=write)
    thread.start()
    until(lambda: len(acknowledged) >= 5)
    server.kill()
    thread.join()
    with pytest.raises(EngineError, match="cannot be reached"):
        dense_ids(engine)
    assert "cannot be reached" in str(engine.degraded)
    server.start()
    until_it_answers(engine)
    told, found = engine.degraded, dense_ids(engine)
    assert told is not None or found == {"first", *acknowledged}
    until(lambda: bool(dense_ids(engine)) and engine.degraded is None)
    assert dense_ids(engine) == {"first", *acknowledged}
    add(engine, "after", 2000)
    assert dense_ids(engine) == {"first", *acknowledged, "after"}


class LostReply(grpc.RpcError):  # type: ignore[misc]
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "connection reset"


@pytest.mark.parametrize("kind", ["server", "lite"])
def test_rows_are_there_once_though_the_reply_to_their_insert_was_lost(
    kind: str, request: pytest.FixtureRequest, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, sent = engines(request.getfixturevalue(kind)), list[int]()
    add(engine, "a", 1)
    stub = engine._milvus._client._get_connection()._stub  # type: ignore[union-attr]
    insert = stub.Insert

    def lost(*given: Any, **named: Any) -> None:
        sent.append(insert(*given, **named).insert_cnt)
        raise LostReply

    monkeypatch.setattr(stub, "Insert", lost)
    add(engine, "b", 2)
    assert sent == [1]  # after which pymilvus has another connection
    assert [hit.passage_id for hit in engine.snapshot().dense(unit(1)[0], 9)].count("b:0-10") == 1
    assert engine._differing(engine._state) == ""


def test_milvus_lite_goes_on_after_it_was_started_again(lite: LiteServer, engines: Engines) -> None:
    """It has its collections on the disk then, and in memory only when it is told to."""
    engine = engines(lite)
    add(engine, "a", 1)
    lite.kill()
    lite.start()
    until_it_answers(engine)
    assert (dense_ids(engine), len(sparse_ids(engine, "alpha"))) == ({"a"}, 1)


def until_it_answers(engine: MilvusEngine) -> None:
    def answers() -> bool:
        try:
            return bool(dense_ids(engine))
        except EngineError:
            return False

    until(answers)


# What is missing


def document(name: str, text: str) -> Document:
    return Document(id=name, title="", source=name, text=text, sha256=name, media_type="text/plain")


def store(catalogue: Catalogue, name: str, text: str) -> None:
    vectors = [PassageVectors(unit(1)[0], unit(1))]
    catalogue.put(document(name, text), passages(name, text), vectors)


def test_rows_that_are_missing_are_told_and_then_put_there_again(
    lite: LiteServer, engines: Engines, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines(lite, grace=0.0)
    for name in ("a", "b"):
        store(catalogue, name, "alpha")
        catch_up(catalogue, engine)
    collection = engine._collections(engine._state)["words"]
    engine._milvus.delete(collection, "batch == 1")
    engine._was_away(EngineError("it was away"))
    engine.take_over()
    assert "has 1 of 2 rows for words" in str(engine.degraded)
    assert (engine.stale, sparse_ids(engine, "alpha")) == (False, ["b:0-5"])
    monkeypatch.setattr(milvus_engine, "LOST", 0.0)
    until(lambda: engine.take_over() and engine.stale)
    catch_up(catalogue, engine)
    engine.maintain()
    assert (engine.stale, engine.degraded, sparse_ids(engine, "alpha")) == (False, None, ["a:0-5", "b:0-5"])
    assert "1 of 2" in str(engine.repaired)
    assert not engine._milvus._client.has_collection(collection)  # type: ignore[union-attr]


def test_an_index_whose_collections_are_gone_is_made_again(
    lite: LiteServer, engines: Engines, catalogue: Catalogue
) -> None:
    engine = engines(lite)
    store(catalogue, "a", "alpha")
    catch_up(catalogue, engine)
    for collection in engine._collections(engine._state).values():
        engine._milvus.drop(collection)
    with pytest.raises(EngineError, match="could not search"):
        sparse_ids(engine, "alpha")
    engine.take_over()
    catch_up(catalogue, engine)
    engine.take_over()
    assert (sparse_ids(engine, "alpha"), engine.degraded) == (["a:0-5"], None)


def test_when_passages_become_longer_all_are_weighed_again(
    lite: LiteServer, engines: Engines, catalogue: Catalogue
) -> None:
    engine = engines(lite)
    store(catalogue, "a", "alpha beta")
    catch_up(catalogue, engine)
    assert (engine.average, engine.stale) == (2, False)
    store(catalogue, "b", "alpha beta gamma delta")
    catch_up(catalogue, engine)
    assert (engine.average, engine.stale) == (2, True)
    catch_up(catalogue, engine)
    assert (engine.average, engine.stale, len(sparse_ids(engine, "alpha"))) == (3, False, 2)


def test_a_filter_of_more_documents_than_it_names_leaves_the_same(
    lite: LiteServer, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines(lite)
    with engine.turn():
        for number in range(300):
            put(engine, f"d{number}", "alpha " * (1 + number % 7) + "beta")
        engine.commit(Stamp(1))
    question, weights = unit(1)[0], engine.snapshot().weights(["alpha"])
    for where in ({f"d{number}" for number in range(100)}, {"d7", "d8"}, {"d299", "unknown"}):
        named = [engine.snapshot().dense(question, 5, where), engine.snapshot().sparse(weights, 5, where)]
        with monkeypatch.context() as patch:
            patch.setattr(milvus_search, "_MANY", 0)
            found = [engine.snapshot().dense(question, 5, where), engine.snapshot().sparse(weights, 5, where)]
        for these, those in zip(found, named, strict=True):  # sums in another order may round to the next digit
            assert [hit.passage_id for hit in these] == [hit.passage_id for hit in those]
            assert [hit.score for hit in these] == pytest.approx([hit.score for hit in those], abs=2e-4)
        assert len(named[0]) == min(5, len(where - {"unknown"}))


def test_many_superseded_documents_are_left_out_though_no_filter_names_them(
    lite: LiteServer, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_search, "_MANY", 3)
    engine = engines(lite)
    for generation, text in enumerate(("alpha beta", "alpha gamma"), 1):
        with engine.turn():
            for number in range(40):
                put(engine, f"d{number:02}", text)
            engine.commit(Stamp(generation))
    engine.replace("d00", [], None)
    engine.commit(Stamp(3))
    assert "document" not in engine.snapshot().in_force
    assert dense_ids(engine) == {f"d{number:02}" for number in range(1, 40)}
    assert [one.partition(":")[0] for one in sparse_ids(engine, "alpha", k=3)] == ["d01", "d02", "d03"]
    assert sparse_ids(engine, "beta") == []


def test_a_ledger_put_back_to_an_earlier_state_is_noticed_before_anything_is_written(
    lite: LiteServer, engines: Engines, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_engine, "LOST", -1.0)
    engine = engines(lite)
    store(catalogue, "a", "alpha")
    catch_up(catalogue, engine)
    with sqlite3.connect(catalogue.path) as original, sqlite3.connect(tmp_path / "backup") as backup:
        original.backup(backup)
    store(catalogue, "b", "alpha")
    catch_up(catalogue, engine)
    with sqlite3.connect(tmp_path / "backup") as backup, sqlite3.connect(catalogue.path) as original:
        backup.backup(original)
    store(catalogue, "c", "alpha")
    catch_up(catalogue, engine)
    assert sparse_ids(engine, "alpha") == ["a:0-5", "c:0-5"]
    assert "that nobody wrote" in str(engine.repaired)


# What is refused, and how it is told


def test_names_and_filters_are_never_read_as_expressions(server: MilvusServer, engines: Engines) -> None:
    hostile = [
        '"',
        "'",
        "\\",
        '" or 1 == 1 or id == "',
        "a] or batch > 0 or document in [1",
        "línea\n☃ 🐦",
        "%",
        "a:b:1-2",
    ]
    engine = engines(server)
    with engine.turn():
        for name in hostile:
            put(engine, name, "alpha")
        engine.commit(Stamp(1))
    assert dense_ids(engine) == set(hostile)
    for name in hostile:
        assert dense_ids(engine, {name}) == {name}
        assert dense_ids(engine, {name + '" or "" == "'}) == set()
    engine.replace(hostile[3], [], None)
    engine.commit(Stamp(2))
    assert dense_ids(engine) == {*hostile} - {hostile[3]}


def test_an_id_that_milvus_cannot_hold_is_refused(lite: LiteServer, engines: Engines) -> None:
    engine = engines(lite)
    with pytest.raises(EngineError, match="65,535 bytes"):
        put(engine, "ä" * 32_768, "alpha")


def test_a_server_that_is_not_there_is_told_without_its_password(catalogue: Catalogue) -> None:
    engine = MilvusEngine("http://ann:s3cret@127.0.0.1:9", "away", ledger_of(catalogue), timeout=1)
    put(engine, "a", "alpha")
    with pytest.raises(EngineError, match=r"Milvus at 127\.0\.0\.1:9 cannot be reached") as raised:
        engine.commit(Stamp(1))
    told = f"{raised.value} {raised.value.hint} {engine.degraded}"
    assert "QA_ENGINE_URI" in told
    assert "s3cret" not in told
    assert "ann" not in told.replace("cannot", "").replace("channel", "")
    engine.close()


def test_many_who_ask_a_server_that_says_nothing_wait_no_longer_than_one() -> None:
    raised = list[str]()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        milvus = Milvus(f"http://127.0.0.1:{silent.getsockname()[1]}", 2.0, VectorIndex())

        def ask() -> None:
            try:
                milvus.count("c", "batch > 0")
            except EngineError as error:
                raised.append(error.message)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        before = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - before < 10  # not 12, one after another
        before = time.monotonic()
        ask()
        assert time.monotonic() - before < 1.9
    assert ["cannot be reached" in one for one in raised] == [True] * 7


def test_without_pymilvus_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['pymilvus'] = None; import index.milvus"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "EngineError: Milvus cannot be used" in done.stderr
    assert "index.errors" in done.stderr


# Approximate search


def test_hnsw_finds_97_of_100_with_and_without_filters(server: MilvusServer, engines: Engines) -> None:
    vectors, snapshots = clustered(20_000), list[MilvusSnapshot]()
    for kind, index in (("flat", VectorIndex()), ("hnsw", VectorIndex.hnsw())):
        engine = engines(server, index=index)
        with engine.turn():
            engine.clear()
            for number in range(0, len(vectors), 100):
                made = passages(f"d{number}", *["alpha"] * 100)
                engine.replace(f"d{number}", made, vectors[number : number + 100])
            engine.commit(Stamp(1, kind))
        engine.maintain()
        snapshots.append(engine.snapshot())
    until(lambda: indexed(engine) == len(vectors))
    exact, fast = snapshots
    tenth = {f"d{number}" for number in range(0, len(vectors), 1000)}
    for where in (None, tenth, {"d0", "d5000"}):
        recalls = []
        for question in clustered(50, seed=1):
            wanted = {hit.passage_id for hit in exact.dense(question, 100, where)}
            found = {hit.passage_id for hit in fast.dense(question, 100, where)}
            recalls.append(len(wanted & found) / 100)
        assert np.mean(recalls) >= 0.97


def indexed(engine: MilvusEngine) -> int:
    """Rows that are in the index; the others are compared one by one."""
    client, collection = engine._milvus._client, engine._collections(engine._state)["vectors"]
    assert client is not None
    rows: int = client.describe_index(collection, "vectors")["indexed_rows"]
    return rows


def clustered(count: int, seed: int = 0, dim: int = 64) -> Vectors:
    """Unit vectors (count, dim) around 200 centres, the same for every seed."""
    centres = np.random.default_rng(9).standard_normal((200, dim))
    chosen = np.random.default_rng(seed)
    rows = centres[chosen.integers(0, 200, count)] + 0.7 * chosen.standard_normal((count, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
