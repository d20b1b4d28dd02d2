"""A question as a program asks it, in this process or over MCP: checked, answered, or refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from index.errors import IndexMissing, UsageError
from qa import wire
from qa.config import Settings
from qa.schemas import AskRequest
from qa.types import Answer

_Request = TypeVar("_Request", bound=BaseModel)


def checked(kind: type[_Request], given: Mapping[str, Any]) -> _Request:
    """What was given, within the limits of the HTTP API. Raises UsageError naming each thing that is wrong."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)[:5]
        told = (f"{_place(one['loc'])}: {one['msg'].removeprefix('Value error, ')}" for one in problems)
        raise UsageError("; ".join(told), "Correct it, and try again.") from None


def answered(library: wire.Library, request: AskRequest) -> Answer:
    """Raises what `check` raises, and what `Answerer.ask` does."""
    check(library, request)
    return found(library, request)


def check(library: wire.Library, request: AskRequest) -> None:
    """Raises IndexMissing, UsageError for a document that is not there, or what is longer than the settings allow."""
    long = over(request, library.settings)
    if long:
        raise UsageError(": ".join(long), "Shorten it.")
    if library.catalogue.empty():
        raise IndexMissing("nothing is indexed yet", "Add documents first, as by: qa index FILE_OR_FOLDER…")
    stored = library.catalogue.stored(request.document_ids or [])
    for document_id in request.document_ids or []:
        if document_id not in stored:
            raise unknown(document_id)


def found(library: wire.Library, request: AskRequest) -> Answer:
    """The answer to a question that was checked."""
    return library.answerer.ask(
        request.question, request.top_k, [turn.turn() for turn in request.history], request.filter(), request.mode
    )


def over(request: AskRequest, settings: Settings) -> tuple[str, str] | None:
    """What is longer than is allowed here, and by how much; the limits of everybody are in the request's type."""
    limits = (
        ("question", len(request.question), settings.question_characters, "characters"),
        ("history", len(request.history), settings.history_turns, "questions"),
    )
    for name, length, most, what in limits:
        if length > most:
            return name, f"has {length:,} {what}, over {most:,}"
    return None


def unknown(document_id: str) -> UsageError:
    return UsageError(f"there is no document {document_id[:200]!r}", "List the documents to see their ids.")


def _place(location: Sequence[object]) -> str:
    """("history", 0, "question") as "history[0].question"; names that were made up are cut short."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{str(part)[:80]}" for part in location)
    return place.lstrip(".") or "what was given"
