"""Work that nobody waits for steps back for what somebody does."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BACK = 15
"""By so much the threads are nicer than others (`nice`, 0 to 19): beside a busy one they get a thirtieth of a core."""
TURN = 0.0005
"""Seconds after which a thread that computes in Python lets another one go on. A question takes many turns, and beside
an upload it would wait ten times as long for each by Python's own setting."""
_THREADS = Path("/proc/self/task")


@contextmanager
def steps_back() -> Iterator[None]:
    """The threads that begin inside, but Python's own, run when nothing else wants their core. On Linux alone, where
    threads have priorities of their own; elsewhere nothing is done."""
    before = _threads()
    yield
    for thread in _threads() - before - {one.native_id for one in threading.enumerate()}:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + BACK))


def take_turns() -> None:
    """Have the threads of this process take turns so that none waits long for another."""
    sys.setswitchinterval(TURN)


def _threads() -> set[int]:
    try:
        return {int(thread.name) for thread in _THREADS.iterdir()}
    except OSError:
        return set()
