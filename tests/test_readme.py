"""The README tells the truth: its commands run, its help is the real one, its numbers are measured."""

from __future__ import annotations

import json
import re
import shlex
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from urllib.request import urlopen

import pytest

from eval.command import Options, measure
from eval.formats import open_set
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
        assert field.description.split(";")[0].split("(")[0].strip() in row
        if field.default is not None and not field.default_factory:
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
    """Every number of a reply by its place, but the times that it took."""
    if isinstance(answer, dict):
        kept = {key: one for key, one in answer.items() if key not in ("took_ms", "stages_ms")}
        return {k: v for key, one in kept.items() for k, v in flat(one, f"{path}.{key}").items()}
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
def test_the_accuracy_tables_are_measured() -> None:
    shown = next(block for block in blocks("text") if "AUROC" in block).splitlines()
    for one in measure(open_set("seeds", None), Options()).summaries:
        rows = [line for line in shown if re.match(rf"\s*{one.system}\s+0\.\d", line)]
        assert len(rows) == 2
        for row in rows:
            columns = next(line for line in reversed(shown[: shown.index(row)]) if "system" in line)
            names = re.split(r"\s{2,}", columns.strip())[1:]
            numbers = [float(cell) for cell in re.sub(r"±\S+", "", row).split()[1:]]
            assert numbers == pytest.approx([one.flat()[name] for name in names], abs=0.011)


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], str]:
    """Runs a shell command beside a folder of papers, with this interpreter's `qa`; its standard output."""
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "birds.txt").write_text("Pelicans eat fish near the harbour.")
    asked = [f"What do pelicans eat on day {number}?,pelicans eat fish" for number in range(30)]
    unanswered = [f"How tall is tower {number}?," for number in range(30)]
    (tmp_path / "questions.csv").write_text("\n".join(["question,quotation", *asked, *unanswered]))

    def execute(command: str) -> str:
        script = f'qa() {{ {shlex.quote(sys.executable)} -m qa "$@"; }}; {command}'
        values = environment(QA_DATA=str(tmp_path / "served"), PYTHONPATH=str(ROOT))
        done = run(["bash", "-c", script], cwd=tmp_path, env=values, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    return execute


@pytest.mark.model
@pytest.mark.server
def test_its_shell_commands_run(start: Callable[..., Server], shell: Callable[[str], str]) -> None:
    server = start()
    server.until_hybrid()
    lines = "\n".join(blocks("sh")).replace("http://127.0.0.1:8000", server.url).splitlines()
    commands = [line for line in lines if line.startswith(("qa ", "curl "))]
    assert len(commands) >= 10
    for command in commands:
        printed = shell(command.partition("  #")[0])
        assert printed.strip()
        assert not command.startswith("curl") or "error" not in json.loads(printed)


def test_its_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)", README)) <= targets


@pytest.mark.server
def test_it_works_installed_from_a_wheel_from_any_folder(start: Callable[..., Server], tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    run(build, cwd=ROOT, check=True, env=environment(), capture_output=True)
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    server = start(cwd=elsewhere, PYTHONPATH=str(site), PYTHONSAFEPATH="1", QA_MODEL="/no/such/model")
    _, answer = server.get("/ask?q=ceasefire")
    assert answer["passages"][0]["citation"]["source"].startswith("seeds/")
    for page in ("/", "/web/app.js", "/docs", "/swagger/swagger-ui.css"):
        with urlopen(server.url + page) as reply:
            assert reply.status == 200
