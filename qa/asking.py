"""Questions in threads of their own: so many at a time, so long each, whatever else the service is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from index.errors import Busy

_T = TypeVar("_T")
THREADS = 6
"""Questions that are worked on at the same time, so that the model can take several together."""


class Asking:
    """Takes at most `most` questions at a time, each for at most so many seconds."""

    def __init__(self, most: int, seconds: float) -> None:
        self.most = most
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ask")
        self.taken = 0

    @property
    def full(self) -> bool:
        return self.taken >= self.most

    def busy(self) -> Busy:
        return Busy(f"{self.taken} questions are waiting already", "Ask again in a moment; see QA_QUESTIONS.")

    async def run(self, work: Callable[[], _T]) -> _T:
        """What `work` returns, from a thread. Raises Busy when there are too many, or when it takes too long."""
        if self.full:
            raise self.busy()
        self.taken += 1
        try:
            running = asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, work)
            return await asyncio.wait_for(running, self._seconds)
        except TimeoutError as error:
            message = f"the question was not answered within {self._seconds:g} seconds"
            raise Busy(message, "Ask again in a moment; see QA_QUESTION_SECONDS.") from error
        finally:
            self.taken -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
