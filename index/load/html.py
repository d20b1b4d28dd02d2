"""Web pages as a reader sees them: headings, paragraphs, lists, tables; without navigation, scripts and the like."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from index.load import html_walk
from index.load.draft import Draft, Options
from index.load.refusals import damaged
from index.types import Document

_HEAD = 4096
"""Bytes in which an encoding is declared."""
_DECLARED = re.compile(rb"""(?:charset\s*=\s*|encoding\s*=\s*)["']?\s*([\w.:-]+)""", re.IGNORECASE)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_STANDARD = {
    "latin1": "cp1252", "latin-1": "cp1252", "iso-8859-1": "cp1252", "iso8859-1": "cp1252", "ascii": "cp1252",
    "us-ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "iso-8859-9": "cp1254", "tis-620": "cp874",
    "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "shift_jis": "cp932", "utf-16": "utf-8", "utf-16le": "utf-8",
    "utf-16be": "utf-8", "x-sjis": "cp932", "unicode": "utf-8",
}  # fmt: skip
"""What these names mean on the web, by the WHATWG's Encoding Standard."""
_START = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body)[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_NAMES = {
    "author": "author", "article:author": "author", "dc.creator": "author", "description": "description",
    "og:description": "description", "keywords": "keywords", "article:published_time": "published",
    "dc.date": "published", "date": "published", "dcterms.date": "published", "citation_publication_date": "published",
    "article:modified_time": "modified", "last-modified": "modified", "og:site_name": "site",
}  # fmt: skip
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_LOST = 0.2
"""If less than this share of a page's words is left, what was taken for boilerplate was not."""
_MAIN = 0.4
"""A main part holds at least this share of the words."""


def looks_like(data: bytes) -> bool:
    """Whether bytes begin as a web page does."""
    head = data[:_HEAD]
    encoding = next((name for mark, name in _BOMS if head.startswith(mark)), "latin-1")
    return bool(_START.match(head.decode(encoding, "ignore").lstrip("\ufeff\xef\xbb\xbf")))


def read(data: bytes, name: str, source: str, options: Options) -> Document:  # noqa: ARG001
    """Raises DocumentError when there is nothing to read."""
    draft = Draft()
    tree = parsed(decoded(data, draft), name)
    _facts(tree, draft)
    into(draft, tree, name)
    return draft.done(name=name, source=source, media_type="text/html")


def decoded(data: bytes, draft: Draft) -> str:
    """The text of a page in the encoding that it declares; what does not fit is told as a warning."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    declared = _DECLARED.search(data[:_HEAD])
    label = declared[1].decode("ascii").lower() if declared else ""
    try:
        encoding = codecs.lookup(_STANDARD.get(label, label)).name if label else ""
    except LookupError:
        encoding = ""
    if not encoding:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            draft.warnings.append("no encoding is declared; read as Windows-1252, as browsers do")
            encoding = "cp1252"
    text = data.decode(encoding, "replace")
    lost = text.count("\ufffd") - data.count("\ufffd".encode())
    if lost > 0:
        draft.warnings.append(f"{lost} bytes are no {encoding} and were left out as \ufffd")
    return text


def parsed(text: str, name: str) -> Any:
    """The tree of a page. Nothing is fetched, no entity is read from elsewhere. Raises DocumentError."""
    text = re.sub(r"^\s*<\?xml[^>]*>", "", text.replace("\0", ""), count=1)
    parser = lxml_html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=True, remove_pis=True)
    try:
        tree = lxml_html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise damaged(name, error) from error
    return tree


def into(draft: Draft, tree: Any, name: str, levels: int = 0, whole: bool = False) -> None:
    """Put the text of a page into a draft, its headings `levels` deeper; with `whole` nothing is boilerplate."""
    body = tree.find(".//body")
    body = tree if body is None else body
    loose = html_walk.unseen(body)
    if whole:
        html_walk.put(draft, body, loose, name, levels)
        return
    strict = loose | html_walk.boilerplate(body)
    every, kept = html_walk.words(body, loose), html_walk.words(body, strict)
    if kept < _LOST * every:
        strict, kept = loose, every
    html_walk.put(draft, _main(body, strict, kept), strict, name, levels)


def _main(body: Any, skipped: set[Any], words: int) -> Any:
    """The part that holds what the page is about, else all of it."""
    for path in (".//main", ".//*[@role='main']", ".//article"):
        found = [one for one in body.iterfind(path) if one not in skipped]
        if len(found) == 1 and html_walk.words(found[0], skipped) >= _MAIN * words:
            return found[0]
    return body


def _facts(tree: Any, draft: Draft) -> None:
    """The title, and what the page says of itself."""
    title = " ".join((tree.findtext(".//head/title") or tree.findtext(".//title") or "").split())
    first = tree.find(".//h1")
    heading = "" if first is None else " ".join(first.text_content().split())
    draft.title = heading if heading and heading.casefold() in title.casefold() else title or heading
    for meta in tree.iterfind(".//meta"):
        key = _NAMES.get((meta.get("name") or meta.get("property") or "").lower())
        content = " ".join((meta.get("content") or "").split())[:1000]
        if key and content:
            draft.metadata.setdefault(key, content)
    language = (tree.get("lang") or "").strip()[:35]
    canonical = next((link.get("href") for link in tree.iterfind(".//link[@rel='canonical']") if link.get("href")), "")
    draft.metadata |= {key: value for key, value in {"language": language, "url": canonical[:1000]}.items() if value}
    if "published" not in draft.metadata and (published := _published(tree)):
        draft.metadata["published"] = published
    draft.dated = date(draft.metadata.get("published")) or date(draft.metadata.get("modified"))


def _published(tree: Any) -> str:
    """From the page's JSON-LD, or the first time that it marks in an article."""
    for script in tree.iterfind(".//script[@type='application/ld+json']"):
        try:
            found = _in_json(json.loads(script.text or ""))
        except (ValueError, RecursionError):
            continue
        if found:
            return found
    return next((one.get("datetime") for one in tree.iterfind(".//article//time[@datetime]")), "") or ""


def _in_json(value: object) -> str:
    rows: Iterable[object] = value if isinstance(value, list) else [value]
    for row in rows:
        if isinstance(row, Mapping):
            inner = row.get("@graph")
            found = row.get("datePublished") or (_in_json(inner) if isinstance(inner, list) else "")
            if isinstance(found, str) and found:
                return found
    return ""


def date(said: object) -> str:
    """YYYY-MM-DD from the beginning of what is said, if that is a day there is; else empty."""
    from datetime import date as day

    found = _DATE.match(str(said or "").strip())
    try:
        return day(*map(int, found.groups())).isoformat() if found else ""
    except ValueError:
        return ""
