"""What `qa eval` is given, checked before any question is asked; what cannot be is wrong usage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from eval import store, trec
from eval.dataset import EvalSet, Question
from eval.formats import open_set
from eval.metrics import MARKED, summarise
from eval.run import Row, Run
from eval.systems import SYSTEMS
from index.errors import QAError, UsageError

_BOUND = re.compile(r"(?P<name>.+)=\s*(?P<value>[0-9]+\.?[0-9]*|\.[0-9]+)")


@contextmanager
def wrong_usage() -> Iterator[None]:
    """Whatever is wrong within is the fault of what was asked for: raises UsageError for any QAError."""
    try:
        yield
    except QAError as error:
        raise UsageError(error.message, error.hint) from error


def systems(names: Sequence[str]) -> tuple[str, ...]:
    """Each once, where it was named last, since the last is the main one; all, where none is named."""
    for name in names:
        if name not in SYSTEMS:
            raise UsageError(f"there is no system {name}", f"Choose of {', '.join(SYSTEMS)}.")
    return tuple(dict.fromkeys(reversed(names)))[::-1] or tuple(SYSTEMS)


def bounds(given: Sequence[str]) -> dict[str, float]:
    """`METRIC=VALUE` of the command line. Raises UsageError."""
    found = {}
    for one in given:
        match = _BOUND.fullmatch(one.strip())
        if not match:
            raise UsageError(f"{one!r} is not METRIC=VALUE", "As in --fail-under R@1=0.8")
        found[match["name"].strip()] = float(match["value"])
    return found


def sets(names: Sequence[str], folder: Path | None) -> list[EvalSet]:
    """The sets of these names but "feedback", each once. Raises UsageError where one cannot be read."""
    with wrong_usage():
        found = [open_set(name, folder) for name in dict.fromkeys(names)]
    called = [one.name for one in found]
    for name in called:
        if called.count(name) > 1:
            raise UsageError(f"two of the sets are called {name}", "Rename one of them, or measure one at a time.")
    return found


def measurable(questions: Sequence[Question]) -> list[str]:
    """What can be measured on these questions, by the names of `Summary.flat`: all that a run without passages has."""
    rows = tuple(Row(one.id, one.question, "", True, 0.5, (), {"total": 0.0}) for one in questions)
    spans = [MARKED] if any(one.gold for one in questions) else []
    return [*summarise(questions, Run("", "", {}, rows)).flat(), *spans]


def check_bounds(given: Mapping[str, float], eval_set: EvalSet, limit: int | None) -> None:
    """Raises UsageError for a measure that this set does not have; which stages take time only the run shows."""
    unknown = [name for name in given if not (name.startswith(("p50 ", "p99 ")) and name.endswith(" ms"))]
    known = measurable(eval_set.questions[:limit]) if unknown else []
    for name in unknown:
        if name not in known:
            raise UsageError(f"there is no measure {name} of {eval_set.name}", f"Choose of {', '.join(known)}.")


def baseline(file: Path, eval_set: EvalSet, limit: int | None) -> Run:
    """A run that was saved, or a TREC run file of any tool. Raises UsageError where there is nothing to compare."""
    questions = eval_set.questions[:limit]
    with wrong_usage():
        run = store.load(file) if file.suffix == ".jsonl" else trec.read_run(file, questions, eval_set.name)
    if not {row.question_id for row in run.rows} & {one.id for one in questions if one.answerable}:
        raise UsageError(
            f"{file} has no answerable question in common with {eval_set.name}", "Compare runs of the same eval set."
        )
    return run


def made(folder: Path) -> Path:
    """A folder to write to, made if it is not there. Raises UsageError where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be made: {error.strerror}", "Name another place.") from error
    return folder
