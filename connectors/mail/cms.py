"""Cryptographic messages (CMS, RFC 5652): what kind one is, and the text inside one that is signed but not encrypted.

    DER or BER | kind_of | "signed", "enveloped", "compressed"
    DER or BER | content_of | the MIME part inside (RFC 8551 section 3.5.2)

Nothing is verified: the text is read as the text of any stranger's mail. cryptography and asn1crypto give the
certificates or read DER only; Outlook and OpenSSL write BER with lengths left open, so the few lines are ours. They go
once over the bytes and open a fixed number of frames.
"""

from __future__ import annotations

import zlib
from typing import Literal

Kind = Literal["signed", "enveloped", "compressed"]

_PKCS7 = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"
_SMIME = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01"
_KINDS: tuple[tuple[bytes, Kind], ...] = (
    (_PKCS7 + b"\x02", "signed"),
    (_PKCS7 + b"\x03", "enveloped"),
    (_PKCS7 + b"\x04", "enveloped"),  # signed and enveloped
    (_PKCS7 + b"\x06", "enveloped"),  # encrypted data
    (_SMIME + b"\x17", "enveloped"),  # authEnveloped, RFC 5083
    (_SMIME + b"\x09", "compressed"),  # RFC 3274
)
_SEQUENCE, _OCTETS, _OCTETS_IN_PIECES, _EXPLICIT = 0x30, 0x04, 0x24, 0xA0
LONGEST_CONTENT = 1 << 20
MOST_PIECES = 20_000


def kind_of(raw: bytes) -> Kind | None:
    """What the first bytes say of the whole; None if this is no CMS."""
    if raw[:1] != b"\x30":
        return None
    return next((kind for mark, kind in _KINDS if mark in raw[:40]), None)


def content_of(raw: bytes) -> bytes:
    """The content inside signed or compressed data; empty if it is detached, cut off at once, or no CMS."""
    kind = kind_of(raw)
    # ContentInfo { type, [0] { SignedData { version, algorithms, EncapsulatedContentInfo { type, [0] content ...
    data = _down(raw, _SEQUENCE, _EXPLICIT, _SEQUENCE)
    if kind == "compressed" and data is not None:
        data = _past(_past(data))  # the version and the algorithm
    inner = _down(data, _SEQUENCE, _EXPLICIT) if data else None
    if kind not in ("signed", "compressed") or inner is None:
        return b""
    content = _octets(inner)
    if kind == "compressed":
        try:
            return zlib.decompressobj().decompress(content, LONGEST_CONTENT)
        except zlib.error:
            return b""
    return content


def _frame(raw: bytes, position: int) -> tuple[int, int, int | None] | None:
    """(tag, where the content begins, where it ends) of the value here; the end is None where it is left open."""
    if position + 2 > len(raw):
        return None
    tag, first = raw[position], raw[position + 1]
    if first == 0x80:
        return tag, position + 2, None
    if first < 0x80:
        return tag, position + 2, position + 2 + first
    start = position + 2 + (first & 0x7F)
    return (tag, start, start + int.from_bytes(raw[position + 2 : start], "big")) if first <= 0x84 else None


def _down(raw: bytes, *tags: int) -> bytes | None:
    """What stands in the frames of these tags, one in the other; others are stepped over where their end is known."""
    position = 0
    for tag in tags:
        for _ in range(8):
            frame = _frame(raw, position)
            if frame is None:
                return None
            if frame[0] == tag:
                position = frame[1]
                break
            if frame[2] is None:
                return None
            position = frame[2]
        else:
            return None
    return raw[position:]


def _past(raw: bytes) -> bytes:
    frame = _frame(raw, 0)
    return raw[frame[2] :] if frame and frame[2] is not None else b""


def _octets(raw: bytes) -> bytes:
    """One string of bytes, whole or in pieces (X.690 section 8.7.3)."""
    frame = _frame(raw, 0)
    if frame is None:
        return b""
    tag, position, end = frame
    if tag == _OCTETS:
        return raw[position:end]
    if tag != _OCTETS_IN_PIECES:
        return b""
    pieces: list[bytes] = []
    for _ in range(MOST_PIECES):
        piece = _frame(raw, position)
        if piece is None or piece[0] != _OCTETS or piece[2] is None or (end is not None and position >= end):
            break
        pieces.append(raw[piece[1] : piece[2]])
        position = piece[2]
    return b"".join(pieces)
