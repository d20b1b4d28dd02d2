"""The engine's files: segments in folders of their own, and one small file that names those in force.

Every file's size and CRC-32 stand in that file, which is replaced atomically and carries its own, so that a file that
is cut short, changed, missing or of another state is noticed before anything is read from it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.segment import ARRAYS, Arrays, Segment
from index.types import Stamp
from index.vectors import VectorIndex

FORMAT = 2
"""Of the files, and of the text that is counted: raised when `Passage.context` or `terms` change."""
_STATE = "state.json"
_VECTORS = "vectors.faiss"
_TERMS = "terms.lines"

Hidden = NDArray[np.bool_]
Checksums = dict[str, list[int]]
"""File name -> size in bytes and CRC-32."""


class Damaged(Exception):
    """The files are not what was written; they are derived, and can be made again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder of files written once, and what they must look like."""

    name: str
    files: Checksums


@dataclass(frozen=True, slots=True)
class Saved:
    """What was read: the vocabulary's terms in the order of their numbers, segments with their hidden rows."""

    stamp: Stamp
    terms: list[str]
    vocabulary: Kept
    segments: list[tuple[Segment, Hidden | None, Kept]]


def new_name() -> str:
    return f"segment-{secrets.token_hex(8)}"


def keep_segment(folder: Path, segment: Segment, name: str) -> Kept:
    """Write a segment into a new folder of that name. Raises OSError."""
    with _new(folder / name) as target:
        for name in ARRAYS:
            np.save(target / f"{name}.npy", getattr(segment.arrays, name))
        if segment.vectors is not None:
            segment.vectors.write(target / _VECTORS)
        return _kept(target)


def keep_terms(folder: Path, terms: Sequence[str]) -> Kept:
    with _new(folder / f"terms-{secrets.token_hex(8)}") as target:
        (target / _TERMS).write_text("\n".join(terms), encoding="utf-8")
        return _kept(target)


def save(
    folder: Path,
    stamp: Stamp,
    vocabulary: Kept,
    segments: Sequence[tuple[Kept, Hidden | None]],
    spare: str | None = None,
) -> None:
    """Put folders that were kept into force, all at once, and delete the others, but for `spare`."""
    state = {
        "format": FORMAT,
        "stamp": list(stamp),
        "vocabulary": [vocabulary.name, vocabulary.files],
        "segments": [
            [kept.name, kept.files, None if hidden is None else [len(hidden), _packed(hidden)]]
            for kept, hidden in segments
        ],
    }
    text = json.dumps(state)
    replaced = folder / f"{_STATE}.new"
    with replaced.open("w", encoding="utf-8") as file:
        file.write(f"{zlib.crc32(text.encode()):08x}\n{text}")
        file.flush()
        os.fsync(file.fileno())
    replaced.replace(folder / _STATE)
    _sync(folder)
    named = {vocabulary.name, spare, *(kept.name for kept, _ in segments)}
    for path in folder.iterdir():
        if path.is_dir() and path.name not in named:
            shutil.rmtree(path, ignore_errors=True)  # another process may still read it; next time then


def saved_stamp(folder: Path) -> Stamp | None:
    """Of what is in force; None when nothing is, or nothing that can be read."""
    try:
        generation, token = json.loads((folder / _STATE).read_text(encoding="utf-8").partition("\n")[2])["stamp"]
        return Stamp(generation, token)
    except (OSError, ValueError, KeyError):
        return None


def load(folder: Path) -> Saved | None:
    """What is in force; None when nothing was saved. Raises Damaged."""
    for last in (False, False, True):
        try:
            return _load(folder)
        except FileNotFoundError as error:  # the process that writes may have replaced it meanwhile
            if last:
                raise Damaged(f"{error.filename} is missing") from error
        except Damaged:
            raise
        except Exception as error:
            raise Damaged(f"{type(error).__name__}: {error}") from error
    return None


def load_segment(folder: Path, kept: Kept) -> Segment:
    """Memory-mapped; not checked again."""
    inside = folder / kept.name
    # Copy on write: nothing is ever written, but arrays that cannot be written are of another type to numba.
    arrays = Arrays(**{name: np.asarray(np.load(inside / f"{name}.npy", mmap_mode="c")) for name in ARRAYS})
    vectors = VectorIndex.read(inside / _VECTORS, arrays.vector_rows) if _VECTORS in kept.files else None
    return Segment(arrays, vectors)


def discard(folder: Path) -> None:
    """Delete what was saved."""
    (folder / _STATE).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def _load(folder: Path) -> Saved | None:
    try:
        head, _, text = (folder / _STATE).read_text(encoding="utf-8").partition("\n")
    except FileNotFoundError:
        return None
    if head != f"{zlib.crc32(text.encode()):08x}":
        raise Damaged(f"{_STATE} is not as it was written")
    state = json.loads(text)
    if state["format"] != FORMAT:
        raise Damaged(f"{_STATE} has format {state['format']}, this version writes {FORMAT}")
    vocabulary = _checked(folder, *state["vocabulary"])
    terms = (folder / vocabulary.name / _TERMS).read_text(encoding="utf-8")
    segments = list[tuple[Segment, Hidden | None, Kept]]()
    for name, files, hidden in state["segments"]:
        kept = _checked(folder, name, files)
        segments.append((load_segment(folder, kept), hidden and _unpacked(*hidden), kept))
    generation, token = state["stamp"]
    return Saved(Stamp(generation, token), terms.split("\n") if terms else [], vocabulary, segments)


def _checked(folder: Path, name: str, files: Mapping[str, Sequence[int]]) -> Kept:
    for file, expected in files.items():
        if _checksum(folder / name / file) != list(expected):
            raise Damaged(f"{name}/{file} is not as it was written")
    return Kept(name, {file: list(expected) for file, expected in files.items()})


@contextmanager
def _new(target: Path) -> Iterator[Path]:
    """A new folder, gone again when writing into it fails."""
    target.parent.mkdir(exist_ok=True)  # not the data folder, which may be away
    target.mkdir()
    try:
        yield target
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _kept(target: Path) -> Kept:
    files: Checksums = {}
    for file in sorted(target.iterdir()):
        with file.open("rb") as written:
            os.fsync(written.fileno())
        files[file.name] = _checksum(file)
    _sync(target)
    return Kept(target.name, files)


def _checksum(file: Path) -> list[int]:
    size = crc = 0
    with file.open("rb") as data:
        while block := data.read(1 << 20):
            size, crc = size + len(block), zlib.crc32(block, crc)
    return [size, crc]


def _sync(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):  # Windows cannot open a folder
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _packed(hidden: Hidden) -> str:
    return b64encode(np.packbits(hidden).tobytes()).decode()


def _unpacked(rows: int, packed: str) -> Any:
    return np.unpackbits(np.frombuffer(b64decode(packed), np.uint8), count=rows).astype(np.bool_)
