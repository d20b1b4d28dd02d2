"""What `qa eval` is given is checked before any question is asked: wrong usage is exit status 2."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from eval import store
from eval.dataset import EvalSet
from eval.wanted import baseline, bounds, check_bounds, made, measurable, sets, systems
from index.errors import UsageError
from tests.conftest import qa
from tests.runs import DOCUMENTS, HIT, NEAR, OFF, SPANS, row, run
from tests.sets import written

ASKED = EvalSet("birds", (replace(SPANS, kind="who"), DOCUMENTS, NEAR, OFF), None)


def test_a_system_is_measured_once_and_the_last_one_named_is_the_main_one() -> None:
    assert systems(["hybrid", "hybrid"]) == ("hybrid",)
    assert systems(["hybrid", "bm25", "hybrid"]) == ("bm25", "hybrid")
    assert systems([]) == ("bm25", "dense", "fused", "hybrid")
    with pytest.raises(UsageError, match="there is no system magic"):
        systems(["hybrid", "magic"])


def test_bounds_are_read_and_wrong_ones_named() -> None:
    assert bounds(["R@1=0.8", "AUROC off = 0.98", "p99 ms=20"]) == {"R@1": 0.8, "AUROC off": 0.98, "p99 ms": 20.0}
    for wrong in ("R@1", "=1", "R@1=", "R@1=nan", "R@1=high"):
        with pytest.raises(UsageError, match=f"'{wrong}' is not METRIC=VALUE"):
            bounds([wrong])


def test_what_can_be_measured_follows_from_the_questions() -> None:
    assert {"nDCG@10", "marked", "AUROC", "AUROC near", "AUROC off", "ECE", "p50 ms", "R@1 who"} <= set(
        measurable(ASKED.questions)
    )
    assert not {"AUROC", "refused", "marked"} & set(measurable([DOCUMENTS]))
    assert "R@1" not in measurable([OFF])


def test_a_measure_that_the_set_does_not_have_is_refused() -> None:
    check_bounds({"R@1": 1, "AUROC": 1, "p99 embedding ms": 1}, ASKED, None)
    for name, limit in (("precision", None), ("AUROC", 2)):
        with pytest.raises(UsageError, match=f"there is no measure {name} of birds") as refused:
            check_bounds({name: 1}, ASKED, limit)
        assert "nDCG@10" in refused.value.hint


def test_a_baseline_must_be_a_run_of_the_same_questions(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    store.save(file, run(row(SPANS, HIT), row(OFF, HIT)))
    assert baseline(file, ASKED, None) == store.load(file)
    store.save(file, run(row(OFF, HIT)))
    with pytest.raises(UsageError, match="has no answerable question in common with birds"):
        baseline(file, ASKED, None)
    for missing in ("none.jsonl", "none.run"):
        with pytest.raises(UsageError, match=rf"{missing} cannot be read"):
            baseline(tmp_path / missing, ASKED, None)


def test_a_set_is_measured_once_and_two_of_one_name_are_refused(tmp_path: Path) -> None:
    files = [written(tmp_path / folder / "set.jsonl", [{"question": "Who?", "gold": []}]) for folder in ("a", "b")]
    assert [one.name for one in sets([str(files[0])] * 2, None)] == ["set.jsonl"]
    with pytest.raises(UsageError, match=r"two of the sets are called set\.jsonl"):
        sets(list(map(str, files)), None)


def test_a_folder_to_write_to_is_made(tmp_path: Path) -> None:
    assert made(tmp_path / "new" / "out").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file cannot be made"):
        made(tmp_path / "file")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--system", "magic"], "there is no system magic"),
        (["--fail-under", "R@1"], "'R@1' is not METRIC=VALUE"),
        (["--fail-under", "precision=1"], "there is no measure precision"),
        (["--compare", "none.jsonl"], "none.jsonl cannot be read"),
        (["--folder", "none"], "none is not a folder"),
        (["--html", "SET"], "cannot be made"),
        (["none.csv"], "there is no eval set 'none.csv'"),
        (["BROKEN"], "broken.jsonl, line 1: not JSON"),
    ],
)
def test_wrong_usage_is_status_2_before_any_library_is_opened(tmp_path: Path, given: list[str], said: str) -> None:
    file = written(tmp_path / "set.jsonl", [{"question": "Who?", "gold": [{"text": "me"}]}])
    (tmp_path / "broken.jsonl").write_text("{")
    names = {"SET": str(file), "BROKEN": str(tmp_path / "broken.jsonl")}
    cache = tmp_path / "cache"
    done = qa("eval", str(file), *(names.get(one, one) for one in given), QA_DATA=str(tmp_path), QA_CACHE=str(cache))
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not cache.exists()


def test_a_library_that_is_not_there_is_no_wrong_usage(tmp_path: Path) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text(json.dumps({"question": "Who?", "gold": []}))
    done = qa("eval", str(file), QA_DATA=str(tmp_path / "none"))
    assert (done.returncode, "nothing is indexed" in done.stderr) == (1, True)
