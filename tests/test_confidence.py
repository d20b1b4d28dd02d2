"""Confidence: from what the search knows to a probability; its parameters, and those of a person's own library."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.calibrate import Example, fit
from index.care import backup, restore
from index.catalogue import Catalogue
from index.errors import QAError
from qa.confidence import (
    FEATURES,
    PARAMETERS,
    SHIPPED,
    Calibration,
    Parameters,
    confidence,
    features,
    probability_of,
)
from qa.wire import UNREADABLE, Library
from tests.conftest import qa

SURE = Parameters(features=["words"], weights=[0.0], intercept=2.0, threshold=0.5)
UNSURE = Parameters(features=["words"], weights=[0.0], intercept=-2.0, threshold=0.4)
FITTED = Calibration({"hybrid": SURE, "dense": SURE, "bm25": UNSURE})


def test_the_parameters_that_come_with_it_are_of_the_default_model_and_of_known_features() -> None:
    text = PARAMETERS.read_text()
    assert Calibration.read(text, json.loads(text)["model"]).fitted
    assert not Calibration.read(text, "another@0123").fitted
    for mode, parameters in Calibration.read(text, None).modes.items():
        assert parameters["features"] == FEATURES[mode]
        assert 0 < parameters["threshold"] <= 0.5


def spoilt(**changed: object) -> str:
    stored = json.loads(PARAMETERS.read_text())
    stored["modes"]["bm25"] |= changed
    return json.dumps(stored)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", '{"model": "a", "modes": {}}', "[]", '{"modes": {"hybrid": 1}}'),
        *(spoilt(weights=[1]), spoilt(threshold=None), spoilt(intercept=float("nan")), spoilt(features=["luck"] * 3)),
    ],
)
def test_what_is_no_calibration_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(QAError, match="no calibration") as refused:
        Calibration.read(text, "a")
    assert "qa calibrate" in refused.value.hint


def test_one_of_its_own_that_cannot_be_read_is_told_as_not_calibrated(library: Library) -> None:
    before = library.answerer.ask("Who would monitor the ceasefire?")
    library.catalogue.calibration.keep("{}")
    after = library.answerer.ask("Who would monitor the ceasefire?")
    assert (before.calibrated, after.calibrated) == (True, False)
    assert after.confidence == before.confidence


def test_what_it_was_fitted_to_is_told(library: Library) -> None:
    def told(**stored: str) -> str:
        library.catalogue.calibration.keep(json.dumps(json.loads(PARAMETERS.read_text()) | stored))
        return library.calibration.origin

    assert library.calibration.origin == SHIPPED
    known = {"fitted_on": "questions.csv, by qa calibrate", "fitted_at": "2026-11-25"}
    assert told(**known) == "fitted to this library (questions.csv, by qa calibrate, 2026-11-25)"
    assert told(**known, model="another@0123").endswith("2026-11-25), with another embedding model")
    library.catalogue.calibration.keep("{}")
    assert library.calibration.origin == UNREADABLE


def test_taken_back_it_is_the_one_that_comes_with_the_program(library: Library) -> None:
    question = "Who would monitor the ceasefire?"
    shipped = library.answerer.ask(question).confidence
    library.catalogue.calibration.keep(spoilt(weights=[0.0] * 3, intercept=9.0))
    assert library.answerer.ask(question, mode="bm25").confidence == pytest.approx(1 / (1 + np.exp(-9)), abs=1e-4)
    assert library.catalogue.calibration.forget()
    assert library.answerer.ask(question).confidence == shipped
    assert not library.catalogue.calibration.forget()


def test_it_is_kept_with_the_library_in_every_backup(library: Library, tmp_path: Path) -> None:
    library.catalogue.calibration.keep("first")
    library.catalogue.calibration.keep("last")
    backup(library.catalogue, tmp_path / "copy.qa")
    library.catalogue.calibration.keep("later")
    restore(library.catalogue, tmp_path / "copy.qa", replace=True)
    assert library.catalogue.calibration.text() == "last"


def test_a_question_foreign_to_the_model_has_the_confidence_of_bm25(library: Library) -> None:
    found = library.answerer.search("Who would monitor the ceasefire?", 5)
    known, foreign, between = (confidence(replace(found, familiar=one), FITTED)[0] for one in (1.0, 0.0, 0.5))
    assert known == pytest.approx(1 / (1 + np.exp(-2)))
    assert foreign == pytest.approx(1 / (1 + np.exp(2)))
    assert between == pytest.approx((known + foreign) / 2)


def test_nothing_found_is_not_answerable(library: Library) -> None:
    nothing = replace(library.answerer.search("Who?", 5), found=[])
    assert confidence(nothing, FITTED) == (0.0, False)
    assert set(features(nothing).values()) == {0.0}


def test_fitting_finds_the_rule_that_examples_follow() -> None:
    chance = np.random.default_rng(0)
    names = {name for mode in FEATURES.values() for name in mode}
    drawn = [
        {name: float(value) for name, value in zip(names, chance.random(len(names)), strict=True)} for _ in range(600)
    ]
    examples = [
        Example("set", "answerable" if one["words"] > 0.3 else "off", "bm25", one, one["words"] > 0.3) for one in drawn
    ]
    parameters = fit("bm25", examples)
    told = [probability_of(one.values, parameters) for one in examples]
    assert all((p > 0.5) == one.right for p, one in zip(told, examples, strict=True) if abs(p - 0.5) > 0.2)
    kept = [p >= parameters["threshold"] for p, one in zip(told, examples, strict=True) if one.right]
    assert np.mean(kept) >= 0.98


def questions(folder: Path, count: int) -> Path:
    asked = [f"What do gulls eat on day {number}?,gulls eat chips" for number in range(count)]
    file = folder / "questions.csv"
    file.write_text("\n".join(["question,quotation", *asked, "How tall is the tower?,"]))
    return file


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "birds"
    folder.mkdir()
    (folder / "gulls.txt").write_text("Gulls eat chips.")
    (folder / "cats.txt").write_text("Cats sleep all day.")
    settings = {"QA_DATA": str(tmp_path / "data")}
    assert qa("index", str(folder), **settings).returncode == 0
    return settings


@pytest.mark.model
def test_it_is_fitted_to_a_persons_own_library_and_used_from_then_on(tmp_path: Path, own: dict[str, str]) -> None:
    def asked() -> Any:
        return json.loads(qa("ask", "What do gulls eat on day 3?", "--json", **own).stdout)

    before = asked()
    done = qa("calibrate", str(questions(tmp_path, 40)), **own)
    assert done.returncode == 0, done.stderr
    assert "AUROC missing" in done.stdout
    after = asked()
    assert after["calibrated"]
    assert after["confidence"] > max(0.9, before["confidence"])  # every one of them is answered by the first passage
    today = datetime.now(UTC).date().isoformat()
    assert f"fitted to this library (questions.csv, by qa calibrate, {today})" in qa("status", **own).stdout
    assert qa("calibrate", "--reset", **own).stdout == f"Taken back. In use is {SHIPPED}.\n"
    assert qa("calibrate", "--reset", **own).stdout == f"Nothing was fitted. In use is {SHIPPED}.\n"
    assert json.loads(qa("status", "--json", **own).stdout)["confidence"] == SHIPPED
    assert asked()["confidence"] == before["confidence"]


@pytest.mark.model
def test_too_few_questions_are_refused_and_nothing_is_changed(tmp_path: Path, own: dict[str, str]) -> None:
    done = qa("calibrate", str(questions(tmp_path, 5)), **own)
    assert done.returncode == 1
    assert "5 questions that the documents answer are too few" in done.stderr
    with closing(Catalogue(Path(own["QA_DATA"]), {})) as catalogue:
        assert catalogue.calibration.text() is None


def test_with_another_model_a_reply_says_that_confidence_is_not_calibrated(
    make_library: Callable[..., Library],
) -> None:
    library = make_library()
    own = Calibration(library.calibration.modes, fitted=False)
    assert library.answerer.ask("Anything?").calibrated
    library._calibration = None, own  # as it is read for another model
    assert not library.answerer.ask("Anything?").calibrated
