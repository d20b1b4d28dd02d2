"""FAISS: the inverted file beyond the limit finds nearly what comparing every vector finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index import vectors
from index.types import Vectors
from index.vectors import VectorIndex


def clustered(count: int, dim: int = 32) -> Vectors:
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((200, dim), dtype=np.float32)
    rows = centres[chance.integers(200, size=count)] + 0.7 * chance.standard_normal((count, dim), dtype=np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> tuple[VectorIndex, Vectors]:
    monkeypatch.setattr(vectors, "EXHAUSTIVE", 1_000)
    rows = clustered(20_000)
    index = VectorIndex.of(np.arange(0, 40_000, 2, dtype=np.int32), rows)
    assert index.cells
    return index, rows


def test_the_inverted_file_finds_nearly_all_of_the_nearest(cells: tuple[VectorIndex, Vectors]) -> None:
    index, rows = cells
    recalls = []
    for question in clustered(30):
        exact = set((np.argsort(-(rows @ question))[:100] * 2).tolist())
        found, scores = index.search(question, 100, None, thorough=False)
        assert np.all(np.diff(scores) <= 0)
        recalls.append(len(exact & set(found.tolist())) / 100)
    assert np.mean(recalls) > 0.9


def test_few_chosen_rows_are_all_found_wherever_they_lie(cells: tuple[VectorIndex, Vectors]) -> None:
    index, rows = cells
    chosen = [14, 20_000, 39_998]
    hidden = np.ones(40_000, np.bool_)
    hidden[chosen] = False
    found, _ = index.search(rows[5], 10, hidden, thorough=True)
    assert sorted(found.tolist()) == chosen


def test_vectors_come_back_as_float16_and_stay_as_they_are_from_then_on(
    cells: tuple[VectorIndex, Vectors], tmp_path: Path
) -> None:
    index, rows = cells
    kept = index.vectors()
    np.testing.assert_allclose(kept, rows, atol=5e-4)
    np.testing.assert_array_equal(VectorIndex.of(index.rows, kept).vectors(), kept)
    index.write(tmp_path / "file")
    again = VectorIndex.read(tmp_path / "file", index.rows)
    np.testing.assert_array_equal(again.search(rows[7], 5, None, False), index.search(rows[7], 5, None, False))
    np.testing.assert_array_equal(again.vectors(), kept)
