"""Markup and script in documents, titles, names and questions are text, wherever they are shown."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import BrowserContext, FilePayload, Page, expect

from tests.browsing import ask, shoot
from tests.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.model]
PAYLOADS = [  # those of the OWASP cheat sheets, each with another way in
    "<img src=x onerror=alert(1)><script>alert(2)</script>",
    '"><svg/onload=alert(3)>',
    "'-alert(4)-'",
    "javascript:alert(5)//",
    "<iframe srcdoc='<script>parent.alert(6)</script>'></iframe>",
    "</title></textarea><script>alert(7)</script>",
    '<a href="javascript:alert(8)">click</a><math><mtext></mtext><mglyph><style><img src onerror=alert(9)>',
    "{{constructor.constructor('alert(10)')()}}${alert(11)}",
    "<link rel=stylesheet href=http://192.0.2.1/x.css><meta http-equiv=refresh content='0;url=http://192.0.2.1/'>",
    "\u202e<b>evil</b>\u202c <form action=http://192.0.2.1><input name=q autofocus onfocus=alert(12)>",
]


@pytest.mark.parametrize("number", range(len(PAYLOADS)))
def test_a_payload_shows_as_text_everywhere(service: Server, page: Page, number: int) -> None:
    payload = PAYLOADS[number]
    word = f"pelican{number}"
    text = f"{payload} The {word} eats fish. Nothing else is known of it."
    given = {
        "id": f"evil-{number}",
        "title": f"{payload} Title",
        "text": text,
        "source": payload,
        "collection": payload[:90],
    }
    status, _ = service.get("/documents?wait=true", {"documents": [given | {"tags": [payload[:90]]}]})
    assert status == 201
    elements = "() => document.querySelectorAll('script, iframe, img, link, meta, math, form, svg, input').length"
    page.goto(service.url)
    before = page.evaluate(elements)
    question = f"What does the {word} eat? {payload}"
    turn = ask(page, question)
    expect(turn.locator(".question")).to_have_text(question)
    passage = turn.locator(".passage").filter(has_text=word).first
    if not passage.locator("blockquote").is_visible():
        passage.locator("summary").click()
    assert passage.locator("blockquote").evaluate("node => node.textContent") in text
    thumbs = turn.locator("svg").count()
    passage.locator(".citation").click()
    expect(page.locator("#text .current mark")).to_contain_text(word)
    title = re.sub("[\u202a-\u202e]", "", f"{payload} Title")  # what turns the reading direction is no part of a title
    assert page.locator("#document-title").evaluate("node => node.textContent") == title
    assert page.locator("#text").evaluate("node => node.textContent") == text
    page.get_by_role("button", name="Library").click()
    row = page.locator(f"#documents li[data-id='evil-{number}']")
    expect(row.locator(".name")).to_have_text(title)
    row.get_by_role("checkbox").check()
    expect(page.locator("#scope")).to_contain_text(" ".join(title.split()))
    rows, chats = page.locator("#documents input, #documents img").count(), page.locator("#conversations svg").count()
    assert page.evaluate(elements) == before + thumbs + rows + chats
    page.get_by_role("button", name="Close the library").click()
    page.locator("#conversations summary").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as JSON").click()
    saved = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert saved["turns"][0]["question"] == question
    service.get(f"/documents/evil-{number}", method="DELETE")


def test_a_file_name_full_of_markup(service: Server, page: Page) -> None:
    page.goto(f"{service.url}/library")
    name = "<img src=x onerror=alert(1)>.txt"
    file: FilePayload = {"name": name, "mimeType": "text/plain", "buffer": b"Gulls eat chips."}
    page.get_by_label("Add files…").set_input_files(file)
    expect(page.locator(".upload.done .name")).to_have_text(name)
    assert page.locator("#panel img:not(#picture)").count() == 0
    shoot(page, "library-markup")


def test_trusted_types_refuse_markup_from_script(service: Server, page: Page) -> None:
    page.goto(service.url)
    refused = "() => { try { document.body.innerHTML = '<b>'; return ''; } catch (error) { return error.name; } }"
    assert page.evaluate(refused) == "TypeError"


def test_an_address_with_script_asks_it_as_text(service: Server, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{service.url}/?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E%20ceasefire")
    expect(page.locator(".question")).to_have_text("<script>alert(1)</script> ceasefire")
    page.goto(f"{service.url}/documents/%3Cscript%3Ealert(1)#char=0,5")
    expect(page.locator("#document-problem")).to_contain_text("This document is not in the library any more")


def test_the_description_of_the_api_can_be_read_and_tried(service: Server, page: Page) -> None:
    page.goto(f"{service.url}/docs")
    page.get_by_text("/health", exact=True).click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response .response-col_status").first).to_contain_text("200")
