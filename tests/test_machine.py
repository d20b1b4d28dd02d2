"""After any sequence of operations the answers are those of an index built afresh."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from index import local
from index.build import Builder, catch_up
from index.catalogue import Catalogue
from index.chunk import Chunking
from index.engine import Snapshot
from index.load import from_text
from index.local import LocalEngine
from index.pieces import EstimatedPieces
from index.types import Document
from tests.conftest import HashEmbedder

WORDS = "harbour pelican treaty lighthouse ferry budget volcano orchard senate glacier".split()
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=30), min_size=1, max_size=4).map(
    lambda paragraphs: "\n\n".join(f"{' '.join(words).capitalize()}." for words in paragraphs)
)
NAMES = st.sampled_from(["a", "a!b", "a:1", "b", "ü", "zz"])


class Machine(RuleBasedStateMachine):
    """The model is a plain dictionary of documents; a second catalogue and engine are made of it to compare with."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="qa-machine-"))
        self.catalogue = Catalogue(self.folder / "data", {})
        self.embedder: HashEmbedder | None = HashEmbedder()
        self.builder = self.building(self.catalogue)
        self.engine = LocalEngine(self.folder / "data" / "engine")
        self.documents: dict[str, Document] = {}

    def building(self, catalogue: Catalogue) -> Builder:
        return Builder(catalogue, EstimatedPieces(), Chunking(32, 0), lambda: self.embedder)

    @rule(name=NAMES, text=TEXTS)
    def put(self, name: str, text: str) -> None:
        self.documents[name] = from_text(text, title=name, id=name)
        self.builder.put(self.documents[name])

    @rule(names=st.lists(NAMES, min_size=1, max_size=5), text=TEXTS)
    def put_many(self, names: list[str], text: str) -> None:
        made = {name: from_text(f"{text} {name}", title="", id=name) for name in names}
        self.documents |= made
        assert len(list(self.builder.put_all(made.values()))) == len(made)

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        assert self.catalogue.remove(name) == (self.documents.pop(name, None) is not None)

    @rule()
    def catch_up(self) -> None:
        catch_up(self.catalogue, self.engine)

    @rule(everything=st.booleans())
    def maintain(self, everything: bool) -> None:
        self.engine.maintain(everything)

    @rule()
    def reopen(self) -> None:
        self.engine.close()
        self.engine = LocalEngine(self.folder / "data" / "engine")
        assert self.engine.repaired is None

    @rule()
    def reopen_after_a_crash(self) -> None:
        """What was not saved is lost: the files are those of before."""
        engine, self.engine = self.engine, LocalEngine()
        if engine._lock:
            engine._lock.release(force=True)
        self.engine = LocalEngine(self.folder / "data" / "engine")

    @rule()
    def without_model(self) -> None:
        self.embedder = None

    @rule()
    def with_model(self) -> None:
        self.embedder = HashEmbedder()
        self.builder.embed_pending(self.embedder)

    @invariant()
    def answers_are_those_of_a_fresh_index(self) -> None:
        catch_up(self.catalogue, self.engine)
        catalogue = Catalogue(Path(tempfile.mkdtemp(dir=self.folder)), {})
        fresh = LocalEngine()
        if self.embedder:
            list(self.building(catalogue).put_all(self.documents.values()))
            catch_up(catalogue, fresh)
            assert answers(self.engine.snapshot()) == answers(fresh.snapshot())
        assert self.catalogue.document_ids() == sorted(self.documents)
        catalogue.close()

    def teardown(self) -> None:
        self.engine.close()
        self.catalogue.close()
        shutil.rmtree(self.folder)


def answers(snapshot: Snapshot) -> list[list[tuple[str, float]]]:
    """What both legs find for a few questions, and among some documents only; scores to five digits."""
    found = []
    for words in (WORDS[:1], WORDS[1:4], WORDS):
        vector = HashEmbedder().question(" ".join(words))
        for where in (None, {"a", "zz", "unknown"}):
            found.append(snapshot.sparse(snapshot.weights(words), 7, where))
            found.append(snapshot.dense(vector, 50, where))
    return [sorted((hit.passage_id, float(f"{hit.score:.4g}")) for hit in hits) for hits in found]


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flushes, merges and saves that a library of a few passages would never see."""
    monkeypatch.setattr(local, "FLUSHED", 5)
    monkeypatch.setattr(local, "AT_ONCE", 6)
    monkeypatch.setattr(local, "UNSAVED", 4)
