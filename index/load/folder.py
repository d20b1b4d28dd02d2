"""Which files of a folder are documents."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec

from index.errors import DocumentError

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown"})
CSV_SUFFIXES = frozenset({".csv", ".tsv", ".tab"})
SUFFIXES: frozenset[str] = (
    MARKDOWN_SUFFIXES
    | CSV_SUFFIXES
    | {".txt", ".text", ".html", ".htm", ".xhtml", ".pdf", ".docx", ".docm", ".dotx", ".pptx", ".pptm", ".ppsx"}
    | {".xlsx", ".xlsm", ".xltx", ".odt", ".ott", ".epub", ".eml", ".json", ".jsonl", ".ndjson"}
)
"""The file names that a folder is searched for."""
LEGACY_SUFFIXES: frozenset[str] = frozenset({".doc", ".xls", ".ppt", ".rtf", ".odp", ".ods", ".pages", ".msg", ".mobi"})
"""Documents that a folder may hold and that are refused with advice, rather than passed over in silence."""

IGNORE_FILE = ".qaignore"
"""At the top of a folder: patterns of what is left out, as in `.gitignore`."""


class Selection:
    """The documents below a folder: known by their suffix, not hidden, not ignored.

    Old formats are among them, so that they are refused with advice rather than passed over in silence. `left_out`
    tells further files that are none. Raises DocumentError for patterns that cannot be read.
    """

    def __init__(
        self, top: Path, ignore: Sequence[str] = (), left_out: Callable[[Path], bool] = lambda _path: False
    ) -> None:
        self.top = top
        self._left_out = left_out
        file = top / IGNORE_FILE
        try:
            lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
            self._spec = GitIgnoreSpec.from_lines([*lines, *ignore])
        except (OSError, ValueError) as error:
            raise DocumentError(f"what {file} or --ignore leaves out is not clear: {error}", "Mend it.") from error

    def wants(self, path: Path) -> bool:
        """Whether a file below the top is one of them."""
        inside = path.relative_to(self.top)
        if path.suffix.lower() not in SUFFIXES | LEGACY_SUFFIXES or path.name.startswith("~$"):
            return False
        return not any(part.startswith(".") for part in inside.parts) and not self._spec.match_file(inside.as_posix())

    def files(self, below: Path | None = None) -> Iterator[Path]:
        """All of them, or those below one of its folders, sorted."""
        for parent, folders, names in os.walk(below or self.top):
            folders[:] = sorted(name for name in folders if self._enters(Path(parent, name)))
            for name in sorted(names):
                path = Path(parent, name)
                if self.wants(path) and path.is_file() and not self._left_out(path):
                    yield path

    def _enters(self, folder: Path) -> bool:
        inside = folder.relative_to(self.top).as_posix()
        return not folder.name.startswith(".") and not self._spec.match_file(f"{inside}/")


def find_files(paths: Iterable[Path], ignore: Sequence[str] = ()) -> Iterator[Path]:
    """The given files, and the documents below the given folders (see `Selection`).

    Raises DocumentError for a path that does not exist.
    """
    for path in paths:
        try:
            folder, there = path.is_dir(), path.exists() or path.is_symlink()
        except OSError:  # such as a name that is too long
            folder = there = False
        if folder:
            yield from Selection(path, ignore).files()
        elif there:
            yield path
        else:
            raise DocumentError(f"{path} does not exist", "Check the path; relative ones count from this folder.")
