"""OpenDocument texts, sheets and slides (ISO/IEC 26300): what a person sees of content.xml, in a stream."""

from __future__ import annotations

import re
from typing import Literal

from daemon.papers.office_text import ENOUGH
from daemon.papers.paper import LONGEST_TALL_LINE
from daemon.papers.paper_kind import Locked
from daemon.papers.xml_stream import Enough, Handler, read_xml
from daemon.papers.zip_members import Members

KINDS = {"text": "odt", "spreadsheet": "ods", "presentation": "odp"}
_LEFT_OUT = {"annotation", "annotation-end", "tracked-changes", "notes", "forms", "desc", "title"}
_MANIFEST_AT_MOST = 1 << 20
_LOOKS = {"text-properties", "paragraph-properties", "table-properties"}
_LOOKING = {"p", "h", "span", "section", "table", "table-row"}
"""What may say by its style, or by itself, that nobody sees it."""
_OF_ANY_GROUND = {"table-cell", "text-box", "page"}
Shows = Literal["seen", "unseen", "gone"]
"""unseen: white or tiny, which what it holds need not be. gone: with all that it holds."""
_TINY = re.compile(r"(?:0(?:\.\d*)?|1(?:\.[0-4]\d*)?)pt")


class _Styles:
    """Which of a document's own styles show nothing (part 3, section 16)."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._looks: dict[str, str] = {}
        self._known: dict[str, dict[str, str]] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "style":
            self._name, self._looks = attributes.get("name"), {}
        elif self._name is not None and name in _LOOKS:
            self._looks |= attributes

    def end(self, name: str) -> None:
        if name == "style" and self._name is not None:
            self._known[self._name] = self._looks
            self._name = None

    def shows(self, attributes: dict[str, str], *, on_paper: bool, otherwise: Shows) -> Shows:
        """How is seen what has these attributes? `otherwise`: what it stands in. White is unseen `on_paper`."""
        looks = self._known.get(attributes.get("style-name", ""), {})
        is_left_out = attributes.get("visibility") in ("collapse", "filter") or attributes.get("display") == "none"
        if otherwise == "gone" or is_left_out or looks.get("display") in ("none", "false"):
            return "gone"
        if _TINY.fullmatch(looks.get("font-size", "")):
            return "unseen"
        if looks.get("color", "").lower() == "#ffffff":
            return "unseen" if on_paper and looks.get("background-color", "transparent") == "transparent" else "seen"
        return "seen" if {"color", "font-size"} & looks.keys() else otherwise


class _Content(Handler):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.headings: list[str] = []
        self._line: list[str] = []
        self._length = 0
        self._left_out = 0
        self._paragraphs = 0
        self._styles = _Styles()
        self._shows: list[Shows] = ["seen"]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._styles.start(name, attributes)
        if name in _LOOKING:
            on_paper = not _OF_ANY_GROUND & set(self.path)
            self._shows.append(self._styles.shows(attributes, on_paper=on_paper, otherwise=self._shows[-1]))
        if name in _LEFT_OUT:
            self._left_out += 1
        elif name in ("p", "h"):
            self._paragraphs += 1
        elif name in ("s", "tab"):
            self._put(" ")
        elif name == "line-break":
            self._put("\n")

    def end(self, name: str) -> None:
        self._styles.end(name)
        if name in _LOOKING:
            self._shows.pop()
        if name in _LEFT_OUT:
            self._left_out -= 1
        elif name in ("p", "h"):
            self._paragraphs -= 1
            # A cell's paragraphs stay side by side, up to the row's end.
            self._put("\t") if "table-cell" in self.path else self._end_line(heading=name == "h")
        elif name in ("table-row", "page"):
            self._end_line(heading=False)

    def text(self, text: str) -> None:
        if self._paragraphs:
            self._put(text)

    def _put(self, text: str) -> None:
        if self._left_out or (self._shows[-1] != "seen" and not text.isspace()):
            return
        self._line.append(text)
        self._length += len(text)
        if self._length > ENOUGH:
            self._end_line(heading=False)
            raise Enough

    def _end_line(self, *, heading: bool) -> None:
        line = "".join(self._line).strip()
        self._line.clear()
        if line:
            self.lines.append(line)
            if heading and len(line) <= LONGEST_TALL_LINE:
                self.headings.append(line)


def read_open_document(members: Members) -> tuple[list[str], str]:
    """Headings and text. A cell that says to be repeated counts once. Raises Locked."""
    if b"encryption-data" in (members.whole("META-INF/manifest.xml", _MANIFEST_AT_MOST) or b""):
        raise Locked
    content = _Content()
    read_xml(members.chunks("content.xml"), content)
    return content.headings, "\n".join(content.lines)
