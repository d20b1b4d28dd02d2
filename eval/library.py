"""The documents of a set, indexed: in a library of the set's own, kept in the cache folder, or the user's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from eval.dataset import EvalSet, Folder, Question, Texts
from eval.formats.quotations import is_located, locate
from index.errors import DocumentError, IndexMissing, ModelError
from index.ingest import FileRequest
from index.load import READER
from index.load.folder import find_files
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
        data = settings.cache / "eval" / "libraries" / _key(eval_set.corpus, settings)
        library = open_library(settings.model_copy(update={"data": data}), make=True, load_when_needed=True)
    try:
        if library.model.load_once() is None:
            raise ModelError(f"only BM25 could be measured: {library.model.reason}", "Install the model.")
        if isinstance(eval_set.corpus, Folder):
            _index_folder(library, eval_set.corpus.path, progress)
        elif eval_set.corpus:
            _index_texts(library, eval_set.corpus, progress)
        return library
    except BaseException:
        library.close()
        raise


def placed(questions: tuple[Question, ...], library: Library) -> tuple[Question, ...]:
    """The questions with every quotation located. Raises DocumentError for gold that is not where it is said to be."""
    texts = _Stored(library)
    if any(not is_located(gold) for question in questions for gold in question.gold):
        questions = locate(questions, texts)
    for question in questions:
        for gold in question.gold:
            if texts.get(gold.document, "")[gold.start : gold.end] != gold.text:
                raise DocumentError(
                    f"{question.id}: {gold.document}[{gold.start}:{gold.end}] is not {gold.text!r}",
                    "Correct the span, or name the folder that holds this document.",
                )
    return questions


def text_of(library: Library) -> Callable[[str, int, int], str]:
    """Reads a passage's text by its document's source and offsets; empty where it is not there any more."""
    texts = _Stored(library)
    return lambda document, start, end: texts.get(document, "")[start:end]


class _Stored(Mapping[str, str]):
    """The text of each document, by its source, or its id where it has none; read when asked for, the last is kept."""

    def __init__(self, library: Library) -> None:
        self._catalogue = library.catalogue
        self._ids = {summary.source or summary.id: summary.id for summary in library.catalogue.summaries()}
        self._last = ("", "")

    def __getitem__(self, source: str) -> str:
        if self._last[0] != source:
            document = self._catalogue.document(self._ids[source])
            if document is None:
                raise KeyError(source)
            self._last = source, document.text
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


def _key(corpus: Texts | Folder, settings: Settings) -> str:
    made_of = {"reader": READER, **fingerprint(settings)}
    if isinstance(corpus, Texts):
        made_of["texts"] = corpus.key
    else:
        for path in find_files([corpus.path]):
            made_of[path.relative_to(corpus.path).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:24]
