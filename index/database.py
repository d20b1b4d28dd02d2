"""What a catalogue is stored in: a file beside the engine's, or a server that several machines share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text that compares, and sorts, by code point on both."""
CHANNEL = "qa_changes"
"""Where PostgreSQL is told that the generation was raised."""
CHOOSE = "Choose a folder that can be written: QA_DATA=/path qa …"
"""What to do about a folder that cannot be used."""


class Database(Protocol):
    """Every method raises StorageError where the database cannot be used; IndexLocked, or Busy, where others use it."""

    @property
    def name(self) -> str:
        """As messages call it, without user or password."""
        ...

    @property
    def shared(self) -> bool:
        """Whether processes of other machines may use it too."""
        ...

    @property
    def pool(self) -> sa.Engine: ...

    def there(self) -> bool:
        """Whether it is there to be used."""
        ...

    def held(self) -> AbstractContextManager[None]:
        """The writer's turn for a whole job, where writers take turns by the job and not by the transaction."""
        ...

    def read(self) -> AbstractContextManager[sa.Connection]:
        """One state of everything, for as long as it takes."""
        ...

    def write(self) -> AbstractContextManager[sa.Connection]:
        """A transaction, all of it or nothing, while no other process is in one of these."""
        ...

    def note(self, in_turn: bool = False) -> AbstractContextManager[sa.Connection]:
        """A transaction that waits for no other process to finish its job; `in_turn`, but for its transactions."""
        ...

    def rows(self) -> AbstractContextManager[Any]:
        """The driver's own cursor, in a transaction that reads: a third of the time that SQLAlchemy takes. It takes
        `execute(statement, values)`, and gives rows whose values have names."""
        ...

    def mutex(self, name: str) -> AbstractContextManager[None]:
        """What one thread of one process has at a time, freed when that dies; others wait."""
        ...

    def wait(self, seconds: float) -> None:
        """Return once something was written, as far as that is told; at the latest after so many seconds, or when
        this is closed."""
        ...

    def prepare(self, connection: sa.Connection) -> None:
        """Make what the catalogue's statements need beside its tables, in the transaction that has made these."""
        ...

    def adapted(self, step: str) -> str:
        """A statement of `index.migrations` as this database takes it."""
        ...

    def damage(self, connection: sa.Connection, /) -> Iterator[str]:
        """What the database itself finds wrong with what it stores, where it can tell; a line each."""
        ...

    def rewrite(self) -> None:
        """Write all of it anew, without what was deleted. Raises IndexLocked while others read an old state."""
        ...

    def checkpoint(self) -> bool:
        """Empty the log of writes, where that is ours to do; False when a reader still needs it."""
        ...

    def close(self) -> None: ...


def open_database(path: Path, url: str, turn: str = "catalogue") -> Database:
    """The one on the server of a URL; the file without one. `turn`: whose transactions take turns on a server."""
    if url:
        from index.postgres import PostgreSQL  # each is loaded only where it is used

        return PostgreSQL(url, turn)
    from index.sqlite import SQLite

    return SQLite(path)


def tell(connection: sa.Connection, generation: int) -> None:
    """Wake, when this transaction is done, those who wait for a change."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, str(generation))))
