"""The README tells the truth: its commands run, its help is the real one, its numbers are measured."""

from __future__ import annotations

import json
import re
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import run

import pytest

from eval.command import measure
from eval.dataset import SETS, load
from eval.report import summary
from qa.config import Settings
from qa.examples import ANSWER, QUESTIONS, answered
from tests.conftest import ROOT, Server, environment, qa

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_help_is_the_real_one() -> None:
    shown = next(block for block in blocks("text") if block.startswith("$ qa --help"))
    real = qa("--help").stdout.replace("python -m qa", "qa")
    assert shown.split("\n", 1)[1].split() == real.split()


def test_every_setting_is_documented_with_its_default() -> None:
    for name, field in Settings.model_fields.items():
        row = next(line for line in README.splitlines() if line.startswith(f"| `QA_{name.upper()}` |"))
        assert field.description
        assert field.description.split(";")[0].split("(")[0].strip() in row.replace("`", "")
        if field.default is not None and name != "seeds":
            assert f"`{field.default}`" in row.replace("./", "")


@pytest.mark.model
def test_the_worked_example_is_what_the_service_answers() -> None:
    real = json.loads(json.dumps(answered()))
    shown = json.loads(next(block for block in blocks("json") if '"took_ms"' in block))
    for example in (ANSWER, shown):
        assert flat(example) == pytest.approx(flat(real), abs=2e-3)
        assert words(example) == words(real)
    assert QUESTIONS["plain"]["value"]["question"] in README


def flat(answer: object, path: str = "") -> dict[str, float]:
    """Every number of a reply by its place, but the time that it took."""
    if isinstance(answer, dict):
        return {k: v for key, one in answer.items() if key != "took_ms" for k, v in flat(one, f"{path}.{key}").items()}
    if isinstance(answer, list):
        return {k: v for number, one in enumerate(answer) for k, v in flat(one, f"{path}.{number}").items()}
    return {path: float(answer)} if isinstance(answer, int | float) else {}


def words(answer: object) -> list[str]:
    if isinstance(answer, dict):
        return [word for one in answer.values() for word in words(one)]
    if isinstance(answer, list):
        return [word for one in answer for word in words(one)]
    return [answer] if isinstance(answer, str) else []


@pytest.mark.model
def test_the_accuracy_table_is_measured() -> None:
    for result in measure(ROOT / "seeds", load(SETS / "seeds.jsonl")):
        row = next(line for line in README.splitlines() if re.match(rf"\s*{result.mode}\s+0\.\d", line))
        assert [float(cell) for cell in row.split()[1:]] == pytest.approx(list(summary(result).values()), abs=0.011)


@pytest.mark.model
@pytest.mark.server
def test_its_shell_commands_run(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start()
    server.until_hybrid()
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "birds.txt").write_text("Pelicans eat fish near the harbour.")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "qa").write_text(f'#!/bin/sh\nexec {shlex.quote(str(Path(environment()["PATH"])))} "$@"\n')
    for block in blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.partition("  #")[0].strip()
            if not command or command.startswith(("make", "git", "cd", ". ", "QA_")):
                continue
            command = command.replace("http://127.0.0.1:8000", server.url)
            done = run(
                ["bash", "-c", f'qa() {{ python3 -m qa "$@"; }}; {command}'],
                cwd=tmp_path,
                env=environment(QA_DATA=str(tmp_path / "served"), PYTHONPATH=str(ROOT), PATH=path_with_python(tmp_path)),
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, f"{command}: {done.stderr}"
            assert done.stdout.strip()
            if command.startswith("curl"):
                assert "error" not in json.loads(done.stdout)


def path_with_python(folder: Path) -> str:
    """A PATH on which `python3` is the interpreter of this test."""
    import os
    import sys

    link = folder / "bin" / "python3"
    if not link.exists():
        link.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        link.chmod(0o755)
    return f"{folder / 'bin'}:{os.environ['PATH']}"


def test_its_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)", README)) <= targets


@pytest.mark.server
def test_it_works_installed_from_a_wheel_from_any_folder(start: Callable[..., Server], tmp_path: Path) -> None:
    import sys

    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True, env=environment())
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    server = start(cwd=elsewhere, PYTHONPATH=str(site), QA_MODEL="/no/such/model", PYTHONSAFEPATH="1")
    assert server.get("/ask?q=ceasefire")[1]["passages"]
    assert server.get("/openapi.json")[0] == 200
    for page in ("/", "/web/app.js", "/web/style.css"):
        import urllib.request

        with urllib.request.urlopen(server.url + page) as reply:
            assert reply.status == 200
    assert (site / "qa" / "web" / "index.html").is_file()
