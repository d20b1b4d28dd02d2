"""The proof that one library is a copy of another: everything they hold, byte for byte, and what they answer."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import sqlalchemy as sa

from index.catalogue import Catalogue
from index.history import in_use, meta_of
from index.kept import content, in_place, kept
from index.migrate import NOTES, Copied, Told, judgements, unheard
from index.rows import passage_rows, to_passage
from index.search import Found, Searcher
from index.terms import terms
from index.types import Vector
from index.whole import Whole, in_groups, wholes

TOLD = 10
"""Differences that are told, of more."""
RANKED, DEEPER = 10, 40
"""First passages that are compared for each question, and passages that both sides are asked for: one of several equal
ones may stand further down on the other side."""
RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""How far equal scores may be apart: an engine may round, and keep the average length of passages it began with."""
_LONGEST = 400
"""Characters of a sentence that are asked."""


@dataclass(slots=True)
class Contents:
    """How much was compared, the SHA-256 over all of it in hex, and the first differences, a line each."""

    documents: int = 0
    passages: int = 0
    embedded: int = 0
    files: int = 0
    judgements: int = 0
    digest: str = ""
    differences: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Answers:
    """How many questions were asked of both, of how many the ranked lists were alike, and the first that were not."""

    asked: int = 0
    alike: int = 0
    differences: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Question:
    """A sentence of the library, to be asked; `vector` is the one it was stored with, None where there is none."""

    text: str
    vector: Vector | None


class Comparison:
    """Of a source and its copy, but for what the target could not store (`done`)."""

    def __init__(self, source: Catalogue, target: Catalogue, done: Copied) -> None:
        self._source = source
        self._target = target
        self._done = done
        self._found = Contents()
        self._total = hashlib.sha256()

    def contents(self, told: Told = unheard) -> Contents:
        """Every value of every row of every document on both sides, their files, and the notes of the library."""
        self._compare_notes()
        ids = [one for one in self._source.document_ids() if one not in self._done.left_out]
        compared = 0
        for some in in_groups(ids):
            here, there = self._read(self._source, some), self._read(self._target, some)
            for document_id in some:
                self._compare(document_id, here.get(document_id), there.get(document_id))
            compared += len(some)
            told("", compared, len(ids))
        for extra in sorted(set(self._target.document_ids()).difference(ids)):
            self._tell(f"document {extra} is in the target alone")
        self._compare_judgements()
        self._compare_files()
        self._found.digest = self._total.hexdigest()
        return self._found

    def _tell(self, difference: str) -> None:
        if len(self._found.differences) < TOLD:
            self._found.differences.append(difference)

    @staticmethod
    def _read(catalogue: Catalogue, some: Sequence[str]) -> dict[str, Whole]:
        with catalogue.read() as connection:
            return wholes(connection, some)

    def _compare_notes(self) -> None:
        notes = []
        for side in (self._source, self._target):
            with side.read() as connection:
                notes.append(meta_of(connection))
        for key in NOTES:
            if notes[0].get(key) != notes[1].get(key):
                self._tell(f"the {key} noted in the source is not that of the target")

    def _compare(self, document_id: str, here: Whole | None, there: Whole | None) -> None:
        if here is None or there is None:
            self._tell(f"document {document_id} is not in the {'target' if here else 'source any more'}")
            return
        here = here.without_judgements(self._done.judgements_left_out)
        digest = here.digest()
        self._total.update(digest)
        self._found.documents += 1
        self._found.passages += len(here.passages)
        self._found.embedded += sum(row["vector"] is not None for row in here.passages)
        if there.digest() != digest:
            what = ", ".join(here.differing(there))
            self._tell(f"document {document_id} ({here.name}) differs in its {what}")

    def _compare_judgements(self) -> None:
        """All of them: those of documents were compared with these, but those of none were not."""
        done, sides = self._done, []
        for side in (self._source, self._target):
            with side.read() as connection:
                found = judgements(connection)
            left_out = {one for one, row in found.items() if row["document_id"] in done.left_out}
            sides.append({one: found[one] for one in found.keys() - left_out - done.judgements_left_out})
        self._found.judgements = len(sides[0])
        for one in sorted(sides[0].keys() | sides[1].keys()):
            if sides[0].get(one) != sides[1].get(one):
                self._tell(f"feedback {one} is not the same on both sides")

    def _compare_files(self) -> None:
        with self._source.read() as connection:
            here = kept(connection, self._done.left_out)
        with self._target.read() as connection:
            there = in_place(self._target, connection)
        self._found.files = len(here)
        for sha256 in sorted(here.keys() | there.keys()):
            with self._target.read() as connection:
                whole = content(self._target, connection, sha256) is not None
            if here.get(sha256) != there.get(sha256) or not whole:
                self._tell(f"the stored file {sha256} is not the same on both sides, or not the one that came in")


def questions(catalogue: Catalogue, most: int) -> Iterator[Question]:
    """Sentences of that many passages with the smallest hashes of their ids: the same for the same library wherever it
    stands, and spread over it evenly. No model is asked for their vectors."""
    with catalogue.read() as connection:
        ids = connection.scalars(sa.select(in_use(connection).c.id).execution_options(yield_per=10_000))
        chosen = heapq.nsmallest(most, ids, key=_hash)
    for passage_id in chosen:
        with catalogue.read() as connection:
            passages = in_use(connection)
            row = connection.execute(passage_rows(passages).where(passages.c.id == passage_id)).mappings().first()
        stored = to_passage(row) if row else None
        if stored and stored.passage.sentences:
            texts = stored.passage.sentence_texts()
            place = max(range(len(texts)), key=lambda number: (len(set(terms(texts[number]))), -number))
            vector = stored.vectors.sentences[place] if stored.vectors else None
            yield Question(texts[place][:_LONGEST], None if vector is None else vector / np.linalg.norm(vector))


def compare_answers(source: Searcher, target: Searcher, most: int, told: Told = unheard) -> Answers:
    """Both sides asked the same; their lists must be alike up to the order of what scores the same."""
    found = Answers()
    source.refresh()
    target.refresh()
    for question in questions(source.catalogue, most):
        results = [side.search(question.text, question.vector, DEEPER) for side in (source, target)]
        degraded = next((one.degraded for one in results if one.degraded), None)
        difference = degraded or ranked_otherwise(*(one.found for one in results))
        found.asked += 1
        found.alike += difference is None
        if difference and len(found.differences) < TOLD:
            found.differences.append(f"{question.text[:80]!r}: {difference}")
        told("", found.asked, most)
    return found


def ranked_otherwise(here: Sequence[Found], there: Sequence[Found]) -> str | None:
    """How two ranked lists differ, or None: each of the first passages of one must stand in the other with the same
    score, or score no more than the last that the other goes down to."""
    for one, other, side in ((here, there, "target"), (there, here, "source")):
        scores = {found.stored.passage.id: found.score for found in other}
        for found in islice(one, RANKED):
            passage_id, score = found.stored.passage.id, found.score
            if passage_id in scores:
                if not _same(score, scores[passage_id]):
                    return f"{passage_id} scores {score:.4f}, and {scores[passage_id]:.4f} in the {side}"
            elif len(other) < DEEPER or (score > other[-1].score and not _same(score, other[-1].score)):
                return f"{passage_id}, which scores {score:.4f}, is not found in the {side}"
    return None


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _hash(passage_id: str) -> bytes:
    return hashlib.sha256(passage_id.encode()).digest()
