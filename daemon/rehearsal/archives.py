"""Where a rehearsal's mail comes from: a tree of .eml files, a manifest, or a mailbox's own folders. Only read.

DIR/Invoices/2024/17.eml       folder "Invoices/2024"        the date is the mail's own
{"folder", "date", "from", "to", "subject", "body"}          one JSON object a line
a mailbox over IMAP            its category folders or tags  the date is the server's
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.base import MailText, Sighting
from connectors.mail.envelope import Envelope
from connectors.mail.mime import clean_body, parse
from connectors.setting_values import Attachments
from daemon.mistakes import ExitCode, PostroomError
from daemon.passes import tagging
from daemon.passes.desk import Desk
from daemon.passes.file_reading import AttachedFiles, TimeForFiles
from daemon.passes.folder_list import list_folders
from daemon.passes.read_papers import fetch_read, text_with_files
from daemon.rehearsal.back_test import LabelledMail
from daemon.store import mailboxes

FIELDS = ("folder", "date", "from", "to", "subject", "body")
MOST_PROBLEMS = 20
READ_BYTES = 2 << 20
"""parse() looks at the first mebibyte of a message."""


class BadSource(PostroomError):
    """The mail to rehearse on cannot be read."""

    exit_code = ExitCode.MISTAKE


@dataclass(frozen=True)
class FilesRead:
    """How the files of mail that lies in files are read: as a mailbox of these settings would."""

    attachments: Attachments
    files: AttachedFiles
    time_for_files: TimeForFiles = field(default_factory=TimeForFiles)
    stop: Callable[[], bool] = lambda: False


def from_eml_tree(folder: Path, reads: FilesRead | None = None) -> tuple[list[LabelledMail], int]:
    """Every file below `folder` that lies in a folder, as mail, and how many were left out for lack of a date.

    `reads`: what reads the files in it; None: they are known by their names. Raises BadSource.
    """
    papers, pictures = reads is not None, reads is not None and reads.attachments == "ocr"
    if not folder.is_dir():
        raise BadSource(str(folder), "is not a folder.", "Give the folder that holds one folder per category.")
    mails, undated = [], 0
    try:
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if len(inside.parts) < 2 or any(part.startswith(".") for part in inside.parts) or not path.is_file():
                continue
            with path.open("rb") as file:
                parsed = parse(file.read(READ_BYTES), papers=papers, pictures=pictures)
            if parsed.date is None:
                undated += 1
                continue
            name, text = inside.parent.as_posix(), parsed.text if reads is None else text_with_files(reads, parsed)
            mails.append(LabelledMail(name, text, parsed.date, parsed.message_id, parsed.references))
    except OSError as error:
        raise BadSource(str(error.filename), f"cannot be read ({error.strerror}).", "Check its rights.") from error
    if not mails:
        raise BadSource(
            str(folder), "holds no mail with a date in any folder below it.", "Expected: DIR/FOLDER/anything.eml"
        )
    return mails, undated


def from_manifest(path: Path) -> list[LabelledMail]:
    """One mail a line. Raises BadSource with every mistake and its line."""
    mails: list[LabelledMail] = []
    problems: list[str] = []
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    mails.append(_from_row(json.loads(line)))
                except (ValueError, TypeError) as error:  # json.JSONDecodeError is a ValueError
                    problems.append(f"line {number}: {error}")
    except UnicodeDecodeError as error:
        raise BadSource(str(path), f"byte {error.start} is not UTF-8.", "Save it as UTF-8.") from error
    except OSError as error:
        raise BadSource(str(path), f"cannot be read ({error.strerror}).", "Check the path.") from error
    if problems:
        shown = "".join(f"\n  - {problem}" for problem in problems[:MOST_PROBLEMS])
        more = f"\n  ... and {len(problems) - MOST_PROBLEMS} more" if len(problems) > MOST_PROBLEMS else ""
        raise BadSource(str(path), f"{len(problems)} lines cannot be used:{shown}{more}", "\nCorrect them.")
    return mails


def _from_row(row: Any) -> LabelledMail:
    if not isinstance(row, Mapping):
        raise ValueError("is not a JSON object")
    missing = [name for name in ("folder", "date") if not row.get(name)]
    if missing:
        raise ValueError(f'"{missing[0]}" is missing')
    values = {name: str(row.get(name) or "") for name in FIELDS}
    at = datetime.fromisoformat(values["date"])
    sender, to, subject = values["from"], " ".join(values["to"].split()), values["subject"]
    message_id = str(row["message_id"]) if row.get("message_id") else None
    references = tuple(str(reference) for reference in row.get("references") or ())
    # A row without references may be a reply all the same.
    envelope = Envelope(sender, to, subject, in_thread=True if references else None)
    text = MailText(sender=sender, to=to, subject=subject, body=clean_body(values["body"], envelope))
    return LabelledMail(values["folder"], text, at if at.tzinfo else at.replace(tzinfo=UTC), message_id, references)


def from_mailbox(
    desk: Desk, limit_per_folder: int, show: Callable[[str, int, int], None] | None = None
) -> list[LabelledMail]:
    """The newest mail of every category folder, or with every category's tag; nothing is changed, not even \\Seen.
    Raises ConnectorError."""
    list_folders(desk)
    with desk.database.read() as tx:
        categories = [category for category in mailboxes.categories(tx, desk.mailbox_id) if category.paused is None]
        here = {folder.name for folder in mailboxes.folders(tx, desk.mailbox_id) if folder.missing_since is None}
    mails: list[LabelledMail] = []
    for done, category in enumerate(categories, start=1):
        found = desk.connector.filed_by_people(category.folder, limit_per_folder) if category.folder in here else []
        if category.tag is not None and not desk.settings.labels:
            found += tagging.tagged_mail(desk, category, limit_per_folder)
        mails += _labelled(desk, category.folder, found)
        if show is not None:
            show(category.folder, done, len(categories))
    return mails


def _labelled(desk: Desk, folder: str, found: Sequence[Sighting]) -> Iterator[LabelledMail]:
    sightings = {sighting.ref: sighting for sighting in found}
    for read in fetch_read(desk, list(sightings), learning=True):
        message = read.message
        sighting = sightings.get(message.sighting.ref, message.sighting)
        if sighting.arrived is not None:
            yield LabelledMail(
                folder, message.text, sighting.arrived, sighting.identity.message_id, sighting.references
            )
