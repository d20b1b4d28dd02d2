"""Any sentence-transformers model, run by the library itself; what it imports, it imports late."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from index.embed import unit_rows
from index.errors import ModelError
from index.types import Vector, Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BATCH = 32
"""Passages embedded at a time; a question waits for one such batch at most."""
WAIT = 0.05
"""Seconds that a batch of passages lets questions go first."""


class _Turns:
    """One user of a model at a time; questions go before batches of passages."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = 0

    @contextmanager
    def question(self) -> Iterator[None]:
        self._asked += 1
        try:
            with self._lock:
                yield
        finally:
            self._asked -= 1

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Let waiting questions go first, but not for ever: where there are always some, work must go on too."""
        end = time.monotonic() + WAIT
        while self._asked and time.monotonic() < end:
            time.sleep(0.001)
        with self._lock:
            yield


class TorchEmbedder:
    """A sentence-transformers model on the CPU in float32; safe to call from several threads, questions go first."""

    runtime = "sentence-transformers, float32"

    def __init__(self, model: SentenceTransformer, name: str) -> None:
        self.name = name
        self.model = model
        self._turns = _Turns()  # its tokenizer cannot be borrowed by two threads at once
        self.dim = int(self.question("dimension").shape[0])

    def passages(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dim), np.float32)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))  # like lengths together: less padding
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            with self._turns.batch():
                made = self.model.encode_document([texts[row] for row in batch], show_progress_bar=False)
            rows[batch] = unit_rows(made)
        return rows

    def question(self, text: str) -> Vector:
        with self._turns.question():
            vector: Vector = unit_rows(self.model.encode_query([text], show_progress_bar=False))[0]
        return vector


def load(folder: Path, name: str) -> TorchEmbedder:
    """Raises ModelError. Takes seconds: torch is imported here."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    collecting = gc.isenabled()
    gc.disable()  # a fifth of the import time is the collector going over new modules
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar, set_verbosity_error

        disable_progress_bar()  # type: ignore[no-untyped-call]
        set_verbosity_error()  # type: ignore[no-untyped-call]
        logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
        loaded = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        return TorchEmbedder(loaded.eval(), name)
    except Exception as error:
        raise ModelError(f"the model {name} cannot be loaded: {error}", "Check QA_MODEL.") from error
    finally:
        gc.freeze()  # the modules stay for good: neither a collection nor the exit need go over them
        if collecting:
            gc.enable()
