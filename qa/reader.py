"""The words of a text that answer a question, by any extractive question-answering model of transformers.

It is run by the library itself, which is not imported early.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import regex
from numpy.typing import NDArray

from index.errors import ModelError
from index.pretrained import loading, located, model_errors

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

SETTING = "QA_READER"
WINDOW = 384
"""Word pieces that the model reads at once, question included, unless it takes fewer: as these models are trained."""
OVERLAP = 128
"""Word pieces that neighbouring windows of a long text share."""
QUESTION = 64
"""Word pieces of a question that are read."""
LONGEST = 30
"""Word pieces of an answer."""
BATCH = 8
"""Windows computed at a time."""


@dataclass(frozen=True, slots=True)
class ReadSpan:
    """Part of a text: code points, end exclusive, never empty, no whitespace at its ends.

    `score`, above 0 to 1, is the probability of the span less that of no answer, among these and all other spans.
    """

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class _Window:
    """A question with a part of a text. `context` says which inputs are that part's word pieces, `offsets` where these
    stand in the text, `first` how many pieces of the text come before; `null` is the input that means no answer."""

    text: int
    first: int
    inputs: dict[str, list[int]]
    context: slice
    offsets: list[tuple[int, int]]
    null: int | None


@dataclass(frozen=True, slots=True)
class _Logits:
    """Of each word piece in the window to be an answer's first and its last, and of no answer."""

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    null: float


class Reader:
    """A question-answering model on the CPU in float32; safe to call from several threads."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, name: str) -> None:
        self.name = name
        self._model = model
        self._tokenizer = tokenizer
        positions = getattr(model.config, "max_position_embeddings", None) or WINDOW
        self._length = min(WINDOW, tokenizer.model_max_length, positions if positions > 0 else WINDOW)
        self._using = threading.Lock()  # its tokenizer is told for each question how to cut texts
        self.span("Which one?", "This one. " * self._length)  # shows whether whole windows work

    def span(self, question: str, text: str) -> ReadSpan | None:
        """The answer in one text, see `spans`."""
        return self.spans(question, [text])[0]

    def spans(self, question: str, texts: Sequence[str]) -> list[ReadSpan | None]:
        """The best span of each text, at most `LONGEST` word pieces; None where the model prefers no answer.

        A long text is read in windows that overlap. Raises ModelError.
        """
        with self._using, model_errors(f"the model {self.name} failed", f"Check {SETTING}."):
            windows = self._windows(question, texts)
            logits = self._logits(windows)
        found: list[ReadSpan | None] = [None] * len(texts)
        for text, parts in groupby(zip(windows, logits, strict=True), key=lambda part: part[0].text):
            found[text] = _best(texts[text], list(parts))
        return found

    def _windows(self, question: str, texts: Sequence[str]) -> list[_Window]:
        """In the order of the texts; none of a text without word pieces."""
        numbers = [number for number, text in enumerate(texts) if text.strip()]
        if not numbers:
            return []
        question, pieces = self._cut(question)
        room = self._length - pieces - self._tokenizer.num_special_tokens_to_add(pair=True)
        overlap = min(OVERLAP, room // 2)
        encoded = self._tokenizer(
            [question] * len(numbers),
            [texts[number] for number in numbers],
            truncation="only_second",
            max_length=self._length,
            stride=overlap,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        windows, last, first = list[_Window](), None, 0
        for row, sample in enumerate(encoded["overflow_to_sample_mapping"]):
            first = first + room - overlap if sample == last else 0
            last = sample
            places = [place for place, part in enumerate(encoded.sequence_ids(row)) if part == 1]
            if places:
                context = slice(places[0], places[-1] + 1)
                inputs = {name: encoded[name][row] for name in self._tokenizer.model_input_names if name in encoded}
                offsets = encoded["offset_mapping"][row][context]
                windows.append(_Window(numbers[sample], first, inputs, context, offsets, self._null(inputs)))
        return windows

    def _cut(self, question: str) -> tuple[str, int]:
        """As much of a question as is read, its end, where earlier ones stand in front of it; and its word pieces."""
        offsets = self._tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        most = min(QUESTION, self._length // 3)
        if len(offsets) <= most:
            return question, len(offsets)
        before = offsets[-most - 1][0]  # several pieces may be of one character
        return self._cut(question[next((start for start, _ in offsets[-most:] if start > before), len(question)) :])

    def _null(self, inputs: dict[str, list[int]]) -> int | None:
        """The place of [CLS], to which models point that find no answer; not every model has one."""
        cls = self._tokenizer.cls_token_id
        return inputs["input_ids"].index(cls) if cls in inputs["input_ids"] else None

    def _logits(self, windows: Sequence[_Window]) -> list[_Logits]:
        import torch

        found: list[Any] = [None] * len(windows)
        order = sorted(range(len(windows)), key=lambda number: len(windows[number].inputs["input_ids"]), reverse=True)
        for begin in range(0, len(order), BATCH):
            batch = order[begin : begin + BATCH]  # of like length: less padding
            inputs = {name: [windows[number].inputs[name] for number in batch] for name in windows[batch[0]].inputs}
            padded = self._tokenizer.pad(inputs, padding_side="right", return_tensors="pt")
            with torch.inference_mode():
                output = self._model(**padded)
            starts, ends = (part.double().numpy() for part in (output.start_logits, output.end_logits))
            for row, number in enumerate(batch):
                context, null = windows[number].context, windows[number].null
                nothing = -np.inf if null is None else float(starts[row, null] + ends[row, null])
                found[number] = _Logits(starts[row, context], ends[row, context], nothing)
        return found


def load_reader(name: str) -> Reader:
    """Load a question-answering model by name or folder, from this machine only. Takes seconds: torch is imported here.

    Raises ModelError: missing, corrupt, made for something else, or without a fast tokenizer, which alone tells where
    its word pieces stand in the text.
    """
    folder = located(name, SETTING)
    with loading(name, SETTING):
        from transformers import AutoModelForQuestionAnswering, AutoTokenizer, PreTrainedTokenizerFast

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise ModelError(
                f"the model {name} has no fast tokenizer", f"{SETTING} needs a model with a tokenizer.json."
            )
        model, report = AutoModelForQuestionAnswering.from_pretrained(
            folder, local_files_only=True, dtype="float32", output_loading_info=True
        )
        if report["missing_keys"]:  # they are random now
            raise ModelError(
                f"the model {name} was not made for question answering: it lacks {min(report['missing_keys'])}",
                f"{SETTING} needs an extractive question-answering model of transformers.",
            )
        return Reader(model.eval(), tokenizer, name)


def _best(text: str, parts: Sequence[tuple[_Window, _Logits]]) -> ReadSpan | None:
    """The best span of a text over its windows; a span that stands in two has the better of its logits.

    No answer has the lowest of its logits: that a window lacks the answer says nothing of the others (as in the
    evaluation of SQuAD 2.0 by Devlin et al., 2019).
    """
    last = parts[-1][0]
    pieces = last.first + len(last.offsets)
    offsets, logits = [(0, 0)] * pieces, np.full((LONGEST, pieces), -np.inf)  # by more pieces, and the first
    for window, part in parts:
        size = len(window.offsets)
        offsets[window.first : window.first + size] = window.offsets
        blank = [not text[start:end].strip() for start, end in window.offsets]
        starts, ends = np.where(blank, -np.inf, part.starts), np.where(blank, -np.inf, part.ends)
        for more in range(min(LONGEST, size)):
            here = logits[more, window.first : window.first + size - more]
            np.maximum(here, starts[: size - more] + ends[more:], out=here)
    null = min(part.null for _, part in parts)
    best = logits.max()
    if best <= null or np.isneginf(best):
        return None
    total = np.logaddexp.reduce(np.append(logits.ravel(), null))
    more, first = divmod(int(logits.argmax()), pieces)
    start, end = _whole(text, offsets[first][0], offsets[first + more][1])
    return ReadSpan(start, end, float(np.exp(best - total) - np.exp(null - total)))


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    """Grown to whole characters as people see them, an accent or a family of emoji not cut apart; then trimmed."""
    bounds = [0, *(match.end() for match in regex.finditer(r"\X", text))]
    start = max(bound for bound in bounds if bound <= start)
    end = min(bound for bound in bounds if bound >= end)
    found = text[start:end]
    return end - len(found.lstrip()), start + len(found.rstrip())
