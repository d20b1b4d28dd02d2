"""A library copied into another place as it is stored, document by document; nothing is cut or embedded again.

A group of documents is one transaction of the target: after an interruption it goes on where it was. The source is
read group by group, each document whole, and not in one long transaction: that would keep SQLite from emptying its log
and PostgreSQL from clearing away what was replaced for as long as it takes, and what it copies would be old by the end.
Passes are repeated instead, each over what has changed since, until the source stays as it was during one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from index import tables
from index.catalogue import Catalogue
from index.errors import Conflict, IndexMissing, StorageError
from index.forget import pending
from index.history import REFITTING, in_use, log_changes, meta_of, stamp_fingerprint, stamp_of
from index.kept import content, in_place, keep, kept
from index.sources import forget_originals, originals_of
from index.types import Stamp
from index.whole import Whole, has_nul, in_groups, outlines, sizes, wholes

MOST_PASSES = 20
"""Over a source that is being written; each is shorter than the one before, unless it is written faster than copied."""
GROUP_DOCUMENTS = 200
GROUP_CHARACTERS = 1_000_000
"""Of the documents that are copied in one transaction: with vectors about six bytes each."""
NOTES = ("chunking", "model", "calibration")
"""In `meta`: what belongs to a library wherever it stands; all else there tells of the place."""
COPIED = "copied"
"""In `meta` of a target: whose copy it is, and its own state after the last group; see `Mark`."""

Told = Callable[[str, int, int], None]
"""Called with a document's name, how many are done, and how many there are to do in this pass."""


def unheard(name: str, done: int, of: int) -> None:
    """Told to nobody."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a target notes with each group: the `library` that it is a copy of; how the passages there were `made`, of
    which none is older here, or "" while that is not known; its own state (`stamp`); and when (seconds since 1970)."""

    library: str
    made: str
    stamp: Stamp
    at: float

    @classmethod
    def of(cls, notes: dict[str, str]) -> Mark | None:
        if COPIED not in notes:
            return None
        found = json.loads(notes[COPIED])
        return cls(found["library"], found["made"], Stamp(*found["stamp"]), found["at"])


@dataclass(slots=True)
class Copied:
    """What was done: ids of documents, each once. `left_out` has the names of those that the target cannot store, by
    id, and `judgements_left_out` the ids of such judgements."""

    copied: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)
    judgements_left_out: set[str] = field(default_factory=set)
    passes: int = 0


class Migration:
    """From one catalogue to another; no other process may write to the target meanwhile.

    With `replace` whatever the target holds gives way, and documents are compared by their every byte.
    """

    def __init__(self, source: Catalogue, target: Catalogue, replace: bool = False) -> None:
        self.source = source
        self.target = target
        self.done = Copied()
        with source.read() as connection:
            self._library = _library(connection, source)
            self._notes = _settled(connection, "the source")
            said = judgements(connection)
        with target.read() as connection:
            mark = Mark.of(_settled(connection, "the target"))
            if not replace:
                self._check_own(connection, mark, said)
            self._stamp = stamp_of(connection)
            empty = connection.scalar(sa.select(tables.documents.c.id).limit(1)) is None
        self._compared = mark.made if mark and mark.library == self._library and not replace else ""
        if empty:
            self._compared = self._made

    @property
    def _made(self) -> str:
        """How the source's passages were made: another edition, model or chunking makes all of them anew."""
        return json.dumps([self._notes.get(key) for key in ("edition", "model", "chunking")])

    def _check_own(self, connection: sa.Connection, mark: Mark | None, said: dict[str, dict[str, Any]]) -> None:
        """Raises Conflict when something in the target may be nowhere else."""
        hint = "Choose an empty place, or let all that it holds give way to the source's documents: --replace"
        if mark is None or mark.library != self._library:
            if connection.scalar(sa.select(tables.documents.c.id).limit(1)) is not None:
                raise Conflict("the target holds documents that did not come from this source", hint)
        elif mark.stamp != stamp_of(connection):
            raise Conflict("documents were added, changed or removed in the target since it was copied to", hint)
        elif any(row["judged_at"] > mark.at and row != said.get(one) for one, row in judgements(connection).items()):
            raise Conflict("feedback was given in the target since it was copied to", hint)

    def run(self, told: Told = unheard) -> Stamp:
        """Copy until nothing is left to copy; the state of the source that the target is equal to then.

        Raises Conflict when the source never rests, or another process writes to the target.
        """
        while self.done.passes < MOST_PASSES:
            self.done.passes += 1
            stamp = self.source.stamp()
            self._refresh_notes()
            waiting, gone = self.waiting()
            self._remove(gone)
            self._copy(waiting, told)
            self._copy_files()
            self._copy_feedback()
            self._compared = self._made
            with self._writing([]):
                pass  # it notes that all were compared
            if self.source.stamp() == stamp:
                return stamp
        raise Conflict(
            "documents are added to the source faster than they are copied",
            "Run it again when fewer are added; what is copied stays.",
        )

    def waiting(self) -> tuple[list[str], list[str]]:
        """Documents that differ, or are missing in the target, and those that are only there; by id."""
        digests = _outlines if self._compared == self._made else _digests
        here, there = digests(self.source), digests(self.target)
        differing = sorted(one for one, digest in here.items() if there.get(one) != digest)
        return [one for one in differing if one not in self.done.left_out], sorted(there.keys() - here.keys())

    def moved(self, stamp: Stamp) -> bool:
        """Whether the source is not what it was when it was copied at that state, or the target not what was made."""
        beside = any(self._files_waiting()) or bool(self._feedback_waiting()[0])
        return self.source.stamp() != stamp or any(self.waiting()) or beside

    def _refresh_notes(self) -> None:
        with self.source.read() as connection:
            self._notes = _settled(connection, "the source")
        with self._writing([]) as connection:
            connection.execute(sa.delete(tables.meta).where(tables.meta.c.key.in_(NOTES)))
            stamp_fingerprint(connection, {key: self._notes[key] for key in NOTES if key in self._notes})

    def _remove(self, document_ids: Sequence[str]) -> None:
        for some in in_groups(document_ids):
            with self._writing(some) as connection:
                files = _delete(connection, some)
                forget_originals(connection, files)
            self.done.removed.update(some)

    def _copy(self, document_ids: Sequence[str], told: Told) -> None:
        count = 0
        for group in self._groups(document_ids):
            with self.source.read() as reading:
                found = wholes(reading, group)
                with self._writing(group) as writing:
                    self._put(reading, writing, found)
            count += len(group)
            told(found[group[-1]].name if group[-1] in found else "", count, len(document_ids))

    def _groups(self, document_ids: Sequence[str]) -> Iterator[list[str]]:
        group, characters = list[str](), 0
        with self.source.read() as connection:
            sized = list(sizes(connection, document_ids))
        for document_id, size in sized:
            if group and (len(group) == GROUP_DOCUMENTS or characters + size > GROUP_CHARACTERS):
                yield group
                group, characters = [], 0
            group.append(document_id)
            characters += size
        if group:
            yield group

    def _put(self, reading: sa.Connection, writing: sa.Connection, found: dict[str, Whole]) -> None:
        fit = dict[str, Whole]()
        for document_id, whole in found.items():
            if _refuses_nul(writing) and whole.holds_nul():
                self.done.left_out[document_id] = whole.name
            else:
                fit[document_id] = whole
        replaced = _delete(writing, list(found))
        _insert(writing, tables.documents, [whole.document for whole in fit.values()])
        for table in (tables.tags, tables.sources, tables.layouts):
            _insert(writing, table, [row for whole in fit.values() for row in whole.beside[table.name]])
        _insert(writing, in_use(writing), [row for whole in fit.values() for row in whole.passages])
        judged = [row for whole in fit.values() for row in whole.beside[tables.feedback.name]]
        _insert(writing, tables.feedback, self._fit(writing, judged))
        self._put_files(reading, writing, {str(whole.document["original"]) for whole in fit.values()} - {""})
        forget_originals(writing, replaced)
        self.done.copied.update(fit)

    def _put_files(self, reading: sa.Connection, writing: sa.Connection, sha256s: Collection[str]) -> None:
        """Those that are not there. Raises StorageError for one that the source has not as it came in."""
        files = tables.originals.c
        there = set(writing.scalars(sa.select(files.sha256).where(files.sha256.in_(sha256s))))
        query = sa.select(files.sha256, files.name).where(files.sha256.in_(set(sha256s) - there))
        for sha256, name in reading.execute(query).all():
            data = content(self.source, reading, sha256)
            if data is None:
                raise StorageError(f"the stored file {name} is not as it came in", "Index it again in the source.")
            keep(self.target, writing, sha256, name, data)

    def _copy_files(self) -> None:
        """What is kept in one place alone, or is no more; bytes are compared where everything is compared closely."""
        waiting, gone = self._files_waiting()
        for sha256 in waiting:
            with self.source.read() as reading, self._writing([]) as writing:
                writing.execute(sa.delete(tables.originals).where(tables.originals.c.sha256 == sha256))
                self._put_files(reading, writing, [sha256])
        for some in in_groups(gone):
            with self._writing([]) as writing:
                forget_originals(writing, some)
        while gone and self.target.sources.sweep():
            pass

    def _files_waiting(self) -> tuple[list[str], list[str]]:
        """The SHA-256 of files that differ, or are missing in the target, and of those that are only there."""
        closely = self._compared != self._made
        with self.source.read() as connection:
            here = kept(connection, self.done.left_out)
        with self.target.read() as connection:
            there = in_place(self.target, connection)
            damaged = {one for one in there if closely and content(self.target, connection, one) is None}
        differing = [one for one, name in here.items() if there.get(one) != name or one in damaged]
        return sorted(differing), sorted(there.keys() - here.keys())

    def _copy_feedback(self) -> None:
        """What was said since, or of no document, and what was taken back: none of it raises a generation."""
        rows = tables.feedback
        waiting, here = self._feedback_waiting()
        for some in in_groups(waiting):
            with self._writing([]) as connection:
                connection.execute(sa.delete(rows).where(rows.c.id.in_(some)))
                _insert(connection, rows, self._fit(connection, [here[one] for one in some if one in here]))

    def _feedback_waiting(self) -> tuple[list[str], dict[str, dict[str, Any]]]:
        """The ids of judgements that differ, are missing in the target, or only there; and all of the source."""
        with self.target.read() as connection:
            there = judgements(connection)
            documents = set(connection.scalars(sa.select(tables.documents.c.id))) | {None}
        with self.source.read() as connection:
            here = judgements(connection)
        differing = [one for one, row in here.items() if there.get(one) != row and row["document_id"] in documents]
        gone = there.keys() - here.keys()
        return [one for one in (*differing, *gone) if one not in self.done.judgements_left_out], here

    def _fit(self, connection: sa.Connection, judgements: list[dict[str, Any]]) -> list[dict[str, Any]]:
        refused = {row["id"] for row in judgements if has_nul(row)} if _refuses_nul(connection) else set()
        self.done.judgements_left_out |= refused
        return [row for row in judgements if row["id"] not in refused]

    @contextmanager
    def _writing(self, changed: Sequence[str]) -> Iterator[sa.Connection]:
        """A transaction of the target, in which some documents change. Raises Conflict when another process wrote."""
        with self.target.write() as connection:
            if stamp_of(connection) != self._stamp:
                raise Conflict(
                    "another process writes to the target while it is copied to",
                    "Stop what adds documents there, then run it again with --replace: what was added there goes.",
                )
            yield connection
            if changed:
                log_changes(connection, changed)
            stamp = stamp_of(connection)
            mark = Mark(self._library, self._compared, stamp, time.time())
            stamp_fingerprint(connection, {COPIED: json.dumps(asdict(mark))})
        self._stamp = stamp


def _library(connection: sa.Connection, catalogue: Catalogue) -> str:
    """What tells a library from every other: the word drawn with its first state, which its copies on disk share."""
    first: str | None = connection.scalar(
        sa.select(tables.history.c.token).order_by(tables.history.c.generation).limit(1)
    )
    if first is None:
        raise IndexMissing(f"nothing is indexed in {catalogue.database.name}", "Run: qa index FILE_OR_FOLDER…")
    return first


def _settled(connection: sa.Connection, where: str) -> dict[str, str]:
    """What is noted in `meta`. Raises Conflict while something is under way that must not be copied half done."""
    notes = meta_of(connection)
    if REFITTING in notes:
        raise Conflict(f"{where} is being made anew for other settings", "Finish that first: run qa reindex there.")
    if pending(connection):
        raise Conflict(
            f"traces of forgotten documents are still being removed in {where}",
            "Let its service finish that, or run qa forget there again.",
        )
    return notes


def judgements(connection: sa.Connection) -> dict[str, dict[str, Any]]:
    """The rows of all feedback, by id."""
    return {row["id"]: dict(row) for row in connection.execute(sa.select(tables.feedback)).mappings()}


def _outlines(catalogue: Catalogue) -> dict[str, bytes]:
    with catalogue.read() as connection:
        return outlines(connection)


def _digests(catalogue: Catalogue) -> dict[str, bytes]:
    found = dict[str, bytes]()
    for some in in_groups(catalogue.document_ids()):
        with catalogue.read() as connection:
            found.update((one, whole.digest()) for one, whole in wholes(connection, some).items())
    return found


def _refuses_nul(connection: sa.Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _delete(connection: sa.Connection, document_ids: Sequence[str]) -> list[str]:
    """Remove documents and what goes with them; the SHA-256 of their files, which stay until nobody needs them."""
    files = originals_of(connection, document_ids)
    connection.execute(sa.delete(tables.documents).where(tables.documents.c.id.in_(document_ids)))
    return files


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Any]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)
