"""A process that takes documents in until it is killed: `python -m tests.crash FOLDER FIRST`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from index import local
from index.build import Builder, Report
from index.catalogue import Catalogue
from index.chunk import Chunking
from index.load import from_text
from index.local import LocalEngine
from index.pieces import EstimatedPieces
from index.search import Searcher
from index.types import Document
from tests.conftest import HashEmbedder


def document(number: int) -> Document:
    """Every third one replaces the one before it."""
    name = f"d{number - (number % 3 == 2):05}"
    body = "\n\n".join(f"Part {part} of number{number} tells of harbour{number % 7}." for part in range(number % 4 + 1))
    return from_text(body, title=name, id=name)


def opened(folder: Path) -> tuple[Builder, Searcher]:
    catalogue = Catalogue(folder, {})
    builder = Builder(catalogue, EstimatedPieces(), Chunking(32, 0), HashEmbedder)
    return builder, Searcher(catalogue, LocalEngine(folder / "engine", in_background=True))


def documents(first: int) -> Iterator[Document]:
    yield from (document(number) for number in count(first))


def main(folder: Path, first: int) -> None:
    """Print the number of each document once it is stored and searchable; now and then remove one."""
    local.UNSAVED, local.AT_ONCE, local.FLUSHED = 6, 12, 5  # save and merge all the time
    builder, searcher = opened(folder)
    print("ready", flush=True)
    for number in count(first):
        report = builder.put(document(number))
        assert isinstance(report, Report)
        if number % 10 == 9:
            builder.catalogue.remove(document(number - 5).id)
        searcher.refresh()
        print(number, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
