"""Office files as packages: XML parts in a ZIP file, and the relationships between them (ECMA-376, part 2)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple
from urllib.parse import unquote

from lxml import etree

from index.errors import DocumentError
from index.load.archive import Archive
from index.load.draft import Draft
from index.load.refusals import damaged, declares_entities, too_deep
from index.load.xml import parser
from index.types import Document

_TRANSITIONAL = "http://schemas.openxmlformats.org/"
_STRICT = (
    (b"http://purl.oclc.org/ooxml/officeDocument/relationships", "officeDocument/2006/relationships"),
    (b"http://purl.oclc.org/ooxml/wordprocessingml/main", "wordprocessingml/2006/main"),
    (b"http://purl.oclc.org/ooxml/spreadsheetml/main", "spreadsheetml/2006/main"),
    (b"http://purl.oclc.org/ooxml/presentationml/main", "presentationml/2006/main"),
    (b"http://purl.oclc.org/ooxml/drawingml/", "drawingml/2006/"),
)
RELATIONSHIP = f"{{{_TRANSITIONAL}officeDocument/2006/relationships}}"
_RELATIONSHIPS = f"{{{_TRANSITIONAL}package/2006/relationships}}Relationship"
_GENERIC = re.compile(
    r"(?:untitled|unbenannt|sans titre|word|microsoft|document\d*$|dokument\d*$|presentation\d*$|präsentation\d*$"
    r"|powerpoint|présentation powerpoint|slide \d+$|title$|titel$|book\d*$|mappe\d*$|template$)"
    r"|.*\.(?:docx?|docm|dotx|pptx?|xlsx?|odt|odp|ods|rtf|pdf|txt|tmp)$",
    re.IGNORECASE,
)
"""What programs put where a title would stand."""
_FACTS = {
    "title": "title",
    "creator": "author",
    "subject": "subject",
    "keywords": "keywords",
    "created": "created",
    "modified": "modified",
    "language": "language",
}


class Relation(NamedTuple):
    """What one part says of another: the last word of the relationship's type, and the other's name in the package."""

    kind: str
    target: str


class Package:
    """The parts of an Office file; nothing outside it is ever looked at. Raises DocumentError, which names the file."""

    def __init__(self, data: bytes, name: str, draft: Draft) -> None:
        self.name = name
        self._draft = draft
        self._archive = Archive(data, name)
        self._relations: dict[str, dict[str, Relation]] = {}
        self._names = {member.lower().lstrip("/"): member for member in self._archive.names}

    def part(self, path: str) -> bytes | None:
        """The bytes of a part; None where there is none of that name."""
        member = self._names.get(path.lower())
        if member is None:
            return None
        data = self._archive.read(member)
        for strict, transitional in _STRICT:
            if strict in data:
                data = data.replace(strict, (_TRANSITIONAL + transitional).encode())
        refuse_entities(data, self.name)
        return data

    def xml(self, path: str) -> etree._Element | None:
        data = self.part(path)
        return None if data is None else parse(data, self.name, self._draft)

    def relations(self, path: str) -> dict[str, Relation]:
        """The parts of this package that a part (the package itself: "") refers to, by id."""
        if path in self._relations:
            return self._relations[path]
        folder, _, file = path.rpartition("/")
        found: dict[str, Relation] = {}
        root = self.xml(f"{folder}/_rels/{file}.rels".lstrip("/"))
        for one in root.iter(_RELATIONSHIPS) if root is not None else ():
            if one.get("TargetMode", "").lower() != "external":
                target = unquote(one.get("Target", ""))
                inside = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
                found[one.get("Id", "")] = Relation(one.get("Type", "").rpartition("/")[2], inside)
        self._relations[path] = found
        return found

    def related(self, path: str, kind: str) -> str | None:
        """The first part of a kind that `path` refers to."""
        return next((one.target for one in self.relations(path).values() if one.kind == kind), None)

    def main(self, usual: str) -> str:
        """The part that holds the document."""
        found = self.related("", "officeDocument")
        return found if found is not None and found.lower() in self._names else usual

    def properties(self) -> None:
        """Take the core properties over into the draft: its title, its date, facts."""
        path = self.related("", "core-properties") or "docProps/core.xml"
        try:
            root = self.xml(path)
        except DocumentError:
            self._draft.warnings.append("The file's properties (title, author, dates) are damaged and were left out.")
            return
        given = {local(one): " ".join("".join(one.itertext()).split()) for one in root} if root is not None else {}
        facts(self._draft, {_FACTS[key]: value for key, value in given.items() if key in _FACTS and value})


def read_package(
    data: bytes, name: str, source: str, media_type: str, read: Callable[[Package, Draft], object]
) -> Document:
    """The document that `read` makes of a package, with the package's own title, date and facts."""
    draft = Draft()
    package = Package(data, name, draft)
    package.properties()
    try:
        read(package, draft)
    except RecursionError as error:
        raise too_deep(name) from error
    return draft.done(name=name, source=source, media_type=media_type)


def facts(draft: Draft, given: dict[str, str]) -> None:
    """Metadata into the draft; "title", "created" and "modified" count for its title and date."""
    for key in ("created", "modified"):
        day = given.get(key, "")[:10]
        if _is_date(day):
            draft.dated = day
        else:
            given.pop(key, None)
    title = given.get("title", "")
    if 0 < len(title) <= 300 and not _GENERIC.match(title):
        draft.title = title
    draft.metadata.update({key: value[:1000] for key, value in given.items()})


def refuse_entities(data: bytes, name: str) -> None:
    """No writer of documents declares entities; bombs and thieves do."""
    if any("<!ENTITY".encode(code) in data for code in ("utf-8", "utf-16-le", "utf-16-be")):
        raise declares_entities(name)


def parse(data: bytes, name: str, draft: Draft) -> etree._Element:
    """The root of a part. What can be read of broken XML is read, with a warning; raises DocumentError for the rest."""
    try:
        root = etree.fromstring(data, parser(recover=False))
    except (etree.XMLSyntaxError, ValueError, LookupError):
        try:
            root = etree.fromstring(data, parser(recover=True))
        except (etree.XMLSyntaxError, ValueError, LookupError) as error:
            raise damaged(name, error) from error
        if root is None or not len(root):
            raise damaged(name, "its XML is broken") from None
        warn(draft, "The file is damaged: some of its text may be missing.")
    internal = root.getroottree().docinfo.internalDTD
    if internal is not None and any(True for _ in internal.iterentities()):
        raise declares_entities(name)
    return root


def warn(draft: Draft, warning: str) -> None:
    if warning not in draft.warnings:
        draft.warnings.append(warning)


def local(element: etree._Element) -> str:
    """An element's name without its namespace; "" for what is no element."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def understood(element: etree._Element) -> Iterator[etree._Element]:
    """The one of the alternatives in mc:AlternateContent to be read: the first, unless only the fallback has text."""
    choices = [one for one in element if local(one) == "Choice"]
    fallbacks = [one for one in element if local(one) == "Fallback"]
    holds = next((one for one in choices if any(text.strip() for text in one.itertext())), None)
    chosen = holds if holds is not None else next(iter(fallbacks), next(iter(choices), None))
    return iter(chosen if chosen is not None else ())


def _is_date(words: str) -> bool:
    try:
        date.fromisoformat(words)
    except ValueError:
        return False
    return len(words) == 10
