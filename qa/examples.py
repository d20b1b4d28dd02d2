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
ANSWER: dict[str, Any] = json.loads(Path(__file__).with_name("example_answer.json").read_text(encoding="utf-8"))
"""What the seed document answers to the first of them."""
