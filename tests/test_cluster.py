"""Two API nodes and three workers over PostgreSQL and Milvus, each killed in turn while documents come in and questions
are asked: nothing acknowledged is lost, no passage is wrong, and questions fail only while what they need is down."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.conftest import Server
from tests.faults import fetch
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.server]

DOCUMENTS, AT_A_TIME = 2_000, 50
RECOVERS = 15.0
"""Seconds after something is back in which questions may still be refused: connections are made anew."""
_THINGS = "lighthouse ferry granary tannery observatory brewery chapel foundry orchard quarry".split()
_DID = "repaired painted measured sold flooded insured photographed demolished".split()


def document(number: int) -> dict[str, str]:
    drawn = random.Random(number)
    name, thing, did = f"Port{number:04}x", drawn.choice(_THINGS), drawn.choice(_DID)
    text = (
        f"The {thing} of {name} was {did} in {drawn.randint(1700, 1999)}. "
        f"It stood {drawn.randint(2, 90)} metres from the old customs house, and its keeper kept a diary."
    )
    return {"id": f"doc-{number}", "title": f"Notes {number}", "text": text}


def question(number: int) -> str:
    drawn = random.Random(number)
    thing, did = drawn.choice(_THINGS), drawn.choice(_DID)
    return f"When was the {thing} of Port{number:04}x {did}?"


@dataclass
class Asked:
    """What became of the questions. `failed` has the time and status of each that was not answered."""

    answered: int = 0
    failed: list[tuple[float, int]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def ask(server: Server, number: int, asked: Asked) -> bool:
    """Whether the document is the first that comes; every passage must be what was sent, word for word."""
    try:
        reply = fetch(server, "/ask", {"question": question(number), "top_k": 3})
    except OSError:
        asked.failed.append((time.monotonic(), 0))
        return False
    if reply.status != 200:
        asked.failed.append((time.monotonic(), reply.status))
        if (reply.status, reply.headers["Retry-After"]) != (503, "1") and reply.status != 409:  # nothing is indexed yet
            asked.wrong.append(f"{reply.status} {reply.body}")
        return False
    asked.answered += 1
    ids = []
    for passage in reply.body["passages"]:
        cited = passage["citation"]
        ids.append(cited["document_id"])
        sent = document(int(cited["document_id"].removeprefix("doc-")))
        if sent["text"][cited["start"] : cited["end"]] != passage["text"]:
            asked.wrong.append(f"{cited} {passage['text']}")
    return ids[:1] == [f"doc-{number}"]


def caught_up(server: Server) -> bool:
    """Whether it answers from the newest state, of which nothing is missing."""
    health, reply = fetch(server, "/health").body, fetch(server, "/ask", {"question": question(0)})
    return reply.status == 200 and reply.body["generation"] == health["generation"] and health["degraded"] is None


def send(cluster: Cluster, acknowledged: list[str]) -> None:
    """Every document, some at a time, to either node; again until somebody has acknowledged them."""
    for first in range(0, DOCUMENTS, AT_A_TIME):
        body = {"documents": [document(number) for number in range(first, first + AT_A_TIME)]}
        for turn in range(10_000):
            try:
                reply = fetch(cluster.nodes[(first // AT_A_TIME + turn) % 2], "/documents", body)
            except OSError:
                reply = None
            if reply and reply.status == 202:
                acknowledged.append(reply.body["id"])
                break
            assert reply is None or reply.status == 503, reply
            time.sleep(0.3)


def keep_asking(cluster: Cluster, node: int, asked: Asked, ended: threading.Event) -> None:
    drawn = random.Random(node)
    while not ended.wait(0.05):
        ask(cluster.nodes[node], drawn.randrange(DOCUMENTS), asked)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path, nodes=2, workers=3)
    try:
        yield made
    finally:
        made.close()


def test_each_part_is_killed_in_turn_while_documents_come_in_and_questions_are_asked(cluster: Cluster) -> None:
    asked = [Asked(), Asked()]
    ended, acknowledged, downs = threading.Event(), list[str](), list[tuple[float, float]]()
    sender = threading.Thread(target=send, args=(cluster, acknowledged))
    askers = [threading.Thread(target=keep_asking, args=(cluster, one, asked[one], ended)) for one in range(2)]
    for thread in (sender, *askers):
        thread.start()

    def down(kill: Callable[[], object], start: Callable[[], object], seconds: float = 3.0) -> None:
        begun = time.monotonic()
        kill()
        time.sleep(seconds)
        start()
        downs.append((begun, time.monotonic() + RECOVERS))

    until(lambda: cluster.stored() >= 100, 120)
    cluster.workers[0].kill()  # its documents are done by the others
    until(lambda: cluster.stored() >= 300, 120)
    begun = time.monotonic()
    assert fetch(cluster.nodes[0], "/health/ready").status == 200
    cluster.kill_node(1)
    cluster.start_node(1)
    second_down = (begun, time.monotonic() + RECOVERS)
    until(lambda: cluster.stored() >= 600, 120)
    down(cluster.postgres.kill, cluster.postgres.start)
    until(lambda: cluster.stored() >= 1_000, 120)
    down(cluster.milvus.kill, cluster.milvus.start)
    sender.join(240)
    assert not sender.is_alive()
    until(lambda: all(cluster.job(one)["state"] == "done" for one in acknowledged), 240)
    time.sleep(1)
    ended.set()
    for thread in askers:
        thread.join()

    files = [file for one in acknowledged for file in cluster.job(one)["files"]]
    assert [file for file in files if file["state"] != "done"] == []
    assert len(acknowledged) * AT_A_TIME == cluster.stored() == DOCUMENTS
    texts = {f"doc-{number}": document(number)["text"] for number in range(DOCUMENTS)}
    assert cluster.texts() == texts
    for node, told in enumerate(asked):
        assert told.wrong == []
        assert told.answered > 100
        allowed = [*downs, *([second_down] if node else [])]
        strange = [
            (moment, status)
            for moment, status in told.failed
            if status != 409 and not any(begin <= moment <= end for begin, end in allowed)
        ]
        assert strange == []
    last = Asked()
    drawn = random.Random(0).sample(range(DOCUMENTS), 100)
    for server in cluster.nodes:
        until(lambda server=server: caught_up(server), 120)  # type: ignore[misc]
        found = [ask(server, number, last) for number in drawn]
        assert sum(found) == len(found)
    assert (last.wrong, last.failed) == ([], [])
