"""docs/operations.md and the unit beside it: what they name is there, and their commands do what they say."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from typer.main import get_command

from index.catalogue import FILE
from qa.access import FILE as TOKENS
from qa.access import Access
from qa.cli import app
from qa.config import Settings, settings
from tests.conftest import ROOT, SEED, Server, environment, starting
from tests.test_care import FORMAT1
from tests.waiting import until

DOCS = ROOT / "docs"
PAGE = (DOCS / "operations.md").read_text(encoding="utf-8")
UNIT = (DOCS / "chapter-verse.service").read_text(encoding="utf-8")
AWAY = {"QA_MODEL": "/no/such/model"}
ASKED = "/ask?q=Who+would+monitor+the+ceasefire%3F"
BACKUPS = "/var/backups/chapter-verse"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    return [line.partition("  #")[0].rstrip() for line in "".join(blocks("sh")).splitlines()]


def unit() -> dict[str, str]:
    """The settings of the unit's service."""
    parsed = configparser.ConfigParser(interpolation=None, strict=True)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string(UNIT)
    return dict(parsed["Service"])


# What the page names


def test_every_setting_that_is_named_is_one() -> None:
    for file in ("operations.md", "chapter-verse.service", "nginx.conf"):
        named = set(re.findall(r"\bQA_([A-Z_]+)", (DOCS / file).read_text()))
        assert named <= {name.upper() for name in Settings.model_fields}, file


def test_every_command_that_is_named_is_understood() -> None:
    written = [*commands(), *re.findall(r"`(qa [^`\n]+)`", PAGE), *blocks("cron"), unit()["ExecStart"]]
    plain = [re.sub(r"\$\([^)]*\)", "X", line) for line in written]
    called = [match for line in plain for match in re.findall(r"(?:^|[ /])qa ([a-z][^&|;]*)", line)]
    assert len(called) >= 15
    for arguments in called:
        words = shlex.split(arguments.split(" #")[0])
        command = get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        if words or command.name == "serve":
            command.make_context(command.name, words)


def test_every_file_and_place_that_is_linked_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        file, _, place = target.partition("#")
        text = (DOCS / file).read_text() if file else PAGE
        headings = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in text.splitlines()}
        assert not place or place in headings, target
    for file in re.findall(r"\bdocs/\S+", "".join(blocks("sh"))):
        assert (ROOT / file).exists(), file


def test_the_settings_of_the_example_are_such_as_the_service_takes(tmp_path: Path) -> None:
    values = dict(line.split("=", 1) for line in blocks("ini")[0].splitlines())
    assert not any(set(" #'\"") & set(value) for value in values.values())
    given = {name.removeprefix("QA_").lower(): value for name, value in values.items() if name.startswith("QA_")}
    read = settings(**given)
    assert read.seeds is None
    assert "qa.example.org" in (read.names or ())
    for name in ("QA_DATA", "QA_CACHE", "NUMBA_CACHE_DIR", "TMPDIR"):
        assert values[name].startswith(("/var/lib/chapter-verse", "/var/cache/chapter-verse"))


# The unit


def test_the_unit_and_the_page_mean_the_same_places() -> None:
    given, text = unit(), "".join(blocks("sh"))
    assert given["ExecStart"] == "/opt/chapter-verse/bin/qa serve"
    assert given["EnvironmentFile"] in text
    assert f"adduser --system --group --no-create-home --home {given['WorkingDirectory']} {given['User']}\n" in text
    assert given["WorkingDirectory"] == f"/var/lib/{given['StateDirectory']}"
    assert f"/var/cache/{given['CacheDirectory']}" in text


def test_the_unit_leaves_room_for_what_the_service_does() -> None:
    given, defaults = unit(), settings()
    assert int(given["LimitNOFILE"]) >= defaults.connections + 1_000
    assert int(given["MemoryMax"].removesuffix("G")) * 1024 >= 3 * defaults.file_memory_mb + 1_400
    assert int(given["TimeoutStopSec"]) > 10
    assert "MemoryDenyWriteExecute" not in given
    assert given["OOMPolicy"] == "continue"


@pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="the unit is checked by systemd where that is installed"
)
def test_systemd_finds_nothing_wrong_with_the_unit_and_calls_it_safe(tmp_path: Path) -> None:
    file = tmp_path / "chapter-verse.service"
    file.write_text(UNIT.replace("/opt/chapter-verse/bin/qa", f"{sys.executable} -m qa"))
    command = ["systemd-analyze", "verify", "--recursive-errors=no", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (checked.returncode, "chapter-verse" in checked.stderr) == (0, False), checked.stderr
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(file)]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert judged.returncode == 0, judged.stdout


# What its commands do


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., str]:
    """Runs a line of the page with this `qa`, over that data folder; its standard output."""
    (tmp_path / "backups").mkdir()

    def execute(line: str, data: Path, **given: str) -> str:
        script = f'qa() {{ {shlex.quote(sys.executable)} -m qa "$@"; }}; {line}'.replace(BACKUPS, f"{tmp_path}/backups")
        values = environment(QA_DATA=str(data), PYTHONPATH=str(ROOT), **AWAY | given)
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=values, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout

    return execute


@pytest.mark.server
def test_its_commands_run_in_their_order_beside_the_service(
    start: Callable[..., Server], shell: Callable[..., str], tmp_path: Path
) -> None:
    server, data = start(**AWAY), tmp_path / "served"
    lines = [line for line in commands() if line.startswith(("qa ", "curl "))]
    assert len(lines) >= 12
    token = ""
    for line in lines:
        if line == f"qa restore {BACKUPS}/before.qa":  # onto an empty folder, see below
            continue
        printed = shell(line.replace("http://127.0.0.1:8000", server.url), data, TOKEN=token)
        assert printed.strip(), line
        token = printed.strip() if line.startswith("qa token create") else token
    with closing(Access(data)) as access:
        assert {one.name for one in access.tokens() if not one.revoked_at} == {"anna-2", "prometheus"}


@pytest.mark.server
def test_a_backup_made_while_the_service_runs_answers_on_a_new_machine_with_new_tokens(
    start: Callable[..., Server], shell: Callable[..., str], tmp_path: Path
) -> None:
    server, old, new = start(**AWAY), tmp_path / "served", tmp_path / "new"
    before = server.get(ASKED)[1]["passages"]
    token = shell("qa token create --name anna", old).strip()
    shell(f"qa backup {BACKUPS}/today.qa", old)
    assert shell(f"qa restore {BACKUPS}/today.qa", new) == "1 documents, 9 passages\n"
    assert "as they were stored" in shell("qa verify", new)
    assert shell("qa token list", new) == ""
    with starting(new) as run:
        restored = run(**AWAY)
        assert restored.get(ASKED)[1]["passages"] == before
        assert shell("qa token create --name anna", new).strip() != token
        until_refused(restored, token)


@pytest.mark.server
def test_a_revoked_token_is_refused_and_its_successor_is_not(
    start: Callable[..., Server], shell: Callable[..., str], tmp_path: Path
) -> None:
    data = tmp_path / "served"
    first, second = (shell(f"qa token create --name {name}", data).strip() for name in ("anna", "anna-2"))
    server = start(**AWAY)
    assert {status(server, first), status(server, second), status(server, "")} == {200, 401}
    shell("qa token revoke anna", data)
    until_refused(server, first)
    assert status(server, second) == 200


def status(server: Server, token: str) -> int:
    shown = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(server.url + ASKED, headers=shown, trust_env=False, timeout=30).status_code


def until_refused(server: Server, token: str) -> None:
    until(lambda: status(server, token) == 401)


@pytest.mark.server
def test_a_data_folder_of_the_first_version_is_served_and_its_tokens_stay(
    start: Callable[..., Server], shell: Callable[..., str], tmp_path: Path
) -> None:
    data = tmp_path / "served"
    data.mkdir()
    shutil.copy(FORMAT1, data / FILE)
    server = start(**AWAY)
    health = server.get("/health")[1]
    assert (health["status"], health["documents"], health["passages"]) == ("ok", 3, 8)
    assert server.get(ASKED)[1]["passages"][0]["citation"]["document_id"] == "9a9557710f539362"
    assert "as they were stored" in shell("qa verify", data)
    shell("qa token create --name anna", data)
    server.process.terminate()
    server.process.wait(timeout=20)
    assert start(**AWAY).get(ASKED)[0] == 401


@pytest.mark.server
def test_going_back_restores_what_was_backed_up_and_keeps_the_tokens(
    start: Callable[..., Server], shell: Callable[..., str], tmp_path: Path
) -> None:
    data, aside = tmp_path / "served", tmp_path / "aside"
    shell(f"qa index {shlex.quote(str(SEED))}", data)
    token = shell("qa token create --name anna", data).strip()
    shell(f"qa backup {BACKUPS}/before.qa", data)
    data.rename(aside)
    data.mkdir()
    shutil.copy2(aside / TOKENS, data)
    shell(f"qa restore {BACKUPS}/before.qa", data)
    server = start(**AWAY)
    assert (status(server, token), status(server, "")) == (200, 401)


def test_the_nightly_backup_is_for_its_owner_alone_never_overwrites_and_forgets_the_oldest(
    shell: Callable[..., str], tmp_path: Path
) -> None:
    data, old = tmp_path / "data", tmp_path / "backups" / "old.qa"
    shell(f"qa index {shlex.quote(str(SEED))}", data)
    old.touch()
    os.utime(old, (0, 0))
    (tmp_path / "settings").write_text(f"QA_DATA={data}\nQA_HOSTS=qa.example.org\n")
    line = blocks("cron")[0].strip().split(None, 6)
    assert line[5] == unit()["User"]
    nightly = line[6].replace("\\%", "%").replace("/etc/chapter-verse.env", shlex.quote(f"{tmp_path}/settings"))
    nightly = nightly.replace("/opt/chapter-verse/bin/qa", f"{shlex.quote(sys.executable)} -m qa")
    assert "9 passages" in shell(nightly, tmp_path / "elsewhere")
    (made,) = (tmp_path / "backups").iterdir()
    assert made.stat().st_mode & 0o777 == 0o600
    with pytest.raises(AssertionError, match="there already"):
        shell(nightly, data)
