"""What may go wrong around the page: it says what happened and what can be done, and nothing typed is lost."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browsing import QUESTION, TELLING, ask, shoot
from tests.conftest import Server
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.server]
Start = Callable[..., Server]
NO_MODEL = "/no/such/model"


@pytest.fixture
def server(start: Start) -> Server:
    return start(QA_MODEL=NO_MODEL)


@contextmanager
def standing_still(server: Server) -> Iterator[None]:
    """The service takes connections and does not answer, as one that is overloaded or suspended."""
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def type_and_enter(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def test_why_keywords_alone_are_searched_is_said(server: Server, page: Page) -> None:
    page.goto(server.url)
    expect(page.locator("#notice")).to_contain_text("Keyword search only")
    expect(page.locator("#notice")).to_contain_text(NO_MODEL)
    turn = ask(page, QUESTION)
    expect(turn.locator(".verdict")).to_contain_text("keyword search only")
    expect(turn.locator(".verdict")).to_contain_text(NO_MODEL)
    expect(turn.locator(".best mark")).to_have_text(TELLING)
    shoot(page, "keywords")
    page.reload()
    expect(page.locator(".verdict")).to_contain_text(NO_MODEL)  # also when it is shown again


def test_a_service_that_went_away_is_said_and_when_it_is_back_the_question_is_asked_again(
    start: Start, server: Server, page: Page
) -> None:
    page.goto(server.url)
    server.process.terminate()
    server.process.wait()
    turn = ask(page, QUESTION)
    expect(turn.locator(".verdict")).to_contain_text("The service does not answer")
    expect(turn.get_by_role("button", name="Ask again")).to_be_visible()
    expect(page.locator("#notice")).to_contain_text("make serve")
    field = page.get_by_label("Your question")
    expect(field).to_have_value(QUESTION)
    shoot(page, "gone")
    start(QA_MODEL=NO_MODEL, QA_PORT=server.url.rpartition(":")[2])
    expect(turn.locator(".best mark")).to_have_text(TELLING)
    expect(page.locator("#notice")).to_contain_text("Keyword search only")
    expect(page.locator(".turn")).to_have_count(1)
    expect(field).to_have_value("")  # it was answered


@pytest.mark.parametrize("by_hand", [False, True])
def test_an_unanswered_question_waits_for_the_model_unless_it_is_asked_by_hand(
    server: Server, page: Page, by_hand: bool
) -> None:
    health = server.get("/health")[1]
    loading = health | {"model": health["model"] | {"state": "loading"}}
    page.goto(server.url)
    page.route(re.compile("/(ask|health)$"), lambda route: route.abort())
    turn = ask(page, QUESTION)
    expect(turn.locator(".verdict")).to_contain_text("The service does not answer")
    page.route("**/health", lambda route: route.fulfill(json=loading))
    page.route("**/ask", lambda route: route.continue_())
    expect(turn.locator(".verdict")).to_contain_text("asked again as soon as that is ready")
    shoot(page, "waiting")
    page.wait_for_timeout(1500)  # it is looked at once more
    expect(turn.locator(".best")).to_have_count(0)
    if by_hand:
        turn.get_by_role("button", name="Ask again").click()
    else:
        page.unroute_all()
    expect(turn.locator(".best mark")).to_have_text(TELLING)
    expect(page.locator(".turn")).to_have_count(1)


def test_a_slow_service_is_said_and_can_be_waited_for_or_stopped(server: Server, page: Page) -> None:
    page.goto(server.url)
    with standing_still(server):
        type_and_enter(page, QUESTION)
        expect(page.locator(".verdict")).to_contain_text("Still searching")
        shoot(page, "slow")
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".verdict")).to_have_text("Stopped.")
        page.get_by_role("button", name="Ask again").click()
        expect(page.locator(".verdict")).to_contain_text("Still searching")
    expect(page.locator(".best mark")).to_have_text(TELLING)


def test_a_service_that_is_restarted_in_mid_question(start: Start, server: Server, page: Page) -> None:
    page.goto(server.url)
    os.kill(server.process.pid, signal.SIGSTOP)
    type_and_enter(page, QUESTION)
    expect(page.locator(".verdict")).to_contain_text("Searching")
    server.process.kill()
    server.process.wait()
    expect(page.locator(".verdict")).to_contain_text("The service does not answer")
    start(QA_MODEL=NO_MODEL, QA_PORT=server.url.rpartition(":")[2])
    expect(page.locator(".best mark")).to_have_text(TELLING)


@pytest.mark.parametrize(
    ("body", "kind"), [("<html>", "text/html"), ('{"passages": [{}]}', "application/json"), ("[]", "application/json")]
)
def test_a_reply_that_is_not_understood_is_said(server: Server, page: Page, body: str, kind: str) -> None:
    page.goto(server.url)
    page.route("**/ask", lambda route: route.fulfill(body=body, content_type=kind))
    turn = ask(page, QUESTION)
    expect(turn.locator(".verdict")).to_contain_text(
        "not one that this page understands. It may be of another version: reload"
    )
    expect(page.get_by_label("Your question")).to_have_value(QUESTION)


def test_a_service_of_another_version_asks_for_a_reload(server: Server, page: Page) -> None:
    page.goto(server.url)
    expect(page.locator("#notice")).to_contain_text("Keyword search only")

    def newer(route: Route) -> None:
        route.fulfill(json=server.get("/health")[1] | {"version": "9.9.9"})

    page.route("**/health", newer)
    ask(page, QUESTION)
    expect(page.locator("#notice")).to_contain_text("another version now (9.9.9)")
    page.unroute("**/health")
    page.get_by_role("button", name="Reload the page").click()
    expect(page.locator(".best mark")).to_have_text(TELLING)
    expect(page.locator("#notice")).to_contain_text("Keyword search only")


def test_a_full_storage_is_said_and_the_chat_goes_on(server: Server, page: Page, context: BrowserContext) -> None:
    page.goto(server.url)
    context.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", {"origin": server.url, "quotaSize": 1})
    ask(page, QUESTION)
    expect(page.locator("#unkept")).to_contain_text("its storage is full")
    ask(page, "Who is Friedrich Merz?")
    page.get_by_role("button", name="New chat").click()
    ask(page, "What might the occupied areas become?")
    page.locator("#conversations .name").last.click()
    expect(page.locator(".question")).to_have_text([QUESTION, "Who is Friedrich Merz?"])


def test_a_forbidden_storage_is_said_and_the_chat_goes_on(server: Server, page: Page) -> None:
    page.add_init_script(
        """for (const name of ["indexedDB", "localStorage", "sessionStorage"]) {
            Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
        }"""
    )
    page.goto(server.url)
    expect(page.locator("#unkept")).to_contain_text("does not keep your chats: it says denied")
    ask(page, QUESTION)
    ask(page, "Who is Friedrich Merz?")
    expect(page.locator("#conversations .name")).to_have_text([QUESTION])
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Passages to an answer").fill("1")
    page.keyboard.press("Escape")
    expect(ask(page, QUESTION).locator(".passage")).to_have_count(1)


def test_two_tabs_with_one_chat_stay_together(server: Server, page: Page, context: BrowserContext) -> None:
    page.goto(server.url)
    ask(page, QUESTION)
    other = context.new_page()
    other.goto(server.url)
    other.locator("#conversations .name").click()
    expect(other.locator(".best mark")).to_have_text(TELLING)
    ask(other, "Who is Friedrich Merz?")
    expect(page.locator(".question")).to_have_text([QUESTION, "Who is Friedrich Merz?"])
    ask(page, "What might the occupied areas become?")
    expect(other.locator(".question")).to_have_count(3)
    other.locator("#conversations summary").click()
    other.get_by_role("button", name="Delete").click()
    expect(page.locator("#conversations .name")).to_have_count(0)
    expect(page.locator("#toast")).to_contain_text("deleted in another tab")
    expect(page.locator(".question")).to_have_count(3)
    ask(page, QUESTION)  # what is on the page stays usable, and is kept again as a whole
    other.locator("#conversations .name").click()
    expect(other.locator(".question")).to_have_count(4)


def test_back_and_forward_go_through_what_was_open(server: Server, page: Page) -> None:
    page.goto(server.url)
    ask(page, QUESTION).locator(".best .citation").click()
    expect(page.locator("#text .current mark")).to_be_visible()
    page.get_by_role("button", name="Library").click()
    expect(page.locator("#library")).to_be_visible()
    page.go_back()
    expect(page.locator("#text .current mark")).to_be_visible()
    page.go_back()
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator(".turn")).to_have_count(1)
    page.go_forward()
    expect(page.locator("#text .current mark")).to_be_visible()
    page.reload()
    expect(page.locator("#text .current mark")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(1)


def test_a_double_click_asks_once(server: Server, page: Page) -> None:
    page.goto(server.url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/ask") else None)
    page.get_by_label("Your question").fill(QUESTION)
    page.get_by_role("button", name="Ask", exact=True).dblclick()
    expect(page.locator(".best mark")).to_have_text(TELLING)
    assert len(asked) == 1
    expect(page.locator(".turn")).to_have_count(1)


def test_a_pasted_megabyte_is_offered_to_the_library(server: Server, page: Page) -> None:
    page.goto(server.url)
    page.get_by_label("Your question").fill("mine")
    page.evaluate("navigator.clipboard.writeText('Pelicans eat fish. '.repeat(55_000))")
    page.keyboard.press("ControlOrMeta+v")
    expect(page.locator("#too-long")).to_contain_text("What you pasted has 1,045,000 characters")
    expect(page.get_by_label("Your question")).to_have_value("mine")
    page.get_by_role("button", name="Add it to the library").click()
    until(lambda: bool(server.get("/health")[1]["documents"] == 2))
    expect(page.locator(".upload.done")).to_be_visible()
    expect(page.locator("#too-long")).to_be_hidden()


def test_a_question_that_is_too_long_is_not_sent_and_not_cut(server: Server, page: Page) -> None:
    page.goto(server.url)
    question = "🦊" * 2_001
    type_and_enter(page, question)
    expect(page.locator("#too-long")).to_contain_text("at most 2,000")
    expect(page.locator(".turn")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Your question")).to_have_value(question)  # what is typed outlives the page
    expect(ask(page, "🦊" * 2_000).locator(".verdict")).to_contain_text("Not in these documents")


def test_another_chat_is_opened_while_a_question_is_on_its_way(server: Server, page: Page) -> None:
    page.goto(server.url)
    with standing_still(server):
        type_and_enter(page, QUESTION)
        expect(page.locator(".turn")).to_have_count(1)
        page.get_by_role("button", name="New chat").click()
        expect(page.locator(".turn")).to_have_count(0)
    expect(page.get_by_label("Your question")).to_have_value(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator(".best mark")).to_have_text(TELLING)


def test_a_turn_without_an_answer_is_kept_and_can_be_asked_again(server: Server, page: Page) -> None:
    page.goto(server.url)
    ask(page, QUESTION)
    page.route("**/ask", lambda route: route.abort())
    merz = "Who is Friedrich Merz?"
    ask(page, merz)
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".turn")).to_have_count(0)
    page.locator("#conversations .name").click()
    turn = page.locator(".turn").last
    expect(turn.locator(".question")).to_have_text(merz)
    expect(turn.locator(".verdict")).to_have_text("Not answered.")
    page.locator("#conversations summary").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as Markdown").click()
    saved = download.value.path().read_text(encoding="utf-8")
    assert QUESTION in saved
    assert merz not in saved
    page.reload()
    page.unroute("**/ask")
    turn.get_by_role("button", name="Ask again").click()
    expect(turn.locator(".best mark")).to_be_visible()
    page.reload()
    expect(turn.locator(".best mark")).to_be_visible()


def test_a_chat_that_is_deleted_while_it_is_asked_stays_deleted(server: Server, page: Page) -> None:
    page.goto(server.url)
    ask(page, QUESTION)
    with standing_still(server):
        type_and_enter(page, "Who is Friedrich Merz?")
        expect(page.locator(".turn")).to_have_count(2)
        page.locator("#conversations summary").click()
        page.get_by_role("button", name="Delete").click()
        expect(page.locator("#conversations .name")).to_have_count(0)
    page.reload()
    expect(page.locator("#samples button").first).to_be_visible()
    expect(page.locator("#conversations .name")).to_have_count(0)


def test_a_shared_question_that_is_too_long_comes_into_the_field_and_what_is_wrong_is_said(
    server: Server, page: Page
) -> None:
    question, line, field = "who " * 501, page.locator("#too-long"), page.get_by_label("Your question")
    address = f"{server.url}/?q={question.replace(' ', '+')}"
    page.goto(address)
    expect(line).to_contain_text("A question has at most 2,000: shorten it")
    expect(field).to_have_value(question.strip())
    expect(page.locator(".turn")).to_have_count(0)
    field.fill("A draft")
    page.goto("about:blank")
    page.goto(address)
    expect(line).to_contain_text("The question of this address has 2,003 characters")
    expect(field).to_have_value("A draft")
    line.get_by_role("button", name="Put it into the field").click()
    expect(field).to_have_value(question.strip())


def test_a_document_that_was_ticked_and_is_gone_by_now(server: Server, page: Page) -> None:
    server.get("/documents?wait=true", {"documents": [{"id": "birds", "title": "Birds", "text": "Pelicans eat fish."}]})
    page.goto(f"{server.url}/library")
    page.locator("#documents li").filter(has_text="Birds").get_by_role("checkbox").check()
    with page.expect_request("**/ask") as asked:
        expect(ask(page, "What do pelicans eat?").locator("mark")).to_have_text("Pelicans eat fish.")
    assert json.loads(asked.value.post_data or "")["document_ids"] == ["birds"]
    server.get("/documents/birds", method="DELETE")
    turn = ask(page, QUESTION)
    expect(turn.locator(".verdict")).to_contain_text("There is no document 'birds'")
    turn.get_by_role("button", name="Ask all documents").click()
    expect(turn.locator(".best mark")).to_have_text(TELLING)
    expect(page.locator("#scope")).to_be_hidden()


def test_another_tab_does_not_disturb_a_question_on_its_way(
    server: Server, page: Page, context: BrowserContext
) -> None:
    page.goto(server.url)
    ask(page, QUESTION)
    other = context.new_page()
    other.goto(server.url)
    other.locator("#conversations .name").click()
    expect(other.locator(".best mark")).to_have_text(TELLING)
    page.route("**/ask", lambda route: route.fallback() if released else held.append(route))
    held: list[Route] = []
    released: list[bool] = []
    type_and_enter(page, "Who is Friedrich Merz?")
    until(lambda: page.evaluate("document.querySelectorAll('.turn').length") == 2 and bool(held))
    ask(other, "What might the occupied areas become?")
    expect(page.locator(".question")).to_have_count(3)
    held[0].continue_()
    expect(page.locator(".turn").filter(has_text="Who is Friedrich Merz?").locator(".best")).to_be_visible()
    expect(other.locator(".question")).to_have_count(3)


def test_a_document_that_was_replaced_since_it_was_cited_is_said_and_not_judged(server: Server, page: Page) -> None:
    text = "Pelicans eat fish. They live by the sea."
    given = {"id": "birds", "title": "Birds", "text": text}
    server.get("/documents?wait=true", {"documents": [given]})
    page.goto(server.url)
    turn = ask(page, "What do pelicans eat?")
    expect(turn.locator(".best mark")).to_have_text("Pelicans eat fish.")
    server.get("/documents?wait=true", {"documents": [given | {"text": "Minutes. Attendance was poor. " * 3}]})
    turn.locator(".best .citation").click()
    expect(page.locator("#document-problem")).to_contain_text("has changed since it was cited")
    turn.get_by_role("button", name="Passage 1 answers the question").click()
    expect(page.locator("#toast")).to_contain_text("changed since")
    assert server.get("/feedback")[1]["total"] == 0
    server.get("/documents/birds", method="DELETE")


def test_a_second_question_while_the_first_is_searched_is_said_and_kept(server: Server, page: Page) -> None:
    page.goto(server.url)
    with standing_still(server):
        type_and_enter(page, QUESTION)
        type_and_enter(page, "Who is Friedrich Merz?")
        expect(page.locator("#toast")).to_contain_text("still being searched")
    expect(page.locator(".best mark")).to_have_text(TELLING)
    expect(page.get_by_label("Your question")).to_have_value("Who is Friedrich Merz?")


def test_a_shared_question_neither_overwrites_a_draft_nor_is_lost_by_a_reload(server: Server, page: Page) -> None:
    page.goto(server.url)
    page.get_by_label("Your question").fill("A draft")
    page.goto(f"{server.url}/?q=Who+would+monitor+the+ceasefire%3F")
    expect(page.locator(".best mark")).to_have_text(TELLING)
    expect(page.get_by_label("Your question")).to_have_value("A draft")
    page.route("**/ask", lambda _: None)
    page.goto(f"{server.url}/?q=Who+is+Friedrich+Merz%3F")
    expect(page.locator(".verdict")).to_contain_text("Searching")
    page.unroute("**/ask")
    page.reload()
    expect(page.locator(".best mark").last).to_contain_text("German Chancellor Friedrich Merz")
