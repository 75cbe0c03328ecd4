"""Which text of a PDF's page nobody sees: it may be there for a program only.

    objects in the order in which they are painted | text that paints nothing, is tiny, lies off the page, has the
    colour of what is under it, or is covered by what is painted later | addresses of its objects

In doubt it is seen: a picture may show anything, and what is transparent hides nothing. Over a picture that fills the
page text that paints nothing is its OCR, and stays.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

MOST_OBJECTS = 20_000
DEEPEST_FORM = 6
SMALLEST = 1.5
"""Points; on a page lower than an A4 sheet as much less. The small print of contracts has 5."""
SAME_COLOUR = 12
"""Of 255, by which red, green and blue may differ and still look the same."""
NARROWEST_COVER = 2.0
"""Points; narrower things are lines."""
MOST_CORNERS = 6
"""A rectangle has five segments."""
MOST_COMPARISONS = 2_000_000
SCAN_COVERS = 0.4
"""Of the page: then a picture is the page."""
_WHITE = (255, 255, 255)
_PAINTS_NOTHING = (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP)

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in points."""
Colour = tuple[int, int, int]
Matrix = tuple[float, float, float, float, float, float]
_PLAIN: Matrix = (1, 0, 0, 1, 0, 0)


@dataclass(frozen=True)
class _Text:
    order: int
    address: int
    box: Box
    colour: Colour | None
    """None: it cannot be told."""
    paints: bool
    size: float


@dataclass(frozen=True)
class _Cover:
    """Something with a colour of its own: it may hide what lies under it, and is the ground of what lies on it."""

    order: int
    box: Box
    colour: Colour | None
    """None: it cannot be told, as with a picture."""
    hides: bool
    """Is it opaque wherever its box is?"""


def hidden_objects(page: object) -> frozenset[int]:
    """The addresses of the page's text objects that a person does not see."""
    sheet = _page_box(page)
    texts: list[_Text] = []
    covers: list[_Cover] = []
    is_scan = False
    for order, (thing, matrix) in enumerate(_painted(page)):
        kind = pdfium.FPDFPageObj_GetType(thing)
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            texts.append(_text(order, thing, matrix))
        elif cover := _cover(order, thing, kind, matrix):
            covers.append(cover)
            is_scan |= kind == pdfium.FPDF_PAGEOBJ_IMAGE and _share(cover.box, sheet) >= SCAN_COVERS
    smallest = SMALLEST * min(1.0, (sheet[3] - sheet[1]) / 842)
    covers = covers[: MOST_COMPARISONS // max(1, len(texts))]
    return frozenset(
        text.address
        for text in texts
        if (not text.paints and not is_scan)
        or (text.size < smallest and _narrow(text.box) < smallest)
        or _apart(text.box, sheet)
        or (text.paints and not is_scan and _is_lost(text, covers))
    )


def _is_lost(text: _Text, covers: list[_Cover]) -> bool:
    """Is it covered, or of the colour of what lies directly under it?"""
    if any(cover.hides and cover.order > text.order and _contains(cover.box, text.box) for cover in covers):
        return True
    if text.colour is None:
        return False
    middle = ((text.box[0] + text.box[2]) / 2, (text.box[1] + text.box[3]) / 2) * 2
    under = (cover for cover in reversed(covers) if cover.order < text.order and _contains(cover.box, middle))
    ground = next((cover.colour for cover in under), _WHITE)
    return ground is not None and _alike(text.colour, ground)


def _painted(page: object) -> Iterator[tuple[object, Matrix]]:
    """Every object in the order of painting, those in forms with the form's matrix."""
    left = MOST_OBJECTS
    waiting = [(page, _PLAIN, iter(range(pdfium.FPDFPage_CountObjects(page))), pdfium.FPDFPage_GetObject)]
    while waiting and left:
        holder, matrix, numbers, get = waiting[-1]
        number = next(numbers, None)
        if number is None:
            waiting.pop()
            continue
        left -= 1
        thing = get(holder, number)
        if pdfium.FPDFPageObj_GetType(thing) != pdfium.FPDF_PAGEOBJ_FORM:
            yield thing, matrix
        elif len(waiting) <= DEEPEST_FORM:
            inner = iter(range(max(0, pdfium.FPDFFormObj_CountObjects(thing))))
            waiting.append((thing, _times(_matrix(thing), matrix), inner, pdfium.FPDFFormObj_GetObject))


def _text(order: int, thing: object, matrix: Matrix) -> _Text:
    size = ctypes.c_float()
    pdfium.FPDFTextObj_GetFontSize(thing, size)
    own = _times(_matrix(thing), matrix)
    tall = max(abs(own[2]), abs(own[3])) * abs(size.value)
    mode = pdfium.FPDFTextObj_GetTextRenderMode(thing)
    colour, alpha = _colour(thing)
    fills = mode in (pdfium.FPDF_TEXTRENDERMODE_FILL, pdfium.FPDF_TEXTRENDERMODE_FILL_CLIP)
    return _Text(
        order,
        ctypes.addressof(thing.contents),  # type: ignore[attr-defined]
        _box(thing, matrix),
        colour if fills else None,
        mode not in _PAINTS_NOTHING and not (fills and alpha == 0),
        tall,
    )


def _cover(order: int, thing: object, kind: int, matrix: Matrix) -> _Cover | None:
    """None: it covers nothing that matters. Lines of tables are most of what is painted."""
    box = _box(thing, matrix)
    if _narrow(box) < NARROWEST_COVER:
        return None
    if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
        return _Cover(order, box, None, not pdfium.FPDFPageObj_HasTransparency(thing))
    if kind == pdfium.FPDF_PAGEOBJ_SHADING:
        return _Cover(order, box, None, hides=False)
    mode, stroke = ctypes.c_int(), ctypes.c_int()
    if not pdfium.FPDFPath_GetDrawMode(thing, mode, stroke) or mode.value == pdfium.FPDF_FILLMODE_NONE:
        return None
    colour, alpha = _colour(thing)
    clear = alpha < 255 or pdfium.FPDFPageObj_HasTransparency(thing)
    if clear or colour is None or pdfium.FPDFPath_CountSegments(thing) > MOST_CORNERS:
        # Not the whole of its box has its colour; only white would make no difference to white paper.
        return None if colour == _WHITE else _Cover(order, box, None, hides=False)
    return _Cover(order, _clipped(thing, box, matrix), colour, hides=True)


def _colour(thing: object) -> tuple[Colour | None, int]:
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not pdfium.FPDFPageObj_GetFillColor(thing, red, green, blue, alpha):
        return None, 255
    return (red.value, green.value, blue.value), alpha.value


def _clipped(thing: object, box: Box, matrix: Matrix) -> Box:
    """The box, without what its clipping paths cut off."""
    clip = pdfium.FPDFPageObj_GetClipPath(thing)
    for number in range(min(8, max(0, pdfium.FPDFClipPath_CountPaths(clip) if clip else 0))):
        xs, ys = [], []
        for place in range(min(50, max(0, pdfium.FPDFClipPath_CountPathSegments(clip, number)))):
            x, y = ctypes.c_float(), ctypes.c_float()
            segment = pdfium.FPDFClipPath_GetPathSegment(clip, number, place)
            if segment and pdfium.FPDFPathSegment_GetPoint(segment, x, y):
                xs.append(x.value)
                ys.append(y.value)
        if xs:
            left, bottom, right, top = _moved((min(xs), min(ys), max(xs), max(ys)), matrix)
            box = (max(box[0], left), max(box[1], bottom), min(box[2], right), min(box[3], top))
    return box


def _page_box(page: object) -> Box:
    box = pdfium.FS_RECTF()
    if not pdfium.FPDF_GetPageBoundingBox(page, box):
        return (0, 0, 595, 842)
    return (min(box.left, box.right), min(box.bottom, box.top), max(box.left, box.right), max(box.bottom, box.top))


def _box(thing: object, matrix: Matrix) -> Box:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    if not pdfium.FPDFPageObj_GetBounds(thing, left, bottom, right, top):
        return (0, 0, 0, 0)
    return _moved((left.value, bottom.value, right.value, top.value), matrix)


def _matrix(thing: object) -> Matrix:
    found = pdfium.FS_MATRIX()
    pdfium.FPDFPageObj_GetMatrix(thing, found)
    return (found.a, found.b, found.c, found.d, found.e, found.f)


def _times(one: Matrix, other: Matrix) -> Matrix:
    """First `one`, then `other` (ISO 32000-1 section 8.3.4)."""
    if other is _PLAIN:
        return one
    a, b, c, d, e, f = one
    p, q, r, s, t, u = other
    return (a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u)


def _moved(box: Box, matrix: Matrix) -> Box:
    if matrix is _PLAIN:
        return box
    a, b, c, d, e, f = matrix
    corners = [(x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]
    xs = [a * x + c * y + e for x, y in corners]
    ys = [b * x + d * y + f for x, y in corners]
    return (min(xs), min(ys), max(xs), max(ys))


def _apart(one: Box, other: Box) -> bool:
    """Do they share no point?"""
    return one[2] < other[0] or one[0] > other[2] or one[3] < other[1] or one[1] > other[3]


def _contains(outer: Box, inner: Box) -> bool:
    slack = 0.5
    return (
        outer[0] - slack <= inner[0]
        and outer[1] - slack <= inner[1]
        and outer[2] + slack >= inner[2]
        and outer[3] + slack >= inner[3]
    )


def _narrow(box: Box) -> float:
    return min(box[2] - box[0], box[3] - box[1])


def _share(box: Box, sheet: Box) -> float:
    wide = min(box[2], sheet[2]) - max(box[0], sheet[0])
    high = min(box[3], sheet[3]) - max(box[1], sheet[1])
    whole = (sheet[2] - sheet[0]) * (sheet[3] - sheet[1])
    return max(0.0, wide) * max(0.0, high) / whole if whole > 0 else 0.0


def _alike(one: Colour, other: Colour) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= SAME_COLOUR
