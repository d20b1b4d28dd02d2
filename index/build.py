"""Documents into the catalogue, and the engine up to the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Literal

import numpy as np

from index.catalogue import Catalogue
from index.chunk import Chunking, WordPieces, chunk
from index.embed import Embedder
from index.engine import Engine
from index.errors import DocumentError, Lost
from index.refit import Refit
from index.rows import DocumentSummary, StoredPassage
from index.sources import Fence, Origin
from index.types import Document, Passage, PassageVectors, Stamp, Vector

GROUP_DOCUMENTS = 64
GROUP_CHARACTERS = 60_000
MOST_PASSAGES = 100_000
"""Of one document."""
_BATCH_TEXTS = 512
"""Texts embedded at a time: enough to fill the model's batches, few enough to show progress."""

_Ready = tuple[Document, Sequence[Passage], Sequence[PassageVectors] | None]
"""To be stored."""
Progress = Callable[[float, float], None]
"""Called with how many passages were embedded since the last call, and which share of those still to do that is."""


State = Literal["added", "replaced", "unchanged", "duplicate"]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one document, and how its file was read. `state` is "duplicate" where the same content is stored
    already: `document_id` names that document, which now has one more source. `pages` is None without pages."""

    document_id: str
    title: str
    source: str
    state: State
    media_type: str
    pages: int | None
    characters: int
    passages: int
    embedded: bool
    pages_without_text: tuple[int, ...]
    pages_by_ocr: tuple[int, ...]
    tables: int
    warnings: tuple[str, ...]
    seconds: float


class Builder:
    """Adds, replaces and removes documents.

    `embedder` gives the model, or None while there is none: then documents are searchable by BM25 at once, and
    by meaning after `embed_pending`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        pieces: WordPieces,
        chunking: Chunking,
        embedder: Callable[[], Embedder | None],
    ) -> None:
        self.catalogue = catalogue
        self._pieces = pieces
        self._chunking = chunking
        self._embedder = embedder

    def put(self, document: Document, progress: Progress | None = None) -> Report:
        """Add a document, or replace the one with its id; nothing is done when it is the same.

        Raises DocumentError when there is nothing in it to find.
        """
        outcome = next(self.put_all([document], progress))
        if isinstance(outcome, DocumentError):
            raise outcome
        return outcome

    def put_all(
        self,
        documents: Iterable[Document],
        progress: Progress | None = None,
        fences: Mapping[str, Fence] = MappingProxyType({}),
    ) -> Iterator[Report | DocumentError]:
        """The same for many, in their order. Some at a time are embedded together and stored in one transaction.

        One whose fence, of `fences` by document id, raises Lost is left out, which is then its outcome. A fence has to
        be there by the time that its document has been given.
        """
        for group in _groups(documents):
            yield from self.put_group(group, progress, fences=fences)

    def put_group(
        self,
        group: Sequence[Document],
        progress: Progress | None = None,
        origins: Mapping[str, Origin] = MappingProxyType({}),
        fences: Mapping[str, Fence] = MappingProxyType({}),
    ) -> list[Report | DocumentError]:
        """Some documents together, in one transaction; `origins` has the files that they come from, by document id. A
        text whose fence, of `fences`, raises Lost is left out; a file that is lost raises it, and nothing is stored."""
        before = self.catalogue.documents([document.id for document in group])
        outcomes: dict[int, Report | DocumentError] = {}
        cut: dict[int, list[Passage]] = {}
        for number, document in enumerate(group):
            try:
                if before.get(document.id) == document:
                    outcomes[number] = self._unchanged(document, progress)
                else:
                    cut[number] = self._cut(document)
            except DocumentError as error:
                outcomes[number] = error
        if cut:
            made = [(group[number], passages) for number, passages in cut.items()]
            embedded, lost = self._store(made, before, progress, origins, fences)
            for number, passages in cut.items():
                document = group[number]
                state: State = "replaced" if document.id in before else "added"
                outcomes[number] = lost.get(document.id) or _report(document, state, len(passages), embedded)
        return [outcomes[number] for number in range(len(group))]

    def _store(
        self,
        made: Sequence[tuple[Document, list[Passage]]],
        before: Mapping[str, Document],
        progress: Progress | None,
        origins: Mapping[str, Origin],
        fences: Mapping[str, Fence],
    ) -> tuple[bool, dict[str, Lost]]:
        """Whether all of it is embedded, and what was left out, by document id."""
        embedder = self._embedder()
        if embedder is None:
            lost = self._put([(document, passages, None) for document, passages in made], origins, fences)
            # The model may have come meanwhile.
            return all(self._embed(document.id, progress) for document, _ in made if document.id not in lost), lost
        replaced = [document.id for document, _ in made if document.id in before]
        known = [stored for document_id in replaced for stored in self.catalogue.passages_of(document_id)]
        vectors = iter(embed([one for _, passages in made for one in passages], embedder, known, progress))
        ready = [(document, passages, list(islice(vectors, len(passages)))) for document, passages in made]
        return True, self._put(ready, origins, fences)

    def _put(
        self, ready: Sequence[_Ready], origins: Mapping[str, Origin], fences: Mapping[str, Fence]
    ) -> dict[str, Lost]:
        """Store documents, in one transaction unless one of them is lost; those that are, by id."""
        try:
            self.catalogue.put_all(ready, origins, fences)
        except Lost as error:
            if origins:  # files that belong together: whoever gave them parts them
                raise
            if len(ready) == 1:
                return {ready[0][0].id: error}
            return {key: lost for one in ready for key, lost in self._put([one], origins, fences).items()}
        return {}

    def _unchanged(self, document: Document, progress: Progress | None) -> Report:
        self._embed(document.id, progress)
        stored = self.catalogue.passages_of(document.id)
        return _report(document, "unchanged", len(stored), all(one.vectors for one in stored))

    def unchanged(self, document_id: str, state: State) -> Report | None:
        """The report on a document that is stored already; None when it is not, or not any more."""
        summary = self.catalogue.summary(document_id)
        if summary is None:
            return None
        embedded = self._embed(document_id, None)
        return _report(summary, state, summary.passages, embedded)

    def _cut(self, document: Document) -> list[Passage]:
        passages = chunk(document, self._pieces, self._chunking)
        if not passages:
            raise DocumentError(f"{document.source or document.title} holds no text", "Leave it out.")
        if len(passages) > MOST_PASSAGES:
            raise DocumentError(
                f"{document.source or document.title} makes more than {MOST_PASSAGES:,} passages",
                "Split it into smaller files.",
            )
        return passages

    def embed_pending(self, embedder: Embedder, progress: Progress | None = None) -> int:
        """Embed what was added without a model, a document at a time; returns how many documents."""
        waiting = self.catalogue.unembedded()
        for document_id in waiting:
            self._embed(document_id, progress, embedder)
        return len(waiting)

    def _embed(self, document_id: str, progress: Progress | None, embedder: Embedder | None = None) -> bool:
        """Whether all of it is embedded now."""
        passages = [stored.passage for stored in self.catalogue.passages_of(document_id) if stored.vectors is None]
        embedder = embedder or (self._embedder() if passages else None)
        if passages and embedder:
            vectors = embed(passages, embedder, progress=progress)
            self.catalogue.embedded(document_id, list(zip(passages, vectors, strict=True)))
        return not passages or embedder is not None

    def refit(self, fingerprint: Mapping[str, str], progress: Progress | None = None) -> Iterator[Report]:
        """Cut and embed every stored document again, beside what is searched meanwhile; see `index.refit`."""
        refit, embedder = Refit(self.catalogue, fingerprint), self._embedder()
        while not refit.switch():
            for document_id in refit.waiting():
                document = self.catalogue.document(document_id)
                if document is None:
                    continue
                passages = self._cut(document)
                vectors = embed(passages, embedder, progress=progress) if embedder else None
                refit.put(document, passages, vectors)
                yield _report(document, "replaced", len(passages), vectors is not None)


def _groups(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """A few at a time: enough to fill the model's batches, few enough to be stored soon."""
    group, characters = list[Document](), 0
    for document in documents:
        group.append(document)
        characters += len(document.text)
        if len(group) >= GROUP_DOCUMENTS or characters >= GROUP_CHARACTERS:
            yield group
            group, characters = [], 0
    if group:
        yield group


def _report(document: Document | DocumentSummary, state: State, passages: int, embedded: bool) -> Report:
    reading = document.reading
    counts = (
        (len(document.pages) or None, len(document.text))
        if isinstance(document, Document)
        else (document.pages, document.characters)
    )
    return Report(
        document_id=document.id,
        title=document.title,
        source=document.source,
        state=state,
        media_type=document.media_type,
        pages=counts[0],
        characters=counts[1],
        passages=passages,
        embedded=embedded,
        pages_without_text=reading.pages_without_text,
        pages_by_ocr=reading.pages_by_ocr,
        tables=reading.tables,
        warnings=reading.warnings,
        seconds=reading.seconds,
    )


def embed(
    passages: Sequence[Passage],
    embedder: Embedder,
    known: Sequence[StoredPassage] = (),
    progress: Progress | None = None,
) -> list[PassageVectors]:
    """Vectors of passages, title and heading in front, and of each of their sentences as it stands.

    Each text is embedded once, and not at all when it is one of the `known` passages or of their sentences.
    """
    vectors: dict[str, Vector] = {}
    for stored in known:
        if stored.vectors:
            vectors[_with_context(stored.passage)] = stored.vectors.passage
            for text, row in zip(stored.passage.sentence_texts(), stored.vectors.sentences, strict=True):
                vectors.setdefault(text, row)
    wanted = [text for one in passages for text in (_with_context(one), *one.sentence_texts())]
    new = list(dict.fromkeys(text for text in wanted if text not in vectors))
    for start in range(0, len(new), _BATCH_TEXTS):
        batch = new[start : start + _BATCH_TEXTS]
        vectors.update(zip(batch, embedder.passages(batch), strict=True))
        if progress:
            progress(len(passages) * len(batch) / len(new), len(batch) / (len(new) - start))
    return [
        PassageVectors(
            vectors[_with_context(one)],
            np.stack([vectors[text] for text in one.sentence_texts()])
            if one.sentences
            else np.zeros((0, embedder.dim), np.float32),
        )
        for one in passages
    ]


def _with_context(passage: Passage) -> str:
    return f"{passage.context}\n{passage.text}".lstrip("\n")


def catch_up(catalogue: Catalogue, engine: Engine) -> None:
    """Bring an engine up to the catalogue; nothing is embedded. Raises IndexMismatch, see `Catalogue.changes`."""
    engine.look()
    if catalogue.stamp() == engine.stamp and not engine.stale:
        return
    with engine.turn():  # what others have written while it was waited for is seen now
        stale = engine.stale
        if catalogue.stamp() == engine.stamp and not stale:
            return
        try:
            with catalogue.changes(Stamp() if stale else engine.stamp) as found:
                if found.anew or stale:
                    engine.clear()
                for change in found.changes:
                    engine.replace(change.document_id, change.passages, change.vectors)
                engine.commit(found.stamp)
        except BaseException:
            engine.discard()
            raise
