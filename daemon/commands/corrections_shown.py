"""What `corrections` lists: which mail it was, and what a person did with it."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.base import Identity, MailText
from daemon.commands.common import console, local, print_json, table
from daemon.passes.desk import Desk
from daemon.report.open_batches import ASK
from daemon.report.story import iso
from daemon.store import batches, learning, mailboxes, messages
from daemon.store.database import Tx
from daemon.store.message_names import short_name
from daemon.store.records import Correction

LONGEST = 40
"""Characters of a sender and of a subject."""
NO_TEXT = MailText()


@dataclass(frozen=True)
class _Line:
    """One correction and its mail. `text`: as far as it is kept, for what it teaches."""

    correction: Correction
    identity: Identity
    text: MailText

    @property
    def what(self) -> str:
        """The kind, and whether it counts."""
        void = " (void)" if self.correction.voided else ""
        waits = f"\nwaits in B{self.correction.batch}" if self.correction.waits else ""
        return self.correction.kind + void + waits

    @property
    def way(self) -> str:
        """From where to where, and who did it, where the server tells."""
        by = f", by {self.correction.who}" if self.correction.who else ""
        return f"{self.correction.from_folder or '?'} -> {self.correction.to_folder}{by}"

    @property
    def mail(self) -> str:
        """Its short name; below it the sender and the subject."""
        parts = (self.text.sender[:LONGEST], self.text.subject[:LONGEST])
        words = ": ".join(part for part in parts if part)
        return f"{short_name(self.identity)}\n{words}".rstrip()


def show_corrections(desk: Desk, limit: int, as_json: bool) -> None:
    """The newest first."""
    with desk.database.read() as tx:
        found = [_line(tx, made) for made in learning.corrections(tx, desk.mailbox_id)[-limit:][::-1]]
        names = mailboxes.category_names(tx, desk.mailbox_id)
        waiting = batches.batches(tx, desk.mailbox_id)
    if as_json:  # for scripts, which may log what they get: no subjects
        print_json([_as_json(line, names) for line in found])
        return
    if not found:
        console.print("No corrections yet: nobody has moved what Postroom decided about.")
        return
    rows = [(one.correction.id, local(one.correction.at), one.what, one.way, one.mail) for one in found]
    table("Corrections", ["id", "when", "what", "from and to", "message"], rows, frozenset({0}))
    console.print("`postroom why MESSAGE` tells more; `postroom corrections --void ID` takes one back.", soft_wrap=True)
    if waiting:
        wait = "1 bulk move waits" if len(waiting) == 1 else f"{len(waiting)} bulk moves wait"
        console.print(f"{wait} for your word: `{ASK}`.", soft_wrap=True)


def _line(tx: Tx, made: Correction) -> _Line:
    kept = [lesson.text for lesson in learning.lessons_of(tx, made.message)]
    texts = [learning.text_that_waits(tx, made.id), *kept[::-1]]
    known = next((text for text in texts if text is not None and (text.sender or text.subject)), NO_TEXT)
    return _Line(made, messages.get(tx, made.message).identity, known)


def _as_json(line: _Line, names: dict[str, str]) -> dict[str, object]:
    made = line.correction
    return {
        "id": made.id,
        "at": iso(made.at),
        "kind": made.kind,
        "from": made.from_folder,
        "to": made.to_folder,
        "category": names.get(made.to_category or ""),
        "who": made.who,
        "message": short_name(line.identity),
        "message_id": line.identity.message_id or line.identity.object_id,
        "voided": made.voided is not None,
        "waits": f"B{made.batch}" if made.waits else None,
    }
