"""How the service is: does it live, can it be asked, and how does it answer."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request

from index.errors import Busy, QAError
from index.types import Stamp
from qa import __version__
from qa.access import Holder
from qa.model import Loaded
from qa.replies import Client, Health, ModelHealth
from qa.wire import Library

ROOM = 16 << 20
"""Bytes that must be free for the data folder to count as one that can be written."""


_THREADS = 4
"""Looks at the same time, in threads of their own: those of all others may be waiting for a locked database."""


@dataclass(frozen=True, slots=True)
class Live:
    live: Literal[True] = True


@dataclass(frozen=True, slots=True)
class Ready:
    ready: Literal[True] = True


def install(app: FastAPI, library: Library) -> None:
    threads = CapacityLimiter(_THREADS)
    latest = Health(status="failing", version=__version__, retrieval="bm25", reason=None, model=_model(library))

    @app.get("/health/live", tags=["service"])
    async def live() -> Live:
        """The process is there and takes requests, whatever else may fail: no reason to start it anew."""
        return Live()

    @app.get("/health/ready", tags=["service"])
    async def ready() -> Ready:
        """Whether questions may be sent here: the documents can be read, the search index is open."""
        reason = await to_thread.run_sync(_unready, library, limiter=threads)
        if reason:
            raise Busy(f"not ready: {reason}", "Send questions to another one meanwhile.")
        return Ready()

    @app.get("/health", tags=["service"])
    async def health(request: Request) -> Health:
        """Can it answer, and does it search by meaning or, while the model is away, by BM25 alone? While the documents
        cannot be read it says `failing`, with the counts of before. `client` is who is signed in."""
        client = _client(request.scope.get("qa.holder"))
        return replace(await to_thread.run_sync(look, limiter=threads), client=client)

    def look() -> Health:
        nonlocal latest
        failure = None
        try:
            latest = _state(library, latest)
            library.catalogue.check()
        except QAError as error:
            failure = f"{error.message}. {error.hint}"
        unwritable = _unwritable(library.settings.data)
        model = library.model
        return replace(
            latest,
            status="failing" if failure else "ok",
            retrieval="hybrid" if model.embedder else "bm25",
            reason=failure or "; ".join(filter(None, (library.degraded, unwritable, model.reason))) or None,
            model=_model(library),
            ready=_unready(library) is None if not failure else False,
            writable=unwritable is None,
        )


def _state(library: Library, latest: Health) -> Health:
    """What is stored and searched now."""
    documents, passages, pending = library.catalogue.counts.all()
    return replace(
        latest,
        reranker=_extra(library.reranker),
        reader=_extra(library.reader),
        calibrated=library.calibration.fitted,
        generation=library.catalogue.generation(),
        documents=documents,
        passages=passages,
        passages_not_embedded=pending,
        repaired=library.repaired,
        degraded=library.degraded,
    )


def _unready(library: Library) -> str | None:
    if library.jobs.closing:
        return "the service is stopping"
    try:
        library.catalogue.check()
        if library.stamp == Stamp() and not library.catalogue.empty():
            return "the search index is being opened"
        if library.away:
            return library.away
    except QAError as error:
        return error.message
    return None


def _unwritable(folder: Path) -> str | None:
    if not folder.is_dir():
        return f"the data folder {folder} is not there"
    if not os.access(folder, os.W_OK):
        return f"the data folder {folder} cannot be written"
    if shutil.disk_usage(folder).free < ROOM:
        return f"the disk of the data folder {folder} is full"
    return None


def _model(library: Library) -> ModelHealth:
    model = library.model
    return ModelHealth(model.name, model.state, model.embedder.runtime if model.embedder else None, model.reason)


def _extra(model: Loaded[Any]) -> ModelHealth | None:
    return ModelHealth(model.name, model.state, reason=model.reason) if model.name else None


def _client(holder: Holder | None) -> Client | None:
    return Client(holder.name, holder.scope) if holder else None
