"""What became of a mail's files, for people and for scripts. Names and what invoices say are for people alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from daemon.store.records import ReadFile

KINDS = {
    "pdf": "PDF", "docx": "Word", "xlsx": "Excel", "pptx": "PowerPoint", "odt": "OpenDocument text",
    "ods": "OpenDocument sheet", "odp": "OpenDocument slides", "rtf": "RTF", "text": "text", "html": "HTML",
    "xml": "XML", "ics": "calendar", "vcf": "card", "msg": "Outlook mail", "eml": "mail", "winmail": "winmail.dat",
    "zip": "ZIP", "png": "picture", "jpeg": "picture", "tiff": "picture",
}  # fmt: skip
WHY_NOT = {
    "locked": "it is locked with a password",
    "too large": "it is larger than a file may be",
    "limit": "it would take more memory or time than a file may",
    "late": "it took longer than a file may",
    "crashed": "it made the reading process crash",
    "unsupported": "it is damaged, or of a kind that Postroom does not read",
    "unavailable": "the reading process does not start; `postroom check` says why",
    "unseen": "it is a picture, and OCR does not work; `postroom check` says why",
    "lacking": "its bytes were not to be had",
    "no time": "enough files were read in this look",
}
"""By status (daemon.papers.paper, daemon.store.records)."""
COUNTED = {
    "locked": "locked with a password",
    "limit": "for want of memory or time",
    "late": "too slow",
    "crashed": "after the reading process crashed",
    "unsupported": "damaged or of a kind that is not read",
    "unavailable": "while the reading process did not start",
    "unseen": "pictures while OCR did not work",
    "no time": "beyond what one look reads",
}
"""The same behind a number; the others are words already."""
MOST_NAMED = 3
"""Files with one and the same reason not to be read."""


def file_story(file: ReadFile, *, named: bool = True) -> dict[str, Any]:
    """The file as plain values. Not `named`: without a word of the mail."""
    words = {"name": file.name, "invoice": file.invoice} if named else {"invoice": bool(file.invoice)}
    return {**words, "kind": file.kind, "status": file.status, "ocr": file.ocr, "why": file.why}


def files_in_words(files: Sequence[Mapping[str, Any]]) -> str:
    """Named stories as the end of a sentence: "; read bill.pdf (PDF, e-invoice)". "" without files."""
    ends = groupby(files, lambda file: (file["status"] in ("text", "none"), file["status"], file["why"]))
    return "".join(
        f"; {words}"
        for (was_read, _, _), same in ends
        for words in (map(_read, same) if was_read else [_not_read(list(same))])
    )


def _not_read(files: Sequence[Mapping[str, Any]]) -> str:
    """Files with one reason: twenty would fill a page."""
    names = [file["name"] or "a file without a name" for file in files[:MOST_NAMED]]
    more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
    status = files[0]["status"]
    return f"did not read {', '.join(names)}{more}: {files[0]['why'] or WHY_NOT.get(status, status)}"


def _read(file: Mapping[str, Any]) -> str:
    name, status = file["name"] or "a file without a name", file["status"]
    details = [KINDS.get(file["kind"], file["kind"]), "by OCR" if file["ocr"] else "", _mark(file["invoice"])]
    shown = ", ".join(filter(None, details))
    nothing = "" if status == "text" else " and found no text in it"
    return f"read {name}{f' ({shown})' if shown else ''}{nothing}"


def _mark(invoice: str) -> str:
    return f"e{invoice[1:]}" if invoice else ""


def files_counted(files: Iterable[ReadFile]) -> dict[str, Any]:
    """How many said something, how many have no text, and how many were not read, by status or reason."""
    ends = Counter(file.why or file.status for file in files)
    return {"read": ends.pop("text", 0), "no_text": ends.pop("none", 0), "not_read": dict(sorted(ends.items()))}


def counted_in_words(counted: Mapping[str, Any]) -> str:
    """One sentence; "" where no file was to be read."""
    read, nothing, ends = counted["read"], counted["no_text"], counted["not_read"]
    if not read and not nothing and not ends:
        return ""
    why = ", ".join(f"{number} {COUNTED.get(end, end)}" for end, number in ends.items())
    without = f", {nothing} without text" if nothing else ""
    return f"Attached files: {read} read{without}" + (f", {sum(ends.values())} not read ({why})." if ends else ".")
