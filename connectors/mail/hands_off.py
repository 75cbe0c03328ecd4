"""What nobody's program may touch, in whatever disguise it comes: secrets and invitations.

    type, file name, first bytes | substance_of | "smime", "rights", "pgp", "calendar", "tnef" or None
    the text of a calendar file | read_calendar | Event(is_invitation, words)

Gateways and mail programs rename types, drop parameters and send files as "application/octet-stream". So each kind is
known by its type OR its file's name OR its first bytes. One kind more is one line more in `DISGUISES`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from connectors.mail import cms
from connectors.mail.tnef import SIGNATURE as TNEF_BEGINS

Substance = Literal["smime", "signature", "rights", "pgp", "calendar", "tnef"]


@dataclass(frozen=True)
class Disguise:
    """How one kind of content may be known; any of the three is enough."""

    substance: Substance
    types: frozenset[str]
    name: re.Pattern[str]
    begins: tuple[bytes, ...] = ()


DISGUISES = (
    Disguise(  # RFC 8551 section 3.2
        "smime",
        frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime", "application/cms"}),
        re.compile(r".*\.p7[mz]"),
        (b"-----BEGIN PKCS7-----", b"-----BEGIN CMS-----"),
    ),
    Disguise(
        "signature",
        frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"}),
        re.compile(r".*\.p7s|signature\.asc"),
        (b"-----BEGIN PGP SIGNATURE-----",),
    ),
    Disguise(  # Microsoft Purview: MS-OXORMMS
        "rights",
        frozenset({"application/x-microsoft-rpmsg-message"}),
        re.compile(r".*\.rpmsg"),
        (b"\x76\xe8\x04\x60\xc4\x11\xe3\x86",),
    ),
    Disguise(  # RFC 3156 section 4; Exchange leaves the control part of what was multipart/encrypted
        "pgp",
        frozenset({"application/pgp-encrypted", "multipart/encrypted"}),
        re.compile(r"(?!)"),
        (b"-----BEGIN PGP MESSAGE-----",),
    ),
    Disguise(  # RFC 5545, RFC 6047
        "calendar",
        frozenset(
            {"text/calendar", "text/x-calendar", "text/ics", "text/x-vcalendar"}
            | {"application/ics", "application/x-ics", "application/calendar", "application/x-vcalendar"}
        ),
        re.compile(r".*\.(?:ics|ical|ifb|vcs)"),
        (b"BEGIN:VCALENDAR",),
    ),
    Disguise(  # MS-OXTNEF
        "tnef",
        frozenset({"application/ms-tnef", "application/vnd.ms-tnef", "application/x-tnef"}),
        re.compile(r"winmail(?:\d*|[ _(].{0,20})\.dat|win\.dat"),
        (TNEF_BEGINS,),
    ),
)
_PGP_FILE = re.compile(r".*\.(?:pgp|gpg|asc)")
_PGP_SESSION_KEY = (b"\x84", b"\x85", b"\x86", b"\xc1")
"""First bytes of a public-key encrypted session key (RFC 9580 sections 4.2 and 5.1)."""
FIRST_BYTES = 64


def substance_of(kind: str, name: str, begins: bytes) -> Substance | None:
    """Which of the kinds a part is; `begins` holds at least `FIRST_BYTES` of what it has, decoded."""
    name = name.lower()[-120:]
    start = begins.removeprefix(b"\xef\xbb\xbf").lstrip()
    start = start.upper() if start[:6].upper() == b"BEGIN:" else start
    for one in DISGUISES:
        if kind in one.types or one.name.fullmatch(name) or start.startswith(one.begins):
            return one.substance
    if cms.kind_of(begins):
        return "smime"
    if _PGP_FILE.fullmatch(name) and begins.startswith(_PGP_SESSION_KEY):
        return "pgp"
    return None


def smime_mark(smime_type: str, name: str, data: bytes) -> Literal["encrypted", "signed"]:
    """Encrypted, unless the bytes or, where they say nothing, the labels say that it is only signed."""
    smime_type = smime_type.lower()
    inside = cms.kind_of(data)
    if smime_type in ("enveloped-data", "authenveloped-data") or inside == "enveloped":
        return "encrypted"
    if inside or smime_type in ("signed-data", "certs-only", "compressed-data") or name.lower().endswith(".p7s"):
        return "signed"
    return "encrypted"


_FIELD = re.compile(r"^(METHOD|SUMMARY|LOCATION|DESCRIPTION|ATTENDEE)([^:\n]{0,300}):(.{0,4000})$", re.M | re.I)
_ASKED = re.compile(r"RSVP=TRUE|PARTSTAT=NEEDS-ACTION", re.IGNORECASE)


@dataclass(frozen=True)
class Event:
    """What a calendar file says."""

    is_invitation: bool
    """An invitation, an answer to one or a cancellation: people's calendars wait for it where it is."""
    words: str
    """Title, place and description of its first event."""


def read_calendar(text: str, method: str) -> Event:
    """RFC 5545 section 3.1: long lines are folded, commas escaped. `method` is the Content-Type's parameter."""
    unfolded = text[:50_000].replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "")
    fields: dict[str, str] = {}
    asked = False
    for match in _FIELD.finditer(unfolded):
        name = match[1].upper()
        asked = asked or (name == "ATTENDEE" and _ASKED.search(match[2]) is not None)
        value = match[3].replace("\\n", "\n").replace("\\N", "\n").replace("\\,", ",").replace("\\;", ";")
        fields.setdefault(name, value.strip())
    method = (method or fields.get("METHOD", "")).strip().upper()
    words = "\n".join(value for name, value in fields.items() if name not in ("METHOD", "ATTENDEE"))
    return Event(method != "PUBLISH" if method else asked, words)


def meets(message_class: str) -> bool:
    """Is this class of Outlook's (MS-OXCMSG, MS-OXOCAL) a meeting's request, answer or cancellation?"""
    return message_class.startswith(("ipm.schedule.meeting", "ipm.microsoft schedule.mtg"))
