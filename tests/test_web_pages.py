"""The pages of a PDF beside the chat, in a real browser: drawn as they are, what is cited marked on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect

from tests.browsing import accessible, ask, shoot
from tests.conftest import Server, starting
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.server]
NAME = "birds of the harbour.pdf"
QUESTION = "What do pelicans swallow?"
TOLD = {
    2: "Pelicans swallow their herrings whole.",
    4: "Pelicans swallow frogs in winter.",
    5: "Pelicans swallow chips in summer.",
}
"""What stands on which of the six pages."""
MARKED = """image => {
    const { naturalWidth: width, naturalHeight: height } = image;
    if (!image.complete || width < 300) return -1;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    let count = 0;
    for (let n = 0; n < data.length; n += 4) count += data[n] > 220 && data[n + 2] < 170;
    return count;
}"""
"""How many pixels of a picture have the colour of a mark; -1 while it is not there yet."""


@dataclass
class Book:
    """A PDF in the library of a service: its address and its text."""

    server: Server
    path: str
    text: str

    def at(self, words: str) -> str:
        """The address of the place where some words stand."""
        start = self.text.index(words)
        return f"{self.server.url}{self.path}#char={start},{start + len(words)}"


@contextmanager
def given(folder: Path, browser: Browser) -> Iterator[Book]:
    """A service without a model, to which a person has given a PDF of six pages."""
    with starting(folder / "served") as run:
        server = run(QA_MODEL="/no/such/model", QA_SEEDS="")
        page = browser.new_page()
        page.goto(f"{server.url}/library")
        page.get_by_label("Add files…").set_input_files(printed(browser, folder))
        expect(page.locator(".upload.done")).to_contain_text("PDF · 6 pages", timeout=30_000)
        about = server.get("/documents")[1]["documents"][0]
        text = page.request.get(f"{server.url}{about['url']}/text").body().decode()
        page.close()
        yield Book(server, about["url"], text)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Book]:
    with given(tmp_path_factory.mktemp("pages"), browser) as book:
        yield book


def printed(browser: Browser, folder: Path) -> Path:
    """A PDF that the browser itself has made."""
    sheets = [
        f"<section style='break-after: page'><h1>Chapter {number}</h1><p>{'The ledger is long. ' * 60}</p>"
        f"<p>{TOLD.get(number, 'Nothing is told here.')} Nobody knows why.</p><p>{'It goes on. ' * 90}</p></section>"
        for number in range(1, 7)
    ]
    page = browser.new_page()
    page.set_content("".join(sheets))
    page.pdf(path=folder / NAME)
    page.close()
    return folder / NAME


@pytest.fixture
def drawn(page: Page) -> list[str]:
    """The numbers of the pages whose pictures are asked for, in order."""
    numbers: list[str] = []

    def note(request: Request) -> None:
        found = re.search(r"/pages/(\d+)\.png\?", request.url)
        if found:
            numbers.append(found[1])

    page.on("request", note)
    return numbers


def picture(page: Page) -> Locator:
    return page.locator("#picture")


def number(page: Page) -> Locator:
    return page.locator("#number")


def until_marked(page: Page, marked: bool = True) -> None:
    until(lambda: picture(page).evaluate(MARKED) > 300 if marked else picture(page).evaluate(MARKED) == 0)


def choose(page: Page, view: str) -> None:
    page.get_by_role("group", name="What is shown").get_by_role("button", name=view).click()


def test_a_citation_opens_the_real_page_with_the_passage_marked_and_no_other_is_fetched(
    book: Book, page: Page, drawn: list[str]
) -> None:
    page.goto(book.server.url)
    first = ask(page, "What do pelicans swallow whole?").locator(".passage").first
    expect(first.locator(".place")).to_have_text("page 2")
    first.locator(".citation").click()
    expect(number(page)).to_have_text("Page 2 of 6")
    expect(page.get_by_role("img", name="Page 2")).to_be_visible()
    until_marked(page)
    assert drawn == ["2"]
    expect(page.locator("#text")).to_be_hidden()
    shoot(page, "page")
    page.get_by_role("button", name="Next page").click()
    expect(number(page)).to_have_text("Page 3 of 6")
    until_marked(page, False)
    page.get_by_role("button", name="Previous page").click()
    until_marked(page)
    assert drawn[:2] == ["2", "3"]
    assert set(drawn) == {"2", "3"}


def test_at_the_first_and_the_last_page_it_goes_no_further(book: Book, page: Page) -> None:
    page.goto(f"{book.server.url}{book.path}")
    back, on = page.get_by_role("button", name="Previous page"), page.get_by_role("button", name="Next page")
    expect(number(page)).to_have_text("Page 1 of 6")
    expect(back).to_be_disabled()
    until_marked(page, False)
    for at in range(2, 7):
        on.click()
        expect(number(page)).to_have_text(f"Page {at} of 6")
    expect(on).to_be_disabled()
    expect(back).to_be_enabled()


def test_the_page_follows_the_passages_of_an_answer(book: Book, page: Page, context: BrowserContext) -> None:
    page.goto(book.server.url)
    ask(page, QUESTION).locator(".citation").first.click()
    stand = page.locator("#stand")
    expect(stand).to_have_text(re.compile(r"^Passage \d of \d, page \d$"))
    count = int((stand.text_content() or "").split()[3].rstrip(","))
    seen = {}
    for _ in range(count):
        told = stand.text_content() or ""
        seen[told] = page.locator("#text .current mark").all_text_contents()
        expect(number(page)).to_have_text(f"Page {told[-1]} of 6")
        until_marked(page)
        page.keyboard.press("n")
        expect(stand).not_to_have_text(told)
    places = {told[-1]: mark for told, mark in seen.items()}
    for at, words in TOLD.items():
        assert "".join(places[str(at)]) == words
    stranger = context.new_page()
    stranger.goto(page.url)
    expect(stranger.locator("#stand")).to_have_text(f"Cited from page {(stand.text_content() or '')[-1]}")


def test_the_page_follows_what_is_found_and_comes_back_to_the_passage(book: Book, page: Page) -> None:
    page.goto(book.at(TOLD[2]))
    until_marked(page)
    field, stand = page.get_by_label("Find in this document"), page.locator("#stand")
    page.get_by_role("button", name="Next page").click()
    field.fill("pelicans swallow")
    expect(stand).to_have_text("Hit 2 of 3")  # from the page that is shown on
    expect(number(page)).to_have_text("Page 4 of 6")
    until_marked(page)
    field.press("Enter")
    expect(number(page)).to_have_text("Page 5 of 6")
    field.press("Enter")
    expect(stand).to_have_text("Hit 1 of 3")
    expect(number(page)).to_have_text("Page 2 of 6")
    field.press("Shift+Enter")
    expect(number(page)).to_have_text("Page 5 of 6")
    field.press("Escape")
    expect(stand).to_have_text("Cited from page 2")
    expect(number(page)).to_have_text("Page 2 of 6")
    until_marked(page)


def test_a_page_is_enlarged_by_a_button_and_by_a_click_that_keeps_what_was_clicked_on(book: Book, page: Page) -> None:
    page.goto(book.at(TOLD[2]))
    until_marked(page)
    leaf, large = page.locator("#leaf"), page.get_by_role("button", name="Large")
    wide = leaf.evaluate("leaf => leaf.clientWidth")
    sharp = picture(page).evaluate("image => image.naturalWidth")
    large.click()
    expect(large).to_have_attribute("aria-pressed", "true")
    assert leaf.evaluate("leaf => leaf.scrollWidth") > 1.8 * wide
    until(lambda: picture(page).evaluate("image => image.naturalWidth") >= min(1.8 * sharp, 1800))
    shoot(page, "page-large")
    picture(page).click()
    expect(large).to_have_attribute("aria-pressed", "false")
    assert leaf.evaluate("leaf => leaf.scrollWidth") == wide

    box = leaf.bounding_box()
    assert box
    leaf.evaluate("leaf => leaf.scrollTop = 0")
    share = """([image, x, y]) => {
        const { left, top, width, height } = image.getBoundingClientRect();
        return [(x - left) / width, (y - top) / height];
    }"""
    at = box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"]
    clicked = page.evaluate(share, [picture(page).element_handle(), *at])
    page.mouse.click(*at)
    expect(large).to_have_attribute("aria-pressed", "true")
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    assert page.evaluate(share, [picture(page).element_handle(), *middle]) == pytest.approx(clicked, abs=0.03)


def test_a_page_that_cannot_be_drawn_is_told_and_the_next_one_is_shown(book: Book, page: Page) -> None:
    page.route("**/pages/4.png?**", lambda route: route.fulfill(status=404))
    page.goto(book.at(TOLD[4]))
    expect(page.locator("#undrawn")).to_contain_text("This page cannot be drawn")
    expect(picture(page)).to_be_hidden()
    accessible(page)
    shoot(page, "page-undrawn")
    page.get_by_role("button", name="Next page").click()
    expect(picture(page)).to_be_visible()
    expect(page.locator("#undrawn")).to_be_hidden()


def test_text_and_page_change_places_and_the_choice_stays(book: Book, page: Page, drawn: list[str]) -> None:
    page.goto(book.at(TOLD[4]))
    until_marked(page)
    choose(page, "Text")
    mark = page.locator("#text .current mark")
    expect(mark).to_have_text(TOLD[4])
    expect(mark).to_be_in_viewport()
    expect(page.locator("#page")).to_be_hidden()
    assert page.locator("#text").text_content() == book.text  # the names of pages are no part of it
    expect(page.locator("#text .break")).to_have_count(5)
    shoot(page, "page-text")
    drawn.clear()
    page.reload()
    expect(mark).to_be_in_viewport()
    expect(page.locator("#page")).to_be_hidden()
    assert drawn == []  # nothing is drawn that is not to be seen
    choose(page, "Page")
    expect(page.locator("#text")).to_be_hidden()
    until_marked(page)
    assert drawn == ["4"]


def test_where_there_is_room_page_and_text_stand_side_by_side(book: Book, page: Page) -> None:
    page.set_viewport_size({"width": 2000, "height": 1000})
    page.goto(book.at(TOLD[5]))
    expect(page.locator("#text .current mark")).to_be_in_viewport()
    expect(picture(page)).to_be_visible()
    until_marked(page)
    expect(page.get_by_role("group", name="What is shown")).to_be_hidden()
    left, right = page.locator("#page").bounding_box(), page.locator("#text").bounding_box()
    assert left
    assert right
    assert left["x"] + left["width"] <= right["x"] + 1
    assert left["y"] == right["y"]


@pytest.fixture
def gulls(book: Book) -> Iterator[str]:
    """The path of a document that came as text, not as a file."""
    text = {"id": "gulls", "title": "Gulls", "text": "Gulls eat chips."}
    assert book.server.get("/documents?wait=true", {"documents": [text]})[0] == 201
    yield "/documents/gulls"
    book.server.get("/documents/gulls", method="DELETE")


def test_after_a_pdf_a_text_has_no_pages_and_back_again_it_has(book: Book, page: Page, gulls: str) -> None:
    page.goto(f"{book.server.url}{book.path}")
    expect(picture(page)).to_be_visible()
    page.evaluate(
        """address => {
            history.pushState(history.state, "", address);
            dispatchEvent(new PopStateEvent("popstate"));
        }""",
        f"{gulls}#char=0,5",
    )
    expect(page.locator("#text .current mark")).to_have_text("Gulls")
    expect(page.locator("#text")).to_be_visible()
    expect(page.locator("#page")).to_be_hidden()
    expect(page.get_by_role("group", name="What is shown")).to_be_hidden()
    page.go_back()
    expect(number(page)).to_have_text("Page 1 of 6")
    expect(picture(page)).to_be_visible()


def test_facts_of_a_text_unfold_and_there_is_no_file_to_download(book: Book, page: Page, gulls: str) -> None:
    page.goto(f"{book.server.url}{gulls}")
    summary = page.locator("#document-facts summary")
    expect(summary).to_have_text("text · 16 characters · 1 passage")
    expect(page.get_by_text("SHA-256")).to_be_hidden()
    summary.click()
    expect(page.get_by_text(f"SHA-256 {book.server.get(gulls)[1]['sha256'][:12]}…")).to_be_visible()
    expect(page.get_by_role("link", name="Download the file")).to_have_count(0)


def test_facts_of_a_file_unfold_with_a_link_to_it(book: Book, page: Page) -> None:
    about = book.server.get(book.path)[1]
    page.goto(f"{book.server.url}{book.path}")
    summary = page.locator("#document-facts summary")
    expect(summary).to_have_text(re.compile(rf"^PDF · 6 pages · {len(book.text):,} characters · \d+ passages$"))
    summary.click()
    told = page.locator("#document-facts p")
    expect(told).to_contain_text(NAME)
    expect(told).to_contain_text(f"SHA-256 {about['sha256'][:12]}…")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the file").click()
    assert download.value.suggested_filename == NAME
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
    expect(page.locator("#panel")).to_be_visible()


@pytest.mark.parametrize(("width", "height"), [(320, 568), (1100, 850), (2000, 1000)])
def test_nothing_keeps_anybody_out_of_pages_and_their_text(book: Book, page: Page, width: int, height: int) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": height})
    page.goto(book.at(TOLD[4]))
    expect(page.locator("#text .current mark")).to_have_text(TOLD[4])
    if width == 320:
        choose(page, "Page")
    until_marked(page)
    for view in ("Page", "Text"):
        if page.get_by_role("group", name="What is shown").is_visible():
            choose(page, view)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            accessible(page)
            shoot(page, f"pages-{view.lower()}-{width}-{scheme}")
        page.locator("#document-facts summary").click()
