"""What a shared engine holds, in SQLite and in PostgreSQL, by writers that are late, dead, or wrong about the time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from index import ledger as ledger_module
from index import tables
from index.catalogue import Catalogue
from index.errors import EngineError
from index.holdings import Batch, Due, Holding
from index.ledger import Account
from index.types import Stamp
from tests.milvus import ledger_of


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.cluster)])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    url = request.getfixturevalue("database_url") if request.param == "postgresql" else ""
    made = Catalogue(tmp_path, {}, url=url)
    yield made
    made.close()


@pytest.fixture
def account(catalogue: Catalogue) -> Account:
    return ledger_of(catalogue).account("engine")


def published(account: Account, generation: int, anew: bool = False) -> Batch:
    batch = account.begin(anew, again=False)
    batch.average = 1.0
    account.publish(batch, Stamp(generation))
    return batch


def made_at(catalogue: Catalogue, batch: int, seconds_ago: float) -> None:
    """As though that batch had been noted then."""
    logged = tables.engine_batches
    with catalogue.note() as connection:
        now = ledger_module._now(connection)
        late = sa.update(logged).where(logged.c.batch == batch).values(at=now - seconds_ago)
        connection.execute(late)


def test_a_batch_is_never_due_before_those_in_front_of_it(catalogue: Catalogue, account: Account) -> None:
    published(account, 1)
    account.begin(False, again=False)
    account.void(account.state())
    published(account, 3)
    published(account, 4, anew=True)
    made_at(catalogue, 1, 100)
    made_at(catalogue, 3, 100)
    made_at(catalogue, 4, 100)
    first = account.due(60)
    assert first == Due(until=1)
    account.purged(first)
    assert (account.state().void, account.due(60)) == ((2,), None)
    made_at(catalogue, 2, 100)
    assert account.due(60) == Due(until=4, void=(2,), dropped=(1,))


def test_what_was_dropped_is_forgotten_and_the_rest_is_not(catalogue: Catalogue, account: Account) -> None:
    for generation in (1, 2):
        batch = account.begin(generation == 2, again=False)
        batch.average = 1.0
        account.hold(batch, [Holding(7, 1, 1, 0, 5, {3: 1})])
        account.publish(batch, Stamp(generation))
    due = account.due(None)
    assert due is not None
    account.purged(due)
    with catalogue.read() as connection:
        for table in (tables.engine_documents, tables.engine_frequencies):
            assert list(connection.scalars(sa.select(table.c.collection))) == [2]
    assert (account.frequencies(account.state(), [3]), account.due(None)) == ({3: 1}, None)


def test_one_that_was_taken_for_dead_can_note_nothing_more(account: Account) -> None:
    published(account, 1)
    late = account.begin(False, again=False)
    account.void(account.state())
    refuses(account, late)
    begun = account.begin(False, again=False)
    late.number = begun.number  # as after the ledger was put back to an earlier state
    refuses(account, late)
    account.publish(begun, Stamp(2))
    assert (account.state().stamp, account.state().passages) == (Stamp(2), 0)


def refuses(account: Account, late: Batch) -> None:
    with pytest.raises(EngineError, match="took over"):
        account.check(late)
    with pytest.raises(EngineError, match="took over"):
        account.hold(late, [Holding(7, 1, 1, 0, 5, {3: 1})])
    with pytest.raises(EngineError, match="took over"):
        account.publish(late, Stamp(9))


@pytest.mark.cluster
def test_two_that_believe_to_have_the_turn_never_begin_the_same_batch(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = Catalogue(tmp_path, {}, url=database_url)
    account = ledger_of(catalogue).account("engine")
    published(account, 1)
    both, begun, refused = threading.Barrier(2), list[int](), list[str]()
    read = Account._state

    def slowly(self: Account, connection: sa.Connection) -> object:
        state = read(self, connection)
        with suppress(threading.BrokenBarrierError):
            both.wait(1)
        return state

    monkeypatch.setattr(Account, "_state", slowly)

    def begin() -> None:
        try:
            begun.append(account.begin(False, again=False).number)
        except EngineError as error:
            refused.append(error.message)

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (begun, refused) == ([2], ["batch 2 of engine is still pending"])
    catalogue.close()
