"""The walk through one message: its parts, what each says, and the marks that they set.

    headers, body | read_part | passages; marks, attachments and files in Walk

Mail comes from strangers, so the walker is our own: it splits bodies by boundary with `bytes.find`, knows how deep it
is, how many parts it has seen and how long it has worked, and stops early with the mark "truncated".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Literal

from connectors.base import Mark
from connectors.mail import cms, hands_off
from connectors.mail.address_fields import addresses
from connectors.mail.attached_files import (
    BODY_TYPES,
    DAMAGED,
    ONLY_ITS_BEGINNING,
    AttachedFile,
    NotRead,
    rank_inside,
    rank_of,
    shown_name,
)
from connectors.mail.charsets import decode_bytes
from connectors.mail.content_type import Content, content_of_part, file_name
from connectors.mail.headers import Headers, one_line, split_headers
from connectors.mail.html import html_to_text
from connectors.mail.multiparts import guess_boundary, split
from connectors.mail.tnef import read_tnef
from connectors.mail.transfer_encoding import Encoding, InText, decode, encoding_of, without_files

MOST_ATTACHMENTS = 30
LONGEST_SUBJECT = 500
LONGEST_STUB = 600
"""Letters of a plain text that is measured against its HTML; a longer one is the mail."""
UNSEEN_TYPES = {
    "message/delivery-status",
    "message/global-delivery-status",
    "message/disposition-notification",
    "message/global-disposition-notification",
    "message/feedback-report",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "text/x-amp-html",
}
SPARE_TYPES = ("text/plain", "text/html", "text/calendar")
"""What is attached in these is read as the body where the mail has no other."""
# What a short plain text says beside an HTML that is no longer than it. Where the HTML is, no words are needed.
_NOT_SHOWN_HERE = re.compile(
    r"(?:html[- ]|does not (?:display|support)|doesn't (?:display|support)"
    r"|view (?:this|it|the) (?:e-?mail|message|newsletter)|in (?:your|a) (?:web ?)?browser"
    r"|html-?(?:format|fähig|ansicht)|im browser|version en ligne|versione online|versión en línea"
    r"|navegador|navigateur|online bekijken|w przeglądarce)",
    re.IGNORECASE,
)
_META_CHARSET = re.compile(rb"charset\s{0,3}=\s{0,3}[\"']?([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_COMMENT = re.compile(r"\A\s{0,100}<!--.{0,2000}?-->", re.DOTALL)
_HTML_BEGINS = re.compile(
    r"<(?:!doctype\s{1,5}html|\?xml[^>]{0,200}>\s{0,10}<(?:!doctype|html)"
    r"|(?P<tag>html|head|body|table|div|p|center|font|span|style|h[1-6]|b|strong|ul|ol|section)(?=[\s>]))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Limits:
    """What one message may cost. Beyond it the rest is ignored and the message is marked "truncated"."""

    depth: int = 110
    parts: int = 200
    raw_bytes: int = 1 << 20
    text_characters: int = 20_000
    seconds: float = 5.0
    """Looked at between parts; one part of `raw_bytes` takes a second or two at the very worst."""


@dataclass(frozen=True)
class Passage:
    """The text of one part, rendered only if asked: a part that loses against its alternative costs nothing."""

    kind: Literal["plain", "html", "calendar", "forwarded", "spare"]
    source: str
    is_html: bool = False
    forwarded: bool = False
    is_first: bool = False
    subject: str = ""
    """What `html_to_text` wants to know; set before the text is asked for."""

    @cached_property
    def text(self) -> str:
        """As a person sees it."""
        if not self.is_html:
            return self.source
        return html_to_text(self.source, self.forwarded, self.is_first, self.subject)


@dataclass
class Walk:
    """What the walk through one message has seen so far."""

    limits: Limits
    ends_at: float
    clock: Callable[[], float]
    parts: int = 0
    marks: set[Mark] = field(default_factory=set)
    attachments: list[str] = field(default_factory=list)
    files: list[AttachedFile] = field(default_factory=list)
    """What may be read of them, by `connectors.mail.attached_files`."""
    is_whole: bool = True
    """Is the part that is read here all there?"""

    def may_go_on(self, depth: int) -> bool:
        if depth > self.limits.depth or self.parts >= self.limits.parts or self.clock() > self.ends_at:
            self.marks.add("truncated")
            return False
        self.parts += 1
        return True

    def attach(self, name: str, kind: str) -> None:
        if len(self.attachments) < MOST_ATTACHMENTS:
            self.attachments.append(f"{name} ({one_line(kind, 80)})")


def read_part(headers: Headers, body: bytes, walk: Walk, depth: int, default: str = "text/plain") -> list[Passage]:
    """The passages of one part and all that is in it; marks and attachments go into `walk`."""
    if not walk.may_go_on(depth):
        return []
    content = content_of_part(headers, body, default)
    kind = content.kind
    if kind == "multipart/signed":
        walk.marks.add("signed")
    if kind.startswith("multipart/"):
        return _read_multipart(content, headers, body, walk, depth)
    if kind in ("message/rfc822", "message/global"):
        return _read_forwarded(headers, body, walk, depth)
    if kind in ("message/delivery-status", "message/global-delivery-status"):
        walk.marks.add("bounce")
    if kind in UNSEEN_TYPES:
        return []
    if kind == "text/plain" and depth == 0 and _is_bare_multipart(body):
        return _read_multipart(Content("multipart/mixed"), headers, body, walk, depth)
    return _read_leaf(content, headers, body, walk, depth)


def _is_bare_multipart(body: bytes) -> bool:
    """Parts below a header that does not announce them: the field was lost on the way."""
    start = body[:400].lstrip(b"\n")
    is_mime = start.startswith((b"--", b"This is a multi-part message in MIME format"))
    return is_mime and guess_boundary(body[:2_000]) is not None


def _read_multipart(content: Content, headers: Headers, body: bytes, walk: Walk, depth: int) -> list[Passage]:
    kind = content.kind
    if kind == "multipart/encrypted":
        walk.marks.add("encrypted")
    if kind == "multipart/report":
        report = content.get("report-type").lower()
        walk.marks.add("bounce" if report == "delivery-status" else "automatic")  # or receipts, complaints
    default = "message/rfc822" if kind == "multipart/digest" else "text/plain"
    boundary = content.get("boundary").rstrip().encode("utf-8", "replace")
    encoding = encoding_of(headers.text("content-transfer-encoding", 200))
    if encoding != "none" and b"--" + boundary not in body:  # not allowed (RFC 2045 section 6.4), but sent
        body = decode(encoding, body).replace(b"\r\n", b"\n")
    children: list[list[Passage]] = []
    is_whole = walk.is_whole
    for part in split(body, boundary, walk.limits.parts):
        inner, rest = split_headers(part.content)
        walk.is_whole = part.ends or (is_whole and depth > 0)
        children.append(read_part(inner, rest, walk, depth + 1, default))
    walk.is_whole = is_whole
    if kind == "multipart/alternative":
        return _best_of(children)
    return [passage for child in children for passage in child]


def _best_of(alternatives: list[list[Passage]]) -> list[Passage]:
    """Plain text, unless it is empty or only says where the real text is; else the last (richest) form with text."""
    calendar = [passage for child in alternatives for passage in child if passage.kind == "calendar"]
    texts = [[passage for passage in child if passage.kind != "calendar"] for child in alternatives]
    html = next((one for child in reversed(texts) for one in child if one.kind == "html"), None)
    for child in texts:
        plain = " ".join(passage.source for passage in child if passage.kind == "plain")
        if plain.strip() and not (html and _is_stub(plain, html)):
            return child + calendar
    richest = next((child for child in reversed(texts) if any(passage.source.strip() for passage in child)), [])
    return richest + calendar


def _is_stub(plain: str, html: Passage) -> bool:
    """Does the plain text only say where the real one is, in whatever language?

    Then the HTML shows several times as much, or something else: most of its words are not there.
    """
    words = " ".join(word for word in plain[:4_000].split() if "://" not in word)
    letters = sum(map(str.isalnum, words))
    if letters > LONGEST_STUB or len(plain) > 4_000:
        return False
    shown = html.text[:20_000].casefold()
    there = sum(map(str.isalnum, shown))
    if not there or not letters:
        return there > 0
    if letters < 250 and (there > 4 * letters or _NOT_SHOWN_HERE.search(words)):
        return True
    known = re.findall(r"\w{4,40}", words.casefold())
    return there > 2 * letters and sum(word not in shown for word in known) * 2 > len(known)


def _read_forwarded(outer: Headers, body: bytes, walk: Walk, depth: int) -> list[Passage]:
    """A whole message inside: who wrote it, what about, and its text. Its attachments count as this message's."""
    encoding = encoding_of(outer.text("content-transfer-encoding", 200))
    headers, content = split_headers(decode(encoding, body).replace(b"\r\n", b"\n").lstrip(b"\n"))
    subject = headers.text("subject", LONGEST_SUBJECT)
    if name := file_name(outer):
        walk.attach(name, "message/rfc822")
    heading = [f"From: {addresses(headers, 'from', 'sender')}", f"Subject: {subject}"]
    marks = set(walk.marks)
    passages = read_part(headers, content, walk, depth + 1)
    walk.marks = marks | (walk.marks & {"truncated", "bounce"})  # that one was signed, not this one
    return [Passage("forwarded", "\n".join(line for line in heading if not line.endswith(": "))), *passages]


def _read_leaf(content: Content, headers: Headers, body: bytes, walk: Walk, depth: int) -> list[Passage]:
    kind, name = content.kind, file_name(headers)
    encoding = encoding_of(headers.text("content-transfer-encoding", 200))
    begins = decode(encoding, body[: 4 * hands_off.FIRST_BYTES])
    if (rank := rank_of(kind, headers, begins)) is not None:
        is_spare = kind in SPARE_TYPES
        lacking = "" if walk.is_whole else ONLY_ITS_BEGINNING
        read = partial(_bytes_of, encoding, body)
        walk.files.append(AttachedFile(name, rank, read, len(body), lacking, is_spare))
    match hands_off.substance_of(kind, name, begins):
        case "rights" | "pgp":
            walk.marks.add("encrypted")
            if kind != "application/pgp-encrypted" and name:
                walk.attach(name, kind)
            return []
        case "signature":
            if kind not in ("application/pgp-signature",):
                walk.marks.add("signed")
            return []
        case "smime":
            return _read_smime(content, name, decode(encoding, body), walk, depth)
        case "tnef":
            return _read_tnef(name, kind, decode(encoding, body), walk)
        case "calendar":
            return _read_calendar(content, headers, body, walk)
    return _read_text_or_file(kind, name, headers, body, walk)


def _bytes_of(encoding: Encoding, body: bytes) -> bytes:
    """Raises NotRead for what is no text and was sent as if it were: the ends of its lines are not what they were."""
    if encoding == "none" and b"\0" in body:
        raise NotRead(DAMAGED)
    return decode(encoding, body)


def _read_smime(content: Content, name: str, data: bytes, walk: Walk, depth: int) -> list[Passage]:
    """Signed around a part (RFC 8551 section 3.5.2): that part is read. An invoice that is signed stays a file."""
    mark = hands_off.smime_mark(content.get("smime-type"), name, data)
    inside = cms.content_of(data) if mark == "signed" else b""
    headers, rest = split_headers(inside.replace(b"\r\n", b"\n").lstrip(b"\n"))
    if headers.raw("content-type") or headers.raw("mime-version"):
        walk.marks.add(mark)
        return read_part(headers, rest, walk, depth + 1)
    if mark == "encrypted" or content.kind.endswith("pkcs7-mime"):
        walk.marks.add(mark)
    if name and not name.lower().startswith("smime.p7"):
        walk.attach(name, content.kind)
    return []


def _read_tnef(name: str, kind: str, data: bytes, walk: Walk) -> list[Passage]:
    """The mail in a "winmail.dat": its text is read if there is no other."""
    found = read_tnef(data)
    if found is None:
        walk.attach(name or "unnamed", kind)
        return []
    if hands_off.meets(found.message_class):
        walk.marks.add("calendar")
    if "smime" in found.message_class and "multipartsigned" not in found.message_class:
        walk.marks.add("encrypted")
    if found.message_class.startswith("report.") and found.message_class.endswith(".ndr"):
        walk.marks.add("bounce")
    for file in found.named:
        walk.attach(shown_name(file.name), "application/octet-stream")
    return [Passage("spare", found.body.text, found.body.is_html)] if found.body.text.strip() else []


def _read_calendar(content: Content, headers: Headers, body: bytes, walk: Walk) -> list[Passage]:
    event = hands_off.read_calendar(_decoded_text(headers, body), content.get("method"))
    if event.is_invitation:
        walk.marks.add("calendar")
    name = file_name(headers)
    if name and headers.parameters("content-disposition").value == "attachment":
        walk.attach(name, content.kind)
    return [Passage("calendar", event.words)]


def _read_text_or_file(kind: str, name: str, headers: Headers, body: bytes, walk: Walk) -> list[Passage]:
    attached = headers.parameters("content-disposition").value == "attachment"
    if kind in BODY_TYPES and not attached and not _is_binary(headers, body):
        text = _decoded_text(headers, body)
        if kind != "text/plain":
            return [Passage("html", text, is_html=True)]
        if _is_html(text):
            return [Passage("html", text, is_html=True)]
        unpacked = without_files(text)
        for file in unpacked.files:
            walk.attach(shown_name(file.name), "application/octet-stream")
            walk.files += _in_text(file)
        return [Passage("plain", unpacked.text)]
    # Pictures that the HTML shows (logos, pixels) are not what people mean by an attachment.
    if not (kind.startswith("image/") and not attached and headers.raw("content-id")):
        walk.attach(name or "unnamed", kind)
    # A body that the sender attached as a file is better than none.
    if kind in ("text/plain", "text/html"):
        text = _decoded_text(headers, body)
        return [Passage("spare", text, is_html=kind == "text/html" or _is_html(text))]
    return []


def _in_text(file: InText) -> list[AttachedFile]:
    def read() -> bytes:
        if not (data := file.data):
            raise NotRead(ONLY_ITS_BEGINNING)
        return data

    rank = rank_inside(file.name, b"")
    return [] if rank is None else [AttachedFile(file.name, rank, read, len(file.lines))]


def _is_binary(headers: Headers, body: bytes) -> bool:
    """A file under the type of text: control characters that no charset has but those of two bytes and more."""
    if encoding_of(headers.text("content-transfer-encoding", 200)) != "base64":
        return False
    start = decode("base64", body[:2_000])
    if b"\0" not in start or start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    return "utf" not in headers.parameters("content-type").get("charset").lower()


def _is_html(text: str) -> bool:
    """HTML under the type of plain text: it begins as HTML does, and closes what it opens."""
    begins = _HTML_BEGINS.match(_COMMENT.sub("", text[:4_000]).lstrip("\ufeff \t\r\n"))
    if begins is None:
        return False
    return f"</{(begins['tag'] or 'html').lower()}" in text.lower() or "</p>" in text.lower()


def _decoded_text(headers: Headers, body: bytes) -> str:
    raw = decode(encoding_of(headers.text("content-transfer-encoding", 200)), body, is_text=True)
    charset = headers.parameters("content-type").get("charset")
    if not charset and b"<" in raw[:2_000] and (declared := _META_CHARSET.search(raw[:4_000])):
        charset = declared[1].decode("ascii")
    return decode_bytes(raw, charset)
