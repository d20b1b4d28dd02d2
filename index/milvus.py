"""The engine of several processes: both legs in Milvus, what is in force in the catalogue's database (`index.ledger`).

Milvus finds candidates, by the inner product with vectors of the passages and with BM25 weights of their terms; idf,
ties, and all that comes after are ours, so that it answers as the embedded engine does. One process writes at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

from index.errors import EngineError
from index.holdings import Batch, Due, State
from index.ledger import Account, Ledger
from index.milvus_client import ID_BYTES, Absent, Leg, Milvus, Row, VectorIndex, in_messages, one_of
from index.milvus_rows import Staged, average_length, holding, staged, vector_rows, word_rows
from index.milvus_search import MilvusSnapshot, in_force
from index.ranking import BM25, RANKING
from index.types import Passage, Stamp, Vectors

_log = logging.getLogger(__name__)

FLUSHED = 4_096
"""Staged passages that are put into Milvus without waiting for the commit, to bound memory."""
SEALED, WORTH = 16_384, 1_024
"""Rows put into Milvus after which it is told to make segments of them; fewer are worth it when there is time."""
AGAIN = 1.0
"""Seconds between two counts of rows, while they do not agree."""
GRACE = 60.0
"""Seconds that rows stay after they were superseded: longer than any question takes, and than an insert by a process
that was taken for dead."""
SETTLED = 30.0
"""Seconds after which reads need not ask for what was last written: Milvus's reads with bounded staleness, 5 s, see it
by then on every copy."""
DRIFT = 0.1
"""How far the average length may be from the one that weights were made with, as a share of it."""
LOST = 30.0
"""Seconds that rows may be missing after Milvus came back, before all are put there again."""
_LEGS: tuple[Leg, ...] = ("words", "vectors")


class MilvusEngine:
    """See `index.engine.Engine` for the contract.

    `uri`: `http://host:port`, with `user:password@` where needed, or a path that ends in `.db` for Milvus Lite inside
    this process. `name`: what its collections are called. `timeout`: seconds that a call may take, a write six times as
    many. `legs="dense"` is for servers before 2.4, which have no sparse vectors: only `dense` can be asked then.
    """

    def __init__(
        self,
        uri: str,
        name: str,
        ledger: Ledger,
        bm25: BM25 = RANKING.bm25,
        *,
        timeout: float = 10.0,
        grace: float = GRACE,
        legs: Literal["both", "dense"] = "both",
        index: VectorIndex | None = None,
    ) -> None:
        self._name, self._bm25, self._grace = name, bm25, grace
        self._legs: tuple[Leg, ...] = _LEGS if legs == "both" else ("vectors",)
        self._account: Account = ledger.account(name)
        self._milvus = Milvus(uri, timeout, index or VectorIndex(), self._was_away)
        self._writing = threading.RLock()
        self._turns = 0
        self._closed = False
        self._looking, self._counting = threading.Lock(), threading.Lock()
        self._counts_at = 0.0
        self._counted = False
        self._short_since: float | None = None
        self._lost: int | None = None  # the collection that has lost rows
        self._unsealed = 0
        self.repaired: str | None = None
        self.degraded: str | None = None
        self.away: str | None = None
        self._unstage()
        self._state, self._snapshot = self._reading(State())
        self.look()

    @property
    def stamp(self) -> Stamp:
        return self._snapshot.stamp

    @property
    def keeps(self) -> bool:
        """Any process may look after it."""
        return True

    @property
    def average(self) -> float | None:
        """Terms of a passage, as the weights of those in Milvus were made; None before there are any."""
        return self._state.average

    @property
    def drifted(self) -> bool:
        """Whether the average length is too far from the one that the passages' weights were made with."""
        state = self._state
        if not state.average or not state.length:
            return False
        return abs(state.length / state.passages - state.average) > DRIFT * state.average

    @property
    def stale(self) -> bool:
        return self.drifted or (self._lost is not None and self._lost == self._state.collection)

    def snapshot(self) -> MilvusSnapshot:
        return self._snapshot

    def look(self) -> None:
        with self._looking:
            self._adopt(self._account.state())

    @contextmanager
    def turn(self) -> Iterator[None]:
        with self._writing:
            self._is_open()
            if self._turns:
                yield
                return
            with self._account.turn():
                self._is_open()
                self._turns += 1
                try:
                    self.look()
                    self._count(wait=True)
                    yield
                finally:
                    self._turns -= 1

    # Writing

    def clear(self) -> None:
        with self._writing:
            self._unstage()
            self._cleared = True

    def replace(self, document_id: str, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        """In a `turn` what is staged goes to Milvus by and by; outside of one all of it waits for the commit."""
        if vectors is not None and len(vectors) != len(passages):
            raise EngineError(f"{document_id}: {len(passages)} passages came with {len(vectors)} vectors")
        if any(len(one.id.encode(errors="replace")) + 12 > ID_BYTES for one in passages):
            raise EngineError(
                f"the id of {document_id[:80]}… is longer than the {ID_BYTES:,} bytes that Milvus holds",
                "Give the document a shorter id.",
            )
        with self._writing:
            self._is_open()
            before = self._staged.get(document_id)
            self._staged[document_id] = staged(document_id, passages, vectors)
            self._staged_rows += len(passages) - (len(before.ids) if before else 0)
            if self._turns and self._staged_rows >= FLUSHED:
                self._flush(self._begun())

    def discard(self) -> None:
        with self._writing:
            self._unstage()

    def commit(self, stamp: Stamp) -> None:
        with self.turn():
            try:
                if self._staged or self._batch or self._cleared:
                    batch = self._begun()
                    self._flush(batch)
                    self._account.publish(batch, stamp)
                else:
                    self._account.restamp(stamp)
            finally:
                self._unstage()
            self.look()

    def maintain(self, everything: bool = False) -> bool:
        """Delete what nobody searches any more, and see whether all is there that should be.

        With `everything` nothing of what was removed before is left in a segment of Milvus's.
        """
        with self.turn():
            due = self._account.due(None if everything else self._grace)
            if due:
                self._purge(due)
            if everything or self._unsealed >= WORTH:
                self._seal()
            if everything:
                for collection in self._collections(self._state).values():
                    self._milvus.compact(collection)
        self._count()
        return True

    def take_over(self) -> bool:
        """Do what is due; any process may, so that this one can."""
        if self._account.due(self._grace):
            self.maintain()
        self._count()
        return True

    def close(self) -> None:
        """At once, whoever has the turn: what is being written, or waits for it, ends with an EngineError."""
        self._closed = True
        self._milvus.close()

    def _is_open(self) -> None:
        if self._closed:
            raise EngineError("the search index was closed", "Start again.")

    def _unstage(self) -> None:
        self._cleared = False
        self._batch: Batch | None = None
        self._staged: dict[str, Staged] = {}
        self._staged_rows = 0

    def _adopt(self, state: State) -> None:
        """Read that state from now on. One of fewer batches is of a backup of the ledger: what has Milvus?"""
        if state != self._state:
            self._counted = self._counted and state.last >= self._state.last
            self._state, self._snapshot = self._reading(state)

    def _reading(self, state: State) -> tuple[State, MilvusSnapshot]:
        fresh = time.monotonic() + SETTLED
        there = self._collections(state)
        return state, MilvusSnapshot.of(
            state, self._account, self._milvus, there, self._legs, self._bm25, fresh, self._answered
        )

    def _collections(self, state: State) -> dict[Leg, str]:
        """Those that a state has rows in, by leg."""
        there: dict[Leg, bool] = {"words": state.average is not None, "vectors": state.dim is not None}
        return {leg: self._collection(state.collection, leg) for leg in self._legs if there[leg]}

    def _collection(self, number: int, leg: Leg) -> str:
        return f"{self._name}_{number}_{leg}"

    def _begun(self) -> Batch:
        if self._batch is None:
            state = self._account.state()
            if state.pending is not None:
                self._void(state)
            self._batch = self._account.begin(self._cleared, again=self.stale)
        return self._batch

    def _void(self, state: State) -> None:
        """Take out what a process has left that did not live to publish it."""
        if state.pending_collection == state.collection:
            for collection in self._collections(state).values():
                self._milvus.delete(collection, f"batch == {state.pending}")
        else:
            self._drop(state.pending_collection or 0)
        self._account.void(state)

    def _drop(self, number: int) -> None:
        for leg in self._legs:
            self._milvus.drop(self._collection(number, leg))

    def _flush(self, batch: Batch) -> None:
        """Put what is staged into Milvus, where nobody sees it yet."""
        documents = list(self._staged.values())
        self._staged, self._staged_rows = {}, 0
        again = sorted(batch.flushed.intersection(one.document for one in documents))
        if again:
            self._account.release(batch, again)
            where = f"batch == {batch.number} and {one_of('document', again)}"
            for collection in self._collections(self._as_state(batch)).values():
                self._milvus.delete(collection, where)
        batch.documents.update(one.document for one in documents)
        batch.flushed.update(one.document for one in documents if one.ids)
        self._insert_words(batch, documents)
        self._insert_vectors(batch, documents)
        self._account.hold(batch, [holding(one, words="words" in self._legs) for one in documents if one.ids])

    def _as_state(self, batch: Batch) -> State:
        return replace(self._state, collection=batch.collection, average=batch.average, dim=batch.dim)

    def _insert_words(self, batch: Batch, documents: Sequence[Staged]) -> None:
        if "words" not in self._legs or not any(one.worded for one in documents):
            return
        if batch.average is None:
            self._milvus.create(self._collection(batch.collection, "words"), "words", None)
            batch.average = batch.start or average_length(documents)
        self._insert(batch, "words", word_rows(documents, batch.number, replace(self._bm25, average=batch.average)))

    def _insert_vectors(self, batch: Batch, documents: Sequence[Staged]) -> None:
        dims = {one.vectors.shape[1] for one in documents if one.vectors is not None}
        if not dims:
            return
        if batch.dim is None:
            batch.dim = min(dims)
            self._milvus.create(self._collection(batch.collection, "vectors"), "vectors", batch.dim)
        if dims != {batch.dim}:
            raise EngineError(f"vectors of {sorted(dims)} dimensions came for an index of {batch.dim}")
        self._insert(batch, "vectors", vector_rows(documents, batch.number))

    def _insert(self, batch: Batch, leg: Leg, rows: Sequence[Row]) -> None:
        collection = self._collection(batch.collection, leg)
        for some in in_messages(rows, leg):
            self._is_open()
            self._account.check(batch)
            batch.written = max(batch.written, self._milvus.insert(collection, some))
        self._unsealed += len(rows)
        if self._unsealed >= SEALED:
            self._milvus.flush(collection)
            self._unsealed = 0

    def _seal(self) -> None:
        for collection in self._collections(self._state).values():
            self._milvus.flush(collection)
        self._unsealed = 0

    def _purge(self, due: Due) -> None:
        for number in due.dropped:
            self._drop(number)
        for collection in self._collections(self._state).values():
            if due.void:
                self._milvus.delete(collection, one_of("batch", due.void))
            for until, documents in due.superseded.items():
                for first in range(0, len(documents), FLUSHED):
                    where = one_of("document", documents[first : first + FLUSHED])
                    self._milvus.delete(collection, f"batch < {until} and {where}")
        self._account.purged(due)
        self.look()

    # Whether all is there

    def _was_away(self, error: EngineError) -> None:
        self._counted = False
        self.away = self.degraded = error.message

    def _answered(self) -> None:
        """After a search: count, in a thread of its own, if that was not done since Milvus failed last."""
        self.away = None
        if not self._counted and time.monotonic() >= self._counts_at:
            self._counts_at = time.monotonic() + AGAIN
            threading.Thread(target=self._count_quietly, name="count", daemon=True).start()

    def _count_quietly(self) -> None:
        try:
            self._count()
        except Exception as error:  # noqa: BLE001  it is counted again after the next search
            _log.debug("rows could not be counted: %s", error)

    def _count(self, wait: bool = False) -> None:
        """Compare how many rows Milvus has with how many it should have, once after each time that it failed."""
        if self._counted or not self._counting.acquire(blocking=wait):
            return
        try:
            self.look()  # another process may have put all there again, of the same stamp
            state = self._state
            try:
                said = self._differing(state)
                self.away = None
            except Absent:
                self._was_lost(state, f"Milvus at {self._milvus.name} has its collections no more")
                return
            if self._account.state().last != state.last:
                return  # it changed meanwhile: later
            if not said:
                self._counted, self._short_since, self.degraded = True, None, None
                return
            self.degraded = f"{said}: answers may lack some"
            self._short_since = self._short_since or time.monotonic()
            if time.monotonic() - self._short_since > LOST:
                self._was_lost(state, said)
        finally:
            self._counting.release()

    def _differing(self, state: State) -> str:
        """What rows Milvus has that it should not have, and lacks that it should; nothing when it is as it should be.

        Rows of later batches than were begun are of a ledger that was put back to an earlier state.
        """
        wanted = {"words": state.worded, "vectors": state.embedded}
        found = list[str]()
        for leg, collection in self._collections(state).items():
            rows = self._milvus.count(collection, in_force(state))
            later = self._milvus.count(collection, f"batch > {state.last}")
            if (rows, later) != (wanted[leg], 0):
                found.append(
                    f"{rows} of {wanted[leg]} rows for {leg}" + f" and {later} that nobody wrote" * bool(later)
                )
        return f"Milvus at {self._milvus.name} has {', '.join(found)}" if found else ""

    def _was_lost(self, state: State, said: str) -> None:
        self._lost, self._short_since = state.collection, None
        self.degraded = f"{said}: all is put there again"
        self.repaired = f"the search index was made again from the catalogue: {said}"
        _log.warning("%s", self.repaired)
