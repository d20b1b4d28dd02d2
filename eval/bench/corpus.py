"""Texts and vectors to measure with: real ones of the public sets, and more that are drawn to be like them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.dataset import public
from index.embed import Embedder
from index.sentences import sentences
from index.types import Document, Passage, PassageVectors, Span, Vectors

WORDS = 80
"""Words of a drawn passage, in sentences of `SENTENCE`."""
SENTENCE = 16
PASSAGES = 10
"""Passages of a drawn document."""
_TAIL = 200_000
"""Words made up for the long tail that any large collection has."""
_SETS = ("squad_a", "nq_mini", "doc2dial", "scifact", "med", "cran")


def texts() -> list[str]:
    """The passages of the public sets, in a fixed random order."""
    found = [row["text"] for name in _SETS for row in _rows(name, "corpus")]
    return [found[place] for place in np.random.default_rng(0).permutation(len(found)) if found[place].strip()]


def questions(count: int) -> list[str]:
    """Questions that people asked (Natural Questions, SQuAD)."""
    found = [row["text"] for name in ("nq_mini", "squad_a") for row in _rows(name, "queries")]
    return [found[place] for place in np.random.default_rng(1).permutation(len(found))[:count]]


def short_documents(count: int) -> list[str]:
    """Different paragraphs of the public sets, whole sentences of each up to 400 characters."""
    found = dict[str, None]()
    for text in texts():
        ends = [span.end for span in sentences(text) if span.end <= 400]
        if ends and ends[-1] >= 60:
            found[text[: ends[-1]]] = None
    return list(found)[:count]


def _rows(name: str, kind: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (public(name) / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What documents are drawn from: words by their real frequencies, vectors (n, dim) around which others lie."""

    words: NDArray[np.str_]
    chances: NDArray[np.float64]
    vectors: Vectors

    def passages(self, chance: np.random.Generator, count: int) -> list[str]:
        drawn = self.words[np.searchsorted(self.chances, chance.random((count, WORDS)))]
        starts = range(0, WORDS, SENTENCE)
        return [
            " ".join(f"{' '.join(row[at : at + SENTENCE]).capitalize()}." for at in starts) for row in drawn.tolist()
        ]

    def around(self, chance: np.random.Generator, count: int, noise: float = 0.7) -> Vectors:
        """Unit vectors at a cosine of about .8 from real ones."""
        dim = self.vectors.shape[1]
        made = self.vectors[chance.integers(len(self.vectors), size=count)]
        made = made + chance.standard_normal((count, dim), dtype=np.float32) * np.float32(noise / dim**0.5)
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)

    def documents(self, first: int, count: int) -> Iterator[tuple[Document, list[Passage], list[PassageVectors]]]:
        """Documents numbered from `first`, each the same however many are drawn."""
        for number in range(first, first + count):
            chance = np.random.default_rng(number)
            yield self._document(f"d{number:07}", self.passages(chance, PASSAGES), chance)

    def _document(
        self, name: str, paragraphs: list[str], chance: np.random.Generator
    ) -> tuple[Document, list[Passage], list[PassageVectors]]:
        text = "\n\n".join(paragraphs)
        passages, start = list[Passage](), 0
        for line, paragraph in enumerate(paragraphs):
            spans = tuple(Span(start + one.start, start + one.end) for one in _spans(paragraph))
            end = start + len(paragraph)
            passages.append(Passage(name, name, "", start, end, paragraph, spans, 2 * line + 1, 2 * line + 1))
            start = end + 2
        sizes = [len(one.sentences) for one in passages]
        rows = self.around(chance, len(passages) + sum(sizes))
        vectors, at = list[PassageVectors](), len(passages)
        for place, size in enumerate(sizes):
            vectors.append(PassageVectors(rows[place], rows[at : at + size]))
            at += size
        return Document(name, name, f"{name}.txt", text, _sha256(text)), passages, vectors


def drawn(embedder: Embedder, count: int = 4_000) -> Drawn:
    real = texts()
    counted = Counter(word for text in real for word in text.split() if word.isalpha())
    rarest = min(counted.values())
    made_up = [f"{word}{number}" for number, word in zip(range(_TAIL), sorted(counted) * 100, strict=False)]
    words = np.array([*counted, *made_up])
    weights = np.array([*counted.values(), *(rarest / 4 for _ in made_up)], np.float64)
    return Drawn(words, np.cumsum(weights / weights.sum()), embedder.passages(real[:count]))


def _spans(text: str) -> list[Span]:
    found, start = list[Span](), 0
    while start < len(text):
        end = text.find(". ", start)
        end = len(text) if end < 0 else end + 1
        found.append(Span(start, end))
        start = end + 1
    return found


def _sha256(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()
