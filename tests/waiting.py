"""Waiting for what comes by itself."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(true: Callable[[], object], seconds: float = 120) -> None:
    """Wait for it. That it comes in time is all that may be said of time: machines are slow now and then."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
