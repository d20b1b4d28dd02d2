"""The command line, as a process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import SEED, qa

QUESTION = "Who would monitor the ceasefire?"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A data folder with the seed document, indexed by the real command with the real model."""
    folder = str(tmp_path_factory.mktemp("cli") / "data")
    done = qa("index", str(SEED.parent), QA_DATA=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 added, 0 replaced, 0 unchanged; 6 passages\n"
    return folder


@pytest.mark.model
def test_ask_prints_the_passage_with_its_source(data: str) -> None:
    done = qa("ask", QUESTION, QA_DATA=data)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Answered below" in done.stdout
    assert "ceasefire monitoring and verification mechanism" in done.stdout
    assert f"seeds/{SEED.name}, lines 3–4" in done.stdout


@pytest.mark.model
def test_ask_as_json_is_the_answer_of_the_api(data: str) -> None:
    body = json.loads(qa("ask", QUESTION, "--json", "--top-k", "2", QA_DATA=data).stdout)
    assert (body["retrieval"], body["answerable"], len(body["passages"])) == ("hybrid", True, 2)
    quote = body["passages"][0]["citation"]
    assert SEED.read_text(encoding="utf-8")[quote["start"] : quote["end"]] == quote["quote"]


@pytest.mark.model
def test_what_the_documents_do_not_hold_is_said(data: str) -> None:
    done = qa("ask", "How do I reset my router password?", QA_DATA=data)
    assert done.returncode == 0
    assert "Not in these documents" in done.stdout


def test_without_the_model_keywords_answer_and_it_is_said(data: str) -> None:
    done = qa("ask", QUESTION, QA_DATA=data, QA_MODEL="/no/such/model")
    assert done.returncode == 0
    assert "ceasefire monitoring" in done.stdout
    assert "Keyword search only" in done.stderr


def test_index_goes_on_after_a_bad_file_names_it_and_fails(tmp_path: Path) -> None:
    for name, content in {
        "a.txt": b"Alpha is first.",
        "b.txt": b"\xff\xfe\xfa",
        "c.md": b"",
        "d.txt": b"Delta.",
    }.items():
        (tmp_path / name).write_bytes(content)
    given = {"QA_DATA": str(tmp_path / "data"), "QA_MODEL": "/no/such/model"}
    done = qa("index", str(tmp_path), **given)
    assert done.returncode == 1
    assert done.stdout == "2 added, 0 replaced, 0 unchanged; 2 passages\n"
    assert "b.txt" in done.stderr
    assert "c.md holds no text" in done.stderr
    assert "Traceback" not in done.stderr
    (tmp_path / "a.txt").write_text("Alpha was changed.")
    again = json.loads(qa("index", str(tmp_path), "--json", **given).stdout)
    assert [one["state"] for one in again["documents"]] == ["replaced", "unchanged"]
    assert len(again["failed"]) == 2

    listed = json.loads(qa("list", "--json", **given).stdout)
    assert [one["title"] for one in listed] == ["a", "d"]
    missing = qa("index", str(tmp_path / "none.txt"), str(tmp_path / "d.txt"), **given)
    assert (missing.returncode, missing.stdout) == (1, "0 added, 0 replaced, 1 unchanged; 1 passages\n")
    assert "none.txt does not exist" in missing.stderr
    removed = qa("remove", str(tmp_path / "a.txt"), "nothing", **given)
    assert (removed.returncode, removed.stdout) == (1, f"Removed {tmp_path / 'a.txt'}\n")
    assert "nothing" in removed.stderr
    status = json.loads(qa("status", "--json", **given).stdout)
    assert status["documents"] == 1
    assert status["word_pieces"].startswith("estimated")  # there is no model to ask
    assert "d" in qa("list", **given).stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["ask", QUESTION], 1, "nothing is indexed"),
        (["list"], 1, "nothing is indexed"),
        (["status"], 1, "nothing is indexed"),
        (["ask", "  "], 2, "1 to 2,000 characters"),
        (["ask", "x" * 3000], 2, "1 to 2,000 characters"),
        (["ask", QUESTION, "--top-k", "0"], 2, "--top-k"),
        (["ask", QUESTION, "--mode", "magic"], 2, "--mode"),
        (["ask"], 2, "question"),
        (["index", "no-such-folder"], 1, "does not exist"),
        (["index", "/proc/self/environ", "--data", "/proc/none"], 1, "cannot be made"),
        (["fly"], 2, "fly"),
        (["ask", "\udcff pelicans"], 2, "UTF-8"),
        (["eval", "none.jsonl"], 2, "there is no eval set 'none.jsonl'"),
        (["calibrate", "none.jsonl"], 2, "there is no eval set 'none.jsonl'"),
        (["calibrate", "seeds"], 2, "fitted to your own library"),
        (["calibrate"], 2, "name a set of questions, or give --reset"),
        (["calibrate", "seeds", "--reset"], 2, "and not both"),
        (["calibrate", "--reset"], 1, "nothing is indexed"),
        (["serve", "--port", "99999"], 1, "QA_PORT"),
        (["serve", "--host", "256.1.1.1"], 1, "QA_HOST"),
    ],
)
def test_bad_input_is_one_clear_error(tmp_path: Path, arguments: list[str], status: int, words: str) -> None:
    done = qa(*arguments, QA_DATA=str(tmp_path / "none"))
    assert done.returncode == status
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_index_of_other_passages_is_refused_until_reindexed(tmp_path: Path) -> None:
    given = {"QA_DATA": str(tmp_path / "data"), "QA_MODEL": "/no/such/model"}
    qa("index", str(SEED), **given)
    refused = qa("ask", QUESTION, QA_PASSAGE_PIECES="64", **given)
    assert refused.returncode == 1
    assert "qa reindex" in refused.stderr
    assert qa("reindex", QA_PASSAGE_PIECES="64", **given).returncode == 0
    assert qa("ask", QUESTION, QA_PASSAGE_PIECES="64", **given).returncode == 0


def test_control_characters_of_a_document_do_not_reach_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "evil.txt").write_text("Title\nThe \x1b[31mred\x1b[0m word \x9b1m and \u202e[bold]markup[/bold].")
    given = {"QA_DATA": str(tmp_path / "data"), "QA_MODEL": "/no/such/model"}
    qa("index", str(tmp_path / "evil.txt"), **given)
    shown = qa("ask", "red word", **given).stdout
    assert not set("\x1b\x9b\u202e") & set(shown)
    (tmp_path / "e\x1b]0;pwned\x07.txt").write_bytes(b"\xff")
    assert not set("\x1b\x07") & set(qa("index", str(tmp_path), **given).stderr)
    assert "␛[31mred" in shown
    assert "[bold]markup[/bold]" in shown


def test_help_imports_nothing_heavy() -> None:
    assert qa("--help").returncode == 0
    heavy = {"torch", "fastapi", "sqlalchemy", "numpy", "faiss", "pydantic", "rich"}
    assert not imported("--help") & heavy
    assert "typer" in imported("--help")


def imported(*arguments: str) -> set[str]:
    """The top-level modules that a command imports."""
    done = qa(*arguments, PYTHONPROFILEIMPORTTIME="1")
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
