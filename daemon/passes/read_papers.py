"""Mail as it is to be decided about or learnt from: fetched, and with what its files say where its own words are few.

    refs | fetch, a message at a time | not to be left alone? | read each file (daemon.passes.file_reading)
         | the message with `text.attached_text`, without the files' bytes; what became of each file
    | somebody says stop, or the look's time for files is over: the other messages, without their files

Every message that a model or a lesson sees comes this way, so the service, `preview`, `rehearse` and lessons know the
same text. A file that cannot be read costs nothing but itself: the mail is sorted by what is known.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from connectors.base import MailText, Message, MessageRef, Paper
from connectors.mail.attached_files import MOST_NAMED, Rank, rank_inside
from connectors.mail.mime import Parsed
from connectors.mail.own_words import says_little
from connectors.setting_values import Attachments
from daemon.model.as_read import LAYOUT
from daemon.papers.attached_text import attached_text
from daemon.papers.paper import Reading
from daemon.passes.desk import Desk
from daemon.passes.file_reading import AttachedFiles, TimeForFiles
from daemon.rules.addresses import fits_one
from daemon.rules.decision import hands_off
from daemon.store.records import ReadFile

log = structlog.get_logger()

LONGEST_NAME = 120
CAME_WITH_THE_TEXT = 1 << 20
"""Bytes of a mail's files that come at no price; to fetch more than that is a part of what reading takes."""


class Reads(Protocol):
    """Who reads files: a desk, or a rehearsal of mail that lies in files."""

    @property
    def attachments(self) -> Attachments: ...
    @property
    def files(self) -> AttachedFiles: ...
    @property
    def time_for_files(self) -> TimeForFiles: ...
    @property
    def stop(self) -> Callable[[], bool]: ...


@dataclass(frozen=True)
class ReadMessage:
    """A message without its files' bytes. `files`: what became of each. `papers`: the way in which they were read, as
    lessons note it; 0: they were not, or not all, and another time they may be."""

    message: Message
    files: tuple[ReadFile, ...] = ()
    papers: int = 0


def way_of_reading(desk: Desk) -> int:
    """A number for how this mailbox reads files, the higher the more it knows; 0: not at all."""
    return 0 if desk.attachments == "names" else 2 * LAYOUT + (desk.attachments == "ocr")


def fetch_read(desk: Desk, refs: Sequence[MessageRef], *, learning: bool = False) -> Iterator[ReadMessage]:
    """The messages that are there, as `Connector.fetch` gives them, with their files read. Raises ConnectorError.

    `learning`: what people filed teaches though somebody has flagged or answered it since.
    """
    way = way_of_reading(desk)
    waiting = dict.fromkeys(refs)
    if way and not _no_more_files(desk):
        began = time.monotonic()
        for message in desk.connector.fetch(refs, papers=True, pictures=desk.attachments == "ocr"):
            if sum(len(paper.data) for paper in message.papers) > CAME_WITH_THE_TEXT:
                desk.time_for_files.spend(time.monotonic() - began)
            waiting.pop(message.sighting.ref, None)
            read = _read(desk, message, way, learning=learning)
            del message  # and so its files, before the next one comes
            yield read
            if waiting and _no_more_files(desk):
                break
            began = time.monotonic()
        else:
            return
    for message in desk.connector.fetch(list(waiting)):
        yield _unread(desk, message, way, learning=learning)


def _no_more_files(desk: Desk) -> bool:
    """May no more files be fetched now? Those of one mail may take minutes to come."""
    return desk.stop() or desk.time_for_files.over


def _unread(desk: Desk, message: Message, way: int, *, learning: bool) -> ReadMessage:
    """A message that came without its files: those are told by what is known of them."""
    text = message.text
    if not way or not text.attachments or not says_little(text) or _is_left_alone(desk, message, learning=learning):
        return ReadMessage(message, papers=way)
    names = (one.rpartition(" (")[0] or one for one in text.attachments)
    wanted = [name for name in names if _is_worth_reading(name, pictures=desk.attachments == "ocr")]
    files = tuple(ReadFile(_shown(name), "no time") for name in wanted[:MOST_NAMED])
    _tell(desk, files)
    return ReadMessage(message, files)


def _is_worth_reading(name: str, *, pictures: bool) -> bool:
    rank = rank_inside(name, b"")
    return rank is not None and (pictures or rank is not Rank.PICTURE)


def _read(desk: Desk, message: Message, way: int, *, learning: bool) -> ReadMessage:
    bare = replace(message, papers=())
    if not message.papers or way == 0 or _is_left_alone(desk, message, learning=learning):
        return ReadMessage(bare, papers=way)
    files, said = read_files(desk, message.papers)
    _tell(desk, files)
    text = replace(bare.text, attached_text=said)
    ends = {file.status for file in files}
    if "unseen" in ends:
        way -= 1  # as where no picture is looked at
    return ReadMessage(replace(bare, text=text), tuple(files), 0 if ends & {"unavailable", "no time"} else way)


def read_files(reads: Reads, papers: Sequence[Paper]) -> tuple[list[ReadFile], str]:
    """What became of each of a mail's files, and the text that they give together."""
    files, readings = [], []
    for paper in papers:
        file, reading = _one(reads, paper)
        files.append(file)
        readings += [reading] if reading is not None else []
    return files, attached_text(readings)


def text_with_files(reads: Reads, parsed: Parsed) -> MailText:
    """The text of a mail that lies in a file, with what its own files say; `parsed` with its papers."""
    return replace(parsed.text, attached_text=read_files(reads, parsed.papers)[1])


def _is_left_alone(desk: Desk, message: Message, *, learning: bool) -> bool:
    if learning:
        return fits_one(message.senders, desk.sorting.never_senders)
    return hands_off(message, desk.sorting, desk.settings.own_domains) is not None


def _one(reads: Reads, paper: Paper) -> tuple[ReadFile, Reading | None]:
    name = _shown(paper.name)
    if paper.lacking:
        return ReadFile(name, "lacking", why=paper.lacking), None
    ocr = reads.attachments == "ocr"
    reading = None if reads.stop() else reads.files.read(paper, reads.time_for_files, ocr=ocr)
    if reading is None:
        return ReadFile(name, "no time"), None
    invoice = reading.invoices[0].line if reading.invoices else ""
    status = "unseen" if reading.picture and reading.status == "unavailable" else reading.status
    return ReadFile(name, status, reading.kind, reading.ocr, invoice), reading


def _shown(name: str) -> str:
    return " ".join(name.split())[:LONGEST_NAME]


def _tell(desk: Desk, files: Sequence[ReadFile]) -> None:
    """Numbers alone: a name may say it all."""
    ends = Counter(file.status for file in files)
    read = ends.pop("text", 0) + ends.pop("none", 0)
    write = log.info if ends else log.debug
    why = ", ".join(f"{number} {status}" for status, number in sorted(ends.items()))
    write("files", mailbox=desk.settings.name, read=read, not_read=ends.total(), status=why or "read")
