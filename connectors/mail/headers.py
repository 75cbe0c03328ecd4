"""Header fields: raw bytes to decoded, one-line text.

    header block | split_headers | Headers.raw(name) | decode_header / message_ids / sent_at

Headers come from strangers: lengths are bounded before anything looks at them, no function here raises on any input,
and the standard library's parsers are only handed values whose size keeps their running time harmless.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message as HeaderHolder
from email.utils import parsedate_to_datetime
from functools import cached_property, lru_cache
from hashlib import sha256

from connectors.mail.charsets import decode_bytes, guess_text
from connectors.mail.transfer_encoding import decode_base64

# A field longer than this says nothing more; it also bounds email.utils, whose parsers are quadratic or recursive.
LONGEST_FIELD = 16_384
LONGEST_PARAMETERS = 4_096
MOST_FIELDS = 500
MOST_REFERENCES = 100

# Controls, zero-width and bidirectional formatting, soft hyphens, variation selectors, tags, private use and lone
# surrogates: what a person does not see must not reach the model (Unicode categories Cc, Cf, Co, Cs). Tab and newline
# are white space and stay.
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]+"
)

# RFC 2047 section 2; senders leave blanks and "?" in the text of a Q word, which ends at a "?=" that ends a word. "=?"
# begins the next one, so no search runs over two.
_ENCODED_WORD = re.compile(
    r"=\?([^?\s]{1,60})\?(?:([bB])\?([^?]*)|([qQ])\?((?:[^?=]|=(?!\?)|\?(?!=)|\?(?==[0-9A-Za-z]))*))\?="
)
_FOLD_IN_WORD = re.compile(rb"=[ \t]{0,5}\n[ \t]{0,5}")
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,900})>")
# How many times a sender's programs have encoded a subject one over the other, at most.
MOST_ENCODINGS = 3
MOST_FOLDS = 2_000
MOST_STRAYS = 8
"""Lines in a header that are no field, before it counts as ended."""
_PARAMETER = re.compile(rb"[A-Za-z][A-Za-z0-9-]{1,30}(?:\*\d?){0,2}[ \t]?=")
_NO_SEMICOLON = re.compile(r"^([^\s;,=]{1,120})[\s,]+(?=[A-Za-z][\w-]{1,30}\*?\s?=)")
_COMMENT = re.compile(r"\([^()]{0,200}\)")
_PERSONAL = {"from", "to", "cc", "subject", "date", "reply-to", "sent"}
_MACHINE = {
    *("content-type", "content-transfer-encoding", "content-disposition", "content-id", "mime-version", "message-id"),
    *(
        "received",
        "return-path",
        "delivered-to",
        "dkim-signature",
        "references",
        "in-reply-to",
        "authentication-results",
    ),
}
_FIELD_NAME = re.compile(rb"[!-9;-~]{1,100}[ \t]{0,10}:")


@dataclass(frozen=True)
class Parameters:
    """ "attachment; filename=x.pdf": the value in lower case, and the named parameters, names in lower case."""

    value: str = ""
    named: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        return self.named.get(name, "")


@dataclass(frozen=True)
class Headers:
    """The fields of one header block, lower-case names, raw values unfolded, in order."""

    fields: tuple[tuple[str, bytes], ...] = ()

    def raw(self, name: str) -> bytes | None:
        """The first field's raw value that says anything: duplicates are ignored, as mail readers do."""
        return self._first.get(name)

    @cached_property
    def _first(self) -> Mapping[str, bytes]:
        """Of each name the first value that says anything; a header is asked for some twenty names."""
        first: dict[str, bytes] = {}
        for name, value in self.fields:
            if not first.get(name):
                first[name] = value or first.get(name, value)
        return first

    def text(self, name: str, most: int = LONGEST_FIELD) -> str:
        """The first field, decoded to one line of at most `most` characters; empty if there is none."""
        return decode_header(self.unlabelled(self.raw(name) or b""), most)

    def unlabelled(self, raw: bytes) -> str:
        """Raw bytes of a field: UTF-8, or in the charset of this header's own body, as old programs send them."""
        raw = raw[:LONGEST_FIELD]
        if raw.isascii():
            return guess_text(raw)
        return decode_bytes(raw, self.parameters("content-type").get("charset") or None)

    def parameters(self, name: str) -> Parameters:
        """A structured field such as Content-Type, with RFC 2231 values decoded."""
        return parameters_of(self.raw(name) or b"")


@lru_cache(maxsize=64)
def parameters_of(raw: bytes) -> Parameters:
    """One structured value. Blanks and commas where the semicolon should be do no harm, nor does a comment."""
    text = " ".join(guess_text(raw[:LONGEST_PARAMETERS]).split())
    text = _COMMENT.sub(" ", text) if "(" in text and '"' not in text else text
    text = _NO_SEMICOLON.sub(r"\1; ", text, count=1)
    return Parameters(re.split(r"[;\s,]", text, maxsplit=1)[0].strip("\"'").lower(), _parameter_pairs(text))


def split_headers(raw: bytes) -> tuple[Headers, bytes]:
    """Header fields and the body after the first empty line. `raw` has \\n as its only line ending.

    A line that is no field belongs to the field above it, or is skipped, where the header clearly goes on below it;
    else the empty line is missing and the body begins.
    """
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if raw.startswith((b"From ", b">From ")) and not _FIELD_NAME.match(raw):  # the envelope line of an mbox
        raw = raw.partition(b"\n")[2]
    fields: list[tuple[str, list[bytes]]] = []
    position = strays = 0
    while position < len(raw):
        end = raw.find(b"\n", position)
        end = len(raw) if end < 0 else end
        line = raw[position:end]
        if not line or (line.isspace() and not _goes_on(raw, end + 1)):
            position = end + 1
            break
        above = fields[-1][1] if fields else []
        if line[:1] in b" \t" or (above and _is_fold(above[-1], line)):
            if above and len(above) < MOST_FOLDS:
                above.append(line[:LONGEST_FIELD])
        elif _FIELD_NAME.match(line):
            name, _, value = line.partition(b":")
            field_name = name.strip().decode("ascii").lower()
            fields.append((field_name if len(fields) < MOST_FIELDS else "", [value[:LONGEST_FIELD].strip()]))
        elif strays < MOST_STRAYS and _header_below(raw, end + 1, {name for name, _ in fields}):
            strays += 1
            if fields and fields[-1][0] == "subject":  # a long one that was wrapped without the blank
                above.append(line[:LONGEST_FIELD])
        else:
            break
        position = end + 1
        del fields[MOST_FIELDS + 1 :]
    joined = tuple((name, b"\n".join(lines)[:LONGEST_FIELD]) for name, lines in fields[:MOST_FIELDS])
    return Headers(joined), raw[position:]


def _goes_on(raw: bytes, position: int) -> bool:
    """Is the next line a field or a fold? Then a line of blanks above it does not end the header."""
    line = raw[position : position + 120]
    return bool(_FIELD_NAME.match(line)) or (line[:1] in (b" ", b"\t") and bool(line.partition(b"\n")[0].strip()))


def _is_fold(above: bytes, line: bytes) -> bool:
    """A parameter on a line of its own, without the blank that a continuation begins with."""
    return above.endswith(b";") and _PARAMETER.match(line) is not None


def _header_below(raw: bytes, position: int, seen: set[str]) -> bool:
    """Do nothing but fields follow up to the next empty line, among them such as only a program writes?

    Fields that people quote ("From", "Subject") count if the header lacks them: a body may begin with a quoted block.
    """
    machine = personal = strays = 0
    for line in raw[position : position + 8_000].split(b"\n", 60)[:60]:
        if not line.strip():
            break
        if line[:1] in b" \t" or _PARAMETER.match(line):
            continue
        if not _FIELD_NAME.match(line):
            strays += 1
            continue
        name = line.partition(b":")[0].strip().decode("ascii").lower()
        if name in _PERSONAL and name in seen:
            return False
        machine += name in _MACHINE
        personal += name in _PERSONAL or name.startswith(("x-", "list-", "arc-"))
    return strays <= 2 and (machine > 0 or (personal >= 2 and bool(seen & (_PERSONAL | _MACHINE))))


def _parameter_pairs(text: str) -> dict[str, str]:
    holder = HeaderHolder()
    holder["x"] = text
    try:
        pairs = holder.get_params([], "x")
    except (ValueError, TypeError, LookupError, AttributeError):
        # A continuation (RFC 2231 section 3) given twice breaks the standard library: do without continuations.
        holder.replace_header("x", text.replace("*", ""))
        pairs = holder.get_params([], "x")
    named: dict[str, str] = {}
    for name, value in pairs[1:]:
        if isinstance(value, tuple):  # RFC 2231: (charset, language, bytes as Latin-1)
            value = decode_bytes(value[2].encode("latin-1", "replace"), value[0])
        named.setdefault(name.lower(), value)
    return named


def one_line(text: str, most: int = LONGEST_FIELD) -> str:
    """At most `most` characters without invisible ones; any white space becomes one blank."""
    text = INVISIBLE.sub("", text.replace("\r", " ").replace("\x0b", " ").replace("\x0c", " "))
    return " ".join(text.split())[:most].rstrip()


def decode_header(value: str | bytes | None, most: int = LONGEST_FIELD) -> str:
    """A header value as one line of text: unfolded, RFC 2047 words decoded, raw 8-bit bytes guessed. Never raises.

    Neighbouring encoded words in one charset are joined before decoding, because senders cut characters in two.
    """
    if value is None:
        return ""
    text = guess_text(_raw_bytes(value[:LONGEST_FIELD]))
    for _ in range(MOST_ENCODINGS):
        if "=?" not in text:
            break
        before, text = text, _decode_words(text)
        if text == before:
            break
    return one_line(text, most)


def _decode_words(text: str) -> str:
    decoded: list[str] = []
    pending: tuple[str, bytearray] | None = None
    position = 0
    for word in _ENCODED_WORD.finditer(text):
        between = text[position : word.start()]
        position = word.end()
        charset = word[1].partition("*")[0].lower()  # RFC 2231 section 5: "charset*language"
        content = decode_base64(word[3].encode("utf-8", "replace")) if word[2] else _q_bytes(word[5])
        if pending and not between.strip() and pending[0] == charset:
            pending[1].extend(content)
            continue
        if pending:
            decoded.append(decode_bytes(bytes(pending[1]), pending[0]))
            between = "" if not between.strip() else between
        decoded.append(between)
        pending = (charset, bytearray(content))
    if pending:
        decoded.append(decode_bytes(bytes(pending[1]), pending[0]))
    decoded.append(text[position:])
    return "".join(decoded)


def _q_bytes(content: str) -> bytes:
    raw = _FOLD_IN_WORD.sub(b"", content.encode("utf-8", "replace"))
    return binascii.a2b_qp(raw.replace(b"\n", b" "), header=True)


def message_ids(value: bytes | str | None) -> tuple[str, ...]:
    """The bracketed ids in a field, in order, each once (RFC 5322 section 3.6.4); a single bare id gets brackets."""
    if value is None:
        return ()
    text = guess_text(value[:LONGEST_FIELD]) if isinstance(value, bytes) else value[:LONGEST_FIELD]
    found = [f"<{one_line(name)}>" for name in _MESSAGE_ID.findall(text)]
    bare = text.split()
    if not found and len(bare) == 1 and "@" in bare[0]:
        found = [f"<{one_line(bare[0].strip('<>'))[:900]}>"]
    return tuple(dict.fromkeys(name for name in found if name != "<>"))


def thread_ids(headers: Headers) -> tuple[str, ...]:
    """References, then In-Reply-To: oldest first, each once. Of an endless thread, its root and its newest."""
    both = tuple(dict.fromkeys(message_ids(headers.raw("references")) + message_ids(headers.raw("in-reply-to"))))
    return both if len(both) <= MOST_REFERENCES else both[:1] + both[1 - MOST_REFERENCES :]


def sent_at(value: bytes | None) -> datetime | None:
    """The Date field in UTC; None if it is missing or no date. A date without a zone is taken as UTC."""
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(guess_text(value[:200]))
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError, KeyError):
        return None


def digest(
    message_id: str | bytes | None,
    date_header: str | bytes | None,
    from_header: str | bytes | None,
    subject_header: str | bytes | None,
    size: int,
) -> str:
    """sha256, in hex, of the raw header values and the message's size in bytes: `Identity.digest`.

    Servers fold headers differently, so white space is normalised. Give raw values, before any RFC 2047 decoding; a
    str stands for its UTF-8 bytes (surrogates for the raw bytes they escape). Missing and empty are the same.
    """
    values = (message_id, date_header, from_header, subject_header)
    lines = [b" ".join(_raw_bytes(value).split()) for value in values]
    return sha256(b"\n".join([*lines, str(size).encode("ascii")])).hexdigest()


def origin(message_id: str | bytes | None, date_header: str | bytes | None) -> str:
    """`Identity.origin`: sha256, in hex, of Message-ID and Date; "" if one is missing.

    A list changes the Subject, adds lines and sometimes rewrites From; these two it leaves (RFC 5322 section 3.6.4).
    """
    words = [b" ".join(_raw_bytes(value).split()) for value in (message_id, date_header)]
    return sha256(b"\n".join(words)).hexdigest() if all(words) else ""


def _raw_bytes(value: str | bytes | None) -> bytes:
    """Parsers of the standard library hand out raw bytes as surrogates: take them back."""
    if isinstance(value, bytes):
        return value
    try:
        return (value or "").encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return (value or "").encode("utf-8", "surrogatepass")
