"""`make bench-web`: how fast the page is in Chromium, beside Gradio's chat with the same passages in the same run."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from playwright.sync_api import Browser, Page, sync_playwright

from eval.bench.corpus import short_documents
from eval.bench.report import Section, text
from eval.bench.speed import Row, median
from qa.config import settings

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
QUESTION = "Who won the game?"
PASSAGES, TURNS, CHARACTERS = 20, 500, 1_000_000
_SETTLED = 2_000
"""Milliseconds after which a page that is loaded has fetched what it needs; Gradio's is never idle."""
_START = 120
"""Seconds that a server may take to answer."""
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_FRAMES = "await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);"
_KEEP = """async ([turns, question, top_k]) => {
    const body = JSON.stringify({ question, top_k });
    const headers = { "Content-Type": "application/json" };
    const answer = await (await fetch("/ask", { method: "POST", headers, body })).json();
    const [{ restore }, scope] = [await import("/web/store.js"), { documents: [], collections: [], tags: [] }];
    const conversation = { id: "long", title: "Long", created: 1, changed: Date.now(), scope };
    const turn = (n) => ({ id: `t${n}`, conversation: "long", at: n, question, judged: {}, scope, answer });
    await restore({ conversation, turns: Array.from({ length: turns }, (_, n) => turn(n)) });
    return answer.passages.map((passage) => passage.text);
}"""
_OPEN_CHAT = f"""async (turns) => {{
    const begun = performance.now();
    document.querySelector("#conversations .name").click();
    while (document.querySelectorAll(".turn").length !== turns) await new Promise((next) => setTimeout(next, 5));
    {_FRAMES}
    return performance.now() - begun;
}}"""
_SCROLL = """async () => {
    const chat = document.querySelector("#chat"), frames = [];
    chat.scrollTop = 0;
    for (let last = performance.now(), n = 0; n < 300; n++) {
        chat.scrollTop += 300;
        await new Promise(requestAnimationFrame);
        frames.push(-last + (last = performance.now()));
    }
    return frames;
}"""
_DRAW = f"""async () => {{
    let arrived = 0;
    const fetched = window.fetch;
    window.fetch = async (...given) => {{
        const reply = await fetched(...given), read = reply.json.bind(reply);
        if (given[0] === "/ask") reply.json = async () => {{
            const value = await read();
            arrived = performance.now();
            return value;
        }};
        return reply;
    }};
    const before = document.querySelectorAll(".best").length;
    document.querySelector("#ask").requestSubmit();
    while (document.querySelectorAll(".best").length === before) await new Promise(requestAnimationFrame);
    {_FRAMES}
    window.fetch = fetched;
    return performance.now() - arrived;
}}"""


def main(
    peer: Annotated[Path | None, typer.Option(help="A Python that has gradio, to compare with.")] = None,
    rounds: Annotated[int, typer.Option(help="How often each thing is done.")] = 10,
) -> None:
    """Measure the page; medians, and the worst of the rounds."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        typer.secho("This needs Chromium: install the package chromium.", fg="red", err=True)
        raise typer.Exit(1)
    with tempfile.TemporaryDirectory(prefix="qa-web-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        rows, passages = _ours(browser, Path(folder), rounds)
        if peer:
            (Path(folder) / "passages.json").write_text(json.dumps(passages), encoding="utf-8")
            rows = _with_peer(rows, _gradio(browser, peer, Path(folder) / "passages.json", rounds))
        browser.close()
    aim = (
        "Aim: under 100 KB, first paint in 300 ms, an answer of 20 passages drawn in 50 ms, a document of 1 MB in 1 s."
    )
    typer.echo(f"\n## The page\n\n{aim}\n\n{text(Section('', '', rows))}", color=False)


def _ours(browser: Browser, folder: Path, rounds: int) -> tuple[list[Row], list[str]]:
    port = _free()
    command = [sys.executable, "-m", "qa", "serve", "--port", str(port), "--data", str(folder / "data")]
    with _running(command, f"http://127.0.0.1:{port}") as url:
        _fill(url)
        page = browser.new_page(viewport={"width": 1280, "height": 900}, bypass_csp=True)
        passages = _kept(page, url)
        rows = [
            {"what": "bytes of the page on the way", "here": _bytes(browser, url)},
            _row("first paint, ms", [_paint(browser, url) for _ in range(rounds)]),
            _row(
                f"answer of {PASSAGES} passages drawn, ms after the reply", [_drawn(page, url) for _ in range(rounds)]
            ),
            _row("from Enter to the answer, ms", [_answered(page, url) for _ in range(rounds)]),
            _row(f"chat of {TURNS} turns opened, ms", [_long(page, url) for _ in range(rounds)]),
            _row("frame while it is scrolled, ms", page.evaluate(_SCROLL)),
            _row(
                f"document of {CHARACTERS:,} characters open at the mark, ms",
                [_document(page, url) for _ in range(rounds)],
            ),
        ]
        page.close()
    return rows, passages


def _row(what: str, times: list[float]) -> Row:
    return {"what": what, "here": round(median(times), 1), "worst": round(max(times), 1)}


def _fill(url: str) -> None:
    documents = [{"title": one[:60], "text": one} for one in short_documents(200)]
    long = "\n".join(" ".join(short_documents(3_000)).split(". "))[:CHARACTERS]
    documents.append({"id": "long", "title": "A long document", "text": long})
    body = json.dumps({"documents": documents}).encode()
    request = urllib.request.Request(f"{url}/documents?wait=true", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=900).close()


def _bytes(browser: Browser, url: str) -> int:
    """What comes over the wire until the chat stands, the library and a document are open; without the documents."""
    page = browser.new_page()
    sizes: dict[str, int] = {}
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    names: dict[str, str] = {}
    client.on("Network.responseReceived", lambda event: names.update({event["requestId"]: event["response"]["url"]}))
    client.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    for path in ("/", "/library", "/documents/long"):
        page.goto(url + path)
        page.wait_for_timeout(_SETTLED)
    page.close()
    largest: dict[str, int] = {}
    for request, size in sizes.items():
        name = names.get(request, "").removeprefix(url)
        if name == "/" or name.startswith("/web/"):
            largest[name] = max(size, largest.get(name, 0))
    return sum(largest.values())


def _paint(browser: Browser, url: str) -> float:
    context = browser.new_context(bypass_csp=True)  # nothing cached; the policy forbids what Playwright waits by
    page = context.new_page()
    page.goto(url, wait_until="load")
    page.wait_for_function(_PAINTED)
    painted = float(page.evaluate(_PAINTED))
    context.close()
    return painted


def _kept(page: Page, url: str) -> list[str]:
    page.goto(url)
    page.evaluate("localStorage.setItem('settings', JSON.stringify({ top_k: 20 }))")
    passages: list[str] = page.evaluate(_KEEP, [TURNS, QUESTION, PASSAGES])
    if len(passages) != PASSAGES:
        raise AssertionError(f"{len(passages)} passages instead of {PASSAGES}")
    return passages


def _drawn(page: Page, url: str) -> float:
    page.goto("about:blank")
    page.goto(url)
    page.locator("#question").fill(QUESTION)
    return float(page.evaluate(_DRAW))


def _answered(page: Page, url: str) -> float:
    page.goto("about:blank")  # else the chat of before is shown again
    page.goto(url)
    page.locator("#question").fill(QUESTION)
    return _until(page, lambda: page.keyboard.press("Enter"), "document.querySelector('.best')")


def _until(page: Page, act: Callable[[], None], there: str) -> float:
    """Milliseconds from an act until something is there and painted, seen from inside the page."""
    page.evaluate(
        f"""() => {{
            window.took = 0;
            const begun = () => {{
                const start = performance.now();
                const look = () => {there} ? requestAnimationFrame(() => (window.took = performance.now() - start))
                    : requestAnimationFrame(look);
                look();
            }};
            addEventListener("keydown", begin => begun(), {{ once: true, capture: true }});
        }}"""
    )
    act()
    page.wait_for_function("window.took > 0")
    return float(page.evaluate("window.took"))


def _long(page: Page, url: str) -> float:
    page.goto("about:blank")
    page.goto(url)
    page.wait_for_selector("#conversations .name")
    page.locator("#conversations .name", has_text="Long").evaluate(
        "node => node.closest('ul').prepend(node.closest('li'))"
    )
    return float(page.evaluate(_OPEN_CHAT, TURNS))


def _document(page: Page, url: str) -> float:
    """From the address to the mark on the screen."""
    middle = CHARACTERS // 2
    page.goto("about:blank")
    page.goto(f"{url}/documents/long#char={middle},{middle + 300}")
    page.wait_for_function("document.querySelector('#text mark, #text .cited')?.getBoundingClientRect().top > 0")
    return float(page.evaluate("performance.now()"))


def _gradio(browser: Browser, python: Path, passages: Path, rounds: int) -> list[Row]:
    """The same of Gradio's chat, as far as it has it, in our order."""
    port = _free()
    script = Path(__file__).parent / "gradio_chat.py"
    with _running([str(python), str(script), str(passages), str(port)], f"http://127.0.0.1:{port}") as url:
        page = browser.new_page(viewport={"width": 1280, "height": 900}, bypass_csp=True)
        sizes: list[int] = []
        client = page.context.new_cdp_session(page)
        client.send("Network.enable")
        client.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        page.goto(url)
        page.locator("textarea").first.wait_for()
        page.wait_for_timeout(_SETTLED)

        def answered() -> float:
            page.goto(url)
            page.locator("textarea").first.fill(QUESTION)
            page.wait_for_timeout(_SETTLED)
            there = f"document.querySelectorAll('blockquote').length >= {PASSAGES}"
            return _until(page, lambda: page.keyboard.press("Enter"), there)

        return [
            {"what": "bytes of the page on the way", "gradio": sum(sizes)},
            {"what": "first paint, ms", "gradio": median([_paint(browser, url) for _ in range(rounds)])},
            {"what": "from Enter to the answer, ms", "gradio": median([answered() for _ in range(rounds)])},
        ]


def _with_peer(rows: list[Row], peers: list[Row]) -> list[Row]:
    known: dict[object, Any] = {row["what"]: row["gradio"] for row in peers}
    for row in rows:
        if theirs := known.get(row["what"]):
            row |= {"gradio": theirs, "ratio": round(theirs / row["here"], 1)}
    return rows


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def _running(command: list[str], url: str) -> Iterator[str]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"QA_SEEDS": ""})
    try:
        _wait(process, url)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    """Until it answers. Raises ChildProcessError when it ends before, TimeoutError when it takes too long."""
    end = time.monotonic() + _START
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > end:
                raise TimeoutError(f"{process.args!r} does not answer at {url} within {_START} s: {error}") from error
            time.sleep(0.1)
    raise ChildProcessError(f"{process.args!r} ended with status {process.returncode} before it answered at {url}")


if __name__ == "__main__":
    settings()
    typer.run(main)
