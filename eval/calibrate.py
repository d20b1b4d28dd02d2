"""Fit confidence: `python -m eval.calibrate [--write]`, over the public sets in QA_DATASETS.

Libraries of every size that people have are made from them: half of the paragraphs of each article of squad_a, all
of squad_a, and all of nq_mini. Each is asked questions whose passage it holds (answerable), questions whose passage
was left out (missing), questions written to fool (fool), and questions about something else (off).
Fitted on one set, checked on the other; then fitted on both.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from eval.dataset import public
from eval.metrics import auroc
from eval.run import MODES
from index.errors import QAError
from index.fusion import Mode
from index.load import from_text
from qa.confidence import FEATURES, PARAMETERS, Parameters, features
from qa.config import settings
from qa.wire import open_library

_SHARE = {"answerable": 0.5, "missing": 0.2, "fool": 0.1, "off": 0.2}
"""How much each kind weighs, whatever its number."""
_PER_ARTICLE, _PER_SET = 60, 500
"""Questions of each kind asked of a library, at most."""
_KEPT = 0.99
"""Share of the answerable questions that the threshold keeps."""


@dataclass(frozen=True, slots=True)
class Example:
    set_name: str
    kind: str
    features: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {PARAMETERS.name}")
    write = parser.parse_args().write
    try:
        folder = public("squad_a").parent
    except QAError as error:
        raise SystemExit(f"{error.message}. {error.hint}") from error
    fitted: dict[str, Parameters] = {}
    examples = list(_examples(folder))
    for mode in MODES:
        chosen = [example for found, example in examples if found == mode]
        for fit_on, check_on in (("squad_a", "nq_mini"), ("nq_mini", "squad_a")):
            parameters = fit(mode, [one for one in chosen if one.set_name == fit_on])
            _report(f"{mode}, fitted on {fit_on}, asked of {check_on}", parameters, chosen, check_on)
        fitted[mode] = fit(mode, chosen)
        _report(f"{mode}, fitted on both", fitted[mode], chosen, "")
    text = json.dumps(
        {"fitted_on": "squad_a and nq_mini, by python -m eval.calibrate --write", "modes": fitted}, indent=1
    )
    if write:
        PARAMETERS.write_text(text + "\n")
    else:
        typer.echo(text)


def fit(mode: Mode, examples: Sequence[Example]) -> Parameters:
    """Logistic regression with little regularisation; the threshold keeps `_KEPT` of the answerable."""
    names = FEATURES[mode]
    counts = Counter(one.kind for one in examples)
    weights = [_SHARE[one.kind] / counts[one.kind] * len(examples) for one in examples]
    model = LogisticRegression(C=10.0, max_iter=5000)
    model.fit(_matrix(examples, names), [one.kind == "answerable" for one in examples], sample_weight=weights)
    parameters = Parameters(
        features=names,
        weights=[round(float(weight), 4) for weight in model.coef_[0]],
        intercept=round(float(model.intercept_[0]), 4),
        threshold=0.5,
    )
    kept = _probabilities(parameters, [one for one in examples if one.kind == "answerable"])
    parameters["threshold"] = round(min(0.5, float(np.quantile(kept, 1 - _KEPT))), 4)
    return parameters


def _matrix(examples: Sequence[Example], names: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[one.features[name] for name in names] for one in examples])


def _probabilities(parameters: Parameters, examples: Sequence[Example]) -> NDArray[np.float64]:
    scores = _matrix(examples, parameters["features"]) @ np.array(parameters["weights"]) + parameters["intercept"]
    probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-scores))
    return probabilities


def _report(title: str, parameters: Parameters, examples: Sequence[Example], set_name: str) -> None:
    shown = []
    for kind in ("missing", "fool", "off"):
        chosen = [one for one in examples if one.kind in ("answerable", kind) and one.set_name.startswith(set_name)]
        if all(one.kind == "answerable" for one in chosen):
            continue
        probabilities = _probabilities(parameters, chosen).tolist()
        shown.append(f"{kind} {auroc([one.kind == 'answerable' for one in chosen], probabilities):.3f}")
    kept = [one for one in examples if one.kind == "answerable" and one.set_name.startswith(set_name)]
    share = float((_probabilities(parameters, kept) >= parameters["threshold"]).mean())
    typer.echo(f"{title}: AUROC {', '.join(shown)}; keeps {share:.3f} of the answerable")


def _examples(folder: Path) -> Iterator[tuple[Mode, Example]]:
    chance = random.Random(0)
    squad, nq = _read(folder / "squad_a"), _read(folder / "nq_mini")
    articles: dict[str, list[_Row]] = {}
    for row in squad.corpus:
        articles.setdefault(row["title"], []).append(row)
    for corpus in articles.values():
        chance.shuffle(corpus)
        kept, left_out = corpus[: len(corpus) // 2], corpus[len(corpus) // 2 :]
        asked = {
            "answerable": squad.about(kept, squad.queries),
            "missing": squad.about(left_out, squad.queries),
            "fool": squad.about(kept, squad.unanswerable),
            "off": nq.queries,
        }
        yield from _asked("squad_a", kept, {kind: _some(chance, rows, _PER_ARTICLE) for kind, rows in asked.items()})
    for name, own, other in (("squad_a", squad, nq), ("nq_mini", nq, squad)):
        asked = {"answerable": own.queries, "fool": own.unanswerable, "off": other.queries}
        yield from _asked(name, own.corpus, {kind: _some(chance, rows, _PER_SET) for kind, rows in asked.items()})


_Row = dict[str, str]


def _some(chance: random.Random, rows: Sequence[_Row], count: int) -> list[_Row]:
    return chance.sample(rows, min(count, len(rows)))


@dataclass(frozen=True, slots=True)
class _Set:
    """One of the public sets; every question knows the passage that it is about."""

    corpus: list[_Row]
    queries: list[_Row]
    unanswerable: list[_Row]

    def about(self, passages: Sequence[_Row], questions: Sequence[_Row]) -> list[_Row]:
        inside = {passage["_id"] for passage in passages}
        return [question for question in questions if question["about"] in inside]


def _read(folder: Path) -> _Set:
    corpus, queries, unanswerable = (
        [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        for name in ("corpus", "queries", "unanswerable")
    )
    rows = [line.split("\t") for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]]
    gold = {query: passage for query, passage, _ in rows}
    return _Set(corpus, [row | {"about": gold[row["_id"]]} for row in queries if row["_id"] in gold], unanswerable)


def _asked(
    set_name: str, corpus: Sequence[_Row], asked: Mapping[str, Sequence[_Row]]
) -> Iterator[tuple[Mode, Example]]:
    with tempfile.TemporaryDirectory(prefix="qa-calibrate-") as data:
        library = open_library(settings(data=Path(data)), make=True, load_when_needed=True)
        for row in corpus:
            library.builder.put(from_text(row["text"], title=row["title"], id=row["_id"]))
        for kind, rows in asked.items():
            for row in rows:
                for mode in MODES:
                    results = library.answerer.search(row["text"], 5, mode=mode)
                    yield results.mode, Example(set_name, kind, features(results))
        library.close()


if __name__ == "__main__":
    main()
