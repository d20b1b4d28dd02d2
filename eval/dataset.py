"""An eval set: documents, questions, and what answers each of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from index.errors import QAError
from index.types import Document

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
    """A span that answers: `text == document.text[start:end]` of the document of that name, its source, or its id
    where several share one. `place` is where in a file it is written, for what is to be said of it."""

    document: str
    start: int
    end: int
    text: str
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the spans any of which answers it, and the documents judged as a whole, with their grades.

    Where `relevant` is given, documents are judged, else passages by the spans. With neither, the documents do not
    hold the answer. `history`: the questions asked before it, oldest first. `kind` groups questions in reports; of
    those without an answer, "off" are about something that the documents do not touch, the others near-misses, written
    `about` a document where that is known.
    """

    id: str
    question: str
    kind: str = ""
    gold: tuple[Gold, ...] = ()
    relevant: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    history: tuple[str, ...] = ()
    about: str = ""

    @property
    def answerable(self) -> bool:
        return bool(self.gold) or any(grade > 0 for grade in self.relevant.values())


@dataclass(frozen=True, slots=True)
class Texts:
    """Documents given as texts. `key` changes when any of them does; `documents` reads them anew at each call.

    A document's id is also its source, the name by which `Gold.document` and `Question.relevant` call it.
    """

    key: str
    documents: Callable[[], Iterator[Document]]


@dataclass(frozen=True, slots=True)
class Folder:
    """Documents given as files; each is called by its place in the folder, with slashes."""

    path: Path


@dataclass(frozen=True, slots=True)
class EvalSet:
    """`corpus` is None where the questions are about the documents of the user's own library."""

    name: str
    questions: tuple[Question, ...]
    corpus: Texts | Folder | None


def key_of(*files: Path) -> str:
    """SHA-256 of the files' bytes, in the order given."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
