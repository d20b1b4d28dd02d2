"""Work that nobody waits for steps back."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from index import priority
from index.embed import Embedder
from index.openvino_embedder import OpenVinoEmbedder


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")
def test_threads_that_begin_inside_step_back_and_no_others() -> None:
    end = threading.Event()
    others, inside = threading.Thread(target=end.wait), threading.Thread(target=end.wait)
    others.start()
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with priority.steps_back():
        inside.start()
    nices = [os.getpriority(os.PRIO_PROCESS, one.native_id or 0) for one in (others, inside)]
    end.set()
    assert nices == [before, min(19, before + priority.BACK)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


@pytest.mark.model
@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")
def test_passages_are_embedded_by_threads_that_step_back(embedder: Embedder) -> None:
    assert isinstance(embedder, OpenVinoEmbedder)
    embedder.passages(["Some text."])
    nices = [os.getpriority(os.PRIO_PROCESS, int(one.name)) for one in Path("/proc/self/task").iterdir()]
    assert nices.count(max(nices)) >= 2
    assert max(nices) - min(nices) >= min(priority.BACK, 19 - min(nices))
