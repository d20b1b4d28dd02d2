"""The files that documents were read from, wherever a library keeps them: with the documents, or in a store."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import sqlalchemy as sa

from index import tables
from index.catalogue import Catalogue
from index.errors import StorageError
from index.sources import _key as content_key
from index.store import durably


def kept(connection: sa.Connection, but: Collection[str] = ()) -> dict[str, str]:
    """The names of the files of all documents but some, by SHA-256."""
    own, files = tables.documents.c, tables.originals.c
    query = sa.select(files.sha256, files.name, own.id).join(tables.documents, own.original == files.sha256)
    return {sha256: name for sha256, name, document_id in connection.execute(query) if document_id not in but}


def in_place(catalogue: Catalogue, connection: sa.Connection) -> dict[str, str]:
    """The same of those whose bytes are where the settings keep them, as far as that is seen without reading them."""
    files = tables.originals.c
    outside = sa.func.length(files.bytes) == 0
    query = sa.select(files.sha256, files.name).where(outside if catalogue.sources.store else ~outside)
    return {row.sha256: row.name for row in connection.execute(query)}


def content(catalogue: Catalogue, connection: sa.Connection, sha256: str) -> bytes | None:
    """Its bytes; None where no such file is kept, or not the one that came in."""
    files = tables.originals.c
    row = connection.execute(sa.select(files.name, files.bytes).where(files.sha256 == sha256)).first()
    try:
        data = (row.bytes or catalogue.sources.content(sha256, row.name)) if row else b""
    except StorageError:
        return None
    return data if hashlib.sha256(data).hexdigest() == sha256 else None


def keep(catalogue: Catalogue, connection: sa.Connection, sha256: str, name: str, data: bytes) -> None:
    """Keep them where the settings say, in the place of what was kept there."""
    store = catalogue.sources.store
    if store:
        store.write(content_key(sha256), durably(data))
    connection.execute(sa.delete(tables.originals).where(tables.originals.c.sha256 == sha256))
    row = {"sha256": sha256, "name": name, "bytes": b"" if store else data}
    connection.execute(sa.insert(tables.originals), row)
