"""All documents over HTTP: listed, narrowed, and what they can be narrowed by."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query

from index.shelf import LabelCounts
from qa.answer import document_url
from qa.replies import ERRORS, DocumentList, document_info
from qa.schemas import ListQuery
from qa.wire import Library


def install(app: FastAPI, library: Library) -> None:
    @app.get("/documents", responses=ERRORS, tags=["documents"])
    def list_documents(query: Annotated[ListQuery, Query()]) -> DocumentList:
        """The stored documents, by title or the newest first, and how each was read. They are narrowed as those that
        are asked, and by `q`, each word of which must occur in the title, a source, the collection or a tag. `total`
        counts all that are left."""
        total, summaries = library.catalogue.shelf.listed(
            query.filter(), query.q, query.order == "added", query.limit, query.offset
        )
        return DocumentList(total, [document_info(one, document_url(one.id)) for one in summaries])

    @app.get("/labels", tags=["documents"])
    def list_labels() -> LabelCounts:
        """Every collection, tag and type, and how many documents have it: what `collections`, `tags` and `types` of
        other requests can be."""
        return library.catalogue.shelf.labels()
