"""A catalogue kept equal to a folder: what is new, changed, moved or gone there is so here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from index.errors import DocumentError
from index.ingest import UNHEARD, FileRequest, Ingest, Listener
from index.load.folder import IGNORE_FILE, Selection
from index.load.text import content

Change = Literal["new", "changed", "moved", "removed", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """What became of a file, or would. `before` is where a moved one was; `error` why one failed."""

    change: Change
    path: Path
    before: Path | None = None
    error: DocumentError | None = None


class Mirror:
    """Keeps the documents that came from a folder equal to it, and touches no others.

    `request` makes the request for a file, `left_out` tells files that are none; `folder` is absolute.
    Raises DocumentError when the folder is not there.
    """

    def __init__(
        self,
        ingest: Ingest,
        folder: Path,
        request: Callable[[Path], FileRequest],
        ignore: Sequence[str] = (),
        left_out: Callable[[Path], bool] = lambda _path: False,
    ) -> None:
        self.folder = folder
        self._ingest = ingest
        self._catalogue = ingest.catalogue
        self._request = request
        self._ignore = ignore
        self._left_out = left_out
        self._check()

    @property
    def _root(self) -> str:
        return str(self.folder)

    def plan(self) -> list[Event]:
        """What `sync` would do."""
        stored = self._catalogue.sources.under(self._root)
        files = {self._source(path): path for path in self._selection().files()}
        gone = {source: sha for source, sha in stored.items() if source not in files}
        by_content = {sha: source for source, sha in gone.items()}
        events = []
        for source, path in files.items():
            try:
                sha256 = hashlib.sha256(content(path)).hexdigest()
            except DocumentError as error:
                events.append(Event("failed", path, error=error))
                continue
            known = self._catalogue.sources.of(source)
            if known:
                events.append(Event("unchanged" if known.original == sha256 else "changed", path))
            elif sha256 in by_content:
                before = by_content.pop(sha256)
                gone.pop(before)
                events.append(Event("moved", path, Path(before)))
            else:
                events.append(Event("new", path))
        return events + [Event("removed", Path(source)) for source in sorted(gone)]

    def sync(self, listener: Listener = UNHEARD) -> Iterator[Event]:
        """Take in the whole folder, then let go what is not there any more.

        Raises DocumentError, and removes nothing, when the folder is gone, or has become empty.
        """
        self._check()
        files = list(self._selection().files())
        stored = self._catalogue.sources.under(self._root)
        if stored and not files:
            raise self._emptied(len(stored))
        yield from self._taken(files, listener)
        yield from self._gone(set(stored) - {self._source(path) for path in files})

    def follow(self, changed: Iterable[Path], listener: Listener = UNHEARD) -> Iterator[Event]:
        """Take in what has changed at these paths. Raises DocumentError when the folder is gone, or empty at once."""
        self._check()
        selection, stored = self._selection(), self._catalogue.sources.under(self._root)
        files, gone = dict[Path, None](), set[str]()
        for path in changed:
            if path.name == IGNORE_FILE:
                yield from self.sync(listener)
                return
            if path.is_dir():
                files |= dict.fromkeys(selection.files(path))
            elif path.is_file() and selection.wants(path) and not self._left_out(path):
                files[path] = None
            elif not path.exists():
                source = self._source(path)
                gone |= {one for one in stored if one == source or one.startswith(f"{source}/")}
        if gone and gone >= set(stored) and not files and not any(selection.files()):
            raise self._emptied(len(stored))
        yield from self._taken(files, listener)
        yield from self._gone(gone)

    def _check(self) -> None:
        if not self.folder.is_dir():
            raise DocumentError(f"{self.folder} is not a folder, or not there now", "Check the path, or mount it.")

    def _emptied(self, stored: int) -> DocumentError:
        return DocumentError(
            f"{self.folder} is empty, but {stored} of its files are stored; nothing was removed",
            "Is a drive not there? If they are to go, remove them: qa remove FILE…",
        )

    def _selection(self) -> Selection:
        return Selection(self.folder, self._ignore, self._left_out)

    def _source(self, path: Path) -> str:
        return self._request(path).source

    def _taken(self, files: Iterable[Path], listener: Listener) -> Iterator[Event]:
        for request, outcome in self._ingest.run((self._request(path) for path in files), listener):
            if isinstance(outcome, DocumentError):
                yield Event("failed", request.path, error=outcome)
            else:
                changes: dict[str, Change] = {"added": "new", "duplicate": "new", "replaced": "changed"}
                yield Event(changes.get(outcome.state, "unchanged"), request.path)

    def _gone(self, sources: Iterable[str]) -> Iterator[Event]:
        for source in sorted(sources):
            if self._catalogue.sources.let_go(source):
                yield Event("removed", Path(source))
