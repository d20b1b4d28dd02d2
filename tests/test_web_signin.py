"""Signing in with a token in a real browser, and being signed out while the page is open."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from qa.access import Access
from tests.browsing import QUESTION, TELLING, accessible, ask, shoot
from tests.conftest import Server
from tests.test_web_uploads import NO_MODEL, add

pytestmark = [pytest.mark.browser, pytest.mark.server]
SIGN_IN = re.compile(r"/sign-in")


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(tmp_path / "served")


@pytest.fixture
def token(access: Access) -> str:
    return access.create("press", "manage")[1]


@pytest.fixture
def server(token: str, start: Callable[..., Server]) -> Server:
    return start(QA_MODEL=NO_MODEL)


def sign_in(page: Page, token: str) -> None:
    page.get_by_label("Your token").fill(token)
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()


def test_a_person_signs_in_asks_and_signs_out(server: Server, page: Page, token: str) -> None:
    page.goto(server.url)
    expect(page).to_have_url(SIGN_IN)
    expect(page.get_by_label("Your token")).to_be_focused()
    accessible(page)
    shoot(page, "sign-in")
    sign_in(page, "qa_00000000_wrong")
    expect(page.get_by_role("alert")).to_have_text("This token does not hold, or not any more.")
    accessible(page)
    sign_in(page, token)
    expect(page.get_by_label("Your question")).to_be_visible()
    expect(ask(page, QUESTION)).to_contain_text(TELLING)
    out = page.get_by_role("button", name="Sign out")
    expect(out).to_have_attribute("title", "Signed in as press, to manage")
    out.click()
    expect(page).to_have_url(SIGN_IN)
    page.goto(f"{server.url}/library")
    expect(page).to_have_url(SIGN_IN)


def test_a_citation_that_was_passed_on_opens_at_its_place_after_signing_in(
    server: Server, page: Page, token: str, access: Access
) -> None:
    document = "/documents/9a9557710f539362#char=1148,1316"
    page.goto(server.url + document)
    expect(page).to_have_url(SIGN_IN)
    sign_in(page, token)
    expect(page).to_have_url(server.url + document)
    expect(page.locator("#text mark").first).to_contain_text("Instead, the US would take a central role")


def test_a_link_from_elsewhere_needs_no_second_sign_in(server: Server, page: Page, token: str) -> None:
    page.goto(server.url)
    sign_in(page, token)
    expect(page.get_by_label("Your question")).to_be_visible()
    page.goto("data:text/html,<a href='" + server.url + "/library'>library</a>")  # the cookie stays behind
    page.get_by_role("link").click()
    expect(page).to_have_url(f"{server.url}/library")
    expect(page.locator("#documents li")).to_have_count(1)


def test_what_was_asked_while_signed_out_is_asked_once_signed_in(
    server: Server, page: Page, token: str, access: Access
) -> None:
    page.goto(server.url)
    sign_in(page, token)
    expect(page.get_by_label("Your question")).to_be_visible()
    access.revoke("press")
    page.wait_for_timeout(1_100)  # for so long it counts
    page.get_by_label("Your question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("You are signed out.")
    _, again = access.create("press again", "manage")
    with page.context.expect_page() as opened:
        page.locator("#notice").get_by_role("link", name="Sign in").click()
    sign_in(opened.value, again)
    expect(opened.value.get_by_label("Your question")).to_be_visible()
    expect(page.locator(".turn")).to_contain_text(TELLING)
    expect(page.locator("#notice")).not_to_contain_text("signed out")


def test_files_that_were_sent_while_signed_out_are_sent_once_signed_in(
    server: Server, page: Page, token: str, access: Access
) -> None:
    page.goto(server.url)
    sign_in(page, token)
    expect(page.get_by_label("Your question")).to_be_visible()
    page.goto(f"{server.url}/library")
    access.revoke("press")
    page.wait_for_timeout(1_100)
    add(page, {"gulls.txt": b"Gulls eat chips."})
    expect(page.locator("#notice")).to_contain_text("You are signed out.")
    _, again = access.create("press again", "manage")
    with page.context.expect_page() as opened:
        page.locator("#notice").get_by_role("link", name="Sign in").click()
    sign_in(opened.value, again)
    expect(page.locator("#documents li")).to_have_count(2)


def test_who_may_only_ask_is_told_why_nothing_is_added(server: Server, page: Page, access: Access) -> None:
    _, reader = access.create("reader", "ask")
    page.goto(server.url)
    sign_in(page, reader)
    expect(ask(page, QUESTION)).to_contain_text(TELLING)
    page.goto(f"{server.url}/library")
    add(page, {"gulls.txt": b"Gulls eat chips."})
    expect(page.locator("#uploads")).to_contain_text("The token reader may ask and read, not do this")
