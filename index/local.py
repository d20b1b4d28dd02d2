"""The embedded engine: segments of BM25 postings and FAISS vectors, derived from the catalogue and kept in files.

Like a log-structured merge tree: what is new becomes a small segment, what is gone is hidden in the old ones, and
segments of like size are merged, so that there are few, and each row is written only a few times. Readers see one
state, which is replaced whole.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from index import files
from index.errors import EngineError
from index.lexical import bag
from index.postings import prepare
from index.ranking import BM25, RANKING
from index.segment import Bags, Segment, Staged
from index.state import Part, State, guarded
from index.types import Passage, Stamp, Vectors

_log = logging.getLogger(__name__)

FLUSHED = 50_000
"""Staged passages that become a segment without waiting for the commit, to bound memory."""
RATIO = 4
"""A segment is merged with smaller ones unless it is so many times as large as they are together."""
GONE = 1 / 4
"""Share of all rows that may be hidden before everything is merged."""
AT_ONCE = 8_192
"""Passages that are merged during a commit; larger merges wait for `maintain`."""
UNSAVED = 4_096
"""Passages that a commit leaves to the catalogue's log; with more of them it saves."""
SETTLED = 60.0
"""Seconds that words to be dropped wait for a commit: what is staged knows them by number."""


class LocalEngine:
    """See `index.engine.Engine` for the contract.

    With a `folder` it starts from what was saved there, and saves, unless another process does so already. Files that
    are damaged are discarded, `repaired` says why, and it starts empty, to be filled from the catalogue. With
    `in_background` large merges are done by a thread, else only when `maintain` is called.
    """

    def __init__(self, folder: Path | None = None, in_background: bool = False, bm25: BM25 = RANKING.bm25) -> None:
        self._bm25 = bm25
        self.repaired: str | None = None
        self._folder = folder
        self._in_background = in_background
        self._lock: FileLock | None = None  # held by the process that saves
        self._writing = threading.RLock()
        self._settled = threading.Condition(self._writing)  # told when nothing is staged any more
        self._merging = threading.Lock()
        self._merger: threading.Thread | None = None
        self._vocabulary: dict[str, int] = {}  # only ever grows: older states stay right
        self._kept_terms: tuple[int, files.Kept] | None = None
        self._being_kept: str | None = None
        self._taking_over = False
        self._state = State()
        self.discard()
        if folder:
            self._open(folder)
            prepare()

    @property
    def stamp(self) -> Stamp:
        return self._state.stamp

    @property
    def keeps(self) -> bool:
        """Whether this process saves to the folder."""
        return self._lock is not None and not self._taking_over

    @property
    def away(self) -> None:
        """It is in this process."""

    @property
    def degraded(self) -> None:
        """Nothing is ever missing here: what is damaged is made again."""

    @property
    def stale(self) -> bool:
        return False

    @property
    def average(self) -> float | None:
        return self._bm25.average

    def snapshot(self) -> State:
        return self._state

    # Writing

    def look(self) -> None:
        """Nobody else writes here."""

    def turn(self) -> AbstractContextManager[None]:
        return nullcontext()

    def clear(self) -> None:
        with self._writing:
            self._unstage()
            self._cleared = True

    def replace(self, document_id: str, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        if vectors is not None and len(vectors) != len(passages):
            raise EngineError(f"{document_id}: {len(passages)} passages came with {len(vectors)} vectors")
        with self._writing:
            self._staged[document_id] = guarded(lambda: self._one(document_id, passages, vectors))
            self._staged_rows += len(passages)
            if self._staged_rows >= FLUSHED:
                guarded(self._flush)

    def discard(self) -> None:
        with self._writing:
            self._unstage()

    def commit(self, stamp: Stamp) -> None:
        with self._writing:
            guarded(lambda: self._commit(stamp))
            if sum(len(part.segment) for part in self._state.parts if part.kept is None) >= UNSAVED:
                self._save()
            if self._in_background and self._due() and not (self._merger and self._merger.is_alive()):
                self._merger = threading.Thread(target=self.maintain, name="merge", daemon=True)
                self._merger.start()

    def maintain(self, everything: bool = False) -> bool:
        """Do the merges that are due, and save; reads and writes go on. False when it could not be saved.

        With `everything` all that is there is merged into one segment, and nothing of what was removed before is left,
        in memory or in the files.
        """
        with self._merging:
            return self._maintain(everything or (not self.keeps and self._takes_over()))

    def take_over(self) -> bool:
        """Become the process that saves, if the one before has gone; whether this is the one now.

        What is held here may be older than what that one has purged, so that everything is merged before it is saved.
        """
        with self._merging:
            return self.keeps or (self._takes_over() and self._maintain(everything=True))

    def close(self) -> None:
        with self._merging, self._writing:
            try:
                self._unstage()
                if self.keeps:
                    self._save()
                elif self._is_newer() and self._takes_over():
                    self._maintain(everything=True)
            finally:
                self._state = State()
                if self._lock:
                    self._lock.release(force=True)
                    self._lock = None

    def _unstage(self) -> None:
        self._cleared = False
        self._staged: dict[str, Staged] = {}
        self._staged_rows = 0
        self._flushed: list[tuple[list[str], Segment]] = []
        self._settled.notify_all()

    def _one(self, document_id: str, passages: Sequence[Passage], vectors: Vectors | None) -> Staged:
        order = sorted(range(len(passages)), key=lambda number: passages[number].id)
        firsts, numbers, counts = [0], list[int](), list[int]()
        for number in order:
            found = bag(passages[number])
            numbers += [self._vocabulary.setdefault(term, len(self._vocabulary)) for term in found]
            counts += found.values()
            firsts.append(len(numbers))
        return Staged(
            document_id,
            np.array([(passages[number].start, passages[number].end) for number in order], np.int64).reshape(-1, 2),
            Bags(np.array(firsts, np.int64), np.array(numbers, np.int32), np.array(counts, np.uint16)),
            None if vectors is None or not order else np.asarray(vectors, np.float16)[order],
        )

    def _state_of(
        self, stamp: Stamp, vocabulary: Mapping[str, int], parts: Iterable[Part], frequencies: NDArray[np.int64]
    ) -> State:
        return State.of(stamp, vocabulary, parts, frequencies, self._bm25)

    def _flush(self) -> None:
        if self._staged:
            self._flushed.append((list(self._staged), Segment.of(self._staged.values())))
            self._staged, self._staged_rows = {}, 0

    def _commit(self, stamp: Stamp) -> None:
        self._flush()
        if not self._flushed and not self._cleared:
            self._state = replace(self._state, stamp=stamp)
            return
        parts = [] if self._cleared else list(self._state.parts)
        frequencies = np.zeros(len(self._vocabulary), np.int64)
        if not self._cleared:
            frequencies[: len(self._state.statistics.frequencies)] = self._state.statistics.frequencies
        for document_ids, segment in self._flushed:
            for number, part in enumerate(parts):
                rows = part.rows_of(document_ids)
                if len(rows):
                    frequencies -= part.segment.frequencies(len(frequencies), rows)
                    parts[number] = part.hiding(rows)
            frequencies += segment.frequencies(len(frequencies))
            parts.append(Part(segment))
        self._state = self._state_of(stamp, self._vocabulary, parts, frequencies)
        cleared = self._cleared
        self._unstage()
        if cleared:
            self._forget()
        while (due := self._due()) and sum(part.live for part in due) <= AT_ONCE:
            self._exchange(due, Part(Segment.merged([(part.segment, part.hidden) for part in due])))

    # Merging

    def _maintain(self, everything: bool) -> bool:
        while chosen := self._due(everything):
            merged = guarded(lambda: Segment.merged([(part.segment, part.hidden) for part in chosen]))
            try:
                part = Part(merged) if everything else self._kept(Part(merged))
                with self._writing:
                    self._exchange(chosen, part)
            finally:
                self._being_kept = None
            if everything:
                break  # what came or went meanwhile is none of what was removed before
        with self._writing:
            if everything and not self._settled.wait_for(lambda: not self._staged and not self._flushed, SETTLED):
                return False
            if everything:
                self._forget()
                self._taking_over = False
            return self._save()

    def _due(self, everything: bool = False) -> list[Part]:
        """The parts to merge next: the smallest, or when too many rows are gone, all."""
        parts = self._state.parts
        gone, rows = sum(part.gone for part in parts), sum(len(part.segment) for part in parts)
        if everything:
            return list(parts) if len(parts) > 1 or gone else []
        if gone > rows * GONE:
            return list(parts)
        chosen = list[Part]()
        for part in reversed(parts):
            if chosen and part.live >= RATIO * sum(one.live for one in chosen):
                break
            chosen.append(part)
        return chosen if len(chosen) > 1 else []

    def _exchange(self, chosen: Sequence[Part], merged: Part) -> None:
        """Put a merged part in the place of those it was made of; what went meanwhile is hidden in it too."""
        present = {part.key: part for part in self._state.parts}
        for before in chosen:
            now = present.pop(before.key, None)
            if now is not None and now.hidden is before.hidden:
                continue
            hidden = np.ones(len(before.segment), np.bool_) if now is None else now.hidden
            assert hidden is not None
            went = np.flatnonzero(hidden if before.hidden is None else hidden & ~before.hidden)
            merged = merged.hiding(merged.segment.rows_of(before.segment.documents_of(went)))
        state = self._state
        self._state = self._state_of(
            state.stamp, self._vocabulary, [*present.values(), merged], state.statistics.frequencies
        )

    def _forget(self) -> None:
        """Drop the terms that no segment holds any more; nothing may be staged, which knows them by their numbers."""
        held = np.zeros(len(self._vocabulary), np.bool_)
        for part in self._state.parts:
            held[part.segment.arrays.terms] = True
        if held.all():
            return
        named, numbers = list(self._vocabulary), np.cumsum(held, dtype=np.int32) - 1
        self._vocabulary = {named[old]: new for new, old in enumerate(np.flatnonzero(held).tolist())}
        self._kept_terms = None
        parts = [Part(part.segment.renumbered(numbers), part.hidden) for part in self._state.parts]
        frequencies = self._state.statistics.frequencies
        kept = np.zeros(len(held), np.int64)
        kept[: len(frequencies)] = frequencies
        self._state = self._state_of(self._state.stamp, self._vocabulary, parts, kept[held])

    # Files

    def _open(self, folder: Path) -> None:
        self._acquire(folder)
        try:
            saved = files.load(folder)
            if saved is not None:
                vocabulary = {term: number for number, term in enumerate(saved.terms)}
                parts = [Part(*one) for one in saved.segments]
                frequencies = np.zeros(len(vocabulary), np.int64)
                for part in parts:
                    frequencies += part.frequencies(len(vocabulary))
                self._state = self._state_of(saved.stamp, vocabulary, parts, frequencies)
                self._vocabulary, self._kept_terms = vocabulary, (len(vocabulary), saved.vocabulary)
        except Exception as error:  # noqa: BLE001  whatever is wrong with the files, they can be made again
            self.repaired = f"the search index was made again from the catalogue: {error}"
            _log.warning("%s: %s", folder, self.repaired)
            if self._lock:
                files.discard(folder)

    def _acquire(self, folder: Path) -> bool:
        """Become the process that saves, if there is none."""
        if self._lock is None:
            try:
                folder.mkdir(exist_ok=True)  # not the data folder, which may be away
                lock = FileLock(folder / "engine.lock", thread_local=False)
                lock.acquire(blocking=False)
                self._lock = lock
            except (Timeout, OSError):
                _log.debug("another process keeps the search index in %s", folder)
        return self._lock is not None

    def _kept(self, part: Part) -> Part:
        """A merged part, written before it is shown, so that nobody waits for the disk."""
        if self._folder is None or self._lock is None:
            return part
        self._being_kept = name = files.new_name()  # known before it is there: a commit that saves must not delete it
        try:
            kept = files.keep_segment(self._folder, part.segment, name)
            return replace(part, segment=files.load_segment(self._folder, kept), kept=kept)
        except OSError as error:
            self._not_saved(error)
            return part

    def _takes_over(self) -> bool:
        """Get the lock late; nothing is saved then until everything was merged."""
        self._taking_over = True
        if self._folder is None or not self._acquire(self._folder):
            self._taking_over = False
        return self._taking_over

    def _is_newer(self) -> bool:
        """Whether the files are of another state."""
        return self._folder is not None and self.stamp != Stamp() and files.saved_stamp(self._folder) != self.stamp

    def _save(self) -> bool:
        """Write what is new; where that fails the files stay as they were, and the catalogue's log fills the gap."""
        if self._folder is None or not self.keeps:
            return False
        with self._writing:
            try:
                parts = list[Part]()
                for part in self._state.parts:
                    if part.kept is None or not (self._folder / part.kept.name).is_dir():
                        kept = files.keep_segment(self._folder, part.segment, files.new_name())
                        part = replace(part, segment=files.load_segment(self._folder, kept), kept=kept)
                    parts.append(part)
                terms_are_kept = self._kept_terms and (self._folder / self._kept_terms[1].name).is_dir()
                if self._kept_terms is None or not terms_are_kept or self._kept_terms[0] != len(self._vocabulary):
                    kept_terms = files.keep_terms(self._folder, list(self._vocabulary))
                    self._kept_terms = len(self._vocabulary), kept_terms
                in_force = [(part.kept, part.hidden) for part in parts if part.kept]
                files.save(self._folder, self._state.stamp, self._kept_terms[1], in_force, spare=self._being_kept)
                self._state = replace(self._state, parts=tuple(parts))
            except OSError as error:
                self._not_saved(error)
                return False
        return True

    def _not_saved(self, error: OSError) -> None:
        _log.warning("the search index could not be saved in %s: %s", self._folder, error)
