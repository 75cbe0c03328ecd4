"""The mailbox of the random histories: how mail is put, moved and watched there, and how its Postrooms are started."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis.stateful import RuleBasedStateMachine

from connectors.base import MailText, Message, MessageRef
from connectors.errors import ConnectorError
from connectors.imap import ImapSettings
from connectors.in_memory import MemoryConnector
from daemon.passes.desk import Desk
from daemon.passes.one_pass import one_pass
from daemon.rules.decision import Policy
from daemon.settings import SortingSettings
from daemon.state.watermark import Watermark
from daemon.store import mailboxes
from daemon.store.database import Database, Tx
from tests.daemon.passes.people import Act, Backup, Daemon, Lost, Mail, Piece, Undone, promised
from tests.fakes import Clock, FakeClassifier, FakeRegistry, good_hints

FOLDERS = ("INBOX", "Invoices", "Orders", "Archive", "Junk")
WATCHED = ("INBOX", "Invoices", "Orders")


class World(RuleBasedStateMachine):
    """Mails are told apart by their subject; twins (a list's copy) share all but their subject's tag.

    `clock` is the true time; Postroom's and the server's clock go wrong by `our_off` and `server_off`.
    """

    template: ClassVar[Path | None] = None
    clock: Clock
    mailbox: ImapSettings
    box: Any
    tags: bool
    box_tells_saved: bool
    most_single: int

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.patch = pytest.MonkeyPatch()
        self.life: dict[str, Mail] = {}
        self.pieces: list[Piece] = []
        self.daemons: list[Daemon] = []
        self.subject_of: dict[str, str] = {}
        """By digest, of all that ever was."""
        self.names = {name: name for name in FOLDERS}
        self.aliases: dict[str, set[str]] = {name: {name} for name in FOLDERS}
        self.serial = 0
        self.our_off = self.server_off = timedelta()
        self.jumps = 0
        self.inbox_restarted: datetime | None = None
        self.backup: Backup | None = None
        self.deletions: list[tuple[datetime, Piece, MessageRef]] = []
        self.cut = False
        """The line broke while we moved something."""
        self.calm = True
        """Nothing has happened that makes a daemon doubt who did what."""

    def make_box(self, object_ids: Any) -> Any:
        """The mailbox, with a connector's face and the hands of people."""
        return MemoryConnector(
            folders=FOLDERS,
            object_ids=object_ids,
            clock=self.servers_clock,
            tags=self.tags,
            savedate=self.box_tells_saved,
        )

    def our_clock(self) -> datetime:
        return self.clock() + self.our_off

    def servers_clock(self) -> datetime:
        return self.clock() + self.server_off

    def new_file(self, name: str) -> Path:
        """An empty database."""
        if World.template is None or not World.template.exists():
            World.template = Path(tempfile.mkdtemp()) / "template.sqlite"
            Database.open(World.template).close()
        (self.folder / name).mkdir()
        shutil.copy(World.template, self.folder / name / "postroom.sqlite")
        return self.folder / name / "postroom.sqlite"

    def begin_with(self, file: Path, name: str) -> Daemon:
        """A Postroom that knows only what is in its database."""
        model = FakeClassifier({})
        self.daemons.append(Daemon(name, self.desk_for(file, model), model))
        self.look(self.daemons[-1:])
        self.teach_model(self.daemons[-1])
        return self.daemons[-1]

    def desk_for(self, file: Path, model: FakeClassifier) -> Desk:
        database = Database.open(file)
        with database.begin() as tx:
            known = mailboxes.ensure(tx, "office", "imap", self.mailbox.mode, self.our_clock()).id
        registry: Any = FakeRegistry(model)
        mark = Watermark(file.parent / "seen" / "office")
        return Desk(
            self.mailbox, SortingSettings(), database, self.box, registry, known, self.our_clock, watermark=mark
        )

    def teach_model(self, daemon: Daemon) -> None:
        with daemon.desk.database.begin() as tx:
            uids = {self.first_name(each.folder): each.uid for each in mailboxes.categories(tx, daemon.desk.mailbox_id)}
        if {"Invoices", "Orders"} <= uids.keys():
            daemon.model.answers = {
                "invoice": {uids["Invoices"]: 0.97, uids["Orders"]: 0.03},
                "order": {uids["Orders"]: 0.96, uids["Invoices"]: 0.04},
            }

    def policy(self, tx: Tx, desk: Desk, classifier: Any) -> Policy:
        found = {each.uid: each for each in mailboxes.categories(tx, desk.mailbox_id)}
        wanted = dict.fromkeys(found, 0.9)
        return Policy(found, wanted, "m1", wanted=wanted, tried=good_hints())

    # How it is done and watched

    def put(
        self,
        word: str,
        *,
        message_id: str | None = "",
        date: str | None = None,
        tag: str = "",
        folder: str = "INBOX",
        age: timedelta = timedelta(),
    ) -> str:
        self.serial += 1
        subject = f"{word} {self.serial}{tag}"
        body = f"Please see to number {self.serial}. " + " ".join(f"w{self.serial}x{n}" for n in range(12))
        text = MailText(sender="ann@example.org", subject=subject, body=body)
        arrived = self.servers_clock() - age
        [ref] = self.new_places(
            lambda: self.box.deliver(text, self.names[folder], message_id=message_id, date=date, arrived=arrived)
        )
        self.life[subject] = Mail(subject, subject)
        self.pieces.append(Piece(subject, ref, self.clock() - age, self.server_off))
        return subject

    def everywhere(self) -> dict[MessageRef, str]:
        """What lies where, by subject."""
        found: Sequence[Message] = self.box.everything()
        self.subject_of |= {each.sighting.identity.digest: each.text.subject for each in found}
        return {each.sighting.ref: each.text.subject for each in found}

    def new_places(self, hands: Any) -> list[MessageRef]:
        """Where mail lies now and lay not before somebody did this."""
        before = self.everywhere()
        hands()
        return [ref for ref in self.everywhere() if ref not in before]

    def of(self, subject: str) -> list[Piece]:
        return [piece for piece in self.pieces if piece.subject == subject]

    def first_name(self, folder: str) -> str:
        return next(first for first, names in self.aliases.items() if folder in names)

    def where(self, piece: Piece) -> str:
        return self.first_name(piece.ref.folder)

    def re_place(self, piece: Piece, ref: MessageRef) -> None:
        """It lies where it lay; its place has another name."""
        self.deletions = [(due, each, ref if each is piece else at) for due, each, at in self.deletions]
        for other in self.pieces:
            if other.half is piece and other.half_at == piece.ref:
                other.half_at = ref
        piece.ref = ref

    def move(self, subject: str, folder: str, mover: str, piece: Piece | None = None) -> None:
        pieces = [piece] if piece is not None else self.of(subject)[:1]
        if not pieces or self.where(pieces[0]) == folder:
            return
        [piece], mail = pieces, self.life[subject]
        source = self.where(piece)
        [piece.ref] = self.new_places(lambda: self.box.move_by_person(piece.ref, self.names[folder]))
        mail.last_mover = mover
        if mover == "rule":
            mail.last_rule = folder
        if mover == "person":
            mail.acts.append(Act(folder, self.clock(), source))
        self.placed(piece, mover)

    def placed(self, piece: Piece, mover: str) -> None:
        piece.put_by, piece.put = mover, self.clock()
        piece.safe = set()
        if mover == "person":
            piece.safe = {each.name for each in self.daemons if promised(each, piece, self.clock(), self)}

    def flag(self, piece: Piece) -> None:
        self.box.flag_by_person(piece.ref, "\\Flagged")
        piece.flagged = True

    def delete(self, piece: Piece) -> None:
        self.box.delete_by_person(piece.ref)
        self.pieces.remove(piece)

    def pass_time(self, **duration: float) -> None:
        """Time passes, and telephones delete what they have copied."""
        end = self.clock() + timedelta(**duration)
        for due, piece, ref in sorted(self.deletions, key=lambda each: each[0]):
            if due <= end:
                self.clock.now = max(due, self.clock.now)
                if piece in self.pieces and piece.ref == ref:
                    self.delete(piece)
        self.deletions = [each for each in self.deletions if each[0] > end]
        self.clock.now = end

    def begin_again(self, daemon: Daemon) -> None:
        """A process that knows only what is in the database."""
        place = Path(daemon.desk.database.place)
        daemon.desk.database.close()
        daemon.desk = self.desk_for(place, daemon.model)
        daemon.forgets_a_little()

    def before_our_moves(self, hands: Any) -> None:
        apply = self.box.apply

        def faster(ref: MessageRef, *rest: Any) -> Any:
            hands(ref)
            return apply(ref, *rest)

        self.box.apply = faster
        try:
            self.look()
        finally:
            self.box.apply = apply

    def look(self, daemons: Sequence[Daemon] | None = None) -> None:
        for daemon in daemons or self.daemons:
            self.look_as(daemon)

    def look_as(self, daemon: Daemon) -> None:
        before = [(piece.subject, self.where(piece), piece.arrived) for piece in self.pieces]
        began, first_look, complete = self.clock(), daemon.looked is None, False
        with contextlib.suppress(ConnectorError):
            one_pass(daemon.desk)
            with daemon.desk.database.read() as tx:
                complete = mailboxes.get(tx, daemon.desk.mailbox_id).stopped is None
        self.watch(daemon)
        if not complete:
            return
        daemon.looked, daemon.known_gaps = began, tuple(daemon.gaps)
        for subject, folder, arrived in before:
            if folder == "INBOX" or (folder in WATCHED and (not first_look or arrived >= began - timedelta(minutes=1))):
                daemon.met.add(subject)
                daemon.last_met[subject] = folder
            mail = self.life[subject]
            if daemon is self.daemons[0] and folder in WATCHED and mail.seen[-1:] != [folder]:
                mail.seen.append(folder)

    def watch(self, daemon: Daemon) -> None:
        """What has the daemon moved, and might it?"""
        here = self.everywhere()
        known = {piece.ref for piece in self.pieces}
        for piece in self.pieces:
            if piece.ref in here:
                continue
            landed = [ref for ref, subject in here.items() if subject == piece.subject and ref not in known]
            if not landed:
                raise Lost(f"{piece.subject} is gone from {piece.ref}")
            self.may_move(daemon, piece)
            known.add(landed[0])
            piece.ref, piece.put_by, piece.put, piece.safe = landed[0], daemon.name, None, set()
            piece.marked = self.tags
            folder, mail = self.where(piece), self.life[piece.subject]
            mail.last_mover = "postroom"
            daemon.moves.append((self.clock(), piece.subject, folder))
            for other in self.daemons:
                if other is not daemon and not self.tags:
                    other.unheard |= {(piece.subject, folder), (piece.subject, "INBOX")}

    def may_move(self, daemon: Daemon, piece: Piece) -> None:
        came = f"{piece.subject}, which a {piece.put_by} put into {piece.ref.folder},"
        if self.where(piece) != "INBOX" or daemon.name in piece.safe:
            raise Undone(f"{came} was moved by the {daemon.name} Postroom")
        if piece.flagged:
            raise Undone(f"{came} was moved though a person had flagged it")
        copy = piece.half
        if copy in self.pieces and copy is not None and copy.ref == piece.half_at and daemon.name in piece.half_for:
            raise Undone(f"{came} was moved though a person had copied it")


def copy_database(source: Path, target: Path) -> None:
    """As SQLite's own backup does it."""
    with contextlib.closing(sqlite3.connect(source)) as one, contextlib.closing(sqlite3.connect(target)) as other:
        one.backup(other)
