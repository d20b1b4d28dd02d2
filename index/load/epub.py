"""EPUB: the chapters in their reading order, each a web page."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from typing import Any
from urllib.parse import unquote

from lxml import etree

from index.errors import DocumentError
from index.load import html, html_walk
from index.load.archive import Archive
from index.load.draft import Draft, Options
from index.load.refusals import MAX_CHARACTERS, damaged, too_long
from index.load.xml import parser
from index.types import Document

_FONTS = {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}
"""Ways to obfuscate fonts, which hide no text."""
_PAGES = {
    "application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document", "application/xml",
    "text/xml",
}  # fmt: skip
_HEADING = re.compile(rb"<h([1-6])[\s>]", re.IGNORECASE)
_LINKED = 0.5
"""A table of contents holds at least this share of its words in links."""


def read(data: bytes, name: str, source: str, options: Options) -> Document:  # noqa: ARG001
    """Raises DocumentError for what is damaged or protected."""
    archive, draft = Archive(data, name), Draft()
    _refuse_protected(archive, name)
    package_path = _package_path(archive, name)
    package = _xml(archive, package_path, name)
    _facts(package, draft)
    folder = posixpath.dirname(package_path)
    manifest = {one.get("id"): one for one in package.iterfind(".//{*}manifest/{*}item")}
    titles = _titles(archive, manifest, folder, name)
    contents = {_inside(folder, one.get("href")) for one in package.iterfind(".//{*}guide/{*}reference")
                if one.get("type") == "toc"}  # fmt: skip
    paths = _reading_order(package, manifest, folder)
    level, missing = _top_level(archive, paths), 0
    for path in paths:
        try:
            _chapter(draft, archive.read(path), titles.get(path, ""), name, level, path in contents)
        except (KeyError, DocumentError):
            missing += 1
        if len(draft) > MAX_CHARACTERS:
            raise too_long(name)
    if missing and missing == len(paths):
        raise damaged(name, "its chapters are missing")
    if missing:
        draft.warnings.append(f"{missing} of its chapters are missing or damaged")
    return draft.done(name=name, source=source, media_type="application/epub+zip")


def _reading_order(package: Any, manifest: dict[Any, Any], folder: str) -> list[str]:
    """The pages of the book as the spine orders them, else as they are listed; each once, without its nav."""
    items = [manifest.get(one.get("idref")) for one in package.iterfind(".//{*}spine/{*}itemref")]
    paths: dict[str, None] = {}
    for item in items or manifest.values():
        if item is None or "nav" in (item.get("properties") or "").split() or item.get("media-type") not in _PAGES:
            continue
        paths[_inside(folder, item.get("href"))] = None
    return list(paths)


def _top_level(archive: Archive, paths: list[str]) -> int:
    """The level at which most chapters begin; one that has no heading gets its title at this level."""
    tops: Counter[int] = Counter()
    for path in paths:
        try:
            levels = [int(one[1]) for one in _HEADING.finditer(archive.read(path))]
        except (KeyError, DocumentError):
            continue
        if levels:
            tops[min(levels)] += 1
    return max(tops, key=lambda level: (tops[level], -level), default=1)


def _chapter(draft: Draft, data: bytes, title: str, name: str, level: int, contents: bool) -> None:
    tree = html.parsed(html.decoded(data, draft), name, draft)
    if contents and _links(tree):
        return
    if title and next(tree.iter("h1", "h2", "h3", "h4", "h5", "h6"), None) is None:
        draft.heading(title, level)
    html.into(draft, tree, name, whole=True)


def _links(tree: Any) -> bool:
    """Whether a page is mostly links; a table of contents may share its file with the first chapter."""
    linked = sum(html_walk.words(one, set()) for one in tree.iter("a"))
    return linked >= _LINKED * html_walk.words(tree, set())


def _refuse_protected(archive: Archive, name: str) -> None:
    if "META-INF/encryption.xml" not in archive.names and "META-INF/rights.xml" not in archive.names:
        return
    ways = set()
    if "META-INF/encryption.xml" in archive.names:
        tree = _xml(archive, "META-INF/encryption.xml", name)
        ways = {one.get("Algorithm") for one in tree.iterfind(".//{*}EncryptedData/{*}EncryptionMethod")}
    if "META-INF/rights.xml" in archive.names or ways - _FONTS:
        raise DocumentError(f"{name} is protected (DRM)", "Only its shop's own programs open it; get it without.")


def _package_path(archive: Archive, name: str) -> str:
    try:
        container = _xml(archive, "META-INF/container.xml", name)
        found = container.find(".//{*}rootfile")
        if found is not None and found.get("full-path") in archive.names:
            return str(found.get("full-path"))
    except DocumentError:
        pass  # its one use is to name the package
    path = next((one for one in sorted(archive.names) if one.endswith(".opf")), None)
    if path is None:
        raise damaged(name, "it names no contents")
    return path


def _xml(archive: Archive, path: str, name: str) -> Any:
    """Raises DocumentError for a part that is missing or no XML."""
    try:
        tree = etree.fromstring(archive.read(path), parser(recover=True))
    except (KeyError, etree.XMLSyntaxError, ValueError) as error:
        raise damaged(name, f"{path[:80]}: {error}") from error
    if tree is None:
        raise damaged(name, f"{path[:80]} is no XML")
    return tree


def _facts(package: Any, draft: Draft) -> None:
    found: dict[str, list[str]] = {}
    for one in package.iterfind(".//{*}metadata/*"):
        words = " ".join((one.text or "").split())[:500]
        if isinstance(one.tag, str) and words:
            found.setdefault(etree.QName(one).localname, []).append(words)
    draft.title = next(iter(found.get("title", [])), "")
    names = {"creator": "author", "language": "language", "publisher": "publisher", "identifier": "identifier"}
    for key, ours in names.items():
        if key in found:
            draft.metadata[ours] = ", ".join(found[key][:10])
    for said in _dates(package) or found.get("date", []):
        draft.metadata.setdefault("published", said)
        draft.dated = draft.dated or html.date(said)


def _dates(package: Any) -> list[str]:
    """When the book came out, where its dates are told apart (EPUB 2)."""
    dates = package.iterfind(".//{*}metadata/{*}date")
    return [one.text.strip() for one in dates if one.text and _event(one) in ("publication", "original-publication")]


def _event(one: Any) -> str:
    return str(one.get("{http://www.idpf.org/2007/opf}event") or "").lower()


def _titles(archive: Archive, manifest: dict[Any, Any], folder: str, name: str) -> dict[str, str]:
    """What the table of contents calls each file; empty where there is none that can be read."""
    titles: dict[str, str] = {}
    for item in manifest.values():
        nav = "nav" in (item.get("properties") or "").split()
        if not nav and item.get("media-type") != "application/x-dtbncx+xml":
            continue
        path = _inside(folder, item.get("href"))
        try:
            tree = _xml(archive, path, name)
        except DocumentError:
            continue
        base = posixpath.dirname(path)
        links = [(one.get("href"), "".join(one.itertext())) for one in tree.iter("{*}a")] if nav else [
            (one.findtext("{*}content") or _source(one), one.findtext("{*}navLabel/{*}text") or "")
            for one in tree.iter("{*}navPoint")
        ]  # fmt: skip
        for target, words in links:
            if target:
                titles.setdefault(_inside(base, target), " ".join(words.split()))
    return titles


def _source(point: Any) -> str:
    content = point.find("{*}content")
    return "" if content is None else content.get("src") or ""


def _inside(folder: str, target: str | None) -> str:
    """The name of a member; it is looked up, never opened as a path."""
    return posixpath.normpath(posixpath.join("/", folder, unquote((target or "").partition("#")[0]))).lstrip("/")
