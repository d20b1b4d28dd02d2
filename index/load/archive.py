"""ZIP files from strangers: what they hold is counted before any of it is unpacked."""

from __future__ import annotations

import io
import zipfile
import zlib

from index.errors import DocumentError

MAX_UNPACKED = 512 * 1024 * 1024
"""Bytes of all members together."""
MAX_MEMBER = 128 * 1024 * 1024
MAX_MEMBERS = 20_000


class Archive:
    """The members of a ZIP file by name. Raises DocumentError for what is not one, or unpacks to too much.

    Names are only looked up, never used as paths. zipfile reads no more of a member than the size it declares.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._name = name
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            members = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError) as error:
            raise DocumentError(f"{name} is damaged: {error}", "Open it in its program and save it again.") from error
        if any(member.flag_bits & 1 for member in members):
            raise DocumentError(f"{name} is encrypted", "Save a copy without a password.")
        sizes = [member.file_size for member in members]
        if len(sizes) > MAX_MEMBERS or sum(sizes) > MAX_UNPACKED or max(sizes, default=0) > MAX_MEMBER:
            raise DocumentError(f"{name} unpacks to more than is read (a ZIP bomb?)", "Split it into smaller files.")
        self.names = {member.filename for member in members}

    def read(self, member: str) -> bytes:
        """Raises KeyError when there is none of that name, DocumentError when it is damaged."""
        try:
            return self._zip.read(member)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, OSError, EOFError, RuntimeError) as error:
            raise DocumentError(
                f"{self._name} is damaged: {member[:80]!a}: {error}", "Open it in its program and save it again."
            ) from error
