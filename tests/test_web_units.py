"""The pure functions of the page, in the browser that runs them."""

from __future__ import annotations

import re
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browsing import ask
from tests.conftest import ROOT, Server

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.model]
CITATION = {
    "title": "Birds & *bees*",
    "source": "a_b.txt",
    "quote": "1. Gulls <b>eat</b> chips.\n- [x](y) # `z`",
    "line_start": 2,
    "line_end": 3,
    "page_start": None,
    "page_end": None,
    "url": "/documents/b#char=0,9",
}


@pytest.fixture
def text(service: Server, page: Page) -> Any:
    """Calls a function of a module of the page."""
    page.goto(service.url)

    def call(module: str, name: str, *arguments: object) -> Any:
        code = "async ([module, name, given]) => (await import(`/web/${module}.js`))[name](...given)"
        return page.evaluate(code, [module, name, arguments])

    return call


def test_texts_are_cut_by_code_points(text: Any) -> None:
    assert text("text", "cut", "a🦊b", [1, 2]) == ["a", "🦊", "b"]
    assert text("text", "cut", "ab", [1, 9]) == ["a", "b", ""]
    assert text("text", "cut", "", []) == [""]
    assert text("text", "cut", "🦊\ud83e", [1, 2]) == ["🦊", "\ud83e", ""]


def test_places_in_addresses(text: Any) -> None:
    assert text("text", "places", "#char=3,9&mark=4,6") == {
        "passage": {"start": 3, "end": 9},
        "mark": {"start": 4, "end": 6},
    }
    for odd in ("#char=9,3", "#char=x", "", "#char=3", "#char=-1,4"):
        assert text("text", "places", odd) == {"passage": None, "mark": None}


def test_places_in_words(text: Any) -> None:
    lines = {"line_start": 2, "line_end": 2}
    assert text("text", "place", lines | {"page_start": 1, "page_end": 3}) == "pages 1–3"
    assert text("text", "place", lines | {"page_start": 4, "page_end": 4}) == "page 4"
    assert text("text", "place", lines | {"page_start": None, "page_end": None}) == "line 2"


def test_certainty_in_words_goes_with_the_number(text: Any) -> None:
    said = [text("text", "certainty", confidence) for confidence in (0.99, 0.7, 0.4, 0.08)]
    assert said[:3] == ["Very likely answered", "Probably answered", "Perhaps answered"]
    assert "doubt" in said[3]
    assert text("text", "percent", 0.854) == "85 %"
    assert [text("text", "duration", one) for one in (21.4, 2_440)] == ["21 ms", "2.4 s"]


def test_why_a_passage_was_found(text: Any) -> None:
    found = [
        text("text", "reasons", {"bm25_rank": words, "dense_rank": meaning})
        for words, meaning in ((1, 3), (2, None), (None, 7))
    ]
    assert found == [
        "Found by its words (no. 1) and its meaning (no. 3)",
        "Found by its words (no. 2)",
        "Found by its meaning (no. 7)",
    ]


def test_a_quotation_in_markdown_shows_as_it_is(text: Any) -> None:
    from markdown_it import MarkdownIt

    made = text("text", "markdown", CITATION, "http://localhost/documents/b#char=0,9")
    parser = MarkdownIt("commonmark")
    tokens = [one for block in parser.parse(made) for one in block.children or []]
    shown = "".join("\n" if one.type == "softbreak" else one.content for one in tokens)
    assert shown == f"{CITATION['quote']}— {CITATION['title']} (a_b.txt), lines 2–3"
    assert [one.attrs["href"] for one in tokens if one.type == "link_open"] == ["http://localhost/documents/b#char=0,9"]
    assert {one.type for one in tokens} <= {"text", "text_special", "softbreak", "link_open", "link_close"}


def test_what_is_selected_or_marked_in_a_passage_is_copied_alone_with_its_own_place(
    service: Server, page: Page, context: BrowserContext
) -> None:
    text = "🦊 Foxes sleep.\nPelicans eat 🐟 fish.\nThey live by the sea."
    service.get("/documents?wait=true", {"documents": [{"id": "birds", "title": "Birds", "text": text}]})
    page.goto(service.url)
    passage = ask(page, "What do pelicans eat?").locator(".passage").filter(has_text="🐟").first
    expect(passage.locator("mark")).to_have_text("Pelicans eat 🐟 fish.")
    select = """(quote, words) => {
        const walker = document.createTreeWalker(quote, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const { currentNode: node } = walker, at = node.data.indexOf(words);
            if (at >= 0) getSelection().setBaseAndExtent(node, at, node, at + words.length);
        }
    }"""
    mark = text.index("Pelicans")
    for words, button, form, start, end in (
        ("🐟 fish.", "Copy: passage", "“{}”\n— Birds, line 2\n", text.index("🐟"), text.index("\nThey")),
        (" live by ", "Markdown: passage", "> {}\n>\n> — [Birds, line 3]", text.index("live"), text.index(" the sea")),
        (None, "Copy mark", "“{}”\n— Birds, line 2\n", mark, text.index("\nThey")),
        (None, "Copy: passage", "“{}”\n— Birds, lines 1–3\n", 0, len(text)),
    ):
        page.evaluate("getSelection().removeAllRanges()")
        if words:
            passage.locator("blockquote").evaluate(select, words)
        pressed = passage.get_by_role("button", name=button)
        pressed.click()
        expect(pressed).to_have_text("Selection copied" if words else "Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(form.format(text[start:end]))
        address = re.search(r"http[^>\s]+", copied)
        assert address
        assert f"#char={start},{end}" in address[0]
        stranger = context.new_page()
        stranger.goto(address[0])
        cited = stranger.locator("#text .cited")
        expect(cited.first).to_be_visible()
        assert "".join(cited.all_text_contents()) == text[start:end]
        stranger.close()
        expect(pressed).not_to_have_text(re.compile("opied"))
    service.get("/documents/birds", method="DELETE")


def test_the_history_of_a_question_begins_with_the_last_one_asked_by_itself(text: Any) -> None:
    def turn(question: str, **more: object) -> dict[str, object]:
        return {"question": question, "answer": {"passages": [{"id": f"{question}:0-1"}]}, **more}

    turns = [turn("a"), turn("b", alone=True), turn("c"), {"question": "failed"}]
    made = text("text", "historyOf", turns)
    assert made == [{"question": "b", "passages": ["b:0-1"]}, {"question": "c", "passages": ["c:0-1"]}]
    assert len(text("text", "historyOf", [turn(str(n)) for n in range(60)])) == 20


def test_file_names_that_every_system_takes(text: Any) -> None:
    assert text("export", "fileName", "Who? <a/b>: ¿Qué? 日本", "md") == "Who-a-b-Qué-日本.md"
    assert text("export", "fileName", "../..", "json") == "chat.json"


def test_any_request_that_finds_no_service_says_so_and_one_page_asks_how_it_is_one_at_a_time(
    service: Server, page: Page
) -> None:
    page.goto(service.url)
    expect(page.locator("#samples button").first).to_be_visible()
    looks: list[str] = []
    page.on("request", lambda request: looks.append(request.url) if request.url.endswith("/health") else None)
    page.route("**/health", lambda route: route.abort())
    page.route("**/labels", lambda route: route.abort())
    page.get_by_role("button", name="Library").click()
    expect(page.locator("#notice")).to_contain_text("The service does not answer")
    for _ in range(5):
        page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_timeout(1_000)
    looks.clear()
    page.wait_for_timeout(5_000)
    assert 1 <= len(looks) <= 3
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.wait_for_timeout(2_500)
    looks.clear()
    page.wait_for_timeout(3_000)
    assert looks == []  # nobody looks
    page.unroute_all()
    page.evaluate("() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }")
    expect(page.locator("#notice")).to_be_hidden()


def test_the_page_is_small(service: Server) -> None:
    """What comes over the wire for everything but /docs, nothing of it cached before."""
    files = [f"/web/{one.name}" for one in (ROOT / "web").iterdir() if not one.name.startswith("docs.")]
    sizes = {}
    for path in ("/", *files):
        request = urllib.request.Request(service.url + path, headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            sizes[path] = len(reply.read())
    assert sum(sizes.values()) < 100 * 1024, sizes
