"""The chat as a person uses it, in a real browser against the real service: ask, go on, keep, tell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browsing import QUESTION, TELLING, ask, shoot
from tests.conftest import SEED, Server

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.model]
OTHER = "What might the occupied areas become?"


@pytest.fixture
def chat(service: Server, page: Page) -> Page:
    page.goto(service.url)
    return page


def test_the_best_passage_comes_first_and_marked_and_the_others_are_folded(chat: Page) -> None:
    expect(chat.get_by_label("Your question")).to_be_focused()
    shoot(chat, "welcome")
    turn = ask(chat, QUESTION)
    expect(turn.locator(".question")).to_have_text(QUESTION)
    best = turn.locator(".best")
    expect(best.locator("mark")).to_have_text(TELLING)
    expect(best.locator("blockquote")).to_contain_text("Leaders of the UK, France, Germany")
    expect(best.locator("cite")).to_have_text(SEED.read_text(encoding="utf-8").splitlines()[0])
    expect(best.locator(".place")).to_have_text("lines 3–4")
    expect(best.locator(".why")).to_have_text("Found by its words (no. 1) and its meaning (no. 1)")
    expect(turn.locator(".verdict")).to_have_text(re.compile(r"^Very likely answered 8\d % · \d+ ms$"))
    size = "node => parseFloat(getComputedStyle(node).fontSize)"
    folded = turn.locator(".passage details")
    expect(folded).to_have_count(4)
    expect(folded.locator("blockquote")).to_have_count(0)
    expect(folded.first.locator(".place")).to_have_text("line 2")
    expect(folded.first.locator(".glimpse")).to_have_text(re.compile("^According to an extensive report"))
    shoot(chat, "answer")
    folded.first.locator("summary").click()
    other = folded.first.locator("blockquote")
    expect(other).to_be_visible()
    assert best.locator("blockquote").evaluate(size) > other.evaluate(size)
    all_of_them = turn.get_by_role("button", name=re.compile("Show all in full|Fold the others"))
    all_of_them.click()
    expect(turn.locator("blockquote")).to_have_count(5)
    expect(all_of_them).to_have_text("Fold the others")
    folded.first.locator("summary").click()
    expect(all_of_them).to_have_text("Show all in full")  # as it is then
    folded.first.locator("summary").click()
    expect(all_of_them).to_have_text("Fold the others")
    expect(chat.locator("#notice")).to_be_hidden()
    text = SEED.read_text(encoding="utf-8")
    assert all(
        shown in text for shown in turn.locator("blockquote").evaluate_all("all => all.map(one => one.textContent)")
    )


def test_where_the_model_does_not_know_the_words_it_is_said(chat: Page) -> None:
    verdict = ask(chat, "ماذا يأكل البجع؟").locator(".verdict")
    expect(verdict).to_contain_text("keyword search only: the embedding model does not know the words of this question")


def test_samples_are_offered_and_asked_by_a_click(chat: Page) -> None:
    samples = chat.get_by_role("list", name="Questions to try").get_by_role("button")
    expect(samples).to_have_count(4)
    samples.first.click()
    expect(chat.locator("mark").first).to_have_text(TELLING)
    expect(samples.first).to_be_hidden()


def test_what_the_documents_do_not_hold_is_said_with_the_nearest_passages_folded(chat: Page) -> None:
    turn = ask(chat, "How do I reset my router password?")
    expect(turn.locator(".verdict")).to_contain_text("Not in these documents")
    nearest = turn.locator(".nearest blockquote").first
    expect(nearest).to_be_hidden()
    turn.get_by_text("The nearest passages all the same").click()
    expect(nearest).to_be_visible()
    shoot(chat, "unanswered")


def test_arrow_up_and_down_bring_back_earlier_questions_and_leave_typed_text_alone(chat: Page) -> None:
    field = chat.get_by_label("Your question")
    ask(chat, QUESTION)
    ask(chat, OTHER)
    expect(field).to_have_value("")
    for key, value in (
        ("ArrowUp", OTHER),
        ("ArrowUp", QUESTION),
        ("ArrowUp", QUESTION),
        ("ArrowDown", OTHER),
        ("ArrowDown", ""),
    ):
        field.press(key)
        expect(field).to_have_value(value)
    field.fill("My own")
    field.press("ArrowUp")
    expect(field).to_have_value("My own")


def test_shift_enter_starts_a_line_and_enter_asks(chat: Page) -> None:
    chat.keyboard.type("Who would monitor")
    chat.keyboard.press("Shift+Enter")
    chat.keyboard.type("the ceasefire?")
    chat.keyboard.press("Enter")
    expect(chat.locator(".question")).to_have_text("Who would monitor\nthe ceasefire?", use_inner_text=True)


def test_a_quotation_is_copied_as_text_and_as_markdown_with_an_address_that_opens_it(
    chat: Page, context: BrowserContext
) -> None:
    best = ask(chat, QUESTION).locator(".best")
    best.get_by_role("button", name="Copy: passage 1").click()
    expect(best.get_by_role("button", name="Copy: passage 1")).to_have_text("Copied")
    copied = chat.evaluate("navigator.clipboard.readText()")
    passage = best.locator("blockquote").evaluate("node => node.textContent")
    assert copied.startswith(f"“{passage}”\n— US pushes")
    assert "lines 3–4" in copied
    address = copied.splitlines()[-1]
    best.get_by_role("button", name="Markdown: passage 1").click()
    expect(best.get_by_role("button", name="Markdown: passage 1")).to_have_text("Copied")
    marked = chat.evaluate("navigator.clipboard.readText()")
    assert marked.startswith("> Leaders of the UK")
    assert f"(<{address}>)" in marked
    stranger = context.new_page()
    stranger.goto(address)
    expect(stranger.locator("#text .current mark")).to_have_text(TELLING)
    expect(stranger.locator("#text .current mark")).to_be_in_viewport()


def test_a_follow_up_shows_what_was_asked_and_one_click_asks_it_by_itself(chat: Page) -> None:
    ask(chat, QUESTION)
    turn = ask(chat, "And Germany?")
    expect(turn.locator(".effective q")).to_have_text(f"{QUESTION} And Germany?")
    shoot(chat, "follow-up")
    with chat.expect_request("**/ask") as asked:
        turn.get_by_role("button", name="Ask it by itself").click()
    assert json.loads(asked.value.post_data or "")["history"] == []
    expect(turn.locator(".question")).to_be_focused()
    expect(turn.locator(".effective")).to_have_text("Asked by itself.")
    expect(chat.locator(".turn")).to_have_count(2)
    with chat.expect_request("**/ask") as asked:
        ask(chat, "Who is its chancellor?")
    history = json.loads(asked.value.post_data or "")["history"]
    assert [one["question"] for one in history] == ["And Germany?"]  # what came before was left behind


def test_chats_are_kept_listed_renamed_deleted_and_brought_back(chat: Page) -> None:
    ask(chat, QUESTION)
    chat.get_by_role("button", name="New chat").click()
    expect(chat.locator(".turn")).to_have_count(0)
    ask(chat, OTHER)
    names = chat.locator("#conversations .name")
    expect(names).to_have_text([OTHER, QUESTION])
    chat.reload()
    expect(chat.locator(".question")).to_have_text(OTHER)
    expect(names).to_have_text([OTHER, QUESTION])

    names.last.click()
    expect(chat.locator(".question")).to_have_text(QUESTION)
    expect(chat.locator(".best mark")).to_have_text(TELLING)
    chat.go_back()
    expect(chat.locator(".question")).to_have_text(OTHER)

    chat.locator("#conversations summary").first.click()
    chat.get_by_role("button", name="Rename…").click()
    chat.get_by_role("textbox", name="Name").fill("The areas")
    chat.keyboard.press("Enter")
    expect(names.first).to_have_text("The areas")
    expect(chat).to_have_title("The areas · Chapter & Verse")

    chat.locator("#conversations summary").first.click()
    chat.get_by_role("button", name="Delete").click()
    expect(names).to_have_text([QUESTION])
    expect(chat.locator(".turn")).to_have_count(0)
    chat.get_by_role("button", name="Undo").click()
    expect(names).to_have_text(["The areas", QUESTION])
    expect(chat.locator(".question")).to_have_text(OTHER)
    chat.reload()
    expect(names).to_have_text(["The areas", QUESTION])
    for left in (["The areas"], []):
        chat.locator("#conversations summary").last.click()
        chat.get_by_role("button", name="Delete").last.click()
        expect(names).to_have_text(left)
    expect(chat.locator("#toast")).to_contain_text("Deleted 2 chats")
    chat.keyboard.press("Control+z")
    expect(names).to_have_text(["The areas", QUESTION])
    expect(chat.locator(".question")).to_have_text(OTHER)  # what was shown is shown again
    chat.locator("#conversations summary").last.click()
    chat.get_by_role("button", name="Delete").last.click()
    expect(chat.locator("#toast")).to_contain_text(f"Deleted “{QUESTION}”")


def test_an_answer_that_is_asked_for_again_in_vain_stays_as_it_was(chat: Page) -> None:
    ask(chat, QUESTION)
    turn = ask(chat, "And Germany?")
    turn.locator(".best .helpful").click()
    expect(turn.locator(".best .helpful")).to_have_attribute("aria-pressed", "true")
    before = turn.inner_text()
    chat.route("**/ask", lambda route: route.abort())
    turn.get_by_role("button", name="Ask it by itself").click()
    expect(chat.locator("#toast")).to_contain_text("Not asked again: The service does not answer.")
    for _ in ("at once", "after a reload"):
        expect(turn.locator(".effective")).to_contain_text("Asked together with what came before")
        expect(turn.locator(".best .helpful")).to_have_attribute("aria-pressed", "true")
        assert turn.inner_text() == before
        chat.reload()
        turn = chat.locator(".turn").last
    turn.locator(".best .helpful").click()  # for the other tests
    expect(turn.locator(".best .helpful")).to_have_attribute("aria-pressed", "false")
    chat.unroute("**/ask")
    turn.get_by_role("button", name="Ask it by itself").click()
    expect(turn.locator(".effective")).to_have_text("Asked by itself.")


def test_a_chat_is_saved_as_markdown_and_json_with_every_citation(chat: Page, tmp_path: Path) -> None:
    ask(chat, QUESTION)
    ask(chat, "What is the capital of Australia?")
    saved = {}
    for form, ending in (("Markdown", "md"), ("JSON", "json")):
        chat.locator("#conversations summary").click()
        with chat.expect_download() as download:
            chat.get_by_role("button", name=f"Save as {form}").click()
        assert download.value.suggested_filename == f"Who-would-monitor-the-ceasefire.{ending}"
        download.value.save_as(tmp_path / ending)
        saved[ending] = (tmp_path / ending).read_text(encoding="utf-8")
    turns: list[dict[str, Any]] = json.loads(saved["json"])["turns"]
    assert [turn["question"] for turn in turns] == [QUESTION, "What is the capital of Australia?"]
    text = SEED.read_text(encoding="utf-8")
    for turn in turns:
        for passage in turn["answer"]["passages"]:
            cited = passage["citation"]
            assert text[cited["start"] : cited["end"]] == cited["quote"] == passage["text"]
            assert f"{chat.url.rstrip('/')}{cited['url']}" in saved["md"]
    assert "## Who would monitor the ceasefire?" in saved["md"]
    assert "Not in these documents" in saved["md"]


def test_an_address_with_a_question_asks_it_once_and_stays_to_be_shared(service: Server, chat: Page) -> None:
    address = f"{service.url}/?q=Who+would+monitor+the+ceasefire%3F"
    chat.goto(address)
    expect(chat.locator(".best mark")).to_have_text(TELLING)
    assert chat.url == address
    chat.reload()
    expect(chat.locator(".turn")).to_have_count(1)
    expect(chat.locator("#conversations .name")).to_have_count(1)
    chat.get_by_role("button", name="Copy link").click()
    expect(chat.get_by_role("button", name="Copied")).to_be_visible()
    assert chat.evaluate("navigator.clipboard.readText()") == address.replace("+", "%20")
    ask(chat, OTHER)
    assert chat.url == f"{service.url}/"


def test_thumbs_are_stored_by_the_service_and_become_an_eval_set(service: Server, chat: Page, tmp_path: Path) -> None:
    question = "Who would lead the ceasefire monitoring?"
    turn = ask(chat, question)
    helpful = turn.get_by_role("button", name="Passage 1 answers the question")
    helpful.click()
    expect(helpful).to_have_attribute("aria-pressed", "true")
    _, listed = service.get("/feedback")
    assert [(one["question"], one["helpful"], one["passage"]["start"]) for one in listed["feedback"]] == [
        (question, True, 602)
    ]
    unhelpful = turn.get_by_role("button", name="Passage 1 does not answer the question")
    unhelpful.click()
    expect(unhelpful).to_have_attribute("aria-pressed", "true")
    expect(helpful).to_have_attribute("aria-pressed", "false")
    helpful.click()
    expect(helpful).to_have_attribute("aria-pressed", "true")
    chat.reload()
    expect(chat.get_by_role("button", name="Passage 1 answers the question")).to_have_attribute("aria-pressed", "true")
    nothing = ask(chat, "How do I reset my router password?").get_by_role("button", name="Right, it is not there")
    nothing.click()
    expect(nothing).to_have_attribute("aria-pressed", "true")

    chat.get_by_role("button", name="Settings").click()
    expect(chat.locator("#said")).to_have_text("What you said of passages: 2")
    with chat.expect_download() as download:
        chat.get_by_role("link", name="Save as a test set").click()
    download.value.save_as(tmp_path / "feedback.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "feedback.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {(line["question"], bool(line["gold"])) for line in lines} == {
        (question, True),
        ("How do I reset my router password?", False),
    }
    chat.keyboard.press("Escape")
    chat.get_by_role("button", name="Passage 1 answers the question").first.click()
    expect(chat.locator("#live")).to_have_text("Taken back.")
    nothing.click()
    expect(nothing).to_have_attribute("aria-pressed", "false")
    assert service.get("/feedback")[1]["total"] == 0


def test_ticks_of_a_chat_that_is_not_asked_yet_outlive_a_reload(service: Server, page: Page) -> None:
    page.goto(service.url)
    page.get_by_role("button", name="Library").click()
    page.locator("#documents").get_by_role("checkbox").first.check()
    page.go_back()
    expect(page.locator("#panel")).to_be_hidden()
    page.reload()
    expect(page.locator("#scope")).to_contain_text("Asking only 1 document")
    with page.expect_request("**/ask") as asked:
        ask(page, QUESTION)
    assert len(json.loads(asked.value.post_data or "")["document_ids"]) == 1
    page.get_by_role("button", name="New chat").click()
    page.reload()
    expect(page.locator("#samples button").first).to_be_visible()
    expect(page.locator("#scope")).to_be_hidden()


def test_settings_are_kept_and_used(chat: Page) -> None:
    chat.get_by_role("button", name="Settings").click()
    chat.get_by_label("Colours").select_option("dark")
    chat.get_by_label("Passages to an answer").fill("2")
    chat.get_by_label("Search by").select_option("dense")
    shoot(chat, "settings")
    chat.get_by_role("button", name="Done").click()
    turn = ask(chat, QUESTION)
    expect(turn.locator(".passage")).to_have_count(2)
    expect(turn.locator(".why").first).to_have_text("Found by its meaning (no. 1)")
    background = "getComputedStyle(document.body).backgroundColor"
    assert chat.evaluate(background) == "rgb(21, 25, 27)"
    chat.reload()
    assert chat.evaluate(background) == "rgb(21, 25, 27)"
    chat.get_by_role("button", name="Settings").click()
    expect(chat.get_by_label("Passages to an answer")).to_have_value("2")
    expect(chat.get_by_label("Search by")).to_have_value("dense")


def test_everything_can_be_done_by_keyboard_and_the_help_tells_how(service: Server, chat: Page) -> None:
    chat.keyboard.type(QUESTION)
    chat.keyboard.press("Enter")
    expect(chat.locator(".best mark")).to_have_text(TELLING)
    chat.locator("#chat").evaluate("() => document.activeElement.blur()")
    chat.keyboard.press("?")
    expect(chat.get_by_role("dialog", name="Help")).to_be_visible()
    shoot(chat, "help")
    chat.keyboard.press("Escape")
    expect(chat.get_by_role("dialog")).to_have_count(0)
    chat.keyboard.press("j")
    expect(chat.locator(".best .citation")).to_be_focused()
    chat.keyboard.press("j")
    expect(chat.locator(".passage summary").first).to_be_focused()
    chat.keyboard.press("k")
    chat.keyboard.press("o")
    expect(chat.locator("#text .current mark")).to_be_in_viewport()
    assert chat.url.startswith(f"{service.url}/documents/")
    chat.keyboard.press("Escape")
    expect(chat.locator("#panel")).to_be_hidden()
    expect(chat.locator(".best .citation")).to_be_focused()
    chat.locator(".passage summary").first.focus()
    chat.keyboard.press("o")  # also one that is folded
    expect(chat.locator("#stand")).to_contain_text("Passage 1 of 5")
    chat.get_by_label("Your question").focus()
    chat.keyboard.press("Escape")
    expect(chat.locator("#panel")).to_be_hidden()
    expect(chat.get_by_label("Your question")).to_be_focused()  # who writes goes on writing
    chat.locator(".question").evaluate("node => node.focus()")
    chat.keyboard.press("l")
    expect(chat.get_by_role("heading", name="Library")).to_be_focused()
    chat.keyboard.press("Escape")
    chat.keyboard.press("/")
    expect(chat.get_by_label("Your question")).to_be_focused()
    chat.keyboard.type("c?/")  # keys are letters where one types
    expect(chat.get_by_label("Your question")).to_have_value("c?/")
    expect(chat.locator(".turn")).to_have_count(1)
    chat.get_by_role("button", name="Settings").click()
    chat.get_by_label("Shortcuts of a single key").uncheck()
    chat.keyboard.press("Escape")
    chat.keyboard.press("?")
    expect(chat.get_by_role("dialog")).to_have_count(0)


def test_answers_are_announced(chat: Page) -> None:
    ask(chat, QUESTION)
    live = chat.locator("#live")
    expect(live).to_have_attribute("role", "status")
    expect(live).to_contain_text("Very likely answered, 8")
    expect(live).to_contain_text(f"lines 3–4: {TELLING}")
    ask(chat, "How do I reset my router password?")
    expect(live).to_contain_text("Not in these documents")
