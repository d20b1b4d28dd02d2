"""A small cluster: PostgreSQL, Milvus Lite as a server, API nodes and workers, each a process of its own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from index import tables
from tests.conftest import ROOT, Server, environment, starting
from tests.faults import fetch
from tests.milvus import LiteServer
from tests.postgres import Server as PostgreSQL


class Cluster:
    """`nodes` answer, `workers` take documents in; `postgres` and `milvus` can be killed and started again."""

    def __init__(self, folder: Path, nodes: int, workers: int) -> None:
        self._ends = ExitStack()
        self._folder = folder
        self.postgres = PostgreSQL(durable=True)
        self._ends.callback(self.postgres.remove)
        self.postgres.start()
        self.milvus = LiteServer(folder / "milvus")
        self._ends.callback(self.milvus.stop)
        self.milvus.start()
        self.settings = {
            "QA_CATALOGUE": self.postgres.url(),
            "QA_ENGINE": "milvus",
            "QA_ENGINE_URI": self.milvus.uri,
            "QA_FILES": str(folder / "files"),
            "QA_INGEST": "false",
            "QA_SEEDS": "",
        }
        self._start = [self._ends.enter_context(starting(folder / f"node{one}")) for one in range(nodes)]
        self.nodes: list[Server] = []
        for run in self._start:
            self.nodes.append(run(**self.settings))
        self.workers = [self._worker(one) for one in range(workers)]
        for server in self.nodes:
            server.until_hybrid()

    def kill_node(self, number: int) -> None:
        self.nodes[number].process.kill()
        self.nodes[number].process.wait()

    def start_node(self, number: int) -> None:
        self.nodes[number] = self._start[number](**self.settings)

    def stored(self) -> int:
        """Documents in the catalogue, as whichever node answers says; 0 when none does."""
        for server in self.nodes:
            try:
                return int(fetch(server, "/health").body["documents"])
            except OSError:
                continue
        return 0

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(fetch(self.nodes[0], f"/jobs/{job_id}").body)

    def texts(self) -> dict[str, str]:
        """Every stored text by id, read from the database itself."""
        engine = sa.create_engine(self.postgres.url())
        with engine.connect() as connection:
            found = {row.id: row.text for row in connection.execute(sa.select(tables.documents))}
        engine.dispose()
        return found

    def close(self) -> None:
        self._ends.close()

    def _worker(self, number: int) -> subprocess.Popen[bytes]:
        values = environment(**self.settings | {"QA_DATA": str(self._folder / f"worker{number}")})
        log = (self._folder / f"worker{number}.log").open("wb")
        self._ends.callback(log.close)
        process = subprocess.Popen([sys.executable, "-m", "qa", "worker"], cwd=ROOT, env=values, stdout=log, stderr=log)
        self._ends.callback(process.wait, 20)
        self._ends.callback(process.terminate)
        return process
