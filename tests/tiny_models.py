"""Real models that a test trains in a second: BERT of two layers that knows a few words."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LENGTH = 64
"""Word pieces that they take at once."""
TOWNS = ["oslo", "lima", "new york", "cairo"]
FILLERS = "the of in and where is it a was by old far cow burned left late noon ferry treaty moon # . ( )".split()
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tokenizer() -> Any:
    """WordPiece over these words, uncased and without accents; whatever else is in a text is unknown to it."""
    from transformers import BertTokenizer

    words = dict.fromkeys([*_SPECIAL, *FILLERS, *" ".join(TOWNS).split(), "##s"])
    return BertTokenizer(vocab={word: number for number, word in enumerate(words)}, model_max_length=LENGTH)


def config(**given: Any) -> Any:
    from transformers import BertConfig

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    inputs = {"vocab_size": len(tokenizer()), "max_position_embeddings": LENGTH}
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return BertConfig(**sizes | inputs | dropout | given)


def save(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def cross_encoder(folder: Path) -> Path:
    """Prefers texts in which the moon occurs, whether it is asked for or not."""
    from torch import tensor
    from transformers import BertForSequenceClassification

    def target(texts: list[str], encoded: Any) -> dict[str, Any]:
        return {"labels": tensor([[1.0 if "moon" in text.split() else -1.0] for text in texts])}  # by squared error

    with one_thread(), _seeded():
        model = BertForSequenceClassification(config(num_labels=1))
        _train(model, lambda chance: "moon" if chance.random() < 0.5 else "", target)
    return save(model, folder)


def reader(folder: Path) -> Path:
    """Points to the town that a text names; to nothing where it names none."""
    from torch import tensor
    from transformers import BertForQuestionAnswering

    def target(texts: list[str], encoded: Any) -> dict[str, Any]:
        spans = [_pieces(encoded, row, text) for row, text in enumerate(texts)]
        starts, ends = zip(*spans, strict=True)
        return {"start_positions": tensor(starts), "end_positions": tensor(ends)}

    with one_thread(), _seeded():
        model = BertForQuestionAnswering(config())
        _train(model, lambda chance: chance.choice(TOWNS) if chance.random() < 0.7 else "", target)
    return save(model, folder)


def _pieces(encoded: Any, row: int, text: str) -> tuple[int, int]:
    """The first and the last input of the town in a text; of [CLS] without one."""
    for town in TOWNS:
        start = f" {text} ".find(f" {town} ")
        if start >= 0:
            places = [encoded.char_to_token(row, place, 1) for place in (start, start + len(town) - 1)]
            return (places[0], places[1]) if None not in places else (0, 0)
    return 0, 0


def _train(
    model: Any, told: Callable[[random.Random], str], target: Callable[[list[str], Any], dict[str, Any]]
) -> None:
    """On questions and texts of random words, each text with what is `told` at a random place."""
    from torch.optim import AdamW

    chance, optimizer, encode = random.Random(1), AdamW(model.parameters(), lr=3e-3), tokenizer()
    for _ in range(80):
        questions, texts = [], []
        for _ in range(32):
            words = chance.choices([*FILLERS, "[unknown]"], k=chance.randint(0, 45))
            words.insert(chance.randint(0, len(words)), told(chance))
            texts.append(" ".join(word for word in words if word))
            questions.append(" ".join(chance.choices(FILLERS, k=chance.randint(1, 8))))
        encoded = encode(questions, texts, truncation="only_second", padding=True, return_tensors="pt")
        model(**encoded, **target(texts, encoded)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@contextmanager
def one_thread() -> Iterator[None]:
    """So small a model is faster by one thread, much so on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@contextmanager
def _seeded() -> Iterator[None]:
    """The same model every time."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(1)
        yield
