"""Everybody can use the page: no violation that axe-core finds in any state, in both colours, from phone to wall."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browsing import QUESTION, accessible, ask, shoot
from tests.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.model]
WINDOWS = [(320, 568), (768, 1024), (1366, 768), (2560, 1300)]
ARABIC = "يأكل البجع السمك. يعيش قرب البحر ويطير بعيدا.\n" * 3
JAPANESE = "ペリカンは魚を食べる。海の近くに住み、遠くまで飛ぶ。\n" * 3
State = Callable[[Page, Server], None]


def welcome(page: Page, service: Server) -> None:
    expect(page.locator("#samples button")).to_have_count(4)


def answered(page: Page, service: Server) -> None:
    ask(page, QUESTION)
    page.locator(".passage summary").first.click()


def leaning(page: Page, service: Server) -> None:
    ask(page, QUESTION)
    ask(page, "And Germany?")


def unanswered(page: Page, service: Server) -> None:
    ask(page, "How do I reset my router password?").locator(".nearest > summary").click()


def source(page: Page, service: Server) -> None:
    ask(page, QUESTION).locator(".best .citation").click()
    expect(page.locator("#text .current mark")).to_be_in_viewport()


def finding(page: Page, service: Server) -> None:
    source(page, service)
    page.get_by_label("Find in this document").fill("the")
    expect(page.locator("#stand")).to_contain_text("Hit ")


def missing(page: Page, service: Server) -> None:
    page.goto(f"{service.url}/documents/none#char=0,5")
    expect(page.locator("#document-problem")).to_be_visible()


def shelf(page: Page, service: Server) -> None:
    page.goto(f"{service.url}/library")
    page.locator("#documents").get_by_role("checkbox").first.check()
    files: list[FilePayload] = [
        {"name": "a.txt", "mimeType": "text/plain", "buffer": b"Gulls."},
        {"name": "b.txt", "mimeType": "text/plain", "buffer": b"\xff\xff"},
    ]
    page.get_by_label("Add files…").set_input_files(files)
    expect(page.locator(".upload.failed")).to_be_visible()
    expect(page.locator(".upload.done")).to_be_visible()


def dialog(name: str) -> State:
    def open_it(page: Page, service: Server) -> None:
        if not page.get_by_role("button", name=name, exact=True).is_visible():
            page.get_by_role("button", name="Chats").click()
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("dialog")).to_be_visible()

    return open_it


def menu(page: Page, service: Server) -> None:
    ask(page, QUESTION)
    if not page.locator("#conversations").is_visible():
        page.get_by_role("button", name="Chats").click()
    page.locator("#conversations summary").first.click()


def gone(page: Page, service: Server) -> None:
    page.route("**/ask", lambda route: route.abort())
    page.route("**/health", lambda route: route.abort())
    ask(page, QUESTION)
    expect(page.locator("#notice")).to_contain_text("does not answer")


STATES: dict[str, State] = {
    "welcome": welcome,
    "answered": answered,
    "leaning": leaning,
    "unanswered": unanswered,
    "source": source,
    "finding": finding,
    "missing": missing,
    "shelf": shelf,
    "settings": dialog("Settings"),
    "help": dialog("Help"),
    "menu": menu,
    "gone": gone,
}


@pytest.mark.parametrize("state", STATES)
def test_nothing_keeps_anybody_out(service: Server, page: Page, state: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    for width, height in WINDOWS:
        page.set_viewport_size({"width": width, "height": height})
        page.unroute_all()
        page.goto("about:blank")  # else the chat of the last window is shown again
        page.goto(service.url)
        STATES[state](page, service)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            accessible(page)
            shoot(page, f"{state}-{width}-{scheme}")


def test_at_twice_the_size_everything_can_be_reached(service: Server, browser: Browser) -> None:
    """A window of 640 by 400 at 200 % has room for 320 by 200."""
    context = browser.new_context(viewport={"width": 320, "height": 256}, device_scale_factor=2)
    page = context.new_page()
    page.goto(service.url)
    turn = ask(page, QUESTION)
    turn.locator(".best mark").scroll_into_view_if_needed()
    expect(turn.locator(".best mark")).to_be_in_viewport()
    accessible(page)
    shoot(page, "zoomed")
    turn.locator(".best .citation").click()
    expect(page.locator("#text .current mark")).to_be_in_viewport()
    accessible(page)
    shoot(page, "zoomed-source")
    page.get_by_role("button", name="Close the document").click()
    expect(turn.locator(".best .citation")).to_be_focused()
    context.close()


def test_a_notice_stays_in_sight_and_covers_nothing_that_has_the_focus(service: Server, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.set_viewport_size({"width": 1100, "height": 600})
    page.goto(service.url)
    for question in (QUESTION, "And Germany?", "How large an army could Ukraine keep?"):
        ask(page, question).get_by_role("button", name="Show all in full").click()
    page.route(re.compile("/(ask|health)$"), lambda route: route.abort())
    notice = page.locator("#notice")
    for width in (1100, 320):
        page.set_viewport_size({"width": width, "height": 600})
        ask(page, f"Is it {width} wide?")
        expect(notice).to_be_in_viewport(ratio=1)
        page.locator(".citation").last.focus()
        for _ in range(8):  # upwards, from one thing to the next
            page.keyboard.press("Shift+Tab")
            seen = "() => { const at = document.activeElement.getBoundingClientRect(); return [at.top, at.bottom]; }"
            top, bottom = page.evaluate(seen)
            bar, form = page.locator(".bar").bounding_box(), page.locator("#ask").bounding_box()
            assert bar
            assert form
            assert bar["y"] + bar["height"] <= top < bottom <= form["y"]
        expect(notice).to_be_in_viewport(ratio=1)
        shoot(page, f"notice-{width}")


SMALL = """() => [":is(#chat, #rail, dialog) :is(button, a, summary, input, select, textarea)"]
    .flatMap(all => [...document.querySelectorAll(all)])
    .filter(one => one.checkVisibility() && one.getBoundingClientRect().width > 1)
    .map(one => one.matches("[type=checkbox]") ? one.closest("label") : one)
    .filter(one => one.getBoundingClientRect().height < 40)
    .map(one => one.outerHTML)"""


@pytest.mark.parametrize("state", ["welcome", "answered", "leaning", "unanswered", "settings", "help", "menu", "gone"])
def test_what_is_touched_is_large_enough_for_a_finger(service: Server, browser: Browser, state: str) -> None:
    touch = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    page = touch.new_page()
    page.goto(service.url)
    STATES[state](page, service)
    assert page.evaluate(SMALL) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(page, f"touch-{state}")
    touch.close()


def test_escape_in_the_empty_field_goes_to_the_newest_answer_and_leaves_text_alone(service: Server, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(service.url)
    ask(page, QUESTION)
    newest, field = ask(page, "And Germany?").locator(".question"), page.get_by_label("Your question")
    for text in ("Half a ", ""):
        page.locator("#chat").evaluate("node => node.scrollTo(0, 0)")
        expect(newest).not_to_be_in_viewport()
        field.fill(text)
        field.press("Escape")
        expect(field).to_have_value(text)
        if text:
            expect(newest).not_to_be_in_viewport()
    expect(newest).to_be_in_viewport()
    expect(field).to_be_focused()
    page.get_by_role("button", name="Help", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("in the empty field, to the newest answer")


def test_motion_is_only_for_those_who_want_it(service: Server, page: Page) -> None:
    page.goto(service.url)
    animation = "getComputedStyle(document.querySelector('.turn:last-child .passages')).animationName"
    page.emulate_media(reduced_motion="reduce")
    ask(page, QUESTION)
    assert page.evaluate(animation) == "none"
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(animation) == "come"


@pytest.mark.parametrize(
    ("name", "text", "question", "direction"),
    [("arabic", ARABIC, "ماذا يأكل البجع؟", "rtl"), ("japanese", JAPANESE, "ペリカンは何を食べる？", "ltr")],
)
def test_every_script_is_laid_out_its_own_way(
    service: Server, page: Page, name: str, text: str, question: str, direction: str
) -> None:
    service.get("/documents?wait=true", {"documents": [{"id": name, "title": text.split("\n")[0][:12], "text": text}]})
    page.goto(service.url)
    turn = ask(page, question)
    quoted = turn.locator("blockquote").filter(has_text=text[:8]).first
    if not quoted.is_visible():
        turn.locator("summary").first.click()
    how = "node => getComputedStyle(node).direction"
    assert turn.locator(".question").evaluate(how) == direction
    assert quoted.evaluate(how) == direction
    turn.locator(".passage").filter(has_text=text[:8]).locator(".citation").first.click()
    expect(page.locator("#text .current mark")).to_be_in_viewport()
    assert page.locator("#document-title").evaluate(how) == direction
    accessible(page)
    shoot(page, name)
    service.get(f"/documents/{name}", method="DELETE")


def test_every_control_has_a_name(service: Server, page: Page) -> None:
    page.goto(service.url)
    ask(page, QUESTION)
    unnamed = """() => [...document.querySelectorAll("button, a[href], input, select, textarea, summary")]
        .filter(one => one.checkVisibility())
        .filter(one => !(one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.length))
        .map(one => one.outerHTML)"""
    assert page.evaluate(unnamed) == []


SAID = """() => {
    globalThis.said = [];
    const live = document.querySelector("#live");
    new MutationObserver(() => live.textContent && said.push(live.textContent)).observe(live, { childList: true });
    const hear = ({ whenBack }) => [1, 2].forEach((n) => whenBack(() => said.push(`back ${n}`)));
    return import("/web/status.js").then(hear);
}"""


def test_that_the_service_goes_and_comes_is_noticed_without_asking_said_once_and_passed_on(
    start: Callable[..., Server], page: Page
) -> None:
    server = start(QA_MODEL="/no/such/model")
    page.clock.install()
    page.goto(server.url)
    notice = page.locator("#notice")
    expect(notice).to_contain_text("Keyword search only")
    page.evaluate(SAID)
    server.process.terminate()
    server.process.wait()
    page.clock.run_for(31_000)
    expect(notice).to_contain_text("The service does not answer")
    page.clock.run_for(10_000)
    start(QA_MODEL="/no/such/model", QA_PORT=server.url.rpartition(":")[2])
    page.clock.run_for(3_000)
    expect(notice).to_contain_text("Keyword search only")
    said = page.evaluate("said")
    assert len([one for one in said if "does not answer" in one]) == 1
    assert [one for one in said if one.startswith("back")] == ["back 1", "back 2"]
