"""Pictures of pages, made here: a PDF painted, put on a scanner badly if wanted, and stored as one of many kinds.

`picture(pdf, "jpeg", turned=1.5, noise=12.0)`. Painted by PDFium and stored by leptonica, of which the tesseract of
`make servers` has one.
"""

from __future__ import annotations

import ctypes
import math
import zlib
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_size_t, c_ubyte, c_void_p
from functools import cache
from pathlib import Path
from struct import pack
from typing import Any

from daemon.papers.pdf_text import Pdf
from tests.paper_samples import one_page, pdf, shown
from tests.servers import tesseract

KINDS = {"jpeg": 2, "png": 3, "tiff": 4, "tiff-g4": 8}
"""By leptonica's numbers (IFF_*)."""
LETTER = (
    "Muster & Söhne GmbH, Hauptstraße 7, 12345 Musterstadt",
    "Rechnung Nr. 4711 vom 3. Mai 2026",
    "Sehr geehrte Damen und Herren,",
    "für unsere Lieferung berechnen wir wie vereinbart:",
    "Bürostuhl mit Armlehnen, 2 Stück zu je 119,00 Euro",
    "Schreibtisch aus Buche, 1 Stück zu 480,00 Euro",
    "Bitte überweisen Sie den Betrag bis zum 20. Mai.",
    "Mit freundlichen Grüßen",
    "Invoice and delivery note are in English on request.",
)


def letter(*lines: str, heading: str = "RECHNUNG") -> bytes:
    """A page in usual print with a tall heading, as PDF."""
    rows = (shown(line, y=640 - 30 * row) for row, line in enumerate(lines or LETTER))
    return pdf(one_page(shown(heading, y=740, size=26) + b"".join(rows)))


def picture(page: bytes, kind: str = "png", *, turned: float = 0.0, noise: float = 0.0, scale: float = 1.0) -> bytes:
    """The first page of a PDF, stored as `kind`. `turned`: degrees clockwise; `noise`: standard deviation of 255."""
    library = _leptonica()
    painted = Pdf(page).picture()
    dots = library.pixReadMem(painted, len(painted))
    if turned % 90 == 0:
        dots = library.pixRotateOrth(dots, int(turned // 90) % 4)
    else:
        dots = library.pixRotate(dots, math.radians(turned), 2, 1, 0, 0)  # by area, white comes in
    if scale != 1.0:
        dots = library.pixScale(dots, scale, scale)
    if noise:
        dots = library.pixAddGaussianNoise(dots, noise)
    if kind == "tiff-g4":
        dots = library.pixThresholdToBinary(dots, 140)
    library.pixSetResolution(dots, 200, 200)
    data, size = POINTER(c_ubyte)(), c_size_t()
    if kind == "jpeg":
        failed = library.pixWriteMemJpeg(byref(data), byref(size), dots, 40, 0)
    else:
        failed = library.pixWriteMem(byref(data), byref(size), dots, KINDS[kind])
    assert not failed
    return bytes(data[: size.value])


def scan(page: bytes) -> bytes:
    """The first page of a PDF as a PDF that is only a picture of it, as scanners make them."""
    head, _, dots = Pdf(page).picture().partition(b" 255\n")
    wide, high = map(int, head.split()[1:])
    return picture_pdf(wide, high, zlib.compress(dots), b"/Filter/FlateDecode")


def picture_pdf(wide: int, high: int, data: bytes, how: bytes) -> bytes:
    """A PDF whose only page is this grey picture."""
    shape = b"/Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent 8/ColorSpace/DeviceGray" % (wide, high)
    image = b"<<%b%b/Length %d>>stream\n%b\nendstream" % (shape, how, len(data), data)
    page = one_page(b"q 595 0 0 842 0 0 cm /I Do Q", resources=b"/XObject<</I 6 0 R>>")
    return pdf([*page, (6, image)])


def png(wide: int, high: int, packed: bytes, bits: int = 8) -> bytes:
    """A grey PNG (ISO 15948) that says it is so large, whatever its data are."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", pack(">IIBBBBB", wide, high, bits, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def tiff(wide: int, high: int, data: bytes, following: int | None = None) -> bytes:
    """A grey TIFF 6.0, not compressed, that says it is so large; `following`: where its next page is said to be."""
    rows = ((256, 4, wide), (257, 4, high), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8))
    rows += ((277, 3, 1), (278, 4, high), (279, 4, len(data)))
    place = 8 + len(data) + len(data) % 2
    body = b"".join(pack("<HHII", tag, kind, 1, value) for tag, kind, value in rows)
    table = pack("<H", len(rows)) + body + pack("<I", following or 0)
    return b"II*\0" + pack("<I", place) + data.ljust(place - 8, b"\0") + table


@cache
def _leptonica() -> ctypes.CDLL:
    """Loaded by its place, after what it needs: this process was started without knowing where that lies."""
    waiting = sorted(Path(tesseract.environment()["LD_LIBRARY_PATH"]).glob("lib*.so.*"))
    for _ in range(len(waiting)):
        waiting = [path for path in waiting if not _loads(path)]
    [path] = Path(tesseract.environment()["LD_LIBRARY_PATH"]).glob("liblept*.so.?")
    library = ctypes.CDLL(str(path))
    out: Any = [POINTER(POINTER(c_ubyte)), POINTER(c_size_t), c_void_p]
    for name, gives, takes in (
        ("pixReadMem", c_void_p, [c_char_p, c_size_t]),
        ("pixRotateOrth", c_void_p, [c_void_p, c_int]),
        ("pixRotate", c_void_p, [c_void_p, c_float, c_int, c_int, c_int, c_int]),
        ("pixScale", c_void_p, [c_void_p, c_float, c_float]),
        ("pixAddGaussianNoise", c_void_p, [c_void_p, c_float]),
        ("pixThresholdToBinary", c_void_p, [c_void_p, c_int]),
        ("pixSetResolution", c_int, [c_void_p, c_int, c_int]),
        ("pixWriteMem", c_int, [*out, c_int]),
        ("pixWriteMemJpeg", c_int, [*out, c_int, c_int]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = gives, takes
    return library


def _loads(path: Path) -> bool:
    try:
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True
