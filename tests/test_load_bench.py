"""The load benchmark itself: its client against servers that stall, refuse and drop, its phases, its soak."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import repeat
from pathlib import Path
from queue import Queue
from random import Random

import psutil
import pytest

from eval.bench.openloop import UNANSWERED, Client, Offer, Outcome, Summary, get, post, summary
from eval.bench.phases import Measured, Plan, measured
from eval.bench.process import Sample, Tree, running
from eval.bench.services import Service
from eval.bench.soak import failed, grown, growth, people, watched
from eval.bench.verdict import targets
from tests.conftest import ROOT, Server, environment

Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ASK = post("/ask", {"question": "Who would monitor the ceasefire?", "top_k": 5})


@contextmanager
def serving(reply: Reply) -> Iterator[str]:
    """A real server in a thread of its own, which answers each request by `reply`."""
    started: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Queue()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError), closing(writer):
            while not writer.is_closing() and await _request(reader):
                await reply(reader, writer)

    async def run() -> None:
        server, over = await asyncio.start_server(talk, "127.0.0.1", 0), asyncio.Event()
        started.put((asyncio.get_running_loop(), over, server.sockets[0].getsockname()[1]))
        await over.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    loop, over, port = started.get()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


async def _request(reader: asyncio.StreamReader) -> bool:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return False
    length = next((line.split()[1] for line in head.splitlines() if line.lower().startswith(b"content-length")), b"0")
    await reader.readexactly(int(length))
    return True


def offered(url: str, rate: float, seconds: float, request: bytes = ASK, patience: float = 30) -> Offer:
    async def offer() -> Offer:
        async with Client(url, patience=patience) as client:
            made = await client.offer(repeat(request), rate, seconds, Random(1))
            await client.settled()
            return made

    return asyncio.run(offer())


async def answered(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


def test_a_stall_of_the_service_shows_in_every_request_that_was_due_meanwhile() -> None:
    seen = 0

    async def stalls_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        if seen == 20:
            time.sleep(0.5)  # nobody is answered
        writer.write(OK)

    with serving(stalls_once) as url:
        found = offered(url, 100, 1.5)
    waited = [one.done - one.due for one in found.outcomes]
    assert sum(one > 0.2 for one in waited) > 10  # asked one after another, a single one would have waited
    assert summary(found).p99 > 400
    assert summary(found).statuses == {200: len(waited)}


def test_requests_are_due_at_the_same_moments_each_time_whatever_the_service_does() -> None:
    with serving(answered) as url:
        first, second = (offered(url, 200, 0.3) for _ in range(2))
    moments = [sorted(round(one.due - each.began, 6) for one in each.outcomes) for each in (first, second)]
    assert moments[0] == moments[1]
    assert 30 < len(moments[0]) < 100


def test_a_connection_serves_one_request_after_another_and_a_closed_one_is_replaced() -> None:
    connections, replies = set[object](), Counter[str]()

    async def closes_every_third(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)
        replies["all"] += 1
        closing = replies["all"] % 3 == 0
        writer.write(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n") if closing else OK)
        if closing:
            writer.close()

    async def ask() -> list[int]:
        async with Client(url) as client:
            return [(await client.ask(ASK)).status for _ in range(9)]

    with serving(closes_every_third) as url:
        assert asyncio.run(ask()) == [200] * 9
    assert len(connections) == 3


def test_a_reply_is_over_when_its_last_byte_is_there() -> None:
    async def in_pieces(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in (b"HTTP/1.1 503 Busy\r\nconten", b"t-length: 4\r\n\r\nab", b"cd"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)

    with serving(in_pieces) as url:
        outcomes = offered(url, 50, 0.2).outcomes
    assert outcomes
    assert {one.status for one in outcomes} == {503}
    assert all(one.done - one.sent > 0.04 for one in outcomes)


def test_a_reply_without_a_length_ends_with_its_connection() -> None:
    async def unmeasured(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nas long as it takes")
        writer.close()

    with serving(unmeasured) as url:
        assert {one.status for one in offered(url, 50, 0.2).outcomes} == {200}


def test_requests_that_are_dropped_or_never_answered_are_counted_not_forgotten() -> None:
    async def drops(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def is_silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...

    for reply in (drops, is_silent):
        with serving(reply) as url:
            found = summary(offered(url, 50, 0.2, patience=0.4))
        assert found.asked > 0
        assert found.statuses == {UNANSWERED: found.asked}
        assert (found.answered_per_second, found.in_time) == (0, 0)
    nobody = summary(offered(url, 50, 0.2))
    assert nobody.statuses == {UNANSWERED: nobody.asked}


def test_more_requests_than_connections_wait_for_one_and_that_counts() -> None:
    async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(OK)

    async def flood() -> Offer:
        async with Client(url, most=2) as client:
            offer = await client.offer(repeat(get("/search?query=x")), 200, 0.2, Random(1))
            await client.settled()
            return offer

    with serving(slow) as url:
        outcomes = asyncio.run(flood()).outcomes
    assert {one.status for one in outcomes} == {200}
    assert max(one.done - one.due for one in outcomes) > 0.05 * (len(outcomes) / 2) - 0.2


def test_refusals_do_not_make_a_service_look_fast() -> None:
    outcomes = [Outcome(0, 0, 0.5, 200)] * 2 + [Outcome(0, 0, 0.001, 503)] * 8
    found = summary(Offer(0, 1, outcomes))
    assert (found.p50, found.p99, found.statuses) == (500, 500, {200: 2, 503: 8})
    assert (found.answered_per_second, found.in_time, found.all_answered) == (2, 0.2, False)
    assert math.isnan(summary(Offer(0, 1, [])).p50)


def test_every_phase_is_measured_of_a_service_that_refuses_what_is_too_much() -> None:
    waiting, one_at_a_time = 0, asyncio.Lock()

    async def answers_a_hundred_a_second(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        if waiting >= 10:
            writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
            return
        waiting += 1
        async with one_at_a_time:
            await asyncio.sleep(0.01)
        waiting -= 1
        writer.write(OK)

    told = list[str]()
    with serving(answers_a_hundred_a_second) as url:
        service = Service("tiny", url, Tree(os.getpid()), lambda text: post("/ask", {"question": text}), False)
        found = asyncio.run(measured(service, ["a", "b"], Plan(0.4, 0.4, 0.4, 0), told.append))
    assert found.lone >= 10
    assert 0 < found.peak <= 100
    assert found.peak <= found.most <= 100
    assert found.half
    assert found.above
    assert set(found.above.statuses) <= {200, 503}
    assert found.recovered is not None
    assert {phase for phase, _ in found.memory} <= {"ready", "lone", "rising", "half of the peak", "above the peak"}
    assert len(told) == len(found.seen)


def test_a_process_that_ends_before_it_is_ready_is_told_with_what_it_said(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such index')"]
    ended = pytest.raises(ChildProcessError, match="ended with status 1: no such index")
    with ended, running(command, lambda: False, tmp_path / "log", {}):
        pass


def test_a_process_is_watched_with_all_that_it_started(tmp_path: Path) -> None:
    started = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with running([sys.executable, "-c", started], lambda: True, tmp_path / "log", {}) as process:
        tree = Tree(process.pid)
        alone, end = tree.sample(), time.monotonic() + 20
        while (both := tree.sample()).threads < 2 and time.monotonic() < end:
            tree.look_again()
        for child in psutil.Process(process.pid).children():
            child.kill()
    assert alone.threads == 1
    assert both.threads == 2
    assert both.memory > alone.memory / 2
    while (gone := tree.sample()).memory and time.monotonic() < end:
        time.sleep(0.05)
    assert gone.memory == 0


def seen(p99: float = 10.0, statuses: dict[int, int] | None = None) -> Summary:
    return Summary(100, 50, 1, 5, 7, p99, 1, statuses or {200: 100})


def test_the_verdict_sets_what_was_measured_beside_what_was_asked_for() -> None:
    good = Measured("ours", lone=4, rate=300, peak=300, recovered=1, half=seen(), above=seen(statuses={200: 9, 503: 3}))
    good.quarter, good.uploading = seen(), seen(19)
    assert {row["met"] for row in targets(good, 400, Measured("txtai", most=100))} == {"yes"}
    bad = Measured("ours", lone=4, rate=300, peak=200, half=seen(21), above=seen(statuses={200: 9, 500: 3}))
    bad.quarter, bad.uploading = seen(), seen(21)
    bad.seen = [{"phase": "rising", "offered/s": 100, "statuses": {200: 9, 503: 1}}]
    rows = targets(bad, 400, Measured("txtai", most=100))
    assert {row["met"] for row in rows} == {"NO"}
    assert len(rows) == 7


def samples(memory: Callable[[int], float], descriptors: Callable[[int], int]) -> list[Sample]:
    return [Sample(10 * n, memory(n), descriptors(n), 20 + n % 7) for n in range(180)]


def test_a_leak_is_told_from_warming_up_and_from_ups_and_downs() -> None:
    chance = Random(0)
    steady = samples(lambda n: min(n, 30) * 10 + chance.uniform(280, 320), lambda _: 40 + chance.randrange(9))
    assert grown(steady) == []
    leaking = samples(lambda n: 600 + 0.5 * n, lambda n: 40 + n // 20)
    assert [one.split(" by")[0] for one in grown(leaking)] == ["memory grew", "descriptors grew"]
    line = growth([0, 10, 20, 30], [1.0, 2.0, 3.0, 4.0])
    assert (line.start, line.more, line.error) == pytest.approx((1, 3, 0))


def test_replies_that_a_soak_may_not_see_are_named() -> None:
    kinds = Counter({("ask", 200): 5, ("ask", 503): 2, ("read", 0): 1, ("leave", 0): 9, ("make_a_mistake", 422): 3})
    assert failed(kinds) == ["2 x ask was answered by 503", "1 x read was answered by 0"]


def test_without_the_public_sets_it_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "eval.bench.load", "--no-peer"],
        cwd=ROOT,
        env=environment() | {"QA_DATASETS": "/none"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "QA_DATASETS" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.server
@pytest.mark.model
def test_the_real_server_answers_all_that_is_offered_at_a_low_rate(service: Server) -> None:
    offer = offered(service.url, 20, 1.5)
    found = summary(offer)
    assert found.asked == len(offer.outcomes) > 10
    assert found.statuses == {200: found.asked}
    assert all(one.due <= one.sent <= one.done for one in offer.outcomes)
    assert 0 < found.p50 <= found.p95 <= found.p99 < math.inf


@pytest.mark.server
def test_a_short_soak_does_everything_and_sees_the_process(start: Callable[..., Server]) -> None:
    server = start(QA_RATE="0")
    tree = Tree(server.process.pid)
    with people(server.url, 3, 0.02) as everyone:
        end = time.monotonic() + 60
        while len(done := {what for one in list(everyone) for what, _ in list(one.kinds)}) < 10:
            assert time.monotonic() < end, done
            time.sleep(0.2)
        found = list(watched(tree, 0.5, 0.1))
    kinds = sum((one.kinds for one in everyone), Counter[tuple[str, int]]())
    assert failed(kinds) == []
    assert {200, 201, 202, 422} <= {status for _, status in kinds}
    assert len(found) > 1
    assert all(one.memory > 20 and one.descriptors > 3 and one.threads > 1 for one in found)
