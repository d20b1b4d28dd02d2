"""What Prometheus is told of the service, and what Grafana makes of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from index.catalogue import FILE
from index.errors import IndexLocked
from qa.api import create_app
from qa.gauges import Catalogue, Processes, Stored
from qa.jobs import Item
from qa.wire import Library
from tests.conftest import ROOT, Server

DASHBOARD = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))
GUIDE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
STORED = Stored(2, 9, 1, 7, 1, 3)


def parsed(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Every sample of an exposition: its name, its labels, its value."""
    samples: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            samples.setdefault(one.name, {})[tuple(sorted(one.labels.items()))] = one.value
    return samples


class Scrapes:
    """Scrapes a client; the counts of the process are of other tests too, so that only their rise says something."""

    def __init__(self, client: TestClient) -> None:
        self._client = client
        self._before = self.now()

    def now(self) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
        reply = self._client.get("/metrics")
        assert reply.status_code == 200
        return parsed(reply.text)

    def rise(self, name: str, **labels: str) -> float:
        key = tuple(sorted(labels.items()))
        return self.now().get(name, {}).get(key, 0.0) - self._before.get(name, {}).get(key, 0.0)


@pytest.fixture
def scrapes(client: TestClient) -> Scrapes:
    return Scrapes(client)


def test_a_question_counts_with_the_time_of_each_of_its_stages(client: TestClient, scrapes: Scrapes) -> None:
    answer = client.get("/ask?q=Who+would+monitor+the+ceasefire%3F").json()
    answerable = str(answer["answerable"]).lower()
    assert scrapes.rise("qa_questions_total", retrieval="hybrid", answerable=answerable) == 1
    assert scrapes.rise("qa_question_duration_seconds_count", retrieval="hybrid") == 1
    taken = scrapes.rise("qa_question_duration_seconds_sum", retrieval="hybrid")
    assert taken == pytest.approx(answer["took_ms"] / 1000)
    for stage, milliseconds in answer["stages_ms"].items():
        assert scrapes.rise("qa_question_stage_duration_seconds_count", stage=stage) == 1
        risen = scrapes.rise("qa_question_stage_duration_seconds_sum", stage=stage)
        assert risen == pytest.approx(milliseconds / 1000)


def test_a_request_counts_by_its_template_and_the_class_of_its_status(client: TestClient, scrapes: Scrapes) -> None:
    for path in ("/documents/one", "/documents/two", "/nothing/here", "/nothing/there", "/labels?x=1"):
        client.get(path)
    client.get("/web/app.js")
    client.request("BREW", "/labels")
    client.get("/labels", headers={"sec-fetch-site": "cross-site"})
    client.get("/documents/one", headers={"sec-fetch-site": "cross-site"})

    def risen(route: str, status: str, method: str = "GET") -> float:
        return scrapes.rise("qa_http_request_duration_seconds_count", method=method, route=route, status=status)

    assert risen("/documents/{document_id}", "4xx") == 2
    assert risen("other", "4xx") == 3  # one was refused before it was looked where it leads
    assert risen("/web", "2xx") == 1
    assert risen("/labels", "4xx", method="other") == 1
    assert risen("/labels", "4xx") + risen("/labels", "2xx") == 2


def test_a_refusal_counts_by_its_code(client: TestClient, scrapes: Scrapes) -> None:
    client.get("/nothing")
    client.put("/ask")
    client.post("/ask", json={"question": ""})
    client.get("/labels", headers={"sec-fetch-site": "cross-site"})
    for code in ("not_found", "method_not_allowed", "invalid_request", "forbidden"):
        assert scrapes.rise("qa_refusals_total", code=code) == 1, code


def test_a_question_that_the_model_cannot_help_with_counts_as_a_fallback_and_why(library: Library) -> None:
    library.model.value, library.model.state = None, "failed"
    with TestClient(create_app(library)) as client:
        scrapes = Scrapes(client)
        for mode in ("hybrid", "bm25"):
            client.get(f"/ask?q=ceasefire&mode={mode}")
        failed = {"part": "retrieval", "reason": f"model_{library.model.state}"}
        assert scrapes.rise("qa_fallbacks_total", **failed) == 1
        assert scrapes.now()["qa_model_ready"] == {(("part", "embedder"),): 0.0}


def test_what_is_stored_is_read_at_the_scrape(client: TestClient, library: Library, scrapes: Scrapes) -> None:
    client.post("/documents?wait=true", json={"documents": [{"title": "Birds", "text": "Pelicans eat fish."}]})
    client.get("/ask?q=pelicans")
    documents, passages, _ = library.catalogue.counts.all()
    found = scrapes.now()
    values = {name: found[name][()] for name in ("qa_documents", "qa_passages", "qa_passages_not_embedded")}
    assert values == {"qa_documents": documents, "qa_passages": passages, "qa_passages_not_embedded": 0.0}
    assert found["qa_catalogue_generation"] == found["qa_engine_generation"] == {(): library.catalogue.generation()}
    assert found["qa_catalogue_up"] == {(): 1.0}
    assert found["qa_jobs_unfinished"] == found["qa_job_files_waiting"] == {(): 0.0}
    assert found["qa_model_ready"] == {(("part", "embedder"),): 1.0}
    assert found["process_resident_memory_bytes"][()] > 1e6


def test_jobs_count_until_they_are_done(library: Library) -> None:
    items = [Item(name, {"kind": "text"}, lambda path: path.write_bytes(b"{}")) for name in ("a", "b")]
    job = library.jobs.add(items)
    assert library.jobs.unfinished() == (1, 2)
    library.jobs.start()
    end = time.monotonic() + 20
    while not library.jobs.is_over(job.id) and time.monotonic() < end:
        time.sleep(0.02)
    assert library.jobs.unfinished() == (0, 0)


def test_a_scrape_goes_on_without_the_gauges_of_a_damaged_catalogue(client: TestClient, library: Library) -> None:
    scrapes = Scrapes(client)
    library.catalogue.close()
    for file in library.settings.data.glob(f"{FILE}*"):
        file.write_bytes(b"torn" * 4096)
    found = scrapes.now()
    assert found["qa_catalogue_up"] == {(): 0.0}
    assert "qa_documents" not in found
    assert "qa_questions_total" in found


def values(families: Iterable[Metric]) -> dict[str, float]:
    return {family.name: family.samples[0].value for family in families}


def test_a_catalogue_that_is_locked_for_longer_than_a_scrape_waits_is_left_out_until_it_answers() -> None:
    unlocked, read = threading.Event(), threading.Event()

    def slow() -> Stored:
        unlocked.wait(20)
        read.set()
        return STORED

    gauges = Catalogue(slow, patience=0.05)
    assert values(gauges.collect()) == {"qa_catalogue_up": 0.0}
    assert values(gauges.collect()) == {"qa_catalogue_up": 0.0}  # and no second reader waits for it
    unlocked.set()
    assert read.wait(20)
    assert values(Catalogue(slow, patience=20).collect())["qa_documents"] == 2.0


def test_a_catalogue_that_cannot_be_read_is_left_out() -> None:
    def broken() -> Stored:
        raise IndexLocked("another program is writing")

    gauges = Catalogue(broken)
    for _ in range(2):
        assert values(gauges.collect()) == {"qa_catalogue_up": 0.0}


def test_labels_of_unknown_addresses_are_bounded(client: TestClient, scrapes: Scrapes) -> None:
    before = len(scrapes.now()["qa_http_request_duration_seconds_count"])
    client.get("/nothing")
    for number in range(50):
        client.get(f"/nothing/{number}")
        client.get(f"/documents/{number}")
        client.request(f"VERB{number}", "/")
    assert len(scrapes.now()["qa_http_request_duration_seconds_count"]) <= before + 4


def test_the_description_names_the_scrape_with_its_content_type(client: TestClient) -> None:
    replies = client.get("/openapi.json").json()["paths"]["/metrics"]["get"]["responses"]
    assert list(replies["200"]["content"]) == ["text/plain"]
    assert client.get("/metrics").headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_the_program_does_not_wait_for_prometheus_to_tell_its_help() -> None:
    code = "import sys, qa.cli; print([name for name in sys.modules if 'prometheus' in name or 'jsonlogger' in name])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (one["query"]["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query")


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\b(?:qa|process)_[a-z0-9_]+", text))


def scraped(server: Server) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as reply:
        return parsed(reply.read().decode())


@pytest.mark.server
def test_every_series_of_the_dashboard_and_of_the_guide_is_told_by_a_running_service(
    start: Callable[..., Server],
) -> None:
    server = start(QA_MODEL="/none")
    assert server.get("/ask?q=ceasefire")[0] == 200
    assert server.get("/nothing")[0] == 404
    told = scraped(server)
    shown = {name for expression in expressions() for name in names_in(expression)}
    assert len(shown) > 15
    assert shown - set(told) == set()
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in told if name.startswith(("qa_", "process_"))}
    assert families - names_in(GUIDE) == set()


def test_the_dashboard_asks_for_its_data_source_and_places_no_panel_over_another() -> None:
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"
    sources = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if panel["type"] != "row"}
    assert sources == {"${datasource}"}
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (column, line)
        for one in places
        for column in range(one["x"], one["x"] + one["w"])
        for line in range(one["y"], one["y"] + one["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


@pytest.mark.server
def test_each_of_several_processes_tells_for_all(start: Callable[..., Server]) -> None:
    server = start(QA_WORKERS="2", QA_MODEL="/none")
    for _ in range(8):
        assert server.get("/ask?q=ceasefire&mode=bm25")[0] == 200
    for _ in range(8):  # whichever of them takes the connection
        told = scraped(server)
        assert sum(told["qa_questions_total"].values()) == 8
        assert told["qa_question_duration_seconds_count"] == {(("retrieval", "bm25"),): 8.0}
        assert told["qa_documents"] == {(): 1.0}
        assert told["qa_catalogue_up"] == {(): 1.0}


def test_the_processes_of_a_service_are_told_together(tmp_path: Path) -> None:
    alone = {family.name: family.samples[0].value for family in Processes(None).collect()}
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        for pid in (os.getpid(), other.pid):
            (tmp_path / f"counter_{pid}.db").touch()
        together = {family.name: family.samples[0].value for family in Processes(str(tmp_path)).collect()}
        other.kill()
    assert together["process_open_fds"] > alone["process_open_fds"]
    assert together["process_start_time_seconds"] == alone["process_start_time_seconds"]


def test_the_guide_names_every_setting_of_the_log() -> None:
    for name in ("QA_LOG_LEVEL", "QA_LOG_FORMAT", "QA_LOG_QUESTIONS"):
        assert name in GUIDE
