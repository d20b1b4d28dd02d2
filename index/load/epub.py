"""EPUB: the chapters in their reading order, each a web page."""

from __future__ import annotations

import posixpath
from typing import Any
from urllib.parse import unquote

from lxml import etree

from index.errors import DocumentError
from index.load import html
from index.load.archive import Archive
from index.load.draft import Draft, Options
from index.load.refusals import MAX_CHARACTERS, damaged, too_long
from index.types import Document

_FONTS = {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}
"""Ways to obfuscate fonts, which hide no text."""
_PAGES = {"application/xhtml+xml", "text/html", "application/x-dtbook+xml"}
_ROLES = {"cover", "toc", "title-page"}


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
    skipped = {_inside(folder, one.get("href")) for one in package.iterfind(".//{*}guide/{*}reference")
               if one.get("type") in _ROLES}  # fmt: skip
    missing = 0
    for reference in package.iterfind(".//{*}spine/{*}itemref"):
        item = manifest.get(reference.get("idref"))
        if item is None or "nav" in (item.get("properties") or "").split() or item.get("media-type") not in _PAGES:
            continue
        path = _inside(folder, item.get("href"))
        if path in skipped and path.endswith(("toc.xhtml", "toc.html", "nav.xhtml")):
            continue
        try:
            _chapter(draft, archive.read(path), titles.get(path, ""), name)
        except (KeyError, DocumentError):
            missing += 1
        if len(draft) > MAX_CHARACTERS:
            raise too_long(name)
    if missing:
        draft.warnings.append(f"{missing} of its chapters are missing or damaged")
    return draft.done(name=name, source=source, media_type="application/epub+zip")


def _chapter(draft: Draft, data: bytes, title: str, name: str) -> None:
    tree = html.parsed(html.decoded(data, draft), name, draft)
    if title and not any(tree.find(f".//h{level}") is not None for level in range(1, 7)):
        draft.heading(title, 1)
    html.into(draft, tree, name, whole=True)


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
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    try:
        tree = etree.fromstring(archive.read(path), parser)
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
    for said in found.get("date", []):
        draft.metadata.setdefault("published", said)
        draft.dated = draft.dated or html.date(said)


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
    return posixpath.normpath(posixpath.join(folder, unquote((target or "").partition("#")[0])))
