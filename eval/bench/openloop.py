"""A very light HTTP client for load: each request is sent when it is due, whether or not those before were answered.

A latency counts from when its request was due, so that a stall of the service is seen (no coordinated omission).
Timers wake to the millisecond; what a request is late by that counts, too.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import numpy as np

UNANSWERED = 0
"""The status of a request without a whole reply: the connection was refused or dropped, or patience ran out."""
MOST_CONNECTIONS = 800
"""Requests that wait for a connection beyond it count as waiting, as all do."""
PATIENCE = 30.0
"""Seconds from when a request was due until it is given up."""
_STALE = 3.0
"""Seconds after which an idle connection is not used again: the service may be about to close it."""
_TICK = 0.001
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_BARE = (204, 304)
"""Statuses of replies that have no body, and need not say so."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """When a request was due, sent and over, in seconds of `time.perf_counter`, and its status."""

    due: float
    sent: float
    done: float
    status: int


@dataclass(frozen=True, slots=True)
class Offer:
    """Requests that were due in a stretch of time, `seconds` long; `outcomes` grows until the client has settled."""

    began: float
    seconds: float
    outcomes: list[Outcome]


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of an offer. Times in milliseconds, of the requests that were answered (200) or never; those that
    were refused are counted by their status alone. `late` is the client's own: 99 % were sent sooner than that.
    """

    asked: int
    answered_per_second: float
    """Within the stretch: what was answered later does not count."""
    in_time: float
    """The share that was, of those that were due before the last twentieth of it."""
    p50: float
    p95: float
    p99: float
    late: float
    statuses: dict[int, int]

    @property
    def all_answered(self) -> bool:
        return set(self.statuses) <= {200}


def summary(offer: Offer) -> Summary:
    """Of an offer that has settled; times are NaN when nothing was answered."""
    end = offer.began + offer.seconds
    statuses = Counter(one.status for one in offer.outcomes)
    in_time = [one for one in offer.outcomes if one.status == 200 and one.done <= end]
    before = end - offer.seconds / 20
    due = sum(one.due <= before for one in offer.outcomes)
    waited = [one.done - one.due for one in offer.outcomes if one.status in (200, UNANSWERED)]
    p50, p95, p99 = (round(float(one) * 1e3, 2) for one in np.percentile(waited or [np.nan], (50, 95, 99)))
    late = np.percentile([one.sent - one.due for one in offer.outcomes] or [np.nan], 99)
    return Summary(
        asked=len(offer.outcomes),
        answered_per_second=round(len(in_time) / offer.seconds, 1),
        in_time=sum(one.due <= before for one in in_time) / due if due else 1.0,
        p50=p50,
        p95=p95,
        p99=p99,
        late=round(float(late) * 1e3, 2),
        statuses=dict(sorted(statuses.items())),
    )


def get(path: str) -> bytes:
    """A whole request; the path is quoted already."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()


def post(path: str, body: object) -> bytes:
    """A whole request with a JSON body."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def delete(path: str) -> bytes:
    return f"DELETE {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


Told = Callable[[Outcome], object]


class _Connection(asyncio.Protocol):
    """One request at a time; of the reply only the status is kept."""

    def __init__(self, lost: Callable[[_Connection], object]) -> None:
        self._lost = lost
        self._transport: asyncio.Transport
        self._answered: Callable[[int], object] | None = None
        self._received = b""
        self._whole: float = 0
        """Bytes of the whole reply; 0 before its head is there, infinite when it lasts as long as the connection."""
        self.closing = False
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def send(self, request: bytes, answered: Callable[[int], object]) -> None:
        self._received, self._whole, self._answered = b"", 0, answered
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        if not self._whole:
            self._read_head()
        if self._whole and len(self._received) >= self._whole:
            self._over(int(self._received[9:12]))

    def _read_head(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        found = _LENGTH.search(self._received, 0, end)
        bare = int(self._received[9:12]) in _BARE
        self._whole = end + 4 + int(found[1]) if found else end + 4 if bare else float("inf")
        self.closing = _CLOSES.search(self._received, 0, end) is not None

    def connection_lost(self, error: Exception | None) -> None:
        self.closing = True
        self._lost(self)
        lasted = self._whole == float("inf") and error is None
        self._over(int(self._received[9:12]) if lasted else UNANSWERED)

    def _over(self, status: int) -> None:
        answered, self._answered = self._answered, None
        if answered:
            answered(status)

    def give_up(self) -> None:
        self._transport.abort()


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: bytes
    due: float
    told: Told


class Client:
    """Connections to one service, kept alive; the one used last is used first. An asynchronous context."""

    def __init__(self, url: str, most: int = MOST_CONNECTIONS, patience: float = PATIENCE) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._most, self._patience = most, patience
        self._idle: list[_Connection] = []
        self._busy: dict[_Connection, float] = {}
        """When the request was due that each works on."""
        self._waiting: deque[_Waiting] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._sweeper = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._sweeper.cancel()
        for task in list(self._opening):
            task.cancel()
        for connection in [*self._idle, *self._busy]:
            connection.give_up()
        await asyncio.sleep(0)

    def send(self, request: bytes, due: float, told: Told) -> None:
        """Now, or as soon as there is a connection for it; `told` is called once it is over."""
        connection = self._free()
        if connection:
            self._start(connection, _Waiting(request, due, told))
            return
        self._waiting.append(_Waiting(request, due, told))
        self._open_another()

    async def ask(self, request: bytes) -> Outcome:
        """One request, now, and its outcome."""
        over = asyncio.get_running_loop().create_future()
        self.send(request, time.perf_counter(), over.set_result)
        outcome: Outcome = await over
        return outcome

    async def offer(
        self,
        requests: Iterator[bytes],
        rate: float,
        seconds: float,
        chance: Random,
        until: asyncio.Event | None = None,
    ) -> Offer:
        """Send requests at random (Poisson) moments, `rate` a second, until the time is over or something has happened.

        It returns when the last was sent; `settled` waits for the replies.
        """
        began, outcomes = time.perf_counter(), list[Outcome]()
        due = began + chance.expovariate(rate)
        while due < began + seconds and not (until and until.is_set()):
            while (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(max(wait, _TICK))
            self.send(next(requests), due, outcomes.append)
            due += chance.expovariate(rate)
        if not until:
            await asyncio.sleep(max(0.0, began + seconds - time.perf_counter()))
        return Offer(began, min(seconds, time.perf_counter() - began), outcomes)

    async def settled(self) -> None:
        """Until every request is over; patience ends those that never are."""
        while self._busy or self._waiting:
            await asyncio.sleep(0.01)

    def _free(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closing and time.perf_counter() - connection.idle_since < _STALE:
                return connection
            connection.give_up()
        return None

    def _start(self, connection: _Connection, waiting: _Waiting) -> None:
        sent, due, told = time.perf_counter(), waiting.due, waiting.told
        self._busy[connection] = due

        def answered(status: int) -> None:
            told(Outcome(due, sent, time.perf_counter(), status))
            self._busy.pop(connection, None)
            self._next(connection)

        connection.send(waiting.request, answered)

    def _next(self, connection: _Connection) -> None:
        if connection.closing:
            connection.give_up()
            if self._waiting:
                self._open_another()
        elif self._waiting:
            self._start(connection, self._waiting.popleft())
        else:
            connection.idle_since = time.perf_counter()
            self._idle.append(connection)

    def _open_another(self) -> None:
        if len(self._busy) + len(self._opening) < self._most:
            task = asyncio.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: _Connection(self._dropped), self._host, self._port)
        except OSError:
            if self._waiting:
                self._unsent(self._waiting.popleft())
            return
        self._next(connection)

    def _dropped(self, connection: _Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def _unsent(self, waiting: _Waiting) -> None:
        now = time.perf_counter()
        waiting.told(Outcome(waiting.due, now, now, UNANSWERED))

    async def _sweep(self) -> None:
        """End what nobody would wait for any longer."""
        while True:
            await asyncio.sleep(min(0.5, self._patience / 4))
            oldest = time.perf_counter() - self._patience
            for connection in [one for one, due in self._busy.items() if due < oldest]:
                connection.give_up()
            while self._waiting and self._waiting[0].due < oldest:
                self._unsent(self._waiting.popleft())
