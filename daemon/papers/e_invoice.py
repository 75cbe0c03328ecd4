"""Electronic invoices by their XML: kind, number, seller and buyer, whatever a person calls them.

    UBL 2 (XRechnung, Peppol)         Invoice, CreditNote
    UN/CEFACT CII (XRechnung, Factur-X, ZUGFeRD 2)    CrossIndustryInvoice
    ZUGFeRD 1                         CrossIndustryDocument
    FatturaPA                         FatturaElettronica
    ZUGFeRD's first draft             Invoice of its own

The fields are EN 16931's BT-1 (number), BT-3 (type code), BT-27 (seller) and BT-44 (buyer).
"""

from __future__ import annotations

from collections.abc import Iterable

from daemon.papers.paper import EInvoice, InvoiceKind
from daemon.papers.xml_stream import Enough, Handler, read_xml

LONGEST_VALUE = 500

# UNTDID 1001, as EN 16931 and its national rules use it, and FatturaPA's TipoDocumento. All others are invoices.
_CODES: dict[InvoiceKind, str] = {
    "credit note": "81 83 261 262 296 308 381 396 420 458 501 502 503 532 TD04 TD08",
    "correction": "384 471 472 473",
    "partial invoice": "202 203 204 211 326 386 875 876 TD02 TD03",
    "self-billed invoice": "389 500 TD16 TD17 TD18 TD19 TD20 TD21 TD27",
}
_KINDS: dict[str, InvoiceKind] = {code: kind for kind, codes in _CODES.items() for code in codes.split()}

_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
_OLD_DRAFT = "urn:un:unece:uncefact:data:standard:CBFBUY"

# Field by the ends of the paths that may hold it, the strongest first: a party's registered name before another.
_PARTY = ("/Party/PartyLegalEntity/RegistrationName", "/Party/PartyName/Name")
_PERSON = "/DatiAnagrafici/Anagrafica/"
_FIELDS = {
    "number": (
        *("Invoice/ID", "CreditNote/ID", "/ExchangedDocument/ID", "/HeaderExchangedDocument/ID"),
        "/DatiGeneraliDocumento/Numero",
    ),
    "code": (
        *("Invoice/InvoiceTypeCode", "CreditNote/CreditNoteTypeCode", "/ExchangedDocument/TypeCode"),
        *("/HeaderExchangedDocument/TypeCode", "/DatiGeneraliDocumento/TipoDocumento"),
    ),
    "seller": (
        *(f"/AccountingSupplierParty{end}" for end in _PARTY),
        "/SellerTradeParty/Name",
        f"/CedentePrestatore{_PERSON}Denominazione",
    ),
    "buyer": (
        *(f"/AccountingCustomerParty{end}" for end in _PARTY),
        "/BuyerTradeParty/Name",
        f"/CessionarioCommittente{_PERSON}Denominazione",
    ),
}
_FIRST_AND_LAST_NAME = {"seller": f"/CedentePrestatore{_PERSON}", "buyer": f"/CessionarioCommittente{_PERSON}"}
_LEAVES = {end.rpartition("/")[2] for ends in _FIELDS.values() for end in ends} | {"Nome", "Cognome"}
# What comes after the head, and is most of the file.
_AFTER = ("InvoiceLine", "CreditNoteLine", "DatiBeniServizi", "ApplicableHeaderTradeDelivery")


class _Head(Handler):
    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.root = ""
        self._value: list[str] = []

    def start(self, name: str, _: dict[str, str]) -> None:
        if len(self.path) == 1:
            self.root = name if _is_invoice(name, self.namespace) else ""
            if not self.root:
                raise Enough
        if name in _AFTER and len(self.path) <= 3:
            raise Enough
        self._value.clear()

    def text(self, text: str) -> None:
        if self.path and self.path[-1] in _LEAVES and len(self._value) < 50:
            self._value.append(text)

    def end(self, name: str) -> None:
        if name in _LEAVES and (value := " ".join("".join(self._value).split())[:LONGEST_VALUE]):
            self.values.setdefault("/".join(self.path), value)
        self._value.clear()


def read_invoice(chunks: Iterable[bytes]) -> EInvoice | None:
    """The head of an electronic invoice; None if this XML is none. Raises LimitReached."""
    head = _Head()
    read_xml(chunks, head)
    if not head.root or not head.values:
        return None
    found = {field: _value(head.values, ends) for field, ends in _FIELDS.items()}
    for party, person in _FIRST_AND_LAST_NAME.items():
        found[party] = found[party] or " ".join(
            filter(None, (_value(head.values, (f"{person}{name}",)) for name in ("Nome", "Cognome")))
        )
    otherwise: InvoiceKind = "credit note" if head.root == "CreditNote" else "invoice"
    return EInvoice(_KINDS.get(found["code"], otherwise), **found)


def _is_invoice(root: str, namespace: str) -> bool:
    if root in ("CrossIndustryInvoice", "CrossIndustryDocument", "FatturaElettronica"):
        return True
    return root in ("Invoice", "CreditNote") and namespace.startswith((_UBL, _OLD_DRAFT))


def _value(values: dict[str, str], ends: tuple[str, ...]) -> str:
    """The first value whose path ends so. An end without a slash before it is the whole path."""
    for end in ends:
        for path, value in values.items():
            if path.endswith(end) if end.startswith("/") else path == end:
                return value
    return ""
