"""Which words of a document answer, in sets of BEIR's layout: the files `answers.jsonl` and `evidence.jsonl`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.dataset import Gold
from eval.formats.quotations import places
from eval.formats.record import Record, records
from index.types import Document


@dataclass(frozen=True, slots=True)
class Claim:
    """What a file says of a document, not yet held against its text.

    `text` stands at `start`, or wherever it does if that is -1; with a `sentence` it is that one of the corpus row's
    list, counted from 0.
    """

    record: Record
    question: str
    text: str = ""
    start: int = -1
    sentence: int = -1

    def golds(self, document: Document, sentences: Sequence[object]) -> list[Gold]:
        """Raises DocumentError where the text does not stand in the document as it should."""
        if self.start >= 0:
            if not document.text.startswith(self.text, self.start):
                raise self.record.error(
                    f"{self.text!r} does not stand at {self.start} of the document {document.id}",
                    "Correct answer_start, which counts characters of the document's text from 0.",
                )
            return [Gold(document.id, self.start, self.start + len(self.text), self.text)]
        spans = places(document.text, self._words(document, sentences))
        if not spans:
            raise self.record.error(
                f"{self._words(document, sentences)!r} does not stand in the document {document.id}",
                "Quote sentences word for word.",
            )
        return [Gold(document.id, *span, document.text[slice(*span)]) for span in spans]

    def _words(self, document: Document, sentences: Sequence[object]) -> str:
        if self.sentence < 0:
            return self.text
        found = sentences[self.sentence] if self.sentence < len(sentences) else None
        if not isinstance(found, str):
            raise self.record.error(
                f"the document {document.id} has no sentence {self.sentence} in the corpus",
                "Count its sentences from 0.",
            )
        return found


def read(folder: Path, queries: Collection[str]) -> dict[str, list[Claim]]:
    """What the files of a set say, where it has them, by document.

    answers.jsonl    {"_id": question, "doc": document, "answers": [...]}, each answer {"text", "answer_start"}, or
                     a list of such that answer together; any one of them is taken to answer. Where there are no
                     answers, the `selected_sentences` of its `long_answers`, else its `evidence_sentence`
    evidence.jsonl   {"query", "doc", "sentences": [0, 2]}, numbers in the corpus row's `sentences` (SciFact); what
                     speaks against a claim is evidence like what speaks for it

    Raises DocumentError for a line that does not fit, or whose question is none of `queries`.
    """
    claims = defaultdict[str, list[Claim]](list)
    answers, evidence = folder / "answers.jsonl", folder / "evidence.jsonl"
    for record in records(answers) if answers.exists() else ():
        claims[record.id("doc")] += _answers(record, _known(record, "_id", queries))
    for record in records(evidence) if evidence.exists() else ():
        question = _known(record, "query", queries)
        numbers = [record.part("sentences", {"number": one}).integer("number") for one in record.each("sentences")]
        if min(numbers, default=0) < 0:
            raise record.error("a sentence's number is below 0", "Count a document's sentences from 0.")
        claims[record.id("doc")] += [Claim(record, question, sentence=number) for number in numbers]
    return claims


def _known(record: Record, key: str, queries: Collection[str]) -> str:
    query = record.id(key)
    if query not in queries:
        raise record.error(f"there is no query {query!r} in queries.jsonl", "Correct the id, or remove the line.")
    return query


def _answers(record: Record, question: str) -> list[Claim]:
    spans = list(_spans(record))
    if not spans:
        return [Claim(record, question, sentence) for sentence in _sentences(record)]
    for span in spans:
        if span.integer("answer_start") < 0:
            raise span.error("answer_start is below 0", "It counts characters of the document's text from 0.")
    return [Claim(record, question, span.words("text"), span.integer("answer_start")) for span in spans]


def _spans(record: Record) -> Iterator[Record]:
    for number, answer in enumerate(record.each("answers"), 1):
        for one in answer if isinstance(answer, list) else [answer]:
            yield record.part(f"answer {number}", one)


def _sentences(record: Record) -> list[str]:
    selected = [sentence for one in record.parts("long_answers") for sentence in one.strings("selected_sentences")]
    return selected or [sentence for sentence in [record.string("evidence_sentence")] if sentence]
