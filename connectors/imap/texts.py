"""Fetching messages with their text: small ones together and whole, large ones alone and without their pictures.

Files are part of a small message that is here already. Of a large one they are fetched when its text has been read and
says little, one after the other (`connectors.imap.file_parts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.base import Mark, Message, MessageRef
from connectors.errors import ActionRefused, FolderMissing, Unexplained, Unreachable
from connectors.imap import file_parts, text_parts
from connectors.imap.session import FETCH_BATCH, Session
from connectors.imap.sightings import Fetched, part, sighting
from connectors.mail import mime
from connectors.mail.attached_files import papers_of
from connectors.mail.mime import Parsed
from connectors.mail.own_words import says_little

LARGEST_TEXT = 1024 * 1024
"""Bytes of a message that are fetched. Of a larger one the text parts, else its beginning."""
LARGEST_BATCH = 8 * 1024 * 1024
HEADER_BYTES = 64 * 1024
"""What is left for the headers of a large message and its parts."""
SIZES_AT_ONCE = 500


def sizes_of(session: Session, folder: str, epoch: int, uids: Sequence[int]) -> dict[int, int | None]:
    """The size of each message that is there and given; None where the server does not tell."""
    if not _is_open(session, folder, epoch):
        return {}
    sizes: dict[int, int | None] = {}
    for uid, fetched in session.fetch_apart(folder, epoch, uids, ("RFC822.SIZE",), SIZES_AT_ONCE):
        size = fetched.get(b"RFC822.SIZE")
        sizes[uid] = size if isinstance(size, int) else None
    return sizes


def batches(sizes: Mapping[int, int | None]) -> Iterator[dict[int, int | None]]:
    """The same in batches that fit into memory: several small messages, or one that is large or of unknown size."""
    batch: dict[int, int | None] = {}
    weight = 0
    for uid, size in sizes.items():
        alone = size is None or size > LARGEST_TEXT
        if batch and (alone or weight + (size or 0) > LARGEST_BATCH or len(batch) == FETCH_BATCH):
            yield batch
            batch, weight = {}, 0
        batch[uid] = size
        weight += LARGEST_BATCH if alone else size or 0
    if batch:
        yield batch


def texts(
    session: Session,
    folder: str,
    epoch: int,
    batch: Mapping[int, int | None],
    *,
    papers: bool = False,
    pictures: bool = False,
) -> list[Message]:
    """One such batch, read. What is not there any more, or not given (`Session.fetch_apart`), is left out.

    `papers`, `pictures`: as `Connector.fetch` has them.
    """
    if not _is_open(session, folder, epoch):
        return []
    size = max((size or 0 for size in batch.values()), default=0)
    if size > LARGEST_TEXT:
        large = _large(session, MessageRef(folder, epoch, next(iter(batch))), papers, pictures)
        if large is not None:
            return [large]
    # Only of a message that may be too large: GreenMail's answer to a part of a body is none that IMAP knows.
    body = f"BODY.PEEK[]<0.{LARGEST_TEXT}>" if size > LARGEST_TEXT or None in batch.values() else "BODY.PEEK[]"
    found: list[Message] = []
    for uid, fetched in session.fetch_apart(folder, epoch, list(batch), (*session.sighting_items(), body)):
        raw = part(fetched, b"BODY[]")
        if raw:  # NIL, and nothing at all, is no message: see `Connector.withheld`
            parsed = mime.parse(raw, papers=papers, pictures=pictures)
            found += _message(session, MessageRef(folder, epoch, uid), fetched, parsed, _is_cut(fetched, raw))
    return found


def _is_cut(fetched: Fetched, raw: bytes) -> bool:
    size = fetched.get(b"RFC822.SIZE")
    return len(raw) >= LARGEST_TEXT and (not isinstance(size, int) or size > len(raw) or size == 0)


def _is_open(session: Session, folder: str, epoch: int) -> bool:
    """Looked at afresh: is the folder there, with the UIDs that we know?"""
    try:
        return session.open(folder).epoch == epoch
    except FolderMissing:
        return False


def _message(session: Session, ref: MessageRef, fetched: Fetched, parsed: Parsed, cut: bool) -> Iterator[Message]:
    seen = sighting(ref, fetched, session.object_item)
    if seen is None:
        return
    marks: frozenset[Mark] = parsed.marks | {"truncated"} if cut else parsed.marks
    yield Message(seen, parsed.text, marks, parsed.senders, parsed.recipients, parsed.papers)


def _large(session: Session, ref: MessageRef, papers: bool, pictures: bool) -> Message | None:
    """A large message by its text parts; None where its beginning has to do."""
    doubts = session.doubts
    if doubts is None or ref in doubts.unstructured:
        return None
    try:
        fetched = session.fetch([ref.uid], (*session.sighting_items(), "BODYSTRUCTURE", "BODY.PEEK[HEADER]"))
        told = fetched.get(ref.uid, {})
        whole, header = text_parts.structure(told.get(b"BODYSTRUCTURE")), part(told, b"BODY[HEADER]")
        if whole is None or header is None:
            return None
        asked = text_parts.wanted(whole, LARGEST_TEXT - HEADER_BYTES)
        parts: dict[bytes, Any] = {}
        for items in text_parts.items(whole, asked):
            parts |= session.fetch([ref.uid], items).get(ref.uid, {})
    except (ActionRefused, Unexplained, Unreachable) as error:
        doubts.no_structure(ref, error)
        if session.dead:
            raise
        return None
    if not parts:
        return None
    parsed = mime.parse(text_parts.rebuilt(whole, header, parts))
    if papers and says_little(parsed.text) and "encrypted" not in parsed.marks:
        files = file_parts.files(session, ref, whole, {**told, **parts}, body_is_attached=parsed.body_is_attached)
        parsed = replace(parsed, papers=papers_of(files, pictures=pictures))
    return next(_message(session, ref, told, parsed, text_parts.is_cut(whole, asked)), None)
