"""One raw message to the text that a model may read.

    bytes | cut to size | headers | walk the parts | choose plain over HTML | clean | MailText and marks

The standard library's parser gives no promise about time: its cost grows with depth times lines and it recurses as deep
as the sender likes. So the walk (`connectors/mail/message_parts.py`) is our own, and so is the reading of headers.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import unescape

from connectors.base import MailText, Mark, Paper
from connectors.mail import machine_mail
from connectors.mail.address_fields import addresses, bare_addresses
from connectors.mail.attached_files import papers_of
from connectors.mail.charsets import guess_text
from connectors.mail.envelope import Envelope
from connectors.mail.forward_subject import is_forward
from connectors.mail.headers import (
    Headers,
    decode_header,
    digest,
    message_ids,
    one_line,
    sent_at,
    split_headers,
    thread_ids,
)
from connectors.mail.html import html_to_text
from connectors.mail.message_parts import LONGEST_SUBJECT, Limits, Passage, Walk, read_part
from connectors.mail.own_words import says_little
from connectors.mail.quotes import clean_body

__all__ = ["Limits", "Parsed", "clean_body", "decode_header", "digest", "html_to_text", "parse"]

_VS_SUBJECT = re.compile(r"\s*(?:\w{1,4}\s?:\s?)*vs\s?:", re.IGNORECASE)
_FINNISH_HEADER = re.compile(r"(?:^|>|[*_\s])(?:lähettäjä|lähetetty|saatja|saadetud)\s?[*_]?:", re.IGNORECASE)
_LIMITS = Limits()
# What Outlook's plain text makes of pictures and links: "[cid:image001.png@01DA...]", "ann@example.org<mailto:...>".
_PICTURE = re.compile(r"[\[<(]cid:[^\]>)\s]{1,200}[\]>)]")
_SAFE_LINK = re.compile(r"<https?://[\w.-]{1,60}\.safelinks\.protection\.outlook\.com/[^<>\s]{0,4000}>", re.IGNORECASE)
_MAILTO = re.compile(r"<mailto:([^<>\s]{1,320})>", re.IGNORECASE)


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
    body_is_attached: bool = False
    """Is what was attached as a text or a calendar read as the body, since there is no other?"""
    papers: tuple[Paper, ...] = field(default=(), repr=False)
    """The files that may be read, and what others there are (`connectors.mail.attached_files`), if they were asked for
    and the sender's own words are few."""


def parse(
    raw: bytes,
    limits: Limits = _LIMITS,
    clock: Callable[[], float] = time.monotonic,
    *,
    papers: bool = False,
    pictures: bool = False,
) -> Parsed:
    """Headers, text, marks and files of one message. Never raises, whatever the bytes are; time and memory are bounded.

    `papers`, `pictures`: as `Connector.fetch` has them.
    """
    try:
        return read_message(raw, limits, clock, papers=papers, pictures=pictures)
    except Exception:
        # The fuzzer calls read_message and finds none; a daemon that stops at one mail would be worse than a poor
        # text.
        text = one_line(guess_text(raw[: limits.text_characters]))
        return Parsed(text=MailText(body=text), marks=frozenset({"truncated"}))


def read_message(
    raw: bytes,
    limits: Limits,
    clock: Callable[[], float] = time.monotonic,
    *,
    papers: bool = False,
    pictures: bool = False,
) -> Parsed:
    """`parse` without its last safety net."""
    walk = Walk(limits, clock() + limits.seconds, clock, is_whole=len(raw) < limits.raw_bytes)
    if len(raw) > limits.raw_bytes:
        walk.marks.add("truncated")
    raw = raw[: limits.raw_bytes].replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
    headers, body = split_headers(raw)
    passages = read_part(headers, body, walk, depth=0)
    subject = headers.text("subject", LONGEST_SUBJECT)
    walk.marks |= _marks_of(headers)
    envelope = _envelope(headers, subject, passages)
    # From here on the same passages, for each is rendered once, when its text is first asked for.
    passages = [
        replace(one, forwarded=envelope.forwarded, is_first=envelope.is_first, subject=envelope.subject)
        for one in passages
    ]
    wanted = _wanted(passages)
    text = MailText(
        sender=addresses(headers, "from", "sender", "reply-to", "return-path"),
        to=addresses(headers, "to", "delivered-to", "x-original-to"),
        list_id=_list_id(headers),
        subject=subject,
        attachments=tuple(walk.attachments),
        body=_body_text([one for one in passages if one.kind in wanted], envelope, walk),
    )
    body_is_attached = "spare" in wanted
    files = [one for one in walk.files if not (body_is_attached and one.is_spare)]
    is_asked_for = papers and says_little(text) and "encrypted" not in walk.marks
    return Parsed(
        text=text,
        marks=frozenset(walk.marks),
        message_id=next(iter(message_ids(headers.raw("message-id"))), None),
        references=thread_ids(headers),
        date=sent_at(headers.raw("date")),
        senders=bare_addresses(headers, "from", "sender", "reply-to"),
        recipients=bare_addresses(headers, "to", "cc"),
        body_is_attached=body_is_attached,
        papers=papers_of(files, pictures=pictures) if is_asked_for else (),
    )


def _envelope(headers: Headers, subject: str, passages: list[Passage]) -> Envelope:
    return Envelope(
        sender=addresses(headers, "from", "sender", "reply-to"),
        recipients=", ".join(filter(None, (addresses(headers, "to"), addresses(headers, "cc")))),
        subject=subject,
        in_thread=bool(thread_ids(headers)),
        forwarded=_is_forward(subject, passages),
    )


def _is_forward(subject: str, passages: list[Passage]) -> bool:
    """Does the subject announce a forward? "VS:" does so in Danish, and is an answer in Finnish and Estonian."""
    is_answer = _VS_SUBJECT.match(subject) and any(
        _FINNISH_HEADER.search(unescape(passage.source[:200_000])) for passage in passages
    )
    return not is_answer and is_forward(subject)


def _list_id(headers: Headers) -> str:
    """The identifier between the brackets of List-Id (RFC 2919), which a list's renaming does not change."""
    value = headers.text("list-id")
    inner = value.rpartition("<")[2].partition(">")[0] if "<" in value else value
    return one_line(inner, 200)


def _marks_of(headers: Headers) -> set[Mark]:
    """What the message's own header says about who, or what, wrote it."""
    marks: set[Mark] = set()
    if machine_mail.is_automatic(headers):
        marks.add("automatic")
    if machine_mail.is_bounce(headers, automatic=bool(marks)):
        marks.add("bounce")
    if found := machine_mail.class_mark(headers):
        marks.add(found)
    return marks


def _body_text(passages: list[Passage], envelope: Envelope, walk: Walk) -> str:
    """These passages as one cleaned text, at most `text_characters` long."""
    most = walk.limits.text_characters
    texts: list[str] = []
    for passage in passages:
        if walk.clock() > walk.ends_at or sum(map(len, texts)) > most:
            walk.marks.add("truncated")
            break
        text = passage.text
        if passage.kind != "forwarded":
            text = text if passage.is_html else _without_noise(text)
            text = clean_body(_without_armour(text, walk), envelope)
        if text:
            texts.append(text)
    body = "\n\n".join(texts)
    if len(body) > most:
        walk.marks.add("truncated")
    return body[:most].rstrip()


def _wanted(passages: list[Passage]) -> set[str]:
    """Which kinds of passages are the mail's text."""
    if any(_says_something(passage) for passage in passages if passage.kind in ("plain", "html")):
        return {"forwarded", "plain", "html"}
    return {"forwarded", "calendar", "spare"}


def _says_something(passage: Passage) -> bool:
    """White space and pictures are no text."""
    return any(not sign.isspace() for sign in passage.source) and bool(passage.text.strip())


def _without_noise(text: str) -> str:
    """Without the marks of pictures and rewritten links, and with an address once where Outlook wrote it twice."""
    if "cid:" in text:
        text = _PICTURE.sub("", text)
    if "safelinks" in text.lower():
        text = _SAFE_LINK.sub("", text) if _SAFE_LINK.sub("", text).strip() else text
    return _MAILTO.sub(_address_once, text) if "<mailto:" in text.lower() else text


def _address_once(found: re.Match[str]) -> str:
    before = found.string[max(0, found.start() - len(found[1]) - 1) : found.start()].rstrip()
    return "" if before.lower().endswith(found[1].lower()) else f" <{found[1]}>"


def _without_armour(text: str, walk: Walk) -> str:
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
