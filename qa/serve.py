"""`qa serve`: the service as a process."""

from __future__ import annotations

import errno
import logging
import socket

import uvicorn

from index.errors import QAError
from qa.api import create_app
from qa.config import Settings
from qa.wire import index_seeds, open_library


def serve(settings: Settings) -> None:
    """Run until interrupted. A new data folder starts with the seeds, searchable by BM25 at once.

    Raises QAError when the address cannot be used, and what `open_library` raises.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    listener = _listener(settings.host, settings.port)
    with listener:
        _run(settings, listener)


def _run(settings: Settings, listener: socket.socket) -> None:
    library = open_library(settings, make=True, serving=True)
    try:
        if library.catalogue.generation() == 0:  # nothing was ever stored here
            index_seeds(library)
        host, port = listener.getsockname()[:2]
        documents, passages, _ = library.catalogue.counts()
        print(f"{documents} document{'s' * (documents != 1)}, {passages} passages in {settings.data}")  # noqa: T201
        print(f"Chapter & Verse: http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)  # noqa: T201
        config = uvicorn.Config(
            create_app(library, _hosts(host)),
            log_level="warning",
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=5,
        )
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        library.close()


def _hosts(host: str) -> frozenset[str] | None:
    """The names of this machine for itself, when nobody else is to be answered."""
    return frozenset({"127.0.0.1", "localhost", "[::1]", host}) if host in ("127.0.0.1", "::1") else None


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
