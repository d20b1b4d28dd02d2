"""`make screenshots`: the pictures of the README, of the real page over the seed document and a PDF made of it."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browsing import QUESTION, ask
from tests.conftest import ROOT, SEED, Server, chromium, starting
from tests.waiting import until

DOCS = ROOT / "docs"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="qa-screenshots-") as folder, chromium() as browser:
        pdf = _printed(browser, Path(folder))
        with starting(Path(folder) / "data") as start:
            server = start()
            server.until_hybrid()
            page = browser.new_page(viewport={"width": 1280, "height": 860})
            _chat(page, server)
            page.goto(f"{server.url}/library")
            page.get_by_label("Add files…").set_input_files(pdf)
            expect(page.locator(".upload.done")).to_be_visible()
            _panels(page, server)


def _chat(page: Page, server: Server) -> None:
    page.goto(server.url)
    ask(page, "What is the capital of Australia?")
    page.get_by_role("button", name="New chat").click()
    ask(page, QUESTION)
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=DOCS / "chat.png", animations="disabled")


def _panels(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": 1600, "height": 900})
    page.goto(f"{server.url}/?q={QUESTION}")
    page.locator(".citation", has_text="page").first.click()
    until(lambda: page.locator("#picture").evaluate("picture => picture.naturalWidth") > 100)
    page.wait_for_timeout(500)  # it is drawn, and brought into view
    page.screenshot(path=DOCS / "source.png", animations="disabled")
    page.set_viewport_size({"width": 1280, "height": 860})
    page.get_by_role("button", name="Library").click()
    page.locator("#documents").get_by_role("checkbox").first.check()
    page.screenshot(path=DOCS / "library.png", animations="disabled")


def _printed(browser: Browser, folder: Path) -> Path:
    title, *paragraphs = SEED.read_text(encoding="utf-8").splitlines()
    body = "".join(f"<p>{html.escape(one)}</p>" for one in paragraphs)
    page = browser.new_page()
    page.set_content(
        "<title>Security guarantees, printed</title><body style='font: 15pt/1.7 serif'>"
        f"<h1>{html.escape(title)}</h1>{body}"
    )
    page.pdf(path=folder / "guarantees.pdf", format="A5", margin={"top": "1cm", "bottom": "1cm", "left": "1cm"})
    page.close()
    return folder / "guarantees.pdf"


if __name__ == "__main__":
    main()
