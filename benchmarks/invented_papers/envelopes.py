"""A letter and its files as the bytes of a mail: headers, MIME parts, as the mail programs of offices build them."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape

from benchmarks.invented_papers.bodies import Letter, to_office
from benchmarks.invented_papers.contents import Draw
from benchmarks.invented_papers.parties import OFFICE, Party

HTML, HTML_ALONE, LOGOS, LATIN = 0.35, 0.08, 0.15, 0.25
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one point, where a company's logo would be."""


@dataclass(frozen=True)
class Attached:
    """One file."""

    name: str
    type: str
    data: bytes


def enveloped(letter: Letter, files: Sequence[Attached], given: Draw, sender: Party) -> bytes:
    """The mail as RFC 5322 has it, MIME inside, no line too long."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = f"scanner@{OFFICE.address.partition('@')[2]}" if letter.machine else _from(given, sender)
    mail["To"] = to_office(given)
    if letter.subject:
        mail["Subject"] = letter.subject
    mail["Date"] = format_datetime(given.at)
    mail["Message-ID"] = f"<{given.chance.getrandbits(64):016x}@{sender.address.partition('@')[2]}>"
    _body(mail, letter.body, given)
    for file in files:
        main, _, sub = file.type.partition("/")
        mail.add_attachment(file.data, maintype=main, subtype=sub, filename=file.name)
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"=_{given.chance.getrandbits(48):012x}.{number}")
    return mail.as_bytes()


def safe_name(name: str) -> str:
    """A file's name that every system takes."""
    return re.sub(r"[\\/:*?\"<>|]", "-", name)


def _from(given: Draw, sender: Party) -> str:
    shown = sender.company if sender.company and given.likely(0.3) else sender.person
    return f'"{shown}" <{sender.address}>' if given.likely(0.9) else sender.address


def _body(mail: EmailMessage, text: str, given: Draw) -> None:
    charset = "utf-8"
    if given.likely(LATIN) and "€" not in text and not set(text) - set(map(chr, range(256))):
        charset = "iso-8859-1"
    lines = "<br>\n".join(escape(line) for line in text.splitlines())
    logo = given.likely(LOGOS)
    picture = '<img src="cid:logo">' if logo else ""
    page = f'<html><body style="font-family: Calibri"><p>{lines}</p>{picture}</body></html>\n'
    if given.likely(HTML_ALONE):
        mail.set_content(page, subtype="html", charset=charset)
    elif given.likely(HTML):
        mail.set_content(text, charset=charset)
        mail.add_alternative(page, subtype="html", charset=charset)
        if logo:
            html = mail.get_body(("html",))
            assert isinstance(html, EmailMessage)
            html.add_related(DOT, "image", "png", cid="<logo>", filename="image001.png")
    else:
        mail.set_content(text, charset=charset)
