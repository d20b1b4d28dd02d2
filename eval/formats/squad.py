"""SQuAD v1.1 and v2.0 (Rajpurkar et al. 2016, 2018): JSON of articles, paragraphs, questions and answer spans."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eval.dataset import EvalSet, Gold, Question, Texts, key_of
from eval.formats.record import Record
from index.errors import DocumentError
from index.load.text import content, decode, from_text
from index.types import Document

_BETWEEN = "\n\n"


def load(file: Path, name: str) -> EvalSet:
    """An article is a document, its paragraphs parted by blank lines; `is_impossible` questions are near-misses.

    A document's id is the article's title as it stands in the file, with a number where several share it.
    Raises DocumentError for a file that is not in this format, and for a span that does not stand in its paragraph,
    naming the question.
    """
    questions = tuple(one for article in _articles(file) for one in article.questions)
    if not questions:
        raise DocumentError(f"{file} holds no questions", "Name a file of SQuAD v1.1 or v2.0, or in its format.")
    return EvalSet(name, questions, Texts(key_of(file), partial(_documents, file)))


@dataclass(frozen=True, slots=True)
class _Article:
    """`document` is None where no paragraph holds any words."""

    document: Document | None
    questions: tuple[Question, ...]


def _documents(file: Path) -> Iterator[Document]:
    return (article.document for article in _articles(file) if article.document)


def _articles(file: Path) -> Iterator[_Article]:
    names, seen = set[str](), dict[str, str]()
    for record in _parsed(file).parts("data"):
        title = record.string("title")
        name = _unique(title or "untitled", names)
        paragraphs = record.parts("paragraphs")
        text, questions = "", list[Question]()
        for number, paragraph in enumerate(paragraphs):
            text += _BETWEEN if number else ""
            asked = paragraph.parts("qas")
            questions += [_question(one, seen, name, paragraph.string("context"), len(text)) for one in asked]
            text += paragraph.string("context")
        document = from_text(text, title=title.replace("_", " "), id=name, source=name) if text.strip() else None
        yield _Article(document, tuple(questions))


def _parsed(file: Path) -> Record:
    try:
        value = json.loads(decode(content(file), str(file)))
    except json.JSONDecodeError as error:
        raise DocumentError(f"{file}, line {error.lineno}: not JSON: {error.msg}", "Save the file again.") from error
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of thousands of digits
        raise DocumentError(f"{file} is not JSON that can be read: {error}", "Save the file again.") from error
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise DocumentError(
            f"{file} is not in SQuAD's format: it has no list of articles, called data",
            "Name a file of SQuAD v1.1 or v2.0, or write the questions as JSON Lines (.jsonl).",
        )
    return Record(file, "", value)


def _unique(title: str, names: set[str]) -> str:
    name, number = title, 1
    while name in names:
        number += 1
        name = f"{title}_{number}"
    names.add(name)
    return name


def _question(record: Record, seen: dict[str, str], document: str, context: str, offset: int) -> Question:
    """`offset` is where the paragraph begins in the document."""
    name = record.once(record.id("id"), seen)
    named = Record(record.file, f"question {name}", record.values)
    if named.values.get("is_impossible"):
        return Question(name, named.words("question"), kind="near")
    golds = tuple(dict.fromkeys(_gold(one, document, context, offset) for one in named.parts("answers")))
    if not golds:
        raise named.error("it has no answers", "Write is_impossible: true where its paragraph does not answer it.")
    return Question(name, named.words("question"), gold=golds)


def _gold(answer: Record, document: str, context: str, offset: int) -> Gold:
    text, start = answer.words("text"), answer.integer("answer_start")
    if start < 0 or not context.startswith(text, start):
        raise answer.error(
            f"{text!r} does not stand at {start} of its paragraph",
            "Correct answer_start, which counts characters from 0.",
        )
    return Gold(document, offset + start, offset + start + len(text), text)
