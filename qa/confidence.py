"""How likely it is that the passages hold the answer: logistic regression on what the search already knows.

The weights stand in confidence.json, fitted by `python -m eval.calibrate` on answerable and unanswerable questions
of public sets; which, and how well it does on others, stands in DECISIONS.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import regex

from index.errors import QAError
from index.fusion import Mode
from index.search import Results
from index.terms import terms
from index.types import Passage

PARAMETERS = Path(__file__).with_name("confidence.json")
DEPTH = 5
"""Passages that confidence looks at."""
SHIPPED = "the one that comes with the program"

# A word with a capital letter or a number, not the first word of the question.
_NAME = regex.compile(r"(?<=\S\s+[\"'“‘(]*)(?:\p{Lu}|\p{N})[\p{L}\p{M}\p{N}’'.,-]*")


class Parameters(TypedDict):
    """`probability = 1 / (1 + exp(-(intercept + sum(weights * features))))`; below `threshold`: not answerable."""

    features: list[str]
    weights: list[float]
    intercept: float
    threshold: float


def features(results: Results) -> dict[str, float]:
    """What tells an answered question from another, each about 0 to 1; empty results are all zero.

    `sentence`: likeness in meaning of the first passage's likest sentence. `words`: its score by words, as a share of
    the most possible. `coverage`, `nearby`: the share of the question's terms, by idf, that the first passage, or any
    of the first `DEPTH`, hold. `names`: the share of the names and numbers asked for that the first passage holds, 1
    if none are. `margin`: its lead over the second passage.
    """
    if not results.found:
        return dict.fromkeys(("sentence", "words", "coverage", "nearby", "names", "margin"), 0.0)
    first, asked = results.found[0], results.weights
    held = [_terms_of(found.stored.passage) for found in results.found[:DEPTH]]
    return {
        "sentence": first.sentence or 0.0,
        "words": first.words,
        "coverage": _coverage(asked, held[0]),
        "nearby": _coverage(asked, set().union(*held)),
        "names": _names(results.question, held[0]),
        "margin": first.score - results.found[1].score if len(results.found) > 1 else 0.0,
    }


def _terms_of(passage: Passage) -> set[str]:
    return set(terms(f"{passage.context}\n{passage.text}"))


def _coverage(asked: Mapping[str, float], held: Collection[str]) -> float:
    total = sum(weight for weight in asked.values() if weight > 0)
    return sum(weight for term, weight in asked.items() if weight > 0 and term in held) / total if total else 0.0


def _names(question: str, held: Collection[str]) -> float:
    named = [name for match in _NAME.finditer(question) if (name := terms(match.group()))]
    return sum(any(term in held for term in name) for name in named) / len(named) if named else 1.0


FEATURES: dict[Mode, list[str]] = {
    "hybrid": ["sentence", "words", "nearby", "names", "margin"],
    "dense": ["sentence", "coverage", "nearby", "names", "margin"],
    "bm25": ["words", "nearby", "names"],
}
"""Those that each mode's regression uses; the ones that did not pay are named in DECISIONS.md."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The parameters of each mode, and the embedding model that they were fitted with (see `index.embed.identity`).

    `fitted` is false where the model in use is another one: its cosines have another scale. `origin` says in words
    what it was fitted to.
    """

    modes: Mapping[Mode, Parameters]
    fitted: bool = True
    origin: str = SHIPPED

    @classmethod
    def read(cls, text: str, model: str | None, own: bool = False) -> Calibration:
        """The one that comes with the program, or a library's own. Raises QAError for a text that is not one."""
        try:
            stored = json.loads(text)
            modes: dict[Mode, Parameters] = {mode: _checked(mode, stored["modes"][mode]) for mode in FEATURES}
            fitted = model is None or stored["model"] == model
            known = ", ".join(str(stored[name]) for name in ("fitted_on", "fitted_at") if name in stored)
            origin = f"fitted to this library ({known or 'it is not known when'})" if own else SHIPPED
            return cls(modes, fitted, origin if fitted else f"{origin}, with another embedding model")
        except (ValueError, KeyError, TypeError) as error:
            hint = "Run `qa calibrate` again, or go back to the one that comes with the program: qa calibrate --reset"
            raise QAError(f"this is no calibration of confidence: {error!r}", hint) from error


def _checked(mode: Mode, parameters: Parameters) -> Parameters:
    if not set(parameters["features"]) <= set(FEATURES[mode]):
        raise ValueError(f"the features of {mode} are unknown")
    numbers = [*parameters["weights"], parameters["intercept"], parameters["threshold"]]
    if len(numbers) != len(parameters["features"]) + 2 or not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"{mode} needs a weight for each feature, an intercept and a threshold")
    return parameters


def confidence(results: Results, calibration: Calibration) -> tuple[float, bool]:
    """Probability that the first passage answers the question, and whether that is enough to say so.

    As far as the embedding model does not know the words of the question, it is ranked by BM25, and confidence too is
    that of BM25.
    """
    if not results.found:
        return 0.0, False
    values, modes = features(results), calibration.modes
    parts = [(1.0, modes[results.mode])]
    if results.mode == "hybrid":
        parts = [(results.familiar, modes["hybrid"]), (1 - results.familiar, modes["bm25"])]
    probability = sum(part * probability_of(values, parameters) for part, parameters in parts)
    return probability, probability >= sum(part * parameters["threshold"] for part, parameters in parts)


def probability_of(values: Mapping[str, float], parameters: Parameters) -> float:
    score = parameters["intercept"] + sum(
        weight * values[name] for name, weight in zip(parameters["features"], parameters["weights"], strict=True)
    )
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))
