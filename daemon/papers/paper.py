"""What could be read of a file that came with a mail.

    Paper(name, data) -> paper_reader.PaperReader.read -> Reading(status, kind, ...)

A reading comes out of a process that has looked at a stranger's bytes, so `from_json` believes nothing of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from connectors.mail.headers import INVISIBLE

LONGEST_TEXT = 4_000
"""Characters of a file's text that are kept: some two pages, and twice what any prompt has room for."""
MOST_TALL_LINES, LONGEST_TALL_LINE = 3, 120
MOST_INVOICES = 3
LONGEST_INVOICE_WORD = 120

Status = Literal["text", "none", "locked", "too large", "limit", "late", "crashed", "unsupported", "unavailable"]
"""text: it says something. none: it was read and says nothing. locked: a password. too large: not tried.
limit: memory, processor time or nesting beyond what a file may cost. late: killed after some seconds.
crashed: its process ended. unsupported: of no kind that is read, or damaged. unavailable: the reading process cannot
be started, so this says nothing about the file, which may be tried again."""

InvoiceKind = Literal["invoice", "credit note", "correction", "partial invoice", "self-billed invoice"]


_NAMES = {
    "204": "payment valuation",
    "387": "hire invoice",
    "575": "insurer's invoice",
    "751": "invoice information for accounting",
    "875": "partial construction invoice",
    "876": "partial final construction invoice",
    "877": "final construction invoice",
}
"""UNTDID 1001's names, where the kind says less or too much: with 751 nobody asks for money."""


@dataclass(frozen=True)
class EInvoice:
    """What an electronic invoice says of itself (EN 16931: BT-3, BT-1, BT-27, BT-44). "" where it does not."""

    kind: InvoiceKind = "invoice"
    code: str = ""
    """UNTDID 1001 ("380"), or FatturaPA's TipoDocumento ("TD01")."""
    number: str = ""
    seller: str = ""
    buyer: str = ""

    @property
    def name(self) -> str:
        """What its code says that it is."""
        return _NAMES.get(self.code, self.kind)

    @property
    def line(self) -> str:
        """One line for people and models: "E-invoice: credit note 4711, from ACME GmbH, to Office AG"."""
        parts = [f"E-invoice: {self.name} {self.number}".rstrip()]
        parts += [f"from {self.seller}"] if self.seller else []
        parts += [f"to {self.buyer}"] if self.buyer else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Reading:
    """What was read of one file. `status` says whether anything was, and why not."""

    status: Status
    kind: str = ""
    """pdf, docx, xlsx, pptx, odt, ods, odp, rtf, text, html, xml, ics, vcf, msg, eml, winmail, zip, png, jpeg, tiff;
    "" if unknown."""
    tall: tuple[str, ...] = ()
    """The tallest lines of the first page, or the headings, where a file has some that stand out."""
    text: str = ""
    invoices: tuple[EInvoice, ...] = ()
    picture: bool = False
    """Is it, or has it, a picture of a page that was not read? OCR could."""
    ocr: bool = False
    """Was the text read from a picture (OCR)? Then letters may be wrong."""

    def to_json(self) -> bytes:
        """One line of JSON, as it goes from the reading process to this one."""
        shown = {
            "status": self.status,
            "kind": self.kind,
            "tall": self.tall,
            "text": self.text,
            "invoices": [vars(invoice) for invoice in self.invoices],
            "picture": self.picture,
            "ocr": self.ocr,
        }
        return json.dumps(shown, ensure_ascii=True).encode("ascii")


def settled(kind: str, tall: list[str], text: str, invoices: list[EInvoice]) -> Reading:
    """A reading within its bounds: blanks squeezed, what nobody sees gone; "none" if nothing is left."""
    lines = (_squeezed(line, LONGEST_TALL_LINE) for line in tall)
    kept = tuple(dict.fromkeys(line for line in lines if line))[:MOST_TALL_LINES]
    text = _tidied(text)
    status: Status = "text" if text or invoices else "none"
    return Reading(status, kind, kept, text, tuple(invoices[:MOST_INVOICES]))


def _tidied(text: str) -> str:
    lines = (_squeezed(line, LONGEST_TEXT) for line in text[: 8 * LONGEST_TEXT].splitlines())
    return "\n".join(line for line in lines if line)[:LONGEST_TEXT].rstrip()


def _squeezed(line: str, most: int) -> str:
    return " ".join(INVISIBLE.sub("", line).split())[:most].rstrip()


def from_json(line: bytes) -> Reading | None:
    """The reading in an answer; None if it is none, or says what no reading can say."""
    try:
        shown: Any = json.loads(line)
        status, kind = shown["status"], shown["kind"]
        if status not in get_args(Status) or not isinstance(kind, str):
            return None
        invoices = [_invoice(each) for each in shown["invoices"][:MOST_INVOICES]]
        found = settled(_squeezed(kind, 20), [str(line) for line in shown["tall"]], str(shown["text"]), invoices)
        picture, ocr = bool(shown["picture"]), bool(shown["ocr"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if status != "text":
        return Reading(status, found.kind, picture=picture)
    return replace(found, picture=picture, ocr=ocr)


def _invoice(shown: dict[str, str]) -> EInvoice:
    kind = shown["kind"]
    if kind not in get_args(InvoiceKind):
        raise ValueError
    words = {name: _squeezed(str(shown[name]), LONGEST_INVOICE_WORD) for name in ("code", "number", "seller", "buyer")}
    return EInvoice(kind, **words)  # type: ignore[arg-type]
