"""Sentences of long paragraphs, of which the library is asked for so much at a time."""

from __future__ import annotations

from itertools import pairwise

import pytest
import sentencex

from index.sentences import sentences
from index.types import Document


def test_long_paragraphs_are_cut_as_a_whole_one_would_be(seed: Document) -> None:
    text = " ".join(f"{number}. {' '.join(seed.text.split())}" for number in range(8))
    assert len(text) > 25_000
    whole = [(one["start_index"], one["end_index"]) for one in sentencex.get_sentence_boundaries("en", text)]
    found = sentences(text)
    assert [(one.start, one.end) for one in found] == [
        (start, start + len(text[start:end].rstrip())) for start, end in whole if text[start:end].strip()
    ]


@pytest.mark.parametrize("mark", ["`", "\"'", "(", "A. ", "… ", "\u200d"])
def test_a_paragraph_of_nothing_but_marks_is_cut_too(mark: str) -> None:
    """sentencex alone takes minutes for the first."""
    text = mark * (400_000 // len(mark))
    found = sentences(text)
    assert found[0].start == 0
    assert found[-1].end == len(text.rstrip())
    assert all(one.end <= following.start for one, following in pairwise(found))
