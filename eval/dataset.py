"""Questions with gold spans, one JSON object a line."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from index.errors import DocumentError, QAError

SETS = Path(__file__).parent / "sets"


def public(name: str) -> Path:
    """The folder of a public data set, in QA_DATASETS. Raises QAError when it is not there."""
    folder = Path(os.environ.get("QA_DATASETS", "../shared/data"))
    if not (folder / name).is_dir():
        raise QAError(
            f"the data set {name} is not in {folder.absolute()}", "Set QA_DATASETS to the folder of the sets."
        )
    return folder / name


@dataclass(frozen=True, slots=True)
class Gold:
    """A span that answers: `text == document.text[start:end]` of the document at this place in the folder."""

    document: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the spans any of which answers it; without any the documents do not hold the answer.

    `kind`: fact, who, where, howmany, why, paraphrase, two (the answer spans two sentences);
    near (on the topic, not answered), off (about something else).
    """

    id: str
    question: str
    kind: str
    gold: tuple[Gold, ...]


def load(path: Path) -> list[Question]:
    """Raises DocumentError naming the line that does not fit."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"{path} cannot be read: {error}", "Name a file of questions, JSON Lines.") from error
    questions = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            gold = tuple(Gold(**span) for span in row["gold"])
            questions.append(Question(row["id"], row["question"], row["kind"], gold))
        except (ValueError, KeyError, TypeError) as error:
            raise DocumentError(
                f"{path}, line {number}: {error!r}",
                'Each line: {"id", "question", "kind", "gold": [{"document", "start", "end", "text"}]}',
            ) from error
    kinds = {bool(question.gold) for question in questions}
    if kinds != {True, False}:
        raise DocumentError(
            f"{path} needs questions that the documents answer and some that they do not",
            "Without either kind confidence cannot be measured.",
        )
    return questions
