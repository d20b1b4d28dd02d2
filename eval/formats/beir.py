"""BEIR's layout (Thakur et al. 2021): a folder with corpus.jsonl, queries.jsonl and qrels/*.tsv."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from eval.dataset import EvalSet, Gold, Question, Texts, key_of
from eval.formats import answers
from eval.formats.answers import Claim
from eval.formats.record import Record, records
from index.errors import DocumentError
from index.load.text import from_text
from index.types import Document

_LAYOUT = "A set in BEIR's layout holds corpus.jsonl, queries.jsonl and qrels/test.tsv."


def load(folder: Path, name: str) -> EvalSet:
    """The queries that are judged to have a relevant document, with those of unanswerable.jsonl as near-misses.

    corpus.jsonl         {"_id", "title", "text"}; a row without a text has its title for one, without either it is
                         left out, with what was judged of it
    queries.jsonl        {"_id", "text"}, and maybe "history": the questions before, as strings or as turns
                         {"speaker", "text"} of which the user's are kept; queries that no judgement calls relevant
                         to anything are left out, as BEIR does
    qrels/*.tsv          query, document and grade below a line of headings; 0 or less is judged not relevant.
                         test.tsv before all others, which must else be the only one
    unanswerable.jsonl   {"_id", "text"}, maybe "about", a document; may be missing, as may what `answers.read` reads:
                         the spans to be marked

    Raises DocumentError, naming the file and the line, for what does not fit, and for spans not in their document.
    """
    for needed in ("corpus.jsonl", "queries.jsonl"):
        if not (folder / needed).is_file():
            raise DocumentError(f"{folder} is no eval set: there is no {needed} in it", _LAYOUT)
    qrels = _qrels(folder / "qrels")
    seen = dict[str, str]()
    queries = {one.id: one for one in _questions(folder / "queries.jsonl", seen)}
    judged = _judgements(qrels, queries)
    corpus = _check(folder / "corpus.jsonl", judged, answers.read(folder, queries))
    asked = [_judged(one, judged.grades.get(one.id, {}), corpus) for one in queries.values()]
    unanswerable = folder / "unanswerable.jsonl"
    misses = _questions(unanswerable, seen) if unanswerable.exists() else ()
    questions = [one for one in asked if one.answerable] + [replace(one, kind="near") for one in misses]
    if not questions:
        raise DocumentError(f"no query of {folder / 'queries.jsonl'} is judged in {qrels}", "Name the right split.")
    documents = partial(_documents, folder / "corpus.jsonl")
    return EvalSet(name, tuple(questions), Texts(key_of(folder / "corpus.jsonl"), documents))


def _qrels(folder: Path) -> Path:
    files = sorted(folder.glob("*.tsv"))
    if folder / "test.tsv" in files or len(files) == 1:
        return folder / "test.tsv" if len(files) > 1 else files[0]
    if not files:
        raise DocumentError(f"{folder.parent} is no eval set: there is no .tsv file in its folder qrels", _LAYOUT)
    raise DocumentError(
        f"{folder} holds judgements of several splits: {', '.join(file.name for file in files)}",
        "Call the one to be measured test.tsv.",
    )


def _questions(file: Path, seen: dict[str, str]) -> Iterator[Question]:
    for record in records(file):
        name = record.once(record.id("_id"), seen)
        yield Question(name, record.words("text"), history=_history(record), about=record.string("about"))


def _history(record: Record) -> tuple[str, ...]:
    if all(isinstance(one, str) for one in record.each("history")):
        return record.strings("history")
    return tuple(turn.words("text") for turn in record.parts("history") if turn.words("speaker") == "user")


@dataclass(frozen=True, slots=True)
class _Judgements:
    """Grades by query and document, and the place in the file where each document was first judged."""

    grades: dict[str, dict[str, int]]
    documents: dict[str, Record]


def _judgements(file: Path, queries: Collection[str]) -> _Judgements:
    judged = _Judgements(defaultdict(dict), {})
    for line in _lines(file):
        query, document, grade = (line.string(name) for name in _HEADINGS)
        if query not in queries:
            raise line.error(f"there is no query {query!r} in queries.jsonl", "Correct the id, or remove the line.")
        if judged.grades[query].setdefault(document, int(grade)) != int(grade):
            raise line.error(f"{document!r} has another grade for the query {query!r} above", "Keep one of the lines.")
        judged.documents.setdefault(document, line)
    return judged


_HEADINGS = ("query-id", "corpus-id", "score")


def _lines(file: Path) -> Iterator[Record]:
    """The judgements, each of three fields of which the last is a whole number."""
    try:
        with file.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                fields = line.rstrip("\n").split("\t")
                record = Record(file, f"line {number}", dict(zip(_HEADINGS, fields, strict=False)))
                if not line.strip():
                    continue
                whole = fields[-1].strip().removeprefix("-").isdecimal()
                if number == 1 and whole:
                    raise record.error("a judgement where headings are expected", f"Put first: {' '.join(_HEADINGS)}.")
                if number > 1:
                    if len(fields) != 3 or not whole:
                        raise record.error("not a query, a document and a whole number, parted by tabs", _LAYOUT)
                    yield record
    except UnicodeDecodeError as error:
        raise DocumentError(f"{file} is not UTF-8 text", "Save the file as UTF-8.") from error


@dataclass(frozen=True, slots=True)
class _Corpus:
    """What one reading of the corpus has shown: the ids of rows left out, and the spans by question."""

    ids: dict[str, str] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    golds: defaultdict[str, list[Gold]] = field(default_factory=lambda: defaultdict(list))


def _check(file: Path, judged: _Judgements, claims: Mapping[str, list[Claim]]) -> _Corpus:
    """Read the corpus once, without keeping it. Raises DocumentError where it lacks what is said of it."""
    corpus = _Corpus()
    for record, document in _rows(file):
        row = record.once(record.id("_id"), corpus.ids)
        if document is None:
            corpus.left_out.add(row)
            continue
        for claim in claims.get(row, ()):
            corpus.golds[claim.question] += claim.golds(document, record.each("sentences"))
    said = judged.documents | {document: found[0].record for document, found in claims.items() if found}
    for name, record in said.items():
        if name not in corpus.ids:
            raise record.error(f"there is no document {name!r} in corpus.jsonl", "Correct the id, or remove the line.")
    return corpus


def _rows(file: Path) -> Iterator[tuple[Record, Document | None]]:
    for record in records(file):
        name, title = record.id("_id"), record.string("title")
        text = record.string("text")
        text = text if text.strip() else title
        yield record, from_text(text, title=title.strip(), id=name, source=name) if text.strip() else None


def _documents(file: Path) -> Iterator[Document]:
    return (document for _, document in _rows(file) if document)


def _judged(question: Question, grades: Mapping[str, int], corpus: _Corpus) -> Question:
    """The question with its judgements; with no relevant document among them, without its spans as well."""
    kept = {document: grade for document, grade in grades.items() if document not in corpus.left_out}
    if all(grade <= 0 for grade in kept.values()):
        return question
    gold = tuple(dict.fromkeys(corpus.golds.get(question.id, ())))
    return replace(question, gold=gold, relevant=MappingProxyType(kept))
