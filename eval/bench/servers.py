"""The servers that a cluster leans on, each started for a measurement in a folder of its own, and stopped after it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from eval.bench.process import free_port
from index.errors import QAError

_STARTS = 60.0
_OWNER = "postgres"
"""Who runs PostgreSQL where this runs as root, which it refuses."""


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """The URL of an empty database. It is on the disk before anything is acknowledged, as where it is relied on.

    Raises QAError where PostgreSQL is not installed.
    """
    data, port = folder / "postgresql", free_port()
    data.mkdir(0o700)
    prefix = list[str]()
    if os.getuid() == 0:
        owner = pwd.getpwnam(_OWNER)
        os.chown(data, owner.pw_uid, owner.pw_gid)
        folder.chmod(0o711)
        prefix = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    made = [*prefix, _program("initdb"), "-D", str(data), "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust", "-U", "qa"]
    subprocess.run(made, check=True, capture_output=True, cwd="/")
    ready = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "qa", "-d", "postgres"]
    network = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories="]
    command = [*prefix, _program("postgres"), "-D", str(data), *network, "-c", "shared_buffers=1GB"]
    with _running(command, lambda: subprocess.run(ready).returncode == 0, folder / "postgresql.log", signal.SIGINT):
        yield f"postgresql+psycopg://qa@127.0.0.1:{port}/postgres"


@contextmanager
def milvus(folder: Path, lite: bool) -> Iterator[str]:
    """The URI of an empty Milvus: Lite as a server, which has both legs, or PyPI's standalone server, the dense."""
    port = free_port()
    where = ["server", "--data-dir"] if lite else ["--data"]
    data, name = folder / ("lite" if lite else "milvus"), "milvus-lite" if lite else "milvus-server"
    data.mkdir()
    given = ["--host", "127.0.0.1", "--port", str(port)] if lite else ["--proxy-port", str(port)]
    command = [str(Path(sys.executable).with_name(name)), *where, str(data), *given]
    uri = f"http://127.0.0.1:{port}"
    with _running(command, lambda: answers(uri), folder / f"{name}.log", signal.SIGTERM):
        yield uri


@contextmanager
def _running(command: Sequence[str], ready: Callable[[], bool], log: Path, ends: signal.Signals) -> Iterator[None]:
    """A process that is ready, ended with all that it started. Raises QAError when it does not begin."""
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=written, cwd="/", start_new_session=True)
    try:
        end = time.monotonic() + _STARTS
        while not ready():
            if process.poll() is not None or time.monotonic() > end:
                said = log.read_text(encoding="utf-8", errors="replace")[-1_000:]
                raise QAError(f"{Path(command[0]).name} did not begin: {said}")
            time.sleep(0.2)
        yield
    finally:
        for how in (ends, signal.SIGKILL):
            try:
                os.killpg(process.pid, how)
                process.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def answers(uri: str) -> bool:
    """Whether a Milvus server does."""
    from pymilvus import MilvusClient

    from index.milvus_client import CHANNEL

    try:
        client = MilvusClient(uri, timeout=2, dedicated=True, grpc_options=CHANNEL)
    except Exception:  # noqa: BLE001  whatever it is that is not ready yet
        return False
    try:
        client.list_collections(timeout=2)
    except Exception:  # noqa: BLE001
        return False
    finally:
        client.close()
    return True


def _program(name: str) -> str:
    """Debian keeps those of the server outside of the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: int(one.parent.name), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")]))
    if found is None:
        raise QAError(f"{name} is not there", "Install the package postgresql, or name a server of yours.")
    return found
