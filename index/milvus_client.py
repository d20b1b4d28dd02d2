"""A Milvus server, spoken to through pymilvus, which is imported here alone: what `index.milvus` needs of it.

A collection has one vector field, as servers before 2.4 can have no more, and each leg is a collection. Every call ends
within its time, and whatever goes wrong in it is an EngineError that names the server, without user or password.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

from index.errors import EngineError

try:
    from pymilvus import DataType, MilvusClient
except ImportError as missing:
    raise EngineError(
        f"Milvus cannot be used: {missing}", "Install what it needs: pip install 'chapter-verse[cluster]'"
    ) from missing

_Result = TypeVar("_Result")

MOST = 16_384
"""Rows that a search gives at most."""
ID_BYTES = 65_535
"""Bytes that a row's id has at most: those of a VARCHAR."""
LONGER = 6
"""How many times as long as a question writing may take."""
_MESSAGE_BYTES = 16 << 20
"""Of rows in one message; servers take 64 MiB."""
_NOT_FOUND, _NOT_LOADED = 100, 101
"""Codes of errors: no such collection; one that is not in memory, as after Milvus Lite was started again."""
_COUNT = "count(*)"
CHANNEL = {
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 1_000,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.keepalive_time_ms": 60_000,
}
"""Of gRPC, which by itself tries a server that was away only every two minutes in the end, for all channels of a
process, and asks whether one is there more often than some allow."""
_REFUSED = 1.0
"""Seconds for which a connection that failed is not tried again."""

for _name in ("pymilvus", "grpc._server"):  # they log, with a traceback, each error that is raised here anyway
    logging.getLogger(_name).setLevel(logging.CRITICAL)

Row = dict[str, Any]
Leg = Literal["words", "vectors"]
Found = tuple[str, float, Mapping[int, float]]
"""A row's id, its score, and the weights of its terms where they were asked for."""


class Absent(EngineError):
    """There is no such collection."""


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """How vectors are indexed and searched: `FLAT` compares all, as the embedded engine does; `HNSW` is faster with
    many, and misses some. `ef`: candidates that HNSW keeps while it searches, and more where more are asked for."""

    kind: Literal["FLAT", "HNSW"] = "FLAT"
    making: Mapping[str, int] = field(default_factory=dict)
    ef: int = 0

    @classmethod
    def hnsw(cls, links: int = 16, ef_construction: int = 200, ef: int = 800) -> VectorIndex:
        """Malkov and Yashunin 2018; `links` of each node. With a filter that leaves a tenth, of the best 100 an `ef` of
        400 misses 3, and 800 one."""
        return cls("HNSW", {"M": links, "efConstruction": ef_construction}, ef)

    def searching(self, limit: int) -> dict[str, int]:
        return {"ef": max(self.ef, limit)} if self.kind == "HNSW" else {}


class Milvus:
    """A connection, made at the first call. Safe to use from several threads. `failed` hears of every error."""

    def __init__(
        self, uri: str, timeout: float, index: VectorIndex, failed: Callable[[EngineError], None] = lambda _: None
    ) -> None:
        parts = urlsplit(uri)
        self.name = f"{parts.hostname}:{parts.port or 19530}" if parts.hostname else uri
        self._uri = uri
        self._secrets = [word for one in (parts.password, parts.username) if one for word in {one, unquote(one)}]
        self._timeout = timeout
        self._index = index
        self._failed = failed
        self._connecting = threading.Lock()
        self._client: MilvusClient | None = None
        self._refused, self._refused_until = Exception(), 0.0
        self._closed = False

    def create(self, collection: str, leg: Leg, dim: int | None) -> None:
        """Make a collection anew, empty, and load it; `dim` of its vectors."""
        self.drop(collection)

        def make(client: MilvusClient) -> None:
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=ID_BYTES)
            schema.add_field("document", DataType.INT64)
            schema.add_field("batch", DataType.INT64)
            index = client.prepare_index_params()
            if leg == "words":
                schema.add_field(leg, DataType.SPARSE_FLOAT_VECTOR)
                index.add_index(leg, index_type="SPARSE_INVERTED_INDEX", metric_type="IP", params={"params": {}})
            else:
                schema.add_field(leg, DataType.FLOAT_VECTOR, dim=dim)
                making = {"params": dict(self._index.making)}  # nested, or Milvus Lite drops them and tells nobody
                index.add_index(leg, index_type=self._index.kind, metric_type="IP", params=making)
            client.create_collection(collection, schema=schema, index_params=index, timeout=self._timeout * LONGER)

        self._call("make a collection", make)

    def drop(self, collection: str) -> None:
        """Nothing is done where there is none of that name."""

        def drop(client: MilvusClient) -> None:
            if client.has_collection(collection, timeout=self._timeout):
                client.drop_collection(collection, timeout=self._timeout * LONGER)

        self._call("drop a collection", drop)

    def insert(self, collection: str, rows: Sequence[Row]) -> int:
        """Returns the server's own time of it, 0 where it has none: whoever reads as of then sees the rows.

        Where the reply was lost the rows may be there: it is tried again by an upsert, which leaves each once. To do so
        at first would have servers keep a deletion for every row.
        """

        def insert(client: MilvusClient) -> int:
            seconds = self._timeout * LONGER
            try:
                # The client's own `insert` keeps the time to itself. And were the timeout given by its name, pymilvus
                # would insert again and again for as long.
                done = client._get_connection().insert_rows(collection, list(rows), None, None, seconds, retry_times=0)
            except Exception as error:
                if "DEADLINE_EXCEEDED" in str(error):
                    raise
                done = client._get_connection().upsert_rows(collection, list(rows), timeout=seconds)
            return int(done.timestamp)

        return self._call("store passages", insert, collection)

    def delete(self, collection: str, where: str) -> None:
        self._call(
            "delete passages",
            lambda client: client.delete(collection, filter=where, timeout=self._timeout * LONGER),
            collection,
        )

    def count(self, collection: str, where: str) -> int:
        """Rows that are there now, whoever has written them. Raises Absent without such a collection."""
        found: int = self._call(
            "count passages",
            lambda client: client.query(
                collection,
                filter=where,
                output_fields=[_COUNT],
                consistency_level="Strong",
                timeout=self._timeout,
            )[0][_COUNT],
            collection,
        )
        return found

    def search(
        self,
        collection: str,
        leg: Leg,
        query: Any,
        limit: int,
        where: str,
        written: int | None,
        with_vectors: bool = False,
    ) -> list[Found]:
        """The best rows, at most `MOST`.

        With `written`, the answer is of what was written up to that time of the server's, however many copies it keeps,
        and waits for it if need be; else of what had been written some seconds ago.
        """
        fresh: Row = {"consistency_level": "Bounded"}
        if written is not None:
            fresh = {"consistency_level": "Customized", "guarantee_timestamp": written}
        params = {"metric_type": "IP", "params": self._index.searching(limit) if leg == "vectors" else {}}
        found = self._call(
            "search",
            lambda client: client.search(
                collection,
                data=[query],
                anns_field=leg,
                limit=limit,
                filter=where,
                search_params=params,
                output_fields=[leg] if with_vectors else [],
                timeout=self._timeout,
                **fresh,
            )[0],
            collection,
        )
        return [(one["id"], float(one["distance"]), one["entity"].get(leg) or {}) for one in found]

    def flush(self, collection: str) -> None:
        """Let what was written become segments, which are searched faster."""
        self._call("flush", lambda client: client.flush(collection, timeout=self._timeout * LONGER), collection)

    def compact(self, collection: str) -> None:
        """Write segments anew without what was deleted, and wait until that is done."""

        def compact(client: MilvusClient) -> None:
            job = client.compact(collection, timeout=self._timeout)
            end = time.monotonic() + self._timeout * LONGER
            while job and client.get_compaction_state(job, timeout=self._timeout) != "Completed":
                if time.monotonic() > end:
                    raise TimeoutError("the compaction goes on")
                time.sleep(0.2)

        self._call("compact", compact, collection)

    def close(self) -> None:
        """For good; calls that are under way fail."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _call(self, doing: str, work: Callable[[MilvusClient], _Result], collection: str = "") -> _Result:
        if self._closed:
            raise EngineError(f"the connection to Milvus at {self.name} was closed", "Start again.")
        try:
            client = self._client or self._connected()
            try:
                return work(client)
            except Exception as error:
                if getattr(error, "code", None) != _NOT_LOADED or not collection:
                    raise
                client.load_collection(collection, timeout=self._timeout * LONGER)
                return work(client)
        except Exception as error:
            raised = self._translated(doing, error)
            self._failed(raised)
            raise raised from error

    def _connected(self) -> MilvusClient:
        """One thread tries, for all that wait: none waits longer than the timeout, nor for the others' attempts."""
        if not self._connecting.acquire(timeout=self._timeout):
            raise TimeoutError(f"DEADLINE_EXCEEDED: no connection within {self._timeout:g} s")
        try:
            if self._client is not None:
                return self._client
            if time.monotonic() < self._refused_until:
                raise self._refused.with_traceback(None)
            try:
                client = MilvusClient(self._uri, timeout=self._timeout, dedicated=True, grpc_options=CHANNEL)
            except Exception as error:
                self._refused, self._refused_until = error, time.monotonic() + _REFUSED
                raise
            self._client = client
            return client
        finally:
            self._connecting.release()

    def _translated(self, doing: str, error: Exception) -> EngineError:
        said = str(getattr(error, "message", "") or error)
        for secret in self._secrets:
            said = said.replace(secret, "***")
        if getattr(error, "code", None) == _NOT_FOUND:
            return Absent(
                f"Milvus at {self.name} could not {doing}: {said}", "It is filled again from the catalogue by itself."
            )
        if self._is_away(error, said):
            return EngineError(
                f"Milvus at {self.name} cannot be reached: {said}", "Start it, or set QA_ENGINE_URI; then ask again."
            )
        return EngineError(f"Milvus at {self.name} could not {doing}: {said}", "Ask again; see its log.")

    def _is_away(self, error: Exception, said: str) -> bool:
        status = getattr(error, "code", None)
        if callable(status):  # an error of gRPC's
            return getattr(status(), "name", "") in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
        return type(error).__name__ == "MilvusUnavailableException" or any(
            sign in said for sign in ("Fail connecting", "UNAVAILABLE", "DEADLINE_EXCEEDED", "Retry timeout")
        )


def in_messages(rows: Sequence[Row], leg: Leg) -> Iterator[Sequence[Row]]:
    """Rows in lists small enough for one message each."""
    first = size = 0
    for number, row in enumerate(rows):
        vector = row[leg]
        size += len(row["id"].encode(errors="replace")) + (8 * len(vector) if leg == "words" else 4 * len(vector)) + 32
        if size >= _MESSAGE_BYTES:
            yield rows[first : number + 1]
            first, size = number + 1, 0
    if first < len(rows):
        yield rows[first:]


def one_of(name: str, numbers: Sequence[int]) -> str:
    """An expression: that field has one of these values. Filters are made of numbers, never of anyone's words."""
    return f"{name} in {json.dumps([int(one) for one in numbers], separators=(',', ':'))}"
