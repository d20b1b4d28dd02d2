"""Every document cut and embedded anew beside the passages in use, which are searched until the new ones take over.

An interrupted refit goes on where it was; documents that change meanwhile are done again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from index import tables
from index.catalogue import Catalogue
from index.history import OLD_EDITION, REFITTING, advance, clear_next, edition, next_edition, stamp_fingerprint
from index.rows import passage_rows_of
from index.types import Document, Passage, PassageVectors


class Refit:
    """Towards an index of another fingerprint (model, chunking). What another goal had begun is dropped."""

    def __init__(self, catalogue: Catalogue, fingerprint: Mapping[str, str]) -> None:
        self._catalogue = catalogue
        self._fingerprint = dict(fingerprint)
        goal = json.dumps(self._fingerprint, sort_keys=True)
        with catalogue.write() as connection:
            begun = connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == REFITTING))
            if begun != goal:
                clear_next(connection)
                stamp_fingerprint(connection, {REFITTING: goal})

    def waiting(self) -> list[str]:
        """Documents that are not done, or have changed since they were."""
        with self._catalogue.read() as connection:
            return _waiting(connection)

    def put(self, document: Document, passages: Sequence[Passage], vectors: Sequence[PassageVectors] | None) -> None:
        """Nothing is done when the document has changed or gone meanwhile: it is waiting again."""
        rows = passage_rows_of(document, passages, vectors)
        with self._catalogue.write() as connection:
            generation = connection.scalar(
                sa.select(tables.changes.c.generation)
                .join(tables.documents, tables.documents.c.id == tables.changes.c.document_id)
                .where(tables.changes.c.document_id == document.id, tables.documents.c.sha256 == document.sha256)
            )
            if generation is None:
                return
            passages_beside = next_edition(connection)
            connection.execute(sa.delete(passages_beside).where(passages_beside.c.document_id == document.id))
            connection.execute(sa.delete(tables.refitted).where(tables.refitted.c.document_id == document.id))
            if rows:
                connection.execute(sa.insert(passages_beside), rows)
            done = {"document_id": document.id, "generation": generation}
            connection.execute(sa.insert(tables.refitted), done)

    def switch(self) -> bool:
        """Put the new passages in the place of the old, all at once; False while documents are waiting.

        The old ones stay until the next refit or `Catalogue.compact`, for processes that still search them.
        """
        with self._catalogue.write() as connection:
            if _waiting(connection):
                return False
            connection.execute(sa.delete(tables.refitted))
            connection.execute(sa.delete(tables.meta).where(tables.meta.c.key == REFITTING))
            old = edition(connection)
            switched = {OLD_EDITION: str(old), "edition": str(old + 1)}
            stamp_fingerprint(connection, self._fingerprint | switched)
            advance(connection)
        return True


def _waiting(connection: sa.Connection) -> list[str]:
    changes, refitted = tables.changes.c, tables.refitted.c
    query = (
        sa.select(tables.documents.c.id)
        .join(tables.changes, changes.document_id == tables.documents.c.id)
        .outerjoin(tables.refitted, refitted.document_id == tables.documents.c.id)
        .where(refitted.generation.is_distinct_from(changes.generation))
        .order_by(tables.documents.c.id)
    )
    return list(connection.scalars(query))
