"""A sentence-transformers model converted once for the OpenVINO runtime. The only file that imports it.

The whole model is converted, with its pooling and normalisation, its prompts are kept beside it, and the vectors of the
two are compared: where they differ, the library itself is used.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import math
import os
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from index.embed import Embedder, unit_rows
from index.priority import steps_back
from index.together import Together
from index.types import Vector, Vectors

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

    from index.torch_embedder import TorchEmbedder

_log = logging.getLogger(__name__)

_VERSION = 1
"""Raised when what is kept in the cache changes."""
LIKENESS = 0.999
"""The least cosine between a vector of the converted model and the library's."""
BATCH_PIECES = 704
"""Word pieces computed at a time, padding included: four full passages, or two dozen sentences. More at a time are no
faster, and leave a core waiting at the end."""
AT_ONCE = 4
"""Questions embedded together at most: more are no faster."""
_STEP = 8
"""Lengths are padded to a multiple of it: the runtime prepares each shape anew that it has not met lately."""
_SAMPLES = [
    "",
    "rain",
    "Who would monitor the ceasefire?",
    "THE ARMY MAY KEEP 800,000 SOLDIERS; see § 3.5 (b), p. 12!",
    "Der Vertrag gilt für zwölf Monate. Er verlängert sich nicht.",
    "東京は日本の首都です。 Ελλάδα, Россия, مصر — naïve café ﬁt",
    "line one\nline two\n\n\tindented, with  two spaces and a word_of_two-parts 👩‍👩‍👧",
    "The lamp of the lighthouse burned colza oil until the keeper's daughter brought paraffin. " * 3,
    "Ferries leave at noon and carry bicycles, mail, and every now and then a reluctant cow. " * 60,
]


@dataclass(frozen=True, slots=True)
class _Settings:
    """What the converted model needs to know beyond its graph; or, in `reason`, why it is not used."""

    inputs: list[str]
    max_length: int
    pad_id: int
    question_prompt: str
    passage_prompt: str
    reason: str = ""


class OpenVinoEmbedder:
    """Safe to call from several threads; questions go first."""

    def __init__(self, folder: Path, name: str, settings: _Settings, processes: int = 0) -> None:
        from tokenizers import Tokenizer

        self.name = name
        self.runtime, self._precision = _precision()
        self._settings = settings
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(settings.max_length)
        self._tokenizer.no_padding()
        core = _openvino().Core()
        self._compile = partial(core.compile_model, core.read_model(folder / "model.xml"), "CPU")
        self._cores = max(1, (os.cpu_count() or 1) // max(1, processes))
        self._request = self._for_questions(self._cores)
        self._embedding = threading.Lock()
        self._together: Together[str, Vector] = Together(self._questions, AT_ONCE)
        self.dim = int(self.question("dimension").shape[0])
        if processes:
            _ = self._several  # nobody waits for it later

    def _for_questions(self, cores: int) -> Any:
        return self._compiled("LATENCY", INFERENCE_NUM_THREADS=cores).create_infer_request()

    def _compiled(self, hint: str, **settings: Any) -> Any:
        return self._compile({"INFERENCE_PRECISION_HINT": self._precision, "PERFORMANCE_HINT": hint} | settings)

    @cached_property
    def _several(self) -> Any:
        """For several questions: half of the cores, so that those who ask have the others meanwhile."""
        return self._for_questions(max(1, self._cores // 2)) if self._cores > 1 else self._request

    @cached_property
    def _queue(self) -> Any:
        """For many texts: each core has batches of its own, in threads that step back for a question."""
        with steps_back():
            return _openvino().AsyncInferQueue(self._compiled("THROUGHPUT"))

    def passages(self, texts: Sequence[str]) -> Vectors:
        prompt = self._settings.passage_prompt
        encodings = self._tokenizer.encode_batch([prompt + text for text in texts])
        rows = np.zeros((len(texts), self.dim), np.float32)
        with self._embedding:
            self._queue.set_callback(lambda request, batch: rows.__setitem__(batch, request.get_output_tensor(0).data))
            for batch in _batches([len(encoding.ids) for encoding in encodings]):
                self._queue.start_async(self._inputs([encodings[row] for row in batch]), batch)
            self._queue.wait_all()
        return unit_rows(rows)

    def question(self, text: str) -> Vector:
        return self._together(text)

    def _questions(self, texts: Sequence[str]) -> list[Vector]:
        """One on all cores, which is soonest; several on half of them, which takes a quarter less time of all."""
        request = self._request if len(texts) == 1 else self._several
        prompt = self._settings.question_prompt
        inputs = self._inputs(self._tokenizer.encode_batch([prompt + text for text in texts]))
        return list(unit_rows(request.infer(inputs, share_inputs=True, share_outputs=True)[0]))

    def _inputs(self, encodings: Sequence[Encoding]) -> dict[str, Any]:
        """Arrays (texts, longest), padded at the end to a multiple of `_STEP`, if the model takes so many."""
        longest = max(len(encoding.ids) for encoding in encodings)
        shape = len(encodings), min(_padded(longest), self._settings.max_length)
        arrays = {name: np.zeros(shape, np.int64) for name in self._settings.inputs}
        arrays["input_ids"][:] = self._settings.pad_id
        for row, encoding in enumerate(encodings):
            values = {
                "input_ids": encoding.ids,
                "attention_mask": encoding.attention_mask,
                "token_type_ids": encoding.type_ids,
            }
            for name, array in arrays.items():
                array[row, : len(encoding.ids)] = values[name]
        return arrays


def load(folder: Path, name: str, cache: Path | None, weights: str | None, processes: int = 0) -> Embedder:
    """The converted model, from the cache or converted now; the library's where it cannot be.

    Raises ModelError. Takes seconds when it was not converted before.
    """
    kept = _kept(folder, cache, weights)
    settings = _read(kept)
    if kept and settings and not settings.reason:
        try:
            return OpenVinoEmbedder(kept, name, settings, processes)
        except Exception:  # noqa: BLE001  whatever is wrong with it, it can be made again
            _log.warning("%s is damaged; the model is converted again", kept, exc_info=True)
            shutil.rmtree(kept, ignore_errors=True)
            settings = None
    from index import torch_embedder

    library = torch_embedder.load(folder, name)
    if settings:
        return _with_reason(library, settings.reason)
    with tempfile.TemporaryDirectory(prefix="qa-model-", dir=_made(cache)) as made:
        settings, converted = _converted(library, Path(made), name)
        if kept:
            _keep(Path(made), kept)
    return converted or _with_reason(library, settings.reason)


def planned(folder: Path, cache: Path | None, weights: str | None) -> str:
    """What `load` would use, without loading it."""
    settings = _read(_kept(folder, cache, weights))
    if settings and settings.reason:
        return f"sentence-transformers, float32 ({settings.reason})"
    return _precision()[0] + ("" if settings else " (not converted yet)")


def _with_reason(library: TorchEmbedder, reason: str) -> TorchEmbedder:
    library.runtime = f"{type(library).runtime} ({reason})"
    return library


def _precision() -> tuple[str, str]:
    """bfloat16 where the processor computes with it, else float32; in words and as OpenVINO says it."""
    if "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return "OpenVINO, bfloat16", "bf16"
    return "OpenVINO, float32", "f32"


def _openvino() -> Any:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # else it reports home at import
    import openvino

    return openvino


def _kept(folder: Path, cache: Path | None, weights: str | None) -> Path | None:
    """Where this very model is kept when converted: its weights, settings and the converter's version in the name."""
    if cache is None or weights is None:
        return None
    digest = hashlib.sha256(f"{weights} {_VERSION} {importlib.metadata.version('openvino')}".encode())
    for file in sorted(folder.rglob("*.json")):
        digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return cache / f"model-{digest.hexdigest()[:16]}"


def _read(kept: Path | None) -> _Settings | None:
    """The settings kept with a model; None when there are none, or when a file is not as it was written."""
    try:
        if kept is None:
            return None
        stored = json.loads((kept / "settings.json").read_text(encoding="utf-8"))
        if any(_sha256(kept / name) != digest for name, digest in stored.pop("files").items()):
            return None
        return _Settings(**stored)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _keep(made: Path, kept: Path) -> None:
    """Move what was made into the cache, whole or not at all; without a place for it the next start makes it again."""
    try:
        shutil.rmtree(kept, ignore_errors=True)
        made.rename(kept)
    except OSError as error:
        _log.warning("the converted model cannot be kept in %s: %s", kept.parent, error.strerror)


def _made(cache: Path | None) -> Path | None:
    try:
        if cache:
            cache.mkdir(parents=True, exist_ok=True)
            if os.access(cache, os.W_OK):
                return cache
    except OSError as error:
        _log.warning("the folder %s cannot be made: %s", cache, error.strerror)
    return None


def _converted(library: TorchEmbedder, folder: Path, name: str) -> tuple[_Settings, Embedder | None]:
    """Convert into `folder` and compare; without an embedder the settings say why."""
    embedder = None
    try:
        settings = _convert(library, folder)
        embedder = OpenVinoEmbedder(folder, name, settings)
        likeness = min(_likenesses(library, embedder))
        if likeness < LIKENESS:
            embedder, reason = None, f"converted, a vector would have a cosine of {likeness:.4f} to it"
            settings = _Settings([], 0, 0, "", "", reason)
    except Exception as error:  # noqa: BLE001  whatever a model does that cannot be converted, the library can run it
        _log.info("the model is not converted", exc_info=True)
        settings = _Settings([], 0, 0, "", "", f"it cannot be converted: {str(error).strip().splitlines()[0][:100]}")
    files = {file.name: _sha256(file) for file in folder.iterdir()}
    (folder / "settings.json").write_text(json.dumps(asdict(settings) | {"files": files}), encoding="utf-8")
    return settings, embedder


def _convert(library: TorchEmbedder, folder: Path) -> _Settings:
    import torch

    model = library.model
    tokenizer = model.tokenizer
    features = {name: value for name, value in model.preprocess(["one text", "two"]).items() if torch.is_tensor(value)}
    names = list(features)

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            return self.model(dict(zip(names, tensors, strict=True)))["sentence_embedding"]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about branches that do not depend on the text
        graph = _openvino().convert_model(Whole(), example_input=tuple(features.values()))
    for port, name in zip(graph.inputs, names, strict=True):
        port.get_tensor().set_names({name})
    _openvino().save_model(graph, folder / "model.xml", compress_to_fp16=True)
    (folder / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
    return _Settings(
        inputs=names,
        max_length=int(model.max_seq_length or tokenizer.model_max_length),
        pad_id=int(tokenizer.pad_token_id or 0),
        question_prompt=_prompt(model, "query"),
        passage_prompt=_prompt(model, "document", "passage", "corpus"),
    )


def _prompt(model: Any, *names: str) -> str:
    """The prompt that sentence-transformers would take for a question, or for a passage."""
    name = next((one for one in names if one in model.prompts), model.default_prompt_name)
    return str(model.prompts.get(name) or "") if name else ""


def _likenesses(library: TorchEmbedder, converted: Embedder) -> Iterator[float]:
    theirs, ours = library.passages(_SAMPLES), converted.passages(_SAMPLES)
    yield from np.einsum("ij,ij->i", theirs, ours).tolist()
    for text in _SAMPLES:
        yield float(library.question(text) @ converted.question(text))


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows of like length together, the longest first, as many as `BATCH_PIECES` holds of the longest; at least one."""
    rows = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    start = 0
    while start < len(rows):
        count = max(1, BATCH_PIECES // _padded(lengths[rows[start]]))
        yield rows[start : start + count]
        start += count


def _padded(length: int) -> int:
    return max(1, math.ceil(length / _STEP)) * _STEP


def _sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
