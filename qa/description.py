"""The service's description of itself (OpenAPI), and the copy of it that is kept: `python -m qa.description`."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from qa.replies import ErrorReply
from qa.schemas import NewDocuments

KEPT = Path(__file__).parent.parent / "docs" / "openapi.json"
CHANGELOG = KEPT.parent.parent / "CHANGELOG.md"
_REF = "#/components/schemas/{model}"
_BESIDE = (ErrorReply, NewDocuments)
"""Models that no endpoint names in its signature."""
_ALWAYS = {
    400: "The request is not HTTP as it should be, or its body cannot be read",
    401: "A token, or a sign-in, is missing or does not hold",
    403: "The token does not allow it, or a page of another site asks",
    408: "The request came too slowly",
    414: "The address is too long",
    421: "The service does not answer to this name",
    429: "Too many requests; try again after `Retry-After`",
    431: "The head of the request is too long",
    500: "The service failed; its log tells why",
    503: "The service cannot do it now; try again after `Retry-After`",
}
_WITH_BODY = {413: "The body is too large"}
_OPEN = ("/health/live", "/health/ready")
"""What asks nobody to sign in."""
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "made by `qa token create`"},
    "session": {"type": "apiKey", "in": "cookie", "name": "session", "description": "of a browser that signed in"},
}
_HEADERS = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}, "description": "`Bearer`"}},
    429: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}, "description": "seconds"}},
    503: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}, "description": "seconds"}},
}


def name_of(route: APIRoute) -> str:
    """What an operation is called in programs made from the description: as its function, whatever its path."""
    return route.name


def install(app: FastAPI) -> None:
    """Let the description tell who is let in, and every refusal in the one shape of errors."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(FastAPI.openapi(app))
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _complete(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for model in _BESIDE:
        schema = TypeAdapter(model).json_schema(ref_template=_REF)
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    description["components"]["schemas"] = dict(sorted(schemas.items()))
    description["components"]["securitySchemes"] = _SCHEMES
    description["security"] = [{name: []} for name in _SCHEMES]
    for path, operations in description["paths"].items():
        for operation in operations.values():
            _complete_replies(operation)
            if path in _OPEN:
                operation["security"] = []


def _complete_replies(operation: dict[str, Any]) -> None:
    replies = operation["responses"]
    for status, told in (_ALWAYS | (_WITH_BODY if "requestBody" in operation else {})).items():
        replies.setdefault(str(status), {"description": told})
    for status, reply in replies.items():
        if int(status) >= 400:
            shape = {"schema": {"$ref": _REF.format(model=ErrorReply.__name__)}}
            reply["content"] = reply.get("content", {}) | {"application/json": shape}
            if headers := _HEADERS.get(int(status)):
                reply["headers"] = headers
    operation["responses"] = dict(sorted(replies.items()))


def canonical(description: dict[str, Any]) -> str:
    """The description as it is kept: without the version, which every release changes."""
    told = description | {"info": {name: value for name, value in description["info"].items() if name != "version"}}
    return json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def fingerprint(kept: str) -> str:
    """What the changelog calls a description."""
    return hashlib.sha256(kept.encode()).hexdigest()[:12]


def told_in(changelog: str) -> str | None:
    """The fingerprint that the newest release of a changelog names, by a line `OpenAPI: ...` of its own."""
    newest = re.split(r"^## ", changelog, flags=re.MULTILINE)[1]
    found = re.search(r"^(?:- )?OpenAPI: `?([0-9a-f]{12})`?", newest, re.MULTILINE)
    return found[1] if found else None


def current() -> dict[str, Any]:
    """The description that the service gives now."""
    from tempfile import TemporaryDirectory

    from qa.api import create_app
    from qa.config import settings
    from qa.wire import open_library

    with TemporaryDirectory() as data:
        library = open_library(settings(data=Path(data)), make=True)
        try:
            return create_app(library).openapi()
        finally:
            library.close()


if __name__ == "__main__":
    from qa.promise import broken

    now = canonical(current())
    for told in broken(json.loads(KEPT.read_text(encoding="utf-8")), json.loads(now)) if KEPT.exists() else []:
        print(f"breaks what was promised: {told}")  # noqa: T201
    KEPT.write_text(now, encoding="utf-8")
    print(f"CHANGELOG.md must say what changed, and: OpenAPI: {fingerprint(now)}")  # noqa: T201
