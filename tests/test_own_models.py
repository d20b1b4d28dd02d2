"""What holds of every model that may be set beside the embedder, the reranker and the reader: what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from index.errors import ModelError
from index.rerank import load_reranker
from qa.reader import load_reader
from tests import tiny_models

UNREADABLE = "half a pair: \ud83d"


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of model: the setting that names it, how it is made and loaded, and what asks it about a text."""

    setting: str
    make: Callable[[Path], Path]
    load: Callable[[str], object]
    ask: Callable[[str, str], object]


KINDS = {
    "reranker": Kind(
        "QA_RERANKER",
        tiny_models.cross_encoder,
        load_reranker,
        lambda name, text: load_reranker(name).rescored("where is the ferry", [text], 60),
    ),
    "reader": Kind(
        "QA_READER",
        tiny_models.reader,
        load_reader,
        lambda name, text: load_reader(name).span("where is the ferry", text),
    ),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_models.one_thread():
        yield


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def folder(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kind.make(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("name", ["no-such-model", "/no/such/folder", "../..", "a name with spaces"])
def test_a_model_that_is_not_on_this_machine_is_never_fetched(kind: Kind, name: str) -> None:
    with pytest.raises(ModelError) as raised:
        kind.load(name)
    assert name in raised.value.message
    assert kind.setting in raised.value.hint


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_a_model_error(kind: Kind, file: str, folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[: 20 if path.name == file else None])
    with pytest.raises(ModelError, match="cannot be loaded") as raised:
        kind.load(str(tmp_path))
    assert raised.value.__cause__ is not None


def test_what_the_model_cannot_read_is_a_model_error(kind: Kind, folder: Path) -> None:
    with pytest.raises(ModelError, match="failed"):
        kind.ask(str(folder), UNREADABLE)
