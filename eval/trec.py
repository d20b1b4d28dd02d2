"""Runs and qrels as TREC files: ours for other tools to judge, theirs for us.

A docno is a document's id, or `document:start-end` of a passage; it and the topic are percent-encoded, so that they
hold no whitespace. A run file has `topic Q0 docno rank score tag` on a line, a qrels file `topic 0 docno grade`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from eval.dataset import Question
from eval.judge import asked, judged, qrels, topic
from eval.run import Returned, Row, Run
from index.errors import QAError
from index.types import Span

_PASSAGE = re.compile(r"(?P<document>.+):(?P<start>[0-9]+)-(?P<end>[0-9]+)", re.DOTALL)
_FORMAT = "A line is: topic Q0 docno rank score tag."


def write_qrels(path: Path, questions: Iterable[Question]) -> None:
    """The answerable questions; they fit every system's run. Give those alone that were asked: tools count a question
    without a run as a failure."""
    lines = [f"{topic(one.id)} 0 {name} {grade}\n" for one in questions for name, grade in qrels(one).items()]
    path.write_text("".join(lines), encoding="utf-8")


def write_run(path: Path, questions: Iterable[Question], run: Run) -> None:
    """Every question asked, with the scores that we judge by ourselves, which descend as the ranks ascend."""
    with path.open("w", encoding="utf-8") as file:
        for question, row in asked(questions, run):
            one = judged(question, row)
            for rank, (name, score) in enumerate(one.run.items(), 1):
                file.write(f"{one.topic} Q0 {name} {rank} {score!r} {topic(run.system)}\n")


@dataclass(frozen=True, slots=True)
class _Line:
    topic: str
    docno: str
    score: float
    tag: str


def read_run(path: Path, questions: Iterable[Question], set_name: str) -> Run:
    """The run of another tool: an answer to each question, without passages where the file has none for it.

    By score, and by docno from Z to A where scores are equal, as trec_eval does, whatever the ranks say. Its answers
    have no confidence (NaN), marks or latency; topics that are not of the set are left out. Raises QAError, which
    names file and line.
    """
    questions = list(questions)
    known = {topic(question.id): question for question in questions}
    found: dict[str, dict[str, Returned]] = {}
    system = path.stem
    for place, line in _lines(path):
        if question := known.get(line.topic):
            ranking, system = found.setdefault(question.id, {}), unquote(line.tag)
            if line.docno in ranking:
                raise QAError(f"{place}: {line.docno} is already in the ranking of {line.topic}", "Name each once.")
            ranking[line.docno] = _passage(place, line, question)
    if not found:
        raise QAError(f"{path} has no answer to any question of {set_name}", "Its topics must be the questions' ids.")
    rows = tuple(_row(question, found.get(question.id, {}), system) for question in questions)
    return Run(set_name, system, {"file": str(path)}, rows)


def _row(question: Question, ranking: Mapping[str, Returned], system: str) -> Row:
    order = sorted(ranking, key=lambda name: (ranking[name].score, name), reverse=True)
    return Row(
        question_id=question.id,
        effective_question=question.question,
        retrieval=system,
        answerable=bool(order),
        confidence=math.nan,
        passages=tuple(ranking[name] for name in order),
        milliseconds={},
    )


def _lines(path: Path) -> Iterator[tuple[str, _Line]]:
    """Each line with its place, `file, line n`."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise QAError(f"{path} cannot be read: {error}", "Name a TREC run file in UTF-8.") from error
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        place, parts = f"{path}, line {number}", text.split()
        if len(parts) != 6:
            raise QAError(f"{place}: {len(parts)} columns, not 6", _FORMAT)
        name, _, docno, _, score, tag = parts
        try:
            value = float(score)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise QAError(f"{place}: the score {score} is not a number", _FORMAT)
        yield place, _Line(name, docno, value, tag)


def _passage(place: str, line: _Line, question: Question) -> Returned:
    """Where documents are judged, a docno may name one or a passage of it; else it must name a passage."""
    name = unquote(line.docno, errors="surrogateescape")
    match = None if name in question.relevant else _PASSAGE.fullmatch(name)
    if match:
        return Returned(match["document"], Span(int(match["start"]), int(match["end"])), line.score, ())
    if question.gold and not question.relevant:
        raise QAError(
            f"{place}: {line.docno} does not say which passage of the document",
            "Passages are judged here: name them document:start-end, in characters.",
        )
    return Returned(name, Span(0, 0), line.score, ())
