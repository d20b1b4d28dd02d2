"""The cross-encoder: its scores, the time that it keeps to, and what is refused."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from index.errors import ModelError
from index.rerank import BATCH, Reranker, load_reranker
from tests import tiny_models

QUESTION = "where is the ferry"
FAR = "the cow left"
NEAR = "the moon left"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_models.one_thread():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder that prefers texts with the moon."""
    return tiny_models.cross_encoder(tmp_path_factory.mktemp("cross-encoder"))


@pytest.fixture(scope="module")
def reranker(folder: Path) -> Reranker:
    return load_reranker(str(folder))


def test_scores_are_in_the_order_of_the_texts_and_higher_is_better(reranker: Reranker) -> None:
    texts = [FAR, NEAR, "", "a far " * 5 + "moon", FAR, NEAR, "noon"]
    rescored = reranker.rescored(QUESTION, texts, 60)
    assert [score > 0.5 for score in rescored.scores] == ["moon" in text for text in texts]
    assert (rescored.complete, len(rescored.scores)) == (True, len(texts))


def test_the_text_is_judged_and_not_the_question(reranker: Reranker) -> None:
    (far,) = reranker.rescored("where is the moon", [FAR], 1).scores
    (near,) = reranker.rescored(QUESTION, [NEAR], 1).scores
    assert far < 0.5 < near


def test_no_texts_are_scored_at_once(reranker: Reranker) -> None:
    rescored = reranker.rescored(QUESTION, [], 1)
    assert (rescored.scores, rescored.complete) == ((), True)


def test_a_text_is_cut_off_where_the_model_ends(reranker: Reranker) -> None:
    cut, short = reranker.rescored(QUESTION, ["cow " * 5000 + "moon", "cow " * 5000], 60).scores
    assert cut == pytest.approx(short, abs=1e-6)


def test_with_little_time_the_first_texts_are_scored_as_they_would_be_with_more(reranker: Reranker) -> None:
    texts = [f"{FAR} {'moon ' * (number % 3)}" for number in range(20_000)]
    rescored = reranker.rescored(QUESTION, texts, 0.2)
    count = len(rescored.scores)
    assert not rescored.complete
    assert 0 < count < len(texts)
    assert rescored.seconds < 20
    assert reranker.rescored(QUESTION, texts[: count + 1], 60).scores[:count] == rescored.scores


def test_a_batch_that_would_take_too_long_is_not_begun(folder: Path) -> None:
    slow = load_reranker(str(folder))
    slow._model.register_forward_pre_hook(lambda *_: time.sleep(1))
    rescored = slow.rescored(QUESTION, [FAR] * 40, 2.7)
    assert len(rescored.scores) == 2 * BATCH
    assert 2 <= rescored.seconds <= 2.7


@pytest.mark.parametrize("budget", [0, -1])
def test_without_any_time_one_batch_is_scored(reranker: Reranker, budget: float) -> None:
    rescored = reranker.rescored(QUESTION, [FAR] * 40, budget)
    assert (len(rescored.scores), rescored.complete) == (BATCH, False)


def test_several_threads_get_the_scores_that_one_gets(reranker: Reranker) -> None:
    texts = [[NEAR, FAR, NEAR * number] for number in range(1, 9)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda part: reranker.rescored(QUESTION, part, 60).scores, texts))
    assert found == [reranker.rescored(QUESTION, part, 60).scores for part in texts]


def test_a_model_that_the_library_saved_is_the_same(folder: Path, reranker: Reranker, tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    CrossEncoder(str(folder), device="cpu").save_pretrained(str(tmp_path), create_model_card=False)
    again = load_reranker(str(tmp_path))
    assert again.rescored(QUESTION, [FAR, NEAR], 60).scores == reranker.rescored(QUESTION, [FAR, NEAR], 60).scores
    assert again.name == str(tmp_path)


def test_logits_stay_logits(folder: Path, reranker: Reranker, tmp_path: Path) -> None:
    """The model's own settings say which: those trained on MS MARCO give logits."""
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity

    made = CrossEncoder(str(folder), device="cpu", activation_fn=Identity())
    made.save_pretrained(str(tmp_path), create_model_card=False)
    (logit,) = load_reranker(str(tmp_path)).rescored(QUESTION, [FAR], 60).scores
    (probability,) = reranker.rescored(QUESTION, [FAR], 60).scores
    assert logit < 0
    assert 1 / (1 + math.exp(-logit)) == pytest.approx(probability, abs=1e-6)


def test_a_name_is_looked_up_in_the_local_model_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "models--cross-encoder--tiny"
    shutil.copytree(folder, kept / "snapshots" / "1234")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("1234")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name in ("cross-encoder/tiny", "tiny"):
        assert load_reranker(name).name == name


# What is refused


def test_a_model_with_several_labels_is_refused(tmp_path: Path) -> None:
    from transformers import BertForSequenceClassification

    tiny_models.save(BertForSequenceClassification(tiny_models.config(num_labels=3)), tmp_path)
    with pytest.raises(ModelError, match="has 3 labels") as raised:
        load_reranker(str(tmp_path))
    assert "one label" in raised.value.hint


def test_an_embedding_model_is_refused_which_would_score_at_random(tmp_path: Path) -> None:
    from transformers import BertModel

    tiny_models.save(BertModel(tiny_models.config()), tmp_path)
    with pytest.raises(ModelError, match="is no cross-encoder: its architecture is BertModel") as raised:
        load_reranker(str(tmp_path))
    assert "CrossEncoder" in raised.value.hint
