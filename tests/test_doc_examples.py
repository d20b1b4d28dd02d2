"""The programs of docs/python.md run as they stand, and print what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import ROOT, environment

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
NEEDED = {"langchain_core": "the retriever needs it", "haystack": "the component needs it"}


def title(program: str) -> str:
    return next((name for name in NEEDED if f"from {name}" in program), program.partition('open_library("')[2][:8])


def test_every_program_of_the_page_says_what_it_prints() -> None:
    assert len(PROGRAMS) == PAGE.count("```python\n") == 4


@pytest.mark.model
@pytest.mark.parametrize(("program", "printed"), PROGRAMS, ids=[title(program) for program, _ in PROGRAMS])
def test_it_runs_and_prints_that(program: str, printed: str, tmp_path: Path) -> None:
    for package, reason in NEEDED.items():
        if f"from {package}" in program and find_spec(package) is None:  # importing it here would do more than look
            pytest.skip(f"there is no {package}: {reason}; pip install 'chapter-verse[integrations]'")
    (tmp_path / "example.py").write_text(program, encoding="utf-8")
    given = environment(PYTHONPATH=str(ROOT), PYTHONIOENCODING="utf-8", HAYSTACK_TELEMETRY_ENABLED="False")
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, env=given, capture_output=True, encoding="utf-8", timeout=120
    )
    assert (done.returncode, done.stdout) == (0, printed), done.stderr
