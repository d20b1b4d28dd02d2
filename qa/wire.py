"""Puts the parts together. The only file that names concrete classes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from index import embed
from index.build import Builder, Report
from index.catalogue import Catalogue
from index.errors import DocumentError, IndexMissing, ModelError
from index.load import find_files, load_file
from index.local import LocalEngine
from index.search import Searcher
from index.types import Document
from qa.answer import Answerer
from qa.config import Settings
from qa.model import Model

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Library:
    """One data folder, opened: everything that the service and the commands work with."""

    settings: Settings
    catalogue: Catalogue
    builder: Builder
    searcher: Searcher
    answerer: Answerer
    model: Model

    def close(self) -> None:
        self.searcher.engine.close()
        self.catalogue.close()


def open_library(
    settings: Settings, *, make: bool = False, remake: bool = False, load_when_needed: bool = False
) -> Library:
    """Open the data folder. Nothing heavy happens: the model is loaded by `Model.start`, or when first needed.

    Raises IndexMissing when there is none and `make` is false, and what `Catalogue` raises.
    """
    if not make and not (settings.data / "catalogue.sqlite3").exists():
        raise IndexMissing(f"nothing is indexed in {settings.data}", "Run: qa index FILE_OR_FOLDER…")
    model = Model(settings.model, lambda: embed.load(settings.model))
    catalogue = Catalogue(settings.data, fingerprint(settings), remake)
    embedder = model.load_once if load_when_needed else model.current
    builder = Builder(catalogue, embed.word_pieces(settings.model), settings.chunking, embedder)
    searcher = Searcher(catalogue, LocalEngine())
    return Library(settings, catalogue, builder, searcher, Answerer(searcher, embedder), model)


def fingerprint(settings: Settings) -> dict[str, str]:
    """All that stored passages and vectors depend on. A model that is not there is not compared."""
    parts = {"chunking": f"{settings.passage_pieces}/{settings.overlap_pieces}"}
    model = embed.identity(settings.model)
    return parts | ({"model": model} if model else {})


def index_seeds(library: Library) -> list[Report]:
    """Index the seeds into a new data folder, named by their place in it; a bad file is logged, the others go on."""
    folder, reports = library.settings.seeds, list[Report]()
    for path in find_files([folder] if folder else []):
        try:
            reports.append(library.builder.put(read_file(path, library.settings)))
        except DocumentError as error:
            _log.warning("not indexed: %s. %s", error.message, error.hint)
    return reports


def read_file(path: Path, settings: Settings) -> Document:
    """A file as a document; a seed is named by its place among the seeds, so that it is the same on every machine."""
    seeds = os.path.abspath(settings.seeds) if settings.seeds else None  # noqa: PTH100
    absolute = Path(os.path.abspath(path))  # noqa: PTH100
    inside = seeds is not None and absolute.is_relative_to(seeds)
    return load_file(path, f"seeds/{absolute.relative_to(seeds or '').as_posix()}" if inside else None)


def reindex(library: Library) -> Iterator[Report]:
    """Cut and embed every stored document again with the present settings.

    Raises ModelError, and leaves everything as it is, when that would throw vectors away for want of the model.
    """
    _, passages, pending = library.catalogue.counts()
    if pending < passages and library.model.load_once() is None:
        raise ModelError(f"reindexing needs the model: {library.model.reason}", "Nothing was changed.")
    with library.catalogue.refitted(fingerprint(library.settings)):
        yield from library.builder.rebuild()
