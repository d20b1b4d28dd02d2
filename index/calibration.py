"""A library's own calibration of confidence, kept beside its documents: a note that every backup has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import sqlalchemy as sa

from index import tables
from index.history import stamp_fingerprint
from index.view import View

_KEY = "calibration"
"""In `meta`: the text, JSON as `qa.confidence` reads it."""


class OwnCalibration:
    """The calibration that was fitted to a catalogue's documents. `view` and `note` open its transactions."""

    def __init__(
        self,
        view: Callable[[], AbstractContextManager[View]],
        note: Callable[[], AbstractContextManager[sa.Connection]],
    ) -> None:
        self._view = view
        self._note = note

    def text(self) -> str | None:
        """As `qa calibrate` fitted it; None where it did not."""
        with self._view() as view:
            return view.noted(_KEY)

    def keep(self, text: str) -> None:
        """In the place of the one before."""
        with self._note() as connection:
            stamp_fingerprint(connection, {_KEY: text})

    def forget(self) -> bool:
        """False when there was none."""
        with self._note() as connection:
            return bool(connection.execute(sa.delete(tables.meta).where(tables.meta.c.key == _KEY)).rowcount)
