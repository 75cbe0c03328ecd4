"""The hands of people: a second way into a mailbox, by imaplib alone."""

from __future__ import annotations

import contextlib
import hashlib
import imaplib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from itertools import count
from typing import Any

from imapclient.imap_utf7 import decode, encode

from tests.contract import Lying
from tests.servers.private import PASSWORD

ARRIVED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
_serial = count(1)


def make_mail(subject: str, body: str = "The parts have come.", message_id: str | None = "", **headers: str) -> bytes:
    """One mail as bytes. message_id "": any new one; None: the mail has none."""
    mail = EmailMessage()
    mail["From"] = "Ann Lee <ann@example.org>"
    mail["To"] = "office@example.com"
    mail["Subject"] = subject
    mail["Date"] = "Mon, 02 Mar 2026 10:30:00 +0100"
    if message_id is not None:
        mail["Message-ID"] = message_id or f"<{next(_serial)}.{id(mail)}@example.org>"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(body)
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def quoted(folder: str) -> str:
    """A folder name as an argument: modified UTF-7 in quotes."""
    name: bytes = encode(folder)
    return '"' + name.decode("ascii").replace("\\", "\\\\").replace('"', '\\"') + '"'


class Hands:
    """One mail client of one person."""

    def __init__(self, port: int, user: str, password: str = PASSWORD, inbox: str = "INBOX") -> None:
        self.port, self.user, self.password, self.inbox = port, user, password, inbox
        self.connect()

    dated = True
    """Is the date of arrival part of what a message is? Not where one mail is delivered anew for every run."""

    shows_marked = True
    """Does one look at what is marked as deleted? Where nothing can be expunged alone, that is how a message leaves."""

    def connect(self) -> None:
        """Sign in, again if the server had left."""
        self.imap = imaplib.IMAP4("127.0.0.1", self.port, timeout=30)
        self.imap.login(self.user, self.password)

    def create(self, folder: str) -> None:
        ok(self.imap.create(quoted(folder)))

    def remove(self, folder: str) -> None:
        """Delete the folder and all that lies in it."""
        ok(self.imap.delete(quoted(folder)))

    def rename(self, old: str, new: str) -> None:
        ok(self.imap.rename(quoted(old), quoted(new)))

    def put(self, raw: bytes, folder: str | None = None, flags: str = "", arrived: datetime | None = None) -> None:
        """A mail arrives now, or did so then."""
        date = imaplib.Time2Internaldate(arrived or datetime.now(UTC))
        ok(self.imap.append(quoted(folder or self.inbox), f"({flags})" if flags else None, date, raw))

    def move(self, subject: str, folder: str) -> None:
        """As mail clients do it: MOVE, or else COPY and UID EXPUNGE."""
        self.move_from(*self.find(subject), folder)

    def move_from(self, source: str, uid: str, folder: str) -> None:
        """The same for a mail whose place is known."""
        ok(self.imap.select(quoted(source)))
        if "MOVE" in self.capabilities():
            ok(self.imap._simple_command("UID", "MOVE", uid, quoted(folder)))
        else:
            ok(self.imap.uid("COPY", uid, quoted(folder)))
            self._expunge(uid)
        self.leave()

    def delete(self, subject: str) -> None:
        source, uid = self.find(subject)
        self.expunge(source, [uid])

    def expunge(self, folder: str, uids: Sequence[str]) -> None:
        """Delete what lies at these UIDs for good."""
        ok(self.imap.select(quoted(folder)))
        self._expunge(",".join(uids))
        self.leave()

    def _expunge(self, uids: str) -> None:
        """In the open folder. A server without UIDPLUS would take along what somebody else has marked."""
        others = []
        if "UIDPLUS" not in self.capabilities():
            marked = ok(self.imap.uid("SEARCH", "UID 1:4294967295 DELETED"))[0] or b""
            others = sorted(set(marked.decode().split()) - set(uids.split(",")))
        if others:
            ok(self.imap.uid("STORE", ",".join(others), "-FLAGS.SILENT", "(\\Deleted)"))
        ok(self.imap.uid("STORE", uids, "+FLAGS.SILENT", "(\\Deleted)"))
        ok(self.imap.uid("EXPUNGE", uids) if "UIDPLUS" in self.capabilities() else self.imap.expunge())
        if others:
            ok(self.imap.uid("STORE", ",".join(others), "+FLAGS.SILENT", "(\\Deleted)"))

    def flag(self, subject: str, *flags: str) -> None:
        source, uid = self.find(subject)
        ok(self.imap.select(quoted(source)))
        ok(self.imap.uid("STORE", uid, "+FLAGS.SILENT", f"({' '.join(flags)})"))
        self.leave()

    def unflag(self, subject: str, *flags: str) -> None:
        """Take flags and keywords off."""
        source, uid = self.find(subject)
        ok(self.imap.select(quoted(source)))
        ok(self.imap.uid("STORE", uid, "-FLAGS.SILENT", f"({' '.join(flags)})"))
        self.leave()

    def tags(self, subject: str) -> set[str]:
        """The flags and keywords of the only mail with that subject, in small letters."""
        source, uid = self.find(subject)
        ok(self.imap.select(quoted(source), readonly=True))
        (answer,) = ok(self.imap.uid("FETCH", uid, "(FLAGS)"))
        self.leave()
        found = re.search(rb"FLAGS \(([^)]*)\)", answer)
        assert found
        return set(found[1].decode().lower().split()) - {"\\recent", "$postroom"}

    def leave(self) -> None:
        """Nothing stays selected, nothing is expunged: opening what isn't there does that (RFC 3501 section 6.3.1)."""
        assert self.imap.select(quoted("No such place"), readonly=True)[0] == "NO"

    def capabilities(self) -> set[str]:
        answer = ok(self.imap.capability())
        return {word for line in answer if line for word in line.decode().upper().split()}

    def folders(self) -> list[str]:
        names = []
        for line in ok(self.imap.list()):
            words = re.fullmatch(rb"\(([^)]*)\) (?:\"[^\"]*\"|NIL) (.*)", line)
            assert words, line
            if b"\\noselect" not in words[1].lower():
                names.append(decode(words[2].strip(b'"')))
        return names

    def find(self, subject: str) -> tuple[str, str]:
        """(folder, UID) of the only mail with that subject."""
        (found,) = [
            (folder, uid)
            for folder, uid, lying in self.look()
            if lying.subject == subject and folder != "[Gmail]/All Mail"  # where Gmail shows everything once more
        ]
        return found

    def contents(self) -> Sequence[Lying]:
        """All that lies anywhere: bytes, flags (but for the one that Postroom leaves) and date in one hash."""
        return [lying for _, _, lying in self.look()]

    def look(self) -> list[tuple[str, str, Lying]]:
        """(folder, UID, message) of all that lies anywhere. With James imaplib now and then reads no answer behind
        a message, as if its announced size were wrong (some twice in 300 looks; nobody looked at the bytes): a mail
        program would connect anew, and so is done here."""
        try:
            return self._look()
        except imaplib.IMAP4.abort:
            self.imap.shutdown()
            self.connect()
            return self._look()

    def _look(self) -> list[tuple[str, str, Lying]]:
        found: list[tuple[str, str, Lying]] = []
        for folder in self.folders():
            count_ = ok(self.imap.select(quoted(folder), readonly=True))[0]
            if count_ == b"0":
                continue
            answer = ok(self.imap.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])"))
            # imaplib gives (what stands before the literal, the literal), then what stands after it.
            for index, item in enumerate(answer):
                if not isinstance(item, tuple):
                    continue
                following = answer[index + 1] if index + 1 < len(answer) else b""
                words = item[0] + (following if isinstance(following, bytes) else b"")
                uid = re.search(rb"UID (\d+)", words)
                flags = re.search(rb"FLAGS \(([^)]*)\)", words)
                date = imaplib.Internaldate2tuple(words)
                assert uid
                assert flags
                assert date
                kept = sorted(flag for flag in flags[1].lower().split() if flag not in (b"\\recent", b"$postroom"))
                if b"\\deleted" in kept and not self.shows_marked:
                    continue
                written = re.sub(rb"(?m)^(?:X-IMAPbase|X-UID|Status):.*\r\n", b"", item[1])  # an mbox's bookkeeping
                content = hashlib.sha256(repr((written, kept, self.dated and tuple(date))).encode()).hexdigest()
                subject = str(message_from_bytes(item[1])["Subject"] or "")
                with contextlib.suppress(ValueError, LookupError):  # real mail has subjects that nobody can decode
                    subject = str(make_header(decode_header(subject)))
                found.append((folder, uid[1].decode(), Lying(folder, subject, content)))
        self.leave()
        return found

    def close(self) -> None:
        try:
            self.imap.logout()
        except (imaplib.IMAP4.error, OSError):  # the server was stopped by the test
            self.imap.shutdown()


def ok(answer: tuple[str, Any]) -> Any:
    """The data of an answer that must be OK."""
    kind, data = answer
    assert kind == "OK", data
    return data
