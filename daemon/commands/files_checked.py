"""What `postroom check` says of the reading of attached files: is it wanted, does it start, how is it locked in?"""

from __future__ import annotations

from collections.abc import Iterator

from daemon.papers.paper_reader import PaperReader, Sandbox
from daemon.settings import Settings

WITHOUT = "Until then mail is sorted by what else is known of it."


def attached_files(settings: Settings) -> Iterator[tuple[str, bool, str]]:
    """(what, is it fine, what was seen)."""
    wanted = {settings.sorting_of(mailbox.name).attachments for mailbox in settings.mailboxes} or {
        settings.sorting.attachments
    }
    if wanted == {"names"}:
        yield "attached files", True, 'known by their names alone (`attachments = "names"`)'
        return
    with PaperReader(languages=settings.sorting.ocr_languages if "ocr" in wanted else ()) as reader:
        box = reader.sandbox()
    yield "attached files", box.works, in_words(box)
    if box.ocr is not None:
        yield "OCR", box.ocr.works and not box.ocr.missing, box.ocr.sentence


def in_words(box: Sandbox) -> str:
    """Can files be read, and what keeps them from doing harm?"""
    if not box.works:
        return (
            f"cannot be read: {box.reason}. Restart the service after an upgrade, or install Postroom anew. {WITHOUT}"
        )
    if not box.filtered:
        return f"are read by a process with limits, but this system filters no system calls for it: {box.reason}"
    return "are read by a process that can open nothing, connect nowhere and start nothing (seccomp, limits)"
