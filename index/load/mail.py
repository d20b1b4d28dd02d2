"""Mail: who wrote to whom, the words, and what is attached."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message

from index.errors import DocumentError
from index.load import html
from index.load.draft import Draft, Options
from index.types import Document

MAX_DEPTH = 3
MAX_ATTACHMENTS = 50
_FIELD = re.compile(rb"([!-9;-~]{1,60}):[ \t]?")
_TELLING = {
    b"from", b"to", b"subject", b"date", b"message-id", b"received", b"mime-version", b"return-path", b"delivered-to",
    b"cc", b"reply-to", b"content-type", b"x-mailer",
}  # fmt: skip
_TECHNICAL = {b"message-id", b"received", b"mime-version", b"return-path", b"delivered-to"}
"""Fields that nobody writes at the head of a note."""
_ADDRESS = re.compile(rb"(?:From|FROM):(?:[^\r\n]|\r?\n[ \t]){0,500}?[^\s:]@\S")
_FROM = re.compile(rb"^From:", re.IGNORECASE | re.MULTILINE)
_END = re.compile(rb"(?<=\n)\r?\n")
_HEADER = 65_536
"""Bytes in which a header is looked for; what servers add can be long."""
_WORDLESS = {
    "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature", "text/calendar",
    "application/ics",
}  # fmt: skip
"""Signatures, and appointments that the mail itself tells of."""
_SHOWN = ("From", "To", "Cc", "Date")
_WRAPPED = 60
"""A line at least this long was broken because it was full, when the next one goes on."""
_WIDEST = 100
"""A longer line comes from a program that breaks none: where it ends, its writer ended it."""
_COLUMNS = re.compile(r"^.*\S(?:\t| {3,})\S", re.MULTILINE)
"""Lines set in columns, such as tables."""
_UNPRINTED = re.compile(r"[\0-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
"""Control characters, and marks of direction that make a name look like another."""
_BREAK = re.compile(r"[-*•>]\s|\d{1,3}[.)]\s|--\s*$|\s")


def looks_like(data: bytes) -> bool:
    """Whether bytes begin with the header of a mail."""
    found = set()
    head = data[:_HEADER].removeprefix(codecs.BOM_UTF8)
    if len(data) > _HEADER:
        head = head[: head.rfind(b"\n") + 1]  # a line cut in two tells nothing
    head = _END.split(head, maxsplit=1)[0]
    addressed = any(_ADDRESS.match(head, line.start()) for line in _FROM.finditer(head))
    for number, line in enumerate(head.splitlines()):
        if number == 0 and line.startswith(b"From "):  # as mailboxes begin a mail
            continue
        if not line.strip():
            break
        field = _FIELD.match(line)
        if field:
            found.add(field[1].lower())
        elif line[:1] not in (b" ", b"\t") or number == 0:
            return False
    return len(found & _TELLING) >= 2 and (addressed or bool(found & _TECHNICAL))


def read(data: bytes, name: str, source: str, options: Options) -> Document:
    """Raises DocumentError when there is nothing to read."""
    draft = Draft()
    message = message_from_bytes(data.removeprefix(codecs.BOM_UTF8), policy=policy.default)
    assert isinstance(message, EmailMessage)
    if message.get_content_type() == "multipart/encrypted" or _enveloped(message):
        raise DocumentError(f"{name} is encrypted", "Open it in its mail program, and save it decrypted.")
    draft.title = _header(message, "Subject")
    _facts(message, draft)
    body = _chosen(message)
    if body is not None:
        _body(draft, body, name)
    _attachments(draft, message, body, options)
    return draft.done(name=name, source=source, media_type="message/rfc822")


def _enveloped(message: EmailMessage) -> bool:
    sealed = message.get_content_type() in ("application/pkcs7-mime", "application/x-pkcs7-mime")
    return sealed and "enveloped" in str(message.get_param("smime-type", "")).lower()


def _chosen(message: EmailMessage) -> EmailMessage | None:
    """The part that says it: as plain text, as a page where there is none or an empty one."""
    parts = [part for part in map(message.get_body, (("plain",), ("html",))) if isinstance(part, EmailMessage)]
    return next((part for part in parts if _content(part).strip()), None)


def _header(message: EmailMessage, name: str) -> str:
    """A field's words, decoded; as they stand where they cannot be."""
    try:
        value = message.get(name)
        return " ".join(str(value).split()) if value is not None else ""
    except Exception:  # noqa: BLE001  the parser of headers fails in many ways on what is malformed
        raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
        try:
            return " ".join(str(make_header(decode_header(raw))).split())
        except Exception:  # noqa: BLE001
            return " ".join(str(raw).split())


def _facts(message: EmailMessage, draft: Draft) -> None:
    lines = [(name, _header(message, name)) for name in _SHOWN]
    draft.paragraph("\n".join(f"{name}: {words}" for name, words in lines if words))
    for name, words in (*lines, ("Message-ID", _header(message, "Message-ID"))):
        if words:
            draft.metadata["author" if name == "From" else name.lower().replace("-", "_")] = words[:1000]
    draft.dated = html.date(_header(message, "Date"))


def _body(draft: Draft, part: EmailMessage, name: str) -> None:
    if part.get_content_type() == "text/html":
        text = _decoded(draft, part) if part.get_content_charset() else html.decoded(_content(part), draft)
        html.into(draft, html.parsed(text, name, draft), name, levels=1, whole=True)
        return
    text = _decoded(draft, part)
    flowed = str(part.get_param("format", "")).lower() == "flowed"
    if flowed:
        text = _flowed(text, tight=str(part.get_param("delsp", "")).lower() == "yes")
    for block in re.split(r"\n[ \t]*(?=\n)", text):
        draft.paragraph(block if flowed else _unwrapped(block))


def _flowed(text: str, tight: bool) -> str:
    """Lines that end in a space go on in the next (RFC 3676); `tight` when the space is none of the words."""
    lines, goes_on = list[list[str]](), False
    for line in text.split("\n"):
        quoted = line.startswith(">")
        words = line.removeprefix(" ")
        signature = words == "-- "
        if goes_on and words.strip() and not quoted and not signature:
            lines[-1].append(words)
        else:
            lines.append([words])
        goes_on = words.endswith(" ") and not quoted and not signature and bool(words.strip())
        if goes_on and tight:
            lines[-1][-1] = words[:-1]
    return "\n".join("".join(parts) for parts in lines)


def _decoded(draft: Draft, part: EmailMessage) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return str(part.get_payload())
    charset = part.get_content_charset() or "utf-8"
    encoding = "" if charset in ("ascii", "us-ascii") else html.codec(charset)
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = _mended(data, charset, draft)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _mended(data: bytes, charset: str, draft: Draft) -> str:
    """Mostly UTF-8 with bytes that are damaged, else what old programs write whatever they declare."""
    text = data.decode("utf-8", "replace")
    lost = text.count("\ufffd")
    if sum(one > "\x7f" for one in text) > 2 * lost:
        draft.warnings.append(f"{lost} of its characters are damaged, and were left out as \ufffd")
        return text
    draft.warnings.append(f"its text does not fit its encoding ({charset[:40]}); read as Windows-1252")
    return data.decode("cp1252", "replace")


def _unwrapped(block: str) -> str:
    """A paragraph, each wrapped line joined to the one before; lists, quotations and addresses keep their lines."""
    if len(_COLUMNS.findall(block)) > 1:
        return block
    words, before, signed = list[str](), "", False
    for line in block.split("\n"):
        signed = signed or line.rstrip() == "--"
        full = len(before) <= _WIDEST and len(before) + 1 + len(line.split(" ", 1)[0]) > _WRAPPED
        apart = signed or _BREAK.match(line) or before.startswith(">")
        joined = before and line.strip() and full and not apart
        words += [" " if joined else "\n", line.strip() if joined else line.rstrip()]
        before = line
    return "".join(words[1:])


def _attachments(draft: Draft, message: EmailMessage, body: EmailMessage | None, options: Options) -> None:
    from index.load import read_attachment

    parts = list(_leaves(message))
    count = 0
    for part, alternative in parts:
        file_name = _file_name(part)
        attached = part.get_content_disposition() == "attachment" or file_name
        kind = part.get_content_type()
        if part is body or kind in _WORDLESS:
            continue
        if not (attached or kind == "message/rfc822"):
            if kind in ("text/plain", "text/html") and not alternative:
                _body(draft, part, "a part of the mail")
            continue
        if part.get_content_maintype() == "image" and _within_text(part):
            continue
        shown = _shown(file_name) or f"{kind.partition('/')[2]}.bin"
        count += 1
        if count > MAX_ATTACHMENTS or options.depth >= MAX_DEPTH:
            draft.warnings.append(f"attachment {shown[:100]} was not read: there are too many, or it lies too deep")
            break
        try:
            document = read_attachment(_content(part), shown, replace(options, depth=options.depth + 1))
        except DocumentError as error:
            draft.warnings.append(f"attachment {shown[:100]} was not read: {error.message[:200]}")
            continue
        draft.heading(f"Attachment: {shown}", 1)
        draft.document(document)


def _within_text(part: EmailMessage) -> bool:
    """Whether a picture belongs to a page of the mail, such as a logo."""
    disposition = part.get_content_disposition()
    return disposition == "inline" or (disposition is None and part.get("Content-ID") is not None)


def _shown(name: str) -> str:
    """The last part of a file's name, without what cannot be seen."""
    return " ".join(re.split(r"[/\\]", _UNPRINTED.sub(" ", name))[-1].split())


def _file_name(part: EmailMessage) -> str:
    """What the part is called; a mail inside by its subject, where nothing else is said."""
    try:
        name = part.get_filename() or ""
    except (ValueError, LookupError, TypeError, AttributeError):  # the parser of headers fails in many ways
        name = ""
    if not name and part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        subject = _header(inner[0], "Subject") if isinstance(inner, list) and isinstance(inner[0], EmailMessage) else ""
        name = f"{subject[:80] or 'mail'}.eml"
    return name


def _leaves(message: EmailMessage) -> Iterator[tuple[EmailMessage, bool]]:
    """The parts that hold something, and whether others say the same; a mail inside is one, and not looked into."""
    waiting = [(message, False)]
    while waiting:
        part, alternative = waiting.pop()
        if part.get_content_maintype() == "multipart":
            kind = part.get_content_subtype()
            alternative = alternative or kind == "alternative"
            inner = [one for one in part.iter_parts() if isinstance(one, EmailMessage)]
            # of related parts the first is the page, the others what it shows, such as frames
            parts = [(one, alternative or (kind == "related" and number > 0)) for number, one in enumerate(inner)]
            waiting += reversed(parts)
        else:
            yield part, alternative


def _content(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        return inner[0].as_bytes() if isinstance(inner, list) and isinstance(inner[0], Message) else b""
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""
