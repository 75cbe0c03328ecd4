"""The files of a large message: known by its structure, fetched whole, one by one and piece by piece.

    BODYSTRUCTURE, headers and first bytes of the parts | files | AttachedFile, whose `read` asks the server

What a server does worse than it says costs the one file: it is lacking then, and the message is read without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from connectors.base import MessageRef
from connectors.errors import ActionRefused, Unexplained, Unreachable
from connectors.imap.session import Session
from connectors.imap.sightings import Fetched, part
from connectors.imap.text_parts import Part
from connectors.mail.attached_files import (
    EMPTY,
    LARGEST_TOGETHER,
    NOT_GIVEN,
    ONLY_ITS_BEGINNING,
    TOO_LARGE,
    AttachedFile,
    NotRead,
    rank_of,
)
from connectors.mail.content_type import content_of_part, file_name
from connectors.mail.hands_off import FIRST_BYTES
from connectors.mail.headers import split_headers
from connectors.mail.message_parts import SPARE_TYPES, UNSEEN_TYPES
from connectors.mail.transfer_encoding import Base64Pieces, Encoding, decode, encoding_of

PIECE = 4 * 1024 * 1024
"""Bytes of one answer, and of what is held beside the file itself."""
LARGEST_PART = LARGEST_TOGETHER
"""Bytes of a part as it travels: base64 makes 32 MiB of a file 44 MiB."""
LINE_END = 4
"""So much servers differ in what they count as the end of a part."""


def files(
    session: Session, ref: MessageRef, whole: Part, fetched: Fetched, *, body_is_attached: bool
) -> list[AttachedFile]:
    """The files among the parts of the message at `ref`, in the open folder.

    `fetched`: its header, those of its parts, and of their bodies what was wanted for the text.
    """
    found: list[AttachedFile] = []
    for one in whole.leaves():
        mime = part(fetched, f"BODY[{one.section}.MIME]".encode() if whole.parts else b"BODY[HEADER]") or b""
        headers, _ = split_headers((mime if mime.strip() else one.header).replace(b"\r\n", b"\n"))
        kind = content_of_part(headers, b"").kind
        if kind in UNSEEN_TYPES or kind.startswith(("message/", "multipart/")):
            continue
        if body_is_attached and kind in SPARE_TYPES:
            continue
        encoding = encoding_of(headers.text("content-transfer-encoding", 200))
        begins = part(fetched, f"BODY[{one.section}]".encode()) or b""
        rank = rank_of(kind, headers, decode(encoding, begins[: 4 * FIRST_BYTES]))
        if rank is not None:
            size = one.size * 57 // 78 if encoding == "base64" else one.size  # lines of 76 letters and CRLF
            read = partial(_read, session, ref, one, encoding, len(mime))
            found.append(AttachedFile(file_name(headers), rank, read, size, "" if one.size else EMPTY))
    return found


def _read(session: Session, ref: MessageRef, one: Part, encoding: Encoding, header_bytes: int) -> bytes:
    """The part, decoded. Raises NotRead, and what broke the connection, once: then the look begins anew."""
    doubts = session.doubts
    if doubts is None or not doubts.gives_part(ref, one.section):
        raise NotRead(NOT_GIVEN)
    try:
        return _whole(session, ref.uid, one, encoding, header_bytes)
    except (ActionRefused, Unexplained, Unreachable) as error:
        doubts.part_failed(ref, one.section, broken=session.dead)
        if session.dead:
            raise
        raise NotRead(NOT_GIVEN) from error


def _whole(session: Session, uid: int, one: Part, encoding: Encoding, header_bytes: int) -> bytes:
    base64, others, got = Base64Pieces(), [], 0
    for piece in _pieces(session, uid, one):
        got += len(piece)
        if encoding == "base64":
            base64.add(piece)
        else:
            others.append(piece)
    if got + header_bytes + LINE_END < one.size:  # pymap counts the header of the part, too (seen)
        raise NotRead(ONLY_ITS_BEGINNING if got else NOT_GIVEN)
    return base64.end() if encoding == "base64" else decode(encoding, b"".join(others))


def _pieces(session: Session, uid: int, one: Part) -> Iterator[bytes]:
    """Up to the first that is not full, for sizes may be told wrongly; but nothing behind the end that is told, where
    GreenMail refuses (seen)."""
    got = 0
    while got <= LARGEST_PART:
        fetched = session.fetch([uid], [f"BODY.PEEK[{one.section}]<{got}.{PIECE}>"]).get(uid, {})
        piece = part(fetched, f"BODY[{one.section}]".encode())
        if piece is None:
            return
        yield piece
        got += len(piece)
        if len(piece) != PIECE or got == one.size:
            return
    raise NotRead(TOO_LARGE)
