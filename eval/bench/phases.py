"""What is measured of a service, in this order: alone, rising to its peak, at half of it, above it, and recovering."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import cycle
from random import Random
from typing import Any

import numpy as np

from eval.bench.openloop import Client, Outcome, Summary, delete, post, summary
from eval.bench.process import Sample
from eval.bench.services import Service, uploaded

RISE = 1.25
FOLLOWS = 0.97
"""The share of a step's questions, but for the last, that are answered within it where the service follows."""
MOST_STEPS = 24
SLOWED = 2.0
"""A lone question takes as long as before again when the median of five is below so many times the median before."""
_PROBES = 5
_GIVEN_UP = 60.0
"""Seconds after which a recovery is not waited for any longer."""
_GROUP = 10
"""Documents of an upload."""
_UPLOADING = 180.0
"""Seconds after which no more are begun."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds of each phase, and how many documents are uploaded."""

    step: float
    steady: float
    flood: float
    documents: int

    @staticmethod
    def of(seconds: float, documents: int) -> Plan:
        """By how long it is asked at half of its peak."""
        return Plan(seconds / 5, seconds, seconds / 2, documents)

    def written(self) -> dict[str, float]:
        return asdict(self)


@dataclass(slots=True)
class Measured:
    """Rates are questions a second, times milliseconds. `seen` is what was seen of each phase, as it is written."""

    service: str
    lone: float = 0.0
    lone_p99: float = 0.0
    rate: float = 0.0
    """The highest offered that it followed."""
    peak: float = 0.0
    """What it answered then, counting only what it answered in time."""
    most: float = 0.0
    """Answered in any step, also where it did not follow or answered some with errors."""
    half: Summary | None = None
    above: Summary | None = None
    recovered: float | None = None
    """Seconds from the end of the flood; None when it was given up."""
    quarter: Summary | None = None
    uploading: Summary | None = None
    uploaded: int = 0
    """Documents, in `uploaded_in` seconds."""
    uploaded_in: float = 0.0
    seen: list[dict[str, Any]] = field(default_factory=list)
    memory: list[tuple[str, Sample]] = field(default_factory=list)
    cost: float = 0.0
    """Microseconds of processor time that the client took for a question, at half of the peak."""

    def written(self) -> dict[str, Any]:
        return asdict(self)


async def measured(service: Service, questions: list[str], plan: Plan, tell: Callable[[str], object]) -> Measured:
    """Its phases one after another; `tell` hears how each went."""
    async with Client(service.url) as client:
        made = _Measuring(service, client, questions, plan, tell)
        async with made.watched():
            await made.all_phases()
    return made.result


class _Measuring:
    def __init__(
        self, service: Service, client: Client, questions: list[str], plan: Plan, tell: Callable[[str], object]
    ) -> None:
        self._service, self._client, self._plan, self._tell = service, client, plan, tell
        self._requests: Iterator[bytes] = cycle([service.question(text) for text in questions])
        self._chance = Random(0)
        self._phase = "ready"
        self.result = Measured(service.name)

    async def all_phases(self) -> None:
        await self._alone()
        self.result.rate = await self._rising()
        await self._at_half()
        await self._above()
        if self._service.uploads:
            await self._uploading()

    @asynccontextmanager
    async def watched(self) -> Any:
        """Looks at the service's memory each second."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()

    async def _watch(self) -> None:
        phase = ""
        while True:
            if phase != self._phase:  # looking for processes costs more than looking at them
                phase = self._phase
                self._service.tree.look_again()
            self.result.memory.append((phase, self._service.tree.sample()))
            await asyncio.sleep(1)

    async def _alone(self) -> None:
        """One question after another, for as long as two steps; the first half is for warming up."""
        self._phase = "lone"
        await self._one_by_one(self._plan.step)
        taken = await self._one_by_one(self._plan.step)
        self.result.lone = round(float(np.median(taken)), 2)
        self.result.lone_p99 = round(float(np.percentile(taken, 99)), 2)

    async def _one_by_one(self, seconds: float) -> list[float]:
        """Milliseconds of each."""
        end, taken = time.perf_counter() + seconds, list[float]()
        while time.perf_counter() < end:
            outcome = await self._client.ask(next(self._requests))
            if outcome.status != 200:
                raise AssertionError(f"{self._service.name} answers a lone question by {outcome.status}")
            taken.append(_milliseconds(outcome))
        return taken

    async def _step(self, name: str, rate: float, seconds: float, until: asyncio.Event | None = None) -> Summary:
        self._phase = name
        began = time.process_time()
        offer = await self._client.offer(self._requests, rate, seconds, self._chance, until)
        await self._client.settled()
        found = summary(offer)
        self._keep(name, rate, found, (time.process_time() - began) / max(1, found.asked) * 1e6)
        return found

    def _keep(self, name: str, rate: float, found: Summary, cost: float | None = None) -> None:
        self.result.seen.append({"phase": name, "offered/s": rate, "client us": cost} | asdict(found))
        self._tell(
            f"{name}: {rate:.0f} offered/s, {found.answered_per_second:.0f} answered/s, "
            f"p50 {found.p50} ms, p99 {found.p99} ms, {found.statuses}"
        )

    async def _follows(self, rate: float) -> bool:
        """Whether it answers so many; a step that it does not is tried once more, since the machine may have paused."""
        for _ in range(2):
            found = await self._step("rising", rate, self._plan.step)
            self.result.most = max(self.result.most, found.answered_per_second)
            if found.all_answered and found.in_time >= FOLLOWS:
                self.result.peak = found.answered_per_second
                return True
            await asyncio.sleep(0.5)
        return False

    async def _rising(self) -> float:
        """The highest rate that it follows; from half of what one question after another would make."""
        rate = 500 / self.result.lone
        while not await self._follows(rate):
            rate /= 2
            if rate < 1:
                raise AssertionError(f"{self._service.name} does not even follow a question a second")
        for _ in range(MOST_STEPS):
            if not await self._follows(rate * RISE):
                break
            rate *= RISE
        between = rate * (1 + RISE) / 2
        return between if await self._follows(between) else rate

    async def _at_half(self) -> None:
        self.result.half = await self._step("half of the peak", self.result.peak / 2, self._plan.steady)
        self.result.cost = round(self.result.seen[-1]["client us"], 1)

    async def _above(self) -> None:
        """Half more than it can answer; then how long it takes until it is as before."""
        self._phase, over = "above the peak", self.result.rate * 1.5
        offer = await self._client.offer(self._requests, over, self._plan.flood, self._chance)
        end = time.perf_counter()
        self.result.recovered = await self._recovery(end)
        await self._client.settled()
        self.result.above = summary(offer)
        self._keep(self._phase, over, self.result.above)

    async def _recovery(self, end: float) -> float | None:
        latest = list[float]()
        async with Client(self._service.url) as newcomer:
            while time.perf_counter() < end + _GIVEN_UP:
                outcome = await newcomer.ask(next(self._requests))
                latest.append(_milliseconds(outcome) if outcome.status == 200 else float("inf"))
                if len(latest) >= _PROBES and np.median(latest[-_PROBES:]) <= SLOWED * self.result.lone:
                    return round(time.perf_counter() - end, 2)
        return None

    async def _uploading(self) -> None:
        """The same rate without and with documents being sent in; these are removed again."""
        rate = self.result.peak / 4
        self.result.quarter = await self._step("quarter of the peak", rate, self._plan.steady)
        over, began = asyncio.Event(), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._upload(over))
            group.create_task(self._ask_meanwhile(rate, over))
        self.result.uploaded_in = round(time.perf_counter() - began, 1)
        for one in uploaded(self.result.uploaded):
            await self._client.ask(delete(f"/documents/{one['id']}"))

    async def _upload(self, over: asyncio.Event) -> None:
        """A few at a time, each time until they are searchable."""
        documents, end = list(uploaded(self._plan.documents)), time.perf_counter() + _UPLOADING
        async with Client(self._service.url, patience=600) as client:
            while self.result.uploaded < len(documents) and time.perf_counter() < end:
                group = documents[self.result.uploaded :][:_GROUP]
                outcome = await client.ask(post("/documents?wait=true", {"documents": group}))
                if outcome.status != 201:
                    raise AssertionError(f"an upload was answered by {outcome.status}")
                self.result.uploaded += len(group)
        over.set()

    async def _ask_meanwhile(self, rate: float, over: asyncio.Event) -> None:
        self.result.uploading = await self._step("uploads at a quarter", rate, 600, over)


def _milliseconds(outcome: Outcome) -> float:
    return (outcome.done - outcome.due) * 1e3
