"""The library as a person uses it, in a real browser: found, narrowed, labelled, removed, and chosen to be asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from tests.browsing import accessible, ask, shoot
from tests.conftest import Server, starting
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.server]
SHELF: list[dict[str, Any]] = [  # by title; the last is the newest
    {"id": "cats", "title": "Cats", "text": "Cats eat mice.", "collection": "Pets"},
    {"id": "dogs", "title": "Dogs", "text": "Dogs eat bones.", "collection": "Pets", "tags": ["loud"]},
    {"id": "gulls", "title": "Gulls", "text": "Gulls eat chips.", "collection": "Birds", "tags": ["loud", "sea"]},
    {"id": "herons", "title": "Herons", "text": "Herons eat frogs.", "collection": "Birds", "dated": "2024-03-01"},
]
TITLES = [one["title"] for one in SHELF]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service without a model and with an empty library, for the tests of this module that leave it empty."""
    with starting(tmp_path_factory.mktemp("library")) as run:
        yield run(QA_MODEL="/no/such/model", QA_SEEDS="")


@pytest.fixture
def shelf(server: Server, page: Page) -> Iterator[Page]:
    """The library with four documents, open in a browser."""
    for one in SHELF:
        assert server.get("/documents?wait=true", {"documents": [one]})[0] == 201
    page.goto(f"{server.url}/library")
    expect(names(page)).to_have_text(TITLES)
    yield page
    page.goto("about:blank")  # what was removed there is removed by now
    for one in server.get("/documents?limit=1000")[1]["documents"]:
        server.get(one["url"], method="DELETE")


def has(server: Server, name: str) -> bool:
    return server.get(f"/documents/{name}")[0] == 200


def names(page: Page) -> Locator:
    return page.locator("#documents .name")


def row(page: Page, name: str) -> Locator:
    return page.locator(f"#documents li[data-id='{name}']")


def chooser(page: Page, name: str) -> Locator:
    return page.get_by_role("combobox", name=name, exact=True)


def tick(page: Page, *titles: str) -> None:
    for title in titles:
        page.get_by_role("checkbox", name=f"Ask {title}").check()


def remove(page: Page, title: str) -> None:
    page.get_by_role("button", name=f"Remove {title}").press("Enter")


def asked(page: Page, question: str) -> dict[str, Any]:
    """What is sent with a question."""
    with page.expect_request("**/ask") as request:
        ask(page, question)
    sent: dict[str, Any] = json.loads(request.value.post_data or "")
    return sent


def test_an_empty_library_says_what_to_do(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/library")
    expect(page.get_by_text("Nothing in the library yet.")).to_be_visible()
    expect(page.get_by_role("search")).to_be_hidden()
    expect(page.locator("#picked")).to_be_hidden()
    accessible(page)
    shoot(page, "library-empty")


def test_a_row_tells_the_facts_of_its_document_and_opens_it(server: Server, shelf: Page) -> None:
    herons = row(shelf, "herons")
    facts = r"^text · 1 passage · added \d{1,2} \w{3,4} \d{4} · dated 1 Mar 2024$"
    expect(herons.locator(".facts")).to_have_text(re.compile(facts))
    expect(herons.locator(".state")).to_have_text("found by keywords only, so far")
    expect(herons.locator(".chip")).to_have_text(["Birds"])
    expect(herons.get_by_role("link", name="Download")).to_have_count(0)  # it came without a file
    expect(shelf.locator("#found")).to_have_text("4 documents")
    accessible(shelf)
    shoot(shelf, "library")
    herons.get_by_role("link", name="Herons").click()
    expect(shelf.get_by_role("heading", name="Herons")).to_be_focused()
    assert shelf.url == f"{server.url}/documents/herons"


# The filter


def test_words_narrow_the_list_and_all_documents_come_back_by_a_click(shelf: Page) -> None:
    search = shelf.get_by_label("Search the library")
    search.fill("birds gulls")
    expect(names(shelf)).to_have_text(["Gulls"])
    expect(shelf.locator("#found")).to_have_text("1 found")
    search.fill("xylophone")
    expect(shelf.get_by_text("No documents match.")).to_be_visible()
    accessible(shelf)
    shelf.get_by_role("button", name="Show all documents").click()
    expect(names(shelf)).to_have_text(TITLES)
    expect(search).to_be_focused()


def test_collection_tag_type_and_order_narrow_and_sort_it(shelf: Page) -> None:
    expect(chooser(shelf, "Type")).to_be_hidden()  # there is but one
    auks: FilePayload = {"name": "Auks.html", "mimeType": "text/html", "buffer": b"<!doctype html><p>Auks eat krill."}
    shelf.get_by_label("Add files…").set_input_files(auks)
    expect(names(shelf)).to_have_text(["Auks", *TITLES])
    for label, choice, left in (
        ("Collection", "Birds (2)", ["Gulls", "Herons"]),
        ("Tag", "loud (2)", ["Gulls"]),
        ("Collection", "All collections", ["Dogs", "Gulls"]),
        ("Tag", "All tags", ["Auks", *TITLES]),
        ("Type", "web page (1)", ["Auks"]),
        ("Type", "All types", ["Auks", *TITLES]),
        ("Order", "Newest first", ["Auks", *TITLES[::-1]]),
    ):
        chooser(shelf, label).select_option(label=choice)
        expect(names(shelf)).to_have_text(left)


def test_a_chip_narrows_the_list_to_what_it_names_and_back(shelf: Page) -> None:
    chip = row(shelf, "gulls").get_by_role("button", name="Only the tag loud")
    chip.press("Enter")
    expect(names(shelf)).to_have_text(["Dogs", "Gulls"])
    expect(chooser(shelf, "Tag")).to_have_value("loud")
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(chip).to_be_focused()
    accessible(shelf)
    shoot(shelf, "library-chip")
    chip.press("Enter")
    expect(names(shelf)).to_have_text(TITLES)
    expect(chip).to_have_attribute("aria-pressed", "false")


def test_a_reply_that_comes_late_does_not_take_the_place_of_a_later_one(shelf: Page) -> None:
    late: list[Route] = []
    shelf.route("**/documents?q=gulls*", lambda route: late.append(route))
    shelf.get_by_label("Search the library").fill("gulls")
    until(lambda: bool(shelf.title()) and bool(late))
    shelf.get_by_label("Search the library").fill("cats")
    expect(names(shelf)).to_have_text(["Cats"])
    with shelf.expect_request_finished(lambda request: "q=gulls" in request.url):
        late[0].continue_()
    shelf.evaluate("new Promise(requestAnimationFrame)")
    expect(names(shelf)).to_have_text(["Cats"])
    expect(shelf.locator("#documents")).not_to_have_attribute("aria-busy", "true")


def test_a_chosen_collection_that_is_gone_gives_way_to_all(server: Server, shelf: Page) -> None:
    chooser(shelf, "Collection").select_option("Pets")
    expect(names(shelf)).to_have_text(["Cats", "Dogs"])
    for name in ("cats", "dogs"):
        server.get(f"/documents/{name}", method="DELETE")
    shelf.get_by_role("button", name="Close the library").click()
    shelf.get_by_role("button", name="Library").click()
    expect(names(shelf)).to_have_text(["Gulls", "Herons"])
    expect(chooser(shelf, "Collection")).to_have_value("")


def test_a_service_that_does_not_answer_is_said_and_the_list_comes_by_trying_again(shelf: Page) -> None:
    shelf.route("**/documents?*", lambda route: route.abort())
    shelf.get_by_label("Search the library").fill("gulls")
    expect(shelf.locator("#library-problem")).to_contain_text("The service does not answer.")
    again = shelf.get_by_role("button", name="Try again")
    again.press("Enter")
    expect(again).to_be_focused()
    expect(shelf.locator("#documents")).not_to_have_attribute("aria-busy", "true")
    accessible(shelf)
    shelf.unroute_all()
    again.press("Enter")
    expect(names(shelf)).to_have_text(["Gulls"])
    expect(shelf.locator("#library-problem")).to_be_hidden()
    expect(shelf.get_by_role("heading", name="Library")).to_be_focused()


# Labels


def edit_labels(page: Page, title: str, collection: str, tags: str) -> None:
    page.get_by_role("button", name=f"Tags of {title}").press("Enter")
    dialog = page.get_by_role("dialog", name=title)
    dialog.get_by_label("Collection").fill(collection)
    dialog.get_by_label("Tags, separated by commas").fill(tags)
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)


def test_labels_are_given_in_a_dialog_and_the_focus_stays_on_the_row(shelf: Page) -> None:
    shelf.get_by_role("button", name="Tags of Gulls").press("Enter")
    dialog = shelf.get_by_role("dialog", name="Gulls")
    expect(dialog.get_by_label("Collection")).to_have_value("Birds")
    expect(dialog.get_by_label("Tags, separated by commas")).to_have_value("loud, sea")
    accessible(shelf)
    shelf.keyboard.press("Escape")
    edit_labels(shelf, "Gulls", "Coast", " loud ,white,, ")
    expect(row(shelf, "gulls").locator(".chip")).to_have_text(["Coast", "loud", "white"])
    offered = chooser(shelf, "Collection").locator("option")
    expect(offered).to_have_text(["All collections", "Birds (1)", "Coast (1)", "Pets (2)"])
    expect(shelf.get_by_role("button", name="Tags of Gulls")).to_be_focused()


def test_a_dialog_that_is_opened_again_at_once_is_not_taken_for_the_one_that_was_closed(shelf: Page) -> None:
    shelf.evaluate("""async () => {
        const ask = document.querySelector("[data-id='gulls'] .relabel"), dialog = document.querySelector("#naming");
        ask.click();
        dialog.close("");
        ask.click();
        await new Promise((resolve) => setTimeout(resolve, 100));  // now it is told that it was closed
        dialog.querySelector("[name=tags]").value = "white";
        dialog.querySelector("form").requestSubmit(dialog.querySelector("[value=keep]"));
    }""")
    expect(row(shelf, "gulls").locator(".chip")).to_have_text(["Birds", "white"])


def test_labels_that_are_refused_are_kept_to_be_changed(shelf: Page) -> None:
    edit_labels(shelf, "Cats", "Pets", "x" * 101)
    expect(shelf.locator("#toast")).to_contain_text("Not kept: ")
    shelf.get_by_role("button", name="Change it").click()
    field = shelf.get_by_role("dialog", name="Cats").get_by_label("Tags, separated by commas")
    expect(field).to_have_value("x" * 101)
    field.fill("quiet")
    shelf.keyboard.press("Enter")
    expect(row(shelf, "cats").locator(".chip")).to_have_text(["Pets", "quiet"])


# Removing


def test_several_are_removed_with_one_word_and_brought_back_together(server: Server, shelf: Page) -> None:
    tick(shelf, "Cats", "Gulls")
    remove(shelf, "Cats")
    expect(shelf.locator("#toast")).to_contain_text("Removed Cats")
    expect(shelf.get_by_role("button", name="Remove Dogs")).to_be_focused()
    expect(shelf.locator("#scope")).to_contain_text("Asking only 1 document: Gulls")
    remove(shelf, "Herons")
    expect(shelf.get_by_role("button", name="Remove Gulls")).to_be_focused()  # that before the last
    expect(shelf.locator("#toast")).to_contain_text("Removed 2 documents")
    expect(names(shelf)).to_have_text(["Dogs", "Gulls"])
    expect(shelf.locator("#found")).to_have_text("2 documents · 1 ticked")
    accessible(shelf)
    shoot(shelf, "library-removed")
    shelf.get_by_role("button", name="Undo").press("Enter")
    expect(names(shelf)).to_have_text(TITLES)
    expect(shelf.get_by_role("button", name="Remove Herons")).to_be_focused()
    expect(shelf.get_by_role("checkbox", name="Ask Cats")).to_be_checked()
    expect(shelf.locator("#found")).to_have_text("4 documents · 2 ticked")
    expect(shelf.locator("#live")).to_have_text("Undone")
    expect(shelf.locator("#toast")).to_be_hidden()
    assert has(server, "cats")


def test_ctrl_z_brings_back_what_was_removed_but_not_while_one_types(shelf: Page) -> None:
    remove(shelf, "Dogs")
    shelf.get_by_label("Your question").press("ControlOrMeta+z")
    expect(names(shelf)).to_have_text(["Cats", "Gulls", "Herons"])
    shelf.get_by_role("button", name="Remove Gulls").press("ControlOrMeta+z")
    expect(names(shelf)).to_have_text(TITLES)
    expect(shelf.get_by_role("button", name="Remove Dogs")).to_be_focused()


def test_what_is_not_brought_back_in_time_is_removed(server: Server, shelf: Page) -> None:
    shelf.clock.install()
    remove(shelf, "Dogs")
    shelf.clock.fast_forward(7_500)
    assert has(server, "dogs")
    shelf.clock.fast_forward(1_000)
    expect(shelf.locator("#toast")).to_be_hidden()
    until(lambda: bool(shelf.title()) and not has(server, "dogs"))


def test_a_question_is_asked_without_what_was_removed(server: Server, shelf: Page) -> None:
    sent: list[str] = []
    shelf.on("request", lambda request: sent.append(request.method))
    remove(shelf, "Dogs")
    turn = ask(shelf, "What do dogs eat?")
    assert [method for method in sent if method != "GET"] == ["DELETE", "POST"]
    expect(turn.get_by_text("Dogs eat bones.")).to_have_count(0)
    expect(shelf.locator("#toast")).to_be_hidden()
    assert not has(server, "dogs")


@pytest.mark.parametrize("leave", [lambda page: page.goto("about:blank"), lambda page: page.close()])
def test_leaving_the_page_removes_what_was_removed(server: Server, shelf: Page, leave: Any) -> None:
    other = shelf.context.new_page()
    other.goto(f"{server.url}/library")
    remove(other, "Dogs")
    remove(other, "Cats")
    expect(names(other)).to_have_text(["Gulls", "Herons"])
    leave(other)
    until(lambda: not has(server, "dogs") and not has(server, "cats"))


def test_what_could_not_be_removed_comes_back_with_the_reason(server: Server, shelf: Page) -> None:
    told = {"error": {"code": "storage", "message": "The disk is full", "hint": "Free some space"}}
    shelf.route("**/documents/dogs", lambda route: route.fulfill(status=500, json=told))
    tick(shelf, "Dogs")
    remove(shelf, "Dogs")
    remove(shelf, "Cats")
    ask(shelf, "What do gulls eat?")
    expect(shelf.locator("#toast")).to_have_text("Dogs was not removed: The disk is full. Free some space.")
    expect(names(shelf)).to_have_text(TITLES[1:])
    expect(shelf.get_by_role("checkbox", name="Ask Dogs")).to_be_checked()
    expect(shelf.locator("#found")).to_have_text("3 documents · 1 ticked")


def test_what_somebody_else_has_removed_meanwhile_is_no_failure(server: Server, shelf: Page) -> None:
    remove(shelf, "Dogs")
    server.get("/documents/dogs", method="DELETE")
    ask(shelf, "What do gulls eat?")
    expect(names(shelf)).to_have_text(["Cats", "Gulls", "Herons"])
    expect(shelf.locator("#toast")).to_be_hidden()


# What is asked


def test_ticked_documents_alone_are_asked_and_ask_all_unticks_them(shelf: Page) -> None:
    tick(shelf, "Gulls", "Cats")
    expect(shelf.locator("#scope")).to_contain_text("Asking only 2 documents: Gulls, Cats")
    shoot(shelf, "library-ticked")
    assert asked(shelf, "What do they eat?")["document_ids"] == ["gulls", "cats"]
    shelf.locator("#scope").get_by_role("button", name="Ask all").press("Enter")
    expect(shelf.get_by_role("checkbox", checked=True)).to_have_count(0)
    expect(shelf.locator("#scope")).to_be_hidden()
    expect(shelf.get_by_label("Your question")).to_be_focused()
    assert "document_ids" not in asked(shelf, "What do dogs eat?")


def test_a_collection_a_tag_or_both_alone_are_asked_and_all_again(shelf: Page) -> None:
    chooser(shelf, "Collection").select_option("Birds")
    shelf.get_by_role("button", name="Ask only this collection").press("Enter")
    expect(shelf.locator("#scope")).to_contain_text("Asking only the collection Birds")
    sent = asked(shelf, "What do gulls eat?")
    assert (sent["collections"], sent["tags"]) == (["Birds"], [])
    chooser(shelf, "Tag").select_option("loud")
    shelf.get_by_role("button", name="Ask only these").press("Enter")
    expect(shelf.locator("#scope")).to_contain_text("the collection Birds, the tag loud")
    chooser(shelf, "Collection").select_option("")
    shelf.get_by_role("button", name="Ask only this tag").press("Enter")
    expect(shelf.locator("#scope")).to_contain_text("Asking only the tag loud")
    again = shelf.get_by_role("button", name="Ask all again")
    expect(again).to_be_focused()
    again.press("Enter")
    expect(shelf.locator("#scope")).to_be_hidden()
    expect(shelf.get_by_role("button", name="Ask only this tag")).to_be_focused()


def test_a_long_list_grows_and_a_change_keeps_the_place_and_the_focus(start: Callable[..., Server], page: Page) -> None:
    server = start(QA_MODEL="/no/such/model", QA_SEEDS="")
    texts = [{"id": f"d{n}", "title": f"Document {n:03}", "text": f"Bird {n} eats fish."} for n in range(120)]
    assert server.get("/documents?wait=true", {"documents": texts})[0] == 201
    page.goto(f"{server.url}/library")
    every = page.get_by_role("checkbox", name="Tick all that are shown")
    expect(names(page)).to_have_count(100)
    every.check()
    expect(page.locator("#found")).to_have_text("120 documents · 100 ticked")
    more = page.get_by_role("button", name="Show more")
    more.press("Enter")
    expect(names(page)).to_have_count(120)
    expect(more).to_be_hidden()
    expect(names(page).nth(100)).to_be_focused()
    expect(every).to_be_checked(indeterminate=True)
    place = "document.querySelector('#library').scrollTop"
    labels = page.get_by_role("button", name="Tags of Document 105")
    labels.focus()
    before = page.evaluate(place)
    assert before > 5_000
    edit_labels(page, "Document 105", "Late", "")
    expect(row(page, "d105").locator(".chip")).to_have_text(["Late"])
    expect(labels).to_be_focused()
    assert abs(page.evaluate(place) - before) < 100
    expect(every).to_be_checked(indeterminate=True)
    every.check()
    expect(page.locator("#found")).to_have_text("120 documents · 120 ticked")


def test_more_than_a_thousand_documents_cannot_be_ticked(shelf: Page, server: Server) -> None:
    one = server.get("/documents")[1]["documents"][0]
    many = [one | {"id": f"d{n}", "title": f"Document {n:04}"} for n in range(1001)]

    def listed(route: Route) -> None:  # as the service would, which takes its time to store so many
        query = parse_qs(urlsplit(route.request.url).query)
        offset, limit = int(query["offset"][0]), int(query["limit"][0])
        route.fulfill(json={"total": len(many), "documents": many[offset : offset + limit]})

    shelf.route("**/documents?*", listed)
    chooser(shelf, "Order").select_option("added")
    for shown in range(100, 1001, 100):
        expect(shelf.locator("#documents li")).to_have_count(shown)
        shelf.get_by_role("button", name="Show more").press("Enter")
    expect(shelf.locator("#documents li")).to_have_count(1001)
    shelf.get_by_role("checkbox", name="Tick all that are shown").click()
    expect(shelf.locator("#toast")).to_have_text("No more than 1,000 documents can be ticked.")
    expect(shelf.locator("#found")).to_have_text("1,001 documents · 1,000 ticked")
    expect(shelf.get_by_role("checkbox", name="Ask Document 1000")).not_to_be_checked()
