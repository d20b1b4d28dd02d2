"""Tokens and sessions: made, told once, stored as hashes, ended."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from index.errors import Conflict, StorageError
from qa.access import SESSION, Access
from tests.conftest import qa
from tests.postgres import on_both  # noqa: F401 - a fixture
from tests.waiting import until

KeptIn = Callable[[str], dict[str, str]]


@pytest.fixture
def access(tmp_path: Path, kept_in: KeptIn) -> Iterator[Access]:
    opened = opened_in(tmp_path, kept_in)
    yield opened
    opened.close()


def opened_in(folder: Path, kept_in: KeptIn) -> Access:
    return Access(folder / "data", kept_in("data").get("catalogue", ""))


def test_without_a_token_nothing_is_required_and_no_file_is_made(access: Access) -> None:
    assert not access.required()
    assert not access.usable()
    assert access.tokens() == []
    assert access.holder("qa_00000000_x") is None
    assert not access.path.exists()


def test_a_token_names_its_holder_and_its_scope(access: Access) -> None:
    token, secret = access.create("press", "ask")
    assert secret.startswith(f"qa_{token.id}_")
    assert len(secret) > 50
    holder = access.holder(secret)
    assert holder is not None
    assert (holder.token_id, holder.name, holder.scope, holder.expires_at) == (token.id, "press", "ask", None)
    assert access.required()
    assert access.usable()


@pytest.mark.parametrize("change", ["", "qa_", "x", "_", "é", "\0"])
def test_another_secret_is_nobodys(access: Access, change: str) -> None:
    _, secret = access.create("press", "ask")
    assert access.holder(secret[:-1] + ("A" if secret[-1] != "A" else "B")) is None
    assert access.holder(change) is None
    assert access.holder(secret + (change or "x")) is None
    assert access.session(secret) is None


@pytest.mark.parametrize("kept_in", ["file"], indirect=True)
def test_the_file_holds_no_secret_and_is_the_owners_alone(access: Access) -> None:
    _, secret = access.create("press", "manage")
    begun = access.sign_in(secret)
    assert begun is not None
    stored = b"".join(one.read_bytes() for one in access.path.parent.glob("access*"))
    for told in (secret, begun[0]):
        assert told.removeprefix("qa_").partition("_")[2].encode() not in stored  # itself it may have any "_"
    assert stat.S_IMODE(access.path.stat().st_mode) == 0o600


def test_a_revoked_token_and_its_sessions_end_and_it_stays_required(access: Access) -> None:
    _, secret = access.create("press", "ask")
    begun = access.sign_in(secret)
    assert begun is not None
    assert access.session(begun[0]) is not None
    assert access.revoke("press")
    assert access.holder(secret) is None
    assert access.session(begun[0]) is None
    assert access.sign_in(secret) is None
    assert not access.revoke("press")
    assert access.required()
    assert not access.usable()
    assert [bool(one.revoked_at) for one in access.tokens()] == [True]


def test_a_name_is_used_once_until_it_is_revoked(access: Access) -> None:
    _, before = access.create("press", "ask")
    with pytest.raises(Conflict, match="press"):
        access.create("press", "manage")
    access.revoke("press")
    _, now = access.create("press", "manage")
    holder = access.holder(now)
    assert holder is not None
    assert holder.scope == "manage"
    assert access.holder(before) is None


def test_a_token_ends_by_itself_and_with_it_what_was_signed_in(access: Access) -> None:
    _, secret = access.create("press", "ask", days=5 / 86_400)
    begun = access.sign_in(secret)
    assert begun is not None
    assert begun[1] <= time.time() + 5
    until(lambda: access.holder(secret) is None)
    assert access.session(begun[0]) is None
    assert access.sign_in(secret) is None


def test_a_session_lasts_half_a_day_and_can_be_ended(access: Access) -> None:
    _, secret = access.create("press", "ask")
    begun = access.sign_in(secret)
    assert begun is not None
    assert abs(begun[1] - time.time() - SESSION) < 60
    holder = access.session(begun[0])
    assert holder is not None
    assert holder.name == "press"
    assert access.holder(begun[0]) is None
    access.sign_out(begun[0])
    assert access.session(begun[0]) is None


def test_several_processes_see_each_others_tokens(access: Access, tmp_path: Path, kept_in: KeptIn) -> None:
    other = opened_in(tmp_path, kept_in)
    try:
        _, secret = access.create("press", "ask")
        assert other.holder(secret) is not None
        other.revoke("press")
        assert access.holder(secret) is None
    finally:
        other.close()


def test_tokens_can_be_made_and_shown_by_many_at_once(access: Access) -> None:
    with ThreadPoolExecutor(8) as threads:
        secrets = list(threads.map(lambda number: access.create(f"n{number}", "ask")[1], range(24)))
        assert all(threads.map(access.holder, secrets))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="access"):
        Access(tmp_path).create("press", "ask")


def test_the_command_makes_lists_and_revokes(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    made = qa("token", "create", "--name", "press", "--scope", "manage", "--days", "30", QA_DATA=data)
    assert made.returncode == 0
    assert "until" in made.stderr
    secret = made.stdout.strip()
    again = qa("token", "create", "--name", "press", QA_DATA=data)
    assert (again.returncode, again.stdout) == (1, "")
    assert "revoke" in again.stderr
    listed = qa("token", "list", QA_DATA=data).stdout
    assert "press" in listed
    assert "manage" in listed
    assert secret not in listed
    assert qa("token", "revoke", "press", QA_DATA=data).returncode == 0
    assert "revoked" in qa("token", "list", QA_DATA=data).stdout
    assert qa("token", "revoke", "press", QA_DATA=data).returncode == 1
    assert qa("token", "create", "--name", " ", QA_DATA=data).returncode == 2
