"""A catalogue on the PostgreSQL of the tests, in a fresh database: import the fixtures by their own names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from index.build import embed
from index.catalogue import Catalogue
from index.chunk import chunk
from index.database import Database, open_database
from index.load import from_text
from index.pieces import word_pieces
from tests.conftest import HashEmbedder

PRINT = {"model": "hash", "chunking": "160/0"}


@pytest.fixture(name="catalogue")
def served_catalogue(tmp_path: Path, database_url: str) -> Iterator[Catalogue]:
    with closing(Catalogue(tmp_path / "data", PRINT, url=database_url)) as opened:
        yield opened


@pytest.fixture(name="database")
def served_database(tmp_path: Path, database_url: str) -> Iterator[Database]:
    with closing(open_database(tmp_path / "none", database_url)) as opened:
        yield opened


def put(catalogue: Catalogue, name: str, text: str, title: str = "") -> int:
    document = from_text(text, title=title or name, id=name)
    passages = chunk(document, word_pieces())
    return catalogue.put(document, passages, list(embed(passages, HashEmbedder())))
