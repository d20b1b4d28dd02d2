"""How sure a mean is, and whether two systems differ: the bootstrap and the randomisation test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

RESAMPLES = 2_000
PERMUTATIONS = 9_999
_BATCH = 500
_TIE = 1e-9
"""Differences up to this size are of rounding."""


class Interval(NamedTuple):
    """A mean and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """A system against another on the same questions: mean difference, two-sided p, questions that became better,
    stayed, became worse."""

    questions: int
    baseline: float
    other: float
    difference: Interval
    p: float
    wins: int
    ties: int
    losses: int


def interval(values: Sequence[float], seed: int = 0) -> Interval:
    """Mean with its percentile bootstrap interval (Efron 1979); of one value a point. Raises ValueError for none."""
    if not values:
        raise ValueError("no mean of no values")
    sample = np.asarray(values, float)
    mean = float(sample.mean())
    if np.ptp(sample) == 0:
        return Interval(float(sample[0]), float(sample[0]), float(sample[0]))
    found = stats.bootstrap(
        (sample,), np.mean, n_resamples=RESAMPLES, batch=_BATCH, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))


def paired(baseline: Sequence[float], other: Sequence[float], seed: int = 0) -> Paired:
    """Compare by Fisher's randomisation test: which system a value is of does not matter if they are alike.

    Two-sided, by flipping the signs of the differences; exact where they are few. Smucker, Allan, Carterette: A
    comparison of statistical significance tests for information retrieval evaluation, CIKM 2007. Raises ValueError
    for sequences of different lengths or none.
    """
    if len(baseline) != len(other):
        raise ValueError(f"{len(baseline)} values cannot be paired with {len(other)}")
    differences = np.asarray(other, float) - np.asarray(baseline, float)
    differences[np.abs(differences) <= _TIE] = 0.0
    return Paired(
        questions=len(differences),
        baseline=float(np.mean(baseline)),
        other=float(np.mean(other)),
        difference=interval(differences.tolist(), seed),
        p=_p(differences[differences != 0], seed),
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences < 0).sum()),
    )


def _p(differences: NDArray[np.float64], seed: int) -> float:
    """Share of the ways to give signs to the differences whose sum is at least as far from 0; without the ties, whose
    signs do not matter. `scipy.stats.permutation_test` does the same ten times slower."""
    count = len(differences)
    least = abs(differences.sum()) - _TIE
    if 2**count <= PERMUTATIONS:
        bits = np.arange(2**count)[:, np.newaxis] >> np.arange(count) & 1
        return float((np.abs((2 * bits - 1) @ differences) >= least).mean())
    chance = np.random.default_rng(seed)
    batches = [_BATCH] * (PERMUTATIONS // _BATCH) + [PERMUTATIONS % _BATCH]
    drawn = (2.0 * chance.integers(0, 2, (rows, count), np.int8) - 1 for rows in batches)
    reached = sum(int((np.abs(signs @ differences) >= least).sum()) for signs in drawn)
    return (reached + 1) / (PERMUTATIONS + 1)
