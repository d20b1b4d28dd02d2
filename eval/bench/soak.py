"""`make soak`: half an hour of mixed traffic, while memory, descriptors and threads of the real service are watched."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import numpy as np
import typer

from eval.bench import services
from eval.bench.process import Sample, Tree
from eval.bench.report import Section, text
from eval.bench.speed import Row
from eval.bench.traffic import Person
from index.load import load_file
from qa.config import settings

PEOPLE = 6
PAUSE = 0.5
"""Seconds between two things that one does, on average."""
EVERY = 10.0
"""Seconds between samples, unless the whole takes so short that there would be few."""
WARM_UP = 0.2
"""Share of the time before which nothing counts."""
MEMORY_SHARE, MEMORY_MB = 0.05, 16.0
"""By which memory may grow: five in a hundred, and 16 MB."""
MORE = 2.0
"""Descriptors, or threads, that there may be more of at the end, beyond what chance explains."""
_SHOWN = 15


@dataclass(frozen=True, slots=True)
class Growth:
    """Of a line fitted to a series: its start, how much more it is at the end, and the standard error of that."""

    start: float
    more: float
    error: float


def growth(at: Sequence[float], values: Sequence[float]) -> Growth:
    """By least squares; a series of fewer than three has no growth."""
    if len(at) < 3 or at[-1] == at[0]:
        return Growth(float(values[0]) if values else 0.0, 0.0, 0.0)
    times = (np.asarray(at) - at[0]) / (at[-1] - at[0])
    slope, start = np.polyfit(times, values, 1)
    off = np.asarray(values) - start - slope * times
    spread = float(np.sqrt((off**2).sum() / (len(times) - 2) / ((times - times.mean()) ** 2).sum()))
    return Growth(float(start), float(slope), spread)


def grown(samples: Sequence[Sample]) -> list[str]:
    """What grew after the warm-up, in words; empty when nothing did."""
    kept = after_warm_up(samples)
    at = [one.at for one in kept]
    memory = growth(at, [one.memory for one in kept])
    found = []
    if memory.more > MEMORY_SHARE * memory.start + MEMORY_MB:
        found.append(f"memory grew by {memory.more:.0f} MB from {memory.start:.0f} MB")
    for what in ("descriptors", "threads"):
        counted = growth(at, [getattr(one, what) for one in kept])
        if counted.more - 3 * counted.error > MORE:
            found.append(f"{what} grew by {counted.more:.0f} from {counted.start:.0f}")
    return found


def after_warm_up(samples: Sequence[Sample]) -> list[Sample]:
    start = samples[0].at + WARM_UP * (samples[-1].at - samples[0].at)
    return [one for one in samples if one.at >= start]


def main(
    minutes: Annotated[float, typer.Option(help="How long.")] = 30,
    workers: Annotated[int, typer.Option(help="Processes that serve.")] = 1,
) -> None:
    """Serve what these clients send in; ends with status 1 when something grew, or a request failed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped then, too
    seconds = minutes * 60
    every = min(EVERY, seconds / 30)
    with (
        tempfile.TemporaryDirectory(prefix="qa-soak-") as folder,
        services.ours(Path(folder), workers) as service,
        people(service.url) as everyone,
    ):
        samples = list(watched(service.tree, seconds, every))
    kinds = sum((one.kinds for one in everyone), Counter[tuple[str, int]]())
    typer.echo(f"\n{text(Section('', '', _series(samples)))}\n\n{text(Section('', '', _done(kinds)))}\n")
    wrong = grown(samples) + failed(kinds)
    typer.echo("\n".join(wrong) or "Nothing grew.")
    sys.exit(bool(wrong))


@contextmanager
def people(url: str, count: int = PEOPLE, pause: float = PAUSE) -> Iterator[list[Person]]:
    """Several at once, until the block ends."""
    address, over = urlsplit(url), threading.Event()
    words = sorted(set(load_file(next(_seeds())).text.split()))
    everyone = [Person(address.hostname or "", address.port or 80, words, seed) for seed in range(count)]
    threads = [threading.Thread(target=one.keep_going, args=(over, pause)) for one in everyone]
    for thread in threads:
        thread.start()
    try:
        yield everyone
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _seeds() -> Iterator[Path]:
    folder = settings().seeds
    yield from sorted(folder.glob("*.txt")) if folder else ()


def watched(tree: Tree, seconds: float, every: float, sleep: Callable[[float], None] = time.sleep) -> Iterator[Sample]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        tree.look_again()
        yield tree.sample()
        sleep(every)


def failed(kinds: Counter[tuple[str, int]]) -> list[str]:
    """Statuses that none of these requests may have; a client that leaves has none."""
    return [
        f"{count} x {what} was answered by {status}"
        for (what, status), count in sorted(kinds.items())
        if status >= 500 or (status == 0 and not what.startswith("leave"))
    ]


def _series(samples: Sequence[Sample]) -> list[Row]:
    """A few of them, evenly."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(_SHOWN, len(samples))).astype(int))
    return [
        {
            "minute": round((samples[place].at - samples[0].at) / 60, 1),
            "memory MB": samples[place].memory,
            "descriptors": samples[place].descriptors,
            "threads": samples[place].threads,
        }
        for place in chosen
    ]


def _done(kinds: Counter[tuple[str, int]]) -> list[Row]:
    names = dict.fromkeys(what for what, _ in sorted(kinds))
    return [
        {"what": what.replace("_", " ")}
        | {str(status or "no reply"): count for (name, status), count in sorted(kinds.items()) if name == what}
        for what in names
    ]


if __name__ == "__main__":
    typer.run(main)
