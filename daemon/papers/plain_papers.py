"""Files that are text already: what a person would read of them.

RTF (Microsoft's specification 1.9.1), iCalendar (RFC 5545), vCard (RFC 6350), XML of any kind.
"""

from __future__ import annotations

import re

from connectors.mail.html import html_to_text
from connectors.mail.rich_text import read_rtf
from daemon.papers.paper import LONGEST_TEXT
from daemon.papers.xml_stream import Words, in_chunks, read_xml

ENOUGH = 2 * LONGEST_TEXT
LONGEST_RTF = 32 << 20
MOST_CARDS = 10


def read_rtf_file(data: bytes) -> str:
    """The shown text of an RTF file, of what is wrapped in it if that is HTML."""
    rich = read_rtf(data, LONGEST_RTF, ENOUGH)
    return html_to_text(rich.text) if rich.is_html else rich.text


_FOLD = re.compile(r"\r?\n[ \t]")
_CALENDAR = {"METHOD", "SUMMARY", "LOCATION", "DESCRIPTION", "ORGANIZER", "DTSTART"}
_CARD = {"FN", "ORG", "TITLE", "ROLE", "EMAIL", "TEL", "ADR", "NOTE", "URL"}


def read_calendar_file(text: str) -> str:
    """What the first events of an iCalendar file say."""
    return _fields(text, _CALENDAR, "END:VEVENT")


def read_cards(text: str) -> str:
    """Who is on the first cards of a vCard file."""
    return _fields(text, _CARD, "END:VCARD")


def _fields(text: str, wanted: set[str], ends: str) -> str:
    found: list[str] = []
    cards = 0
    for line in _FOLD.sub("", text[: 16 * ENOUGH]).splitlines():
        cards += line.upper().startswith(ends)
        if cards >= MOST_CARDS:
            break
        head, colon, value = line.partition(":")
        name = re.split(r"[;.]", head.rpartition(".")[2] if "." in head.split(";")[0] else head)[0].upper()
        if not colon or name not in wanted:
            continue
        if name == "ORGANIZER" and (common := re.search(r"CN=\"?([^\";:]{1,200})", head, re.IGNORECASE)):
            value = common[1]
        plain = value.replace("\\n", "\n").replace("\\N", "\n").replace("\\,", ",").replace("\\;", ";")
        found.append(plain.replace(";", " ").strip())
    return "\n".join(line for line in found if line)


def read_other_xml(data: bytes) -> str:
    """All text of an XML file that is no invoice. Raises LimitReached."""
    words = Words(ENOUGH)
    read_xml(in_chunks(data), words)
    return "\n".join(words.lines)
