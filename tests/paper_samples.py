"""Small files of every kind that is read, made here: nothing is taken from anybody."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from base64 import encodebytes
from hashlib import md5

WORDS = "Rechnung Nr. 4711 vom 3. Mai"
SELLER, BUYER, NUMBER = "Muster & Söhne GmbH", "Büro Süd AG", "RE-4711"
_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
Object = tuple[int, bytes]


# -- PDF (ISO 32000-1) ------------------------------------------------------------------------------------------------


def pdf(objects: list[Object], trailer: bytes = b"") -> bytes:
    """A file of these objects; 1 is its catalogue."""
    out = bytearray(b"%PDF-1.7\n")
    places = {}
    for number, body in objects:
        places[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table, size = len(out), max(places) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 00000 f \n"
    return bytes(out + b"trailer<</Size %d/Root 1 0 R%b>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, table))


def stream(data: bytes, extra: bytes = b"") -> bytes:
    """A compressed stream object."""
    return packed_stream(zlib.compress(data), extra)


def packed_stream(packed: bytes, extra: bytes = b"") -> bytes:
    """A stream object of what is compressed already."""
    return b"<</Length %d/Filter/FlateDecode%b>>stream\n%b\nendstream" % (len(packed), extra, packed)


def one_page(content: bytes, *, page: bytes = b"", resources: bytes = b"", catalog: bytes = b"") -> list[Object]:
    """The objects 1 to 5 of a file with one A4 page, whose content is object 4 and whose font F1 object 5."""
    fonts = b"/Font<</F1 5 0 R>>"
    sheet = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<<%b%b>>%b>>"
    return [
        (1, b"<</Type/Catalog/Pages 2 0 R%b>>" % catalog),
        (2, b"<</Type/Pages/Kids[3 0 R]/Count 1>>"),
        (3, sheet % (fonts, resources, page)),
        (4, stream(content)),
        (5, _FONT),
    ]


def shown(text: str, x: float = 72, y: float = 700, size: float = 12, before: str = "") -> bytes:
    """The operators that show a line; `before`: others within the same text object."""
    letters = text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    return b"BT %b /F1 %g Tf %g %g Td (%b) Tj ET\n" % (before.encode(), size, x, y, letters)


def text_pdf(*lines: str) -> bytes:
    """One page, its lines below each other."""
    return pdf(one_page(b"".join(shown(line, y=780 - 20 * row) for row, line in enumerate(lines))))


def pdf_with_file(name: str, content: bytes, *lines: str, packed: bytes | None = None) -> bytes:
    """The same with a file inside, as ZUGFeRD and Factur-X have it."""
    text = b"".join(shown(line, y=780 - 20 * row) for row, line in enumerate(lines))
    names = b"/Names<</EmbeddedFiles<</Names[(%b) 6 0 R]>>>>" % name.encode()
    kind = b"/Type/EmbeddedFile"
    held = stream(content, kind) if packed is None else packed_stream(packed, kind)
    spec = b"<</Type/Filespec/F(%b)/UF(%b)/EF<</F 7 0 R>>>>" % (name.encode(), name.encode())
    return pdf([*one_page(text, catalog=names), (6, spec), (7, held)])


_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def locked_pdf(user: str = "secret") -> bytes:
    """Encrypted with RC4 and 40 bits (ISO 32000-1 section 7.6.3): the user's password is `user`."""
    padded = [(word.encode() + _PADDING)[:32] for word in (user, "owner")]
    owner = rc4(md5(padded[1], usedforsecurity=False).digest()[:5], padded[0])
    rights, identity = -4, b"0123456789abcdef"
    given = padded[0] + owner + struct.pack("<i", rights) + identity
    key = md5(given, usedforsecurity=False).digest()[:5]
    objects = []
    for number, body in one_page(b""):
        if number == 4:
            own = md5(key + struct.pack("<I", 4)[:3] + b"\0\0", usedforsecurity=False).digest()[:10]
            body = packed_stream(rc4(own, zlib.compress(shown(WORDS))))
        objects.append((number, body))
    encrypt = b"<</Filter/Standard/V 1/R 2/O<%b>/U<%b>/P %d>>" % (
        owner.hex().encode(), rc4(key, _PADDING).hex().encode(), rights
    )  # fmt: skip
    trailer = b"/Encrypt 6 0 R/ID[<%b><%b>]" % (identity.hex().encode(), identity.hex().encode())
    return pdf([*objects, (6, encrypt)], trailer)


def rc4(key: bytes, data: bytes) -> bytes:
    """The cipher, as published."""
    box = list(range(256))
    j = 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) & 255
        box[i], box[j] = box[j], box[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) & 255
        j = (j + box[i]) & 255
        box[i], box[j] = box[j], box[i]
        out.append(byte ^ box[(box[i] + box[j]) & 255])
    return bytes(out)


# -- Office (ECMA-376) and OpenDocument -------------------------------------------------------------------------------


def archive(**members: bytes | str) -> bytes:
    """A ZIP file. In names, two underscores are a slash and one is a dot."""
    return archive_of({name.replace("__", "/").replace("_", "."): data for name, data in members.items()})


def archive_of(members: dict[str, bytes | str]) -> bytes:
    """A ZIP file of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as held:
        for name, data in members.items():
            held.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT_W = "http://purl.oclc.org/ooxml/wordprocessingml/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


def docx(body: str, namespace: str = W, **more: str) -> bytes:
    """A Word file whose body is this XML, or a paragraph with this text."""
    if not body.startswith("<"):
        body = f"<w:p><w:r><w:t>{body}</w:t></w:r></w:p>"
    document = f'<w:document xmlns:w="{namespace}"><w:body>{body}</w:body></w:document>'
    return archive_of({"[Content_Types].xml": TYPES, "word/document.xml": document, **more})


def _relations(*targets: str) -> str:
    lines = "".join(f'<Relationship Id="r{number}" Target="{target}"/>' for number, target in enumerate(targets))
    return f"<Relationships>{lines}</Relationships>"


def xlsx(*cells: str, hidden: str = "geheim") -> bytes:
    """An Excel file: the first cell shared, the others inline; a second, hidden sheet."""
    strings = f"<sst><si><r><t>{cells[0]}</t></r><rPh><t>Lautschrift</t></rPh></si></sst>"
    inline = "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells[1:])
    row = f'<row><c t="s"><v>0</v></c>{inline}<c><v>119.5</v></c></row>'
    sheets = f'<sheet name="A" r:id="r1" xmlns:r="{R}"/><sheet name="B" state="hidden" r:id="r0" xmlns:r="{R}"/>'
    return archive_of(
        {
            "[Content_Types].xml": TYPES,
            "xl/workbook.xml": f"<workbook><sheets>{sheets}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": _relations("worksheets/sheet1.xml", "/xl/worksheets/sheet2.xml"),
            "xl/sharedStrings.xml": strings,
            "xl/worksheets/sheet2.xml": f"<worksheet><sheetData>{row}</sheetData></worksheet>",
            "xl/worksheets/sheet1.xml": "<worksheet><sheetData><row><c t='inlineStr'><is><t>"
            f"{hidden}</t></is></c></row></sheetData></worksheet>",
        }
    )


def pptx(title: str, *lines: str, shapes: str = "") -> bytes:
    """A PowerPoint file: one slide with a title, and one that is not shown. `shapes`: XML of more on the first."""

    def text(line: str) -> str:
        return f"<txBody><a:p xmlns:a='a'><a:r><a:t>{line}</a:t></a:r></a:p></txBody>"

    shapes = f'<sp><nvPr><ph type="title"/></nvPr>{text(title)}</sp><sp>{"".join(map(text, lines))}</sp>{shapes}'
    order = f'<sldIdLst xmlns:r="{R}"><sldId id="256" r:id="r1"/><sldId id="257" r:id="r0"/></sldIdLst>'
    return archive_of(
        {
            "[Content_Types].xml": TYPES,
            "ppt/presentation.xml": f"<presentation>{order}<sldSz cx='9144000' cy='6858000'/></presentation>",
            "ppt/_rels/presentation.xml.rels": _relations("slides/slide1.xml", "slides/slide2.xml"),
            "ppt/slides/slide2.xml": f"<sld>{shapes}</sld>",
            "ppt/slides/slide1.xml": f'<sld show="0"><sp>{text("geheim")}</sp></sld>',
        }
    )


def open_document(kind: str, content: str, manifest: str = "<manifest/>") -> bytes:
    """An OpenDocument file: "text", "spreadsheet" or "presentation", with this XML in its body."""
    names = 'xmlns:text="urn:t" xmlns:table="urn:b" xmlns:draw="urn:d" xmlns:office="urn:o"'
    names += ' xmlns:style="urn:s" xmlns:fo="urn:f"'
    # As old programs write it: an external DTD that nobody reads.
    doctype = '<!DOCTYPE office:document-content PUBLIC "-//O//DTD 1.0//EN" "office.dtd">'
    body = f"<office:document-content {names}><office:body>{content}</office:body></office:document-content>"
    return archive_of(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f'<?xml version="1.0"?>{doctype}{body}',
            "META-INF/manifest.xml": manifest,
        }
    )


# -- Outlook ----------------------------------------------------------------------------------------------------------


def compound_file(streams: dict[str, bytes]) -> bytes:
    """A compound file (MS-CFB) with these streams; a slash in a name is a storage. All are padded to 4,096 bytes."""
    paths = sorted({"/".join(name.split("/")[: depth + 1]) for name in streams for depth in range(name.count("/") + 1)})
    numbers = {path: number for number, path in enumerate(paths, 1)}
    data, starts, table = bytearray(), {}, list[int]()

    def put(content: bytes) -> int:
        start = len(table)
        sectors = max(1, -(-len(content) // 512))
        data.extend(content.ljust(512 * sectors, b"\0"))
        table.extend([*range(start + 1, start + sectors), 0xFFFFFFFE])
        return start

    for name, content in streams.items():
        starts[name] = (put(content.ljust(4096, b"\0")), max(len(content), 4096))

    def entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
        shown = name.encode("utf-16-le") + b"\0\0"
        head = struct.pack("<64sHBBIII", shown, len(shown), kind, 1, 0xFFFFFFFF, right, child)
        return head + bytes(36) + struct.pack("<IQ", start, size)

    def first(parent: str) -> int:
        return next((numbers[path] for path in paths if path.rpartition("/")[0] == parent), 0xFFFFFFFF)

    entries = [entry("Root Entry", 5, 0xFFFFFFFF, first(""), 0xFFFFFFFE, 0)]
    for path in paths:
        parent, _, name = path.rpartition("/")
        later = [numbers[other] for other in paths if other.rpartition("/")[0] == parent and other > path]
        start, size = starts.get(path, (0, 0))
        kind, child = (2, 0xFFFFFFFF) if path in starts else (1, first(path))
        entries.append(entry(name, kind, min(later, default=0xFFFFFFFF), child, start, size))
    entries += [bytes(128)] * (-len(entries) % 4)
    directory = put(b"".join(entries))
    fats = -(-(len(table) + 4) // 128)
    at = len(table)
    whole = [*table, *[0xFFFFFFFD] * fats]
    whole += [0xFFFFFFFF] * (fats * 128 - len(whole))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack(
        "<HHHHH6x9I", 0x3E, 3, 0xFFFE, 9, 6, 0, fats, directory, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0
    )
    header += b"".join(struct.pack("<I", at + number) for number in range(fats))
    header = header.ljust(512, b"\xff")
    return header + bytes(data) + struct.pack(f"<{len(whole)}I", *whole)


def msg(subject: str, body: str, **files: bytes) -> bytes:
    """An Outlook message (MS-OXMSG) with these files; in their names an underscore is a dot."""
    streams = {
        "__properties_version1.0": b"",
        "__substg1.0_0037001F": subject.encode("utf-16-le"),
        "__substg1.0_0C1A001F": "Ann Lee".encode("utf-16-le"),
        "__substg1.0_1000001F": body.encode("utf-16-le"),
    }
    for number, (name, data) in enumerate(files.items()):
        place = f"__attach_version1.0_#{number:08X}"
        streams[f"{place}/__substg1.0_3707001F"] = name.replace("_", ".").encode("utf-16-le")
        streams[f"{place}/__substg1.0_37010102"] = data
    return compound_file(streams)


def winmail(body: str, name: str, data: bytes) -> bytes:
    """A winmail.dat (MS-OXTNEF) with a text and one file."""
    long = name.encode("utf-16-le") + b"\0\0"
    properties = struct.pack("<IHHII", 1, 0x001F, 0x3707, 1, len(long)) + long
    attributes = (
        (1, 0x0002800C, body.encode("cp1252") + b"\0"),
        (2, 0x00069002, bytes(14)),
        (2, 0x0006800F, data),
        (2, 0x00069005, properties),
    )
    out = b"\x78\x9f\x3e\x22\x01\x00"
    for level, kind, value in attributes:
        out += struct.pack("<BII", level, kind, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)
    return out


def eml(subject: str, body: str, name: str = "", data: bytes = b"") -> bytes:
    """A mail as it travels, perhaps with a file."""
    head = f"From: Ann Lee <ann@example.org>\nSubject: {subject}\nMIME-Version: 1.0\n"
    if not name:
        return f"{head}Content-Type: text/plain; charset=utf-8\n\n{body}\n".encode()
    return (
        f"{head}Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n{body}\n"
        f'--b\nContent-Type: application/octet-stream; name="{name}"\nContent-Transfer-Encoding: base64\n\n'
    ).encode() + encodebytes(data) + b"--b--\n"  # fmt: skip


def signed(content: bytes, kind: int = 2) -> bytes:
    """A CMS message (RFC 5652 section 5.1) around a file, without certificates; 3 is an encrypted one."""

    def der(tag: int, value: bytes) -> bytes:
        return bytes((tag, 0x84)) + struct.pack(">I", len(value)) + value

    def name(number: int) -> bytes:
        return bytes.fromhex("06092a864886f70d0107") + bytes((number,))

    inner = der(0x30, name(1) + der(0xA0, der(0x04, content)))
    return der(0x30, name(kind) + der(0xA0, der(0x30, b"\x02\x01\x01" + der(0x31, b"") + inner)))


# -- electronic invoices ----------------------------------------------------------------------------------------------

_CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;")


def ubl(code: str = "380", root: str = "Invoice") -> bytes:
    """An invoice or a credit note in UBL 2."""

    def party(role: str, name: str) -> str:
        legal = f"<c:PartyLegalEntity><b:RegistrationName>{_escaped(name)}</b:RegistrationName></c:PartyLegalEntity>"
        return f"<c:{role}><c:Party><c:PartyName><b:Name>kurz</b:Name></c:PartyName>{legal}</c:Party></c:{role}>"

    return (
        f'<?xml version="1.0"?><{root} xmlns="urn:oasis:names:specification:ubl:schema:xsd:{root}-2" xmlns:b="{_CBC}" '
        f'xmlns:c="c"><b:ID>{NUMBER}</b:ID><b:{root}TypeCode>{code}</b:{root}TypeCode>'
        f"{party('AccountingSupplierParty', SELLER)}{party('AccountingCustomerParty', BUYER)}"
        f"<c:{root}Line><b:ID>1</b:ID></c:{root}Line></{root}>"
    ).encode()


def cii(code: str = "380") -> bytes:
    """An invoice in UN/CEFACT's CII, as in XRechnung and Factur-X."""
    return _trade("CrossIndustryInvoice", "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100", "", code)


def zugferd_1(code: str = "380") -> bytes:
    """The same in ZUGFeRD 1."""
    return _trade("CrossIndustryDocument", "urn:ferd:CrossIndustryDocument:invoice:1p0", "Header", code)


def old_draft(code: str = "380") -> bytes:
    """The same in the draft before it."""
    return _trade("Invoice", "urn:un:unece:uncefact:data:standard:CBFBUY:5", "Header", code)


def _trade(root: str, namespace: str, header: str, code: str) -> bytes:
    parties = "".join(
        f"<r:{role}TradeParty><r:Name>{_escaped(name)}</r:Name></r:{role}TradeParty>"
        for role, name in (("Seller", SELLER), ("Buyer", BUYER))
    )
    return (
        f'<r:{root} xmlns:r="{namespace}"><r:{header}ExchangedDocument><r:ID>{NUMBER}</r:ID>'
        f"<r:TypeCode>{code}</r:TypeCode></r:{header}ExchangedDocument><r:SupplyChainTradeTransaction>"
        "<r:IncludedSupplyChainTradeLineItem><r:Name>Stuhl</r:Name></r:IncludedSupplyChainTradeLineItem>"
        f"<r:ApplicableHeaderTradeAgreement>{parties}</r:ApplicableHeaderTradeAgreement>"
        f"</r:SupplyChainTradeTransaction></r:{root}>"
    ).encode()


def fattura(code: str = "TD01") -> bytes:
    """An Italian one; its buyer is a person."""
    return (
        '<p:FatturaElettronica xmlns:p="http://ivaservizi.agenziaentrate.gov.it/docs/xsd/fatture/v1.2">'
        "<FatturaElettronicaHeader><CedentePrestatore><DatiAnagrafici><Anagrafica><Denominazione>"
        f"{_escaped(SELLER)}</Denominazione></Anagrafica></DatiAnagrafici></CedentePrestatore><CessionarioCommittente>"
        "<DatiAnagrafici><Anagrafica><Nome>Büro</Nome><Cognome>Süd AG</Cognome></Anagrafica></DatiAnagrafici>"
        "</CessionarioCommittente></FatturaElettronicaHeader><FatturaElettronicaBody><DatiGenerali>"
        f"<DatiGeneraliDocumento><TipoDocumento>{code}</TipoDocumento><Numero>{NUMBER}</Numero></DatiGeneraliDocumento>"
        "</DatiGenerali></FatturaElettronicaBody></p:FatturaElettronica>"
    ).encode()
