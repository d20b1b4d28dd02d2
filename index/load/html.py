"""Web pages as a reader sees them: headings, paragraphs, lists, tables; without navigation, scripts and the like."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Mapping
from datetime import date as day
from email.utils import parsedate_to_datetime
from html import escape
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from index.load import html_walk
from index.load.draft import Draft, Options
from index.load.refusals import damaged
from index.types import Document

_HEAD = 4096
"""Bytes in which a page is known, and its encoding declared (browsers look into 1,024; some pages begin with more)."""
_XML_ENCODING = re.compile(rb"""\s*<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([\w.:-]+)""")
_META = re.compile(rb"<!--.*?(?:-->|$)|<(script|style|title)\b.*?(?:</\1|$)|<meta\b([^>]*)>", re.IGNORECASE | re.DOTALL)
"""The tags that declare an encoding, and what must not be mistaken for one."""
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_INTERNAL = re.compile(r"(\s*<!doctype[^<>\[]{0,1000})\[.*?\]\s*>", re.IGNORECASE | re.DOTALL)
"""A document type with declarations of its own, which an HTML parser takes for text."""
_XHTML = "http://www.w3.org/1999/xhtml"
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_STANDARD = {
    "latin1": "cp1252", "latin-1": "cp1252", "iso-8859-1": "cp1252", "iso8859-1": "cp1252", "ascii": "cp1252",
    "us-ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "iso-8859-9": "cp1254", "tis-620": "cp874",
    "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "shift_jis": "cp932", "utf-16": "utf-8", "utf-16le": "utf-8",
    "utf-16be": "utf-8", "x-sjis": "cp932", "unicode": "utf-8",
}  # fmt: skip
"""What these names mean on the web, by the WHATWG's Encoding Standard."""
_NO_ENCODINGS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7"}
"""Python's codecs that no page is written in."""
_START = re.compile(r"<(?:!doctype\s+html|html|head|body)[\s>]", re.IGNORECASE)
_DECLARATION = re.compile(r"<\?xml[^>]{0,200}>\s*", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/<>]*+)[^<>]*+>")
_VOID = set("area base br col embed hr img input link meta param source track wbr".split())
_INLINE = set("a abbr b cite code em font i mark q s small span strong sub sup u".split())
_HOLDING = {"script", "style", "template", "title", "textarea", "svg", "math"}
_DEEPEST = 500
"""Levels to which a page is flattened when it is nested deeper than libxml2 reads (2,048)."""
_NAMES = {
    "author": "author", "article:author": "author", "dc.creator": "author", "description": "description",
    "og:description": "description", "keywords": "keywords", "article:published_time": "published",
    "dc.date": "published", "date": "published", "dcterms.date": "published", "citation_publication_date": "published",
    "dc.date.issued": "published", "article:modified_time": "modified", "last-modified": "modified",
    "og:site_name": "site",
}  # fmt: skip
_DATE = re.compile(r"(\d{4})(-?)(\d{2})\2(\d{2})(?!\d)")
_LOST = 0.2
"""If less than this share of a page's words is left, what was taken for boilerplate was not."""
_MAIN = 0.4
"""A main part holds at least this share of the words."""


def looks_like(data: bytes) -> bool:
    """Whether bytes begin as a web page does."""
    head = data[:_HEAD]
    encoding = next((name for mark, name in _BOMS if head.startswith(mark)), "latin-1")
    text = head.decode(encoding, "ignore").lstrip("\ufeff\xef\xbb\xbf \t\r\n\f")
    declaration = _DECLARATION.match(text)
    start = declaration.end() if declaration else 0
    while text.startswith("<!--", start):
        end = text.find("-->", start + 4)
        if end < 0:
            return False
        start = len(text) - len(text[end + 3 :].lstrip())
    return bool(_START.match(text, start))


def read(data: bytes, name: str, source: str, options: Options) -> Document:  # noqa: ARG001
    """Raises DocumentError when there is nothing to read."""
    draft = Draft()
    tree = parsed(decoded(data, draft), name, draft)
    _facts(tree, draft)
    into(draft, tree, name)
    return draft.done(name=name, source=source, media_type="text/html")


def decoded(data: bytes, draft: Draft) -> str:
    """The text of a page in the encoding that it declares; what does not fit is told as a warning."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _replaced(data[len(mark) :], encoding, draft)
    encoding = codec(_declared(data[:_HEAD]))
    if not encoding:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            draft.warnings.append("no encoding is declared; read as Windows-1252, as browsers do")
            encoding = "cp1252"
    return _replaced(data, encoding, draft)


def _declared(head: bytes) -> str:
    """The encoding that a page names in its XML declaration or in a meta tag; no other mention of one counts."""
    found = _XML_ENCODING.match(head)
    for tag in () if found else _META.finditer(head):
        found = _CHARSET.search(tag[2] or b"")
        if found:
            break
    return found[1].decode("ascii", "replace") if found else ""


def _replaced(data: bytes, encoding: str, draft: Draft) -> str:
    text = data.decode(encoding, "replace")
    lost = text.count("\ufffd") - data.count("\ufffd".encode(encoding, "ignore") or b"\xef\xbf\xbd")
    if lost > 0:
        draft.warnings.append(f"{lost} bytes are no {encoding} and were left out as \ufffd")
    return text


def codec(label: str) -> str:
    """Python's name for an encoding as the web and mails call it; empty for what is none."""
    label = label.strip().lower()
    try:
        found = codecs.lookup(_STANDARD.get(label, label)).name
        b"x".decode(found, "replace")
    except (LookupError, ValueError):
        return ""
    return "" if found in _NO_ENCODINGS else found


def parsed(text: str, name: str, draft: Draft) -> Any:
    """The tree of a page. Nothing is fetched, no entity is read from elsewhere. Raises DocumentError.

    What is nested deeper than libxml2 reads is flattened, which is told as a warning.
    """
    text = re.sub(r"^\s*<\?xml[^>]*>", "", text.replace("\0", ""), count=1)
    internal = _INTERNAL.match(text)
    if internal:
        text = f"{internal[1]}>{text[internal.end() :]}"
    if _XHTML in text[:_HEAD]:  # an HTML parser takes such a section for a comment
        text = _without_sections(text)
    tree, cut = _tree(text, name)
    if cut:
        draft.warnings.append("it is nested too deeply: its inner parts were read without their structure")
        tree, cut = _tree(_flattened(text), name)
        if cut:
            draft.warnings.append("it is nested too deeply to be read to its end")
    return tree


def _without_sections(text: str) -> str:
    """The text with its CDATA sections as plain, escaped text."""
    parts, *sections = text.split("<![CDATA[")
    words = [parts]
    for section in sections:
        inside, closed, after = section.partition("]]>")
        words += [escape(inside, quote=False), after] if closed else ["<![CDATA[", section]
    return "".join(words)


def _tree(text: str, name: str) -> tuple[Any, bool]:
    """The tree, and whether the parser gave up before the end."""
    parser = lxml_html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=True, remove_pis=True)
    try:
        tree = lxml_html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise damaged(name, error) from error
    limits = (etree.ErrorTypes.ERR_RESOURCE_LIMIT, etree.ErrorTypes.ERR_NAME_TOO_LONG)
    return tree, any(one.type in limits for one in parser.error_log)


def _flattened(text: str) -> str:
    """The page without the tags that lie too deep; where one of them stood is a space, but not within words."""
    depth = 0

    def kept(tag: re.Match[str]) -> str:
        nonlocal depth
        name = tag[2].lower()
        if name in _VOID or name in _HOLDING:
            return tag[0]
        depth = max(0, depth + (-1 if tag[1] else 1))
        if depth + bool(tag[1]) <= _DEEPEST:
            return tag[0]
        return "" if name in _INLINE else " "

    return _TAG.sub(kept, text)


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
    outside = (one for one in tree.iter("title") if next(one.iterancestors("svg"), None) is None)
    title = " ".join(next((one.text_content() for one in outside), "").split())
    first = tree.find(".//h1")
    heading = "" if first is None else " ".join(first.text_content().split()).rstrip(" ¶🔗")
    draft.title = _titled(title, heading)
    for meta in tree.iterfind(".//meta"):
        key = _NAMES.get((meta.get("name") or meta.get("property") or meta.get("http-equiv") or "").lower())
        content = " ".join((meta.get("content") or "").split())[:1000]
        address = key == "author" and content.startswith(("http://", "https://"))
        if key and content and not address:
            draft.metadata.setdefault(key, content)
    language = (tree.get("lang") or tree.get("xml:lang") or "").strip()[:35]
    canonical = next((link.get("href") for link in tree.iterfind(".//link[@rel='canonical']") if link.get("href")), "")
    draft.metadata |= {key: value for key, value in {"language": language, "url": canonical[:1000]}.items() if value}
    if "published" not in draft.metadata and (published := _published(tree)):
        draft.metadata["published"] = published
    draft.dated = date(draft.metadata.get("published")) or date(draft.metadata.get("modified"))


def _titled(title: str, heading: str) -> str:
    """The heading where the title begins with it and adds the site's name; without the site's name where that is it."""
    if heading and title.casefold().startswith(heading.casefold()):
        return heading
    alone = title[: -len(heading)].rstrip() if heading and title.casefold().endswith(heading.casefold()) else ""
    return alone[:-1].rstrip() if alone.endswith(tuple("-–—|·:»")) and alone[:-1].strip() else title or heading


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
    """YYYY-MM-DD from the beginning of what is said, or from a date as in mails, if that is a day there is."""
    words = str(said or "").strip()
    found = _DATE.match(words)
    try:
        if found:
            return day(int(found[1]), int(found[3]), int(found[4])).isoformat()
        return parsedate_to_datetime(words).date().isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""
