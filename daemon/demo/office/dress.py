"""How a letter becomes a message: plain, HTML, both, forwarded, with the quoted thread below and files attached."""

from __future__ import annotations

import html
import random
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from itertools import groupby

from daemon.demo.office.files import letter_pdf, small_jpeg, small_pdf, small_png
from daemon.demo.office.prose import COLLEAGUES, OFFICE, OFFICE_ADDRESS, OFFICE_DOMAIN, PHRASES


@dataclass(frozen=True)
class Quoted:
    """The mail before this one in its thread."""

    sender: tuple[str, str]
    body: str
    when: datetime


@dataclass(frozen=True)
class Letter:
    """All that was decided about a mail before it gets its form."""

    sender: tuple[str, str]
    subject: str
    body: str
    when: datetime
    message_id: str
    references: tuple[str, ...] = ()
    quoted: Quoted | None = None
    attachments: tuple[str, ...] = ()
    paper: tuple[str, ...] = ()
    """The lines of a letter that comes as a PDF, its heading first: all that the mail is about."""
    bulk: bool = False


def dress(letter: Letter, rng: random.Random) -> bytes:
    """The message as bytes with CRLF line ends. `rng` decides its form."""
    forwarded = not letter.bulk and not letter.references and rng.random() < 0.08
    message = EmailMessage(policy=SMTP)
    text = letter.body
    if forwarded:
        name = rng.choice(COLLEAGUES)
        sender = (name, f"{name.split()[0].lower()}@{OFFICE_DOMAIN}")
        subject = rng.choice(("Fwd: ", "FW: ", "WG: ")) + letter.subject
        text = _forward(letter, rng)
    else:
        sender, subject = letter.sender, letter.subject
        if letter.quoted is not None:
            text += "\n\n" + _thread_below(letter.quoted, rng)
    message["From"] = formataddr(sender)
    message["To"] = f"{OFFICE} <{OFFICE_ADDRESS}>"
    message["Subject"] = subject
    message["Date"] = format_datetime(letter.when)
    message["Message-ID"] = letter.message_id
    if letter.references:
        message["In-Reply-To"] = letter.references[-1]
        message["References"] = " ".join(letter.references)
    if letter.bulk:
        message["List-Id"] = f"<news.{letter.sender[1].partition('@')[2]}>"
        message["List-Unsubscribe"] = f"<mailto:leave@{letter.sender[1].partition('@')[2]}>"
    form = rng.choices(("plain", "both", "html"), (0.15, 0.35, 0.5) if letter.bulk else (0.6, 0.25, 0.15))[0]
    if form == "html":
        message.set_content(as_html(text, letter.bulk), subtype="html")
    else:
        message.set_content(text)
    if form == "both":
        message.add_alternative(as_html(text, letter.bulk), subtype="html")
        message.set_boundary(f"=_part_{rng.getrandbits(48):012x}")
    for name in letter.attachments:
        if letter.paper:
            message.add_attachment(letter_pdf(letter.paper), maintype="application", subtype="pdf", filename=name)
        else:
            _attach(message, name)
    if letter.attachments:  # EmailMessage would draw the boundary from the clock's randomness; the seed must decide
        message.set_boundary(f"=_mail_{rng.getrandbits(48):012x}")
    return message.as_bytes()


def _thread_below(quoted: Quoted, rng: random.Random) -> str:
    """The mail before, quoted, mostly through an answer of ours as mail programs stack them."""
    earlier = _quote(f"On {quoted.when:%d %B %Y at %H:%M}, {quoted.sender[0]} wrote:", quoted.body)
    if rng.random() < 0.3:
        return earlier
    answer = rng.choice(PHRASES.answers_of_ours)
    ours = f"Dear {quoted.sender[0]},\n\n{answer}\n\n{rng.choice(COLLEAGUES)}\n{OFFICE}\n\n{earlier}"
    return _quote(f"On {quoted.when:%d %B %Y}, {OFFICE} <{OFFICE_ADDRESS}> wrote:", ours)


def _quote(head: str, body: str) -> str:
    return head + "\n" + "\n".join("> " + line if line else ">" for line in body.splitlines())


def _forward(letter: Letter, rng: random.Random) -> str:
    origin = f"From: {formataddr(letter.sender)}\nDate: {letter.when:%d %B %Y}"
    head = f"{origin}\nSubject: {letter.subject}\nTo: {OFFICE_ADDRESS}"
    return f"{rng.choice(PHRASES.forward_notes)}\n\n---------- Forwarded message ----------\n{head}\n\n{letter.body}"


def as_html(text: str, bulk: bool) -> str:
    """The text as a mail program would write it: paragraphs and quotations, or a newsletter's table with a picture."""
    if not bulk:
        return f'<html><body style="font-family: Calibri, sans-serif">\n{_paragraphs(text)}</body></html>\n'
    rows = "\n".join(f'<tr><td class="text">{block}</td></tr>' for block in _blocks(text))
    style = "<style>.text { color: #223; padding: 8px } img { border: 0 }</style>"
    picture = '<tr><td><img src="https://pictures.example/banner.png" alt="" width="600"></td></tr>'
    return f"<html><head>{style}</head><body><table>\n{picture}\n{rows}\n</table></body></html>\n"


def _blocks(text: str) -> list[str]:
    return [html.escape(block).replace("\n", "<br>\n") for block in text.strip().split("\n\n")]


def _paragraphs(text: str) -> str:
    """Paragraphs; what is quoted by ">" becomes a blockquote, as deep as it is quoted."""
    out = ""
    for quoted, group in groupby(text.splitlines(), key=lambda line: line.startswith(">")):
        if quoted:
            inner = "\n".join(line.removeprefix(">").removeprefix(" ") for line in group)
            out += f'<blockquote type="cite">\n{_paragraphs(inner)}</blockquote>\n'
        else:
            out += "".join(f"<p>{block}</p>\n" for block in _blocks("\n".join(group)) if block)
    return out


def _attach(message: EmailMessage, name: str) -> None:
    maker, kind = {
        "pdf": (small_pdf, "application/pdf"),
        "jpg": (small_jpeg, "image/jpeg"),
        "png": (small_png, "image/png"),
    }[name.rpartition(".")[2]]
    main, sub = kind.split("/")
    message.add_attachment(maker(name), maintype=main, subtype=sub, filename=name)
