"""The page in a real browser, against the real service with the real model."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import ROOT, SEED, Server

pytestmark = [pytest.mark.browser, pytest.mark.server]
Start = Callable[..., Server]
ARTEFACTS = ROOT / "test-artefacts"
QUESTION = "Who would monitor the ceasefire?"
TELLING = (
    "Instead, the US would take a central role in leading a ceasefire monitoring and verification mechanism, "
    "designed to provide early warning of any renewed Russian attack."
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found, "the browser tests need Chromium: install the package chromium"
    ARTEFACTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test on any script error, refused resource or request to elsewhere."""
    context = browser.new_context(
        permissions=["clipboard-read", "clipboard-write"], viewport={"width": 1100, "height": 850}
    )
    page = context.new_page()
    problems: list[str] = []
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on("console", lambda message: problems.append(message.text) if "Content Security" in message.text else None)
    context.on(
        "request",
        lambda request: problems.append(request.url) if not request.url.startswith("http://127.0.0.1:") else None,
    )
    yield page
    context.close()
    assert problems == []


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


@pytest.mark.model
def test_ask_read_the_mark_open_the_citation_and_find_the_mark_in_the_source(start: Start, page: Page) -> None:
    server = start()
    server.until_hybrid()
    page.goto(server.url)
    page.screenshot(path=ARTEFACTS / "welcome.png")
    ask(page, QUESTION)
    first = page.locator(".passage").first
    expect(first.locator("mark")).to_have_text(TELLING)
    expect(first.locator("blockquote")).to_contain_text("Leaders of the UK, France, Germany")
    expect(first.locator("cite")).to_have_text(SEED.read_text(encoding="utf-8").splitlines()[0])
    expect(first.locator(".place")).to_have_text("lines 3–4")
    expect(page.locator(".verdict")).to_contain_text("answered below")
    expect(page.locator("#notice")).to_be_hidden()
    page.screenshot(path=ARTEFACTS / "answer.png")

    with page.expect_popup() as opened:
        first.locator(".citation").click()
    source = opened.value
    mark = source.locator("mark")
    expect(mark).to_have_text(TELLING)
    expect(mark).to_be_in_viewport()
    expect(source.locator(".cited")).to_have_text(first.locator("blockquote").inner_text(), use_inner_text=True)
    assert source.locator("#text").evaluate("node => node.textContent") == SEED.read_text(encoding="utf-8")
    expect(source.locator("#place")).to_have_text("Cited from line 3")
    source.screenshot(path=ARTEFACTS / "source.png")

    address = source.url
    source.goto(server.url)
    source.go_back()
    assert source.url == address
    expect(source.locator("mark")).to_have_text(TELLING)

    first.get_by_role("button", name="Copy").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert TELLING in copied
    assert "lines 3–4" in copied
    assert re.search(r"http://127.0.0.1:\d+/documents/\w+#char=602,1484", copied)

    ask(page, "How do I reset my router password?")
    expect(page.locator(".verdict").last).to_contain_text("Not in these documents")
    expect(page.locator(".nearest .passage").first).to_be_hidden()
    page.get_by_text("Show the nearest passages").last.click()
    expect(page.locator(".nearest .passage").first).to_be_visible()
    page.screenshot(path=ARTEFACTS / "unanswered.png")

    ask(page, "Who? " + "long" * 450)
    expect(page.locator(".verdict").last).to_contain_text("Not in these documents")
    for name, scheme, width in (("dark", "dark", 1100), ("narrow", "light", 320), ("narrow-dark", "dark", 320)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)


def test_the_whole_way_by_keyboard_with_a_notice_while_keywords_alone_answer(start: Start, page: Page) -> None:
    server = start(QA_MODEL="/no/such/model")
    server.until_hybrid()
    page.goto(server.url)
    expect(page.locator("#notice")).to_contain_text("Keyword search only")
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type("Who is Friedrich Merz?")
    page.keyboard.press("Enter")
    expect(page.locator("mark").first).to_contain_text("German Chancellor Friedrich Merz")
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Your question")).to_have_value("Who is Friedrich Merz?")
    page.keyboard.press("Shift+Tab")
    page.screenshot(path=ARTEFACTS / "keywords.png")
    for _ in range(12):
        if page.evaluate("document.activeElement.className") == "citation":
            break
        page.keyboard.press("Shift+Tab")
    with page.expect_popup() as opened:
        page.keyboard.press("Enter")
    expect(opened.value.locator("mark")).to_be_visible()


def test_markup_and_script_in_documents_and_questions_stay_text(start: Start, page: Page) -> None:
    server = start(QA_MODEL="/no/such/model")
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    text = f"{evil} The 🦊 pelican 🦊 eats fish. Nothing else is known. 𝒳𝒴𝒵 stays."
    server.get("/documents?wait=true", {"documents": [{"id": "evil", "title": f"{evil} Title", "text": text}]})
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(server.url)
    ask(page, f"pelican {evil}")
    first = page.locator(".passage").first
    expect(first.locator("cite")).to_have_text(f"{evil} Title")
    expect(page.locator(".question")).to_have_text(f"pelican {evil}")
    with page.expect_popup() as opened:
        first.locator(".citation").click()
    source = opened.value
    expect(source.locator("mark")).to_be_visible()
    assert source.locator("#text").evaluate("node => node.textContent") == text
    assert "pelican" in source.locator("mark").inner_text()
    assert page.locator(".turn img, .turn script").count() == source.locator("#text *:not(mark, span)").count() == 0
    # Code points above U+FFFF count once in the service and twice in the browser.
    bom = "\ufeffPelicans eat fish."
    server.get("/documents?wait=true", {"documents": [{"id": "bom", "title": "t", "text": bom}]})
    source.goto(f"{server.url}/documents/bom#char=1,9")
    expect(source.locator("mark")).to_have_text("Pelicans")
    start_of_mark = text.index("Nothing")
    source.goto(f"{server.url}/documents/evil#char={start_of_mark},{start_of_mark + 7}")
    source.reload()
    expect(source.locator("mark")).to_have_text("Nothing")


def test_a_service_that_went_away_is_said_and_the_question_is_kept(start: Start, page: Page) -> None:
    server = start(QA_MODEL="/no/such/model")
    page.goto(server.url)
    server.process.terminate()
    server.process.wait()
    ask(page, QUESTION)
    expect(page.locator(".verdict")).to_contain_text("The service does not answer")
    expect(page.get_by_label("Your question")).to_have_value(QUESTION)


def test_a_missing_document_and_the_description_of_the_api(start: Start, page: Page) -> None:
    server = start(QA_MODEL="/no/such/model")
    page.goto(f"{server.url}/documents/none#char=0,5")
    expect(page.locator("#problem")).to_contain_text("there is no document 'none'")
    page.goto(f"{server.url}/docs")
    expect(page.get_by_text("/ask").first).to_be_visible()


def until(met: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end
        time.sleep(0.1)


def printed(browser: Browser, folder: Path, words: str) -> Path:
    """A PDF of three pages that the browser itself has made; the words stand on the second."""
    page = browser.new_page()
    sheet = "<section style='break-after: page'><h1>{0}</h1><p>{1}</p></section>"
    page.set_content(
        sheet.format("Beginning", "Nothing is told here yet. " * 9)
        + sheet.format("Feeding", f"Herons stand still for hours. {words} Nobody knows why.")
        + sheet.format("End", "And this is the end. " * 9)
    )
    path = folder / "birds of the harbour.pdf"
    page.pdf(path=path)
    page.close()
    return path


def test_a_pdf_is_put_in_and_its_citation_opens_the_real_page_marked(
    start: Start, page: Page, browser: Browser, tmp_path: Path
) -> None:
    server = start(QA_MODEL="/no/such/model", QA_SEEDS="")
    page.goto(f"{server.url}/library")
    page.get_by_label("Add files…").set_input_files(
        [printed(browser, tmp_path, "Pelicans swallow their fish whole."), ROOT / "LICENSE"]
    )
    done = page.locator(".upload.done").filter(has_text="birds of the harbour.pdf")
    expect(done).to_contain_text("PDF · 3 pages")
    expect(page.locator(".upload")).to_have_count(2)
    row = page.locator(".shelf li").filter(has_text="birds of the harbour.pdf")
    expect(row.locator(".facts")).to_contain_text("PDF · 3 pages")
    with page.expect_download() as download:
        row.get_by_text("Download").click()
    assert download.value.suggested_filename == "birds of the harbour.pdf"
    page.screenshot(path=ARTEFACTS / "library.png")

    page.get_by_role("link", name="Ask").click()
    expect(page.locator("#library")).to_contain_text("2 documents")
    ask(page, "What do pelicans swallow?")
    first = page.locator(".passage").first
    expect(first.locator(".place")).to_have_text("page 2")
    with page.expect_popup() as opened:
        first.locator(".citation").click()
    source = opened.value
    expect(source.locator("mark")).to_have_text("Pelicans swallow their fish whole.")
    expect(source.locator("#number")).to_have_text("Page 2 of 3")
    picture = source.locator("#picture")
    expect(picture).to_be_visible()
    marked = """image => {
        const { naturalWidth: width, naturalHeight: height } = image;
        if (!image.complete || width < 500) return -1;
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let n = 0; n < data.length; n += 4) count += data[n] > 220 && data[n + 2] < 170;
        return count;
    }"""
    until(lambda: picture.evaluate(marked) > 500)
    source.screenshot(path=ARTEFACTS / "source-pdf.png")
    source.get_by_role("button", name="Next page").click()
    expect(source.locator("#number")).to_have_text("Page 3 of 3")
    until(lambda: picture.evaluate(marked) == 0)
    for width, scheme in ((320, "dark"), (2000, "light")):
        source.set_viewport_size({"width": width, "height": 800})
        source.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert source.evaluate("document.documentElement.scrollWidth <= innerWidth")
        source.screenshot(path=ARTEFACTS / f"source-pdf-{width}.png")

    page.goto(f"{server.url}/library")
    remove = page.locator(".shelf li").filter(has_text="birds").get_by_role("button")
    remove.click()
    expect(remove).to_have_text("Really remove?")
    remove.click()
    expect(page.locator(".shelf li").filter(has_text="birds")).to_have_count(0)


def test_files_dropped_on_the_chat_are_taken_in_and_a_bad_one_is_said(start: Start, page: Page) -> None:
    server = start(QA_MODEL="/no/such/model")
    page.goto(server.url)
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["Pelicans eat fish."], "<b>birds.txt"));
            data.items.add(new File([new Uint8Array([255, 255, 255])], "bad.txt"));
            dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }"""
    )
    expect(page.locator(".upload.failed")).to_contain_text("bad.txt is not UTF-8 text")
    expect(page.locator(".upload.done .name")).to_have_text("<b>birds.txt")
    expect(page.locator("#library")).to_have_text("2 documents, 10 passages")
    ask(page, "What do pelicans eat?")
    expect(page.locator("mark").first).to_have_text("Pelicans eat fish.")


def test_pure_functions_of_the_page(start: Start, page: Page, tmp_path: Path) -> None:
    server = start(QA_MODEL="/no/such/model")
    page.goto(server.url)
    results = page.evaluate(
        """async () => {
            const { cut, places, place } = await import("/web/text.js");
            return [cut("a🦊b", [1, 2]), cut("ab", [1, 9]), cut("", []), places("#char=3,9&mark=4,6"),
                    places("#char=9,3"), places("#char=x"),
                    place({ line_start: 2, line_end: 2, page_start: 1, page_end: 3 })];
        }"""
    )
    assert results == [
        ["a", "🦊", "b"],
        ["a", "b", ""],
        [""],
        {"passage": {"start": 3, "end": 9}, "mark": {"start": 4, "end": 6}},
        {"passage": None, "mark": None},
        {"passage": None, "mark": None},
        "pages 1–3",
    ]
