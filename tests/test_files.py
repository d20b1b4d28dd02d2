"""The engine's files: damaged in every way they are noticed, told, and made again; nothing wrong is ever served."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index import files, local
from index.load import from_text
from index.local import LocalEngine
from index.types import Stamp
from qa.wire import Library
from tests.test_lexical import WORDS, put, scores

Make = Callable[..., Library]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three segments, some rows hidden, saved."""
    engine = LocalEngine(tmp_path / "engine")
    chance = np.random.default_rng(0)
    for generation, size in enumerate((400, 60, 5), 1):
        for number in range(size):
            put(engine, f"g{generation}-{number}", chance.choice(WORDS, 6).tolist())
        engine.replace(f"g1-{generation}", [], None)
        engine.commit(Stamp(generation, "token"))
    engine.close()
    assert len(list((tmp_path / "engine").glob("segment-*"))) == 3
    return tmp_path / "engine"


def opened(folder: Path) -> LocalEngine:
    engine = LocalEngine(folder)
    engine.close()
    return engine


def test_what_was_saved_is_there_again(folder: Path) -> None:
    engine = LocalEngine(folder)
    assert (engine.stamp, engine.repaired) == (Stamp(3, "token"), None)
    assert sum(part.live for part in engine.snapshot().parts) == 400 + 60 + 5 - 3
    assert len(scores(engine, WORDS)) == 462
    engine.close()


def test_every_file_that_is_cut_short_changed_or_missing_is_noticed(folder: Path, tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    every = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file() and file.stat().st_size)
    assert len(every) > 30
    for name in every:
        if name.suffix in (".lock", ".new"):
            continue
        for damage in ("cut", "flipped", "gone"):
            copy = tmp_path / "copy"
            shutil.copytree(folder, copy)
            data = bytearray((copy / name).read_bytes())
            if damage == "cut":
                (copy / name).write_bytes(data[: chance.integers(len(data))])
            elif damage == "flipped":
                data[chance.integers(len(data))] ^= 1 << int(chance.integers(8))
                (copy / name).write_bytes(data)
            else:
                (copy / name).unlink()
            engine = LocalEngine(copy)
            if name.name == "state.json" and damage == "gone":
                assert engine.repaired is None  # nothing was ever saved, as far as one can tell
            else:
                assert engine.repaired, (name, damage)
            assert engine.stamp == Stamp()
            assert not engine.snapshot().parts
            engine.close()
            shutil.rmtree(copy)


def test_files_of_another_library_or_another_time_are_noticed(make_library: Make) -> None:
    one, other = make_library(name="one"), make_library(name="other")
    one.builder.put(from_text("Pelicans eat fish.", title="Birds", id="same"))
    other.builder.put(from_text("Glaciers carve valleys.", title="Ice", id="same"))
    one.tidy()
    one.close()
    other.tidy()
    other.close()
    shutil.rmtree(other.engine_folder)
    shutil.copytree(one.engine_folder, other.engine_folder)
    again = make_library(name="other")
    assert again.answerer.ask("What do glaciers carve?").passages[0].text == "Glaciers carve valleys."
    assert not any("Pelican" in one.text for one in again.answerer.ask("What do pelicans eat?").passages)
    assert again.searcher.engine.stamp == again.catalogue.stamp()


def test_a_damaged_index_is_made_again_and_that_is_told(make_library: Make) -> None:
    library = make_library()
    for number in range(9):
        library.builder.put(
            from_text(f"Ferry number {number} leaves at noon.", title=f"Ferry {number}", id=f"f{number}")
        )
    before = library.answerer.ask("When does ferry 7 leave?").passages
    library.tidy()
    library.close()
    victim = next(library.engine_folder.glob("segment-*/posting_counts.npy"))
    victim.write_bytes(victim.read_bytes()[:-3] + b"\x07\x07\x07")
    again = make_library()
    assert again.answerer.ask("When does ferry 7 leave?").passages == before
    assert again.repaired
    assert "posting_counts" in again.repaired
    again.tidy()
    again.close()
    healed = make_library()
    assert healed.answerer.ask("When does ferry 7 leave?").passages == before
    assert healed.repaired is None


def test_one_process_saves_and_the_others_only_read(folder: Path) -> None:
    first, second = LocalEngine(folder), LocalEngine(folder)
    assert (first.keeps, second.keeps) == (True, False)
    for engine in (first, second):
        put(engine, "new", ["zulu"])
        engine.commit(Stamp(4, "token"))
    second.close()
    first.close()
    assert list(scores(LocalEngine(folder), ["zulu"])) == ["new"]


def test_a_disk_that_is_full_leaves_the_files_as_they_were(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalEngine(folder)
    put(engine, "new", ["zulu"])
    engine.commit(Stamp(4, "token"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    engine.close()
    monkeypatch.undo()
    again = LocalEngine(folder)
    assert (again.stamp, again.repaired) == (Stamp(3, "token"), None)
    again.close()


def test_merging_goes_on_beside_writes_and_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents come and go in a background that merges all the time; each read sees whole commits."""
    monkeypatch.setattr(local, "AT_ONCE", 0)
    engine = LocalEngine(tmp_path / "engine", in_background=True)
    stop, wrong = threading.Event(), list[object]()

    def read() -> None:
        while not stop.is_set():
            found = scores(engine, ["alpha"])
            if len(found) % 3:
                wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for generation in range(1, 120):
        for part in range(3):
            put(engine, f"{generation}-{part}", ["alpha", "bravo"])
            if generation > 7:
                engine.replace(f"{generation - 7}-{part}", [], None)
        engine.commit(Stamp(generation, "token"))
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert sorted(scores(engine, ["alpha"])) == sorted(f"{one}-{part}" for one in range(113, 120) for part in range(3))
    engine.maintain(everything=True)
    assert [len(part.segment) for part in engine.snapshot().parts] == [21]
    engine.close()


def test_compacting_forgets_the_words_of_what_was_removed(tmp_path: Path) -> None:
    engine = LocalEngine(tmp_path)
    put(engine, "secret", ["quetzalcoatl"])
    put(engine, "plain", ["alpha"])
    engine.commit(Stamp(1, "a"))
    engine.maintain()
    engine.replace("secret", [], None)
    engine.commit(Stamp(2, "b"))
    engine.maintain(everything=True)
    assert list(scores(engine, ["alpha"])) == ["plain"]
    engine.close()
    assert not any(b"quetzal" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_a_commit_that_saves_leaves_alone_what_a_merge_is_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "UNSAVED", 1)
    monkeypatch.setattr(local, "AT_ONCE", 0)
    engine = LocalEngine(tmp_path)
    for number in range(3):
        put(engine, f"d{number}", ["alpha"])
        engine.commit(Stamp(number + 1, "token"))
    sync, done = files._sync, list[int]()

    def while_it_writes(folder: Path) -> None:
        sync(folder)
        if not done:
            done.append(1)
            put(engine, "late", ["bravo"])
            committing = threading.Thread(target=engine.commit, args=(Stamp(9, "token"),))
            committing.start()
            committing.join(10)

    monkeypatch.setattr(files, "_sync", while_it_writes)
    engine.maintain()
    engine.close()
    again = LocalEngine(tmp_path)
    assert again.repaired is None
    assert sorted(scores(again, ["alpha", "bravo"])) == ["d0", "d1", "d2", "late"]
    again.close()


def test_another_process_saves_once_the_first_has_gone(folder: Path) -> None:
    first, second = LocalEngine(folder), LocalEngine(folder)
    first.maintain(everything=True)  # the folders that the second has read are gone
    first.close()
    put(second, "new", ["zulu"])
    second.commit(Stamp(4, "token"))
    second.close()
    again = LocalEngine(folder)
    assert (again.stamp, again.repaired) == (Stamp(4, "token"), None)
    assert len(scores(again, [*WORDS, "zulu"])) == 463
    again.close()
