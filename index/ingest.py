"""Files into the catalogue: looked at, skipped when known, read in the sandbox, put in groups."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path, PurePath
from typing import Literal, TypeAlias

from index.build import GROUP_CHARACTERS, GROUP_DOCUMENTS, Builder, Progress, Report, State
from index.errors import DocumentError, NameTaken, Twin
from index.load import READER
from index.load.draft import AS_THEY_ARE, Options
from index.load.sandbox import Sandbox
from index.load.text import content
from index.sources import Fence, Origin, name_taken
from index.types import Document

READERS = 2
"""Files read at the same time, each by a process; one more core than that is left for embedding."""
_AHEAD = 4
"""Files read before their turn."""
_NAMINGS = 10
"""Free names tried for a file, each of which another process took meanwhile."""

Stage = Literal["reading", "embedding"]
Existing = Literal["replace", "keep", "refuse"]
"""What a file does whose name is that of a file of other content: takes its place, gets a free name, or fails."""


@dataclass(frozen=True, slots=True)
class FileRequest:
    """A file to be taken in. `source` names it from now on; `name` is what it is called (default: as on the disk).

    `root` is the watched folder that it belongs to, if any. A collection or tags given are those of the document from
    now on; None leaves what it has. `again` reads it even when it has not changed. `dated` is the file's own date.
    `existing` says what is to be done where another file has its name. `fence` is called in the transaction that stores
    it, see `index.sources`.
    """

    path: Path
    source: str
    name: str = ""
    root: str = ""
    collection: str | None = None
    tags: tuple[str, ...] | None = None
    options: Options = AS_THEY_ARE
    again: bool = False
    dated: str = ""
    existing: Existing = "replace"
    fence: Fence | None = None


Outcome: TypeAlias = tuple[FileRequest, Report | DocumentError]


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told how far it is: the share of a file's stage that is done, and `embedded` as `Progress` says."""

    stage: Callable[[FileRequest, Stage, float], None] = lambda _request, _stage, _share: None
    embedded: Progress = lambda _passages, _share: None


UNHEARD = Listener()


class Ingest:
    """Takes files in. With `keep`, their bytes are stored too."""

    def __init__(self, builder: Builder, sandbox: Sandbox, keep: bool) -> None:
        self.builder = builder
        self.catalogue = builder.catalogue
        self._sandbox = sandbox
        self._keep = keep

    def run(self, requests: Iterable[FileRequest], listener: Listener = UNHEARD) -> Iterator[Outcome]:
        """What became of each file, which is called otherwise in its request where it got a free name. A bad file
        never stops the others.

        Files of known content come first: documents that have only moved are found before anything replaces them.
        """
        pool = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        try:
            known, unread = list[tuple[FileRequest, str]](), list[FileRequest]()
            for looked in pool.map(self._look, requests):
                if isinstance(looked.found, DocumentError):
                    yield looked.request, looked.found
                elif looked.found is None:
                    unread.append(looked.request)
                elif looked.mine:
                    yield looked.request, self._labelled_only(looked.request, looked.found)
                else:
                    known.append((looked.request, looked.found))
            yield from self._join(known, unread)
            yield from self._read_all(unread, pool, listener)
        finally:
            pool.shutdown(cancel_futures=True)

    def one(self, request: FileRequest, listener: Listener = UNHEARD) -> Report:
        """Raises DocumentError."""
        ((_, outcome),) = self.run([request], listener)
        if isinstance(outcome, DocumentError):
            raise outcome
        return outcome

    def _look(self, request: FileRequest) -> _Looked:
        """Whether a file's content is stored already, and as the document of that very file; or that it is refused for
        its name, which is said before it is read."""
        try:
            sha256 = hashlib.sha256(content(request.path, self._sandbox.limits.bytes)).hexdigest()
        except DocumentError as error:  # what was sent is called otherwise than where it waits
            told = error.message.replace(str(request.path), request.name) if request.name else error.message
            return _Looked(request, DocumentError(told, error.hint))
        known = self.catalogue.sources.of(request.source)
        if known and known.original == sha256 and known.reader == READER and not request.again:
            return _Looked(request, known.document_id, mine=not request.root or known.root == request.root)
        held = None if request.again else self.catalogue.sources.holding(sha256, READER)
        if request.existing == "refuse" and known and known.original != sha256 and not held:
            return _Looked(request, name_taken(request.source))
        return _Looked(request, held)

    def _labelled_only(self, request: FileRequest, document_id: str) -> Report | DocumentError:
        if request.collection is not None or request.tags is not None:
            self.catalogue.label(document_id, request.collection, request.tags)
        report = self.builder.unchanged(document_id, "unchanged")
        return report or DocumentError(f"{request.source} was removed meanwhile", "Index it again.")

    def _join(self, known: Sequence[tuple[FileRequest, str]], unread: list[FileRequest]) -> Iterator[Outcome]:
        """Files whose content is stored join its document; where that has gone meanwhile they are to be read."""
        before = {request.source: self.catalogue.sources.of(request.source) for request, _ in known}
        joined = self.catalogue.sources.join([(held, self._origin(request)) for request, held in known])
        for request, held in known:
            mine = before[request.source]
            state: State = "unchanged" if mine and mine.document_id == held else "duplicate"
            if held in joined and (request.collection is not None or request.tags is not None):
                self.catalogue.label(held, request.collection, request.tags)
            report = self.builder.unchanged(held, state) if held in joined else None
            if report:
                yield request, report
            else:
                unread.append(request)

    def _read_all(
        self, requests: Sequence[FileRequest], pool: ThreadPoolExecutor, listener: Listener
    ) -> Iterator[Outcome]:
        """Read some files ahead of their turn, and put them in groups."""
        group = _Group(frozenset(request.source for request in requests))
        waiting: deque[tuple[FileRequest, Future[Document | DocumentError]]] = deque()
        for request in requests:
            waiting.append((request, pool.submit(self._read, request, listener)))
            if len(waiting) > _AHEAD:
                yield from self._take(*waiting.popleft(), group, listener)
        while waiting:
            yield from self._take(*waiting.popleft(), group, listener)
        yield from self._flush(group, listener)

    def _read(self, request: FileRequest, listener: Listener) -> Document | DocumentError:
        listener.stage(request, "reading", 0.0)
        options = replace(
            request.options, page_read=lambda done, pages: listener.stage(request, "reading", done / max(pages, 1))
        )
        try:
            document = self._sandbox.read(request.path, request.source, options, request.name)
        except DocumentError as error:
            return error
        listener.stage(request, "reading", 1.0)
        return document

    def _take(
        self, request: FileRequest, reading: Future[Document | DocumentError], group: _Group, listener: Listener
    ) -> Iterator[Outcome]:
        document = reading.result()
        if isinstance(document, DocumentError):
            yield request, document
            return
        twin = document.original in group.contents
        if twin or request.source in group.sources:
            yield from self._flush(group, listener)
        held = self.catalogue.sources.holding(document.original, READER) if twin or not request.again else None
        report = self._joined(request, held) if held else None
        if report:
            yield request, report
            return
        named = self._named(request, document, group)
        if isinstance(named, DocumentError):
            yield request, named
            return
        group.add(*named, read=(request, document))
        if group.full:
            yield from self._flush(group, listener)

    def _joined(self, request: FileRequest, held: str) -> Report | None:
        """The report on the document that a file's content is stored as; None where that has gone meanwhile."""
        there = self.catalogue.sources.join([(held, self._origin(request))])
        return self.builder.unchanged(held, "duplicate") if there else None

    def _named(
        self, request: FileRequest, document: Document, group: _Group
    ) -> tuple[FileRequest, Document] | NameTaken:
        """Labelled, and by a free name where its own is another file's that it is not to replace: one that no file
        beside it has, and none that is about to be stored."""
        made = self._labelled(request, document)
        if request.existing == "replace" or not self.catalogue.sources.taken(request.source, made):
            return request, made
        if request.existing == "refuse":
            return name_taken(request.source)
        for name in free_names(request.source):
            called = replace(request, source=name, name=PurePath(name).name)
            made = self._labelled(called, replace(document, source=name))
            beside = os.path.lexists(request.path.with_name(called.name))
            if not (beside or group.awaits(name) or self.catalogue.sources.taken(name, made)):
                break
        return called, made

    def _labelled(self, request: FileRequest, document: Document) -> Document:
        """With its id, which survives edits of its file, and with what is the reader's own."""
        known = self.catalogue.sources.of(request.source)
        stays = known is not None and (known.sources == 1 or known.original == document.original)
        mine = known.document_id if known and stays else self._free_id(request.source, document)
        before = self.catalogue.summary(mine)
        collection = request.collection if request.collection is not None else before.collection if before else ""
        tags = request.tags if request.tags is not None else before.tags if before else ()
        return replace(document, id=mine, collection=collection, tags=tags, dated=document.dated or request.dated)

    def _free_id(self, source: str, document: Document) -> str:
        """The id made from the source; where a document that has moved has it, one of this content."""
        taken = self.catalogue.summary(document.id)
        if taken is None or (not taken.original and taken.source == source):  # of a version that kept no sources
            return document.id
        return hashlib.sha256(f"{source}\0{document.original}".encode()).hexdigest()[:16]

    def _flush(self, group: _Group, listener: Listener) -> Iterator[Outcome]:
        if not group.documents:
            return
        done = 0.0

        def embedded(passages: float, share: float) -> None:
            nonlocal done
            done += (1 - done) * share
            for request in group.requests:
                listener.stage(request, "embedding", done)
            listener.embedded(passages, share)

        outcomes = self._put(group, embedded)
        requests = group.requests
        group.clear()
        yield from zip(requests, outcomes, strict=True)

    def _put(self, group: _Group, embedded: Progress) -> Sequence[Report | DocumentError]:
        """What became of each; a request in the group is called otherwise where its file got another free name."""
        pairs = list(zip(group.requests, group.documents, strict=True))
        origins = {document.id: self._origin(request) for request, document in pairs}
        self.catalogue.sources.announce({document.original: origins[document.id] for document in group.documents})
        try:
            outcomes = self.builder.put_group(group.documents, embedded, origins)
        except DocumentError as error:  # a file has changed since it was read: the others are put without it
            if len(pairs) == 1:
                return [self._mended(group, embedded, error)]
            parts = [group.alone(number) for number in range(len(pairs))]
            outcomes = [outcome for one in parts for outcome in self._put(one, embedded)]
            group.requests = [request for one in parts for request in one.requests]
            return outcomes
        for document, outcome in zip(group.documents, outcomes, strict=True):
            if isinstance(outcome, Report) and outcome.state == "unchanged":
                self.catalogue.sources.join([(document.id, origins[document.id])])
        return outcomes

    def _mended(self, group: _Group, embedded: Progress, error: DocumentError) -> Report | DocumentError:
        """What becomes of a single file that could not be stored as it was meant to, since another process has stored
        its content, or a file of its name, meanwhile."""
        request, document = group.read[0]
        if isinstance(error, Twin):
            return self._joined(request, error.document_id) or error
        if isinstance(error, NameTaken) and request.existing == "keep" and group.namings < _NAMINGS:
            named = self._named(request, document, group)
            if isinstance(named, DocumentError):
                return named
            group.rename(*named)
            return self._put(group, embedded)[0]
        return error

    def _origin(self, request: FileRequest) -> Origin:
        name, known = request.name or request.path.name, self.catalogue.sources.of(request.source)
        root = request.root or (known.root if known else "")
        return Origin(
            request.source,
            name,
            root,
            READER,
            request.path if self._keep else None,
            yields=request.existing != "replace",
            single=not request.again,
            store=self.catalogue.sources.store,
            fence=request.fence,
        )


def free_names(name: str) -> Iterator[str]:
    """ "a.b/report (2).pdf", "a.b/report (3).pdf", … for "a.b/report.pdf" """
    path = PurePath(name)
    folder = name.removesuffix(path.name)
    return (f"{folder}{path.stem} ({number}){path.suffix}" for number in count(2))


@dataclass(frozen=True, slots=True)
class _Looked:
    """The document that holds a file's content, None where there is none, or why the file is not taken in.

    `mine`: it is this file's own, and nothing is to be done.
    """

    request: FileRequest
    found: str | DocumentError | None
    mine: bool = False


class _Group:
    """Documents that are embedded and stored together. `sent` are the names of all files that are read in the run."""

    def __init__(self, sent: Collection[str]) -> None:
        self._sent = sent
        self.clear()

    def clear(self) -> None:
        self.requests: list[FileRequest] = []
        self.documents: list[Document] = []
        self.read: list[tuple[FileRequest, Document]] = []
        self.contents: set[str] = set()
        self.sources: set[str] = set()
        self._characters = 0
        self.namings = 0

    def add(self, request: FileRequest, document: Document, read: tuple[FileRequest, Document]) -> None:
        """`read` is what it was before it got its name and its labels."""
        self.requests.append(request)
        self.documents.append(document)
        self.read.append(read)
        self.contents.add(document.original)
        self.sources.add(request.source)
        self._characters += len(document.text)

    def alone(self, number: int) -> _Group:
        """One of the files by itself."""
        made = _Group(self._sent)
        made.add(self.requests[number], self.documents[number], self.read[number])
        return made

    def rename(self, request: FileRequest, document: Document) -> None:
        """Its only file is called otherwise."""
        self.requests, self.documents = [request], [document]
        self.namings += 1

    def awaits(self, name: str) -> bool:
        """Whether a file of this name, made up or its own, is to be stored in this run."""
        return name in self.sources or name in self._sent

    @property
    def full(self) -> bool:
        return len(self.documents) >= GROUP_DOCUMENTS or self._characters >= GROUP_CHARACTERS
