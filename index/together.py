"""Does together what several threads ask for at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(slots=True, eq=False)
class _Asked(Generic[_A, _B]):
    item: _A
    done: bool = False
    result: _B | None = None
    error: BaseException | None = None


class Together(Generic[_A, _B]):
    """Calls `work` with one item, or up to `most` that came while it was busy; one who comes alone waits for nobody.

    `work` is never called by two threads at once. How many it takes is a power of two: runtimes prepare for each size.
    """

    def __init__(self, work: Callable[[Sequence[_A]], Sequence[_B]], most: int) -> None:
        self._work = work
        self._most = most
        self._waiting: list[_Asked[_A, _B]] = []
        self._lock, self._turn = threading.Lock(), threading.Lock()

    def __call__(self, item: _A) -> _B:
        """What `work` makes of an item. Raises what `work` raises for those that it was given."""
        mine: _Asked[_A, _B] = _Asked(item)
        with self._lock:
            self._waiting.append(mine)
        while not mine.done:
            with self._turn:
                if not mine.done:
                    self._do()
        if mine.error:
            raise mine.error
        return mine.result  # type: ignore[return-value]

    def _do(self) -> None:
        with self._lock:
            count = min(self._most, 1 << (len(self._waiting).bit_length() - 1))
            some, self._waiting = self._waiting[:count], self._waiting[count:]
        try:
            for one, result in zip(some, self._work([one.item for one in some]), strict=True):
                one.result = result
        except BaseException as error:  # noqa: BLE001  it is raised where each of them was asked for
            for one in some:
                one.error = error
        finally:
            for one in some:
                one.done = True
