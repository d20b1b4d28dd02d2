"""`make load`: the real server under open-loop load, beside txtai's own API with the same texts, vectors and model."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from eval.bench import services
from eval.bench.__main__ import _when as measured_when
from eval.bench.corpus import questions
from eval.bench.phases import Measured, Plan, measured
from eval.bench.report import Section, text
from eval.bench.speed import Row
from eval.bench.verdict import targets
from eval.dataset import public
from index import embed
from index.errors import QAError
from qa.config import settings

PEER = Path(".venv-peers/bin/python")
RESULT = Path("bench/load.json")
SHORT, DRAWN = 11_000, 200_000
_ASKED = 2_000
_ASKING = 16
"""Threads that embed questions at the same time."""


def main(
    short: Annotated[int, typer.Option(help="Short documents of the public sets; 0 for none.")] = SHORT,
    passages: Annotated[int, typer.Option(help="Drawn passages; 0 for none.")] = DRAWN,
    seconds: Annotated[float, typer.Option(help="At half of the peak; other phases are shorter in proportion.")] = 20,
    documents: Annotated[int, typer.Option(help="Uploaded while questions are asked.")] = 200,
    workers: Annotated[str, typer.Option(help="Numbers of worker processes to measure.")] = "1,2",
    peer: Annotated[bool, typer.Option(help="Measure txtai's API, too.")] = True,
) -> None:
    """Ask each service, one at a time, more and more questions a second; a table, and all of it in bench/load.json."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped then, too
    try:
        public("squad_a")
        if peer and not PEER.exists():
            raise QAError(f"{PEER} is not there", "Run make load, which installs txtai, or leave it out by --no-peer")
    except QAError as error:
        typer.secho(f"{error.message}. {error.hint}", fg="red", err=True)
        raise typer.Exit(1) from error
    plan, counts = Plan.of(seconds, documents), [int(one) for one in workers.split(",")]
    if max(counts) > 1 and not services.knows_workers():
        typer.echo("qa serve has no option --workers: measured with one process only.")
        counts = [1]
    found: list[dict[str, Any]] = []
    for size, from_public in ((short, True), (passages, False)):
        if size:
            found.append(_at(size, from_public, plan, counts, peer))
    RESULT.parent.mkdir(exist_ok=True)
    kept = {"when": measured_when(), "plan": plan.written(), "measured": found}
    RESULT.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    typer.echo(f"\nAll of it, memory over time included: {RESULT}")


def _at(size: int, from_public: bool, plan: Plan, counts: list[int], peer: bool) -> dict[str, Any]:
    """One library, asked through each service."""
    asked = questions(_ASKED)
    with tempfile.TemporaryDirectory(prefix="qa-load-") as name:
        folder = Path(name)
        stored = _apart(services.prepare, folder, size, from_public, peer)
        typer.echo(f"\n## {stored:,} passages, {'public sets' if from_public else 'drawn'}\n")
        raw = _apart(raw_rates, asked, plan.step)
        made = [_one(services.ours(folder, count), asked, plan) for count in counts]
        theirs = _one(services.txtai(folder, PEER), asked, plan) if peer else None
    every = [*made, theirs] if theirs else made
    typer.echo(f"{text(Section('', '', _rows(every)))}\n")
    typer.echo(f"Questions embedded a second, nothing else: {raw}\n")
    for one in made:
        typer.echo(f"{one.service}:\n\n{text(Section('', '', targets(one, max(raw.values()), theirs)))}\n")
    return {"passages": stored, "raw": raw, "services": [one.written() for one in every]}


def _apart(work: Any, *given: Any) -> Any:
    """Done in a process of its own, which is gone afterwards."""
    with ProcessPoolExecutor(1, get_context("spawn")) as worker:
        return worker.submit(work, *given).result()


def _one(service: AbstractContextManager[services.Service], asked: list[str], plan: Plan) -> Measured:
    with service as running, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measured(running, asked, plan, partial(_tell, running.name)))


def _tell(name: str, phase: str) -> None:
    typer.echo(f"{name}: {phase}", err=True)


def raw_rates(asked: list[str], seconds: float) -> dict[str, float]:
    """Questions embedded a second by the runtime alone, by one thread and by many; warmed up before."""
    embedder = embed.load(embed.DEFAULT_MODEL, settings().cache)
    rate = partial(_rate, embedder, asked)
    rate(1, seconds / 2)
    return {"one thread": rate(1, seconds), f"{_ASKING} threads": rate(_ASKING, seconds)}


def _rate(embedder: embed.Embedder, asked: list[str], threads: int, seconds: float) -> float:
    end, done = time.perf_counter() + seconds, [0] * threads

    def ask(number: int) -> None:
        for question in _from(asked, number):
            if time.perf_counter() >= end:
                return
            embedder.question(question)
            done[number] += 1

    every = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
    for one in every:
        one.start()
    for one in every:
        one.join()
    return round(sum(done) / seconds, 1)


def _from(asked: list[str], number: int) -> Iterator[str]:
    """Round and round, each thread from another place."""
    place = number * 101
    while True:
        yield asked[place % len(asked)]
        place += 1


def _rows(every: Sequence[Measured]) -> list[Row]:
    """A line for each figure, a column for each service."""
    columns = {one.service: _figures(one) for one in every}
    names = dict.fromkeys(name for figures in columns.values() for name in figures)
    return [{"what": name} | {service: figures.get(name, "") for service, figures in columns.items()} for name in names]


def _figures(one: Measured) -> Row:
    memory = [sample.memory for _, sample in one.memory]
    found: Row = {
        "one question after another: median, ms": one.lone,
        "the same, p99": one.lone_p99,
        "peak: answered a second": one.peak,
        "most answered a second, also failing or behind": one.most,
    }
    phases = {
        "half of the peak": one.half,
        "one and a half of the peak": one.above,
        "a quarter of the peak": one.quarter,
        "the same, documents uploaded": one.uploading,
    }
    for name, seen in phases.items():
        if seen:
            found[f"{name}: p50, p95, p99, ms"] = f"{seen.p50}, {seen.p95}, {seen.p99}"
            found[f"{name}: replies"] = ", ".join(f"{count} x {status}" for status, count in seen.statuses.items())
    return found | {
        "recovered from that, s": "never" if one.recovered is None else one.recovered,
        "documents uploaded, in s": f"{one.uploaded}, {one.uploaded_in}" if one.uploaded else "",
        "memory when ready, at most, at the end, MB": f"{memory[0]:.0f}, {max(memory):.0f}, {memory[-1]:.0f}",
        "the client itself: processor time a question, us": one.cost,
        "sent late by, p99, ms": one.half.late if one.half else "",
    }


if __name__ == "__main__":
    typer.run(main)
