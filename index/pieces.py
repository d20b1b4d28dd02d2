"""Word pieces of a model, for cutting passages that fit it, without importing torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import regex

from index.embed import DEFAULT_MODEL, locate
from index.types import Span

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class ModelPieces:
    """The model's own word pieces, by its tokenizer.json."""

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.max_length = max_length

    def spans(self, texts: Sequence[str]) -> list[list[Span]]:
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [[Span(*offsets) for offsets in encoding.offsets] for encoding in encodings]

    def known(self, text: str) -> list[Span]:
        """The place of every word piece but the unknown ones, which stand for words in letters that it lacks."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        parts = zip(encoding.offsets, encoding.tokens, strict=True)
        return [Span(*offsets) for offsets, token in parts if token not in _UNKNOWN]


class EstimatedPieces:
    """Stands in while no model is installed: four characters of a word to a piece, more than English needs."""

    max_length = 256

    def spans(self, texts: Sequence[str]) -> list[list[Span]]:
        return [[Span(*match.span()) for match in _ESTIMATE.finditer(text)] for text in texts]


_UNKNOWN = ("[UNK]", "<unk>")
_ESTIMATE = regex.compile(r"\p{Han}|[\p{L}\p{M}\p{N}]{1,4}|[^\s\p{L}\p{M}\p{N}]")


def word_pieces(model: str = DEFAULT_MODEL) -> ModelPieces | EstimatedPieces:
    """The tokenizer of a model; an estimate when the model or its tokenizer.json is not there."""
    from tokenizers import Tokenizer

    try:
        folder = locate(model)
        return ModelPieces(Tokenizer.from_file(str(folder / "tokenizer.json")), _max_length(folder))
    except Exception:  # noqa: BLE001  the tokenizers library raises bare Exception
        return EstimatedPieces()


def _max_length(folder: Path) -> int:
    settings = folder / "sentence_bert_config.json"
    length = json.loads(settings.read_text()).get("max_seq_length") if settings.is_file() else None
    return int(length or 512)
