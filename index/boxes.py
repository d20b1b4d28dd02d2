"""The places of characters on a page, packed small.

A box is (left, top, right, bottom) in tenths of a point from the top left corner of the page as it is displayed; all
zeros stand for a character that is nowhere on the page, such as a space put between two lines.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.int32]
"""Shape (characters, 4)."""

SCALE = 10
"""Units of a box in a point."""


def pack(boxes: Boxes | Sequence[Sequence[int]]) -> bytes:
    """Differences of each box to the one before compress to a byte or two."""
    rows = np.asarray(boxes, np.int32).reshape(-1, 4)
    return zlib.compress(np.diff(rows, axis=0, prepend=np.zeros((1, 4), np.int32)).astype("<i4").T.tobytes(), 6)


def unpack(packed: bytes) -> Boxes:
    """Raises zlib.error or ValueError when it is not what `pack` made."""
    columns = np.frombuffer(zlib.decompress(packed), "<i4").reshape(4, -1)
    return np.cumsum(columns.T, axis=0, dtype=np.int32)
