"""A part's bytes without their transfer encoding (RFC 2045 section 6), as it really comes.

    field, body | encoding_of | decode | bytes

The field may hold quotes, comments and dashes; the body may be padded in its middle, carry a list's footer below, or
not be encoded at all. What can be read is given, and nothing raises.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

Encoding = Literal["base64", "quoted-printable", "uuencode", "none"]

_NAMES: dict[str, Encoding] = {
    **{"base64": "base64", "xbase64": "base64", "b64": "base64", "base64encoding": "base64", "b": "base64"},
    **{"quotedprintable": "quoted-printable", "qp": "quoted-printable", "q": "quoted-printable"},
    **{"xqp": "quoted-printable"},
    **{"uuencode": "uuencode", "xuuencode": "uuencode", "xuue": "uuencode", "uue": "uuencode", "xuu": "uuencode"},
}
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_PADDING = re.compile(rb"=+")
_ESCAPE = re.compile(rb"=(?:[0-9A-F]{2}|\n)")
_LONG_LINE = re.compile(rb"[A-Za-z0-9+/]{40,}={0,2}")
# "begin 644 plan.pdf", its lines (the first letter of each is its length: "M" is a full one), "end"; and yEnc.
_BEGIN = re.compile(
    r"^(?:begin(?:-base64)? [0-7]{3,4} (?P<uu>\S[^\n]{0,200})|=ybegin [^\n]{0,200}?\bname=(?P<yenc>[^\n]{1,200}))$",
    re.MULTILINE,
)
_UU_LINE = re.compile(r"[\x20-\x60]{1,90}")
MOST_FILES = 30


def encoding_of(value: str) -> Encoding:
    """What the field means: its first word, without quotes, comments and dashes; unknown words mean nothing."""
    word = re.split(r"[\s;,(]", value.strip().strip("\"'").lower(), maxsplit=1)[0]
    name = "".join(filter(str.isalnum, word))
    return _NAMES.get(name, "quoted-printable" if name.startswith("quoted") else "none")


def decode(encoding: Encoding, body: bytes, is_text: bool = False) -> bytes:
    """The bytes behind the encoding; of text, also what stands below it in clear, or all if nothing is encoded."""
    if encoding == "base64":
        return _base64_and_rest(body) if is_text else decode_base64(body)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    if encoding == "uuencode":
        return decode_uu(body)
    if is_text and _is_unlabelled_base64(body):
        return decode_base64(body)
    return binascii.a2b_qp(body) if is_text and _is_unlabelled_quoted_printable(body) else body


def decode_base64(raw: bytes) -> bytes:
    """What can be decoded: foreign characters are skipped, padding may stand anywhere, a cut last group is dropped."""
    letters = raw.translate(None, _NOT_BASE64)
    if b"=" not in letters.rstrip(b"="):
        return _group(letters.rstrip(b"="))
    return b"".join(_group(chunk) for chunk in _PADDING.split(letters))


class Base64Pieces:
    """The same of what comes piece by piece, so that it is never held twice."""

    def __init__(self) -> None:
        self._decoded = bytearray()
        self._rest = b""

    def add(self, piece: bytes) -> None:
        """The next piece, cut wherever it was."""
        letters = self._rest + piece.translate(None, _NOT_BASE64)
        whole = 0 if b"=" in letters else len(letters) // 4 * 4  # after padding groups begin anew: at the end
        self._decoded += binascii.a2b_base64(letters[:whole])
        self._rest = letters[whole:]

    def end(self) -> bytes:
        """All of it."""
        self._decoded += decode_base64(self._rest)
        return bytes(self._decoded)


def _group(letters: bytes) -> bytes:
    remainder = len(letters) % 4
    if remainder == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _base64_and_rest(body: bytes) -> bytes:
    """Encoded lines, and from the first line on that is none, the lines as they are: a list's footer, a whole text."""
    end = groups = 0
    last = len(body.rstrip())
    for line in body.splitlines(keepends=True):
        letters = len(line.strip())
        # Whole groups so far, and a line that is none: a word below the text, unless it is the text's own end.
        is_word = groups and groups % 4 == 0 and letters % 4 and end + len(line) < last
        if is_word or not _may_be_base64(line):
            break
        groups += letters
        end += len(line)
    if end == len(body):
        return decode_base64(body)
    if _LONG_LINE.search(body[:end]) or _is_short_base64(body[:end]):
        return decode_base64(body[:end]) + b"\n\n" + body[end:]
    return body if end == 0 or b" " in body.strip() else decode_base64(body)


def _may_be_base64(line: bytes) -> bool:
    bare = line.strip()
    foreign = len(bare) - len(bare.translate(None, _NOT_BASE64))
    return not bare or (b" " not in bare and foreign * 10 <= len(bare)) or (foreign == 0)


def _is_short_base64(encoded: bytes) -> bool:
    """One short encoded text, whole groups of it: "SGVsbG8=" is, "Hello" is not."""
    letters = b"".join(encoded.split())
    if len(letters) < 8 or len(letters) % 4 or letters.translate(None, _NOT_BASE64) != letters:
        return False
    try:
        text = decode_base64(letters).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(sign.isprintable() or sign in "\t\r\n" for sign in text)


def _is_unlabelled_base64(body: bytes) -> bool:
    """Text that is base64 though no field says so: lines of one length, and what they say is readable."""
    start = body[:400].lstrip()
    if not _LONG_LINE.match(start):
        return False
    lines = body.split()
    lengths = {len(line) for line in lines[:-1]}
    if len(lengths) > 1 or (lengths and len(lines[-1]) > max(lengths)) or sum(map(len, lines)) % 4:
        return False
    if len(lines) == 1 and len(lines[0]) > 76 and not lines[0].endswith(b"="):
        return False
    if any(line.translate(None, _NOT_BASE64) != line for line in lines):
        return False
    decoded = decode_base64(body[:4_000].strip())
    try:
        text = decoded.decode("utf-8")
    except UnicodeDecodeError as error:
        text = decoded[: error.start].decode("utf-8") if error.start > len(decoded) - 4 else ""
    return bool(text.strip()) and all(sign.isprintable() or sign in "\t\r\n" for sign in text)


def _is_unlabelled_quoted_printable(body: bytes) -> bool:
    """Text that is quoted-printable though no field says so: lines end in "=", and no "=" means itself."""
    start = body[:8_000]
    if start.count(b"=\n") < 2 or not start.isascii():
        return False
    return len(_ESCAPE.findall(start)) * 20 >= start.count(b"=") * 19 and b"=" in start.replace(b"=\n", b"")


def decode_uu(body: bytes) -> bytes:
    """What stands between "begin 644 name" and "end", or every line that can be decoded if those are missing."""
    found = re.search(rb"^begin [^\n]{0,250}$", body, re.MULTILINE)
    decoded: list[bytes] = []
    for line in body[found.end() if found else 0 :].split(b"\n"):
        line = line.rstrip(b"\r")
        if line == b"end":
            break
        if line:
            decoded.append(_uu_line(line))
    return b"".join(decoded)


def _uu_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:  # some programs write blanks at the end that are none: the length says what counts
        length = (line[0] - 32) & 63
        try:
            return binascii.a2b_uu(line[: (length * 4 + 5) // 3 + 1])
        except binascii.Error:
            return b""


@dataclass(frozen=True)
class InText:
    """A file that stood in the midst of a text. `lines`: from "begin" to "end", as they were."""

    name: str
    lines: str = field(default="", repr=False)

    @property
    def data(self) -> bytes:
        """Its bytes, if they are all there; b"" also for yEnc, which no charset leaves as it was."""
        begin, _, rest = self.lines.partition("\n")
        lines = [line.rstrip() for line in rest.rstrip().rsplit("\n", 1)]
        if begin.startswith("begin-base64"):
            return decode_base64(lines[0].encode("ascii", "replace")) if lines[-1] == "====" else b""
        is_whole = begin.startswith("begin ") and lines[-1] == "end"
        return decode_uu(self.lines.encode("ascii", "replace")) if is_whole else b""


@dataclass(frozen=True)
class Unpacked:
    """A text without the files that stood in its midst."""

    text: str
    files: tuple[InText, ...] = ()


def without_files(text: str) -> Unpacked:
    """The text without uuencoded and yEnc files in it, and those files: what mail programs did before MIME."""
    if "\nbegin" not in text and "=ybegin " not in text and not text.startswith("begin"):
        return Unpacked(text)
    kept: list[str] = []
    files: list[InText] = []
    position = 0
    for begin in islice(_BEGIN.finditer(text), MOST_FILES):
        if begin.start() < position:
            continue
        end = _end_of_file(text, begin.end() + 1, begin[0])
        if end:
            kept.append(text[position : begin.start()])
            files.append(InText((begin["uu"] or begin["yenc"]).strip(), text[begin.start() : end]))
            position = end
    kept.append(text[position:])
    return Unpacked("".join(kept), tuple(files))


def _end_of_file(text: str, start: int, begin: str) -> int | None:
    """Where the file ends that starts here; None if it is no file: a sentence may begin with "begin" too."""
    if begin.startswith("=ybegin"):
        end = text.find("\n=yend", start)
        return len(text) if end < 0 else _line_end(text, end + 1)
    is_base64 = begin.startswith("begin-base64")
    position, lines = start, 0
    while position < len(text):
        end = _line_end(text, position)
        line = text[position:end].rstrip("\r\n")
        if line in ("end", "===="):
            return end if lines else None
        if line and line != "`" and not (is_base64 or _is_uu(line)):
            break
        lines += 1
        position = end
    return position if lines > 1 else None


def _is_uu(line: str) -> bool:
    length = (ord(line[0]) - 32) & 63
    return bool(_UU_LINE.fullmatch(line)) and len(line) - 1 <= (length + 2) // 3 * 4 + 2


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end + 1
