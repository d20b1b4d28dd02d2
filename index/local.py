"""The embedded engine: FAISS and BM25 postings in memory, derived from the catalogue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from index.errors import EngineError, QAError
from index.lexical import LexicalIndex
from index.terms import terms
from index.types import Hit, Passage, Vector, Vectors
from index.vectors import VectorIndex

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _State:
    """What readers see; replaced whole at each commit."""

    generation: int = 0
    lexical: LexicalIndex = field(default_factory=LexicalIndex)
    vectors: VectorIndex = field(default_factory=VectorIndex)


class LocalEngine:
    """See `index.engine.Engine` for the contract."""

    def __init__(self) -> None:
        self._state = _State()
        self._staged: dict[str, tuple[list[Passage], Vectors | None]] = {}
        self._writing = threading.Lock()

    @property
    def generation(self) -> int:
        return self._state.generation

    def replace(self, document_id: str, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        if vectors is not None and len(vectors) != len(passages):
            raise EngineError(f"{document_id}: {len(passages)} passages came with {len(vectors)} vectors")
        with self._writing:
            self._staged[document_id] = (list(passages), vectors)

    def commit(self, generation: int) -> None:
        with self._writing:
            self._state = _guarded(lambda: self._merged(generation))
            self._staged = {}

    def _merged(self, generation: int) -> _State:
        if not self._staged:
            return _State(generation, self._state.lexical, self._state.vectors)
        passages = [passage for staged, _ in self._staged.values() for passage in staged]
        embedded = [(staged, vectors) for staged, vectors in self._staged.values() if staged and vectors is not None]
        return _State(
            generation,
            self._state.lexical.changed(
                self._staged, {one.id: terms(f"{one.context}\n{one.text}") for one in passages}
            ),
            self._state.vectors.changed(
                self._staged,
                [passage.id for staged, _ in embedded for passage in staged],
                [np.asarray(vectors) for _, vectors in embedded],
            ),
        )

    def weights(self, terms: Sequence[str]) -> dict[str, float]:
        return self._state.lexical.weights(terms)

    def dense(self, vector: Vector, k: int, where: Collection[str] | None = None) -> list[Hit]:
        state = self._state
        return _guarded(lambda: state.vectors.search(vector, k, where))

    def sparse(self, weights: Mapping[str, float], k: int, where: Collection[str] | None = None) -> list[Hit]:
        state = self._state
        return _guarded(lambda: state.lexical.search(weights, k, where))

    def close(self) -> None:
        self._state = _State()


def _guarded(work: Callable[[], _Result]) -> _Result:
    """Run a search step; whatever FAISS or NumPy raise becomes an EngineError with its cause."""
    try:
        return work()
    except QAError:
        raise
    except Exception as error:
        raise EngineError(f"the search engine failed: {error}", "Restart the service; the index is rebuilt.") from error
