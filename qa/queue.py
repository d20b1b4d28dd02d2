"""What waits to be taken in, claimed some files at a time.

A data folder has one process that claims: job after job, as they came. Of one PostgreSQL any number of processes do,
on any machine: each has some files, of which nobody else has an older version in hand, until they are settled or it
ends, however it ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from index import tables
from index.catalogue import Catalogue
from index.database import Database
from index.errors import Lost, StorageError
from index.lock import ProcessLock

OPEN = ("queued", "reading", "embedding")
"""States of files that are not taken in yet."""
TOGETHER = 16
"""Files that one of several processes claims at a time: enough to be embedded together, few enough that the others
have something to do."""
_OLDEST = 256
"""Jobs among which it is looked for free files first: with a hundred thousand that wait, looking at all takes long."""

Ended = Literal["done", "failed"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file of a job, see `index.tables.job_files`."""

    job_id: str
    number: int
    name: str
    request: Mapping[str, Any]


class Claim(Protocol):
    """Files that this process takes in now, in this order; jobs that may be over when they are settled."""

    @property
    def files(self) -> Sequence[Waiting]: ...

    @property
    def jobs(self) -> Sequence[str]: ...

    @property
    def shared(self) -> bool:
        """Whether others may take in what this process lets go."""
        ...

    def settle(self, file: Waiting, state: Ended, outcome: Mapping[str, Any]) -> None:
        """Say what became of it. Raises Lost where somebody else has said so."""
        ...

    def check(self, file: Waiting) -> None:
        """Raises Lost where somebody else has settled it, StorageError where the claim was lost."""
        ...

    def guard(self, file: Waiting, connection: sa.Connection) -> None:
        """The same, in the transaction that is to store it."""
        ...


class Queue(Protocol):
    def claimed(self, most: int) -> AbstractContextManager[Claim | None]:
        """Files, None when there is nothing to do; at most so many where others may have the rest. Those that were not
        settled are let go at the end. Raises StorageError when that cannot be known."""
        ...

    def now(self, connection: sa.Connection) -> float:
        """Seconds since 1970, by a clock that all who add jobs have in common."""
        ...

    def close(self) -> None: ...


def open_queue(catalogue: Catalogue) -> Queue:
    return ClusterQueue(catalogue.database) if catalogue.database.shared else FolderQueue(catalogue)


def waits(connection: sa.Connection, file: Waiting) -> bool:
    """Whether it is not taken in yet."""
    files = tables.job_files.c
    mine = (files.job_id == file.job_id) & (files.number == file.number) & files.state.in_(OPEN)
    return connection.scalar(sa.select(files.number).where(mine)) is not None


def is_open(connection: sa.Connection, job_id: str) -> bool:
    """Whether files of a job are not taken in yet."""
    files = tables.job_files.c
    query = sa.select(files.number).where(files.job_id == job_id, files.state.in_(OPEN))
    return connection.scalar(query.limit(1)) is not None


class FolderQueue:
    """Of a data folder: of several processes that serve it one has the jobs, and when it ends another."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._database = catalogue.database
        self._lock = ProcessLock(catalogue.folder / "jobs.lock")

    @contextmanager
    def claimed(self, most: int) -> Iterator[_FolderClaim | None]:  # noqa: ARG002  nobody else has the rest
        yield self._oldest() if self._database.there() and self._lock.taken() else None

    def _oldest(self) -> _FolderClaim | None:
        """The files that are left of the oldest job that is not over."""
        jobs, files = tables.jobs.c, tables.job_files.c
        with self._database.read() as connection:
            oldest = sa.select(jobs.id).where(jobs.finished_at.is_(None)).order_by(jobs.created_at).limit(1)
            job_id: str | None = connection.scalar(oldest)
            query = sa.select(files.job_id, files.number, files.name, files.request)
            query = query.where(files.job_id == job_id, files.state.in_(OPEN)).order_by(files.number)
            rows = connection.execute(query).all() if job_id else []
        return _FolderClaim(self._database, [job_id], [Waiting(*row) for row in rows]) if job_id else None

    def now(self, connection: sa.Connection) -> float:  # noqa: ARG002
        return time.time()

    def close(self) -> None:
        self._lock.release()


@dataclass(frozen=True, slots=True)
class _FolderClaim:
    database: Database
    jobs: Sequence[str]
    files: Sequence[Waiting]
    shared: bool = False

    def settle(self, file: Waiting, state: Ended, outcome: Mapping[str, Any]) -> None:
        with self.database.note() as connection:
            _settle(connection, file, state, outcome)

    def check(self, file: Waiting) -> None:
        """Nobody else has it."""

    def guard(self, file: Waiting, connection: sa.Connection) -> None:
        """Nobody else has it."""


class ClusterQueue:
    """Of one PostgreSQL. `FOR UPDATE SKIP LOCKED` lets one process at a time look at a file; advisory locks of its
    session say that it is taken, until they are let go or the session ends. Safe to use from one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: sa.Connection | None = None

    @contextmanager
    def claimed(self, most: int) -> Iterator[_ClusterClaim | None]:
        with _translated(self._database):
            session = self._opened()
        try:
            with _translated(self._database):
                files = self._claim(session, most)
                jobs = list(dict.fromkeys(one.job_id for one in files)) or self._left(session)
            yield _ClusterClaim(self._database, session, jobs, files) if jobs else None
            if files:
                with _translated(self._database), session.begin():
                    session.execute(sa.select(sa.func.pg_advisory_unlock_all()))
        except BaseException:  # what it claimed is free when it ends
            self.close()
            raise

    def _opened(self) -> sa.Connection:
        """A session that is ours alone, so that it ends with this process."""
        if self._session is None:
            session = self._database.pool.connect().execution_options(isolation_level="READ COMMITTED")
            session.detach()
            self._session = session
        return self._session

    def _claim(self, session: sa.Connection, most: int) -> list[Waiting]:
        """The first files that are free, looked for among the oldest jobs before it is among all."""
        files, jobs = tables.job_files.c, tables.jobs.c
        waiting = sa.select(jobs.id, jobs.created_at).where(jobs.finished_at.is_(None))
        for oldest in (waiting.order_by(jobs.created_at, jobs.id).limit(_OLDEST).subquery(), waiting.subquery()):
            order = oldest.c.created_at, files.job_id, files.number
            some = sa.select(files.job_id, files.number, files.name, files.request, _key(tables.job_files).label("key"))
            some = some.join(oldest, oldest.c.id == files.job_id).where(*_free(sa.tuple_(*order)))
            locked = some.order_by(*order).limit(most).with_for_update(of=tables.job_files, skip_locked=True)
            chosen = locked.cte("chosen")
            taken = sa.func.pg_try_advisory_lock(chosen.c.key).label("taken")
            with session.begin():
                rows = session.execute(sa.select(chosen, taken)).all()
            if rows:
                break
        return [Waiting(row.job_id, row.number, row.name, row.request) for row in rows if row.taken]

    def _left(self, session: sa.Connection) -> list[str]:
        """Jobs that nobody said to be over, though they are: who had their last file was killed."""
        jobs, files = tables.jobs.c, tables.job_files.c
        some_open = sa.exists().where(files.job_id == jobs.id, files.state.in_(OPEN))
        with session.begin():
            return list(session.scalars(sa.select(jobs.id).where(jobs.finished_at.is_(None), ~some_open)))

    def now(self, connection: sa.Connection) -> float:
        return float(connection.scalar(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))) or 0.0)

    def close(self) -> None:
        if self._session is not None:
            with suppress(SQLAlchemyError):
                self._session.close()
            self._session = None


def _key(files: sa.FromClause) -> sa.ColumnElement[int]:
    """The number of the advisory lock that says that a file is taken."""
    name = sa.func.concat(files.c.job_id, sa.literal_column("'/'"), files.c.number)
    return sa.func.hashtextextended(name, sa.literal_column("0"), type_=sa.BigInteger)


def _free(order: sa.Tuple) -> tuple[sa.ColumnElement[bool], ...]:
    """Files that are open, that nobody has, and whose subject has no earlier one, in that order, that is open."""
    files = tables.job_files.c
    locks = sa.table("pg_locks", *map(sa.column, ("locktype", "classid", "objid", "objsubid")))
    high, low = (sa.cast(sa.cast(one, sa.Text), sa.BigInteger) for one in (locks.c.classid, locks.c.objid))
    held = sa.select(high.op("<<")(sa.literal_column("32")).op("|")(low)).where(
        locks.c.locktype == "advisory", locks.c.objsubid == 1
    )
    earlier, sent = tables.job_files.alias("earlier"), tables.jobs.alias("sent")
    before = sa.tuple_(sent.c.created_at, earlier.c.job_id, earlier.c.number) < order
    same = (earlier.c.subject == files.subject) & earlier.c.state.in_(OPEN) & (sent.c.id == earlier.c.job_id)
    return (
        files.state.in_(OPEN),
        _key(tables.job_files).not_in(held),
        (files.subject == "") | ~sa.exists().where(same, before),
    )


@dataclass(frozen=True, slots=True)
class _ClusterClaim:
    database: Database
    session: sa.Connection
    jobs: Sequence[str]
    files: Sequence[Waiting]
    shared: bool = True

    def settle(self, file: Waiting, state: Ended, outcome: Mapping[str, Any]) -> None:
        with (
            _translated(self.database),
            self.session.begin(),
        ):  # it fails where the session, and with it the claim, ended
            if not _settle(self.session, file, state, outcome):
                raise _lost(file)

    def check(self, file: Waiting) -> None:
        with _translated(self.database), self.session.begin():
            self.guard(file, self.session)

    def guard(self, file: Waiting, connection: sa.Connection) -> None:
        if not waits(connection, file):
            raise _lost(file)


def _settle(connection: sa.Connection, file: Waiting, state: Ended, outcome: Mapping[str, Any]) -> bool:
    """Whether it was open before."""
    files = tables.job_files.c
    mine = (files.job_id == file.job_id) & (files.number == file.number) & files.state.in_(OPEN)
    update = sa.update(tables.job_files).where(mine).values(state=state, outcome=dict(outcome))
    return connection.execute(update).rowcount == 1


def _lost(file: Waiting) -> Lost:
    message = f"file {file.number} of job {file.job_id} was taken in by another process meanwhile"
    return Lost(message, "Nothing is to be done.")


@contextmanager
def _translated(database: Database) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        raise StorageError(f"{database.name} cannot be used: {kind}", "Start it; work goes on by itself.") from error
