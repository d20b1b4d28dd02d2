"""The benchmark of a cluster: a small run against real servers."""

from __future__ import annotations

import numpy as np
import pytest

from eval.bench.corpus import Drawn
from tests.conftest import HashEmbedder

pytestmark = pytest.mark.cluster


def test_both_sides_are_filled_and_asked_in_turns() -> None:
    from eval.bench.cluster import compared

    words = np.array([f"word{number}" for number in range(500)])
    weights = 1 / np.arange(1, 501)
    drawn = Drawn(words, np.cumsum(weights / weights.sum()), HashEmbedder().passages(words.tolist()))
    built, asked = compared(drawn, 200, asked=25, real=False, settled=0)
    assert [row["what"] for row in built] == [
        "stored in SQLite",
        "stored in PostgreSQL",
        "embedded engine",
        "Milvus Lite, both legs",
    ]
    by = {(str(row["what"]), str(row["by"])): row for row in asked}
    for what in ("dense leg", "sparse leg", "whole search"):
        assert len([one for one, _ in by if one == what]) == 2
    assert all(0 < row["ms"] <= row["p99 ms"] + 0.1 for row in asked)
    assert by["whole search", "PostgreSQL and Milvus Lite"]["times"] > 1
