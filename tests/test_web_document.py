"""A document beside the chat, in a real browser: its text to the letter, what is cited and found marked in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from playwright.sync_api import BrowserContext, Locator, Page, Request, Route, expect

from tests.browsing import ask, shoot
from tests.conftest import Server, starting
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.server]
LINES = [f"𝒜𝓁𝓁 🐟 line {n} of the 🦜 log: every ship that came, its “𝔠𝔞𝔯𝔤𝔬” and its crew." for n in range(400)]
SCRIPTS = "\ufeff" + "".join(line + ("\n" if n % 3 else "\r\n") for n, line in enumerate(LINES))
"""A byte order mark, characters that are one code point and two UTF-16 units, both ends of lines; several blocks."""
KEPT = "Every ship that came and went was written down with its cargo, its crew, the weather and the price of rope. "
COASTS = ("northern", "southern", "western")
LEDGER = "\n".join(f"Entry {n}.\n{KEPT * (3 + n % 4)}" for n in range(2_000))
"""A megabyte."""
INK = "The keeper wrote\nin green ink.\n"
LONG = INK + ("Harbourmastership" * 4 + "\n") * 36_000 + INK.upper()
"""More than is loaded of itself."""
BIRDS = "\n\n".join(
    f"Pelicans catch fish off the {coast} coast.\n" + "The keepers of the harbour wrote it down in their ledger. " * 14
    for coast in COASTS
)
STANDS = """async node => {
    for (let n = 0; n < 8; n++) await new Promise(requestAnimationFrame);
    return node.getBoundingClientRect().top;
}"""
FOUND = """() => [...CSS.highlights].map(([name, ranges]) => [name, ranges.size, [...ranges].at(-1).toString()])"""
TEXTS = {"scripts": SCRIPTS, "birds": BIRDS, "ledger": LEDGER, "long": LONG}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service without a model, with the documents of this module."""
    with starting(tmp_path_factory.mktemp("documents")) as run:
        server = run(QA_MODEL="/no/such/model", QA_SEEDS="")
        for name, text in TEXTS.items():
            put(server, name, text)
        yield server


@pytest.fixture
def cited(server: Server, page: Page) -> Page:
    """An answer with three passages of one document, which is open at one of them."""
    page.goto(server.url)
    ask(page, "Where do pelicans catch fish?").locator(".citation").first.click()
    expect(stand(page)).to_have_text(re.compile(r"^Passage \d of 3, line \d+$"))
    return page


def put(server: Server, name: str, text: str) -> None:
    document = {"id": name, "title": f"The {name}", "text": text}
    assert server.get("/documents?wait=true", {"documents": [document]})[0] == 201


def address(server: Server, name: str, start: int, end: int) -> str:
    return f"{server.url}/documents/{name}#char={start},{end}"


def place(text: str, words: str) -> tuple[int, int]:
    start = text.index(words)
    return start, start + len(words)


def addressed(page: Page) -> int:
    """Where the passage begins that the address names."""
    found = re.search(r"#char=(\d+),", page.url)
    assert found
    return int(found[1])


def line(text: str, start: int) -> int:
    return text.count("\n", 0, start) + 1


def text_of(page: Page) -> str:
    return page.locator("#text").text_content() or ""


def joined(found: Locator) -> str:
    return "".join(found.all_text_contents())


def current(page: Page) -> Locator:
    return page.locator("#text .current mark")


def stand(page: Page) -> Locator:
    return page.locator("#stand")


def number(page: Page) -> int:
    """Of the passage or hit that is shown."""
    return int((stand(page).text_content() or "").split()[1])


def open_quickly(page: Page, addresses: list[str]) -> None:
    page.evaluate(
        """addresses => addresses.forEach(address => {
            history.pushState(history.state, "", address);
            dispatchEvent(new PopStateEvent("popstate"));
        })""",
        addresses,
    )


@contextmanager
def later_texts_held(page: Page) -> Iterator[list[Route]]:
    """The first part of a text comes at once, the others when this ends; those that are held."""
    held: list[Route] = []
    let_pass = [True]

    def hold(route: Route) -> None:
        if let_pass:
            let_pass.clear()
            route.continue_()
        else:
            held.append(route)

    page.route("**/text?**", hold)
    yield held
    page.route("**/text?**", lambda route: route.continue_())
    for route in held:
        route.continue_()


@pytest.mark.parametrize("name", ["scripts", "ledger"])
def test_the_text_is_the_stored_one_to_the_letter(server: Server, page: Page, name: str) -> None:
    page.goto(f"{server.url}/documents/{name}")
    expect(page.locator("#document-title")).to_have_text(f"The {name}")
    expect(page).to_have_title(f"The {name} · Chapter & Verse")
    until(lambda: len(text_of(page)) >= len(TEXTS[name]))
    assert text_of(page) == TEXTS[name]
    expect(stand(page)).to_have_text("")
    expect(page.get_by_role("button", name="Next mark")).to_be_hidden()


def test_what_an_address_names_is_marked_code_point_by_code_point(server: Server, page: Page) -> None:
    offsets = st.lists(st.integers(0, len(SCRIPTS)), min_size=4, max_size=4, unique=True).map(sorted)

    @hypothesis_settings(max_examples=25, database=None, phases=[Phase.generate])  # each miss is waited for
    @given(offsets)
    def marked(drawn: list[int]) -> None:
        start, mark, mark_end, end = drawn
        page.goto(address(server, "scripts", start, end) + f"&mark={mark},{mark_end}")
        until(lambda: joined(current(page)) == SCRIPTS[mark:mark_end])
        until(lambda: len(text_of(page)) >= len(SCRIPTS))  # what is not near the mark comes later
        assert joined(page.locator("#text .cited")) == SCRIPTS[start:end]
        assert text_of(page) == SCRIPTS
        expect(stand(page)).to_have_text(f"Cited from line {line(SCRIPTS, start):,}")

    marked()


@pytest.mark.parametrize(
    ("start", "end", "blocks"),
    [(0, 1, 1), (1, 2, 1), (5, 6, 1), (len(SCRIPTS) - 1, len(SCRIPTS), 1), (6_500, 10_500, 2)],
)
def test_a_passage_is_marked_be_it_one_character_or_across_the_border_of_two_blocks(
    server: Server, page: Page, start: int, end: int, blocks: int
) -> None:
    page.goto(address(server, "scripts", start, end))
    expect(page.locator("#text > div:has(.current mark)")).to_have_count(blocks)
    assert joined(current(page)) == SCRIPTS[start:end]
    expect(page.locator("#text > div:has(mark)").first).to_be_in_viewport()


def test_passages_of_one_answer_are_gone_through_and_the_address_follows(cited: Page, context: BrowserContext) -> None:
    page = cited
    expect(page.locator("#text .cited:not(.current)")).to_have_count(2)
    at = number(page)
    for step in ("Next mark", "n", "n", "Previous mark", "p", "p", "n"):
        if "mark" in step:
            page.get_by_role("button", name=step).click()
        else:
            page.keyboard.press(step)
        at = (at if step[0] in "Nn" else at - 2) % 3 + 1
        expect(stand(page)).to_contain_text(f"Passage {at} of 3")
        expect(stand(page)).to_contain_text(f", line {line(BIRDS, addressed(page))}")
        expect(current(page)).to_contain_text(COASTS[at - 1])
        expect(current(page)).to_be_in_viewport()
    shown = joined(current(page))
    page.reload()
    expect(stand(page)).to_have_text(re.compile(f"^Passage {at} of 3"))
    assert joined(current(page)) == shown
    stranger = context.new_page()
    stranger.goto(page.url)
    expect(stand(stranger)).to_have_text(f"Cited from line {line(BIRDS, addressed(page))}")
    assert joined(current(stranger)) == shown


@pytest.mark.parametrize(("motion", "at_once"), [("reduce", True), ("no-preference", False)])
def test_stepping_moves_smoothly_only_for_those_who_want_it(cited: Page, motion: str, at_once: bool) -> None:
    cited.emulate_media(reduced_motion=motion)  # type: ignore[arg-type]
    current(cited).evaluate(STANDS)
    began, soon, last = cited.locator("#text").evaluate(
        """async box => {
            const frames = async count => { for (; count; count--) await new Promise(requestAnimationFrame); };
            const began = box.scrollTop;
            document.querySelector("#next").click();
            await frames(3);
            const soon = box.scrollTop;
            for (let before = NaN; before !== box.scrollTop; await frames(10)) before = box.scrollTop;
            return [began, soon, box.scrollTop];
        }"""
    )
    assert abs(last - began) > 100
    assert (abs(soon - last) <= 1) is at_once
    expect(current(cited)).to_be_in_viewport()


def test_words_are_found_counted_and_gone_through_and_esc_leaves_them_then_the_document(cited: Page) -> None:
    page = cited
    field, told = page.get_by_label("Find in this document"), stand(page).text_content() or ""
    page.locator("#document-title").press("f")
    expect(field).to_be_focused()
    field.press_sequentially("PELICANS CATCH")
    expect(stand(page)).to_have_text(re.compile(r"^Hit \d of 3$"))
    first = number(page)
    assert page.evaluate(FOUND) == [["found", 3, "Pelicans catch"], ["here", 1, "Pelicans catch"]]
    for key, at in (("Enter", first + 1), ("Enter", first + 2), ("Shift+Enter", first + 1), ("Enter", first + 2)):
        field.press(key)
        expect(stand(page)).to_have_text(f"Hit {(at - 1) % 3 + 1} of 3")
    page.get_by_role("button", name="Next hit").click()
    expect(stand(page)).to_have_text(f"Hit {first} of 3")
    assert text_of(page) == BIRDS  # hits are drawn over the text without changing it
    shoot(page, "found")

    field.fill("walrus")
    expect(stand(page)).to_have_text("No hits")
    expect(page.get_by_role("button", name="Next hit")).to_be_hidden()
    assert page.evaluate("CSS.highlights.size") == 0
    field.press("Escape")
    expect(field).to_have_value("")
    expect(stand(page)).to_have_text(told)
    expect(current(page)).to_be_in_viewport()
    field.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator(".citation").first).to_be_focused()


def test_words_across_a_line_break_are_found_far_outside_of_what_is_loaded(server: Server, page: Page) -> None:
    page.goto(address(server, "long", 9_000, 9_017))
    expect(current(page)).to_be_in_viewport()
    field = page.get_by_label("Find in this document")
    field.fill("wrote  in green ink")
    expect(stand(page)).to_have_text("Hit 2 of 2")  # the next one from what is read on
    assert page.evaluate(FOUND)[1] == ["here", 1, "WROTE\nIN GREEN INK"]
    seen = """() => {
        const hit = [...CSS.highlights.get("here")][0].getBoundingClientRect();
        const box = document.querySelector("#text").getBoundingClientRect();
        return hit.height > 0 && hit.top >= box.top && hit.bottom <= box.bottom;
    }"""
    until(lambda: bool(page.evaluate(seen)))
    assert text_of(page) in LONG
    assert text_of(page).endswith(INK.upper())
    field.press("Enter")
    expect(stand(page)).to_have_text("Hit 1 of 2")
    until(lambda: page.evaluate(FOUND)[1:] == [["here", 1, "wrote\nin green ink"]] and bool(page.evaluate(seen)))


@pytest.mark.parametrize("start", [len(BIRDS), 10**11])
def test_a_place_beyond_the_end_is_told_and_the_beginning_shown(server: Server, page: Page, start: int) -> None:
    page.goto(address(server, "birds", start, start + 5))
    expect(stand(page)).to_have_text("The cited place is beyond the end of this text.")
    expect(page.locator("#document-problem")).to_be_hidden()
    expect(page.locator("#text mark")).to_have_count(0)
    assert text_of(page) == BIRDS


def test_from_a_place_beyond_the_end_the_other_passages_can_still_be_reached(cited: Page) -> None:
    open_quickly(cited, [f"/documents/birds#char={len(BIRDS)},{len(BIRDS) + 9}"])
    expect(stand(cited)).to_contain_text("beyond the end")
    cited.get_by_role("button", name="Next mark").click()
    expect(stand(cited)).to_contain_text("Passage 1 of 3, line 1")
    expect(current(cited)).to_be_in_viewport()


def test_a_document_that_is_not_there_is_told(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/documents/none#char=0,5")
    expect(page.locator("#document-title")).to_have_text("This document is gone")
    expect(page.get_by_role("alert")).to_contain_text("This document is not in the library any more")
    expect(page.get_by_role("alert")).not_to_contain_text("GET")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    page.get_by_role("link", name="Open the library").click()
    expect(page.get_by_role("heading", name="Library")).to_be_focused()
    open_quickly(page, ["/documents/birds#char=0,8"])
    expect(current(page)).to_have_text("Pelicans")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_service_that_went_away_is_told_and_can_be_tried_again(server: Server, page: Page) -> None:
    page.route("**/text?**", lambda route: route.abort())
    page.goto(address(server, "birds", *place(BIRDS, "southern")))
    expect(page.get_by_role("alert")).to_contain_text("The service does not answer.")
    shoot(page, "document-gone")
    page.unroute("**/text?**")
    page.get_by_role("button", name="Try again").click()
    expect(current(page)).to_have_text("southern")
    expect(page.locator("#document-title")).to_have_text("The birds")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_document_that_is_replaced_while_it_is_read_is_told_and_can_be_read_anew(server: Server, page: Page) -> None:
    changing = LEDGER[:150_000]
    put(server, "changing", changing)
    with later_texts_held(page) as held:
        page.goto(address(server, "changing", 0, 9))
        until(lambda: len(text_of(page)) > 9 and bool(held))
        put(server, "changing", "Nothing of it is left.")
    expect(page.get_by_role("alert")).to_contain_text("This document has been replaced while it was read.")
    assert text_of(page) in changing  # never a mixture of both
    page.get_by_role("button", name="Try again").click()
    expect(current(page)).to_have_text("Nothing o")
    assert text_of(page) == "Nothing of it is left."


def test_of_addresses_opened_in_a_row_the_last_one_wins_and_closing_leaves_nothing(server: Server, page: Page) -> None:
    page.goto(server.url)
    places = (("long", 100), ("ledger", 5), ("none", 0), ("long", 1_900_000), ("ledger", LEDGER.index("Entry 1500.")))
    addresses = [f"/documents/{name}#char={start},{start + 11}" for name, start in places]
    open_quickly(page, addresses)
    expect(current(page)).to_have_text("Entry 1500.")
    expect(current(page)).to_be_in_viewport()
    expect(page.locator("#document-title")).to_have_text("The ledger")
    until(lambda: len(text_of(page)) >= len(LEDGER))
    assert text_of(page) == LEDGER
    expect(page.locator("#text .cited")).to_have_count(1)
    open_quickly(page, addresses[:-1])
    page.get_by_role("button", name="Close the document").click()
    expect(page.locator("#panel")).to_be_hidden()
    page.locator("#text").evaluate(STANDS)
    assert text_of(page) == ""
    expect(page.locator("#document-title")).to_have_text("")
    expect(stand(page)).to_have_text("")


def test_of_a_large_document_the_mark_comes_first_and_stays_while_the_rest_comes(server: Server, page: Page) -> None:
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "/text?" in request.url else None)
    start, end = place(LEDGER, "Entry 1000.")
    with later_texts_held(page) as held:
        page.goto(address(server, "ledger", start, end))
        expect(current(page)).to_have_text("Entry 1000.")
        expect(current(page)).to_be_in_viewport()
        expect(stand(page)).to_have_text("Cited passage")
        until(lambda: text_of(page) in LEDGER and bool(held))  # asking the page lets requests come in
        query = parse_qs(urlsplit(asked[0].url).query)
        first, last = int(query["start"][0]), int(query["end"][0])
        assert first <= start < end <= last
        assert last - first < len(LEDGER) / 10
        page.locator("#text").evaluate("box => box.style.overflowAnchor = 'none'")  # as browsers are that know of none
        before = current(page).evaluate(STANDS)
    until(lambda: len(text_of(page)) >= len(LEDGER))
    assert text_of(page) == LEDGER
    assert abs(current(page).evaluate(STANDS) - before) <= 2
    expect(stand(page)).to_have_text(f"Cited from line {line(LEDGER, start):,}")


def test_a_reader_goes_up_by_keyboard_and_what_is_read_does_not_jump(server: Server, page: Page) -> None:
    page.goto(address(server, "ledger", *place(LEDGER, "Entry 1000.")))
    expect(stand(page)).to_contain_text("Cited from line")  # all is loaded that stands before
    jumps = page.locator("#text").evaluate(
        """async box => {
            const jumps = [], { left, top, width, height } = box.getBoundingClientRect();
            for (let n = 0; n < 60; n++) {
                const read = document.elementFromPoint(left + width / 2, top + height / 2).closest("#text > div");
                const before = read.getBoundingClientRect().top;
                box.scrollTop -= 100;
                await new Promise(requestAnimationFrame);
                await new Promise(requestAnimationFrame);
                const moved = read.getBoundingClientRect().top - before;
                if (Math.abs(moved - 100) > 2) jumps.push([n, moved]);
            }
            return jumps;
        }"""
    )
    assert jumps == []
    text = page.locator("#text")
    text.focus()
    before = text.evaluate("box => box.scrollTop")
    page.keyboard.press("PageUp")
    until(lambda: bool(text.evaluate("box => box.scrollTop") < before - 300))
    page.keyboard.press("Home")
    until(lambda: text.evaluate("box => box.scrollTop") == 0)
    expect(current(page)).not_to_be_in_viewport()
    page.keyboard.press("n")
    expect(current(page)).to_be_in_viewport()
