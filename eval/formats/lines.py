"""Our own eval sets: JSON Lines, a question a line."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from eval.dataset import Gold, Question
from eval.formats.quotations import quotation
from eval.formats.record import Record, records
from index.errors import DocumentError


def load(file: Path) -> tuple[Question, ...]:
    """The questions of a file whose lines are

        {"question": "Who won?", "gold": [{"document": "race.txt", "start": 4, "end": 13, "text": "The snail"}]}

    and may have `id` (else the number of the line), `kind`, `history` (the questions before, oldest first) and
    `relevant` (documents and their grades). An empty `gold` says that the documents do not hold the answer; without
    `start` and `end`, and even without `document`, its text is a quotation yet to be located.
    Raises DocumentError, naming the line, for what does not fit and for keys that are none of these.
    """
    seen = dict[str, str]()
    questions = tuple(_question(record, seen) for record in records(file))
    if not questions:
        raise DocumentError(f"{file} holds no questions", 'Write one a line: {"question": "...", "gold": [...]}.')
    return questions


def _question(record: Record, seen: dict[str, str]) -> Question:
    record.only("id", "question", "kind", "gold", "relevant", "history")
    if record.values.get("gold") is None and record.values.get("relevant") is None:
        raise record.error(
            "neither gold nor relevant says what answers the question",
            'Write "gold": [] where the documents do not hold the answer.',
        )
    number = record.place.removeprefix("line ")
    return Question(
        id=record.once(record.id("id") if "id" in record.values else number, seen),
        question=record.words("question"),
        kind=record.string("kind"),
        gold=tuple(dict.fromkeys(_gold(one) for one in record.parts("gold"))),
        relevant=MappingProxyType(_grades(record)),
        history=record.strings("history"),
    )


def _gold(part: Record) -> Gold:
    part.only("document", "start", "end", "text")
    text = part.words("text")
    if "start" not in part.values and "end" not in part.values:
        return quotation(text, part.string("document"), part.where)
    start, end = part.integer("start"), part.integer("end")
    if not 0 <= start < end:
        raise part.error(
            f"{start} to {end} is no span", "Offsets count characters from 0, and the end is the first one after it."
        )
    return Gold(part.words("document"), start, end, text)


def _grades(record: Record) -> dict[str, int]:
    if record.values.get("relevant") is None:
        return {}
    part = record.part("relevant", record.values["relevant"])
    return {document: part.integer(document) for document in part.values}
