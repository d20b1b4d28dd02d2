"""Older catalogues brought up to date. Append only: a step, once released, is never changed.

Step n turns format n into format n + 1. They are SQL as it stood at the time, so that later changes of the tables in
`index.tables` do not reach back; a test compares a migrated catalogue of the first format with a new one.
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
    (
        "ALTER TABLE documents ADD COLUMN wrapped BOOLEAN DEFAULT 1 NOT NULL",
        "ALTER TABLE documents ADD COLUMN original TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE documents ADD COLUMN collection TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE documents ADD COLUMN dated TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE documents ADD COLUMN reading JSON DEFAULT '{}' NOT NULL",
        "CREATE INDEX ix_documents_original ON documents (original)",
        "CREATE INDEX ix_documents_collection ON documents (collection)",
        "CREATE TABLE tags (document_id TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (document_id, tag), "
        "FOREIGN KEY(document_id) REFERENCES documents (id) ON DELETE CASCADE)",
        "CREATE INDEX ix_tags_tag ON tags (tag)",
        "CREATE TABLE sources (document_id TEXT NOT NULL, source TEXT NOT NULL, root TEXT NOT NULL, "
        "reader INTEGER NOT NULL, PRIMARY KEY (document_id, source), "
        "FOREIGN KEY(document_id) REFERENCES documents (id) ON DELETE CASCADE)",
        "CREATE INDEX ix_sources_source ON sources (source)",
        "CREATE INDEX ix_sources_root ON sources (root)",
        "INSERT INTO sources SELECT id, source, '', 0 FROM documents WHERE source <> ''",
        "CREATE TABLE layouts (document_id TEXT NOT NULL, page INTEGER NOT NULL, width FLOAT NOT NULL, "
        "height FLOAT NOT NULL, boxes BLOB NOT NULL, PRIMARY KEY (document_id, page), "
        "FOREIGN KEY(document_id) REFERENCES documents (id) ON DELETE CASCADE)",
        "CREATE TABLE originals (sha256 TEXT NOT NULL, name TEXT NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (sha256))",
        "CREATE TABLE jobs (id TEXT NOT NULL, created_at FLOAT NOT NULL, finished_at FLOAT, PRIMARY KEY (id))",
        "CREATE TABLE job_files (job_id TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, "
        "state TEXT NOT NULL, request JSON NOT NULL, outcome JSON, PRIMARY KEY (job_id, number), "
        "FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE)",
    ),
    (
        "CREATE TABLE feedback (id TEXT NOT NULL, question TEXT NOT NULL, history JSON NOT NULL, "
        "helpful BOOLEAN NOT NULL, judged_at FLOAT NOT NULL, document_id TEXT, start INTEGER, "
        '"end" INTEGER, quote TEXT, sha256 TEXT, PRIMARY KEY (id), '
        "FOREIGN KEY(document_id) REFERENCES documents (id) ON DELETE CASCADE)",
        "CREATE INDEX ix_feedback_document_id ON feedback (document_id)",
    ),
    (
        "ALTER TABLE job_files ADD COLUMN subject TEXT DEFAULT '' NOT NULL",
        "INSERT INTO meta (key, value) VALUES ('library', lower(hex(randomblob(8))))",
        "CREATE INDEX ix_job_files_subject ON job_files (subject)",
        "CREATE TABLE engines (name TEXT NOT NULL, collection INTEGER NOT NULL, batch INTEGER NOT NULL, "
        "generation INTEGER NOT NULL, token TEXT NOT NULL, passages BIGINT NOT NULL, worded BIGINT NOT NULL, "
        "embedded BIGINT NOT NULL, length BIGINT NOT NULL, average FLOAT, dim INTEGER, histogram BLOB NOT NULL, "
        "written BIGINT NOT NULL, last_batch INTEGER NOT NULL, last_collection INTEGER NOT NULL, pending INTEGER, "
        "pending_collection INTEGER, owner TEXT, PRIMARY KEY (name))",
        "CREATE TABLE engine_batches (name TEXT NOT NULL, batch INTEGER NOT NULL, at FLOAT NOT NULL, "
        "void BOOLEAN NOT NULL, dropped INTEGER, PRIMARY KEY (name, batch))",
        "CREATE TABLE engine_documents (name TEXT NOT NULL, collection INTEGER NOT NULL, document BIGINT NOT NULL, "
        "batch INTEGER NOT NULL, until INTEGER, passages INTEGER NOT NULL, worded INTEGER NOT NULL, "
        "embedded INTEGER NOT NULL, length BIGINT NOT NULL, terms BLOB NOT NULL, "
        "PRIMARY KEY (name, collection, document, batch))",
        "CREATE INDEX engine_documents_until ON engine_documents (name, until)",
        "CREATE INDEX engine_documents_batch ON engine_documents (name, batch)",
        "CREATE TABLE engine_frequencies (code BIGINT NOT NULL, name TEXT NOT NULL, collection INTEGER NOT NULL, "
        "batch INTEGER NOT NULL, until INTEGER, passages INTEGER NOT NULL, "
        "PRIMARY KEY (code, name, collection, batch))",
        "CREATE INDEX engine_frequencies_until ON engine_frequencies (name, until)",
    ),
)
