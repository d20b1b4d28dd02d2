"""A service that was away and is back, in a real browser: what it did not do is done without being asked for again."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browsing import QUESTION, TELLING, ask
from tests.conftest import Server
from tests.test_web_uploads import NO_MODEL, add, documents

pytestmark = [pytest.mark.browser, pytest.mark.server]
EVERYTHING = re.compile("/(health|documents|labels|jobs)")


@pytest.fixture
def server(start: Callable[..., Server]) -> Server:
    return start(QA_MODEL=NO_MODEL)


def away(page: Page) -> None:
    """The page finds no service from now on."""
    page.route(EVERYTHING, lambda route: route.abort())


def back(page: Page) -> None:
    page.unroute(EVERYTHING)


def gone_said(page: Page) -> None:
    expect(page.locator("#notice")).to_contain_text("The service does not answer.")


def test_the_library_is_looked_at_again(server: Server, page: Page) -> None:
    page.goto(server.url)
    away(page)
    page.get_by_role("button", name="Library").click()
    expect(page.locator("#library-problem")).to_contain_text("The service does not answer.")
    gone_said(page)
    back(page)
    expect(page.locator("#documents li")).to_have_count(1)
    expect(page.locator("#library-problem")).to_be_hidden()


def test_a_document_that_could_not_be_opened_opens(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/library")
    name = page.locator("#documents .name")
    title = name.text_content() or ""
    away(page)
    name.click()
    expect(page.locator("#document-title")).to_have_text("This document cannot be shown")
    gone_said(page)
    back(page)
    expect(page.locator("#document-title")).to_have_text(title)
    expect(page.locator("#text")).to_contain_text("ceasefire")
    expect(page.locator("#document-problem")).to_be_hidden()


def test_a_search_in_a_document_goes_on_and_what_is_read_stays(server: Server, page: Page) -> None:
    page.goto(f"{server.url}{documents(server)[0]['url']}")
    expect(page.locator("#text")).to_contain_text("ceasefire")
    node = page.locator("#text > div").first.element_handle()
    away(page)
    page.get_by_label("Find in this document").fill("ceasefire")
    expect(page.locator("#document-problem")).to_contain_text("The service does not answer.")
    gone_said(page)
    back(page)
    expect(page.locator("#stand")).to_have_text(re.compile(r"^Hit 1 of \d+$"))
    expect(page.locator("#document-problem")).to_be_hidden()
    assert node.evaluate("node => node.isConnected")


def test_files_that_found_no_service_are_sent_again_in_their_order_and_once(server: Server, page: Page) -> None:
    sent: list[bytes] = []

    def note(route: Route) -> None:
        if route.request.method == "POST":
            sent.extend(re.findall(rb'filename="(\w+)', route.request.post_data_buffer or b""))
        route.continue_()

    page.goto(f"{server.url}/library")
    expect(page.locator("#documents li")).to_have_count(1)
    away(page)
    for name in "abc":
        add(page, {f"{name}.txt": f"The bird {name} eats fish.".encode()})
        expect(page.locator(".upload.failed")).to_have_count(ord(name) - ord("a") + 1)
    add(page, {"unread.txt": b"\xff\xff\xff"})
    expect(page.locator(".upload.failed")).to_have_count(4)
    gone_said(page)
    page.get_by_label("Search the library").focus()
    page.route("**/documents", note)
    back(page)
    expect(page.locator(".sum")).to_contain_text("3 of 4 taken in, 1 failed")
    expect(page.get_by_label("Search the library")).to_be_focused()
    assert sent == [b"a", b"b", b"c", b"unread"]
    added = sorted((one for one in documents(server) if one["source"][1:] == ".txt"), key=lambda one: one["added_at"])
    assert [one["source"] for one in added] == ["a.txt", "b.txt", "c.txt"]


def test_a_gateway_that_finds_no_service_is_taken_for_an_absent_one(server: Server, page: Page) -> None:
    page.goto(server.url)
    asking = re.compile("/(ask|health)")
    page.route(asking, lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad Gateway</h1>"))
    turn = ask(page, QUESTION)
    gone_said(page)
    page.unroute(asking)
    expect(turn.locator(".best mark")).to_have_text(TELLING)


def test_a_question_that_the_service_fails_of_is_not_asked_again_for_ever(server: Server, page: Page) -> None:
    asked: list[str] = []

    def fail(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page.goto(server.url)
    page.route("**/ask", fail)
    turn = ask(page, QUESTION)
    for _ in range(5):
        page.route("**/health", lambda route: route.abort())
        page.evaluate("dispatchEvent(new Event('online'))")
        gone_said(page)
        page.unroute("**/health")
        expect(page.locator("#notice")).not_to_contain_text("The service does not answer.")
        expect(turn.get_by_role("button", name="Ask again")).to_be_visible()
    assert len(asked) == 4
