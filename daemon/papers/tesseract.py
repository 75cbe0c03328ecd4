"""Text of a picture of a page (OCR), by the tesseract of the system's packages: Debian's and Ubuntu's libtesseract5.

    Tesseract(languages) | load the library and what it knows of the languages | before a fork
    tesseract.lines(picture) | bounds, decode, one size and grey (leptonica) | recognise | in the child: lines, heights

Nothing is opened or started after the fork: the library has read all its files by then, and no thread of its own is
allowed to it. Decoders of pictures are an open door like any other, so they run only in a confined child.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from ctypes import POINTER, byref, c_bool, c_char_p, c_float, c_int, c_size_t, c_void_p
from pathlib import Path
from typing import Any

from daemon.papers.paper_kind import Unsupported
from daemon.papers.pdf_text import MOST_DOTS, Line
from daemon.papers.pdf_visible import SAME_COLOUR
from daemon.papers.xml_stream import LimitReached

LIBRARY = "libtesseract.so.5"
"""Debian 12 and 13, Ubuntu 24.04. Leptonica's functions are found through it, whatever version it wants."""
LEAST_SIDE, LEAST_DOTS = 300, 250_000
"""Smaller pictures are logos: a sheet at 72 dpi has 500,000 dots."""
MOST_UNPACKED = 160 << 20
"""Bytes that a picture may have unpacked: 40 million dots in colour, an A4 sheet at 600 dpi is 35 million."""
MOST_SOURCE_DOTS = 100_000_000
COARSE_DOTS = 1_200_000
"""A sheet of fewer dots (110 dpi) is enlarged: letters of six dots are not recognised."""
LONG_SIDE = 11.7
"""Inches of an A4 sheet, which most pictures of pages show."""
LEAST_SURE = 40
"""Per cent, by tesseract's own account: a line below is what it sees in a photo of something else."""
_LINE = 2
"""RIL_TEXTLINE."""
_AUTOMATIC, _AUTOMATIC_WITH_WAY = 3, 1
"""PSM_AUTO, and PSM_AUTO_OSD, which turns a page that lies on its side."""
_JPEG, _EMPTY = b"\xff\xd8\xff", b"P5 64 64 255\n" + b"\xff" * 4096


class NoTesseract(Exception):
    """Says what is not there. `installed`: the languages that are."""

    def __init__(self, reason: str, installed: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.installed = installed


class Tesseract:
    """The library with its languages. `used`, `missing`: of those wanted; `installed`: all that there are.

    Raises NoTesseract if the library is not there, or none of the languages.
    """

    def __init__(self, languages: Sequence[str]) -> None:
        os.environ["OMP_THREAD_LIMIT"] = "1"  # read when the library is loaded
        try:
            self._library = _declared(ctypes.CDLL(LIBRARY))
        except (OSError, AttributeError) as error:
            raise NoTesseract(str(error)) from error
        self._handle = c_void_p(self._library.TessBaseAPICreate())
        # It looks for a language that nobody has to tell where it looks.
        self._library.TessBaseAPIInit3(self._handle, None, b"none")
        folder = Path(os.fsdecode(self._library.TessBaseAPIGetDatapath(self._handle) or b"/nowhere"))
        self.installed = tuple(
            sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.traineddata"))
        )
        self.used = tuple(language for language in languages if language in self.installed)
        self.missing = tuple(language for language in languages if language not in self.installed)
        if not self.used or self._library.TessBaseAPIInit3(self._handle, None, "+".join(self.used).encode()):
            raise NoTesseract(f"none of the languages can be loaded from {folder}", self.installed)
        mode = _AUTOMATIC_WITH_WAY if "osd" in self.installed else _AUTOMATIC
        self._library.TessBaseAPISetPageSegMode(self._handle, mode)
        self.lines(_EMPTY, least=0)  # what it loads late, it loads now: above all how letters lie

    def lines(self, picture: bytes, least: int = LEAST_DOTS) -> list[Line]:
        """The lines of a picture of a page, with their heights; none of one that is too small to be a page.

        Raises Unsupported if it cannot be decoded, LimitReached if it is too large to be.
        """
        dots = self._decoded(picture, least)
        if not dots:
            return []
        library = self._library
        library.TessBaseAPISetImage2(self._handle, dots)
        sides = (library.pixGetWidth(dots), library.pixGetHeight(dots))
        library.TessBaseAPISetSourceResolution(self._handle, max(70, round(max(sides) / LONG_SIDE)))
        if library.TessBaseAPIRecognize(self._handle, None):
            return []
        return list(self._found())

    def _found(self) -> Iterator[Line]:
        library = self._library
        place = c_void_p(library.TessBaseAPIGetIterator(self._handle))
        if not place:
            return
        while True:
            if library.TessResultIteratorConfidence(place, _LINE) >= LEAST_SURE:
                said = library.TessResultIteratorGetUTF8Text(place, _LINE) or b""
                yield Line(said.decode("utf-8", "replace").strip(), self._height(place))
            if not library.TessResultIteratorNext(place, _LINE):
                return

    def _height(self, place: c_void_p) -> float:
        left, top, right, bottom = (c_int() for _ in range(4))
        self._library.TessPageIteratorBoundingBox(place, _LINE, byref(left), byref(top), byref(right), byref(bottom))
        # Of a page that lies on its side a line's box is higher than wide.
        return min(abs(right.value - left.value), abs(bottom.value - top.value))

    def _decoded(self, picture: bytes, least: int) -> int | None:
        """The picture in grey, of a size that is read well. None: too small to be a page."""
        library = self._library
        kind, wide, high, bits, samples, mapped = (c_int() for _ in range(6))
        if library.pixReadHeaderMem(picture, len(picture), *map(byref, (kind, wide, high, bits, samples, mapped))):
            raise Unsupported
        sides, whole = (wide.value, high.value), wide.value * high.value
        if whole < least or (least and min(sides) < LEAST_SIDE):
            return None
        # A JPEG is made smaller while it is decoded, by 2, 4 or 8.
        smaller = next((by for by in (1, 2, 4) if whole <= 2 * MOST_DOTS * by * by), 8) if picture[:3] == _JPEG else 1
        depth = 32 if samples.value > 1 or mapped.value else bits.value
        if whole > MOST_SOURCE_DOTS or whole // smaller**2 * depth // 8 > MOST_UNPACKED:
            raise LimitReached
        if smaller > 1:
            read = library.pixReadMemJpeg(picture, len(picture), 0, smaller, None, 0)
        else:
            read = library.pixReadMem(picture, len(picture))
        grey = self._made(read, lambda dots: library.pixConvertTo8(dots, 0))
        # What a person cannot tell from white paper is white.
        seen = self._made(grey, lambda dots: library.pixGammaTRC(None, dots, 1.0, 0, 255 - SAME_COLOUR))
        factor = _factor(whole // smaller**2)
        return self._made(seen, lambda dots: library.pixScale(dots, factor, factor))

    def _made(self, before: int | None, make: Callable[[int], int | None]) -> int:
        """A picture made of another, which goes. Raises Unsupported if there is none."""
        after = make(before) if before else None
        self._library.pixDestroy(byref(c_void_p(before)))
        if not after:
            raise Unsupported
        return after


def _factor(dots: int) -> float:
    if dots > MOST_DOTS:
        return float((MOST_DOTS / dots) ** 0.5)
    return 2.0 if dots < COARSE_DOTS else 1.0


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """With the types of what is called: tesseract/capi.h, leptonica/allheaders.h."""
    many: Any = [POINTER(c_int)] * 6
    for name, gives, takes in (
        ("TessBaseAPICreate", c_void_p, []),
        ("TessBaseAPIInit3", c_int, [c_void_p, c_char_p, c_char_p]),
        ("TessBaseAPIGetDatapath", c_char_p, [c_void_p]),
        ("TessBaseAPISetPageSegMode", None, [c_void_p, c_int]),
        ("TessBaseAPISetImage2", None, [c_void_p, c_void_p]),
        ("TessBaseAPISetSourceResolution", None, [c_void_p, c_int]),
        ("TessBaseAPIRecognize", c_int, [c_void_p, c_void_p]),
        ("TessBaseAPIGetIterator", c_void_p, [c_void_p]),
        ("TessResultIteratorConfidence", c_float, [c_void_p, c_int]),
        ("TessResultIteratorGetUTF8Text", c_char_p, [c_void_p, c_int]),
        ("TessResultIteratorNext", c_bool, [c_void_p, c_int]),
        ("TessPageIteratorBoundingBox", c_bool, [c_void_p, c_int, *many[:4]]),
        ("pixReadHeaderMem", c_int, [c_char_p, c_size_t, *many]),
        ("pixReadMem", c_void_p, [c_char_p, c_size_t]),
        ("pixReadMemJpeg", c_void_p, [c_char_p, c_size_t, c_int, c_int, c_void_p, c_int]),
        ("pixConvertTo8", c_void_p, [c_void_p, c_int]),
        ("pixGammaTRC", c_void_p, [c_void_p, c_void_p, c_float, c_int, c_int]),
        ("pixScale", c_void_p, [c_void_p, c_float, c_float]),
        ("pixGetWidth", c_int, [c_void_p]),
        ("pixGetHeight", c_int, [c_void_p]),
        ("pixDestroy", None, [POINTER(c_void_p)]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = gives, takes
    return library
