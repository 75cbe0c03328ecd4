"""The XML of an electronic invoice: UBL 2.1 and CII D16B as EN 16931 has them, with what every one must have."""

from __future__ import annotations

from xml.sax.saxutils import escape

from benchmarks.invented_papers.contents import PaperText
from benchmarks.invented_papers.parties import Party
from benchmarks.invented_papers.phrase_lists import Language

CODES = {"invoice": "380"}
COUNTRIES = {"de": "DE", "en": "GB", "fr": "FR", "es": "ES"}
UBL_PROFILES = {
    "de": "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0",
    "en": "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0",
    "fr": "urn:cen.eu:en16931:2017",
    "es": "urn:cen.eu:en16931:2017",
}
UBL = "urn:oasis:names:specification:ubl:schema:xsd"
CII = "urn:un:unece:uncefact:data:standard"


def ubl(paper: PaperText, language: Language) -> bytes:
    """The paper's figures as UBL, as XRechnung and Peppol want it."""
    net, tax, gross = _sums(paper)
    lines = "".join(
        f"<cac:InvoiceLine><cbc:ID>{place}</cbc:ID><cbc:InvoicedQuantity unitCode='H87'>{count}</cbc:InvoicedQuantity>"
        f"<cbc:LineExtensionAmount currencyID='EUR'>{_money(count * cents)}</cbc:LineExtensionAmount>"
        f"<cac:Item><cbc:Name>{escape(name)}</cbc:Name></cac:Item>"
        f"<cac:Price><cbc:PriceAmount currencyID='EUR'>{_money(cents)}</cbc:PriceAmount></cac:Price></cac:InvoiceLine>"
        for place, (name, count, cents) in enumerate(paper.lines, 1)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="{UBL}:Invoice-2" xmlns:cac="{UBL}:CommonAggregateComponents-2"
 xmlns:cbc="{UBL}:CommonBasicComponents-2">
<cbc:CustomizationID>{UBL_PROFILES[language]}</cbc:CustomizationID>
<cbc:ProfileID>urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</cbc:ProfileID>
<cbc:ID>{escape(paper.number)}</cbc:ID><cbc:IssueDate>{paper.at:%Y-%m-%d}</cbc:IssueDate>
<cbc:InvoiceTypeCode>{CODES["invoice"]}</cbc:InvoiceTypeCode><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
<cac:AccountingSupplierParty>{_ubl_party(paper.sender, language)}</cac:AccountingSupplierParty>
<cac:AccountingCustomerParty>{_ubl_party(paper.addressee, "de")}</cac:AccountingCustomerParty>
<cac:TaxTotal><cbc:TaxAmount currencyID="EUR">{_money(tax)}</cbc:TaxAmount></cac:TaxTotal>
<cac:LegalMonetaryTotal><cbc:LineExtensionAmount currencyID="EUR">{_money(net)}</cbc:LineExtensionAmount>
<cbc:TaxInclusiveAmount currencyID="EUR">{_money(gross)}</cbc:TaxInclusiveAmount>
<cbc:PayableAmount currencyID="EUR">{_money(gross)}</cbc:PayableAmount></cac:LegalMonetaryTotal>
{lines}</Invoice>
""".encode()


def cii(paper: PaperText, language: Language) -> bytes:
    """The same as CII, as Factur-X and ZUGFeRD carry it inside a PDF."""
    net, tax, gross = _sums(paper)
    lines = "".join(
        "<ram:IncludedSupplyChainTradeLineItem><ram:AssociatedDocumentLineDocument>"
        f"<ram:LineID>{place}</ram:LineID></ram:AssociatedDocumentLineDocument>"
        f"<ram:SpecifiedTradeProduct><ram:Name>{escape(name)}</ram:Name></ram:SpecifiedTradeProduct>"
        "<ram:SpecifiedLineTradeDelivery>"
        f"<ram:BilledQuantity unitCode='H87'>{count}</ram:BilledQuantity></ram:SpecifiedLineTradeDelivery>"
        f"</ram:IncludedSupplyChainTradeLineItem>"
        for place, (name, count, _) in enumerate(paper.lines, 1)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="{CII}:CrossIndustryInvoice:100" xmlns:udt="{CII}:UnqualifiedDataType:100"
 xmlns:ram="{CII}:ReusableAggregateBusinessInformationEntity:100">
<rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>urn:cen.eu:en16931:2017</ram:ID>
</ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext>
<rsm:ExchangedDocument><ram:ID>{escape(paper.number)}</ram:ID><ram:TypeCode>{CODES["invoice"]}</ram:TypeCode>
<ram:IssueDateTime><udt:DateTimeString format="102">{paper.at:%Y%m%d}</udt:DateTimeString></ram:IssueDateTime>
</rsm:ExchangedDocument><rsm:SupplyChainTradeTransaction>{lines}
<ram:ApplicableHeaderTradeAgreement>
<ram:SellerTradeParty>{_cii_party(paper.sender, language)}</ram:SellerTradeParty>
<ram:BuyerTradeParty>{_cii_party(paper.addressee, "de")}</ram:BuyerTradeParty></ram:ApplicableHeaderTradeAgreement>
<ram:ApplicableHeaderTradeDelivery/><ram:ApplicableHeaderTradeSettlement>
<ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
<ram:SpecifiedTradeSettlementHeaderMonetarySummation><ram:LineTotalAmount>{_money(net)}</ram:LineTotalAmount>
<ram:TaxBasisTotalAmount>{_money(net)}</ram:TaxBasisTotalAmount>
<ram:TaxTotalAmount currencyID="EUR">{_money(tax)}</ram:TaxTotalAmount>
<ram:GrandTotalAmount>{_money(gross)}</ram:GrandTotalAmount><ram:DuePayableAmount>{_money(gross)}</ram:DuePayableAmount>
</ram:SpecifiedTradeSettlementHeaderMonetarySummation></ram:ApplicableHeaderTradeSettlement>
</rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>
""".encode()


def _sums(paper: PaperText) -> tuple[int, int, int]:
    net = sum(count * cents for _, count, cents in paper.lines)
    tax = round(0.2 * net)
    return net, tax, net + tax


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _ubl_party(party: Party, language: Language) -> str:
    code, _, city = party.place.partition(" ")
    return (
        f"<cac:Party><cac:PostalAddress><cbc:StreetName>{escape(party.street)}</cbc:StreetName>"
        f"<cbc:CityName>{escape(city)}</cbc:CityName><cbc:PostalZone>{code}</cbc:PostalZone><cac:Country>"
        f"<cbc:IdentificationCode>{COUNTRIES[language]}</cbc:IdentificationCode></cac:Country></cac:PostalAddress>"
        f"<cac:PartyLegalEntity><cbc:RegistrationName>{escape(party.name)}</cbc:RegistrationName></cac:PartyLegalEntity>"
        "</cac:Party>"
    )


def _cii_party(party: Party, language: Language) -> str:
    code, _, city = party.place.partition(" ")
    return (
        f"<ram:Name>{escape(party.name)}</ram:Name><ram:PostalTradeAddress><ram:PostcodeCode>{code}</ram:PostcodeCode>"
        f"<ram:LineOne>{escape(party.street)}</ram:LineOne><ram:CityName>{escape(city)}</ram:CityName>"
        f"<ram:CountryID>{COUNTRIES[language]}</ram:CountryID></ram:PostalTradeAddress>"
    )
