"""`qa worker`: takes in what was sent to the services of a library, beside any number of others on any machine."""

from __future__ import annotations

import logging
import os
import signal
import threading

from index.errors import StorageError, UsageError
from qa import logs
from qa.config import Settings
from qa.ending import LEAVING
from qa.jobs import Jobs
from qa.wire import Library, open_library

_log = logging.getLogger(__name__)

_AGAIN = 1.0
"""Seconds until a catalogue that is away is tried again."""


def work(settings: Settings) -> None:
    """Take files in until SIGTERM or SIGINT; the file at hand is finished if that takes no longer than seconds, and
    else left to another process, like all that was claimed.

    Of a data folder one process takes files in, be it this one or the service. A PostgreSQL that is away is waited
    for. Raises UsageError where workers of several machines would not have the files that wait, and what `open_library`
    raises otherwise.
    """
    if settings.catalogue and not settings.files:
        what = "a worker needs the files that were sent to the services"
        raise UsageError(what, "Set QA_FILES, for all of them, to a folder or a store that each can reach.")
    logs.configure(settings)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    library = _opened(settings, ended)
    if library is None:
        return
    library.model.load_once()
    jobs = Jobs(
        library.catalogue,
        library.ingest,
        settings.reading,
        library.open_index if settings.engine != "local" else lambda: None,  # else it is a matter of the services
        library.shared,
        library.files,
    )
    jobs.start()
    _log.info("taking in what is sent to %s", library.place)
    ended.wait()
    timer = threading.Timer(LEAVING, os._exit, [0])  # whatever does not end holds nothing that is needed
    timer.daemon = True
    timer.start()
    jobs.close()
    library.close()
    _log.info("took in %d files, %d could not be read", *jobs.counts)


def _opened(settings: Settings, ended: threading.Event) -> Library | None:
    """None where it was to end before."""
    told = False
    while not ended.is_set():
        try:
            return open_library(settings, make=True, makes_store=not settings.catalogue)
        except StorageError as error:
            if not settings.catalogue:
                raise
            if not told:
                _log.warning("waiting: %s. %s", error.message, error.hint)
            told = True
            ended.wait(_AGAIN)
    return None
