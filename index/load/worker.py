"""The process in which files of strangers are read: no network, no writing, no other programs but tesseract.

It takes a request a line on standard input and answers on standard output in frames: a letter, the payload's length
in eight bytes, the payload. Limits are set by itself at its start; the process that started it watches the clock.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from index.errors import DocumentError
from index.load import codec, read, text
from index.load.draft import Options

IDLE = 60.0
"""Seconds without a request after which it ends by itself."""
_GRACE = 5
_FORBIDDEN: tuple[str, ...] = (
    "socket.",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "os.rmdir",
)
_FORBIDDEN += ("os.mkdir", "os.link", "os.symlink", "os.chmod", "os.chown", "shutil.", "urllib.", "ftplib.", "http.")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main() -> None:
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the replies
    limits = json.loads(sys.argv[2])
    _confine(limits["memory"])
    channel.write(b"!")
    channel.flush()
    while select.select([sys.stdin], [], [], IDLE)[0]:
        line = sys.stdin.readline()
        if not line:
            return
        _answer(json.loads(line), channel, limits)


def _confine(memory: int) -> None:
    """Bound this process, and refuse what no parser has a reason to do."""
    sys.dont_write_bytecode = True
    os.nice(5)  # questions go first
    try:
        import resource
    except ImportError:  # not on Windows
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        if PurePath(os.fsdecode(arguments[0])).name != "tesseract":
            raise PermissionError("a file that is read may not start programs")
    elif event == "open":
        path, _, flags = arguments
        if flags & _WRITING and path != os.devnull and not isinstance(path, int):
            raise PermissionError("a file that is read may not write files")
    elif event.startswith(_FORBIDDEN):
        raise PermissionError(f"a file that is read may not do this: {event}")


def _answer(request: dict[str, Any], channel: BinaryIO, limits: dict[str, Any]) -> None:
    _alarm(limits["seconds"])
    try:
        kind, payload = _done(request, channel, limits)
    except DocumentError as error:
        kind, payload = b"e", json.dumps([error.message, error.hint]).encode()
    except MemoryError:
        kind, payload = b"m", b""
    except IndexError as error:
        kind, payload = b"i", str(error).encode()
    _alarm(0)
    _send(channel, kind, payload)


def _done(request: dict[str, Any], channel: BinaryIO, limits: dict[str, Any]) -> tuple[bytes, bytes]:
    data = text.content(Path(request["path"]), limits["bytes"])
    if request["do"] == "page":
        from index.load import render

        boxes = [tuple(box) for box in request["boxes"]]
        return b"p", render.page(data, request["number"], boxes, request["width"], request["password"])

    def page_read(done: int, total: int) -> None:
        _alarm(limits["seconds"])
        _send(channel, b"b", json.dumps([done, total]).encode())

    options = Options(request["password"], request["ocr"], request["languages"], page_read=page_read)
    return b"d", codec.dumps(read(data, request["name"], request["source"], options)).encode()


def _alarm(seconds: float) -> None:
    """Die even when nobody is left to watch the clock."""
    if hasattr(signal, "alarm"):
        signal.alarm(int(seconds) + _GRACE if seconds else 0)


def _send(channel: BinaryIO, kind: bytes, payload: bytes) -> None:
    channel.write(kind + len(payload).to_bytes(8, "big") + payload)
    channel.flush()
