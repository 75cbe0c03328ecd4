"""Header fields: raw bytes to decoded, one-line text.

    header block | split_headers | Headers.first(name) | decode_header / addresses / message_ids / sent_at

Headers come from strangers: lengths are bounded before anything looks at them, no function here raises on any input,
and the standard library's parsers are only handed values whose size keeps their running time harmless.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message as HeaderHolder
from email.utils import parsedate_to_datetime
from hashlib import sha256

# A field longer than this says nothing more; it also bounds email.utils, whose parsers are quadratic or recursive.
LONGEST_FIELD = 16_384
LONGEST_PARAMETERS = 4_096
MOST_FIELDS = 500
LONGEST_ADDRESSES = 2_000
MOST_ADDRESSES = 8
MOST_REFERENCES = 100

# Controls, zero-width and bidirectional formatting, soft hyphens, variation selectors, tags, private use and lone
# surrogates: what a person does not see must not reach the model (Unicode categories Cc, Cf, Co, Cs). Tab and newline
# are white space and stay.
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]+"
)

# Registered charsets that Python's codecs would run slowly, or that are not a charset of mail at all.
_REFUSED = {"punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem", "utf-7-imap"}
# The labels people write and the codec that really fits: the WHATWG Encoding Standard, section 4.2, does the same.
_BETTER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc-kr": "cp949",
    "shift-jis": "cp932",
}

_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_MARK = re.compile('[,;"<(]')
CLOSES = {"<": ">", "(": ")"}
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,900})>")
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
        """The first field's raw value: duplicates further down are ignored, as mail readers do."""
        return next((value for known, value in self.fields if known == name), None)

    def text(self, name: str, most: int = LONGEST_FIELD) -> str:
        """The first field, decoded to one line of at most `most` characters; empty if there is none."""
        return decode_header(self.raw(name), most)

    def parameters(self, name: str) -> Parameters:
        """A structured field such as Content-Type, with RFC 2231 values decoded."""
        text = " ".join(guess_text((self.raw(name) or b"")[:LONGEST_PARAMETERS]).split())
        return Parameters(text.partition(";")[0].strip().lower(), _parameter_pairs(text))


def split_headers(raw: bytes) -> tuple[Headers, bytes]:
    """Header fields and the body after the first empty line. `raw` has \\n as its only line ending."""
    if raw.startswith((b"From ", b">From ")):  # the envelope line of an mbox
        raw = raw.partition(b"\n")[2]
    fields: list[tuple[str, bytes]] = []
    position = 0
    while position < len(raw):
        end = raw.find(b"\n", position)
        end = len(raw) if end < 0 else end
        line = raw[position:end]
        if not line:
            position = end + 1
            break
        if line[:1] in b" \t":
            if fields and len(fields[-1][1]) < LONGEST_FIELD:
                fields[-1] = (fields[-1][0], fields[-1][1] + b"\n" + line[:LONGEST_FIELD])
        elif _FIELD_NAME.match(line):
            if len(fields) < MOST_FIELDS:
                name, _, value = line.partition(b":")
                fields.append((name.strip().decode("ascii").lower(), value[:LONGEST_FIELD].strip()))
        else:
            break  # the empty line is missing: this one is the body's first
        position = end + 1
    return Headers(tuple(fields)), raw[position:]


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


def guess_text(raw: bytes) -> str:
    """Bytes that name no charset: UTF-8 if they are, else Latin-1's superset, which always fits somehow."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def decode_bytes(raw: bytes, charset: str | None) -> str:
    """Bytes by the charset that the sender named, mistrusting it: unknown names and wrong Latin-1 labels are common."""
    try:
        name = codecs.lookup((charset or "ascii").strip("\"' ")[:60]).name.replace("_", "-")
    except (LookupError, ValueError):
        return guess_text(raw)
    if name in _REFUSED:
        return guess_text(raw)
    if name in ("ascii", "iso8859-1", "cp1252", "iso8859-15"):
        # Non-ASCII Latin-1 text is practically never valid UTF-8 by accident.
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            pass
    try:
        return raw.decode(_BETTER.get(name, name), "replace")
    except (LookupError, ValueError):  # "zlib" and "rot13" are codecs too, but not of text
        return guess_text(raw)


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
    decoded: list[str] = []
    pending: tuple[str, bytearray] | None = None
    position = 0
    for word in _ENCODED_WORD.finditer(text):
        between = text[position : word.start()]
        position = word.end()
        charset = word[1].partition("*")[0].lower()  # RFC 2231 section 5: "charset*language"
        content = _word_bytes(word[2].lower(), word[3])
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
    return one_line("".join(decoded), most)


def _word_bytes(encoding: str, content: str) -> bytes:
    raw = content.encode("utf-8", "replace")
    if encoding == "q":
        return binascii.a2b_qp(raw.replace(b"\n", b" "), header=True)
    return decode_base64(raw)


_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


def decode_base64(raw: bytes) -> bytes:
    """What can be decoded: foreign characters are skipped, a last group that is cut off is dropped."""
    letters = raw.translate(None, _NOT_BASE64)
    remainder = len(letters) % 4
    if remainder == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def addresses(headers: Headers, *names: str) -> str:
    """The first field of these names that holds an address: "Ann Lee <ann@example.org>, bob@example.org"."""
    for name in names:
        raw = headers.raw(name)
        if raw is None:
            continue
        found = _address_pairs(" ".join(guess_text(raw)[:LONGEST_ADDRESSES].split()))
        if not found:  # some senders encode the whole field, brackets included
            found = _address_pairs(decode_header(raw, LONGEST_ADDRESSES))
        shown = [_shown(person, address) for person, address in found[:MOST_ADDRESSES] if "@" in address]
        if any(shown):
            return ", ".join(dict.fromkeys(filter(None, shown)))
        if raw.strip():
            return decode_header(raw, 200)
    return ""


def bare_addresses(headers: Headers, *names: str) -> frozenset[str]:
    """Every address in these fields, without names, in small letters: for rules, not for reading."""
    found: set[str] = set()
    for name in names:
        raw = headers.raw(name)
        if raw is not None:
            pairs = _address_pairs(" ".join(guess_text(raw)[:LONGEST_FIELD].split()))
            pairs = pairs or _address_pairs(decode_header(raw))
            found.update(one_line(address.strip("'"), 320).lower() for _, address in pairs)
    return frozenset(address for address in found if "@" in address)


def _address_pairs(value: str) -> list[tuple[str, str]]:
    """(name, address) of each mailbox in a list. Ours, because `email.utils` answers differently in each Python."""
    pairs: list[tuple[str, str]] = []
    before = ""
    for mailbox in _mailboxes(value):
        if "@" not in mailbox:
            before += mailbox + ","  # a name with a bare comma: Lee, Ann <ann@example.org>
            continue
        person, bracket, address = mailbox.rpartition("<")
        if not bracket:
            address, _, person = mailbox.rpartition(":")[2].partition("(")
        elif "@" not in address:
            person, address = "", person
        name = (before + person).strip(" ,)").removeprefix('"').removesuffix('"')
        pairs.append((name.replace('\\"', '"'), address.partition(">")[0].strip()))
        before = ""
    return pairs


def _mailboxes(value: str) -> list[str]:
    """The list cut at its commas and semicolons, in time that grows with its length only.

    Quoted names, bracketed addresses and comments may hold commas; the sign of an unclosed one is any character.
    """
    found: list[str] = []
    closing = {'"': _quote_ends(value), "<": None, "(": None}
    begin = position = 0
    while (mark := _MARK.search(value, position)) is not None:
        position = mark.end()
        sign = mark[0]
        if sign in ",;":
            found.append(value[begin : position - 1])
            begin = position
        elif sign in closing:
            ends = closing[sign]
            end = ends[position] if ends is not None else value.find(CLOSES[sign], position)
            if end >= 0:
                position = end + 1
            elif ends is None:
                del closing[sign]  # none closes any more: nobody looks again
    return [mailbox for mailbox in (*found, value[begin:]) if mailbox]


def _quote_ends(value: str) -> list[int]:
    """Where a quoted string ends whose content begins at each position; -1: nowhere. A backslash quotes what follows
    it."""
    ends = [-1] * (len(value) + 2)
    if '"' in value:
        for position in range(len(value) - 1, -1, -1):
            sign = value[position]
            ends[position] = position if sign == '"' else ends[position + (2 if sign == "\\" else 1)]
    return ends


def _shown(person: str, address: str) -> str:
    name, place = one_line(decode_header(person).strip("\"' "), 100), one_line(address.strip("'"), 200)
    return f"{name} <{place}>" if name and name.lower() != place.lower() else place


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
