"""Puts the parts together. The only file that names concrete classes."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from index import embed
from index.build import Builder, Progress, Report
from index.catalogue import FILE, Catalogue
from index.database import Database
from index.engine import Engine
from index.errors import DocumentError, EngineError, IndexLocked, IndexMissing, ModelError, QAError, StorageError
from index.forget import Forgetting
from index.fusion import Vocabulary
from index.ingest import FileRequest, Ingest
from index.load.folder import find_files
from index.load.sandbox import Sandbox
from index.local import LocalEngine
from index.pieces import ModelPieces, word_pieces
from index.ranking import RANKING, Ranking
from index.rerank import load_reranker
from index.search import PATIENCE, Searcher
from index.store import Store, durably, open_store
from index.types import Stamp
from qa.answer import Answerer, Models
from qa.attendant import Attendant
from qa.confidence import PARAMETERS, SHIPPED, Calibration
from qa.config import Settings
from qa.jobs import Jobs
from qa.model import Loaded, Model
from qa.reader import load_reader
from qa.shared import Shared, SharedFile

_log = logging.getLogger(__name__)

_OWNER = "library"
"""In a store of files: whose they are."""
UNREADABLE = f"{SHIPPED}, since this library's own cannot be read"
RERANKER_AWAY, READER_AWAY = "passages are not reranked", "whole sentences are marked"


class Library:
    """One data folder, opened: everything that the service and the commands work with.

    Raises what `Catalogue` raises. Nothing heavy happens: the model is loaded by `Model.start`, or when first needed
    (`load_when_needed`); the search index is read when something is searched, and by `serving` kept in order.
    """

    def __init__(
        self,
        settings: Settings,
        remake: bool,
        load_when_needed: bool,
        serving: bool,
        ranking: Ranking = RANKING,
        shared: Path | None = None,
        makes_store: bool = True,
    ) -> None:
        self.settings = settings
        self.ranking = ranking
        processes = settings.workers if serving else 0
        self.model = Model(settings.model, lambda: embed.load(settings.model, settings.cache, processes))
        self.catalogue = Catalogue(settings.data, fingerprint(settings), remake, settings.catalogue)
        self.reranker = Loaded("reranker", settings.reranker, lambda: load_reranker(settings.reranker), RERANKER_AWAY)
        self.reader = Loaded("reader", settings.reader, lambda: load_reader(settings.reader), READER_AWAY)
        self._embedder = self.model.load_once if load_when_needed else self.model.current
        self._models = Models(
            self._embedder,
            self.reranker.load_once if load_when_needed else self.reranker.current,
            self.reader.load_once if load_when_needed else self.reader.current,
            settings.rerank_top,
            settings.rerank_ms,
            lambda: self.reranker.away,
            lambda: self.reader.away,
        )
        self._pieces = word_pieces(settings.model)
        self._calibration: tuple[str | None, Calibration] | None = None
        self.builder = Builder(self.catalogue, self._pieces, settings.chunking, self._embedder)
        self.sandbox = Sandbox(settings.limits)
        self.ingest = Ingest(self.builder, self.sandbox, settings.originals)
        self.files = self._open_files(makes_store) if settings.files else None
        self.catalogue.sources.store = self.files
        self.shared = _shared(self.catalogue.database, shared)
        self.jobs = Jobs(
            self.catalogue, self.ingest, settings.reading, self.open_index, self.shared, self.files, settings.ingest
        )
        self._serving = serving
        self._opening = threading.Lock()
        self._searcher: Searcher | None = None
        self._closed = False
        self.forgetting = Forgetting(self.catalogue, lambda: (self.searcher, self._engine))
        database = self.catalogue.database
        self._attendant = Attendant(self._attend, database.wait if database.shared else None)

    def _open_files(self, makes: bool) -> Store:
        """The store of this library's files, which says whose it is. Raises StorageError where it does not, as where a
        disk was not mounted; the first of a library's services says so, if it `makes` one."""
        try:
            return self._own_files(makes)
        except BaseException:
            self.catalogue.close()
            raise

    def _own_files(self, makes: bool) -> Store:
        store, mine = open_store(self.settings.files), self.catalogue.library()
        found = store.read(_OWNER).decode() if store.size(_OWNER) is not None else ""
        if makes and not found:
            store.write(_OWNER, durably(mine.encode()))
        elif found != mine:
            whose = "holds the files of another library" if found else "holds no files of this library"
            raise StorageError(f"{store.name} {whose}", "Mount it, or set QA_FILES to where the services put files.")
        return store

    @property
    def place(self) -> str:
        """Where documents are stored, as people call it."""
        database = self.catalogue.database
        return database.name if database.shared else str(self.settings.data)

    @property
    def engine_place(self) -> str:
        """Where is searched, as people call it; without user or password."""
        uri = self.settings.engine_uri
        return str(self.engine_folder) if self.settings.engine == "local" else uri.rpartition("@")[2]

    @property
    def average(self) -> float | None:
        """Terms of a passage, as passages are weighed with, where that number is fixed."""
        self.searcher.refresh()
        return self._engine.average

    def weigh_by(self, average: float | None) -> None:
        """Take that number for the average, once the search index is opened."""
        self.ranking = replace(self.ranking, bm25=replace(self.ranking.bm25, average=average))

    @property
    def engine_folder(self) -> Path:
        return self.settings.data / "engine"

    @property
    def searcher(self) -> Searcher:
        with self._opening:
            if self._closed:
                raise EngineError("the library was closed", "Open it anew.")
            if self._searcher is None:
                self._engine = self._open_engine()
                self._searcher = Searcher(self.catalogue, self._engine, self._vocabulary(), self.ranking)
                self._attendant.start()
        return self._searcher

    def _open_engine(self) -> Engine:
        if self.settings.engine == "local":
            return LocalEngine(self.engine_folder, self._serving, self.ranking.bm25)
        from index.milvus import MilvusEngine  # each is loaded only where it is used
        from index.milvus_client import VectorIndex

        settings, ledger = self.settings, self.catalogue.ledger
        index = VectorIndex.hnsw() if settings.engine_index == "hnsw" else VectorIndex()
        name = f"{settings.engine_name}_{self.catalogue.library()[:8]}"  # two libraries may share a server
        return MilvusEngine(settings.engine_uri, name, ledger, self.ranking.bm25, index=index)

    def _attend(self) -> None:
        """Finish what was to be forgotten, see what other processes wrote, save where the one that did has gone."""
        self.forgetting.go_on()
        if self._serving:
            self.searcher.refresh()
            self._engine.take_over()

    def open_index(self) -> None:
        """Read the search index before anyone asks; what is wrong is told to whoever asks."""
        with suppress(QAError):
            self.searcher.refresh(PATIENCE if self.catalogue.database.shared else None)

    def _vocabulary(self) -> Vocabulary | None:
        """Of the default model alone: how many cuts tell a foreign language was measured with its tokenizer."""
        default = embed.identity(self.settings.model) == embed.identity(embed.DEFAULT_MODEL)
        return self._pieces if default and isinstance(self._pieces, ModelPieces) else None

    @property
    def answerer(self) -> Answerer:
        return self.answerer_with(self.ranking)

    def answerer_with(self, ranking: Ranking) -> Answerer:
        """Answers from this library, ranked in another way; BM25's parameters stay those of the library."""
        searcher = self.searcher if ranking is self.ranking else self.searcher.ranking_by(ranking)
        return Answerer(searcher, self._models, self.calibration)

    @property
    def calibration(self) -> Calibration:
        """This library's own, where `qa calibrate` has fitted one, else the one that comes with the program.

        One of its own that cannot be read is told as not fitted.
        """
        own = self.catalogue.calibration.text()
        if self._calibration is None or self._calibration[0] != own:
            model = embed.identity(self.settings.model)
            shipped = Calibration.read(PARAMETERS.read_text(encoding="utf-8"), model)
            try:
                self._calibration = own, shipped if own is None else Calibration.read(own, model, own=True)
            except QAError as error:
                _log.warning("%s. %s", error.message, error.hint)
                self._calibration = own, replace(shipped, fitted=False, origin=UNREADABLE)
        return self._calibration[1]

    def load_models(self, embedder: bool) -> None:
        """Load the models that are set now, so that no question waits for them."""
        if embedder:
            self.model.load_once()
        self.reranker.load_once()
        self.reader.load_once()

    @property
    def stamp(self) -> Stamp:
        """The state of the catalogue that is searched; that of nothing before the index is open."""
        return self._engine.stamp if self._searcher else Stamp()

    @property
    def repaired(self) -> str | None:
        """Why the search index was made again, if it was."""
        return self._engine.repaired if self._searcher else None

    @property
    def degraded(self) -> str | None:
        """Why passages may be missing from answers, if they may."""
        return self._engine.degraded if self._searcher else None

    @property
    def away(self) -> str | None:
        """Why nothing can be found for now, where that was so at the last try."""
        return self._engine.away if self._searcher else None

    @property
    def engine_generation(self) -> int | None:
        """The state of the catalogue that questions are answered from; None until the search index is opened."""
        return self._engine.stamp.generation if self._searcher else None

    @property
    def keeps_index(self) -> bool:
        """Whether this process saves the search index; only one does."""
        return self.searcher is not None and self._engine.keeps

    def owns(self, file: Path) -> bool:
        """Whether a file is one of those stored here, and no document."""
        return file.absolute().is_relative_to(self.settings.data.absolute())

    def size(self) -> int:
        """Bytes on disk of all that is stored."""
        total = 0
        for folder, _, names in os.walk(self.settings.data):  # it passes over what goes while it walks
            for name in names:
                with suppress(OSError):
                    total += (Path(folder) / name).stat().st_size
        return total

    def tidy(self, everything: bool = False) -> None:
        """Bring the search index up to date, merge what is due (or everything), and save it.

        Nothing is done when another process keeps it, which sees what was written by itself.
        """
        if not self.keeps_index:
            return
        self.searcher.refresh()
        self._engine.maintain(everything)
        with suppress(IndexLocked):
            self.forgetting.go_on()  # with what a crash has left

    def close(self) -> None:
        self.jobs.drain()
        self._attendant.close()
        self.jobs.close()
        with self._opening:
            self._closed = True
        if self._searcher:
            self._searcher.close()
        self.sandbox.close()
        self.shared.close()
        self.catalogue.close()


def open_library(
    settings: Settings,
    *,
    make: bool = False,
    remake: bool = False,
    load_when_needed: bool = False,
    serving: bool = False,
    ranking: Ranking = RANKING,
    shared: Path | None = None,
    makes_store: bool = True,
) -> Library:
    """Open the data folder. Raises IndexMissing when there is none and `make` is false, and what `Library` raises.

    `shared` is the folder of a service of several processes, see `qa.shared`; whoever only takes files in does not make
    a store of files.
    """
    if not make and not settings.catalogue and not (settings.data / FILE).exists():
        raise IndexMissing(f"nothing is indexed in {settings.data}", "Run: qa index FILE_OR_FOLDER…")
    return Library(settings, remake, load_when_needed, serving, ranking, shared, makes_store)


def _shared(database: Database, folder: Path | None) -> Shared:
    if not database.shared:
        return SharedFile(folder)
    from qa.shared_postgres import SharedDatabase

    return SharedDatabase(database)


def fingerprint(settings: Settings) -> dict[str, str]:
    """All that stored passages and vectors depend on. A model that is not there is not compared."""
    parts = {"chunking": f"{settings.passage_pieces}/{settings.overlap_pieces}"}
    model = embed.identity(settings.model)
    return parts | ({"model": model} if model else {})


def index_seeds(library: Library) -> list[Report]:
    """Index the seeds into a new data folder, named by their place in it; a bad file is logged, the others go on."""
    folder, reports = library.settings.seeds, list[Report]()
    requests = (file_request(path, library.settings) for path in find_files([folder] if folder else []))
    for _, outcome in library.ingest.run(requests):
        if isinstance(outcome, DocumentError):
            _log.warning("not indexed: %s. %s", outcome.message, outcome.hint)
        else:
            reports.append(outcome)
    return reports


def file_request(path: Path, settings: Settings, **given: Any) -> FileRequest:
    """A file of this machine's; a seed is named by its place among the seeds, so that it is the same everywhere.

    `given` are further fields of the request.
    """
    seeds = os.path.abspath(settings.seeds) if settings.seeds else None  # noqa: PTH100
    absolute = Path(os.path.abspath(path))  # noqa: PTH100
    inside = seeds is not None and absolute.is_relative_to(seeds)
    source = f"seeds/{absolute.relative_to(seeds or '').as_posix()}" if inside else str(absolute)
    with suppress(OSError):
        if not inside:
            given = {"dated": datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()} | given
    return FileRequest(path, source, **{"options": settings.reading} | given)


def reindex(library: Library, progress: Progress | None = None) -> Iterator[Report]:
    """Cut and embed every stored document again with the present settings, while the old passages are searched.

    Raises ModelError, and leaves everything as it is, when that would throw vectors away for want of the model.
    """
    _, passages, pending = library.catalogue.counts.all()
    if pending < passages and library.model.load_once() is None:
        raise ModelError(f"reindexing needs the model: {library.model.reason}", "Nothing was changed.")
    with library.catalogue.lock.held():
        yield from library.builder.refit(fingerprint(library.settings), progress)
