"""Which files of a mail are worth reading, and their bytes: a few, whole, or not at all.

    header of a part, first bytes | rank_of | AttachedFile ... | papers_of | Paper ...

A file is known by its first bytes, then by its name, then by its type, since any of them may be missing or lie. What
is a file and what is the body, a signature or an invitation is decided here for every way by which mail comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from connectors.base import Paper
from connectors.mail import cms
from connectors.mail.content_type import file_name
from connectors.mail.hands_off import FIRST_BYTES, substance_of
from connectors.mail.headers import Headers, one_line
from connectors.mail.tnef import SIGNATURE as TNEF_BEGINS
from connectors.mail.tnef import Tnef, read_tnef

MOST_READ = 3
"""Files of one mail."""
MOST_NAMED = 20
"""Files of one mail that are told of, read or not."""
LARGEST_FILE = 32 << 20
"""Bytes of one file."""
LARGEST_TOGETHER = 48 << 20
"""Bytes of all files of one mail that are read."""

TOO_LARGE = "larger than 32 MB"
TOGETHER_TOO_LARGE = "with the files before it larger than 48 MB"
ONE_OF_MANY = "beyond the three that are read of one mail"
ONLY_ITS_BEGINNING = "only its beginning is there"
DAMAGED = "sent in a way that does not keep its bytes"
NOT_GIVEN = "the server did not give it"
EMPTY = "empty"


class Rank(IntEnum):
    """What tells most comes first."""

    DOCUMENT = 0
    TEXT = 1
    """What is attached beside documents, and seldom is what the mail is about: notes, cards, dates."""
    PICTURE = 2


BODY_TYPES = ("text/plain", "text/html", "text/enriched", "text/richtext", "application/xhtml+xml")
"""What is the mail itself where it is not marked as attachment."""
_DOCUMENT_NAMES = frozenset({
    *("pdf", "docx", "docm", "dotx", "xlsx", "xlsm", "xltx", "pptx", "pptm", "odt", "ods", "odp", "rtf"),
    *("csv", "tsv", "xml", "msg", "eml", "zip", "p7m"),
})  # fmt: skip
_TEXT_NAMES = frozenset({"txt", "text", "md", "html", "htm", "xhtml", "ics", "vcf"})
_PICTURE_NAMES = frozenset({"jpg", "jpeg", "png", "tif", "tiff"})
_OLD_OFFICE = frozenset({"doc", "dot", "xls", "xlt", "ppt", "pps", "pot", "vsd", "mpp", "pub"})
"""OLE files as Outlook's messages are, of kinds that nobody here reads."""
_DOCUMENT_TYPES = frozenset({
    *("application/pdf", "application/x-pdf", "application/acrobat", "text/pdf", "application/rtf", "text/rtf"),
    *("text/csv", "application/csv", "text/comma-separated-values", "text/tab-separated-values", "text/xml"),
    *("application/xml", "application/zip", "application/x-zip-compressed", "application/vnd.ms-outlook"),
})  # fmt: skip
_OLD_OFFICE_TYPES = frozenset({"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"})
_OFFICE_TYPES = ("application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument.")
_TEXT_TYPES = frozenset({
    *("text/plain", "text/html", "text/calendar", "text/vcard", "text/x-vcard", "text/directory", "text/markdown"),
    "application/xhtml+xml",
})  # fmt: skip
_PICTURE_TYPES = frozenset({"image/jpeg", "image/jpg", "image/pjpeg", "image/png", "image/x-png", "image/tiff"})
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BEGINS: tuple[tuple[bytes, Rank], ...] = (
    (b"PK\x03\x04", Rank.DOCUMENT),
    (b"{\\rtf", Rank.DOCUMENT),
    (_OLE, Rank.DOCUMENT),
    (b"\xff\xd8\xff", Rank.PICTURE),
    (b"\x89PNG\r\n\x1a\n", Rank.PICTURE),
    (b"II*\0", Rank.PICTURE),
    (b"MM\0*", Rank.PICTURE),
)


def rank_of(kind: str, headers: Headers, begins: bytes) -> Rank | None:
    """How promising this part is as a file to be read; None: it is none, or of no kind that is read.

    `kind`: its type in small letters. `begins`: at least `FIRST_BYTES` of it, decoded; b"" where unknown.
    """
    name, is_attached = file_name(headers), headers.parameters("content-disposition").value == "attachment"
    match substance_of(kind, name, begins):
        case "rights" | "pgp" | "signature":
            return None
        case "smime":  # an invoice that is signed, and no mail that is
            is_file = bool(name) and not name.lower().startswith("smime.p7") and cms.kind_of(begins) == "signed"
            return Rank.DOCUMENT if is_file else None
        case "tnef":
            return Rank.DOCUMENT
        case "calendar":
            return Rank.TEXT if is_attached else None
    ranked = _by_bytes(name, kind, begins)
    if kind in BODY_TYPES and not is_attached:  # a file under the type of text is one all the same
        return ranked
    if kind.startswith("image/") and not is_attached and headers.raw("content-id"):  # the HTML shows it
        return None if ranked is Rank.PICTURE else ranked
    return ranked if ranked is not None else _by_name(name, kind)


def _by_bytes(name: str, kind: str, begins: bytes) -> Rank | None:
    if b"%PDF-" in begins:
        return Rank.DOCUMENT
    if begins.startswith(_OLE) and (_ending(name) in _OLD_OFFICE or kind in _OLD_OFFICE_TYPES):
        return None
    return next((rank for magic, rank in _BEGINS if begins.startswith(magic)), None)


def _by_name(name: str, kind: str) -> Rank | None:
    ending = _ending(name)
    if ending in _DOCUMENT_NAMES:
        return Rank.DOCUMENT
    if ending in _TEXT_NAMES:
        return Rank.TEXT
    if ending in _PICTURE_NAMES:
        return Rank.PICTURE
    if kind in _DOCUMENT_TYPES or kind.startswith(_OFFICE_TYPES):
        return Rank.DOCUMENT
    if kind in _TEXT_TYPES:
        return Rank.TEXT
    return Rank.PICTURE if kind in _PICTURE_TYPES else None


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""


class NotRead(Exception):
    """These bytes are not here: why, in words for people."""


@dataclass(frozen=True)
class AttachedFile:
    """A file that may be read. `read` gives its bytes, or raises NotRead; whatever else it raises goes through."""

    name: str
    rank: Rank
    read: Callable[[], bytes]
    size: int = 0
    """Bytes, as far as anybody knows before."""
    lacking: str = ""
    """Why it cannot be read, if that is known before."""
    is_spare: bool = False
    """Is it the body, too, where the mail has no other?"""


def papers_of(files: Sequence[AttachedFile], *, pictures: bool = False) -> tuple[Paper, ...]:
    """The most promising of a mail's files, whole, and the names of the others, in the mail's order.

    `pictures`: with photographs and scans, where documents leave room for them.
    """
    files = [one for one in files if pictures or one.rank is not Rank.PICTURE]
    chosen = _chosen(files)
    papers: list[Paper] = []
    read, room = 0, LARGEST_TOGETHER
    for number, one in enumerate(files):
        if len(papers) >= MOST_NAMED and number not in chosen:
            continue
        if number not in chosen:
            papers.append(Paper(shown_name(one.name), lacking=_why_not(one, len(chosen))))
            continue
        found = _read(one, MOST_READ - read, pictures)
        if (came := sum(len(paper.data) for paper in found)) > room:  # more than was said before
            found, came = [Paper(shown_name(one.name), lacking=TOGETHER_TOO_LARGE)], 0
        room -= came
        read += sum(not paper.lacking for paper in found)
        papers += found
    return tuple(papers)


def _chosen(files: Sequence[AttachedFile]) -> list[int]:
    chosen: list[int] = []
    together = 0
    for number in sorted(range(len(files)), key=lambda place: (files[place].rank, place)):
        one = files[number]
        fits = one.size <= LARGEST_FILE and together + one.size <= LARGEST_TOGETHER
        if len(chosen) < MOST_READ and not one.lacking and fits:
            chosen.append(number)
            together += one.size
    return chosen


def _why_not(one: AttachedFile, chosen: int) -> str:
    if one.lacking:
        return one.lacking
    if one.size > LARGEST_FILE:
        return TOO_LARGE
    return ONE_OF_MANY if chosen == MOST_READ else TOGETHER_TOO_LARGE


def _read(one: AttachedFile, most: int, pictures: bool) -> list[Paper]:
    name = shown_name(one.name)
    if most <= 0:
        return [Paper(name, lacking=ONE_OF_MANY)]
    try:
        data = one.read()
    except NotRead as error:
        return [Paper(name, lacking=str(error))]
    if not data:
        return [Paper(name, lacking=EMPTY)]
    if len(data) > LARGEST_FILE:
        return [Paper(name, lacking=TOO_LARGE)]
    inside = read_tnef(data) if data.startswith(TNEF_BEGINS) else None
    return [Paper(name, data)] if inside is None else _held(inside, most, pictures)


def _held(inside: Tnef, most: int, pictures: bool) -> list[Paper]:
    """The files in a "winmail.dat": their names are all that is known of them beside their bytes."""
    papers: list[Paper] = []
    for file in inside.named:
        rank = rank_inside(file.name, file.data)
        if rank is None or (rank is Rank.PICTURE and not pictures):
            continue
        lacking = ONE_OF_MANY if len(papers) >= most else "" if file.data else ONLY_ITS_BEGINNING
        papers.append(Paper(shown_name(file.name), b"" if lacking else file.data, lacking))
    return papers[:MOST_NAMED]


def rank_inside(name: str, data: bytes) -> Rank | None:
    """The same of a file that has a name and no header. `data`: b"" where it is unknown."""
    ranked = _by_bytes(name, "", data[: 4 * FIRST_BYTES])
    return ranked if ranked is not None else _by_name(name, "")


def shown_name(name: str) -> str:
    """One line, without what looks like a path."""
    return one_line(name, 255).replace("/", "_").replace("\\", "_") or "unnamed"
