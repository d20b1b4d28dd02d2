"""The plan for more documents than one machine holds: its page says what its code computes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from eval.bench import scale
from eval.bench.scale import DOCUMENTS, KINDS, SHAPE, TABLES, tables
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TABLES)
def test_the_page_has_each_table_as_it_is_computed(name: str) -> None:
    assert f"<!-- {name} -->\n{tables(SHAPE)[name]}\n" in PAGE


@pytest.mark.parametrize(
    "constant",
    [
        f"{scale.STATISTICS:,} bytes a **document**; {scale.TERM_ROW} a row",
        f"{scale.LAYOUT:,} bytes",
        f"itself {scale.ORIGINAL:,}",
        f"| {scale.TOASTED} |",
        f"| word pieces | {scale.PIECES} ",
        f"{2 * scale.PIECES_A_CORE:,} word pieces/s on 2 cores",
        f"{scale.FLAT_NS} ns of a core a vector",
        f"| {scale.CALL_MS} ms (p99 5.3), embedded",
        f"{scale.QUESTION_MS} ms (p99",
        f"| {scale.CANDIDATES_MS} ms (p99 4.4), SQLite",
        f"{scale.COMMITTED:,} passages a second",
        f"`{scale.QUESTION_MS} + {scale.TERMS_MS} + 2 x {scale.CALL_MS} + core ms",
        f"core ms / cores of a replica + {scale.CANDIDATES_MS} + ",
    ],
)
def test_the_page_tells_every_constant_that_is_counted_with(constant: str) -> None:
    assert constant in PAGE


def test_the_page_tells_how_many_passages_a_core_embeds() -> None:
    assert f"{scale.embedded_a_core(SHAPE):.0f} passages/s a core" in PAGE
    assert f"That is what {scale.COMMITTED / scale.embedded_a_core(SHAPE):.0f} cores embed" in PAGE


def test_bytes_are_linear_in_the_documents_and_terms_are_not() -> None:
    first, second, third = scale.statistics(SHAPE)
    assert second["postings"] == 10 * first["postings"]
    assert third["distinct terms"] / second["distinct terms"] == pytest.approx(10 ** scale.HEAPS[0], rel=0.05)


def test_fewer_bits_never_take_more_nodes() -> None:
    rows = [row for row in scale.vectors(SHAPE) if "HNSW" in str(row["dense index"])]
    for column in ("1 M: nodes", "10 M: nodes", "100 M: nodes"):
        nodes = [int(row[column]) for row in rows]
        assert nodes == sorted(nodes, reverse=True)
        assert all(count % SHAPE.replicas == 0 for count in nodes)


def test_larger_nodes_are_fewer_and_longer_documents_want_more() -> None:
    def nodes(**changed: int) -> int:
        return int(scale.vectors(replace(SHAPE, **changed))[0]["100 M: nodes"])

    assert nodes(node_memory=256) < nodes() < nodes(passages=20)


def test_more_cores_than_commits_allow_save_no_time() -> None:
    for row in scale.intake(SHAPE):
        assert row["256 cores: hours"] == row["commits alone: hours"]
        assert row["16 cores: hours"] > row["64 cores: hours"]


def test_a_question_waits_for_the_drive_once_the_catalogue_is_larger_than_memory() -> None:
    fits, beyond = (scale.latency(replace(SHAPE, database_memory=size))[1] for size in (128, 16))
    assert fits["candidates"] == scale.CANDIDATES_MS
    assert beyond["candidates"] > 5 * scale.CANDIDATES_MS


def test_it_prints_the_tables_of_another_shape() -> None:
    done = CliRunner().invoke(_app(), ["--passages", "1"])
    assert done.exit_code == 0
    assert set(re.findall(r"^(\w+)$", done.output, re.MULTILINE)) == set(TABLES)
    assert f"| {DOCUMENTS[0]:,} | {DOCUMENTS[0]:,} |" in done.output
    assert KINDS[0].name in done.output


def _app() -> typer.Typer:
    app = typer.Typer()
    app.command()(scale.main)
    return app
