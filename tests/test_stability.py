"""The promise of stability: nothing of the API changes unnoticed, and what breaks is told in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from qa.description import CHANGELOG, KEPT, canonical, current, fingerprint, told_in
from qa.promise import broken

Description = dict[str, Any]
MAKE = "run make openapi, and say in CHANGELOG.md what changed"


@pytest.fixture(scope="module")
def kept() -> Description:
    return dict(json.loads(KEPT.read_text(encoding="utf-8")))


def test_the_description_that_is_kept_is_that_of_the_service(kept: Description) -> None:
    now = canonical(current())
    promises = broken(kept, json.loads(now))
    assert not promises, "this breaks what was promised:\n" + "\n".join(promises)
    assert now == KEPT.read_text(encoding="utf-8"), f"the description has changed: {MAKE}"


def test_the_changelog_names_the_description_that_is_kept() -> None:
    kept = fingerprint(KEPT.read_text(encoding="utf-8"))
    told = told_in(CHANGELOG.read_text(encoding="utf-8"))
    assert told == kept, f"the newest release in CHANGELOG.md needs the line `- OpenAPI: {kept}`, and what changed"


def test_the_newest_release_alone_counts() -> None:
    log = "# Changelog\n\n## 2.0\n\n- All new.\n\n## 1.0\n\n- OpenAPI: 0123456789ab\n"
    assert told_in(log) is None
    assert told_in(log.replace("- All new.", "- All new.\n- OpenAPI: `ba9876543210`")) == "ba9876543210"


def test_every_operation_has_a_name_of_its_own_and_the_one_shape_of_errors(kept: Description) -> None:
    operations = [one for path in kept["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        refusals = {status: reply for status, reply in operation["responses"].items() if int(status) >= 400}
        assert {"401", "403", "429", "500", "503"} <= refusals.keys()
        for reply in refusals.values():
            assert reply["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorReply"}
        assert "Retry-After" in refusals["429"]["headers"]
        assert "Retry-After" in refusals["503"]["headers"]


def without(name: str) -> Callable[[Description], object]:
    return lambda told: told["components"]["schemas"]["Answer"]["properties"].pop(name)


def ask(told: Description) -> Description:
    return dict(told["components"]["schemas"]["AskRequest"])


CHANGES: list[tuple[Callable[[Description], object], str]] = [
    (lambda told: told["paths"].pop("/ask"), "GET /ask is gone"),
    (lambda told: told["paths"]["/feedback"].pop("post"), "POST /feedback is gone"),
    (lambda told: told["paths"]["/ask"]["post"].update(operationId="query"), "POST /ask is called 'query', not 'ask'"),
    (without("confidence"), "Answer: confidence is gone"),
    (
        lambda told: told["components"]["schemas"]["Answer"]["properties"]["confidence"].update(type="string"),
        "Answer: confidence is string, and was number",
    ),
    (
        lambda told: told["components"]["schemas"]["Answer"]["required"].remove("confidence"),
        "Answer: confidence may be missing",
    ),
    (lambda told: ask(told)["required"].append("mode"), "AskRequest: mode is required"),
    (lambda told: ask(told)["properties"].pop("history"), "AskRequest: history is gone"),
    (lambda told: ask(told)["properties"]["top_k"].update(maximum=10), "AskRequest: top_k: maximum is 10, and was 100"),
    (
        lambda told: ask(told)["properties"]["mode"]["enum"].remove("dense"),
        "AskRequest: mode: 'dense' is not taken any more",
    ),
    (
        lambda told: told["paths"]["/jobs"]["get"]["parameters"][0].update(required=True),
        "GET /jobs: the query parameter 'limit' is required",
    ),
    (
        lambda told: told["paths"]["/jobs"]["get"]["parameters"].clear(),
        "GET /jobs: the query parameter 'limit' is gone",
    ),
    (
        lambda told: told["paths"]["/documents"]["post"]["requestBody"]["content"].pop("multipart/form-data"),
        "POST /documents: a body of multipart/form-data is not taken any more",
    ),
    (
        lambda told: told["paths"]["/documents/{document_id}/text"]["get"]["responses"]["200"]["headers"].clear(),
        "GET /documents/{document_id}/text: the reply 200 has no header X-Document-SHA256 any more",
    ),
    (
        lambda told: told["paths"]["/feedback"]["post"]["responses"].pop("201"),
        "POST /feedback: the reply 201 is gone",
    ),
]


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=[words for _, words in CHANGES])
def test_what_breaks_a_program_is_told_in_words(
    kept: Description, change: Callable[[Description], object], words: str
) -> None:
    changed = deepcopy(kept)
    change(changed)
    assert words in broken(kept, changed)


def test_what_is_added_breaks_nothing(kept: Description) -> None:
    more = deepcopy(kept)
    more["paths"]["/news"] = {"get": {"operationId": "news", "responses": {}}}
    more["components"]["schemas"]["Answer"]["properties"]["mood"] = {"type": "string"}
    ask(more)["properties"]["tone"] = {"type": "string"}
    ask(more)["properties"]["top_k"]["maximum"] = 1_000
    assert broken(kept, more) == []
    assert broken(kept, kept) == []
