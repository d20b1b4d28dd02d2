"""What the tests of the page share: asking, looking, and checking what everybody must be able to use."""

from __future__ import annotations

import json
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.conftest import ROOT

ARTEFACTS = ROOT / "test-artefacts"
"""Screenshots of the main states, to be looked at; not in git."""
QUESTION = "Who would monitor the ceasefire?"
TELLING = (
    "Instead, the US would take a central role in leading a ceasefire monitoring and verification mechanism, "
    "designed to provide early warning of any renewed Russian attack."
)


def ask(page: Page, question: str) -> Locator:
    """The turn of a question once its answer, or why there is none, is shown."""
    turns = page.locator(".turn").count()
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    expect(page.locator(".turn")).to_have_count(turns + 1)
    expect(page.locator("#ask")).not_to_have_attribute("aria-busy", "true")
    return page.locator(".turn").last


def shoot(page: Page, name: str) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{name}.png", animations="disabled")


def accessible(page: Page) -> None:
    """No violation that axe-core finds, and nothing wider than the window."""
    violations: list[dict[str, Any]] = Axe().run(page).response["violations"]
    told = [{"id": one["id"], "nodes": [node["html"][:200] for node in one["nodes"][:3]]} for one in violations]
    assert not told, json.dumps(told, indent=1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
