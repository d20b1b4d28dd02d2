"""Files of strangers are read in a process of their own: whatever they do to it, the others go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.errors import DocumentError, EngineError
from index.load import load_file
from index.load.sandbox import Limits, Sandbox
from tests.conftest import SEED


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(Limits(seconds=10))
    yield made
    made.close()


def test_a_document_comes_out_as_it_was_read_inside(sandbox: Sandbox) -> None:
    read = sandbox.read(SEED, "seeds/seed.txt")
    assert read == load_file(SEED, "seeds/seed.txt")
    assert read.reading.seconds > 0


def test_an_error_names_the_file_and_the_process_is_used_again(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "3").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DocumentError, match=r"letter\.txt is not UTF-8"):
        sandbox.read(tmp_path / "3", "s", name="letter.txt")
    with pytest.raises(DocumentError, match=r"gone\.txt cannot be read"):
        sandbox.read(tmp_path / "4", "s", name="gone.txt")
    assert sandbox.read(SEED, "s").text
    assert len(sandbox._idle) == 1


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(seconds=1), "not read within 1 seconds"),
        (Limits(memory=400 << 20), "MB|made its reader fail"),
        (Limits(bytes=1 << 20), "larger than 1 MB"),
    ],
)
def test_what_takes_too_much_is_stopped_and_the_next_file_is_read(limits: Limits, told: str, tmp_path: Path) -> None:
    greedy = tmp_path / "greedy.json"
    greedy.write_text("[" + "[1,2,3]," * 12_000_000 + "1]")
    sandbox = Sandbox(limits)
    try:
        with pytest.raises(DocumentError, match=told) as raised:
            sandbox.read(greedy, "s")
        assert "greedy.json" in raised.value.message
        assert raised.value.hint
        assert sandbox.read(SEED, "s").text
    finally:
        sandbox.close()


def test_a_process_that_dies_is_one_file_refused(sandbox: Sandbox) -> None:
    sandbox.read(SEED, "s")
    sandbox._idle[0]._process.kill()
    sandbox._idle[0]._process.wait()
    assert sandbox.read(SEED, "s").text  # noticed, and another one taken
    assert sandbox._idle[0].used == 1


FORBIDDEN = {
    "connect": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "look up": "import socket; socket.getaddrinfo('example.org', 80)",
    "start": "import subprocess; subprocess.run(['true'])",
    "shell": "import os; os.system('true')",
    "write": "open('written.txt', 'w')",
    "delete": "import os; os.remove('kept.txt')",
    "rename": "import os; os.rename('kept.txt', 'other.txt')",
    "fork": "import os; os.fork()",
}


@pytest.mark.parametrize("deed", FORBIDDEN)
def test_nothing_but_reading_is_allowed_inside(deed: str, tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    code = f"import sys; sys.path[:] = {sys.path!r}\nfrom index.load.worker import _confine; _confine(2 << 30)\n"
    code += f"try:\n    {FORBIDDEN[deed]}\nexcept PermissionError as error:\n    print('refused', error)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("refused"), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_closed_sandbox_says_so(sandbox: Sandbox) -> None:
    sandbox.close()
    with pytest.raises(EngineError, match="closed"):
        sandbox.read(SEED, "s")
