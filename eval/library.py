"""The documents of a set, indexed: in a library of the set's own, kept in the cache folder, or the user's own."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from eval.dataset import EvalSet, Folder, Gold, Question, Texts
from eval.formats.quotations import is_located, locate
from index.errors import DocumentError, IndexMissing, ModelError
from index.ingest import FileRequest
from index.load import READER
from index.load.folder import find_files
from index.rows import DocumentSummary
from index.types import Document
from qa.config import Settings
from qa.wire import Library, fingerprint, open_library

Progress = Callable[[int, int], object]
"""Told how many documents are indexed, of how many; of 0 when that is not known."""


def opened(eval_set: EvalSet, settings: Settings, progress: Progress | None = None) -> Library:
    """Raises ModelError where the model is missing: only BM25 could be measured, and IndexMissing, DocumentError."""
    if eval_set.corpus is None:
        library = open_library(settings, load_when_needed=True)
        if library.catalogue.empty():
            library.close()
            raise IndexMissing(f"nothing is indexed in {settings.data}", "Index your documents, or give --folder.")
    else:
        data = settings.cache / "eval" / "libraries" / _place(eval_set.corpus, settings)
        library = open_library(settings.apart(data), make=True, load_when_needed=True)
    try:
        if library.model.load_once() is None:
            raise ModelError(f"only BM25 could be measured: {library.model.reason}", "Install the model.")
        if isinstance(eval_set.corpus, Folder):
            _index_folder(library, eval_set.corpus.path, progress)
            _forget_older(library.settings.data)
        elif eval_set.corpus:
            _index_texts(library, eval_set.corpus, progress)
        return library
    except BaseException:
        library.close()
        raise


def names(library: Library) -> dict[str, str]:
    """What each document is called in sets and runs, by its id: its source, or its id where it has none, or where
    several share it."""
    return _names(library.catalogue.summaries())


def _names(summaries: Iterable[DocumentSummary]) -> dict[str, str]:
    sources = {one.id: one.source or one.id for one in summaries}
    counts = Counter(sources.values())
    return {document: source if counts[source] == 1 else document for document, source in sources.items()}


def placed(questions: tuple[Question, ...], library: Library) -> tuple[Question, ...]:
    """The questions with every quotation located, and what is said of a source said of each document that shares it
    and fits. Raises DocumentError for gold that is not where it is said to be."""
    texts = _Stored(library)
    if texts.shared:
        questions = tuple(_told_apart(question, texts) for question in questions)
    if any(not is_located(gold) for question in questions for gold in question.gold):
        questions = locate(questions, texts, texts.sources)
    for question in questions:
        for gold in question.gold:
            if texts.get(gold.document, "")[gold.start : gold.end] != gold.text:
                raise DocumentError(
                    f"{question.id}: {gold.document}[{gold.start}:{gold.end}] is not {gold.text!r}",
                    "Correct the span, or name the folder that holds this document.",
                )
    return questions


def _told_apart(question: Question, texts: _Stored) -> Question:
    """A span of a source that several documents share is one of each that has its words there."""
    gold = list[Gold]()
    for one in question.gold:
        sharing = texts.shared.get(one.document, ()) if is_located(one) else ()
        fitting = [name for name in sharing if texts[name][one.start : one.end] == one.text]
        gold += [replace(one, document=name) for name in fitting] or [one]
    grades = {name: grade for one, grade in question.relevant.items() for name in texts.shared.get(one, (one,))}
    return replace(question, gold=tuple(gold), relevant=MappingProxyType(grades))


def text_of(library: Library) -> Callable[[str, int, int], str]:
    """Reads a passage's text by its document's source and offsets; empty where it is not there any more."""
    texts = _Stored(library)
    return lambda document, start, end: texts.get(document, "")[start:end]


class _Stored(Mapping[str, str]):
    """The text of each document, by its name (see `names`); read when asked for, the last is kept.

    `shared`: the names of those that share a source, by that; `sources` the other way round.
    """

    def __init__(self, library: Library) -> None:
        self._catalogue = library.catalogue
        summaries = library.catalogue.summaries()
        called = _names(summaries)
        self._ids = {name: document for document, name in called.items()}
        self._last = ("", "")
        self.sources = {one.id: one.source for one in summaries if one.source and called[one.id] == one.id}
        self.shared: dict[str, list[str]] = {}
        for name, source in self.sources.items():
            self.shared.setdefault(source, []).append(name)

    def __getitem__(self, name: str) -> str:
        if self._last[0] != name:
            document = self._catalogue.document(self._ids[name])
            if document is None:
                raise KeyError(name)
            self._last = name, document.text
        return self._last[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


def _index_folder(library: Library, folder: Path, progress: Progress | None) -> None:
    files = list(find_files([folder]))
    sources = {path.relative_to(folder).as_posix(): path for path in files}
    requests = [FileRequest(path, source) for source, path in sources.items()]
    for done, (_, outcome) in enumerate(library.ingest.run(requests), 1):
        if isinstance(outcome, DocumentError):
            raise outcome
        if progress:
            progress(done, len(files))


def _index_texts(library: Library, texts: Texts, progress: Progress | None) -> None:
    """What an earlier run had indexed before it was interrupted is passed over."""
    complete = library.settings.data / "complete"
    if complete.exists():
        return
    known, done = set(library.catalogue.document_ids()), 0

    def new() -> Iterator[Document]:
        nonlocal done
        for document in texts.documents():
            done += 1
            if document.id not in known:
                yield document

    for outcome in library.builder.put_all(new()):
        if isinstance(outcome, DocumentError):
            raise outcome
        if progress:
            progress(done, 0)
    complete.touch()


def _forget_older(data: Path) -> None:
    """Delete what was made of the same folder before it was changed: nothing will ask it again."""
    for older in data.parent.iterdir():
        if older != data:
            shutil.rmtree(older, ignore_errors=True)  # what another process has open goes the next time


def _place(corpus: Texts | Folder, settings: Settings) -> Path:
    """Where its library is: that of a folder below one that is the same however its files change."""
    made_of = {"reader": READER, **fingerprint(settings)}
    if isinstance(corpus, Texts):
        return Path(_key(made_of | {"texts": corpus.key}))
    files = {
        path.relative_to(corpus.path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in find_files([corpus.path])
    }
    return Path(_key(fingerprint(settings) | {"folder": str(corpus.path.resolve())}), _key(made_of | {"files": files}))


def _key(made_of: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:24]
