"""What is known of a search engine of several processes, as `index.ledger` keeps it: states, batches, holdings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from index.types import Stamp


@dataclass(frozen=True, slots=True)
class Holding:
    """What one document has in the engine: rows with any term, rows with a vector, and in how many passages each term
    occurs, by its code."""

    document: int
    passages: int
    worded: int
    embedded: int
    length: int
    terms: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class State:
    """What is in force: rows of `collection` whose batch is at most `batch`, not void, and not superseded.

    `superseded`: documents whose rows of batches before that number are not in force, by number. `average` is the
    passages' length that the rows' weights were made with, None before there are any; so is `dim` of the vectors.
    `histogram`: how many terms occur in how many passages. `written`: the engine's own time of the last write.
    `last`: the last batch that was begun.
    """

    collection: int = 0
    batch: int = 0
    stamp: Stamp = field(default_factory=Stamp)
    passages: int = 0
    worded: int = 0
    embedded: int = 0
    length: int = 0
    average: float | None = None
    dim: int | None = None
    histogram: Mapping[int, int] = field(default_factory=dict)
    written: int = 0
    void: tuple[int, ...] = ()
    superseded: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    pending: int | None = None
    pending_collection: int | None = None
    last: int = 0


@dataclass(slots=True)
class Batch:
    """A write that is under way. `anew`: into a collection of its own, which then takes the place of the one before.

    `documents`: those that it replaces or removes; `flushed`: those of them whose rows are in the engine. `start`: the
    average to begin with, where there was one before. `owner` tells it from a batch of that number that another process
    has begun, over a ledger that was put back to an earlier state.
    """

    number: int
    collection: int
    anew: bool
    average: float | None
    dim: int | None
    documents: set[int] = field(default_factory=set)
    flushed: set[int] = field(default_factory=set)
    start: float | None = None
    written: int = 0
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """What nobody searches any more: rows of void batches, superseded rows, collections; up to the batch `until`."""

    until: int
    void: tuple[int, ...] = ()
    superseded: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    dropped: tuple[int, ...] = ()


def document_code(document_id: str) -> int:
    """A number below 2**63 in the place of a document's id."""
    return int.from_bytes(blake2b(document_id.encode(errors="surrogatepass"), digest_size=8).digest(), "big") >> 1


def packed(counts: Mapping[int, int]) -> bytes:
    """Keys, then values, as 32-bit numbers."""
    return np.array([*counts.keys(), *counts.values()], "<u4").tobytes()


def unpacked(packed: bytes) -> dict[int, int]:
    keys, values = np.frombuffer(packed, "<u4").reshape(2, -1).tolist()
    return dict(zip(keys, values, strict=True))
