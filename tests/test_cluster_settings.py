"""What the settings of a cluster refuse, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.errors import StorageError, UsageError
from qa.config import settings
from qa.wire import open_library


@pytest.mark.parametrize("uri", ["", "127.0.0.1:19530", "/some/folder", "http://", "milvus"])
def test_an_address_that_is_none_of_milvus_is_refused_before_anything_is_opened(uri: str) -> None:
    with pytest.raises(UsageError, match="QA_ENGINE_URI") as refused:
        settings(engine="milvus", engine_uri=uri)
    assert "http://host:19530" in refused.value.hint


def test_a_file_of_milvus_lite_is_for_one_process(tmp_path: Path) -> None:
    lite = {"engine": "milvus", "engine_uri": str(tmp_path / "milvus.db")}
    assert settings(**lite).engine_uri
    with pytest.raises(UsageError, match="one process"):
        settings(workers=2, **lite)


def test_a_library_apart_has_none_of_the_servers(tmp_path: Path) -> None:
    given = settings(
        catalogue="postgresql+psycopg://host/database", files="/mnt/files", engine="milvus", engine_uri="http://host:1"
    )
    apart = given.apart(tmp_path)
    assert (apart.data, apart.catalogue, apart.files, apart.engine) == (tmp_path, "", "", "local")
    open_library(apart, make=True).close()


def test_a_store_is_of_one_library(tmp_path: Path) -> None:
    files = str(tmp_path / "files")
    with pytest.raises(StorageError, match="no files of this library"):
        open_library(settings(data=tmp_path / "a", files=files), make=True, makes_store=False)
    open_library(settings(data=tmp_path / "a", files=files), make=True).close()
    open_library(settings(data=tmp_path / "a", files=files), make=True, makes_store=False).close()
    with pytest.raises(StorageError, match="another library"):
        open_library(settings(data=tmp_path / "b", files=files), make=True)
