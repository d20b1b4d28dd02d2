"""What Prometheus is told: counted where it happens, or read from the library when it asks.

With several worker processes, PROMETHEUS_MULTIPROC_DIR names a folder that they share, and each tells for all. It must
be set before this module is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from index.fusion import Mode
from qa import gauges
from qa.model import Loaded
from qa.types import Answer
from qa.wire import Library

SHARED = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
"""Where several processes count together; prometheus_client looks for it when it is imported, so no setting of ours."""
MEASURED = CollectorRegistry()
"""All that is counted where it happens."""

disable_created_metrics()  # type: ignore[no-untyped-call]

_REQUEST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_QUESTION = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10)
_STAGE = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

requests = Histogram(
    "qa_http_request_duration_seconds",
    "Time from a request to the end of its reply; status is its class, such as 2xx",
    ("method", "route", "status"),
    buckets=_REQUEST,
    registry=MEASURED,
)
refusals = Counter("qa_refusals", "Replies with an error, by the code in their body", ("code",), registry=MEASURED)
question_seconds = Histogram(
    "qa_question_duration_seconds",
    "Time to answer a question, by what retrieval was really done",
    ("retrieval",),
    buckets=_QUESTION,
    registry=MEASURED,
)
stage_seconds = Histogram(
    "qa_question_stage_duration_seconds",
    "Time that each stage of an answer took",
    ("stage",),
    buckets=_STAGE,
    registry=MEASURED,
)
questions = Counter(
    "qa_questions",
    "Questions answered, by what retrieval was really done and whether the documents seem to hold an answer",
    ("retrieval", "answerable"),
    registry=MEASURED,
)
fallbacks = Counter(
    "qa_fallbacks",
    "Questions answered with less than was asked for: by which part, and why",
    ("part", "reason"),
    registry=MEASURED,
)


def _begin_at_zero() -> None:
    """So that the first one is a rise from 0, which `rate` sees."""
    for retrieval in ("hybrid", "dense", "bm25"):
        for answerable in ("true", "false"):
            questions.labels(retrieval, answerable)
    for state in ("unfamiliar_words", "model_not_loaded", "model_loading", "model_failed"):
        fallbacks.labels("retrieval", state)
    for part, reason in (("reranking", "out_of_time"), ("reranking", "failed"), ("reading", "failed")):
        fallbacks.labels(part, reason)


_begin_at_zero()


def observe(answer: Answer, asked: Mode, model: Loaded[Any]) -> None:
    """Count an answer to a question that asked for a retrieval of that kind, with the embedding model as it is."""
    question_seconds.labels(answer.retrieval).observe(answer.took_ms / 1000)
    questions.labels(answer.retrieval, str(answer.answerable).lower()).inc()
    for stage, milliseconds in answer.stages_ms.items():
        stage_seconds.labels(stage.replace(" ", "_")).observe(milliseconds / 1000)
    for part, reason in _fallbacks(answer, asked, model):
        fallbacks.labels(part, reason).inc()


def _fallbacks(answer: Answer, asked: Mode, model: Loaded[Any]) -> Iterator[tuple[str, str]]:
    if asked != "bm25" and answer.retrieval == "bm25":
        away = model.value is None
        yield "retrieval", f"model_{model.state.replace(' ', '_')}" if away else "unfamiliar_words"
    if answer.reranking and not answer.reranking.complete:
        yield "reranking", "failed" if answer.reranking.failed else "out_of_time"
    if answer.reading and answer.reading.failed:
        yield "reading", "failed"


def process_ended(pid: int) -> None:
    """Forget the gauges of a worker process that has ended; its counts stay."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]


class _Exposition(PlainTextResponse):
    media_type = "text/plain"


def install(app: FastAPI, library: Library) -> None:
    read = gauges.registry(library, SHARED)
    counted = MEASURED
    if SHARED:
        counted = CollectorRegistry()
        MultiProcessCollector(counted, SHARED)  # type: ignore[no-untyped-call]

    @app.get("/metrics", response_class=_Exposition, tags=["service"])
    def metrics() -> Response:
        """What Prometheus reads: see docs/observability.md."""
        lines = generate_latest(counted) + generate_latest(read)
        return _Exposition(lines, media_type=CONTENT_TYPE_PLAIN_0_0_4)
