"""The seam to a search engine: two legs, both inner products, so that every engine ranks alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from index.types import Hit, Passage, Stamp, Vector, Vectors


class Snapshot(Protocol):
    """One state of an engine, in which a question finds all its candidates, whatever is written meanwhile."""

    @property
    def stamp(self) -> Stamp:
        """The state of the catalogue that this is made from; generation 0 when empty."""
        ...

    def weights(self, terms: Sequence[str]) -> dict[str, float]:
        """The query side of BM25: each distinct term's idf times how often it is asked for.

        A term that no passage holds has the idf that one would give it: it matches nothing, but counts as asked.
        """
        ...

    def dense(self, vector: Vector, k: int, where: Collection[str] | None = None) -> list[Hit]:
        """The k passages with the largest inner product with a unit vector (dim,)."""
        ...

    def sparse(self, weights: Mapping[str, float], k: int, where: Collection[str] | None = None) -> list[Hit]:
        """The k passages with the highest BM25 score among those that hold any of the terms."""
        ...


class Engine(Protocol):
    """Finds candidates. The contract, each line a test in tests/test_engine.py:

    - ids are our strings; at most `k` results, best first, ties by document and passage id;
    - `[]` when empty, never an error when k is larger than the engine; never a row that did not match;
    - `where` (document ids) narrows before ranking; an empty one leaves nothing;
    - writes are seen after `commit`, all at once, and never by a snapshot taken before;
    - reads are thread-safe, wait for no write, and never see half a document;
    - `replace` is idempotent, and with no passages it removes; after `clear` only what follows it is there;
    - after any sequence of writes the answers are those of an engine given the final documents only;
    - of several processes that share an engine one writes at a time, and all see what it has committed;
    - whatever goes wrong inside is raised as EngineError.
    """

    @property
    def stamp(self) -> Stamp:
        """The state of the catalogue that readers see."""
        ...

    def clear(self) -> None:
        """Stage the removal of every document."""
        ...

    def replace(self, document_id: str, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        """Stage a document's passages with their vectors, (passages, dim); None while they are not embedded."""
        ...

    def discard(self) -> None:
        """Forget everything staged."""
        ...

    def commit(self, stamp: Stamp) -> None:
        """Show readers everything staged."""
        ...

    def snapshot(self) -> Snapshot: ...

    # Looking after it

    @property
    def stale(self) -> bool:
        """Whether it should be filled anew, though it answers; see `index.build.catch_up`."""
        ...

    @property
    def average(self) -> float | None:
        """Terms of a passage, as BM25's weights were made, where that is fixed; None where it is always that of now."""
        ...

    @property
    def degraded(self) -> str | None:
        """What answers may lack for now, and why."""
        ...

    @property
    def away(self) -> str | None:
        """Why nothing can be found for now, where that was so at the last try."""
        ...

    @property
    def repaired(self) -> str | None:
        """Why it was made anew, if it was."""
        ...

    @property
    def keeps(self) -> bool:
        """Whether this process looks after what is stored; of an engine in files only one does."""
        ...

    def look(self) -> None:
        """See what other processes have committed."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Be the only one of all processes that writes, knowing what the others wrote; waits for the one that does.
        May be entered again by the thread that is in it."""
        ...

    def maintain(self, everything: bool = False) -> bool:
        """Do what is due; reads and writes go on. With `everything` nothing of what was removed before is left. False
        when that could not be done here or now."""
        ...

    def take_over(self) -> bool:
        """Look after what is stored, if the process that did has gone; whether this one does now. Called often."""
        ...

    def close(self) -> None: ...
