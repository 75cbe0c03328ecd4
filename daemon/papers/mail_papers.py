"""Files that are mails: message/rfc822, Outlook's .msg (MS-OXMSG), winmail.dat (MS-OXTNEF).

Each gives what the mail says and the files in it, which are read like any other.
"""

from __future__ import annotations

import email
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

import olefile  # type: ignore[import-untyped]

from connectors.base import Paper
from connectors.mail.html import html_to_text
from connectors.mail.mime import parse
from connectors.mail.rich_text import RichText, decompress, read_rtf
from connectors.mail.tnef import read_tnef
from daemon.papers.paper_kind import Locked, Unsupported, decoded

MOST_FILES = 5
LONGEST_STREAM = 1 << 20


@dataclass(frozen=True)
class MailPaper:
    """What a mail in a file says, and its files."""

    text: str
    files: tuple[Paper, ...] = ()


def read_eml(data: bytes) -> MailPaper:
    """A mail as it travels. Its files by Python's own parser, which only a child that may be lost can afford."""
    read = parse(data)
    try:
        files = tuple(_attached(email.message_from_bytes(data)))
    except (RecursionError, ValueError, LookupError, AttributeError, TypeError, AssertionError, IndexError, KeyError):
        files = ()
    return MailPaper(_letter(read.text.sender, read.text.subject, read.text.body), files)


def _attached(mail: Message) -> Iterator[Paper]:
    found = 0
    for part in mail.walk():
        name = part.get_filename()
        if part.is_multipart() or not name or found >= MOST_FILES:
            continue
        data = part.get_payload(decode=True)
        if isinstance(data, bytes) and data:
            found += 1
            yield Paper(name, data)


def _letter(sender: str, subject: str, body: str) -> str:
    heading = (f"From: {sender}" if sender else "", f"Subject: {subject}" if subject else "", body)
    return "\n".join(line for line in heading if line)


def read_ole(data: bytes) -> MailPaper:
    """An Outlook message. Raises Locked for an encrypted Office file and Unsupported for the old kinds of Office."""
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            names = ole.listdir()
            if ["EncryptedPackage"] in names:
                raise Locked
            if ["__properties_version1.0"] not in names:
                raise Unsupported
            return _message(ole, names, [])
    except (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise Unsupported from error


def _message(ole: olefile.OleFileIO, names: list[list[str]], inside: list[str]) -> MailPaper:
    """The message whose properties lie in this storage (MS-OXMSG section 2.2)."""
    body = _property(ole, inside, 0x1000)
    if not body and (html := _stream(ole, inside, 0x1013, "0102")):
        body = html_to_text(decoded(html))
    if not body and (packed := _stream(ole, inside, 0x1009, "0102")):
        body = _shown(read_rtf(decompress(packed)))
    storages = {name[len(inside)] for name in names if len(name) > len(inside) + 1 and name[: len(inside)] == inside}
    files = []
    for storage in sorted(name for name in storages if name.startswith("__attach"))[:MOST_FILES]:
        place = [*inside, storage]
        name = _property(ole, place, 0x3707) or _property(ole, place, 0x3704) or "unnamed"
        if content := _stream(ole, place, 0x3701, "0102", most=32 << 20):
            files.append(Paper(name, content))
        elif not inside and [*place, "__substg1.0_3701000D", "__properties_version1.0"] in names:
            inner = _message(ole, names, [*place, "__substg1.0_3701000D"])
            body += f"\n{inner.text}"
            files += inner.files
    sender = _property(ole, inside, 0x0C1A) or _property(ole, inside, 0x0042)
    return MailPaper(_letter(sender, _property(ole, inside, 0x0037), body), tuple(files[:MOST_FILES]))


def _property(ole: olefile.OleFileIO, inside: list[str], number: int) -> str:
    """A string property: UTF-16, else in a code page that only a guess tells."""
    if wide := _stream(ole, inside, number, "001F"):
        return wide.decode("utf-16-le", "replace").rstrip("\0")
    return decoded(_stream(ole, inside, number, "001E")).rstrip("\0")


def _shown(rich: RichText) -> str:
    return html_to_text(rich.text) if rich.is_html else rich.text


def _stream(ole: olefile.OleFileIO, inside: list[str], number: int, kind: str, most: int = LONGEST_STREAM) -> bytes:
    path = [*inside, f"__substg1.0_{number:04X}{kind}"]
    if not ole.exists(path) or ole.get_size(path) > most:
        return b""
    return bytes(ole.openstream(path).read(most))


def read_winmail(data: bytes) -> MailPaper:
    """The text and the files of a "winmail.dat"."""
    mail = read_tnef(data)
    if mail is None:
        return MailPaper("")
    files = [Paper(file.name or "unnamed", file.data) for file in mail.files if file.data]
    return MailPaper(_shown(mail.body), tuple(files[:MOST_FILES]))
