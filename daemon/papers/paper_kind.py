"""What kind of file these bytes are, whatever its name says. The name only decides between kinds of text."""

from __future__ import annotations

import re

from connectors.mail import cms
from connectors.mail.charsets import guess_text

PDF_WITHIN = 1_024
"""Where PDF's first line may lie (ISO 32000-1, annex H.3.4.1)."""
_MAGIC = {
    "zip": b"PK\x03\x04",
    "ole": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "rtf": b"{\\rtf",
    "winmail": b"\x78\x9f\x3e\x22",
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff",
}
PICTURES = ("png", "jpeg", "tiff")
"""Kinds as scanners and telephones make them."""
_HTML = re.compile(r"\s*(?:<!--.{0,500}?-->\s*)?<(?:!doctype html|html|head|body|table|div|p|meta)[\s/>]", re.I | re.S)
_MAIL = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]{1,60}:[^\n]{0,998}\n(?:[ \t][^\n]{0,998}\n){0,50}){3,}")
_MAIL_FIELDS = re.compile(r"^(?:from|received|return-path|message-id|mime-version):", re.I | re.M)
_XML = re.compile(r"\s*<(?:\?xml\b|!--|!DOCTYPE\b|[A-Za-z_][\w.-]{0,100}(?::[\w.-]{1,100})?[\s>])")
_TEXT_NAMES = {"html": "html", "htm": "html", "xml": "xml", "ics": "ics", "vcf": "vcf", "eml": "eml"}


class Locked(Exception):
    """Only who has the password can read it."""


class Unsupported(Exception):
    """Of no kind that is read here."""


def kind_of(data: bytes, name: str) -> str:
    """pdf, zip (also of office files), ole, rtf, winmail, png, jpeg, tiff, p7m, eml, html, xml, ics, vcf or text.

    Raises Unsupported, and Locked for what is encrypted (CMS).
    """
    for kind, magic in _MAGIC.items():
        if data.startswith(magic):
            return kind
    if data.startswith((b"II*\0", b"MM\0*")):  # TIFF 6.0, section 2: in either order of bytes
        return "tiff"
    if signed := cms.kind_of(data):
        if signed == "enveloped":
            raise Locked
        return "p7m"
    if b"%PDF-" in data[:PDF_WITHIN]:
        return "pdf"
    return _kind_of_text(decoded(data[:4_096]), name.rpartition(".")[2].lower())


def _kind_of_text(begins: str, ending: str) -> str:
    if sum(not sign.isprintable() and not sign.isspace() for sign in begins) * 50 > len(begins):
        raise Unsupported
    begins = begins.lstrip("\ufeff \t\r\n")
    for kind, first in (("ics", "BEGIN:VCALENDAR"), ("vcf", "BEGIN:VCARD")):
        if begins[: len(first)].upper() == first:
            return kind
    if _HTML.match(begins):
        return "html"
    if _XML.match(begins):
        return "xml"
    heading = begins.replace("\r\n", "\n")
    if _TEXT_NAMES.get(ending) == "eml" or (_MAIL.match(heading) and _MAIL_FIELDS.search(heading)):
        return "eml"
    return "html" if _TEXT_NAMES.get(ending) == "html" else "text"


def decoded(data: bytes) -> str:
    """Text by its byte order mark, its shifts, as UTF-8, or by the script that it is dense with. Never raises."""
    zeros = data[:2_000].count(0)
    if zeros * 3 > len(data[:2_000]):  # every other byte of European text in UTF-16 is zero, with a mark or without
        big = data.startswith((b"\xfe\xff", b"\0"))
        return data.decode("utf-16-be" if big else "utf-16-le", "replace").lstrip("\ufeff")
    return guess_text(data)
