"""Mail as it is to be decided about or learnt from: fetched, and with what its files say where its own words are few.

    refs | fetch, a message at a time | not to be left alone? | read each file (daemon.passes.file_reading)
         | the message with `text.attached_text`, without the files' bytes; what became of each file

Every message that a model or a lesson sees comes this way, so the service, `preview`, `rehearse` and lessons know the
same text. A file that cannot be read costs nothing but itself: the mail is sorted by what is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from connectors.base import Message, MessageRef, Paper
from connectors.setting_values import Attachments
from daemon.model.as_read import LAYOUT
from daemon.papers.attached_text import attached_text
from daemon.papers.paper import Reading
from daemon.passes.desk import Desk
from daemon.passes.file_reading import AttachedFiles, TimeForFiles
from daemon.rules.decision import hands_off, is_from
from daemon.store.records import ReadFile

log = structlog.get_logger()

LONGEST_NAME = 120


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
    for message in desk.connector.fetch(refs, papers=way > 0, pictures=desk.attachments == "ocr"):
        read = _read(desk, message, way, learning=learning)
        del message  # and so its files, before the next one comes
        yield read


def _read(desk: Desk, message: Message, way: int, *, learning: bool) -> ReadMessage:
    bare = replace(message, papers=())
    if not message.papers or way == 0 or _is_left_alone(desk, message, learning=learning):
        return ReadMessage(bare, papers=way)
    files, said = read_files(desk, message.papers)
    _tell(desk, files)
    text = replace(bare.text, attached_text=said)
    again = any(file.status in ("unavailable", "no time") for file in files)
    return ReadMessage(replace(bare, text=text), tuple(files), 0 if again else way)


def read_files(reads: Reads, papers: Sequence[Paper]) -> tuple[list[ReadFile], str]:
    """What became of each of a mail's files, and the text that they give together."""
    files, readings = [], []
    for paper in papers:
        file, reading = _one(reads, paper)
        files.append(file)
        readings += [reading] if reading is not None else []
    return files, attached_text(readings)


def _is_left_alone(desk: Desk, message: Message, *, learning: bool) -> bool:
    if learning:
        return is_from(message.senders, desk.sorting.never_senders)
    return hands_off(message, desk.sorting, desk.settings.own_domains) is not None


def _one(reads: Reads, paper: Paper) -> tuple[ReadFile, Reading | None]:
    name = " ".join(paper.name.split())[:LONGEST_NAME]
    if paper.lacking:
        return ReadFile(name, "lacking", why=paper.lacking), None
    ocr = reads.attachments == "ocr"
    reading = None if reads.stop() else reads.files.read(paper, reads.time_for_files, ocr=ocr)
    if reading is None:
        return ReadFile(name, "no time"), None
    invoice = reading.invoices[0].line if reading.invoices else ""
    return ReadFile(name, reading.status, reading.kind, reading.ocr, invoice), reading


def _tell(desk: Desk, files: Sequence[ReadFile]) -> None:
    """Numbers alone: a name may say it all."""
    ends = Counter(file.status for file in files)
    read = ends.pop("text", 0) + ends.pop("none", 0)
    write = log.info if ends else log.debug
    why = ", ".join(f"{number} {status}" for status, number in sorted(ends.items()))
    write("files", mailbox=desk.settings.name, read=read, not_read=ends.total(), status=why or "read")
