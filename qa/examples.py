"""Worked examples for the API's own description; a test holds them to what the service really answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

QUESTIONS: dict[str, Any] = {
    "plain": {
        "summary": "A question",
        "value": {"question": "Who would monitor the ceasefire?", "top_k": 1},
    },
    "follow-up": {
        "summary": "A follow-up; the reply shows the effective question",
        "value": {"question": "And how large is it?", "history": ["What army could Ukraine keep?"]},
    },
    "keywords": {
        "summary": "By keywords only, three passages",
        "value": {"question": "economic free zone", "mode": "bm25", "top_k": 3},
    },
    "unanswerable": {
        "summary": "Something the documents do not tell",
        "value": {"question": "What is the capital of Australia?"},
    },
}
FEEDBACK: dict[str, Any] = {
    "helpful": {
        "summary": "This passage answers it",
        "value": {
            "question": "Who would monitor the ceasefire?",
            "helpful": True,
            "passage": {
                "document_id": "9a9557710f539362",
                "start": 1148,
                "end": 1316,
                "quote": "Instead, the US would take a central role in leading a ceasefire monitoring and verification "
                "mechanism, designed to provide early warning of any renewed Russian attack.",
            },
        },
    },
    "not helpful": {
        "summary": "This passage does not answer a follow-up",
        "value": {
            "question": "And how large is it?",
            "history": ["What army could Ukraine keep?"],
            "helpful": False,
            "passage": {"document_id": "9a9557710f539362", "start": 602, "end": 1484},
        },
    },
}
"""None of them has a null, which FastAPI leaves out of the description."""
_FILE = Path(__file__).with_name("example_answer.json")
ANSWER: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
"""What the seed document answers to the first of them."""


def answered() -> dict[str, Any]:
    """What the seed document really answers to the first question, by the real model."""
    from dataclasses import asdict
    from tempfile import TemporaryDirectory

    from qa.config import settings
    from qa.wire import index_seeds, open_library

    with TemporaryDirectory() as data:
        library = open_library(settings().apart(Path(data)), make=True, load_when_needed=True)
        index_seeds(library)
        answer = library.answerer.ask(**QUESTIONS["plain"]["value"])
        library.close()
    return asdict(answer)


if __name__ == "__main__":
    _FILE.write_text(json.dumps(answered(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
