"""What library and document owe everybody, in a real browser: room for a finger, and marks that are told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import ask, shoot
from tests.conftest import Server, starting
from tests.test_web_document import BIRDS, COASTS, current, put, stand
from tests.test_web_pages import printed
from tests.test_web_uploads import add

pytestmark = [pytest.mark.browser, pytest.mark.server]
SMALL = """() => [...document.querySelectorAll("#panel :is(button, a, summary, input, select, textarea, [for=files])")]
    .filter(one => one.checkVisibility() && !one.matches(".hidden, #document-facts p a, .notice a"))
    .map(one => one.matches("[type=checkbox]") ? one.closest("label") : one)
    .filter(one => Math.min(one.getBoundingClientRect().height, one.getBoundingClientRect().width) < 40)
    .map(one => `${one.outerHTML} ${one.getBoundingClientRect().width} × ${one.getBoundingClientRect().height}`)"""
"""What is smaller than a finger, but links in the middle of a text."""
CONTRAST = """node => {
    const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const lightness = colour => {
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data].map(part => part / 255)
            .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ratio = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const style = getComputedStyle(node), own = lightness(style.backgroundColor);
    const paper = lightness(getComputedStyle(document.body).backgroundColor);
    return [ratio(lightness(style.color), own), ratio(paper, own)];
}"""
"""How an element stands out: its text from its ground, its ground from that of the page (WCAG 2.2)."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Server]:
    """A service without a model, with a text and a PDF."""
    folder = tmp_path_factory.mktemp("panels")
    with starting(folder / "served") as run:
        server = run(QA_MODEL="/no/such/model", QA_SEEDS="")
        put(server, "birds", BIRDS)
        labelled = {"id": "gulls", "title": "Gulls", "text": "Gulls eat chips.", "collection": "B", "tags": ["x"]}
        assert server.get("/documents?wait=true", {"documents": [labelled]})[0] == 201
        page = browser.new_page()
        page.goto(f"{server.url}/library")
        page.get_by_label("Add files…").set_input_files(printed(browser, folder))
        expect(page.locator(".upload.done")).to_contain_text("PDF", timeout=30_000)
        page.close()
        yield server


@pytest.mark.parametrize("shown", ["library", "uploads", "narrowed", "text", "pdf", "gone"])
def test_what_is_touched_is_large_enough_for_a_finger(server: Server, browser: Browser, shown: str) -> None:
    touch = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    page = touch.new_page()
    page.goto(f"{server.url}/documents/{shown}" if shown == "gone" else f"{server.url}/library")
    if shown == "uploads":
        add(page, {"bad.txt": b"\xff\xff", "birds of the harbour.pdf": b"Other birds.", "empty.txt": b""})
        expect(page.locator(".sum")).to_contain_text("2 failed, 1 to be decided")
    elif shown == "narrowed":
        page.get_by_label("Search the library").fill("walrus")
        expect(page.get_by_role("button", name="Show all documents")).to_be_visible()
    elif shown in ("text", "pdf"):
        page.get_by_role("link", name="The birds" if shown == "text" else "birds of the harbour", exact=True).click()
        expect(page.locator("#document-facts")).to_be_visible()
        page.get_by_label("Find in this document").fill("the")
        expect(stand(page)).to_have_text(re.compile("^Hit"))
        if shown == "pdf":
            page.get_by_role("button", name="Page", exact=True).click()
            expect(page.locator("#picture")).to_be_visible()
    elif shown == "gone":
        expect(page.get_by_role("alert")).to_be_visible()
    else:
        expect(page.locator("#documents li")).to_have_count(3)
    assert page.evaluate(SMALL) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(page, f"touch-{shown}")
    touch.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_only_the_current_mark_is_strong_and_all_can_be_read(server: Server, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.goto(server.url)
    ask(page, "Where do pelicans catch fish?").locator(".citation").first.click()
    expect(stand(page)).to_have_text(re.compile(r"^Passage \d of 3"))
    for _ in range(4):
        page.keyboard.press("n")
        at = int((stand(page).text_content() or "").split()[1])
        expect(current(page)).to_contain_text(COASTS[at - 1])
        expect(page.locator("#text .cited mark")).to_have_count(3)
        expect(page.locator("#text .current")).to_have_count(1)
        others = page.locator("#text .cited:not(.current)")
        read, strong = current(page).evaluate(CONTRAST)
        passage = page.locator("#text .current").evaluate(CONTRAST)
        for other in others.locator("mark").all():
            legible, light = other.evaluate(CONTRAST)
            ground = other.locator("..").evaluate(CONTRAST)
            assert min(read, legible, ground[0], passage[0]) >= 4.5
            assert strong > light > ground[1]
    shoot(page, f"marks-{scheme}")


def test_two_documents_of_one_title_are_told_apart_by_their_files(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/library")
    names = ("2023/minutes.md", "2024/minutes.md")
    for name in names:
        document = {"title": "Minutes", "source": name, "text": f"What was said in {name[:4]}."}
        assert server.get("/documents?wait=true", {"documents": [document]})[0] == 201
    page.reload()
    rows = page.locator("#documents li").filter(has=page.get_by_role("link", name="Minutes", exact=True))
    expect(rows.locator(".sources")).to_have_count(2)
    for name in names:
        rows.filter(has_text=name).locator(".name").click()
        expect(page.locator("#document-source")).to_have_text(name)
        shoot(page, "same-title")
        page.go_back()
    titles = ask(page, "What was said in the minutes?").locator("cite:visible")
    told = {f"Minutes ({name})" for name in names}
    assert told == {one for one in titles.all_text_contents() if one.startswith("Minutes")}
    for one in server.get("/documents?q=minutes")[1]["documents"]:
        server.get(one["url"], method="DELETE")
