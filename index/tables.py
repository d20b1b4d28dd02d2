"""The tables of the catalogue."""

from __future__ import annotations

import sqlalchemy as sa

from index.database import TEXT

FORMAT = 5
"""What this version writes; older ones are brought up to it by `index.migrations`."""

schema = sa.MetaData()
meta = sa.Table("meta", schema, sa.Column("key", TEXT, primary_key=True), sa.Column("value", TEXT, nullable=False))
documents = sa.Table(
    "documents",
    schema,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("title", TEXT, nullable=False),
    sa.Column("source", TEXT, nullable=False),
    sa.Column("text", TEXT, nullable=False),
    sa.Column("sha256", TEXT, nullable=False),
    sa.Column("media_type", TEXT, nullable=False),
    sa.Column("pages", sa.JSON, nullable=False),
    sa.Column("headings", sa.JSON, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("characters", sa.Integer, nullable=False),
    sa.Column("added_at", sa.Float, nullable=False),
    sa.Column("wrapped", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("original", TEXT, nullable=False, server_default="", index=True),
    sa.Column("collection", TEXT, nullable=False, server_default="", index=True),
    sa.Column("dated", TEXT, nullable=False, server_default=""),
    sa.Column("reading", sa.JSON, nullable=False, server_default="{}"),
)


def _of_document(*, key: bool) -> sa.Column[str]:
    """The document that a row belongs to, and goes with."""
    parent = sa.ForeignKey("documents.id", ondelete="CASCADE")
    return sa.Column("document_id", TEXT, parent, primary_key=key, nullable=False)


tags = sa.Table("tags", schema, _of_document(key=True), sa.Column("tag", TEXT, primary_key=True, index=True))
sources = sa.Table(
    "sources",
    schema,
    _of_document(key=True),
    sa.Column("source", TEXT, primary_key=True, index=True),
    sa.Column("root", TEXT, nullable=False, index=True),
    sa.Column("reader", sa.Integer, nullable=False),
)
"""The files that a document came from, all of one content. `root` is the folder that is watched for it, if any;
`reader` is the version of the loaders that read it."""
layouts = sa.Table(
    "layouts",
    schema,
    _of_document(key=True),
    sa.Column("page", sa.Integer, primary_key=True),
    sa.Column("width", sa.Float, nullable=False),
    sa.Column("height", sa.Float, nullable=False),
    sa.Column("boxes", sa.LargeBinary, nullable=False),
)
originals = sa.Table(
    "originals",
    schema,
    sa.Column("sha256", TEXT, primary_key=True),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("bytes", sa.LargeBinary, nullable=False),
)
jobs = sa.Table(
    "jobs",
    schema,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("finished_at", sa.Float),
)
job_files = sa.Table(
    "job_files",
    schema,
    sa.Column("job_id", TEXT, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("outcome", sa.JSON),
    sa.Column("subject", TEXT, nullable=False, server_default="", index=True),
)
"""`subject` is what a file of a job becomes, its source or its document's id: files of one subject are taken in in the
order in which they came."""
feedback = sa.Table(
    "feedback",
    schema,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("question", TEXT, nullable=False),
    sa.Column("history", sa.JSON, nullable=False),
    sa.Column("helpful", sa.Boolean, nullable=False),
    sa.Column("judged_at", sa.Float, nullable=False),
    sa.Column("document_id", TEXT, sa.ForeignKey("documents.id", ondelete="CASCADE"), index=True),
    sa.Column("start", sa.Integer),
    sa.Column("end", sa.Integer),
    sa.Column("quote", TEXT),
    sa.Column("sha256", TEXT),
)
"""What people said of passages, see `index.feedback`. `quote` stood at `start` to `end` of the text of that `sha256`;
without a document it is said of all of them."""


def _passages(name: str) -> sa.Table:
    return sa.Table(
        name,
        schema,
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("document_id", TEXT, sa.ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("heading", TEXT, nullable=False),
        sa.Column("start", sa.Integer, nullable=False),
        sa.Column("end", sa.Integer, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("sentences", sa.JSON, nullable=False),
        sa.Column("line_start", sa.Integer, nullable=False),
        sa.Column("line_end", sa.Integer, nullable=False),
        sa.Column("page_start", sa.Integer),
        sa.Column("page_end", sa.Integer),
        sa.Column("vector", sa.LargeBinary),
        sa.Column("sentence_vectors", sa.LargeBinary),
        sa.Column("sentence_terms", sa.LargeBinary),
        sa.Index(f"{name}_by_document", "document_id", "ordinal"),
        sa.Index(f"{name}_without_vector", "document_id", sqlite_where=sa.text("vector IS NULL")),
    )


EDITIONS = (_passages("passages_2"), _passages("passages"))
"""Passages by edition, even or odd: while an index is made anew, the next edition fills the table not in use."""
changes = sa.Table(
    "changes",
    schema,
    sa.Column("document_id", TEXT, primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False, index=True),
)
history = sa.Table(
    "history",
    schema,
    sa.Column("generation", sa.Integer, primary_key=True),
    sa.Column("token", TEXT, nullable=False),
    sa.Column("edition", sa.Integer, nullable=False),
)
refitted = sa.Table(
    "refitted",
    schema,
    sa.Column("document_id", TEXT, sa.ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
)


engines = sa.Table(
    "engines",
    schema,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("collection", sa.Integer, nullable=False),
    sa.Column("batch", sa.Integer, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("token", TEXT, nullable=False),
    sa.Column("passages", sa.BigInteger, nullable=False),
    sa.Column("worded", sa.BigInteger, nullable=False),
    sa.Column("embedded", sa.BigInteger, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("average", sa.Float),
    sa.Column("dim", sa.Integer),
    sa.Column("histogram", sa.LargeBinary, nullable=False),
    sa.Column("written", sa.BigInteger, nullable=False),
    sa.Column("last_batch", sa.Integer, nullable=False),
    sa.Column("last_collection", sa.Integer, nullable=False),
    sa.Column("pending", sa.Integer),
    sa.Column("pending_collection", sa.Integer),
    sa.Column("owner", TEXT),
)
"""What a search engine of several processes holds, see `index.ledger`; the three tables after it are its parts."""
engine_batches = sa.Table(
    "engine_batches",
    schema,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("batch", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("void", sa.Boolean, nullable=False),
    sa.Column("dropped", sa.Integer),
)
engine_documents = sa.Table(
    "engine_documents",
    schema,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("collection", sa.Integer, primary_key=True),
    sa.Column("document", sa.BigInteger, primary_key=True),
    sa.Column("batch", sa.Integer, primary_key=True),
    sa.Column("until", sa.Integer),
    sa.Column("passages", sa.Integer, nullable=False),
    sa.Column("worded", sa.Integer, nullable=False),
    sa.Column("embedded", sa.Integer, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("terms", sa.LargeBinary, nullable=False),
    sa.Index("engine_documents_until", "name", "until"),
    sa.Index("engine_documents_batch", "name", "batch"),
)
engine_frequencies = sa.Table(
    "engine_frequencies",
    schema,
    sa.Column("code", sa.BigInteger, primary_key=True),  # the first of the key, since it alone tells rows apart
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("collection", sa.Integer, primary_key=True),
    sa.Column("batch", sa.Integer, primary_key=True),
    sa.Column("until", sa.Integer),
    sa.Column("passages", sa.Integer, nullable=False),
    sa.Index("engine_frequencies_until", "name", "until"),
)
