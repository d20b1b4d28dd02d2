"""Files on their way into the library, in a real browser: chosen, dropped, followed, told of, and tried again."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Locator, Page, Route, expect

from index.lock import WriterLock
from tests.browsing import accessible, ask, shoot
from tests.conftest import Server, starting
from tests.documents import sample
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.server]
NO_MODEL = "/no/such/model"
FISH, CHIPS = b"Pelicans eat fish.", b"Gulls eat chips."
DROP = """files => {
    const data = new DataTransfer();
    for (const [name, words] of Object.entries(files)) data.items.add(new File([words], name));
    dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service without a model and with an empty library, for the tests of this module that leave it empty."""
    with starting(tmp_path_factory.mktemp("uploads")) as run:
        yield run(QA_MODEL=NO_MODEL, QA_SEEDS="")


@pytest.fixture
def library(server: Server, page: Page) -> Iterator[Page]:
    """The library, open in a browser; what a test puts in is taken out again."""
    page.goto(f"{server.url}/library")
    yield page
    for one in documents(server):
        server.get(one["url"], method="DELETE")


def documents(server: Server, query: str = "") -> list[dict[str, str]]:
    listed: list[dict[str, str]] = server.get(f"/documents?limit=1000{query}")[1]["documents"]
    return listed


def add(page: Page, files: dict[str, bytes]) -> None:
    """Choose files in the dialog."""
    payloads: list[FilePayload] = [
        {"name": name, "mimeType": "application/octet-stream", "buffer": words} for name, words in files.items()
    ]
    page.get_by_label("Add files…").set_input_files(payloads)


def upload(page: Page, name: str) -> Locator:
    return page.locator(".upload").filter(has=page.get_by_text(name, exact=True))


def state(page: Page, name: str) -> Locator:
    return upload(page, name).locator(".state")


def hold_posts(page: Page) -> list[Route]:
    """What is sent from now on waits until it is let go."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "POST":
            held.append(route)
        else:
            route.continue_()

    page.route("**/documents", hold)
    return held


def let_go(page: Page, held: list[Route]) -> None:
    until(lambda: bool(page.title()) and bool(held))  # looking at the page lets what it sends come through
    held.pop(0).continue_()


# What became of it


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("gulls.txt", CHIPS, "added · text · 16 characters · 1 passage"),
        ("birds.txt", FISH, "already there · text · 18 characters · 1 passage"),
        ("again.txt", FISH, "already there under another name · text · 18 characters · 1 passage"),
    ],
    ids=["added", "unchanged", "duplicate"],
)
def test_each_file_is_told_whether_it_is_new(library: Page, name: str, words: bytes, told: str) -> None:
    add(library, {"birds.txt": FISH})
    expect(state(library, "birds.txt")).to_contain_text("added")
    add(library, {name: words})
    expect(library.locator(".upload .state").first).to_have_text(told)
    expect(library.locator(".sum")).to_contain_text("2 of 2 taken in")


def test_a_pdf_is_told_of_with_its_pages_and_those_without_text(
    library: Page, browser: Browser, tmp_path: Path
) -> None:
    printing = browser.new_page()
    sheet = "<section style='break-after: page; height: 5cm'>{}</section>"
    printing.set_content("".join(map(sheet.format, ("Herons stand still. " * 9, "", "Gulls eat chips. " * 9))))
    printing.pdf(path=tmp_path / "herons.pdf")
    printing.close()
    library.get_by_label("Add files…").set_input_files(tmp_path / "herons.pdf")
    expect(state(library, "herons.pdf")).to_have_text(re.compile(r"^added · PDF · 3 pages · .*Without text, pages: 2$"))
    row = library.locator("#documents li")
    expect(row.locator(".facts")).to_have_text(re.compile(r"^PDF · 3 pages · \d passages? · added \d+ \w+ \d{4}"))
    expect(row.locator(".notes")).to_have_text("Without text, pages: 2")
    with library.expect_download() as download:
        row.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "herons.pdf"
    assert download.value.path().read_bytes() == (tmp_path / "herons.pdf").read_bytes()


def test_files_that_cannot_be_read_say_why_and_what_can_be_done(library: Page) -> None:
    add(library, {"bad.txt": b"\xff\xff\xff", "empty.txt": b"", "torn.pdf": b"%PDF-1.7 torn", "good.txt": FISH})
    for name, told in (
        ("bad.txt", "bad.txt is not UTF-8 text"),
        ("empty.txt", "empty.txt holds no text"),
        ("torn.pdf", "torn.pdf is damaged"),
    ):
        expect(state(library, name)).to_have_text(re.compile(rf"^{told}.*\. [A-Z].*\.$"))
        expect(upload(library, name).get_by_role("button")).to_have_text(["Try again", "Dismiss"])
    expect(upload(library, "good.txt")).to_have_class("upload done")
    expect(library.locator(".sum")).to_contain_text("1 of 4 taken in, 3 failed")
    expect(library.locator("#live")).to_have_text("1 of 4 taken in, 3 failed")
    expect(library.locator("#documents li")).to_have_count(1)
    accessible(library)
    shoot(library, "uploads-failed")


def test_a_locked_pdf_asks_for_its_password_until_it_opens(library: Page) -> None:
    add(library, {"locked.pdf": sample("files/pdf_encrypted_needs_password.pdf")})
    expect(state(library, "locked.pdf")).to_have_text("locked.pdf needs a password.")
    unlock = library.get_by_role("button", name="Password of locked.pdf")
    dialog = library.get_by_role("dialog", name="Password of locked.pdf")
    for typed, key, told in (
        ("openpassword", "Escape", "locked.pdf needs a password."),
        ("nonsense", "Enter", re.compile("does not open with the password that was given")),
        ("openpassword", "Enter", re.compile("^added · PDF · 1 page")),
    ):
        unlock.click()
        expect(dialog.get_by_label("Password", exact=True)).to_be_focused()
        expect(dialog.get_by_label("Password", exact=True)).to_have_attribute("type", "password")
        library.keyboard.type(typed)
        library.keyboard.press(key)
        expect(dialog).to_have_count(0)
        expect(state(library, "locked.pdf")).to_have_text(told)


def test_what_an_earlier_try_still_tells_is_not_taken_for_that_of_the_next(server: Server, library: Page) -> None:
    held: list[Route] = []

    def tell_half(route: Route) -> None:
        """Of the first job: that the file failed, but only later that the job is over."""
        if "first" in known and known["first"] != route.request.url:
            route.continue_()
        elif "first" in known:
            held.append(route)
        else:
            known["first"] = route.request.url
            path = route.request.url.removeprefix(server.url).removesuffix("/events")
            until(lambda: server.get(path)[1]["files"][0]["error"])
            job = json.dumps(server.get(path)[1])
            route.fulfill(content_type="text/event-stream", body=f"retry: 10\nevent: progress\ndata: {job}\n\n")

    known: dict[str, str] = {}
    library.route("**/jobs/*/events", tell_half)
    add(library, {"locked.pdf": sample("files/pdf_encrypted_needs_password.pdf")})
    expect(state(library, "locked.pdf")).to_have_text("locked.pdf needs a password.")
    library.get_by_role("button", name="Password of locked.pdf").click()
    library.keyboard.type("openpassword")
    with library.expect_response(lambda reply: reply.request.method == "POST"):
        library.keyboard.press("Enter")
    until(lambda: bool(library.title()) and bool(held))
    held[0].continue_()
    expect(state(library, "locked.pdf")).to_have_text(re.compile("^added · PDF · 1 page"))


# On the way


def test_a_file_on_its_way_has_a_bar_of_its_name_and_its_end_is_announced(library: Page) -> None:
    held = hold_posts(library)
    add(library, {"birds.txt": FISH})
    bar = library.get_by_role("progressbar", name="birds.txt")
    expect(bar).to_be_visible()
    expect(library.locator(".sum")).to_contain_text("0 of 1 taken in")
    expect(library.get_by_role("button", name="Dismiss")).to_have_count(0)
    accessible(library)
    shoot(library, "uploads-waiting")
    let_go(library, held)
    expect(bar).to_have_count(0)
    expect(state(library, "birds.txt")).to_contain_text("added")
    expect(library.locator("#live")).to_have_text("1 of 1 taken in")


def test_files_chosen_meanwhile_wait_their_turn_and_stand_above(library: Page) -> None:
    held = hold_posts(library)
    add(library, {"birds.txt": FISH})
    add(library, {"gulls.txt": CHIPS, "herons.txt": b"Herons eat frogs."})
    expect(state(library, "gulls.txt")).to_have_text("waiting")
    let_go(library, held)
    assert held == []
    expect(state(library, "birds.txt")).to_contain_text("added")
    let_go(library, held)
    expect(library.locator(".sum")).to_contain_text("3 of 3 taken in")
    expect(library.locator(".upload .name")).to_have_text(["gulls.txt", "herons.txt", "birds.txt"])
    expect(library.locator("#documents .name")).to_have_text(["birds", "gulls", "herons"])


def test_a_file_goes_into_the_collection_that_the_list_is_narrowed_to(server: Server, library: Page) -> None:
    text = {"title": "herons", "text": "Herons eat frogs.", "collection": "Birds"}
    server.get("/documents?wait=true", {"documents": [text]})
    library.reload()
    library.get_by_role("combobox", name="Collection").select_option("Birds")
    held = hold_posts(library)
    add(library, {"gulls.txt": CHIPS})
    expect(state(library, "gulls.txt")).to_contain_text("into Birds")
    let_go(library, held)
    expect(state(library, "gulls.txt")).to_have_text("added · in Birds · text · 16 characters · 1 passage")
    expect(library.locator("#documents .name")).to_have_text(["gulls", "herons"])
    assert [one["title"] for one in documents(server, "&collections=Birds")] == ["gulls", "herons"]


def test_dismiss_and_clear_keep_the_focus_among_the_files(library: Page) -> None:
    add(library, {"a.txt": FISH, "b.txt": CHIPS, "c.txt": b"Herons eat frogs.", "d.txt": b"Owls eat mice."})
    expect(library.locator(".sum")).to_contain_text("4 of 4 taken in")
    dismiss = library.get_by_role("button", name="Dismiss")
    for gone, focused in (("a.txt", "b.txt"), ("d.txt", "c.txt")):
        library.get_by_role("button", name=f"Dismiss {gone}").press("Enter")
        expect(upload(library, gone)).to_have_count(0)
        expect(library.get_by_role("button", name=f"Dismiss {focused}")).to_be_focused()
    expect(dismiss).to_have_count(2)
    library.get_by_role("button", name="Clear").press("Enter")
    expect(library.get_by_label("Files on their way")).to_be_hidden()
    expect(library.get_by_label("Add files…")).to_be_focused()
    expect(library.locator("#documents li")).to_have_count(4)


def test_leaving_while_files_are_being_sent_asks_first(server: Server, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{server.url}/library")
    hold_posts(page)
    add(page, {"birds.txt": FISH})
    page.get_by_role("heading", name="Library").click()
    with page.expect_event("dialog") as dialog:
        page.close(run_before_unload=True)
    assert dialog.value.type == "beforeunload"
    dialog.value.dismiss()
    expect(state(page, "birds.txt")).to_have_text("waiting")
    context.close()


# What may go wrong


def lost(route: Route) -> None:
    route.abort()


def broken(route: Route) -> None:
    route.fulfill(status=500, body="oh", content_type="text/plain")


def refused(route: Route) -> None:
    told = {"code": "too_large", "message": "birds.txt is larger than 1 MB", "hint": "Raise QA_FILE_MB"}
    route.fulfill(status=413, json={"error": told})


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        (lost, "The service does not answer. Is it still running? Start it with: make serve."),
        (broken, "The service failed (500)."),
        (refused, "birds.txt is larger than 1 MB. Raise QA_FILE_MB."),
    ],
)
def test_files_that_were_not_sent_can_be_sent_again(library: Page, fails: Callable[[Route], None], told: str) -> None:
    library.route("**/documents", lambda route: fails(route) if route.request.method == "POST" else route.continue_())
    add(library, {"birds.txt": FISH, "gulls.txt": CHIPS, "herons.txt": b"Herons eat frogs."})
    expect(library.locator(".upload.failed .state")).to_have_text([told] * 3)
    library.unroute_all()
    library.get_by_role("button", name="Try again: gulls.txt").press("Enter")
    expect(upload(library, "gulls.txt")).to_be_focused()
    expect(state(library, "gulls.txt")).to_contain_text("added")
    expect(library.locator(".sum")).to_contain_text("1 of 3 taken in, 2 failed")
    library.get_by_role("button", name="Try the failed ones again").press("Enter")
    expect(upload(library, "birds.txt")).to_be_focused()
    expect(library.locator(".sum")).to_contain_text("3 of 3 taken in")
    expect(library.locator("#documents li")).to_have_count(3)


def test_a_job_that_the_service_has_forgotten_is_said_and_can_be_tried_again(library: Page) -> None:
    library.route("**/events", lambda route: route.fulfill(status=404, json={}))
    add(library, {"birds.txt": FISH})
    expect(state(library, "birds.txt")).to_have_text(
        "The service does not tell what became of it. Try again: nothing is stored twice."
    )
    library.unroute_all()
    library.get_by_role("button", name="Try again: birds.txt").click()
    expect(state(library, "birds.txt")).to_have_text(re.compile("^(added|already there) · text"))
    expect(library.locator("#documents li")).to_have_count(1)


def test_a_file_that_went_away_before_it_was_sent_is_said_and_the_others_go(library: Page, tmp_path: Path) -> None:
    for name, words in (("gone.txt", CHIPS), ("here.txt", b"Herons eat frogs.")):
        (tmp_path / name).write_bytes(words)
    held = hold_posts(library)
    add(library, {"birds.txt": FISH})
    library.get_by_label("Add files…").set_input_files([tmp_path / "gone.txt", tmp_path / "here.txt"])
    (tmp_path / "gone.txt").unlink()
    let_go(library, held)
    expect(state(library, "gone.txt")).to_have_text(
        "It cannot be read. It may have been moved or changed: choose it again."
    )
    let_go(library, held)
    expect(state(library, "here.txt")).to_contain_text("added")


def test_a_service_that_is_killed_in_mid_job_goes_on_with_every_file_once_it_is_back(
    start: Callable[..., Server], page: Page, tmp_path: Path
) -> None:
    server = start(QA_MODEL=NO_MODEL, QA_SEEDS="")
    page.goto(f"{server.url}/library")
    add(page, {"first.txt": FISH})
    expect(state(page, "first.txt")).to_contain_text("added")
    with WriterLock(tmp_path / "served").held():  # nothing more is stored meanwhile
        add(page, {f"{n}.txt": f"Bird number {n} eats fish.".encode() for n in range(12)})
        expect(state(page, "11.txt")).to_have_text(re.compile("waiting|being read|being indexed"))
        until(lambda: len(server.get("/jobs")[1]["jobs"]) == 2)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    expect(page.locator(".sum")).to_contain_text("The service does not answer. This goes on as soon as it is back.")
    expect(page.locator("#live")).to_contain_text("The service does not answer.")
    shoot(page, "uploads-lost")
    again = start(QA_MODEL=NO_MODEL, QA_PORT=server.url.rpartition(":")[2])
    expect(page.locator(".sum")).to_contain_text("13 of 13 taken in", timeout=20_000)
    expect(page.locator(".upload.done")).to_have_count(13)
    expect(page.locator("#documents li")).to_have_count(13)
    assert len(documents(again)) == 13


# Dropped


def test_files_dropped_on_the_chat_are_taken_in_and_open_the_library(server: Server, library: Page, page: Page) -> None:
    page.goto(server.url)
    expect(page.locator("#library")).to_be_hidden()
    page.evaluate(DROP, {"<b>birds.txt": FISH.decode(), "gulls.txt": CHIPS.decode()})
    expect(page.get_by_role("heading", name="Library")).to_be_focused()
    expect(page.locator(".upload.done .name")).to_have_text(["<b>birds.txt", "gulls.txt"])
    expect(page.locator("#open-library")).to_have_text("Library 2")
    expect(ask(page, "What do pelicans eat?").locator("mark")).to_have_text(FISH.decode())


def drag(page: Page, context: BrowserContext, *paths: Path) -> Callable[[], None]:
    """Moves files over the chat as the desktop does; a call lets them go as soon as they have come to the library."""
    protocol = context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}

    def move(kind: str, x: int = 300) -> None:
        protocol.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": 300, "data": data})

    move("dragEnter")
    move("dragOver")
    expect(page.locator("body")).to_have_class("dropping")
    return lambda: move("drop", 800)


def test_a_dropped_folder_is_taken_in_by_paths_without_hidden_files(
    library: Page, context: BrowserContext, tmp_path: Path
) -> None:
    for name in (
        "shelf/birds.txt",
        "shelf/deep/er/gulls.txt",
        "shelf/.hidden.txt",
        "shelf/.git/config.txt",
        "alone.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"The bird of {name} eats fish.")
    drop = drag(library, context, tmp_path / "shelf", tmp_path / "alone.txt")
    shoot(library, "dropping")
    drop()
    expect(library.locator("body")).not_to_have_class("dropping")
    expect(library.locator(".sum")).to_contain_text("3 of 3 taken in")
    names = sorted(library.locator(".upload .name").all_text_contents())
    assert names == ["alone.txt", "shelf/birds.txt", "shelf/deep/er/gulls.txt"]
    expect(library.locator("#documents li").filter(has_text="shelf/deep/er/gulls.txt")).to_have_count(1)


def test_an_empty_folder_is_said_to_hold_nothing(library: Page, context: BrowserContext, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    drag(library, context, tmp_path / "bare")()
    expect(library.locator("#toast")).to_have_text("There are no files in it that can be read.")
    expect(library.get_by_label("Files on their way")).to_be_hidden()


def test_text_that_is_dragged_is_left_to_the_browser(library: Page) -> None:
    dragged = """() => {
        const data = new DataTransfer();
        data.setData("text/plain", "Pelicans");
        const event = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
        return [dispatchEvent(event), document.body.classList.contains("dropping")];
    }"""
    assert library.evaluate(dragged) == [True, False]
    expect(library.get_by_label("Files on their way")).to_be_hidden()
