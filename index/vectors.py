"""The dense leg: inner products by FAISS. The only file that imports it.

Vectors are kept as float16, which halves the memory that a search reads. Up to `EXHAUSTIVE` of them every one is
compared; beyond that an inverted file (IVF) compares those of the nearest cells.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # its threads must not spin where the model's want to run
import faiss
import numpy as np
from numpy.typing import NDArray

from index.types import Vector, Vectors

_FAISS: Any = faiss  # its stubs leave out what its Python layer adds
EXHAUSTIVE = 150_000
"""Vectors up to which all are compared: about 4 ms on two cores, measured by `make bench`."""
_PROBED = 320
"""Cells that a search looks into, whatever their number: recall@100 of .98 on real vectors, see DECISIONS.md."""
_TIES = 20
"""Hits looked at beyond k, so that equal scores at the end are cut by row."""
_CORES = faiss.omp_get_max_threads()
_CHUNK = 1 << 16
_TRAINED = 40
"""Vectors a cell that its centre is computed from."""


class VectorIndex:
    """Vectors of the passages of one segment, never changed once made; `rows` are the passages' rows, ascending."""

    def __init__(self, rows: NDArray[np.int32], index: Any) -> None:
        self.rows = rows
        self._index = index
        self.cells = int(index.nlist) if isinstance(index, faiss.IndexIVF) else 0
        if self.cells:
            index.parallel_mode = 1  # one question is shared among the cores

    @classmethod
    def of(
        cls, rows: NDArray[np.int32], vectors: NDArray[np.float16] | Vectors, exhaustive: int | None = None
    ) -> VectorIndex:
        """`vectors` (len(rows), dim), float16 or float32; up to `exhaustive` of them (`EXHAUSTIVE`) without cells."""
        faiss.omp_set_num_threads(_CORES)
        dim, half = vectors.shape[1], faiss.ScalarQuantizer.QT_fp16
        if len(rows) <= (EXHAUSTIVE if exhaustive is None else exhaustive):
            index: Any = faiss.IndexScalarQuantizer(dim, half, faiss.METRIC_INNER_PRODUCT)
            index.train(np.zeros((1, dim), np.float32))
        else:
            cells = int(4 * math.sqrt(len(rows)))
            centres = faiss.IndexFlatIP(dim)
            # Not the differences to the centres: `vectors` reads the codes as they are.
            index = faiss.IndexIVFScalarQuantizer(centres, dim, cells, half, faiss.METRIC_INNER_PRODUCT, False)
            index.cp.niter, index.cp.spherical = 8, True
            chosen = np.random.default_rng(0).choice(len(rows), min(len(rows), _TRAINED * cells), replace=False)
            index.train(np.asarray(vectors[np.sort(chosen)], np.float32))
        for start in range(0, len(rows), _CHUNK):
            index.add(np.ascontiguousarray(vectors[start : start + _CHUNK], np.float32))
        return cls(rows, index)

    @classmethod
    def read(cls, file: Path, rows: NDArray[np.int32]) -> VectorIndex:
        """From a file, memory-mapped. The file must have been checked: FAISS trusts what it reads."""
        file.stat()  # raises when it has gone, which FAISS does not tell from damage
        with _as_os_error(file):
            return cls(rows, faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC))

    def write(self, file: Path) -> None:
        """Raises OSError."""
        with _as_os_error(file):
            faiss.write_index(self._index, str(file))

    def vectors(self) -> NDArray[np.float16]:
        """Every vector as it is kept, (len(rows), dim)."""
        kept = np.empty((len(self.rows), self._index.d), np.float16)
        if self.cells:
            for cell in range(self.cells):
                size = self._index.invlists.list_size(cell)
                if size:
                    places = faiss.rev_swig_ptr(self._index.invlists.get_ids(cell), size)
                    codes = faiss.rev_swig_ptr(self._index.invlists.get_codes(cell), size * self._index.code_size)
                    kept[places] = codes.view(np.float16).reshape(size, -1)
        else:
            for start in range(0, len(self.rows), _CHUNK):
                size = min(_CHUNK, len(self.rows) - start)
                kept[start : start + size] = self._index.reconstruct_n(start, size)
        return kept

    def search(
        self, vector: Vector, k: int, hidden: NDArray[np.bool_] | None, thorough: bool
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """At most k rows and their inner products, best first, ties by row; not of `hidden` rows.

        `thorough` looks into every cell, for when `hidden` leaves few rows.
        """
        probed = self.cells if thorough else min(self.cells, _PROBED)
        given: dict[str, Any] = {}
        if hidden is not None:
            bits = np.packbits(~hidden[self.rows], bitorder="little")
            given["sel"] = _FAISS.IDSelectorBitmap(bits)
        if self.cells:
            given["nprobe"] = probed
        chosen = (_FAISS.SearchParametersIVF if self.cells else _FAISS.SearchParameters)(**given) if given else None
        query = np.ascontiguousarray(vector, np.float32)[None]
        faiss.omp_set_num_threads(_CORES if self.cells else 1)  # a single question is shared out among cells only
        depth = min(k + _TIES, len(self.rows))
        while True:
            scores, places = self._index.search(query, depth, params=chosen)
            found = places[0] >= 0  # FAISS fills up with -1
            if not found.all() or depth == len(self.rows) or scores[0][k - 1] > scores[0][-1]:
                break
            depth = min(4 * depth, len(self.rows))  # all equal from the k-th on: there may be more of them
        rows, values = self.rows[places[0][found]], scores[0][found]
        order = np.lexsort((rows, -values))[:k]
        return rows[order], values[order]


@contextmanager
def _as_os_error(file: Path) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise OSError(f"{file}: {str(error).splitlines()[-1]}") from error
