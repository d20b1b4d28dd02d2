"""`kill -9` at random moments, a full disk, a limit on files: what was acknowledged is there, and nothing half."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from index.build import catch_up
from index.catalogue import Catalogue
from index.errors import StorageError
from index.load import from_text
from index.local import LocalEngine
from tests.conftest import ROOT, HashEmbedder, environment, qa
from tests.crash import document, opened
from tests.test_machine import answers

KILLS = 100


@pytest.mark.server
def test_a_killed_process_loses_nothing_and_leaves_nothing_half(tmp_path: Path) -> None:
    """A real process is killed again and again while it takes documents in; each time the folder is opened as it is."""
    chance, first = random.Random(0), 0
    for _ in range(KILLS):
        acknowledged = _run_and_kill(tmp_path, first, chance.uniform(0.0, 0.25))
        last = max(acknowledged, default=first - 1)
        catalogue = Catalogue(tmp_path, {})
        stored = {one: catalogue.document(one) for one in catalogue.document_ids()}
        for done in (last, last + 1, last + 2):  # what was under way is there whole, or not at all
            if stored == _expected(done) or stored == _expected(done, removing=False):
                break
        else:
            raise AssertionError(f"after {last}: {sorted(stored)[-5:]}")
        for name in stored:
            passages = catalogue.passages_of(name)
            assert passages
            assert all(one.vectors for one in passages)
        engine, fresh = LocalEngine(tmp_path / "engine"), LocalEngine()
        assert engine.repaired is None  # a state is in force whole, or not at all
        catch_up(catalogue, engine)
        catch_up(catalogue, fresh)
        assert answers(engine.snapshot()) == answers(fresh.snapshot())
        assert _harbours(engine) == _harbours(fresh)
        engine.close()
        catalogue.close()
        first = max(last + 1, first)
    assert first > KILLS  # it got on with its work


def _run_and_kill(folder: Path, first: int, seconds: float) -> list[int]:
    command = [sys.executable, "-m", "tests.crash", str(folder), str(first)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate(timeout=30)
    whole = output.rpartition("\n")[0]  # the kill may come between a number and the end of its line
    return [int(line) for line in whole.splitlines() if line.strip()]


def _expected(last: int, removing: bool = True) -> dict[str, object]:
    """The documents after number `last`, whose own removal may have been cut off."""
    found: dict[str, object] = {}
    for number in range(last + 1):
        found[document(number).id] = document(number)
        if number % 10 == 9 and (removing or number < last):
            found.pop(document(number - 5).id, None)
    return found


def _harbours(engine: LocalEngine) -> list[object]:
    snapshot = engine.snapshot()
    return [snapshot.sparse({f"harbour{number}": 1.0}, 1000) for number in range(7)]


def test_a_limit_on_the_size_of_files_is_a_clear_error_and_the_index_is_as_before(tmp_path: Path) -> None:
    builder, searcher = opened(tmp_path)
    builder.put(document(0))
    searcher.refresh()
    before = _harbours(searcher.engine)  # type: ignore[arg-type]
    size = max(file.stat().st_size for file in tmp_path.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30_000, hard))
    try:
        big = (from_text("A long text about the harbour. " * 200, title="t", id=f"big{n}") for n in range(400))
        with pytest.raises(StorageError, match="cannot be written") as raised:
            list(builder.put_all(big))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "Free some space" in raised.value.hint
    for name in builder.catalogue.document_ids():
        if name.startswith("big"):
            builder.catalogue.remove(name)
    searcher.refresh()
    assert _harbours(searcher.engine) == before  # type: ignore[arg-type]
    searcher.close()
    builder.catalogue.close()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="a small disk can be mounted only by root")
def test_a_full_disk_is_a_clear_error_and_the_index_is_as_before(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        big = tmp_path / "big.txt"
        big.write_text("The harbour was dredged in spring. " * 60_000)
        note = tmp_path / "note.txt"
        note.write_text("The lamp burned colza oil.")
        given = {"QA_DATA": str(small / "data"), "QA_MODEL": "/no/such/model"}
        assert qa("index", str(note), **given).returncode == 0
        refused = qa("index", str(big), **given)
        assert refused.returncode == 1
        assert "full" in refused.stderr
        assert "Free some space" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert "colza oil" in qa("ask", "What did the lamp burn?", **given).stdout
        assert qa("verify", **given).returncode == 0
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_embedding_is_never_lost_with_the_search_index(tmp_path: Path) -> None:
    """The engine's folder deleted under a closed library: everything is there again, nothing embedded."""
    builder, searcher = opened(tmp_path)
    for number in range(20):
        builder.put(document(number))
    searcher.refresh()
    before = answers(searcher.engine.snapshot())
    searcher.close()
    shutil.rmtree(tmp_path / "engine")
    engine = LocalEngine(tmp_path / "engine")
    catch_up(builder.catalogue, engine)
    assert answers(engine.snapshot()) == before
    assert HashEmbedder.dim == builder.catalogue.passages_of(document(0).id)[0].vectors.passage.shape[0]  # type: ignore[union-attr]
    engine.close()
    builder.catalogue.close()
