"""Work that nobody waits for steps back."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from index import priority
from index.embed import Embedder
from index.openvino_embedder import OpenVinoEmbedder


@pytest.mark.model
@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")
def test_passages_are_embedded_by_threads_that_step_back(embedder: Embedder) -> None:
    assert isinstance(embedder, OpenVinoEmbedder)
    embedder.passages(["Some text."])
    nices = list[int]()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):
            nices.append(os.getpriority(os.PRIO_PROCESS, int(thread.name)))
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == min(nices)
    assert nices.count(max(nices)) >= 2
    assert max(nices) - min(nices) >= min(priority.BACK, 19 - min(nices))
