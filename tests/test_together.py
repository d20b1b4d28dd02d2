"""What several threads ask for at the same time is done together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from index.together import Together


class Work:
    """Doubles numbers; holds the first call back until so many others have come. Remembers what came together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.held = threading.Event(), threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.begun.set()
        assert self.held.wait(20)
        if 13 in numbers:
            raise ValueError("unlucky")
        return [2 * number for number in numbers]


def test_one_who_comes_alone_waits_for_nobody() -> None:
    work = Work()
    work.held.set()
    double = Together(work, 4)
    assert [double(number) for number in range(5)] == [0, 2, 4, 6, 8]
    assert work.batches == [[0], [1], [2], [3], [4]]


def test_those_who_come_meanwhile_are_done_together_by_powers_of_two() -> None:
    work = Work()
    double = Together(work, 4)
    with ThreadPoolExecutor(12) as threads:
        first = threads.submit(double, 100)
        assert work.begun.wait(20)
        others = [threads.submit(double, number) for number in range(11)]
        while len(double._waiting) < 11:
            threading.Event().wait(0.001)
        work.held.set()
        assert first.result(20) == 200
        assert [one.result(20) for one in others] == [2 * number for number in range(11)]
    assert [len(batch) for batch in work.batches] == [1, 4, 4, 2, 1]


def test_what_goes_wrong_is_told_to_those_it_was_done_for_and_the_next_go_on() -> None:
    work = Work()
    work.held.set()
    double = Together(work, 4)
    with pytest.raises(ValueError, match="unlucky"):
        double(13)
    assert double(1) == 2


def test_each_gets_its_own_however_many_ask() -> None:
    work = Work()
    work.held.set()
    double = Together(work, 4)
    with ThreadPoolExecutor(16) as threads:
        asked = [number for number in range(2_000) if number != 13]
        assert list(threads.map(double, asked)) == [2 * number for number in asked]
    assert sum(len(batch) for batch in work.batches) == len(asked)
