"""What a search engine of several processes holds, kept in the catalogue's database: all that its own server cannot
tell at once, in one state, and without being asked.

Writes come in batches, counted up and never used twice. A batch is begun, its rows are put into the engine under its
number, and one transaction here publishes it: before that it is pending, and void if its writer did not live to publish
it. Rows stay a while after they were superseded, for those who search an older state, see `Account.due`.

Documents are told by a hash, see `index.holdings.document_code`, and terms by `index.terms.code`: no text of anyone's
is here.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import sqlalchemy as sa

from index import tables
from index.errors import EngineError
from index.holdings import Batch, Due, Holding, State, packed, unpacked
from index.types import Stamp

_AT_ONCE = 5_000
"""Values in one statement: fewer than any database's limit."""

_TAKEN_OVER = "another process took over the writing of the search index"

Transaction = Callable[[], AbstractContextManager[sa.Connection]]


@dataclass(frozen=True, slots=True)
class Ledger:
    """How the database is reached: `read` one state, `note` something, `mutex` by name between all processes."""

    read: Transaction
    note: Transaction
    mutex: Callable[[str], AbstractContextManager[None]]

    def account(self, name: str) -> Account:
        return Account(self, name)


class Account:
    """What the engine of that name holds. All that writes is called by whoever has the `turn`, and by nobody else."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self._read, self._note = ledger.read, ledger.note
        self._mutex = ledger.mutex
        self._name = name

    def turn(self) -> AbstractContextManager[None]:
        """Waits for the process that has it."""
        return self._mutex(f"engine-{self._name}")

    # Reading

    def state(self) -> State:
        with self._read() as connection:
            return self._state(connection)

    def frequencies(self, state: State, codes: Sequence[int]) -> dict[int, int]:
        """In how many passages of a state terms occur, by code; only those that do."""
        with self._read() as connection:
            return self._frequencies(connection, state.collection, state.batch, codes)

    def due(self, grace: float | None) -> Due | None:
        """What was given up so many seconds ago, or before; None takes all that was. Never a batch without those before
        it, whatever their clocks said."""
        table = tables.engine_batches
        with self._read() as connection:
            logged = connection.execute(sa.select(table).where(self._of(table)).order_by(table.c.batch)).all()
            limit = None if grace is None else _now(connection) - grace
            rows = list(takewhile(lambda row: limit is None or row.at <= limit, logged))
            if not rows:
                return None
            until = rows[-1].batch
            return Due(
                until,
                tuple(row.batch for row in rows if row.void),
                self._superseded(connection, self._state(connection).collection, until),
                tuple(row.dropped for row in rows if row.dropped is not None),
            )

    # Writing

    def begin(self, anew: bool, again: bool) -> Batch:
        """Begin a batch; one that is pending must have been voided. The first one is always `anew`.

        What is put there `again`, because it has drifted or was lost, is known by its average before it comes.
        """
        with self._note() as connection:
            row = self._row(connection, locked=True)
            state = self._state(connection)
            if state.pending is not None:
                raise EngineError(f"batch {state.pending} of {self._name} is still pending", "Try again.")
            number, last = (row.last_batch, row.last_collection) if row else (0, 0)
            anew = anew or state.collection == 0
            batch = Batch(number + 1, last + 1 if anew else state.collection, anew, state.average, state.dim)
            batch.owner = secrets.token_hex(8)
            if anew:
                batch.start = state.length / state.passages if again and state.length else None
                batch.average = batch.dim = None
            values: dict[str, Any] = {
                "pending": batch.number,
                "pending_collection": batch.collection,
                "owner": batch.owner,
                "last_batch": batch.number,
                "last_collection": max(last, batch.collection),
            }
            self._set(connection, row is None, values)
            return batch

    def void(self, state: State) -> None:
        """Give up the batch that is pending in a state; its rows are void, and its collection, if it had its own."""
        own = state.pending_collection != state.collection
        with self._note() as connection:
            mine = self._of(tables.engines) & (tables.engines.c.pending == state.pending)
            given_up = sa.update(tables.engines).where(mine).values(pending=None, pending_collection=None)
            if not connection.execute(given_up).rowcount:
                raise EngineError(_TAKEN_OVER, "Try again.")
            held = self._of(tables.engine_documents) & (tables.engine_documents.c.batch == state.pending)
            connection.execute(sa.delete(tables.engine_documents).where(held))
            self._log(connection, state.pending or 0, void=not own, dropped=state.pending_collection if own else None)

    def check(self, batch: Batch) -> None:
        """Raises EngineError when another process has voided the batch: it took this one for dead."""
        with self._read() as connection:
            _is_owned(self._row(connection), batch)

    def hold(self, batch: Batch, holdings: Sequence[Holding]) -> None:
        """Note what documents will have, once the batch is published. Raises as `check` does."""
        rows = [
            {
                "name": self._name,
                "collection": batch.collection,
                "document": one.document,
                "batch": batch.number,
                "passages": one.passages,
                "worded": one.worded,
                "embedded": one.embedded,
                "length": one.length,
                "terms": packed(one.terms),
            }
            for one in holdings
        ]
        if rows:
            with self._note() as connection:
                _is_owned(self._row(connection, locked=True), batch)
                connection.execute(sa.insert(tables.engine_documents), rows)

    def release(self, batch: Batch, documents: Sequence[int]) -> None:
        """Take that back for some documents."""
        held = tables.engine_documents.c
        with self._note() as connection:
            for some in _chunks(documents):
                mine = self._of(tables.engine_documents) & (held.batch == batch.number) & held.document.in_(some)
                connection.execute(sa.delete(tables.engine_documents).where(mine))

    def publish(self, batch: Batch, stamp: Stamp) -> None:
        """Put a batch in force, in one transaction. Raises EngineError when it was voided meanwhile."""
        with self._note() as connection:
            row = self._row(connection, locked=True)
            _is_owned(row, batch)
            before = State() if batch.anew else self._state(connection)
            totals = np.array([before.passages, before.worded, before.embedded, before.length], np.int64)
            deltas: dict[int, int] = {}
            if not batch.anew:
                totals -= self._retire(connection, batch, deltas)
            totals += self._sum(connection, batch, deltas)
            histogram = self._count(connection, batch, deltas, dict(before.histogram))
            dropped = row.collection if batch.anew and row.collection else None
            self._log(connection, batch.number, void=False, dropped=dropped)
            passages, worded, embedded, length = totals.tolist()
            self._set(
                connection,
                False,
                {
                    "collection": batch.collection,
                    "batch": batch.number,
                    "generation": stamp.generation,
                    "token": stamp.token,
                    "passages": passages,
                    "worded": worded,
                    "embedded": embedded,
                    "length": length,
                    "average": batch.average,
                    "dim": batch.dim,
                    "histogram": packed(histogram),
                    "written": max(row.written, batch.written),
                    "pending": None,
                    "pending_collection": None,
                },
            )

    def restamp(self, stamp: Stamp) -> None:
        """What is in force is that of another state of the catalogue too."""
        with self._note() as connection:
            new = self._row(connection) is None
            self._set(connection, new, {"generation": stamp.generation, "token": stamp.token})

    def purged(self, due: Due) -> None:
        """Forget what was due, which the engine has no more."""
        documents, frequencies, batches = tables.engine_documents, tables.engine_frequencies, tables.engine_batches
        with self._note() as connection:
            for table in (documents, frequencies):
                connection.execute(sa.delete(table).where(self._of(table) & (table.c.until <= due.until)))
                if due.dropped:
                    dropped = table.c.collection.in_(due.dropped)
                    connection.execute(sa.delete(table).where(self._of(table) & dropped))
            connection.execute(sa.delete(batches).where(self._of(batches) & (batches.c.batch <= due.until)))

    # Parts of these

    def _of(self, table: sa.Table) -> sa.ColumnElement[bool]:
        return table.c.name == self._name

    def _row(self, connection: sa.Connection, locked: bool = False) -> Any:
        """`locked`: nobody else writes it before the transaction ends; SQLite has but one writer anyway."""
        query = sa.select(tables.engines).where(self._of(tables.engines))
        return connection.execute(query.with_for_update() if locked else query).first()

    def _state(self, connection: sa.Connection) -> State:
        row = self._row(connection)
        if row is None:
            return State()
        batches = tables.engine_batches
        void = sa.select(batches.c.batch).where(self._of(batches) & batches.c.void)
        return State(
            row.collection,
            row.batch,
            Stamp(row.generation, row.token),
            row.passages,
            row.worded,
            row.embedded,
            row.length,
            row.average,
            row.dim,
            unpacked(row.histogram),
            row.written,
            tuple(connection.scalars(void)),
            self._superseded(connection, row.collection, row.batch),
            row.pending,
            row.pending_collection,
            row.last_batch,
        )

    def _superseded(self, connection: sa.Connection, collection: int, until: int) -> dict[int, tuple[int, ...]]:
        held = tables.engine_documents.c
        mine = self._of(tables.engine_documents) & (held.collection == collection) & (held.until <= until)
        found: dict[int, list[int]] = {}
        for row in connection.execute(sa.select(held.until, held.document).where(mine).order_by(held.until)):
            found.setdefault(row.until, []).append(row.document)
        return {number: tuple(documents) for number, documents in found.items()}

    def _frequencies(
        self, connection: sa.Connection, collection: int, batch: int, codes: Sequence[int]
    ) -> dict[int, int]:
        counted = tables.engine_frequencies.c
        then = (counted.batch <= batch) & (counted.until.is_(None) | (counted.until > batch))
        mine = self._of(tables.engine_frequencies) & (counted.collection == collection) & then
        found: dict[int, int] = {}
        for some in _chunks(codes):
            query = sa.select(counted.code, counted.passages).where(mine & counted.code.in_(some))
            found.update((row.code, row.passages) for row in connection.execute(query))
        return found

    def _retire(self, connection: sa.Connection, batch: Batch, deltas: dict[int, int]) -> Any:
        """Supersede what the batch's documents had; what that was in all, its terms taken off `deltas`."""
        held, totals = tables.engine_documents.c, np.zeros(4, np.int64)
        for some in _chunks(sorted(batch.documents)):
            mine = self._of(tables.engine_documents) & (held.collection == batch.collection)
            mine &= held.document.in_(some) & (held.batch < batch.number) & held.until.is_(None)
            for row in connection.execute(sa.select(tables.engine_documents).where(mine)):
                totals += (row.passages, row.worded, row.embedded, row.length)
                for code, count in unpacked(row.terms).items():
                    deltas[code] = deltas.get(code, 0) - count
            connection.execute(sa.update(tables.engine_documents).where(mine).values(until=batch.number))
        return totals

    def _sum(self, connection: sa.Connection, batch: Batch, deltas: dict[int, int]) -> Any:
        """What the batch's documents have now, in all, its terms added to `deltas`."""
        held, totals = tables.engine_documents.c, np.zeros(4, np.int64)
        mine = self._of(tables.engine_documents) & (held.batch == batch.number)
        query = sa.select(tables.engine_documents).where(mine).execution_options(yield_per=1000)
        for row in connection.execute(query):
            totals += (row.passages, row.worded, row.embedded, row.length)
            for code, count in unpacked(row.terms).items():
                deltas[code] = deltas.get(code, 0) + count
        return totals

    def _count(
        self, connection: sa.Connection, batch: Batch, deltas: Mapping[int, int], histogram: dict[int, int]
    ) -> dict[int, int]:
        """Note the new frequencies of the terms that changed; the histogram as it is then."""
        changed = sorted(code for code, delta in deltas.items() if delta)
        counted = tables.engine_frequencies.c
        for some in _chunks(changed):
            before = {} if batch.anew else self._frequencies(connection, batch.collection, batch.number, some)
            if before:
                mine = self._of(tables.engine_frequencies) & (counted.collection == batch.collection)
                mine &= counted.code.in_(list(before)) & counted.until.is_(None)
                connection.execute(sa.update(tables.engine_frequencies).where(mine).values(until=batch.number))
            now = {code: before.get(code, 0) + deltas[code] for code in some}
            rows = [
                {
                    "name": self._name,
                    "collection": batch.collection,
                    "code": code,
                    "batch": batch.number,
                    "passages": count,
                }
                for code, count in now.items()
                if count > 0
            ]
            if rows:
                connection.execute(sa.insert(tables.engine_frequencies), rows)
            for counts, step in ((before, -1), (now, 1)):
                for count in counts.values():
                    histogram[count] = histogram.get(count, 0) + step
        return {count: terms for count, terms in histogram.items() if count > 0 and terms > 0}

    def _log(self, connection: sa.Connection, number: int, void: bool, dropped: int | None) -> None:
        row = {"name": self._name, "batch": number, "at": _now(connection), "void": void, "dropped": dropped}
        connection.execute(sa.insert(tables.engine_batches), row)

    def _set(self, connection: sa.Connection, new: bool, values: Mapping[str, Any]) -> None:
        if new:
            empty = {"collection": 0, "batch": 0, "generation": 0, "token": "", "histogram": b"", "written": 0}
            counts = dict.fromkeys(("passages", "worded", "embedded", "length", "last_batch", "last_collection"), 0)
            connection.execute(sa.insert(tables.engines), {"name": self._name, **empty, **counts, **values})
        else:
            connection.execute(sa.update(tables.engines).where(self._of(tables.engines)).values(**values))


def _is_owned(row: Any, batch: Batch) -> None:
    if row is None or (row.pending, row.owner) != (batch.number, batch.owner):
        raise EngineError(_TAKEN_OVER, "Try again.")


def _now(connection: sa.Connection) -> float:
    """Seconds since 1970, by a clock that all processes have in common: the server's, or this machine's for SQLite."""
    if connection.dialect.name != "postgresql":
        return time.time()
    return float(connection.scalar(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))) or 0.0)


def _chunks(values: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
