"""The benchmark itself: small runs of its parts, and what it says without its data."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from eval.bench.corpus import PASSAGES, Drawn
from eval.bench.growth import growth
from eval.bench.report import Section, page, text
from eval.bench.web import _running
from tests.conftest import ROOT, HashEmbedder, environment


@pytest.fixture
def drawn() -> Drawn:
    words = np.array([f"word{number}" for number in range(500)])
    weights = 1 / np.arange(1, 501)
    return Drawn(words, np.cumsum(weights / weights.sum()), HashEmbedder().passages(words.tolist()))


def test_drawn_documents_are_whole_and_the_same_each_time(drawn: Drawn) -> None:
    for first, second in zip(drawn.documents(0, 3), drawn.documents(0, 3), strict=True):
        document, passages, vectors = first
        assert document == second[0]
        assert len(passages) == len(vectors) == PASSAGES
        for one, made in zip(passages, vectors, strict=True):
            assert one.text == document.text[one.start : one.end]
            assert len(one.sentences) == len(made.sentences) == 5
            assert one.sentence_texts()[-1].endswith(".")


@pytest.mark.server
def test_growth_builds_opens_searches_and_changes_a_library(drawn: Drawn) -> None:
    rows = growth(drawn, [100, 300])
    assert [row["passages"] for row in rows] == [100, 300]
    for row in rows:
        assert 0 < row["search ms"] <= row["p99 ms"]
        assert row["memory GB"] > 0
        assert row["one more in s"] > 0
    section = Section("Growth", "Aim", rows, "passages", ("search ms", "memory GB"))
    assert text(section).startswith("| passages | stored in s |")
    shown = page("Title", [replace(section, measured="one & only")])
    assert "<svg" in shown
    assert "one &amp; only" in shown


def test_without_the_public_sets_it_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "eval.bench"],
        cwd=ROOT,
        env=environment() | {"QA_DATASETS": "/none"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "QA_DATASETS" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_does_not_start_is_told_with_its_status() -> None:
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    with pytest.raises(ChildProcessError, match="ended with status 3"), _running(command, "http://127.0.0.1:9"):
        pass
