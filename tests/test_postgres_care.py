"""The catalogue on a real PostgreSQL: what it refuses, without telling secrets, and how it is looked after."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from index.care import backup, restore, verify
from index.catalogue import Catalogue
from index.database import Database
from index.errors import DocumentError, IndexLocked, QAError, StorageError, UsageError
from index.load import from_text
from qa.access import Access
from qa.wire import Library
from tests.postgres import PASSWORD, USER, Server
from tests.served import PRINT, put, served_catalogue, served_database  # noqa: F401 - fixtures

pytestmark = pytest.mark.cluster

Make = Callable[..., Library]


# What is refused


def test_what_postgresql_cannot_store_is_one_documents_error(catalogue: Catalogue) -> None:
    put(catalogue, "one", "Alpha.")
    document = from_text("Beta.", title="two", id="two")
    far = "".join(chr(0x4E00 + number) for number in range(9_000))
    for refused, told in (({"text": "Be\0ta."}, r"U\+0000"), ({"source": far}, "too long")):
        with pytest.raises(DocumentError, match=told) as raised:
            catalogue.put(replace(document, **refused), [], None)  # type: ignore[arg-type]
        assert raised.value.hint
    assert put(catalogue, "two", "Beta.") == 2
    assert catalogue.document_ids() == ["one", "two"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"password": "another-word"}, "password authentication failed"),
        ({"database": "missing"}, "does not exist"),
        ({"port": 1}, "cannot be reached"),
        ({"host": "host.invalid"}, "cannot be reached"),
    ],
)
def test_a_server_that_does_not_let_one_in_is_told_without_secrets(
    tmp_path: Path, database_url: str, change: dict[str, object], told: str
) -> None:
    url = sa.make_url(database_url).set(**change)  # type: ignore[arg-type]
    begun = time.monotonic()
    with pytest.raises(StorageError, match=told) as raised:
        Catalogue(tmp_path, PRINT, url=url.render_as_string(hide_password=False))
    assert time.monotonic() - begun < 20
    error = raised.value
    said = error.message + error.hint + "".join(traceback.format_exception(error))
    assert not [word for word in (PASSWORD, "another-word") if word in said]
    assert f"{USER}:" not in error.message
    assert "QA_CATALOGUE" in error.hint


@pytest.mark.parametrize(
    "url",
    ["mysql://qa:s3cret@host/db", "host s3cret", "postgresql://qa:s3@cret@host:x/db", "postgresql+psycopg2://a/b"],
)
def test_a_url_of_another_kind_is_a_clear_error(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="QA_CATALOGUE is") as raised:
        Catalogue(tmp_path, PRINT, url=url)
    said = "".join(traceback.format_exception(raised.value))
    assert not [word for word in ("s3cret", "cret@") if word in raised.value.message + raised.value.hint + said]


def test_without_its_driver_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "index.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(QAError, match="psycopg") as raised:
        Catalogue(tmp_path, PRINT, url="postgresql+psycopg://host/database")
    assert raised.value.hint == "pip install 'chapter-verse[cluster]'"


def test_a_database_of_another_encoding_is_refused(postgres: Server, tmp_path: Path) -> None:
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(StorageError, match="encoding LATIN1"):
            Catalogue(tmp_path, PRINT, url=postgres.url("latin"))
    finally:
        postgres.execute("DROP DATABASE latin WITH (FORCE)")


def test_backups_are_the_servers_and_that_is_told(catalogue: Catalogue, tmp_path: Path) -> None:
    for refused in (backup, restore):
        with pytest.raises(UsageError) as raised:
            refused(catalogue, tmp_path / "copy")
        assert "pg_dump" in raised.value.hint
        assert "qa migrate" in raised.value.hint


def test_a_server_that_only_reads_is_told(postgres: Server, catalogue: Catalogue, tmp_path: Path) -> None:
    put(catalogue, "one", "Alpha.")
    catalogue.close()
    url = sa.make_url(postgres.url(catalogue.database.name.rpartition("/")[2]))
    url = url.update_query_dict({"options": "-c default_transaction_read_only=on"})
    with closing(Catalogue(tmp_path, PRINT, url=url.render_as_string(hide_password=False))) as reading:
        assert reading.document_ids() == ["one"]
        with pytest.raises(StorageError, match="cannot be written") as raised:
            reading.remove("one")
    assert "primary" in raised.value.hint


# Looked after


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE documents SET text = replace(text, 'the', 'teh')", "SHA-256"),
        ("UPDATE passages SET text = text || '.' WHERE ordinal = 0", "not a slice"),
        ("UPDATE passages SET vector = sentence_vectors WHERE ordinal = 0", "damaged vector"),
    ],
)
def test_verify_names_what_was_changed(catalogue: Catalogue, tmp_path: Path, statement: str, told: str) -> None:
    put(catalogue, "one", "Pelicans eat the fish. They keep the harbour.")
    assert list(verify(catalogue, tmp_path / "engine")) == []
    with catalogue.write() as connection:
        connection.exec_driver_sql(statement)
    assert any(told in problem for problem in verify(catalogue, tmp_path / "engine"))


def test_two_schemas_of_a_database_know_nothing_of_each_other(
    postgres: Server, tmp_path: Path, database_url: str
) -> None:
    names = "left_side", "right_side"
    for name in names:
        postgres.execute(f"CREATE SCHEMA {name}", database_url.rpartition("/")[2])
        url = f"{database_url}?options=-csearch_path%3D{name}"
        with closing(Catalogue(tmp_path / name, PRINT, url=url)) as catalogue, closing(Access(tmp_path, url)) as access:
            assert not access.required()
            access.create(name, "ask")
            assert put(catalogue, name, "Alpha.") == 1
            assert catalogue.shelf.listed(words=name[:4])[0] == 1
            assert [token.name for token in access.tokens()] == [name]


def test_steps_of_migrations_run_on_it(database: Database) -> None:
    steps = (
        "CREATE TABLE kept (id TEXT NOT NULL, bytes BLOB NOT NULL, at FLOAT, told JSON, PRIMARY KEY (id))",
        "ALTER TABLE kept ADD COLUMN subject TEXT DEFAULT '' NOT NULL",
        "INSERT INTO kept (id, bytes) VALUES ('100%', 'x')",
    )
    with database.write() as connection:
        for step in steps:
            connection.exec_driver_sql(database.adapted(step))
        columns = sa.inspect(connection).get_columns("kept")
        assert {one["name"]: str(one["type"]) for one in columns} == {
            "id": 'TEXT COLLATE "C"',
            "bytes": "BYTEA",
            "at": "DOUBLE PRECISION",
            "told": "JSON",
            "subject": 'TEXT COLLATE "C"',
        }
        assert connection.scalar(sa.text("SELECT id FROM kept")) == "100%"


def test_what_is_forgotten_is_in_no_file_of_the_tables(make_library: Make, postgres: Server, database_url: str) -> None:
    library = make_library(catalogue=database_url)
    library.builder.put(from_text("Pelicans eat fish.", title="Birds", id="birds"))
    library.builder.put(from_text("Quaxolotl keeps the harbour.", title="Vexmoril", id="secret"))
    library.builder.put(from_text("Quaxolotl has left the harbour.", title="Vexmoril", id="secret"))
    name = database_url.rpartition("/")[2]
    assert traces(postgres, name, b"Quaxolotl", b"Vexmoril", b"quaxolotl")
    assert library.forgetting.forget("secret") == ["secret"]
    assert traces(postgres, name, b"Quaxolotl", b"Vexmoril", b"quaxolotl") == []
    assert library.forgetting.go_on()
    assert library.catalogue.document_ids() == ["birds"]


def traces(postgres: Server, name: str, *words: bytes) -> list[str]:
    """The files of a database that hold one of some words."""
    postgres.execute("CHECKPOINT")
    ((number,),) = postgres.execute(f"SELECT oid FROM pg_database WHERE datname = '{name}'")
    files = (postgres.folder / "data" / "base" / str(number)).iterdir()
    return [one.name for one in files if one.is_file() and any(word in one.read_bytes() for word in words)]


def test_whoever_reads_an_old_state_is_waited_for_before_it_is_gone(
    catalogue: Catalogue, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.postgres._READERS_SECONDS", 0.3)
    put(catalogue, "one", "Alpha.")
    with closing(Catalogue(tmp_path / "other", PRINT, url=database_url)) as other:
        with other.view() as view:
            assert not view.empty()
            catalogue.remove("one")
            with pytest.raises(IndexLocked, match="old state"):
                catalogue.rewrite()
        catalogue.rewrite()
