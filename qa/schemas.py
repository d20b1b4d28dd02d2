"""What comes in over HTTP, checked at the edge."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from index.errors import QAError
from index.fusion import Mode
from index.ingest import Existing
from index.select import TYPES, Filter
from qa import types

QUESTION_CHARACTERS = 2_000
TITLE_CHARACTERS = 500
SOUGHT = 200
"""Characters of what is looked for in a list or a text."""
TOP_K = 100
LABEL = 100
"""Characters of a collection's or a tag's name."""
METADATA_BYTES, METADATA_DEPTH = 65_536, 20
SPAN_CHARACTERS = 20_000
"""Characters of a passage that is judged; none that is found is so long."""


_NO_NUL = r"^[^\x00]*$"
_SEEN = r"[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
"""A character that is neither white space nor a control: spelled out, since every kind of expression knows others."""
_SOME_SEEN = rf"^[^\x00]*{_SEEN}[^\x00]*$"
_TYPE = rf"^({'|'.join(TYPES)}|[^\x00/]+/[^\x00]+)$"


def _told(pattern: str, **given: Any) -> Any:
    """A field whose pattern stands in the description alone: what breaks it is refused in words of ours."""
    return Field(json_schema_extra={"pattern": pattern}, **given)


def _as_whole(given: object) -> object:
    """JSON has one kind of number: 5.0 is 5."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


def _well_formed(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character, which is not text")
    return text


def _not_blank(text: str) -> str:
    if not re.search(_SEEN, text):
        raise ValueError("is empty; write what you want to know")
    return _well_formed(text)


def _some_text(text: str) -> str:
    if not re.search(_SEEN, text):
        raise ValueError("is empty")
    return _well_formed(text)


def _some_words(text: str) -> str:
    if not re.search(_SEEN, text):
        raise ValueError("is empty; write what to look for")
    return _well_formed(text)


def _storable(metadata: dict[str, Any]) -> dict[str, Any]:
    if not _shallow(metadata, METADATA_DEPTH):
        raise ValueError(f"is nested deeper than {METADATA_DEPTH} levels")
    try:
        size = len(json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode())
    except ValueError as error:
        raise ValueError("holds a number or text that JSON cannot carry (NaN, half of a surrogate pair)") from error
    if size > METADATA_BYTES:
        raise ValueError(f"is larger than {METADATA_BYTES} bytes")
    return metadata


def _shallow(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_shallow(one, levels - 1) for one in inner)


Whole = Annotated[int, Field(strict=True), BeforeValidator(_as_whole)]
QuestionText = Annotated[str, _told(_SOME_SEEN, max_length=QUESTION_CHARACTERS), AfterValidator(_not_blank)]
DocumentId = Annotated[
    str,
    Field(pattern=r"^[\p{L}\p{N}_~@.+=-]{1,200}$", description="letters, digits and _ ~ @ . + = -, at most 200"),
    _told(r"^\.{0,199}[\p{L}\p{N}_~@+=-][\p{L}\p{N}_~@.+=-]*$", max_length=200),
    AfterValidator(lambda given: _refused(given) if not given.strip(".") else given),
]
Sought = Annotated[str, _told(_SOME_SEEN, min_length=1, max_length=SOUGHT), AfterValidator(_some_words)]
KnownId = Annotated[str, Field(max_length=200)]
PassageId = Annotated[
    str,
    Field(
        max_length=300,
        pattern=r"^[^\x00\r\n\u2028\u2029]+:[0-9]{1,10}-[0-9]{1,10}$",
        description="document_id:start-end",
    ),
]
Line = Annotated[str, _told(_NO_NUL, max_length=TITLE_CHARACTERS), AfterValidator(_well_formed)]
Words = Annotated[str, _told(_NO_NUL, max_length=SOUGHT), AfterValidator(_well_formed)]

Label = Annotated[str, _told(_NO_NUL, min_length=1, max_length=LABEL), AfterValidator(_well_formed)]
MaybeLabel = Annotated[str, _told(_NO_NUL, max_length=LABEL), AfterValidator(_well_formed)]
TypeName = Annotated[Label, Field(json_schema_extra={"pattern": _TYPE})]
Date = Annotated[
    str, Field(pattern=r"^([0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)?$", description="YYYY, YYYY-MM or YYYY-MM-DD")
]


def _refused(given: str) -> str:
    raise ValueError(f"{given!r} cannot be part of an address")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Turn(_Strict):
    """An earlier question of the conversation, and the passages that were shown for it; the question alone will do."""

    question: QuestionText
    passages: list[PassageId] = Field(default_factory=list, max_length=20)

    @model_validator(mode="before")
    @classmethod
    def _question_alone(cls, given: object) -> object:
        return {"question": given} if isinstance(given, str) else given

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        text = {"type": "string", "maxLength": QUESTION_CHARACTERS, "pattern": _SOME_SEEN}
        alone = text | {"description": "the question alone"}
        return {"anyOf": [alone, handler(core)]}

    def turn(self) -> types.Turn:
        return types.Turn(self.question, tuple(self.passages))


class Chosen(_Strict):
    """Which documents are asked, before anything is ranked: in one of the collections, of one of the types, with all
    of the tags, dated between `after` and `before`. What is left out does not narrow."""

    document_ids: list[KnownId] | None = Field(None, max_length=1000)
    collections: list[Label] = Field(default_factory=list, max_length=100)
    tags: list[Label] = Field(default_factory=list, max_length=100)
    types: list[TypeName] = Field(
        default_factory=list, max_length=100, description=f"{', '.join(TYPES)}, or media types", examples=[["pdf"]]
    )
    after: Date = ""
    before: Date = ""

    @field_validator("types")
    @classmethod
    def _known(cls, given: list[str]) -> list[str]:
        try:
            Filter(types=tuple(given))
        except QAError as error:
            raise ValueError(f"{error.message}. {error.hint}") from error
        return given

    def filter(self) -> Filter:
        documents = None if self.document_ids is None else tuple(self.document_ids)
        given = tuple(self.collections), tuple(self.tags), tuple(self.types)
        return Filter(documents, *given, after=self.after, before=self.before)


class AskRequest(Chosen):
    """A question, and optionally how many passages, the earlier questions (oldest first), which documents, how."""

    question: QuestionText
    top_k: Whole = Field(5, ge=1, le=TOP_K)
    history: list[Turn] = Field(default_factory=list, max_length=50)
    mode: Mode = "hybrid"


class AskQuery(Chosen):
    """The same for GET."""

    q: QuestionText
    top_k: int = Field(5, ge=1, le=TOP_K)
    history: list[QuestionText] = Field(default_factory=list, max_length=50)
    mode: Mode = "hybrid"


class ListQuery(Chosen):
    """Which documents are listed, and in which order."""

    q: Words = Field("", description="words that the title, a source, the collection or a tag must hold, case aside")
    order: Literal["title", "added"] = Field("title", description="by title, or the newest first")
    limit: int = Field(100, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=2**31)


class JudgedSpan(_Strict):
    """A passage, or the part of it that answers, by the offsets of its citation. With the `quote` that was read there,
    a document that has changed since is noticed."""

    document_id: KnownId
    start: Whole = Field(ge=0, le=2**31)
    end: Whole = Field(ge=1, le=2**31)
    quote: Annotated[str, Field(max_length=SPAN_CHARACTERS)] | None = None

    @model_validator(mode="after")
    def _of_some_length(self) -> JudgedSpan:
        if not self.start < self.end <= self.start + SPAN_CHARACTERS:
            raise ValueError(f"is empty, or longer than {SPAN_CHARACTERS:,} characters")
        return self


class NewFeedback(_Strict):
    """Whether a passage answers the question. `passage` null, not helpful: nothing in the documents does."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"properties": {"helpful": {"const": False}}}, {"properties": {"passage": {"type": "object"}}}]
        }
    )

    question: QuestionText
    history: list[Turn] = Field(default_factory=list, max_length=50)
    helpful: bool = Field(strict=True)
    passage: JudgedSpan | None

    @model_validator(mode="after")
    def _of_something(self) -> NewFeedback:
        if self.helpful and self.passage is None:
            raise ValueError("names no passage; say which one helps")
        return self


class NewText(_Strict):
    """The new content of a document."""

    title: Line = ""
    text: Annotated[str, _told(_SOME_SEEN), AfterValidator(_some_text)]
    source: Line = ""
    metadata: Annotated[dict[str, Any], AfterValidator(_storable)] = Field(default_factory=dict)
    collection: MaybeLabel = ""
    tags: list[Label] = Field(default_factory=list, max_length=100)
    dated: Annotated[str, Field(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$", description="YYYY-MM-DD")] = ""


class Labels(_Strict):
    """What is left out stays as it is."""

    collection: MaybeLabel | None = None
    tags: list[Label] | None = Field(None, max_length=100)


class FileFields(Labels):
    """What is said of files that are sent."""

    existing: Existing = "replace"


class NewDocument(NewText):
    """A document; without an id it gets one made from its source, else from its title and text."""

    id: DocumentId | None = None


class NewDocuments(_Strict):
    documents: list[NewDocument] = Field(min_length=1, max_length=1000)
