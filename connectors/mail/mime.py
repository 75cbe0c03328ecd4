"""One raw message to the text that a model may read.

    bytes | cut to size | headers | walk the parts | choose plain over HTML | clean | MailText and marks

Mail comes from strangers, so the walker is our own: it splits bodies by boundary with `bytes.find`, knows how deep it
is, how many parts it has seen and how long it has worked, and stops early with the mark "truncated". The standard
library's parser gives no such promise: its cost grows with depth times lines and it recurses as deep as the sender
likes.
"""

from __future__ import annotations

import binascii
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from html import unescape
from typing import Literal

from connectors.base import MailText, Mark
from connectors.mail.headers import (
    Headers,
    addresses,
    bare_addresses,
    decode_base64,
    decode_bytes,
    decode_header,
    digest,
    guess_text,
    message_ids,
    one_line,
    sent_at,
    split_headers,
    thread_ids,
)
from connectors.mail.html import html_to_text
from connectors.mail.quotes import clean_body

__all__ = ["Limits", "Parsed", "clean_body", "decode_header", "digest", "html_to_text", "parse"]

MOST_ATTACHMENTS = 30
LONGEST_SUBJECT = 500
_DELIVERY_AGENT = re.compile(r"(?:^|[<\s])(?:mailer-daemon|postmaster|mail delivery s(?:ub)?system)\b", re.IGNORECASE)
_FORWARD_SUBJECT = re.compile(
    r"\s*(?:(?:re|aw|sv|antw?)\s?:\s?)*(?:fwd?|wg|tr|rv|i|doorst|pd|podaj dalej|enc|vs)\s?:", re.IGNORECASE
)
_VS_SUBJECT = re.compile(r"\s*(?:\w{1,4}\s?:\s?)*vs\s?:", re.IGNORECASE)
_FINNISH_HEADER = re.compile(r"(?:^|>|[*_\s])(?:lähettäjä|lähetetty|saatja|saadetud)\s?[*_]?:", re.IGNORECASE)
_ANSWER_SUBJECT = re.compile(r"\W{0,3}[^\W\d_]{1,6}(?:\[\d{1,3}\])?\s?[:\uff1a]")
_NOT_SHOWN_HERE = re.compile(
    r"(?:html[- ]|does not (?:display|support)|doesn't (?:display|support)"
    r"|view (?:this|it|the) (?:e-?mail|message|newsletter)|in (?:your|a) (?:web ?)?browser"
    r"|html-?(?:format|fähig|ansicht)|im browser|version en ligne|versione online|versión en línea"
    r"|navegador|navigateur|online bekijken|w przeglądarce)",
    re.IGNORECASE,
)
_UNSEEN_TYPES = {
    "application/pgp-signature",
    "application/pgp-encrypted",
    "application/pkcs7-signature",
    "application/x-pkcs7-signature",
    "message/delivery-status",
    "message/disposition-notification",
    "message/feedback-report",
    "text/rfc822-headers",
    "text/x-amp-html",
}
_CALENDAR_FIELD = re.compile(r"^(METHOD|SUMMARY|LOCATION|DESCRIPTION)[^:\n]{0,200}:(.{0,4000})$", re.MULTILINE)
_META_CHARSET = re.compile(rb"charset\s{0,3}=\s{0,3}[\"']?([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """What one message may cost. Beyond it the rest is ignored and the message is marked "truncated"."""

    depth: int = 32
    parts: int = 200
    raw_bytes: int = 1 << 20
    text_characters: int = 20_000
    seconds: float = 5.0
    """Looked at between parts; one part of `raw_bytes` takes a second or two at the very worst."""


@dataclass(frozen=True)
class Parsed:
    """What one message says. Nothing in it is trusted."""

    text: MailText = field(default_factory=MailText)
    marks: frozenset[Mark] = frozenset()
    message_id: str | None = None
    references: tuple[str, ...] = ()
    """References, then In-Reply-To: bracketed, oldest first, each once."""
    date: datetime | None = None
    """The Date field; aware, UTC. The sender's claim."""
    senders: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    """As in `connectors.base.Message`."""


@dataclass(frozen=True)
class _Passage:
    """The text of one part, not yet rendered: a part that loses against its alternative costs nothing."""

    kind: Literal["plain", "html", "calendar", "forwarded", "spare"]
    text: str


@dataclass
class _Walk:
    """What the walk through one message has seen so far."""

    limits: Limits
    ends_at: float
    clock: Callable[[], float]
    parts: int = 0
    marks: set[Mark] = field(default_factory=set)
    attachments: list[str] = field(default_factory=list)

    def may_go_on(self, depth: int) -> bool:
        if depth > self.limits.depth or self.parts >= self.limits.parts or self.clock() > self.ends_at:
            self.marks.add("truncated")
            return False
        self.parts += 1
        return True


def parse(raw: bytes, limits: Limits = Limits(), clock: Callable[[], float] = time.monotonic) -> Parsed:
    """Headers, text and marks of one message. Never raises, whatever the bytes are; time and memory are bounded."""
    try:
        return read_message(raw, limits, clock)
    except Exception:
        # The fuzzer calls read_message and finds none; a daemon that stops at one mail would be worse than a poor
        # text.
        text = one_line(guess_text(raw[: limits.text_characters]))
        return Parsed(text=MailText(body=text), marks=frozenset({"truncated"}))


def read_message(raw: bytes, limits: Limits, clock: Callable[[], float] = time.monotonic) -> Parsed:
    """`parse` without its last safety net."""
    walk = _Walk(limits, clock() + limits.seconds, clock)
    if len(raw) > limits.raw_bytes:
        walk.marks.add("truncated")
    raw = raw[: limits.raw_bytes].replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
    headers, body = split_headers(raw)
    passages = _read_part(headers, body, walk, depth=0)
    subject = headers.text("subject", LONGEST_SUBJECT)
    walk.marks |= _marks_of(headers)
    return Parsed(
        text=MailText(
            sender=addresses(headers, "from", "sender", "reply-to", "return-path"),
            to=addresses(headers, "to", "delivered-to", "x-original-to"),
            list_id=_list_id(headers),
            subject=subject,
            attachments=tuple(walk.attachments),
            body=_body_text(passages, _is_forward(subject, passages), _is_first(headers, subject), walk),
        ),
        marks=frozenset(walk.marks),
        message_id=next(iter(message_ids(headers.raw("message-id"))), None),
        references=thread_ids(headers),
        date=sent_at(headers.raw("date")),
        senders=bare_addresses(headers, "from", "sender", "reply-to"),
        recipients=bare_addresses(headers, "to", "cc"),
    )


def _is_forward(subject: str, passages: list[_Passage]) -> bool:
    """Does the subject announce a forward? "VS:" does so in Danish, and is an answer in Finnish and Estonian."""
    is_answer = _VS_SUBJECT.match(subject) and any(
        _FINNISH_HEADER.search(unescape(passage.text[:200_000])) for passage in passages
    )
    return not is_answer and bool(_FORWARD_SUBJECT.match(subject))


def _is_first(headers: Headers, subject: str) -> bool:
    """Does nothing say that this mail answers another?"""
    return not thread_ids(headers) and not _ANSWER_SUBJECT.match(subject)


def _list_id(headers: Headers) -> str:
    """The identifier between the brackets of List-Id (RFC 2919), which a list's renaming does not change."""
    value = headers.text("list-id")
    inner = value.rpartition("<")[2].partition(">")[0] if "<" in value else value
    return one_line(inner, 200)


def _marks_of(headers: Headers) -> set[Mark]:
    """What the message's own header says about who, or what, wrote it."""
    marks: set[Mark] = set()
    submitted = headers.text("auto-submitted").partition(";")[0].strip().lower()
    if (submitted and submitted != "no") or any(headers.raw(name) for name in ("x-autoreply", "x-autorespond")):
        marks.add("automatic")
    # List software marks the posts of people as bulk too.
    bulk = ("auto_reply",) if headers.raw("list-id") or headers.raw("list-post") else ("auto_reply", "bulk", "junk")
    if headers.text("precedence").lower() in bulk:
        marks.add("automatic")
    # Vacation notes have an empty return path too (RFC 3834 section 3.3), but say that they are automatic.
    returned = headers.text("return-path").replace(" ", "") == "<>" and "automatic" not in marks
    if returned or headers.raw("x-failed-recipients") or _DELIVERY_AGENT.search(headers.text("from")):
        marks.add("bounce")
    return marks


def _read_part(headers: Headers, body: bytes, walk: _Walk, depth: int, default: str = "text/plain") -> list[_Passage]:
    """The passages of one part and all that is in it; marks and attachments go into `walk`."""
    if not walk.may_go_on(depth):
        return []
    content = headers.parameters("content-type")
    # RFC 2045 section 5.2: what is no type at all is plain text.
    kind = content.value if content.value.count("/") == 1 else default if not content.value else "text/plain"
    walk.marks |= _marks_of_type(kind, content.get("smime-type").lower(), _name(headers))
    if kind.endswith("pkcs7-mime") and b"enveloped-data" in _decoded(headers, body[:4_000]):
        walk.marks.add("encrypted")  # signed around encrypted (RFC 8551 section 3.7): the signature holds a whole part
    if kind.startswith("multipart/"):
        if kind == "multipart/report" and content.get("report-type").lower() != "delivery-status":
            walk.marks.add("automatic")  # read receipts, complaints
        return _read_multipart(kind, content.get("boundary").rstrip(), body, walk, depth)
    if kind in ("message/rfc822", "message/global"):
        return _read_forwarded(headers, body, walk, depth)
    if kind in _UNSEEN_TYPES:
        return []
    return _read_leaf(kind, headers, body, walk)


def _marks_of_type(kind: str, smime: str, name: str) -> set[Mark]:
    # Exchange turns multipart/encrypted into multipart/mixed and leaves PGP/MIME's control part (RFC 3156 section 4).
    if kind in ("multipart/encrypted", "application/pgp-encrypted"):
        return {"encrypted"}
    if kind == "multipart/signed":
        return {"signed"}
    if kind in ("application/pkcs7-mime", "application/x-pkcs7-mime"):  # RFC 8551 section 3.2
        if smime in ("signed-data", "certs-only") or (not smime and name.lower().endswith(".p7s")):
            return {"signed"}
        return {"encrypted"}
    if kind == "message/delivery-status":
        return {"bounce"}
    return set()


def _read_multipart(kind: str, boundary: str, body: bytes, walk: _Walk, depth: int) -> list[_Passage]:
    default = "message/rfc822" if kind == "multipart/digest" else "text/plain"
    children: list[list[_Passage]] = []
    for part in _split(body, boundary.encode("utf-8", "replace"), walk.limits.parts):
        headers, content = split_headers(part)
        children.append(_read_part(headers, content, walk, depth + 1, default))
    if kind == "multipart/alternative":
        return _best_of(children)
    return [passage for child in children for passage in child]


def _split(body: bytes, boundary: bytes, most: int) -> list[bytes]:
    """The parts between the boundary lines (RFC 2046 section 5.1.1); without a usable boundary, all is one part."""
    if not boundary:
        return [b"\n" + body]
    parts: list[bytes] = []
    line = b"\n--" + boundary
    body = b"\n" + body
    start = body.find(line)
    if start < 0:
        return [body]
    while start >= 0 and len(parts) <= most:
        after = start + len(line)
        if body[after : after + 2] == b"--":
            break
        end_of_line = body.find(b"\n", after)
        if end_of_line < 0:
            break
        following = body.find(line, end_of_line)
        # A part without headers begins with the empty line that split_headers looks for.
        parts.append(body[end_of_line + 1 : following if following >= 0 else len(body)])
        start = following
    return parts


def _best_of(alternatives: list[list[_Passage]]) -> list[_Passage]:
    """Plain text, unless it is empty or only says where the real text is; else the last (richest) form with text."""
    calendar = [passage for child in alternatives for passage in child if passage.kind == "calendar"]
    texts = [[passage for passage in child if passage.kind != "calendar"] for child in alternatives]
    has_html = any(passage.kind == "html" for child in texts for passage in child)
    for child in texts:
        plain = " ".join(passage.text for passage in child if passage.kind == "plain")
        if plain.strip() and not (has_html and _is_stub(plain)):
            return child + calendar
    richest = next((child for child in reversed(texts) if any(passage.text.strip() for passage in child)), [])
    return richest + calendar


def _is_stub(plain: str) -> bool:
    """ "Please view this e-mail in HTML" and the like, links aside."""
    words = [word for word in plain[:2_000].split() if "://" not in word]
    letters = sum(len(word) for word in words)
    return letters < 25 or (letters < 250 and bool(_NOT_SHOWN_HERE.search(" ".join(words))))


def _read_forwarded(outer: Headers, body: bytes, walk: _Walk, depth: int) -> list[_Passage]:
    """A whole message inside: who wrote it, what about, and its text. Its attachments count as this message's."""
    headers, content = split_headers(_decoded(outer, body).replace(b"\r\n", b"\n").lstrip(b"\n"))
    subject = headers.text("subject", LONGEST_SUBJECT)
    if name := _name(outer):
        _attach(walk, name, "message/rfc822")
    heading = [f"From: {addresses(headers, 'from', 'sender')}", f"Subject: {subject}"]
    marks = set(walk.marks)
    passages = _read_part(headers, content, walk, depth + 1)
    walk.marks = marks | (walk.marks & {"truncated", "bounce"})  # that one was signed, not this one
    return [_Passage("forwarded", "\n".join(line for line in heading if not line.endswith(": "))), *passages]


def _read_leaf(kind: str, headers: Headers, body: bytes, walk: _Walk) -> list[_Passage]:
    name = _name(headers)
    disposition = headers.parameters("content-disposition").value
    if kind == "text/calendar":
        text = _decoded_text(headers, body)
        method = headers.parameters("content-type").get("method").upper()
        fields = _calendar_fields(text)
        if (method or fields.get("METHOD", "PUBLISH").upper()) != "PUBLISH":
            walk.marks.add("calendar")
        if name and disposition == "attachment":
            _attach(walk, name, kind)
        return [_Passage("calendar", "\n".join(value for key, value in fields.items() if key != "METHOD"))]
    readable = kind in ("text/plain", "text/html", "text/enriched", "text/richtext")
    if readable and disposition != "attachment":
        text = _decoded_text(headers, body)
        return [_Passage("plain" if kind == "text/plain" else "html", text)]
    # Pictures that the HTML shows (logos, pixels) are not what people mean by an attachment.
    if not (kind.startswith("image/") and disposition != "attachment" and headers.raw("content-id")):
        _attach(walk, name or "unnamed", kind)
    # A body that the sender attached as a file is better than none.
    return [_Passage("spare", _decoded_text(headers, body))] if kind == "text/plain" else []


def _attach(walk: _Walk, name: str, kind: str) -> None:
    if len(walk.attachments) < MOST_ATTACHMENTS:
        walk.attachments.append(f"{name} ({one_line(kind, 80)})")


def _name(headers: Headers) -> str:
    """The file name, RFC 2231 and RFC 2047 decoded, one line; empty if there is none."""
    for field_name, parameter in (("content-disposition", "filename"), ("content-type", "name")):
        if value := headers.parameters(field_name).get(parameter):
            return decode_header(value).replace("/", "_").replace("\\", "_")[-120:].strip()
    return ""


def _decoded(headers: Headers, body: bytes) -> bytes:
    """The body without its transfer encoding (RFC 2045 section 6); broken encodings give what can be read."""
    encoding = headers.text("content-transfer-encoding").lower()
    if encoding == "base64":
        return decode_base64(body)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    return body


def _decoded_text(headers: Headers, body: bytes) -> str:
    raw = _decoded(headers, body)
    charset = headers.parameters("content-type").get("charset")
    if not charset and b"<" in raw[:2_000] and (declared := _META_CHARSET.search(raw[:4_000])):
        charset = declared[1].decode("ascii")
    return decode_bytes(raw, charset)


def _calendar_fields(text: str) -> dict[str, str]:
    """Method and words of the first event (RFC 5545 section 3.1: long lines are folded, commas escaped)."""
    unfolded = text[:50_000].replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "")
    fields: dict[str, str] = {}
    for match in _CALENDAR_FIELD.finditer(unfolded):
        value = match[2].replace("\\n", "\n").replace("\\N", "\n").replace("\\,", ",").replace("\\;", ";")
        fields.setdefault(match[1], value.strip())
    return fields


def _body_text(passages: list[_Passage], is_forward: bool, is_first: bool, walk: _Walk) -> str:
    """The chosen passages as one cleaned text, at most `text_characters` long."""
    if not any(passage.text.strip() for passage in passages if passage.kind in ("plain", "html")):
        wanted = {"forwarded", "calendar", "spare"}
    else:
        wanted = {"forwarded", "plain", "html"}
    most = walk.limits.text_characters
    texts: list[str] = []
    for passage in passages:
        if passage.kind not in wanted:
            continue
        if walk.clock() > walk.ends_at or sum(map(len, texts)) > most:
            walk.marks.add("truncated")
            break
        text = html_to_text(passage.text, is_forward, is_first) if passage.kind == "html" else passage.text
        if passage.kind != "forwarded":
            text = clean_body(_without_armour(text, walk), forwarded=is_forward)
        if text:
            texts.append(text)
    body = "\n\n".join(texts)
    if len(body) > most:
        walk.marks.add("truncated")
    return body[:most].rstrip()


def _without_armour(text: str, walk: _Walk) -> str:
    """Inline PGP (RFC 9580 section 6.2): an encrypted block is removed, a signed text stays without its frame."""
    if "-----BEGIN PGP " not in text:
        return text
    before, found, rest = text.partition("-----BEGIN PGP MESSAGE-----")
    if found:
        walk.marks.add("encrypted")
        text = before + rest.partition("-----END PGP MESSAGE-----")[2]
    before, found, rest = text.partition("-----BEGIN PGP SIGNED MESSAGE-----")
    if found:
        walk.marks.add("signed")
        signed = rest.replace("\r\n", "\n").partition("\n\n")[2]  # after the armour's "Hash:" lines
        text = f"{before}\n{signed}"
    before, found, rest = text.partition("-----BEGIN PGP SIGNATURE-----")
    if found:
        text = before + rest.partition("-----END PGP SIGNATURE-----")[2]
    return text
