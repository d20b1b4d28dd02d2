"""What is looked up when Prometheus asks: what is stored, how far this process is, what its processes take."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from qa import __version__
from qa.model import Loaded
from qa.wire import Library

PATIENCE = 2.0
"""Seconds that a scrape waits for the catalogue."""


def registry(library: Library, shared: str | None) -> CollectorRegistry:
    """All of them, for a service whose processes count in the folder `shared`, or that is one process."""
    made = CollectorRegistry()
    made.register(Catalogue(lambda: stored(library)))
    made.register(Process(library))
    made.register(Processes(shared))
    return made


@dataclass(frozen=True, slots=True)
class Stored:
    """What the catalogue says."""

    documents: int
    passages: int
    not_embedded: int
    generation: int
    jobs: int
    files: int


def stored(library: Library) -> Stored:
    """Raises what the catalogue raises."""
    return Stored(*library.catalogue.counts.all(), library.catalogue.generation(), *library.jobs.unfinished())


class Catalogue(Collector):
    """What is stored. A catalogue that cannot be read, or not in `patience` seconds, has no such gauges, and a 0 says
    so: the scrape goes on."""

    def __init__(self, read: Callable[[], Stored], patience: float = PATIENCE) -> None:
        self._read = read
        self._patience = patience
        self._turn = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        found = self._found()
        yield _gauge("qa_catalogue_up", "Whether the catalogue could be read", found is not None)
        if found is None:
            return
        yield _gauge("qa_documents", "Documents stored", found.documents)
        yield _gauge("qa_passages", "Passages stored", found.passages)
        yield _gauge("qa_passages_not_embedded", "Passages found by their words only, so far", found.not_embedded)
        yield _gauge("qa_catalogue_generation", "Raised by one with every write", found.generation)
        yield _gauge("qa_jobs_unfinished", "Jobs that are queued or running", found.jobs)
        yield _gauge("qa_job_files_waiting", "Files that were sent and are not taken in yet", found.files)

    def _found(self) -> Stored | None:
        """Read in a thread, one at a time: SQLite waits longer for a lock than a scrape may."""
        if not self._turn.acquire(timeout=self._patience):
            return None
        result: Queue[Stored | None] = Queue(1)
        threading.Thread(target=self._run, args=(result,), name="scrape", daemon=True).start()
        try:
            return result.get(timeout=self._patience)
        except Empty:
            return None

    def _run(self, result: Queue[Stored | None]) -> None:
        found = None
        try:
            with suppress(Exception):  # whatever is wrong with it, /health tells
                found = self._read()
        finally:
            self._turn.release()
            result.put(found)


class Process(Collector):
    """The process that answers the scrape: its models, and how far its search index is."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def collect(self) -> Iterable[Metric]:
        models: Mapping[str, Loaded[Any]] = {
            "embedder": self._library.model,
            "reranker": self._library.reranker,
            "reader": self._library.reader,
        }
        ready = {part: model.value is not None for part, model in models.items() if model.name}
        yield _gauges("qa_build_info", "The version that runs", "version", {__version__: 1})
        yield _gauges("qa_model_ready", "Whether a model that is set can be used", "part", ready)
        generation = self._library.engine_generation
        if generation is not None:
            yield _gauge("qa_engine_generation", "State of the catalogue that questions are answered from", generation)


class Processes(Collector):
    """Memory, processor time and open files of all processes of the service together, by their usual names."""

    def __init__(self, shared: str | None) -> None:
        self._shared = shared

    def collect(self) -> Iterable[Metric]:
        totals: dict[str, float] = {}
        for family in self._families():
            value, before = family.samples[0].value, totals.get(family.name)
            if before is not None:
                value = min(before, value) if family.name == "process_start_time_seconds" else before + value
            totals[family.name] = value
        for name, (what, kind) in _OF_PROCESSES.items():
            if name in totals:
                yield kind(name, f"{what}, of all processes of the service", value=totals[name])

    def _families(self) -> Iterator[Metric]:
        for pid in self._pids():
            yield from ProcessCollector(pid=partial(str, pid), registry=None).collect()

    def _pids(self) -> set[str]:
        """Those that have counted anything, and this one; of one that has ended nothing is found."""
        names = [path.name for path in Path(self._shared).glob("*.db")] if self._shared else []
        return {"self"} if not names else {match[1] for name in names if (match := re.search(r"_(\d+)\.db$", name))}


_OF_PROCESSES: Mapping[str, tuple[str, type[GaugeMetricFamily] | type[CounterMetricFamily]]] = {
    "process_resident_memory_bytes": ("Resident memory", GaugeMetricFamily),
    "process_cpu_seconds": ("Processor time", CounterMetricFamily),
    "process_open_fds": ("Open files", GaugeMetricFamily),
    "process_start_time_seconds": ("Start, in seconds since 1970, the earliest", GaugeMetricFamily),
}


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=float(value))


def _gauges(name: str, what: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    made = GaugeMetricFamily(name, what, labels=[label])
    for key, value in values.items():
        made.add_metric([key], float(value))
    return made
