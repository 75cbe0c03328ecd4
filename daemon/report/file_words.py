"""What became of a mail's files, for people and for scripts. Names and what invoices say are for people alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    "lacking": "its bytes were not to be had",
    "no time": "enough files were read in this look",
}
"""By status (daemon.papers.paper, daemon.store.records)."""


def file_story(file: ReadFile, *, named: bool = True) -> dict[str, Any]:
    """The file as plain values. Not `named`: without a word of the mail."""
    words = {"name": file.name, "invoice": file.invoice} if named else {"invoice": bool(file.invoice)}
    return {**words, "kind": file.kind, "status": file.status, "ocr": file.ocr, "why": file.why}


def files_in_words(files: Sequence[Mapping[str, Any]]) -> str:
    """Named stories as the end of a sentence: "; read bill.pdf (PDF, e-invoice)". "" without files."""
    return "".join(f"; {_one(file)}" for file in files)


def _one(file: Mapping[str, Any]) -> str:
    name, status = file["name"] or "a file without a name", file["status"]
    if status not in ("text", "none"):
        return f"did not read {name}: {file['why'] or WHY_NOT.get(status, status)}"
    details = [KINDS.get(file["kind"], file["kind"]), "by OCR" if file["ocr"] else "", _mark(file["invoice"])]
    shown = ", ".join(filter(None, details))
    nothing = "" if status == "text" else " and found no text in it"
    return f"read {name}{f' ({shown})' if shown else ''}{nothing}"


def _mark(invoice: str) -> str:
    return f"e{invoice[1:]}" if invoice else ""


def files_counted(files: Iterable[ReadFile]) -> dict[str, Any]:
    """How many were read, and how many were not, by status."""
    ends = Counter(file.status for file in files)
    read = ends.pop("text", 0) + ends.pop("none", 0)
    return {"read": read, "not_read": dict(sorted(ends.items()))}


def counted_in_words(counted: Mapping[str, Any]) -> str:
    """One sentence; "" where no file was to be read."""
    read, ends = counted["read"], counted["not_read"]
    if not read and not ends:
        return ""
    why = ", ".join(f"{number} {status}" for status, number in ends.items())
    return f"Attached files: {read} read" + (f", {sum(ends.values())} not ({why})." if ends else ".")
