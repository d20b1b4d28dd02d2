"""PDF files in a real browser: enlarged, on a phone, encrypted."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import accessible, shoot
from tests.documents import sample
from tests.test_web_pages import MARKED, TOLD, Book, choose, given, number, picture, until_marked
from tests.test_web_uploads import add, state
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.server]
SEEN_MARKED = MARKED.replace("data.length; n += 4) count +=", "data.length; n += 4) if (seen(n)) count +=").replace(
    "let count = 0;",
    """const box = document.querySelector("#leaf").getBoundingClientRect(), at = image.getBoundingClientRect();
    const seen = n => {
        const x = at.left + (((n / 4) % width) / width) * at.width;
        const y = at.top + (Math.floor(n / 4 / width) / height) * at.height;
        return x >= box.left && x < box.right && y >= box.top && y < box.bottom;
    };
    let count = 0;""",
)
"""How many of these pixels are in view."""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Book]:
    with given(tmp_path_factory.mktemp("pdf"), browser) as book:
        yield book


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    yield context.new_page()
    context.close()


def test_what_is_marked_stays_in_sight_when_the_page_is_enlarged_and_turned(book: Book, page: Page) -> None:
    words = "Nobody knows why."
    start = book.text.index(words, book.text.index(TOLD[4]))
    page.set_viewport_size({"width": 700, "height": 500})
    page.goto(f"{book.server.url}{book.path}#char={start},{start + len(words)}")
    until_marked(page)
    large = page.get_by_role("button", name="Large")
    for width in ("true", "false", "true"):
        large.click()
        expect(large).to_have_attribute("aria-pressed", width)
        until(lambda: page.evaluate("document.querySelector('#picture').complete"))
        until_marked(page)
        marked = picture(page).evaluate(MARKED)
        assert picture(page).evaluate(SEEN_MARKED) > 0.9 * marked
    shoot(page, "page-large-marked")
    page.get_by_label("Find in this document").fill("knows why")
    for _ in range(3):
        page.get_by_role("button", name="Next hit").click()
        expect(page.locator("#stand")).to_have_text(re.compile("^Hit"))
        until_marked(page)
        until(lambda: picture(page).evaluate(SEEN_MARKED) > 0.9 * picture(page).evaluate(MARKED))


def test_when_the_mark_is_not_in_sight_the_middle_of_the_page_stays_there(book: Book, page: Page) -> None:
    page.set_viewport_size({"width": 700, "height": 500})
    page.goto(book.at(TOLD[4]))
    until_marked(page)
    leaf = page.locator("#leaf")
    middle = "leaf => (leaf.scrollTop + leaf.clientHeight / 2) / leaf.scrollHeight"
    leaf.evaluate("leaf => leaf.scrollTo(0, leaf.scrollHeight)")
    until(lambda: leaf.evaluate("leaf => leaf.scrollTop > 100"))
    before = leaf.evaluate(middle)
    page.get_by_role("button", name="Large").click()
    assert leaf.evaluate(middle) == pytest.approx(before, abs=0.05)


def test_on_a_phone_a_pdf_opens_as_text_and_the_page_stays_once_it_was_chosen(book: Book, phone: Page) -> None:
    drawn: list[str] = []
    phone.on("request", lambda request: drawn.append(request.url) if ".png" in request.url else None)
    phone.goto(book.at(TOLD[4]))
    mark = phone.locator("#text .current mark")
    expect(mark).to_have_text(TOLD[4])
    expect(mark).to_be_in_viewport()
    expect(phone.locator("#page")).to_be_hidden()
    assert drawn == []
    shoot(phone, "phone-text")
    choose(phone, "Page")
    until_marked(phone)
    for width in (390, 780):
        phone.set_viewport_size({"width": width, "height": 780})
        phone.reload()
        expect(number(phone)).to_have_text("Page 4 of 6")
        until_marked(phone)
    shoot(phone, "phone-page")


def test_an_encrypted_pdf_opens_as_text_and_says_why(book: Book, page: Page) -> None:
    page.goto(f"{book.server.url}/library")
    add(page, {"locked.pdf": sample("files/pdf_encrypted_needs_password.pdf")})
    page.get_by_role("button", name="Password of locked.pdf").click()
    page.keyboard.type("openpassword")
    page.keyboard.press("Enter")
    expect(state(page, "locked.pdf")).to_contain_text("added")
    row = page.locator("#documents li").filter(has_text="locked.pdf")
    path = row.locator(".name").get_attribute("href") or ""
    row.locator(".name").click()
    told = page.locator("#locked")
    expect(told).to_have_text(
        "The pages of an encrypted PDF are not shown, since its password is not stored: this is its text."
    )
    expect(page.locator("#text")).to_be_visible()
    expect(page.locator("#text")).not_to_be_empty()
    expect(page.locator("#page")).to_be_hidden()
    expect(page.get_by_role("group", name="What is shown")).to_be_hidden()
    expect(page.get_by_role("alert")).to_have_count(0)
    accessible(page)
    shoot(page, "encrypted")
    page.goto(book.at(TOLD[4]))
    until_marked(page)
    expect(told).to_be_hidden()
    book.server.get(path, method="DELETE")
