"""Eval sets in the formats they come in: our JSON Lines, a spreadsheet, SQuAD, BEIR."""

from __future__ import annotations

from pathlib import Path

from eval.dataset import SETS, EvalSet, Folder, public
from eval.formats import beir, lines, squad, table
from index.errors import DocumentError, QAError
from qa.config import resource

_FILES = "A file is .jsonl (a question a line), .csv (a question and a quotation a row) or .json (SQuAD)"
_QUESTIONS = {".jsonl": lines.load, ".csv": table.load, ".tsv": table.load}
"""Files of questions alone, about documents that are elsewhere."""


def open_set(name: str, folder: Path | None) -> EvalSet:
    """The eval set of that name: "seeds", a file, a folder in BEIR's layout, or a public set in QA_DATASETS.

    What comes first in this list is meant where several are so called; "./seeds" is a folder.
    `folder` holds the documents that the questions of "seeds" or of a .jsonl or .csv file are about; without one,
    those of a file are about the user's own library. Raises DocumentError for a set that is not there or does not fit,
    and for a folder of documents given to a set that brings its own.
    """
    path = Path(name)
    if name == "seeds":
        return EvalSet(name, lines.load(SETS / "seeds.jsonl"), Folder(_documents(folder or resource("seeds"))))
    if name and path.is_file():
        return _file(path, folder)
    if name and path.is_dir():
        _brings_its_own(path, folder)
        return beir.load(path, path.resolve().name)
    found = _public(name)
    _brings_its_own(found, folder)
    return beir.load(found, path.as_posix())


def _file(path: Path, folder: Path | None) -> EvalSet:
    kind = path.suffix.lower()
    if kind == ".json":
        _brings_its_own(path, folder)
        return squad.load(path, path.name)
    if kind not in _QUESTIONS:
        raise DocumentError(f"{path} is of no kind that an eval set is read from", f"{_FILES}.")
    return EvalSet(path.name, _QUESTIONS[kind](path), Folder(_documents(folder)) if folder else None)


def _documents(folder: Path) -> Path:
    if not folder.is_dir():
        raise DocumentError(f"{folder} is not a folder", "Name the folder that holds the documents of the set.")
    return folder


def _brings_its_own(path: Path, folder: Path | None) -> None:
    if folder:
        raise DocumentError(f"{path} brings its own documents", f"Leave out the folder {folder}.")


def _public(name: str) -> Path:
    try:
        sets = public(".")  # the folder of them all
    except QAError:
        missing = "The public sets need QA_DATASETS to name their folder."
        raise DocumentError(f"there is no eval set {name!r}", f"{_FILES}, or name seeds. {missing}") from None
    if name and (sets / name).is_dir():
        return sets / name
    found = {one.parent.relative_to(sets).as_posix() for depth in ("*", "*/*") for one in sets.glob(f"{depth}/qrels")}
    known = f"Known by name are {', '.join(['seeds', *sorted(found)])}."
    raise DocumentError(f"there is no eval set {name!r}", f"{_FILES}, a folder is in BEIR's layout. {known}")
