"""A model as a running service sees it: loading, ready, or failed and why."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from index.embed import Embedder
from index.errors import IndexLocked, QAError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
RETRY = 1.0
"""Seconds until the documents are tried again that another process kept from being embedded."""


class Loaded(Generic[_T]):
    """Holds a model that is loaded at leisure. `value` is None, and `reason` says why, until it is ready.

    `what` it is and what is done `without` it are for messages. One without a name is not wanted, and never loaded.
    """

    def __init__(self, what: str, name: str, load: Callable[[], _T], without: str) -> None:
        self.what = what
        self.name = name
        self.state: Literal["not loaded", "loading", "ready", "failed"] = "not loaded"
        self.reason: str | None = f"the {what} is not loaded" if name else f"no {what} is set"
        self.value: _T | None = None
        self._load = load
        self._without = without
        self._loading = threading.Lock()

    def current(self) -> _T | None:
        """What there is now, without waiting."""
        return self.value

    @property
    def away(self) -> tuple[str, str] | None:
        """The name of one that is wanted and not there, and why."""
        return (self.name, self.reason or "") if self.name and self.value is None else None

    def load_once(self) -> _T | None:
        """Load it now unless that was tried before; None when it cannot be, with `reason` set."""
        with self._loading:
            if self.name and self.state == "not loaded":
                value = self._prepare()
                if value is not None:
                    self._publish(value)
        return self.value

    def load_in_background(self) -> threading.Thread:
        """Load it in a thread of its own, then offer it to everyone."""
        return self._in_background(self.load_once)

    def _in_background(self, work: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=work, name=self.what, daemon=True)
        thread.start()
        return thread

    def _prepare(self) -> _T | None:
        self.state, self.reason = "loading", f"the {self.what} is still loading"
        try:
            return self._load()
        except QAError as error:
            self.state, self.reason = "failed", f"{error.message}. {error.hint}"
            _log.warning("%s: %s", self._without, self.reason)
            return None

    def _publish(self, value: _T) -> None:
        self.value, self.state, self.reason = value, "ready", None


class Model(Loaded[Embedder]):
    """Holds the embedder, which is offered when the documents are embedded."""

    def __init__(self, name: str, load: Callable[[], Embedder]) -> None:
        super().__init__("model", name, load, "BM25 answers alone")

    @property
    def embedder(self) -> Embedder | None:
        return self.value

    @embedder.setter
    def embedder(self, embedder: Embedder | None) -> None:
        self.value = embedder

    def start(self, before_use: Callable[[Embedder], object]) -> threading.Thread:
        """Load it in the background, run `before_use` with it, then offer it to everyone."""
        self.state, self.reason = "loading", "the model is still loading"
        return self._in_background(lambda: self._run(before_use))

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
