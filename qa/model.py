"""The embedding model as a running service sees it: loading, ready, or failed and why."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Literal

from index.embed import Embedder
from index.errors import IndexLocked, QAError

_log = logging.getLogger(__name__)
RETRY = 1.0
"""Seconds until the documents are tried again that another process kept from being embedded."""


class Model:
    """Holds an embedder that is loaded at leisure. `embedder` is None, and `reason` says why, until it is ready."""

    def __init__(self, name: str, load: Callable[[], Embedder]) -> None:
        self.name = name
        self.state: Literal["not loaded", "loading", "ready", "failed"] = "not loaded"
        self.reason: str | None = "the model is not loaded"
        self.embedder: Embedder | None = None
        self._load = load

    def current(self) -> Embedder | None:
        """What there is now, without waiting."""
        return self.embedder

    def load_once(self) -> Embedder | None:
        """Load it now unless that was tried before; None when it cannot be, with `reason` set."""
        if self.state == "not loaded":
            embedder = self._prepare()
            if embedder:
                self._publish(embedder)
        return self.embedder

    def start(self, before_use: Callable[[Embedder], object]) -> threading.Thread:
        """Load it in the background, run `before_use` with it, then offer it to everyone."""
        self.state, self.reason = "loading", "the model is still loading"
        thread = threading.Thread(target=self._run, args=(before_use,), name="model", daemon=True)
        thread.start()
        return thread

    def _run(self, before_use: Callable[[Embedder], object]) -> None:
        embedder = self._prepare()
        if embedder is None:
            return
        self.reason = "the documents are being embedded"
        try:
            self._in_turn(before_use, embedder)
            self._publish(embedder)
            self._in_turn(before_use, embedder)  # what came in meanwhile
        except Exception as error:  # noqa: BLE001  whatever stops it, /health says so
            _log.exception("embedding the documents failed")
            if self.embedder is None:
                self.state, self.reason = "failed", f"embedding the documents failed: {error}"

    def _in_turn(self, before_use: Callable[[Embedder], object], embedder: Embedder) -> None:
        """While another process writes, search by meaning what is embedded already, and wait for the rest."""
        while True:
            try:
                before_use(embedder)
                return
            except IndexLocked:
                self._publish(embedder)
                time.sleep(RETRY)

    def _prepare(self) -> Embedder | None:
        self.state, self.reason = "loading", "the model is still loading"
        try:
            return self._load()
        except QAError as error:
            self.state, self.reason = "failed", f"{error.message}. {error.hint}"
            _log.warning("BM25 answers alone: %s", self.reason)
            return None

    def _publish(self, embedder: Embedder) -> None:
        self.embedder, self.state, self.reason = embedder, "ready", None
