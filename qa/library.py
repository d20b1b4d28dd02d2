"""A library in your own program, without a service: documents in, answers with citations out.

    from qa import open_library

    with open_library("my-data") as library:
        library.add("papers", "notes.md")
        answer = library.ask("Who would monitor the ceasefire?")
        for passage in answer.passages:
            print(passage.text, passage.citation.source, passage.citation.start, passage.citation.end)

Errors are those of `index.errors`, each with a `message` and a `hint`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from index.build import Report
from index.errors import DocumentError, UsageError
from index.fusion import Mode
from index.ingest import Existing, FileRequest
from index.load import from_text
from index.load.folder import find_files
from index.rows import DocumentSummary
from qa import wire
from qa.config import Settings, settings
from qa.question import answered, checked, unknown
from qa.schemas import AskRequest, FileFields, NewDocument
from qa.types import Answer, Turn


@dataclass(frozen=True, slots=True)
class Added:
    """What became of files: a report for each that was taken in, and why others could not be."""

    documents: list[Report]
    failed: list[DocumentError]


def open_library(data: str | os.PathLike[str] | None = None, *, make: bool = True, **given: object) -> Library:
    """Open a data folder, which is made when it is not there, unless `make` is false.

    `given` are settings by the names of `qa.config.Settings`, such as `model`; those that are not given, and `data`,
    are taken from the environment (`QA_MODEL`, `QA_DATA`) as by the commands. Nothing heavy happens: the model is
    loaded when it is first needed.

    Raises UsageError for an unknown setting, QAError for a wrong value, IndexMissing without a folder that is not to
    be made, IndexMismatch for one made with other settings, StorageError where it cannot be used.
    """
    strange = sorted(set(given) - set(Settings.model_fields))
    if strange:
        raise UsageError(f"there is no setting {strange[0]!r}", f"Settings are: {', '.join(Settings.model_fields)}.")
    chosen = settings(data=None if data is None else Path(data), **given)
    return Library(wire.open_library(chosen, make=make, load_when_needed=True, serving=True))


class Library:
    """An opened data folder; `with` closes it. It may be used by many threads.

    Services and commands may have the same folder open: each sees what the others have written, and one writes at a
    time. Whoever waits too long for its turn to write is refused with IndexLocked, which names the one that writes.
    """

    def __init__(self, opened: wire.Library) -> None:
        self._opened = opened
        self._closed = False
        self._adding = threading.Lock()

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(
        self,
        question: str,
        *,
        top_k: int = 5,
        history: Sequence[str | Turn | Answer] = (),
        document_ids: Sequence[str] | None = None,
        collections: Sequence[str] = (),
        tags: Sequence[str] = (),
        types: Sequence[str] = (),
        after: str = "",
        before: str = "",
        mode: Mode = "hybrid",
    ) -> Answer:
        """The passages that answer, best first, word for word. Not answerable is an answer, never an error.

        `history` has the earlier questions, oldest first; their answers do better, since they say what was shown. The
        others narrow which documents are asked: of `document_ids`, in one of `collections`, with all `tags`, of one of
        `types` ("pdf"), dated from `after` to `before` (YYYY, YYYY-MM or YYYY-MM-DD). While the model is away, BM25
        alone answers: `answer.retrieval` and `model_away` say so.

        Raises UsageError for what cannot be asked, such as an empty question (at most 2,000 characters) or an unknown
        document; IndexMissing while there are no documents; EngineError, StorageError.
        """
        given = {
            "question": question,
            "top_k": top_k,
            "history": [_turn(one) for one in history],
            "document_ids": _listed(document_ids),
            "collections": _listed(collections),
            "tags": _listed(tags),
            "types": _listed(types),
            "after": after,
            "before": before,
            "mode": mode,
        }
        return answered(self._open, checked(AskRequest, given))

    def add(
        self,
        *paths: str | os.PathLike[str],
        collection: str | None = None,
        tags: Sequence[str] | None = None,
        ignore: Sequence[str] = (),
        password: str | None = None,
        existing: Existing = "replace",
        again: bool = False,
    ) -> Added:
        """Take in files, and all files in folders; those that have not changed are skipped, unless `again` is said.

        A collection or tags given are those of the documents from now on. `ignore` leaves out what matches, as in
        .gitignore. `password` opens PDF files. `existing` says what is done with a file of a known name and other
        content: `replace` that one, `keep` both, `refuse` this one.

        A bad file never stops the others; raises DocumentError when none could be taken in, IndexLocked while another
        process writes, StorageError.
        """
        labels = checked(FileFields, {"collection": collection, "tags": _listed(tags), "existing": existing})
        with self._adding, self._open.catalogue.lock.held():
            library = self._open
            given = labels.model_dump() | {"tags": None if tags is None else tuple(tags), "again": again}
            given["options"] = replace(library.settings.reading, password=password)
            requests, failed = file_requests(library, [Path(path) for path in paths], ignore, given)
            outcomes = {request.path: outcome for request, outcome in library.ingest.run(requests)}
        told = [outcomes[request.path] for request in requests]
        done = [one for one in told if not isinstance(one, DocumentError)]
        failed += [one for one in told if isinstance(one, DocumentError)]
        if not done:
            raise failed[0] if failed else DocumentError("no document there", "Name files, or folders of them.")
        return Added(done, failed)

    def add_text(
        self,
        text: str,
        *,
        title: str = "",
        source: str = "",
        id: str | None = None,  # noqa: A002
        metadata: Mapping[str, Any] | None = None,
        collection: str = "",
        tags: Sequence[str] = (),
        dated: str = "",
    ) -> Report:
        """Take in a text that is no file, or replace the one of the same id.

        Without an `id` it gets one made from its source, else from its title and text. `metadata` is what JSON can
        carry; `dated` is YYYY-MM-DD. Raises UsageError for what cannot be stored, DocumentError for a text that is no
        well-formed Unicode or in which there is nothing to find, IndexLocked, StorageError.
        """
        own = {"text": text, "title": title, "source": source, "id": id, "metadata": dict(metadata or {})}
        labels = {"collection": collection, "tags": _listed(tags), "dated": dated}
        given = checked(NewDocument, own | labels).model_dump()
        document = from_text(**given | {"tags": tuple(tags)})
        with self._adding:
            return self._open.builder.put(document)

    def remove(self, document_id: str) -> bool:
        """Remove a document and all that was made of it; False when there is none of that id.

        Raises IndexLocked, StorageError.
        """
        return self._open.catalogue.remove(document_id)

    def documents(self) -> list[DocumentSummary]:
        """What is stored, in the order of the titles, without the texts."""
        return self._open.catalogue.summaries()

    def text(self, document_id: str, start: int = 0, end: int | None = None) -> str:
        """The stored text that every offset counts in, or part of it. Raises UsageError for an unknown document."""
        excerpt = self._open.catalogue.shelf.excerpt(document_id, start, end)
        if excerpt is None:
            raise unknown(document_id)
        return excerpt.text

    @property
    def model_away(self) -> str | None:
        """Why questions are answered by BM25 alone; None when they are not, or the model was not needed yet."""
        model = self._open.model
        return model.reason if model.state == "failed" else None

    def close(self) -> None:
        """Save the search index, and let go of the folder. A second time does nothing."""
        with self._adding:
            if not self._closed:
                self._closed = True
                self._opened.close()

    @property
    def _open(self) -> wire.Library:
        if self._closed:
            raise UsageError("the library was closed", "Open it anew.")
        return self._opened


def file_requests(
    library: wire.Library, paths: Sequence[Path], ignore: Sequence[str], given: Mapping[str, Any]
) -> tuple[list[FileRequest], list[DocumentError]]:
    """A request for each file, and each in folders, with `given` fields; and why a path leads to none."""
    files, failed = list[Path](), list[DocumentError]()
    for path in paths:
        try:
            files += [file for file in find_files([path], ignore) if not library.owns(file)]
        except DocumentError as error:
            failed.append(error)
    return [wire.file_request(path, library.settings, **given) for path in dict.fromkeys(files)], failed


def _turn(earlier: str | Turn | Answer) -> object:
    if isinstance(earlier, Answer):
        return {"question": earlier.question, "passages": [passage.id for passage in earlier.passages[:20]]}
    if isinstance(earlier, Turn):
        return {"question": earlier.question, "passages": list(earlier.passages)}
    return earlier


def _listed(names: Sequence[str] | None) -> object:
    """As a list; a lone string, which is a sequence too, stays what it is and is refused."""
    return names if names is None or isinstance(names, str) else list(names)
