"""Fit confidence: `make calibrate` on the public sets in QA_DATASETS, `qa calibrate SET` on a person's own.

Libraries of every size that people have are made from the public sets: articles of squad_a and halves of them, handfuls
and half of nq_mini, and whole sets. Each is asked questions that it answers ("answerable"), whose passage was left
out ("missing"), that were written to fool ("fool"), that are about other articles ("other"), and that are about
something else altogether ("off"). What is learnt is whether the first passage is right.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, get_args

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from eval.bench.report import Section, text
from eval.dataset import EvalSet, Question
from eval.formats import open_set
from eval.judge import relevant
from eval.library import names, opened, placed
from eval.metrics import auroc, ece, reliability
from eval.run import Returned
from eval.sublibrary import Stored, sublibrary, taken_from
from index.embed import identity
from index.errors import QAError, UsageError
from index.fusion import Mode
from index.search import Results
from index.types import Span
from qa.answer import Answerer, Models
from qa.confidence import DEPTH, FEATURES, PARAMETERS, Calibration, Parameters, features, probability_of
from qa.config import settings
from qa.wire import Library

MODES: tuple[Mode, ...] = get_args(Mode)
SHARE = {"answerable": 0.5, "missing": 0.15, "fool": 0.05, "off": 0.23, "other": 0.07}
"""How much each kind weighs in a set, whatever its number: every second question can be answered; of the others people
ask more in good faith than to fool."""
KEPT = 0.995
"""Share of the answerable questions of every set that the threshold keeps; of sets unseen it then keeps .97."""
FITTED, CHECKED = ("squad_a", "nq_mini"), ("scifact", "doc2dial", "cran", "med", "xquad/es", "seeds")
_MOST, _HANDFUL, _HANDFULS, _PER_HANDFUL = 400, 40, 8, 40
"""Questions of each kind asked of a whole set; documents of a small library, how many such, questions of each kind."""
_WRITTEN = ("squad_a",)
"""Sets whose questions were written for one paragraph, so that other parts of its article do not answer them."""
_FEWEST = 30
"""Questions of each sort that a person's own set must have."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question asked in one mode: what confidence looks at, and whether the first passage was right."""

    set_name: str
    kind: str
    mode: Mode
    values: Mapping[str, float]
    right: bool


def main(write: Annotated[bool, typer.Option(help=f"Write {PARAMETERS.name}.")] = False) -> None:
    """Fit on some public sets, leaving each out in turn, and check on others."""
    fitted = [one for name in FITTED for one in examples(name)]
    checked = [one for name in CHECKED for one in examples(name)]
    rows = list[dict[str, object]]()
    modes = dict[Mode, Parameters]()
    for mode in MODES:
        chosen = [one for one in fitted if one.mode == mode]
        modes[mode] = fit(mode, chosen)
        for name in FITTED:
            unseen = fit(mode, [one for one in chosen if one.set_name != name])
            rows += _told("left out", mode, unseen, [one for one in chosen if one.set_name == name])
        rows += _told("", mode, modes[mode], [one for one in checked if one.mode == mode])
    typer.echo(text(Section("", "", rows)))
    known = identity(settings().model)
    stored = {"model": known, "fitted_on": f"{', '.join(FITTED)}, by make calibrate", "modes": modes}
    if write:
        PARAMETERS.write_text(json.dumps(stored, indent=1) + "\n")


def calibrate(eval_set: EvalSet, data: Path | None = None) -> str:
    """Fit confidence to a person's own library and questions, and keep it there; what came of it.

    Each answerable question is also asked without the documents that answer it; follow-ups are left out. Raises
    UsageError for a set with documents of its own, QAError for too few questions.
    """
    if eval_set.corpus is not None:
        raise UsageError("confidence is fitted to your own library", "Name questions about it: .jsonl or .csv.")
    library = opened(eval_set, settings(data=data))
    try:
        found = list(_own(library, replace(eval_set, questions=placed(eval_set.questions, library))))
        for wanted in (True, False):
            count = sum((one.kind == "answerable") == wanted for one in found) // len(MODES)
            if count < _FEWEST:
                sort = "that the documents answer" if wanted else "that they do not"
                raise QAError(f"{count} questions {sort} are too few", f"Give at least {_FEWEST} of each sort.")
        if not all(any(one.right for one in found if one.mode == mode) for mode in MODES):
            raise QAError("the first passage is right for none of the questions", "Look at them with: qa eval --html")
        modes = {mode: fit(mode, [one for one in found if one.mode == mode]) for mode in MODES}
        known = identity(library.settings.model)
        when = datetime.now(UTC).date().isoformat()
        fitted_on = f"{eval_set.name}, by qa calibrate"
        stored = {"model": known, "fitted_on": fitted_on, "fitted_at": when, "modes": modes}
        library.catalogue.calibration.keep(json.dumps(stored))
    finally:
        library.close()
    rows = [row for mode in MODES for row in _told("cross-validated", mode, None, found)]
    return f"{text(Section('', '', rows))}\nKept with the library; a running service uses it from the next question on."


def fit(mode: Mode, examples: Sequence[Example]) -> Parameters:
    """Logistic regression with little regularisation; the threshold keeps `KEPT` of the answerable of each set."""
    names = FEATURES[mode]
    counts = Counter((one.set_name, one.kind) for one in examples)
    weights = np.array([SHARE.get(one.kind, 0.25) / counts[one.set_name, one.kind] for one in examples])
    model = LogisticRegression(C=10.0, max_iter=5000)
    matrix = np.array([[one.values[name] for name in names] for one in examples])
    model.fit(matrix, [one.right for one in examples], sample_weight=weights * len(weights) / weights.sum())
    parameters = Parameters(
        features=names,
        weights=[round(float(weight), 4) for weight in model.coef_[0]],
        intercept=round(float(model.intercept_[0]), 4),
        threshold=0.5,
    )
    kept = [
        np.quantile(_probabilities(parameters, [one for one in answerable if one.set_name == name]), 1 - KEPT)
        for answerable in [[one for one in examples if one.kind == "answerable"]]
        for name in {one.set_name for one in answerable}
    ]
    return parameters | {"threshold": round(min(0.5, float(min(kept))), 4)}


def examples(name: str) -> Iterator[Example]:
    """The questions of a public set, asked of libraries of several sizes."""
    eval_set = open_set(name, None)
    chance, library = random.Random(0), opened(eval_set, settings())
    try:
        questions = [one for one in eval_set.questions if not one.history]
        other = open_set("squad_a" if name == "nq_mini" else "nq_mini", None)
        elsewhere = [] if name == "seeds" else _answerable(other)
        stored = taken_from(library)
        yield from _asked(name, library, stored, questions, elsewhere, chance, _MOST)
        for some in _parts(name, stored, chance):
            yield from _asked(name, library, some, questions, elsewhere, chance, _PER_HANDFUL)
    finally:
        library.close()


def _parts(name: str, stored: Stored, chance: random.Random) -> Iterator[Stored]:
    """Smaller libraries of the same documents."""
    ids = sorted(stored)
    if name == "squad_a":
        for title in sorted({document.title for document, _, _ in stored.values()}):
            article = [one for one in ids if stored[one][0].title == title]
            yield {one: stored[one] for one in article}
            yield {one: stored[one] for one in chance.sample(article, len(article) // 2)}
    elif name == "nq_mini":
        yield {one: stored[one] for one in chance.sample(ids, len(ids) // 2)}
        for _ in range(_HANDFULS):
            yield {one: stored[one] for one in chance.sample(ids, _HANDFUL)}
    elif name == "doc2dial":
        for one in chance.sample(ids, _HANDFUL):
            yield {one: stored[one]}


def _asked(
    name: str,
    library: Library,
    documents: Stored,
    questions: Sequence[Question],
    elsewhere: Sequence[Question],
    chance: random.Random,
    most: int,
) -> Iterator[Example]:
    kinds: dict[str, list[Question]] = {"off": list(elsewhere)}
    titles = {document.title for document, _, _ in documents.values()}
    for one in questions:
        if kind := _kind(name, one, documents, library, titles):
            kinds.setdefault(kind, []).append(one)
    with (
        tempfile.TemporaryDirectory(prefix="qa-calibrate-") as folder,
        sublibrary(library, documents, Path(folder)) as answerer,
    ):
        for kind, asked in kinds.items():
            for question in chance.sample(asked, min(most, len(asked))):
                for mode in MODES:
                    results = answerer.search(question.question, DEPTH, mode)
                    yield _example(name, kind, question, results)


def _kind(name: str, question: Question, documents: Stored, library: Library, titles: set[str]) -> str:
    """Of a question, where some documents of its set may be left out; empty where it cannot be said."""
    if not question.answerable:
        asked = not question.about or question.about in documents
        return (question.kind if question.kind == "off" else "fool") if asked else ""
    about = _about(question)
    if about & {document.source for document, _, _ in documents.values()}:
        return "answerable"
    left_out = [library.catalogue.document(one) for one in about]
    if not any(one and one.title in titles for one in left_out):
        return "other"
    return "missing" if name in _WRITTEN else ""


def _about(question: Question) -> set[str]:
    """The documents that answer a question."""
    return {one for one, grade in question.relevant.items() if grade > 0} | {gold.document for gold in question.gold}


def _own(library: Library, eval_set: EvalSet) -> Iterator[Example]:
    answerer = Answerer(library.searcher, Models(library.model.load_once), Calibration({}))
    called = names(library)
    for question in (one for one in eval_set.questions if not one.history):
        about = _about(question)
        others = tuple(one for one, name in called.items() if name not in about)
        for mode in MODES:
            kind = "answerable" if question.answerable else "off" if question.kind == "off" else "fool"
            yield _example(eval_set.name, kind, question, answerer.search(question.question, DEPTH, mode), called)
            if question.answerable and others:
                without = answerer.search(question.question, DEPTH, mode, others)
                yield _example(eval_set.name, "missing", question, without, called)


def _example(
    name: str, kind: str, question: Question, results: Results, called: Mapping[str, str] | None = None
) -> Example:
    """`called` has the documents' names by id where these are not their sources."""
    right = kind == "answerable" and bool(results.found) and _right(question, results, called or {})
    return Example(name, kind, results.mode, features(results), right)


def _right(question: Question, results: Results, called: Mapping[str, str]) -> bool:
    stored = results.found[0].stored
    name = called.get(stored.passage.document_id) or stored.source or stored.passage.document_id
    return relevant(question, Returned(name, Span(stored.passage.start, stored.passage.end), 0.0, ()))


def _told(how: str, mode: Mode, parameters: Parameters | None, found: Sequence[Example]) -> Iterator[dict[str, object]]:
    """A row for each set: how well these parameters do on it, or without any, those fitted on four fifths of it."""
    for name in dict.fromkeys(one.set_name for one in found):
        chosen = [one for one in found if one.set_name == name and one.mode == mode]
        if parameters:
            told, threshold = _probabilities(parameters, chosen), np.full(len(chosen), parameters["threshold"])
        else:
            told, threshold = _cross_validated(mode, chosen)
        answerable = np.array([one.kind == "answerable" for one in chosen])
        row: dict[str, object] = {"mode": mode, "set": name, "": how, "answerable": int(answerable.sum())}
        for kind in ("off", "other", "missing", "fool"):
            against = answerable | np.array([one.kind == kind for one in chosen])
            both = 0 < answerable.sum() < against.sum()
            row[f"AUROC {kind}"] = f"{auroc(answerable[against].tolist(), told[against].tolist()):.3f}" if both else "–"
        right = np.array([one.right for one in chosen])
        sample = _as_shared(chosen)
        row["ECE"] = f"{ece(reliability(told[sample], right[sample])):.3f}"
        row["kept"] = f"{float((told >= threshold)[answerable].mean()):.3f}" if answerable.any() else "–"
        row["refused"] = f"{float((told < threshold)[~answerable].mean()):.3f}" if (~answerable).any() else "–"
        yield row


def _as_shared(found: Sequence[Example]) -> NDArray[np.int64]:
    """Drawn with replacement, each kind as often as `SHARE` says: the mixture for which confidence is calibrated."""
    counts = Counter(one.kind for one in found)
    weights = np.array([SHARE.get(one.kind, 0.25) / counts[one.kind] for one in found])
    return np.random.default_rng(0).choice(len(found), 10_000, p=weights / weights.sum())


def _cross_validated(mode: Mode, found: Sequence[Example]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probability and threshold of each example, by parameters fitted on the others."""
    told, thresholds = np.zeros(len(found)), np.zeros(len(found))
    for fitted, held_out in KFold(5, shuffle=True, random_state=0).split(np.zeros(len(found))):
        parameters = fit(mode, [found[number] for number in fitted])
        told[held_out] = _probabilities(parameters, [found[number] for number in held_out])
        thresholds[held_out] = parameters["threshold"]
    return told, thresholds


def _probabilities(parameters: Parameters, examples: Sequence[Example]) -> NDArray[np.float64]:
    return np.array([probability_of(one.values, parameters) for one in examples])


def _answerable(eval_set: EvalSet) -> list[Question]:
    return [one for one in eval_set.questions if one.answerable]


if __name__ == "__main__":
    typer.run(main)
