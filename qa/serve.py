"""`qa serve`: the service as a process."""

from __future__ import annotations

import errno
import logging
import resource
import signal
import socket
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from index.errors import QAError
from index.priority import take_turns
from qa import logs
from qa.access import Access
from qa.api import create_app
from qa.config import Settings
from qa.connections import Connection
from qa.ending import DRAIN, Timely, leave
from qa.shared import SharedFile, shared_folder
from qa.wire import Library, index_seeds, open_library
from qa.workers import Application, Processes, count_together

_log = logging.getLogger(__name__)

_OTHER_FILES = 1_000
"""File handles for all but connections."""


def serve(settings: Settings) -> None:
    """Run until interrupted. A new data folder starts with the seeds, searchable by BM25 at once.

    Raises QAError when the address cannot be used, or is one of other machines and nobody has to sign in, and what
    `open_library` raises.
    """
    logs.configure(settings)
    take_turns()
    with _listener(settings.host, settings.port) as listener:
        _check_exposure(settings)
        _check_files(settings)
        _allow_connections(settings.connections)
        if settings.workers == 1:
            _serve_alone(settings, listener)
        else:
            _serve_together(settings, listener)


def _check_exposure(settings: Settings) -> None:
    """Refuse to let other machines in without a token, be it by this address or through a proxy."""
    if settings.insecure or (settings.local and not settings.proxies and not settings.hosts):
        return
    access = Access(settings.data, settings.catalogue)
    try:
        if not access.usable():
            place = settings.hosts or settings.host
            raise QAError(
                f"without a token whoever reaches {place} could read and change the documents",
                "Make a token first: qa token create --name me --scope manage. Or let everybody in: --insecure.",
            )
    finally:
        access.close()


def _check_files(settings: Settings) -> None:
    """Say what several machines need."""
    if settings.catalogue and not settings.files:
        _log.warning("what is sent here is for this machine alone to take in: QA_FILES names a place that others reach")


def _serve_alone(settings: Settings, listener: socket.socket) -> None:
    signal.signal(signal.SIGTERM, leave)  # uvicorn sends it again once it has drained
    library = open_library(settings, make=True, serving=True)
    try:
        _welcome(library, listener)
        uvicorn.Server(_config(Timely(create_app(library, settings.names)), settings)).run(sockets=[listener])
    finally:
        library.close()


def _serve_together(settings: Settings, listener: socket.socket) -> None:
    library = open_library(settings, make=True, serving=True)
    try:
        _welcome(library, listener)
    finally:
        library.close()
    with shared_folder() as shared:
        count_together(shared)
        SharedFile(shared).close()  # made before several would make it at once
        Processes(_config(Application(settings, settings.names, shared), settings), [listener]).run()


def _welcome(library: Library, listener: socket.socket) -> None:
    """Fill a new data folder, and say where the service is."""
    if library.catalogue.generation() == 0:  # nothing was ever stored here
        index_seeds(library)
    host, port = listener.getsockname()[:2]
    documents, passages, _ = library.catalogue.counts.all()
    print(f"{documents} document{'s' * (documents != 1)}, {passages} passages in {library.place}")  # noqa: T201
    print(f"Chapter & Verse: http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)  # noqa: T201


def _config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies.replace(" ", ","),
        lifespan="on",
        workers=settings.workers,
        timeout_graceful_shutdown=DRAIN,
        timeout_worker_healthcheck=30,
    )


def _allow_connections(wanted: int) -> None:
    """Each takes a file handle, of which systems give a process few by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
            )


def _listener(host: str, port: int) -> socket.socket:
    """A socket that already accepts, so that the address printed is one that answers."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except socket.gaierror as error:
        raise QAError(f"{host} is not an address of this machine", "Set QA_HOST, usually to 127.0.0.1.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise QAError(
                f"port {port} is in use", f"Stop what uses it, or take another: QA_PORT={port + 1} make serve"
            ) from error
        raise QAError(f"cannot listen on {host}, port {port}: {error.strerror}", "Set QA_HOST or QA_PORT.") from error
    return listener
