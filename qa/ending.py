"""How the service ends: what was begun is finished, what takes too long is left for the next start.

Everything that was acknowledged is on the disk before, so that no end comes too early. `DRAIN` and `LEAVING` together,
and what a machine under load needs besides, are less than the 10 seconds that systems give.
"""

from __future__ import annotations

import os
import threading
from typing import NoReturn

from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAIN = 4
"""Seconds for the requests at hand."""
LEAVING = 4.5
"""Seconds after that for the file at hand, and for saving the search index."""
LAST = 9.0
"""Seconds after which a parent ends processes that should have ended."""


class Timely:
    """ASGI: an application whose process ends `LEAVING` seconds after its server has drained, whatever it does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, _timely(receive) if scope["type"] == "lifespan" else receive, send)


def _timely(receive: Receive) -> Receive:
    async def received() -> Message:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            timer = threading.Timer(LEAVING, os._exit, [0])
            timer.daemon = True
            timer.start()
        return message

    return received


def leave(*_: object) -> NoReturn:
    """A handler of signals: end in order."""
    raise SystemExit(0)
