"""Where files wait and originals are kept, outside of the catalogue: a folder, or what fsspec reaches, such as S3.

Content is written before a row of the catalogue tells of it, and removed after no row does.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import urlsplit

from index.errors import StoreError, UsageError

Write = Callable[[Path], object]
"""Puts content at a path, where it is on the disk when it returns."""
_PARTIAL = ".partial"
"""How the name of a file ends that is not written to its end."""
_NOT_FOR_FOLDERS = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS)
"""What some mounted file systems answer who is asked to put a folder on the disk."""
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")
"""What file systems call the time of a file's last change."""
_BACK = "Bring it back, or set QA_FILES to where it is; what waits is gone on with by itself."


class Store(Protocol):
    """Files by key, such as `uploads/<job>/0`. Every method raises StoreError where the store cannot be used."""

    @property
    def name(self) -> str:
        """As messages call it, without user or password."""
        ...

    def write(self, key: str, write: Write) -> None:
        """Keep what `write` puts at the path that it is given: all of it, or what was there before."""
        ...

    def local(self, keys: Sequence[str]) -> AbstractContextManager[list[Path]]:
        """Paths on this machine with their contents. Nothing is there when the store has no such file."""
        ...

    def read(self, key: str) -> bytes:
        """The content. Raises StoreError, too, when there is none."""
        ...

    def size(self, key: str) -> int | None:
        """Its bytes; None when there is no such file."""
        ...

    def remove(self, key: str) -> None:
        """Nothing happens when there is none."""
        ...

    def clear(self, folder: str) -> None:
        """Remove all of a folder, and it."""
        ...

    def ages(self, folder: str) -> Iterator[tuple[str, float]]:
        """What lies in a folder, and how many seconds ago something of it was written; 0 where that is not known."""
        ...

    def tidy(self, folder: str, age: float) -> None:
        """Remove from a folder what was not written to its end, since a crash came between, so many seconds ago."""
        ...


def open_store(address: str) -> Store:
    """A folder by its path or its `file:` URL; anything else by fsspec. Raises UsageError, StoreError."""
    given = urlsplit(address)
    if "://" not in address or given.scheme == "file":
        folder = Path(given.path if given.scheme == "file" else address)
        try:
            folder.mkdir(0o700, parents=True, exist_ok=True)
        except OSError as error:
            hint = "Choose another one: QA_FILES=/path qa …"
            raise StoreError(f"the folder {folder} cannot be made: {error.strerror}", hint) from error
        return FolderStore(folder)
    return RemoteStore(address)


class FolderStore:
    """A folder of this machine, or one that several have mounted. It is never made again when it has gone."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder

    def write(self, key: str, write: Write) -> None:
        with self._translated():
            path = self._folder / key
            for folder in [self._folder / one for one in reversed(PurePosixPath(key).parents[:-1])]:
                with suppress(FileExistsError):
                    folder.mkdir(0o700)
                    _sync(folder.parent)
            partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_PARTIAL}")
            try:
                write(partial)
                partial.replace(path)
            except BaseException:
                with suppress(OSError):
                    partial.unlink(missing_ok=True)
                raise
            _sync(path.parent)

    @contextmanager
    def local(self, keys: Sequence[str]) -> Iterator[list[Path]]:
        if not self._folder.is_dir():
            raise StoreError(f"{self.name} is not there any more", _BACK)
        yield [self._folder / key for key in keys]

    def read(self, key: str) -> bytes:
        with self._translated():
            return (self._folder / key).read_bytes()

    def size(self, key: str) -> int | None:
        with self._translated(), suppress(FileNotFoundError):
            return (self._folder / key).stat().st_size
        return None

    def remove(self, key: str) -> None:
        with self._translated():
            (self._folder / key).unlink(missing_ok=True)

    def clear(self, folder: str) -> None:
        shutil.rmtree(self._folder / folder, ignore_errors=True)

    def ages(self, folder: str) -> Iterator[tuple[str, float]]:
        for path in (self._folder / folder).glob("*"):
            with suppress(OSError):
                if path.suffix != _PARTIAL:
                    yield path.name, time.time() - path.stat().st_mtime

    def tidy(self, folder: str, age: float) -> None:
        for path in (self._folder / folder).glob(f"*{_PARTIAL}"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > age:
                    path.unlink()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"{self.name} cannot be used: {error.strerror}"
            raise StoreError(message, "Free some space on its disk, or let it be written, and try again.") from error


class RemoteStore:
    """What an fsspec URL names, such as `s3://bucket/prefix`; who signs in, and where, it finds in its usual places."""

    def __init__(self, url: str) -> None:
        """Raises UsageError when what its scheme needs is not installed. Nothing is asked of the store yet."""
        given = urlsplit(url)
        self.name = f"{given.scheme}://{given.netloc.rpartition('@')[2]}{given.path}"
        try:
            from fsspec.core import url_to_fs

            # Others write, too, so that no listing may be remembered.
            self._files, self._root = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        except (ImportError, ValueError) as error:
            hint = "Run: pip install 'chapter-verse[cluster]', and for s3: pip install s3fs."
            raise UsageError(f"QA_FILES={self.name} cannot be opened: {error}", hint) from error
        self._root = self._root.rstrip("/")

    def write(self, key: str, write: Write) -> None:
        with tempfile.TemporaryDirectory(prefix="qa-") as own:
            path = Path(own) / "content"
            write(path)
            with self._translated():
                try:
                    self._files.put_file(str(path), self._at(key))
                except FileNotFoundError:  # some file systems make no folders by themselves
                    for folders in reversed(PurePosixPath(key).parents[:-1]):
                        with suppress(FileExistsError):  # what holds them all, such as a bucket, is nobody's to make
                            self._files.mkdir(self._at(str(folders)), create_parents=False)
                    self._files.put_file(str(path), self._at(key))

    @contextmanager
    def local(self, keys: Sequence[str]) -> Iterator[list[Path]]:
        with tempfile.TemporaryDirectory(prefix="qa-") as folder:
            paths = [Path(folder) / key.replace("/", "-") for key in keys]
            for key, path in zip(keys, paths, strict=True):
                with self._translated():
                    try:
                        self._files.get_file(self._at(key), str(path))
                    except FileNotFoundError:
                        path.unlink(missing_ok=True)
            yield paths

    def read(self, key: str) -> bytes:
        with self._translated():
            return bytes(self._files.cat_file(self._at(key)))

    def size(self, key: str) -> int | None:
        with self._translated():
            try:
                return int(self._files.info(self._at(key))["size"])
            except FileNotFoundError:
                return None

    def remove(self, key: str) -> None:
        with self._translated(), suppress(FileNotFoundError):
            self._files.rm_file(self._at(key))

    def clear(self, folder: str) -> None:
        with self._translated(), suppress(FileNotFoundError):
            self._files.rm(self._at(folder), recursive=True)

    def ages(self, folder: str) -> Iterator[tuple[str, float]]:
        top = self._at(folder)
        with self._translated():
            try:
                found: Mapping[str, Mapping[str, Any]] = self._files.find(top, detail=True)
            except FileNotFoundError:
                return
        latest: dict[str, float] = {}
        for path, about in found.items():
            name = path.removeprefix(top).strip("/").partition("/")[0]
            latest[name] = max(latest.get(name, 0.0), _changed(about))
        for name, changed in latest.items():
            yield name, time.time() - changed

    def tidy(self, folder: str, age: float) -> None:
        """Object stores show nothing of the kind: what was not written to its end is not there."""

    def _at(self, key: str) -> str:
        return f"{self._root}/{key}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Every file system raises errors of its own kind."""
        try:
            yield
        except FileNotFoundError as error:
            raise StoreError(f"{self.name} lacks a file, or is none: {error}", _BACK) from error
        except Exception as error:
            what = f"{type(error).__name__}: {error!s:.200}"
            raise StoreError(f"{self.name} cannot be used: {what}", _BACK) from error


def _changed(about: Mapping[str, Any]) -> float:
    """When a file was written, in seconds since 1970; now where its file system does not tell."""
    for name in _TIMES:
        given = about.get(name)
        if isinstance(given, datetime):
            return given.timestamp()
        if isinstance(given, int | float):
            return float(given)
    return time.time()


def _sync(folder: Path) -> None:
    """See that the names in a folder are on the disk, where its file system can be asked to."""
    if hasattr(os, "O_DIRECTORY"):  # Windows cannot open a folder
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NOT_FOR_FOLDERS:
                raise
        finally:
            os.close(descriptor)


def durably(data: bytes) -> Write:
    """Writes these bytes."""

    def write(path: Path) -> None:
        with path.open("wb") as target:
            target.write(data)
            target.flush()
            os.fsync(target.fileno())

    return write
