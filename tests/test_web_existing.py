"""A file whose name another one has, in a real browser: a person decides which of them stays."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browsing import accessible, shoot
from tests.conftest import Server, starting
from tests.test_web_uploads import CHIPS, FISH, NO_MODEL, add, documents, state, upload

pytestmark = [pytest.mark.browser, pytest.mark.server]
TAKEN = "Another file of this name is in the library."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service without a model and with an empty library, for the tests of this module that leave it empty."""
    with starting(tmp_path_factory.mktemp("existing")) as run:
        yield run(QA_MODEL=NO_MODEL, QA_SEEDS="")


@pytest.fixture
def library(server: Server, page: Page) -> Iterator[Page]:
    """The library with two files, open in a browser; all is taken out again."""
    page.goto(f"{server.url}/library")
    add(page, {"report.txt": FISH, "notes.txt": b"Owls eat mice."})
    expect(page.locator(".sum")).to_contain_text("2 of 2 taken in")
    page.get_by_role("button", name="Clear").click()
    yield page
    for one in documents(server):
        server.get(one["url"], method="DELETE")


def texts(server: Server, page: Page) -> dict[str, str]:
    """What is stored, by the names of the files."""
    return {one["source"]: page.request.get(f"{server.url}{one['url']}/text").text() for one in documents(server)}


def test_a_file_of_a_known_name_waits_for_a_decision_and_replaces_when_told_to(server: Server, library: Page) -> None:
    add(library, {"report.txt": CHIPS})
    expect(state(library, "report.txt")).to_have_text(TAKEN)
    expect(upload(library, "report.txt").get_by_role("button")).to_have_text(["Replace", "Keep both", "Dismiss"])
    expect(library.locator(".sum")).to_contain_text("0 of 1 taken in, 1 to be decided")
    expect(library.get_by_role("button", name=re.compile("Replace all|Keep all|Try"))).to_have_count(0)
    assert texts(server, library)["report.txt"] == FISH.decode()
    library.get_by_role("button", name="Replace report.txt").press("Enter")
    expect(state(library, "report.txt")).to_contain_text("replaced · text · 16 characters")
    assert texts(server, library) == {"report.txt": CHIPS.decode(), "notes.txt": "Owls eat mice."}


def test_both_files_are_kept_under_names_that_tell_them_apart(server: Server, library: Page) -> None:
    add(library, {"report.txt": CHIPS})
    library.get_by_role("button", name="Keep both: report.txt").press("Enter")
    expect(state(library, "report.txt")).to_contain_text("added as report (2).txt · text")
    assert texts(server, library)["report.txt"] == FISH.decode()
    assert texts(server, library)["report (2).txt"] == CHIPS.decode()
    expect(library.locator("#documents .name")).to_have_text(["notes", "report", "report"])
    expect(library.locator("#documents .sources")).to_have_text(["notes.txt", "report (2).txt", "report.txt"])
    library.locator("#documents .name").nth(1).click()
    expect(library.locator("#document-title")).to_have_text("report")
    expect(library.locator("#document-source")).to_have_text("report (2).txt")


@pytest.mark.parametrize(("decision", "count"), [("Replace all", 2), ("Keep all", 4)])
def test_of_several_all_are_decided_at_once(server: Server, library: Page, decision: str, count: int) -> None:
    add(library, {"report.txt": CHIPS, "notes.txt": b"Owls sleep.", "new.txt": b"\xff\xff\xff"})
    expect(library.locator(".sum")).to_contain_text("0 of 3 taken in, 1 failed, 2 to be decided")
    expect(library.get_by_role("button", name="Try the failed ones again")).to_have_count(0)
    for scheme in ("light", "dark"):
        library.emulate_media(color_scheme=scheme)
        accessible(library)
        shoot(library, f"uploads-taken-{scheme}")
    sent: list[str] = []
    library.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    library.get_by_role("button", name=decision).press("Enter")
    expect(upload(library, "report.txt")).to_be_focused()
    expect(library.locator(".sum")).to_contain_text("2 of 3 taken in, 1 failed")
    assert len(sent) == 1
    stored = texts(server, library)
    assert len(stored) == count
    assert {CHIPS.decode(), "Owls sleep."} <= set(stored.values())


def test_the_same_file_once_more_asks_nothing(library: Page) -> None:
    add(library, {"report.txt": FISH})
    expect(state(library, "report.txt")).to_contain_text("already there")


def test_two_files_of_one_name_chosen_one_after_the_other_are_not_lost(server: Server, library: Page) -> None:
    add(library, {"minutes.txt": FISH + b" So it was said."})
    add(library, {"minutes.txt": CHIPS + b" So it was said."})
    expect(library.locator(".upload .state").first).to_have_text(TAKEN)
    assert texts(server, library)["minutes.txt"].startswith(FISH.decode())


def test_a_long_name_is_shown_without_its_middle_and_told_whole(server: Server, library: Page) -> None:
    name = "Minutes of the harbour board " + "and of its many committees " * 7 + "2024"
    assert len(name) > 200
    add(library, {f"{name}.txt": CHIPS})
    expect(library.locator(".upload.done")).to_have_count(1)
    shown = re.compile(r"^Minutes of the harbour board .{25,70}….{20,40} 2024$")
    title = library.locator("#documents .name").first
    expect(title).to_have_text(shown)
    expect(title).to_have_attribute("title", name)
    expect(library.locator(".upload .name")).to_have_attribute("title", f"{name}.txt")
    assert documents(server)[0]["title"] == name
    title.click()
    expect(library.locator("#document-title")).to_have_text(shown)
    expect(library.locator("#document-title")).to_have_attribute("title", name)
    shoot(library, "long-name")
