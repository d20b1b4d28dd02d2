"""A cross-encoder, which reads question and passage together: slower than vectors, and a better judge.

Any CrossEncoder of sentence-transformers, run by the library itself, which is not imported early.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.errors import ModelError
from index.pretrained import loading, located, model_errors

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

SETTING = "QA_RERANKER"
BATCH = 4
"""Texts scored at a time: few, so that the time is kept to."""
_NEEDED = (
    f"{SETTING} needs a CrossEncoder of sentence-transformers with one label, the relevance, as "
    "cross-encoder/ms-marco-MiniLM-L6-v2 is."
)


@dataclass(frozen=True, slots=True)
class Rescored:
    """The scores of the first texts, as many as there was time for; `complete` when these are all."""

    scores: tuple[float, ...]
    seconds: float
    complete: bool


class Reranker:
    """A cross-encoder on the CPU in float32; safe to call from several threads."""

    def __init__(self, model: CrossEncoder, name: str) -> None:
        self.name = name
        self._model = model
        self._using = threading.Lock()  # two batches at once would be slower than one after the other
        self.rescored("Which one?", ["This one."], 0)  # the first call takes longer, and shows whether it works

    def rescored(self, question: str, texts: Sequence[str], budget: float) -> Rescored:
        """How relevant each text is to the question, higher is better: the first texts, in at most `budget` seconds.

        At least one batch is scored; another one is begun when the slowest so far would still fit. Scores are what the
        model gives, probabilities or logits, and comparable between questions as far as the model's are; a text that is
        too long for it is cut off. Raises ModelError.
        """
        scores, spent, slowest = list[float](), 0.0, 0.0
        started = time.perf_counter()
        while len(scores) < len(texts) and (not scores or spent + slowest <= budget):
            scores += self._scores(question, texts[len(scores) : len(scores) + BATCH])
            now = time.perf_counter() - started
            spent, slowest = now, max(slowest, now - spent)
        return Rescored(tuple(scores), spent, len(scores) == len(texts))

    def _scores(self, question: str, texts: Sequence[str]) -> list[float]:
        pairs = [(question, text) for text in texts]
        with self._using, model_errors(f"the model {self.name} failed", f"Check {SETTING}."):
            scores: list[float] = self._model.predict(pairs, batch_size=BATCH, show_progress_bar=False).tolist()
        return scores


def load_reranker(name: str) -> Reranker:
    """Load a cross-encoder by name or folder, from this machine only. Takes seconds: torch is imported here.

    Raises ModelError: missing, corrupt, no cross-encoder, or one with several labels.
    """
    folder = located(name, SETTING, "cross-encoder")
    with loading(name, SETTING):
        _check_scores_pairs(folder, name)
        from sentence_transformers import CrossEncoder

        model = CrossEncoder(str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": "float32"}).eval()
        if model.num_labels != 1:
            raise ModelError(f"the model {name} has {model.num_labels} labels", _NEEDED)
        return Reranker(model, name)


def _check_scores_pairs(folder: Path, name: str) -> None:
    """The library gives any other model a head of random weights, and only logs that it did."""
    kind = _stored(folder / "config_sentence_transformers.json").get("model_type")
    architectures = _stored(folder / "config.json").get("architectures") or ["unknown"]
    if kind != "CrossEncoder" and not architectures[0].endswith(("ForSequenceClassification", "ForCausalLM")):
        raise ModelError(f"the model {name} is no cross-encoder: its architecture is {architectures[0]}", _NEEDED)


def _stored(file: Path) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return stored
