"""Ask every question of a set through the real `Answerer`, in each mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from eval.dataset import Question
from eval.metrics import auroc, holds, retrieval
from index.errors import DocumentError
from index.ingest import FileRequest
from index.load.folder import find_files
from index.search import Mode
from index.types import Span
from qa.config import Settings
from qa.types import Answer, RankedPassage
from qa.wire import Library, open_library

DEPTH = 10
MODES: tuple[Mode, ...] = ("bm25", "dense", "hybrid")
assert set(MODES) == set(get_args(Mode))


@dataclass(frozen=True, slots=True)
class Result:
    """One mode over one set: retrieval measures over answerable questions, the share of them whose first passage
    that holds the answer has it marked (`marked`), and the AUROC of confidence over all, near-misses and the rest."""

    mode: Mode
    retrieval: dict[str, float]
    marked: float
    auroc: float
    auroc_near: float
    auroc_off: float
    first_by_kind: dict[str, float]


def library_of(folder: Path, data: Path, settings: Settings) -> Library:
    """The documents of a folder, named by their place in it, in a library of its own, never in the user's."""
    library = open_library(settings.model_copy(update={"data": data}), make=True, load_when_needed=True)
    requests = [FileRequest(path, path.relative_to(folder).as_posix()) for path in find_files([folder])]
    for _, outcome in library.ingest.run(requests):
        if isinstance(outcome, DocumentError):
            raise outcome
    return library


def evaluate(
    library: Library, questions: Sequence[Question], mode: Mode, step: Callable[[], object] = lambda: None
) -> Result:
    """Raises DocumentError when a gold span does not stand in its document as it says."""
    spans = _passages(library)
    _check(library, questions)
    answers, relevant, marks = [], dict[str, set[str]](), []
    for question in questions:
        answer = library.answerer.ask(question.question, DEPTH, mode=mode)
        answers.append(answer)
        step()
        if not question.gold:
            continue
        relevant[question.id] = {
            passage_id
            for passage_id, (name, span) in spans.items()
            if any(gold.document == name and holds(span, gold) for gold in question.gold)
        }
        marks.append(_marked(question, answer))
    asked = zip(questions, answers, strict=True)
    ranked = {question.id: [_id(passage) for passage in answer.passages] for question, answer in asked}
    return Result(
        mode=mode,
        retrieval=retrieval(relevant, {key: ids for key, ids in ranked.items() if key in relevant}),
        marked=sum(marks) / len(marks),
        auroc=_auroc(questions, answers, {"near", "off"}),
        auroc_near=_auroc(questions, answers, {"near"}),
        auroc_off=_auroc(questions, answers, {"off"}),
        first_by_kind=_first_by_kind(questions, relevant, ranked),
    )


def _first_by_kind(
    questions: Sequence[Question], relevant: Mapping[str, set[str]], ranked: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    hits: dict[str, list[bool]] = {}
    for question in questions:
        if question.gold:
            first = ranked[question.id][:1]
            hits.setdefault(question.kind, []).append(bool(first) and first[0] in relevant[question.id])
    return {kind: sum(found) / len(found) for kind, found in sorted(hits.items())}


def _id(passage: RankedPassage) -> str:
    return f"{passage.citation.document_id}:{passage.citation.start}-{passage.citation.end}"


def _marked(question: Question, answer: Answer) -> bool:
    """Is the answer marked in the first passage that holds it? No such passage, no mark."""
    for passage in answer.passages:
        golds = [gold for gold in question.gold if gold.document == passage.citation.source]
        if any(holds(Span(passage.citation.start, passage.citation.end), gold) for gold in golds):
            return any(holds(Span(mark.start, mark.end), gold) for mark in passage.highlights for gold in golds)
    return False


def _auroc(questions: Sequence[Question], answers: Sequence[Answer], kinds: set[str]) -> float:
    pairs = [
        (bool(question.gold), answer.confidence)
        for question, answer in zip(questions, answers, strict=True)
        if question.gold or question.kind in kinds
    ]
    return auroc([pair[0] for pair in pairs], [pair[1] for pair in pairs])


def _passages(library: Library) -> dict[str, tuple[str, Span]]:
    return {
        stored.passage.id: (stored.source, Span(stored.passage.start, stored.passage.end))
        for document_id in library.catalogue.document_ids()
        for stored in library.catalogue.passages_of(document_id)
    }


def _check(library: Library, questions: Sequence[Question]) -> None:
    texts = {
        summary.source: document.text
        for summary in library.catalogue.summaries()
        if (document := library.catalogue.document(summary.id))
    }
    for question in questions:
        for gold in question.gold:
            if texts.get(gold.document, "")[gold.start : gold.end] != gold.text:
                raise DocumentError(
                    f"{question.id}: {gold.document}[{gold.start}:{gold.end}] is not {gold.text!r}",
                    "Correct the span, or name the folder that holds this document.",
                )
