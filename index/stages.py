"""How long the stages of an answer took."""

from __future__ import annotations

import time
from collections.abc import Mapping


class Stages:
    """A stopwatch: each lap adds the time since the last one to a stage, in milliseconds."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.milliseconds[stage] = self.milliseconds.get(stage, 0.0) + (now - self._since) * 1000
        self._since = now

    def take(self, milliseconds: Mapping[str, float]) -> None:
        """Add stages that were measured elsewhere, and begin a new lap."""
        for stage, some in milliseconds.items():
            self.milliseconds[stage] = self.milliseconds.get(stage, 0.0) + some
        self._since = time.perf_counter()
