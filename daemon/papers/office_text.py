"""Word, Excel and PowerPoint files (ECMA-376), also of the strict kind: what a person sees, in a stream.

    members | XML events | lines, headings | until enough

Element names are compared without their namespaces, which differ between the transitional and the strict form.
"""

from __future__ import annotations

import re

from daemon.papers.paper import LONGEST_TALL_LINE, LONGEST_TEXT
from daemon.papers.xml_stream import Enough, Handler, read_xml
from daemon.papers.zip_members import Members

ENOUGH = 2 * LONGEST_TEXT
MOST_SHEETS, MOST_SLIDES, MOST_STRINGS = 5, 20, 20_000
_HEADING = re.compile(r"(?:title|heading|titel|überschrift|berschrift|titre|título|ttulo)", re.IGNORECASE)
STANDS_OUT = 26
"""Half points, w:sz; usual text has 20 to 24."""
TINY = 3
_OFF = ("0", "false", "off", "none")


class _Lines(Handler):
    """Lines of text, and those that stand out with how much."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.headings: list[tuple[float, str]] = []
        self._line: list[str] = []
        self._length = 0

    def put(self, text: str) -> None:
        self._line.append(text)
        self._length += len(text)
        if self._length > ENOUGH:
            self.end_line()
            raise Enough

    def end_line(self, height: float = 0) -> None:
        line = "".join(self._line).strip()
        self._line.clear()
        if line:
            self.lines.append(line)
            if height and len(line) <= LONGEST_TALL_LINE:
                self.headings.append((height, line))

    @property
    def tall(self) -> list[str]:
        return [line for _, line in sorted(self.headings, key=lambda found: -found[0])]


class _Word(_Lines):
    """document.xml and its headers (ECMA-376 part 1, section 17)."""

    def __init__(self) -> None:
        super().__init__()
        self._height = 0.0
        self._heading = False
        self._hidden = False
        self._shaded = 0
        self._skipped = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Fallback":  # the same text once more, for old programs
            self._skipped += 1
        elif name == "r":
            self._hidden = self._shaded_run = False
        elif name == "p":
            self._height, self._heading = 0.0, False
        elif name in ("tab", "ptab") and "r" in self.path[-2:]:
            self._put_seen("\t")
        elif name in ("br", "cr"):
            self._put_seen("\n")
        elif name == "pStyle":
            self._heading = bool(_HEADING.match(attributes.get("val", "")))
        elif self.path[-2:-1] == ["rPr"] and "r" in self.path[-3:]:
            self._look(name, attributes.get("val", ""))

    def _look(self, name: str, value: str) -> None:
        """What a run's own properties say about whether, and how tall, it shows."""
        if name in ("vanish", "webHidden"):
            self._hidden = value not in _OFF
        elif name == "sz" and value.isascii() and value.isdigit():
            self._hidden |= int(value) < TINY
            self._height = max(self._height, min(int(value), 400))
        elif name == "shd" or name == "highlight":
            self._shaded_run = True
        elif name == "color" and value.upper() == "FFFFFF":
            # In a table or a text box the ground may be of any colour.
            self._hidden |= not {"tc", "txbxContent"} & set(self.path)

    def _put_seen(self, text: str) -> None:
        if not self._skipped and (not self._hidden or self._shaded_run):
            self.put(text)

    _shaded_run = False

    def end(self, name: str) -> None:
        if name == "Fallback":
            self._skipped -= 1
        elif name == "p":
            tall = self._height if self._height >= STANDS_OUT else 0.0
            self.end_line(max(tall, STANDS_OUT if self._heading else 0))
        elif name == "tc":
            self.put("\t")

    def text(self, text: str) -> None:
        if self.path and self.path[-1] == "t":
            self._put_seen(text)


class _Strings(Handler):
    """sharedStrings.xml, without the phonetic guides."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self._parts: list[str] = []
        self._length = 0

    def text(self, text: str) -> None:
        if self.path[-1] == "t" and "rPh" not in self.path:
            self._parts.append(text)
            self._length += len(text)

    def end(self, name: str) -> None:
        if name == "si":
            self.strings.append("".join(self._parts)[:LONGEST_TEXT])
            self._parts.clear()
            if len(self.strings) >= MOST_STRINGS or self._length > 64 * LONGEST_TEXT:
                raise Enough


class _Sheet(_Lines):
    """One worksheet: rows as lines, cells side by side."""

    def __init__(self, strings: list[str]) -> None:
        super().__init__()
        self._strings = strings
        self._kind = ""
        self._value: list[str] = []
        self._hidden = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            self._hidden = attributes.get("hidden", "0") not in _OFF
        elif name == "c":
            self._kind = attributes.get("t", "n")
            self._value.clear()

    def text(self, text: str) -> None:
        if self.path[-1] == "v" or (self.path[-1] == "t" and "rPh" not in self.path):
            self._value.append(text)

    def end(self, name: str) -> None:
        if name == "row":
            self.end_line()
        elif name == "c" and self._value and not self._hidden:
            value = "".join(self._value)
            if self._kind == "s":
                value = self._strings[int(value)] if value.isdecimal() and int(value) < len(self._strings) else ""
            if value:
                self.put(value + "\t")


class _Slide(_Lines):
    """A slide (ECMA-376 part 1, section 19.3). `size`: of all slides, width and height; () if unknown."""

    def __init__(self, size: tuple[int, ...] = ()) -> None:
        super().__init__()
        self._size = size
        self._title = False
        self._corner = (0, 0)
        self._is_off = self._is_tiny = False
        self._hidden = 0
        """How deep in `path` the shape is that is hidden, with all that it holds; 0: none is."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sld" and attributes.get("show") in _OFF:
            raise Enough
        if name in ("sp", "graphicFrame"):
            self._title = self._is_off = False
        elif name == "cNvPr" and attributes.get("hidden", "0") not in _OFF:
            self._hidden = self._hidden or max(len(self.path) - 2, 1)
        elif name in ("off", "ext") and self.path[-2:-1] == ["xfrm"] and "grpSp" not in self.path:
            self._place(name, attributes)
        elif name == "r":
            self._is_tiny = False
        elif name == "rPr":
            self._is_tiny = _number(attributes.get("sz", ""), 50 * TINY) < 50 * TINY
        elif name == "ph":
            self._title = attributes.get("type") in ("title", "ctrTitle")
        elif name == "br" and self._is_seen:
            self.put("\n")

    def _place(self, name: str, attributes: dict[str, str]) -> None:
        """Does the shape lie beside the slide?"""
        if name == "off":
            self._corner = _number(attributes.get("x", "")), _number(attributes.get("y", ""))
            return
        lengths = _number(attributes.get("cx", "")), _number(attributes.get("cy", ""))
        ends = (corner + length for corner, length in zip(self._corner, lengths, strict=True))
        beyond = any(corner >= most for corner, most in zip(self._corner, self._size, strict=False))
        self._is_off = beyond or any(end < 0 for end in ends)

    @property
    def _is_seen(self) -> bool:
        return not (self._hidden or self._is_off or self._is_tiny)

    def end(self, name: str) -> None:
        if len(self.path) == self._hidden:
            self._hidden = 0
        if name == "p":
            self.end_line(1.0 if self._title else 0)
        elif name == "tc" and self._is_seen:
            self.put("\t")

    def text(self, text: str) -> None:
        if self.path[-1] == "t" and self._is_seen:
            self.put(text)


def _number(text: str, otherwise: int = 0) -> int:
    return int(text) if re.fullmatch(r"-?[0-9]{1,12}", text) else otherwise


class _Relations(Handler):
    """A .rels part: targets by id."""

    def __init__(self) -> None:
        self.targets: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship":
            self.targets[attributes.get("Id", "")] = attributes.get("Target", "")


class _Order(Handler):
    """Relation ids of sheets or slides as a person sees them, hidden ones left out."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.size: tuple[int, ...] = ()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sldSz":
            self.size = _number(attributes.get("cx", ""), 1 << 40), _number(attributes.get("cy", ""), 1 << 40)
        # Attributes are known by their local names: a slide's "id" is the one with a namespace, which comes last.
        if (name == "sheet" and attributes.get("state", "visible") == "visible") or name == "sldId":
            self.ids.append(attributes.get("id", ""))


def read_docx(members: Members) -> tuple[list[str], str]:
    """Headings and text of a Word file: the document, then what stands at the top of its pages."""
    word = _Word()
    read_xml(members.chunks(_main(members, "word/document.xml")), word)
    headers = sorted(name for name in members.names if re.fullmatch(r"word/header\d{1,3}\.xml", name))
    above = _Word()
    for name in headers[:3]:
        read_xml(members.chunks(name), above)
    return word.tall, "\n".join([*word.lines, *above.lines])


def read_xlsx(members: Members) -> tuple[list[str], str]:
    """The text of an Excel file's visible sheets in their order; the names of sheets do not count."""
    strings = _Strings()
    read_xml(members.chunks("xl/sharedStrings.xml"), strings)
    lines: list[str] = []
    for name in _in_order(members, "xl/workbook.xml", "xl/worksheets/sheet")[0][:MOST_SHEETS]:
        sheet = _Sheet(strings.strings)
        read_xml(members.chunks(name), sheet)
        lines += sheet.lines
        if sum(map(len, lines)) > ENOUGH:
            break
    return [], "\n".join(lines)


def read_pptx(members: Members) -> tuple[list[str], str]:
    """Titles and text of a PowerPoint file's visible slides in their order."""
    lines: list[str] = []
    tall: list[str] = []
    slides, size = _in_order(members, "ppt/presentation.xml", "ppt/slides/slide")
    for name in slides[:MOST_SLIDES]:
        slide = _Slide(size)
        read_xml(members.chunks(name), slide)
        lines += slide.lines
        tall += slide.tall
        if sum(map(len, lines)) > ENOUGH:
            break
    return tall, "\n".join(lines)


def _main(members: Members, usual: str) -> str:
    """The main document, which may have another number ("word/document2.xml")."""
    if usual in members:
        return usual
    stem = usual.removesuffix(".xml")
    return next((name for name in members.names if name.startswith(stem) and name.endswith(".xml")), usual)


def _in_order(members: Members, main: str, prefix: str) -> tuple[list[str], tuple[int, ...]]:
    """Sheets or slides in the order of the main part, by their numbers if that does not tell; and a slide's size."""
    folder, _, file = main.rpartition("/")
    order, relations = _Order(), _Relations()
    read_xml(members.chunks(main), order)
    read_xml(members.chunks(f"{folder}/_rels/{file}.rels"), relations)
    targets = (relations.targets.get(each, "") for each in order.ids)
    found = [target.lstrip("/") if target.startswith("/") else f"{folder}/{target}" for target in targets if target]
    there = [name for name in found if name in members]
    return there or sorted((name for name in members.names if name.startswith(prefix)), key=_by_number), order.size


def _by_number(name: str) -> tuple[int, str]:
    digits = re.search(r"(\d{1,6})\.xml$", name)
    return (int(digits[1]) if digits else 0, name)
