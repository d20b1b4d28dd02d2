"""What a newer description of the service breaks for a program that was written for an older one."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Part = Mapping[str, Any]
_COMPONENTS = "#/components/schemas/"
_LIMITS: Mapping[str, Callable[[float, float], bool]] = {
    "maxLength": operator.lt,
    "maxItems": operator.lt,
    "maximum": operator.lt,
    "minLength": operator.gt,
    "minItems": operator.gt,
    "minimum": operator.gt,
}
"""Limits of what is asked, and when a new one is narrower than the old one."""


def broken(old: Part, new: Part) -> list[str]:
    """In words, place by place: what was removed, what has another type, what is asked for that was not.

    Additions are no breach: programs leave fields, operations and values that they do not know aside.
    """
    return list(dict.fromkeys([*_operations(old, new), *_schemas(old, new)]))


def _operations(old: Part, new: Part) -> Iterator[str]:
    for path, operations in old["paths"].items():
        for method, before in operations.items():
            name = f"{method.upper()} {path}"
            after = new["paths"].get(path, {}).get(method)
            if after is None:
                yield f"{name} is gone"
                continue
            if before.get("operationId") != after.get("operationId"):
                yield f"{name} is called {after.get('operationId')!r}, not {before.get('operationId')!r}"
            yield from _parameters(name, before, after)
            yield from _bodies(name, before, after)
            yield from _replies(name, before, after)


def _parameters(name: str, old: Part, new: Part) -> Iterator[str]:
    before, after = ({(one["in"], one["name"]): one for one in given.get("parameters", [])} for given in (old, new))
    for key, parameter in before.items():
        place = f"{name}: the {key[0]} parameter {key[1]!r}"
        if key not in after:
            yield f"{place} is gone"
        else:
            yield from _narrowed(place, parameter["schema"], after[key]["schema"])
    for key, parameter in after.items():
        if parameter.get("required") and not before.get(key, {}).get("required"):
            yield f"{name}: the {key[0]} parameter {key[1]!r} is required"


def _bodies(name: str, old: Part, new: Part) -> Iterator[str]:
    before, after = (given.get("requestBody", {}) for given in (old, new))
    if after.get("required") and not before.get("required"):
        yield f"{name}: a body is required"
    for kind, content in before.get("content", {}).items():
        if kind not in after.get("content", {}):
            yield f"{name}: a body of {kind} is not taken any more"
        else:
            place = f"{name}: the body of {kind}"
            yield from _narrowed(place, content.get("schema", {}), after["content"][kind].get("schema", {}))


def _replies(name: str, old: Part, new: Part) -> Iterator[str]:
    for status, before in old["responses"].items():
        after = new["responses"].get(status)
        if after is None:
            if int(status) < 400:
                yield f"{name}: the reply {status} is gone"
            continue
        for kind, content in before.get("content", {}).items():
            place = f"{name}: the reply {status} of {kind}"
            if kind not in after.get("content", {}):
                yield f"{place} is gone"
            else:
                yield from _changed(place, content.get("schema", {}), after["content"][kind].get("schema", {}))
        for header in before.get("headers", {}).keys() - after.get("headers", {}).keys():
            yield f"{name}: the reply {status} has no header {header} any more"


def _schemas(old: Part, new: Part) -> Iterator[str]:
    """Of what both name. What requests hold may not be asked for more strictly, what replies hold may not go."""
    before, after = (given["components"]["schemas"] for given in (old, new))
    for compare, requests in ((_narrowed, True), (_changed, False)):
        for name in sorted(_named(old, requests=requests) & after.keys()):
            yield from compare(name, before[name], after[name])


def _named(description: Part, *, requests: bool) -> set[str]:
    """The schemas that requests (or else replies) name, and those that these name."""
    seen, todo = set[str](), []
    for operations in description["paths"].values():
        for operation in operations.values():
            todo.append(
                [operation.get("requestBody"), operation.get("parameters")] if requests else operation["responses"]
            )
    while todo:
        for name in set(_references(todo.pop())) - seen:
            seen.add(name)
            todo.append(description["components"]["schemas"].get(name, {}))
    return seen


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].removeprefix(_COMPONENTS)
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _references(one)


def _narrowed(place: str, old: Part, new: Part) -> Iterator[str]:
    """What a request may not hold any more, or has to."""
    kinds = _types(old) - _types(new)
    if kinds and "anything" not in _types(new):
        yield f"{place} is {_told(new)}, and was {_told(old)}"
        return
    for field in sorted({*new.get("required", [])} - {*old.get("required", [])}):
        yield f"{place}: {field} is required"
    for limit, narrower in _LIMITS.items():
        if limit in new and (limit not in old or narrower(new[limit], old[limit])):
            yield f"{place}: {limit} is {new[limit]:g}, and was {f'{old[limit]:g}' if limit in old else 'none'}"
    for value in old.get("enum", []):
        if "enum" in new and value not in new["enum"]:
            yield f"{place}: {value!r} is not taken any more"
    yield from _inside(place, old, new, _narrowed)


def _changed(place: str, old: Part, new: Part) -> Iterator[str]:
    """What a reply does not hold any more, may be without, or has of another type."""
    if _types(new) - _types(old) and "anything" not in _types(old):
        yield f"{place} is {_told(new)}, and was {_told(old)}"
        return
    for field in sorted({*old.get("required", [])} & new.get("properties", {}).keys() - {*new.get("required", [])}):
        yield f"{place}: {field} may be missing"
    yield from _inside(place, old, new, _changed)


def _inside(place: str, old: Part, new: Part, compare: Callable[[str, Part, Part], Iterator[str]]) -> Iterator[str]:
    fields = new.get("properties", {})
    for field, before in old.get("properties", {}).items():
        if field not in fields:
            yield f"{place}: {field} is gone"
        else:
            yield from compare(f"{place}: {field}", before, fields[field])
    if "items" in old and "items" in new:
        yield from compare(f"{place}[]", old["items"], new["items"])


def _types(schema: Part) -> set[str]:
    """Such as {"string", "null"}; a schema that is named, by its name."""
    if "$ref" in schema:
        return {str(schema["$ref"]).removeprefix(_COMPONENTS)}
    for several in ("anyOf", "oneOf"):
        if several in schema and "type" not in schema:
            return set().union(*(_types(one) for one in schema[several]))
    return {str(schema.get("type", "anything"))}


def _told(schema: Part) -> str:
    return " or ".join(sorted(_types(schema)))
