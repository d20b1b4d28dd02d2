"""A document about birds, and what people say of its passages, for the tests of feedback."""

from __future__ import annotations

import json
from typing import Any

from fastapi.testclient import TestClient

from eval.dataset import Gold, Question
from index.load import from_text
from qa.wire import Library

BIRDS = "Pelicans eat fish.\nGulls eat chips."
FISH, CHIPS = {"start": 0, "end": 18}, {"start": 19, "end": 35}


def put_birds(library: Library, text: str = BIRDS) -> Library:
    """The library, with that text in the place of the document."""
    library.builder.put(from_text(text, title="Birds", source="papers/birds.txt", id="birds"))
    return library


def said(question: str = "What do gulls eat?", helpful: bool = True, **given: Any) -> dict[str, Any]:
    return {"question": question, "helpful": helpful, "passage": {"document_id": "birds"} | CHIPS} | given


def eval_set(service: TestClient) -> list[Question]:
    """The exported lines as the questions of an eval set; a missing or unknown field is an error."""
    reply = service.get("/feedback?format=jsonl")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/jsonl")
    return [
        Question(**line | {"gold": tuple(Gold(**one) for one in line["gold"]), "history": tuple(line["history"])})
        for line in map(json.loads, reply.text.splitlines())
    ]


def gold_of(service: TestClient) -> list[Gold]:
    return [gold for question in eval_set(service) for gold in question.gold]
