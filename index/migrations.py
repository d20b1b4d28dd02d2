"""Older catalogues brought up to date. Append only: a step, once released, is never changed.

Step n turns format n into format n + 1. They are SQL as it stood at the time, so that later changes of the tables in
`index.schema` do not reach back; a test compares a migrated catalogue of the first format with a new one.
"""

from __future__ import annotations

STEPS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE history (generation INTEGER NOT NULL, token TEXT NOT NULL, edition INTEGER NOT NULL, "
        "PRIMARY KEY (generation))",
        "CREATE TABLE refitted (document_id TEXT NOT NULL, generation INTEGER NOT NULL, PRIMARY KEY (document_id), "
        "FOREIGN KEY(document_id) REFERENCES documents (id) ON DELETE CASCADE)",
        "CREATE TABLE passages_2 (id TEXT NOT NULL, document_id TEXT NOT NULL, ordinal INTEGER NOT NULL, "
        'heading TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, text TEXT NOT NULL, '
        "sentences JSON NOT NULL, line_start INTEGER NOT NULL, line_end INTEGER NOT NULL, page_start INTEGER, "
        "page_end INTEGER, vector BLOB, sentence_vectors BLOB, sentence_terms BLOB, PRIMARY KEY (id), "
        "FOREIGN KEY(document_id) REFERENCES documents (id) ON DELETE CASCADE)",
        "ALTER TABLE passages ADD COLUMN sentence_terms BLOB",
        "CREATE INDEX passages_2_by_document ON passages_2 (document_id, ordinal)",
        "CREATE INDEX passages_2_without_vector ON passages_2 (document_id) WHERE vector IS NULL",
        "INSERT INTO meta (key, value) VALUES ('edition', '1')",
        "INSERT INTO history SELECT CAST(value AS INTEGER), lower(hex(randomblob(8))), 1 FROM meta "
        "WHERE key = 'generation' AND value <> '0'",
        "DELETE FROM meta WHERE key = 'generation'",
    ),
)
