"""OpenDocument texts, sheets and slides (ISO/IEC 26300): content.xml in a stream."""

from __future__ import annotations

from daemon.papers.office_text import ENOUGH
from daemon.papers.paper import LONGEST_TALL_LINE
from daemon.papers.paper_kind import Locked
from daemon.papers.xml_stream import Enough, Handler, read_xml
from daemon.papers.zip_members import Members

KINDS = {"text": "odt", "spreadsheet": "ods", "presentation": "odp"}
_LEFT_OUT = {"annotation", "annotation-end", "tracked-changes", "notes", "forms", "desc", "title"}
_MANIFEST_AT_MOST = 1 << 20


class _Content(Handler):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.headings: list[str] = []
        self._line: list[str] = []
        self._length = 0
        self._left_out = 0
        self._paragraphs = 0

    def start(self, name: str, _: dict[str, str]) -> None:
        if name in _LEFT_OUT:
            self._left_out += 1
        elif name in ("p", "h"):
            self._paragraphs += 1
        elif name in ("s", "tab"):
            self._put(" ")
        elif name == "line-break":
            self._put("\n")

    def end(self, name: str) -> None:
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
        if self._left_out:
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
