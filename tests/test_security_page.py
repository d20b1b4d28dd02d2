"""SECURITY.md itself: nothing of the standard is left out, what it names is there; and what the code and disk show."""

from __future__ import annotations

import ast
import re
import stat
from pathlib import Path

import pytest

from qa.access import Access
from qa.logs import Lines, _formatter
from qa.wire import Library
from tests.conftest import ROOT
from tests.test_logs import record

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| (.+?) \| (\S+) \| (.+) \|$", PAGE, re.MULTILINE)
LEVEL_1 = {
    "2.1": 12, "2.2": 3, "2.3": 1, "2.5": 6, "2.7": 4, "2.8": 1,
    "3.1": 1, "3.2": 3, "3.3": 2, "3.4": 5, "3.7": 1,
    "4.1": 5, "4.2": 2, "4.3": 2,
    "5.1": 5, "5.2": 8, "5.3": 10, "5.5": 4,
    "6.2": 1, "7.1": 2, "7.4": 1, "8.2": 3, "8.3": 4,
    "9.1": 3, "10.3": 3, "11.1": 5,
    "12.1": 1, "12.3": 5, "12.4": 2, "12.5": 2, "12.6": 1,
    "13.1": 3, "13.2": 3, "13.3": 1,
    "14.2": 3, "14.3": 3, "14.4": 7, "14.5": 3,
}  # fmt: skip
"""The last requirement of level 1 in each section of ASVS 4.0.3."""
LEFT_OUT = {"4.1.4", "13.1.2", "14.3.1"}
"""Which the standard has deleted."""


def test_every_requirement_of_level_1_has_its_verdict() -> None:
    wanted = [f"{section}.{number}" for section, most in LEVEL_1.items() for number in range(1, most + 1)]
    assert [row[0] for row in ROWS] == [one for one in wanted if one not in LEFT_OUT]
    assert {row[2] for row in ROWS} == {"met", "proxy", "n/a", "part", "no"}


def test_every_file_and_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`((?:qa|index|web|tests|docs)/[\w./-]+)(?:::(\w+))?`", PAGE)
    named += [(link, "") for link in re.findall(r"\]\(([\w./-]+)\)", PAGE)]
    assert len(named) > 100
    for path, test in named:
        assert (ROOT / path).is_file(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), (path, test)


def test_what_refers_to_another_requirement_refers_to_one_that_is_met_in_some_way() -> None:
    verdicts = {row[0]: row[2] for row in ROWS}
    for number, _, verdict, why in ROWS:
        for other in re.findall(r"\bas (\d+\.\d+\.\d+)", why):
            assert verdicts[other] in ("met", "part") or verdicts[other] == verdict, (number, other)


def test_a_data_folder_is_the_owners_alone(library: Library) -> None:
    access = Access(library.settings.data)
    access.create("one", "ask")
    assert stat.S_IMODE(library.settings.data.stat().st_mode) == 0o700
    for file in library.settings.data.glob("access.sqlite3*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    access.close()


def test_tokens_make_a_folder_that_is_the_owners_alone(tmp_path: Path) -> None:
    opened = Access(tmp_path / "new")
    opened.create("one", "ask")
    opened.close()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


RUNS = {"eval", "exec", "compile", "__import__"}
UNPACKS = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}


@pytest.mark.parametrize("folder", ["index", "qa"])
def test_nothing_that_came_in_is_run_or_unpacked_as_objects(folder: str) -> None:
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func
                assert not (isinstance(called, ast.Name) and called.id in RUNS), (file, node.lineno)
                given = {one.arg for one in node.keywords}
                assert not {"shell", "allow_pickle", "trust_remote_code"} & given, (file, node.lineno)
                unsafe = isinstance(called, ast.Attribute) and ast.unparse(called) in ("yaml.load", "os.system")
                assert not unsafe, (file, node.lineno)
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & UNPACKS, (file, names)


@pytest.mark.parametrize(
    "word", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("]
)
def test_the_page_makes_no_markup_and_no_code_from_text(word: str) -> None:
    for file in (ROOT / "web").glob("*.js"):
        assert word not in file.read_text(encoding="utf-8"), file


@pytest.mark.parametrize("style", ["text", "json"])
def test_nothing_that_came_in_begins_a_line_of_the_log_or_speaks_to_a_terminal(style: str) -> None:
    written: list[bytes] = []
    lines = Lines(_formatter(style), False, written.append)
    lines.emit(record("the file %s", "a\nforged\r\x1b[2J\x9b\u2028b"))
    lines.flush()
    told = b"".join(written).decode()
    assert len(told.splitlines()) == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", told)
