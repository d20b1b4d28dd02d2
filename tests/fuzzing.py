"""Schemathesis over the service's own description: what it found, and what it tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import (
    CacheConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
    StatefulPhaseConfig,
)
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.engine import events, from_schema
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData
from schemathesis.python.asgi import shutdown_lifespans

BEYOND_A_SCHEMA = (
    "is empty, or longer than 20,000 characters",  # the end of a passage comes after its start
    "is no passage of the document",
    "nested deeper than",
)
"""What is refused though each field is as described: JSON Schema cannot say these."""


@dataclass
class Findings:
    """`failures` in words; how often each check ran, and how often each operation gave each status."""

    failures: list[str] = field(default_factory=list)
    checks: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, Counter[int]] = field(default_factory=dict)

    def never(self, *families: int) -> set[str]:
        """The operations that never gave a status of these families (2 for 2xx)."""
        return {name for name, given in self.statuses.items() if not any(code // 100 in families for code in given)}


def fuzzed(
    target: Any,
    examples: int,
    headers: dict[str, str] | None = None,
    without: Sequence[str] = (),
    coverage: bool = True,
) -> Findings:
    """Every phase, and every check but those `without`, over an application in this process or a URL. The same cases
    each time; `coverage` is the phase with the most of them, each limit of each field."""
    config = _config(examples, headers)
    config.projects.default.phases.coverage.enabled = coverage
    config.projects.default.checks.update(excluded_check_names=list(without))
    schema = _loaded(target, config, headers or {})
    schema.hook("filter_failure")(_counts)
    schema.hook("filter_case")(_is_short)
    found = Findings()
    try:
        for event in from_schema(schema).execute():
            if isinstance(event, events.NonFatalError | events.FatalError):
                found.failures.append(f"schemathesis itself: {event}")
            elif isinstance(event, events.ScenarioFinished):
                _note(found, event.recorder)
    finally:
        shutdown_lifespans()
    return found


def _config(examples: int, headers: dict[str, str] | None) -> SchemathesisConfig:
    cases = GenerationConfig(max_examples=examples, deterministic=True, no_shrink=True, database="none")
    project = ProjectConfig(
        generation=cases,
        phases=PhasesConfig(stateful=StatefulPhaseConfig(max_steps=5)),
        headers=headers,
        workers=1,
        continue_on_failure=True,
        request_timeout=120,  # `wait` waits for files that are read in processes of their own
    )
    return SchemathesisConfig(seed=1, projects=ProjectsConfig(default=project), cache=CacheConfig(enabled=False))


def _loaded(target: Any, config: SchemathesisConfig, headers: dict[str, str]) -> Any:
    if isinstance(target, str):
        return schemathesis.openapi.from_url(f"{target}/openapi.json", config=config, headers=headers)
    return schemathesis.openapi.from_asgi("/openapi.json", target, config=config, headers=headers)


def _is_short(_: object, case: Any) -> bool:
    """A thousand documents take half a minute, twice for each run; that many are sent elsewhere."""
    documents = case.body.get("documents") if isinstance(case.body, dict) else None
    return not isinstance(documents, list) or len(documents) < 100


def _counts(_: object, failure: Failure, case: Any, response: Any) -> bool:
    """Whether it is a failure of ours. Dropped is only what the check gets wrong, each for the reason given."""
    text = response.content.decode("utf-8", "replace")
    if int(response.status_code) in (413, 414, 431):  # a refusal, of all that was sent together, whatever it was
        return not isinstance(failure, AcceptedNegativeData | RejectedPositiveData)
    multipart = (case.media_type or "").startswith("multipart/")
    if isinstance(failure, RejectedPositiveData):
        unreadable = multipart and '"document_error"' in text  # which bytes are a file that can be read
        return not (unreadable or any(words in text for words in BEYOND_A_SCHEMA))
    if isinstance(failure, AcceptedNegativeData):
        return not (multipart and "violates `type`" in failure.message)  # a form field is text whatever it was
    if isinstance(failure, EnsureResourceAvailability):
        # what POST /documents makes at once is a job, whose id is no document's
        return not (failure.created_with == "POST /documents" and "/documents/" in failure.not_available_with)
    return True


def _note(found: Findings, recorder: Any) -> None:
    for case_id, exchange in recorder.interactions.items():
        if exchange.response is not None:
            name = recorder.cases[case_id].value.operation.label
            found.statuses.setdefault(name, Counter())[int(exchange.response.status_code)] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            found.checks[check.name] += 1
            if check.failure_info:
                found.failures.append(_told(check, recorder.interactions[case_id]))


def _told(check: Any, exchange: Any) -> str:
    failure = check.failure_info.failure
    reply = f"{exchange.response.status_code} {exchange.response.content[:500]!r}" if exchange.response else "no reply"
    words = failure.message[:1_000]
    return f"{check.name}: {failure.operation}: {words}\n{check.failure_info.code_sample[:2_000]}\n=> {reply}"
