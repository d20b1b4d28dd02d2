"""What the tests of loaders share: the public sample files, and a document as lines and headings."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from index.types import Document
from tests.conftest import ROOT

DATASETS = Path(os.environ.get("QA_DATASETS", ROOT.parent / "shared" / "data"))
SAMPLES = DATASETS / "files"


def sample(name: str) -> bytes:
    """A sample file, named by its place in the folder of the data sets; where it is not there the test is skipped."""
    path = DATASETS / name
    if not path.is_file():
        pytest.skip(f"there is no {path}; QA_DATASETS names the folder of the data sets")
    return path.read_bytes()


@contextmanager
def soon(seconds: float = 10) -> Iterator[None]:
    """What is done within takes at most so much time of this process: ten times and more what it takes here, less than
    what grows out of proportion takes. A slow or busy machine does not fail it."""
    begun = time.process_time()
    yield
    assert time.process_time() - begun < seconds


def lines(document: Document) -> list[str]:
    return [line for line in document.text.split("\n") if line]


def headings(document: Document) -> list[tuple[int, str]]:
    return [(one.level, document.text[one.start : one.end]) for one in document.headings]
