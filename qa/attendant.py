"""Looks after an opened library from time to time, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from index.errors import IndexLocked, QAError

_log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two rounds."""
LATER = 60.0
"""The same after one that failed."""
SOON = 5.0
"""The same where that was most likely a server which is away."""
_ENDS = 5.0
"""Seconds that the end waits for a round; what it leaves undone is done by the next process."""


class Attendant:
    """Calls `work` again and again, from `start` to `close`. `wait` ends when others have written, at the latest after
    so many seconds."""

    def __init__(self, work: Callable[[], object], wait: Callable[[float], object] | None = None) -> None:
        self._work = work
        self._wait = wait
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attendant", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(_ENDS)

    def _run(self) -> None:
        pause = PAUSE
        while not self._ending.wait(pause):
            pause = self._round()

    def _round(self) -> float:
        """Seconds until the next one."""
        try:
            self._work()
            if self._wait is None:
                return PAUSE
            self._wait(PAUSE)
            return 0.0
        except IndexLocked as error:
            _log.debug("%s", error.message)
            return PAUSE
        except QAError as error:
            _log.warning("%s. %s", error.message, error.hint)
        except Exception:  # noqa: BLE001  the next round may do better
            _log.exception("a round failed")
        return LATER if self._wait is None else SOON
