"""Services that are measured: started as processes, waited for, watched, and stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_START = 300
"""Seconds that a service may take to answer."""
_STOP = 20


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], ready: Callable[[], bool], log: Path, given: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ready; what it writes goes to `log`. `given` are more variables of its environment.

    Raises ChildProcessError when it ends before, TimeoutError when it takes too long.
    """
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT, env=os.environ | given)
    try:
        _wait(process, ready, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def fetched(url: str) -> bytes:
    """The body of a reply; empty while there is none, or an error."""
    with suppress(OSError, urllib.error.HTTPError), urllib.request.urlopen(url, timeout=30) as reply:
        return bytes(reply.read())
    return b""


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + _START
    while not ready():
        written = log.read_text(encoding="utf-8", errors="replace")[-2_000:]
        if process.poll() is not None:
            raise ChildProcessError(f"{process.args!r} ended with status {process.returncode}: {written}")
        if time.monotonic() > end:
            raise TimeoutError(f"{process.args!r} is not ready after {_START} s: {written}")
        time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process and all that it started hold. `at` in seconds since 1970; memory is resident, in megabytes."""

    at: float
    memory: float
    descriptors: int
    threads: int


class Tree:
    """A process and all that it started, looked at now and then."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._all = [self._root]

    def look_again(self) -> None:
        """Find the processes that it has now; costs milliseconds where many run."""
        with suppress(psutil.Error):
            self._all = [self._root, *self._root.children(recursive=True)]

    def sample(self) -> Sample:
        """Of the processes found last; those that are gone count as nothing."""
        memory, descriptors, threads = 0, 0, 0
        for process in self._all:
            with suppress(psutil.Error), process.oneshot():
                memory += process.memory_info().rss
                descriptors += process.num_fds()
                threads += process.num_threads()
        return Sample(time.time(), round(memory / 1e6, 1), descriptors, threads)
