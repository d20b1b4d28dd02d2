"""Whose token or session it is, as it was a moment ago: each request would have to ask the database otherwise."""

from __future__ import annotations

import time
from typing import Literal

from anyio import CapacityLimiter, to_thread

from qa.access import Access, Holder

GLANCE = 1.0
"""Seconds after which it is looked again whether a token still holds."""
_THREADS = 4
"""Looks at the same time, in threads of their own: those of all others may be waiting for a locked database."""
_KEPT = 1_000
"""Tokens and sessions that are remembered for so long."""
Kind = Literal["token", "session"]


class Holders:
    """What `Access` knows, looked up in threads. Raises what that raises."""

    def __init__(self, access: Access) -> None:
        self._find = {"token": access.holder, "session": access.session}
        self._access = access
        self._required = False
        self._looked = -GLANCE
        self._threads = CapacityLimiter(_THREADS)
        self._known: dict[tuple[Kind, str], tuple[float, Holder | None]] = {}

    async def required(self) -> bool:
        """Whether people sign in here. Once they do, they do for as long as this process runs."""
        if not self._required and time.monotonic() - self._looked >= GLANCE:
            self._required = await to_thread.run_sync(self._access.required, limiter=self._threads)
            self._looked = time.monotonic()
        return self._required

    async def of(self, kind: Kind, secret: str) -> Holder | None:
        looked, holder = self._known.get((kind, secret), (-GLANCE, None))
        if time.monotonic() - looked >= GLANCE:
            holder = await to_thread.run_sync(self._find[kind], secret, limiter=self._threads)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[kind, secret] = time.monotonic(), holder
        return holder

    def sign_out(self, session: str) -> None:
        """End a session, here at once, in other processes of the service within `GLANCE`."""
        self._access.sign_out(session)
        self._known.pop(("session", session), None)
