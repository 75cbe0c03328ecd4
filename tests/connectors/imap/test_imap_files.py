"""Files of mail over IMAP: small mail's, large mail's, and what is said where a server does not give them."""

from __future__ import annotations

import random
import re
from base64 import encodebytes
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Message, MessageRef
from connectors.imap import file_parts, text_parts
from connectors.imap.doubts import Doubts
from connectors.imap.mailbox import ImapConnector
from connectors.imap.text_parts import structure
from connectors.mail.attached_files import (
    LARGEST_FILE,
    NOT_GIVEN,
    ONE_OF_MANY,
    ONLY_ITS_BEGINNING,
    TOO_LARGE,
)
from connectors.mail.transfer_encoding import Base64Pieces, decode_base64
from tests.faults import FaultyLine
from tests.imap_fixtures import ImapWorld
from tests.paper_samples import text_pdf, winmail

MIB = 1 << 20
PDF = text_pdf("Rechnung Nr. 4711")
LARGE_PDF = PDF + random.Random(7).randbytes(5 * MIB // 2)
PHOTO = b"\xff\xd8\xff\xe0" + random.Random(8).randbytes(300_000)

IMAP = pytest.mark.imap
GMAIL = pytest.param("gmail_world", marks=IMAP)
"""Its simulator knows no part 10."""
SERVERS = [
    *(pytest.param(f"{name}_world", marks=IMAP) for name in ("dovecot", "cyrus", "courier", "greenmail", "james")),
    *(pytest.param(f"{name}_world", marks=IMAP) for name in ("maddy", "imap4d")),
    GMAIL,
    "pymap_world",
]
SERVERS_THAT_OPEN_FORWARDED_MAIL = {"dovecot", "cyrus", "courier", "james"}
"""The others give nothing for part 2.2, and the simulator of Gmail gives part 2 without its header."""


@pytest.fixture
def any_world(request: pytest.FixtureRequest) -> ImapWorld:
    world: ImapWorld = request.getfixturevalue(request.param)
    return world


def part(header: str, data: bytes, boundary: str = "outer") -> bytes:
    """One part in base64. `header`: its type, perhaps with more lines."""
    lines = f"--{boundary}\r\nContent-Type: {header}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
    return lines + encodebytes(data).replace(b"\n", b"\r\n")


def attached(name: str, data: bytes, kind: str = "application/pdf", boundary: str = "outer") -> bytes:
    return part(f'{kind}\r\nContent-Disposition: attachment; filename="{name}"', data, boundary)


def mail(*parts: bytes, words: bytes = b"Please find attached.", boundary: str = "outer", subject: str = "x") -> bytes:
    head = (
        f"From: Ann Lee <ann@example.org>\r\nTo: office@example.org\r\nSubject: {subject}\r\n"
        "Date: Mon, 02 Mar 2026 10:30:00 +0100\r\nMessage-ID: <files@example.org>\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n"
    )
    end = f"--{boundary}--\r\n".encode()
    return head.encode() + b"Content-Type: text/plain\r\n\r\n" + words + b"\r\n" + b"".join(parts) + end


def fetched(world: ImapWorld, raw: bytes, connector: ImapConnector | None = None) -> Message:
    """The mail as it comes with its files; nothing of it is marked as read."""
    world.hands.put(raw)
    connector = connector or world.another()
    (seen,) = connector.newest("INBOX", 5)
    (message,) = connector.fetch([seen.ref], papers=True)
    assert message.sighting == seen
    (again,) = connector.newest("INBOX", 5)
    assert "\\Seen" not in again.flags
    (without,) = connector.fetch([seen.ref])
    assert (without.papers, without.text, without.marks) == ((), message.text, message.marks)
    return message


def files(message: Message) -> dict[str, bytes | str]:
    """Name -> its bytes, or why they are not there."""
    return {paper.name: paper.lacking or paper.data for paper in message.papers}


LARGE = mail(part('image/jpeg; name="IMG_1.jpg"', PHOTO), attached("invoice.pdf", LARGE_PDF))


@pytest.mark.parametrize("any_world", SERVERS, indirect=True)
def test_the_file_of_a_small_mail_is_given(any_world: ImapWorld) -> None:
    assert files(fetched(any_world, mail(attached("invoice.pdf", PDF)))) == {"invoice.pdf": PDF}


@pytest.mark.parametrize("any_world", SERVERS, indirect=True)
def test_a_file_behind_a_photograph_in_a_large_mail_is_given_whole(any_world: ImapWorld) -> None:
    message = fetched(any_world, LARGE)
    assert files(message) == {"invoice.pdf": LARGE_PDF}
    assert message.text.body == "Please find attached."
    assert message.text.attachments == ("IMG_1.jpg (image/jpeg)", "invoice.pdf (application/pdf)")
    assert "truncated" not in message.marks


@pytest.mark.parametrize("any_world", SERVERS, indirect=True)
def test_a_file_of_a_forwarded_message_in_a_large_mail_is_given_where_the_server_opens_it(
    any_world: ImapWorld,
) -> None:
    inner = mail(attached("order.pdf", LARGE_PDF, boundary="inner"), boundary="inner", words=b"As discussed.")
    found = files(fetched(any_world, mail(b"--outer\r\nContent-Type: message/rfc822\r\n\r\n" + inner)))
    if any_world.server.name in SERVERS_THAT_OPEN_FORWARDED_MAIL:
        assert found == {"order.pdf": LARGE_PDF}
    else:
        assert set(found.values()) <= {NOT_GIVEN}


@pytest.mark.parametrize("any_world", [one for one in SERVERS if one != GMAIL], indirect=True)
def test_of_twenty_files_three_are_given_and_the_others_named(any_world: ImapWorld) -> None:
    raw = mail(*(attached(f"{number}.pdf", PDF + bytes(60_000)) for number in range(20)))
    assert len(raw) > MIB
    found = files(fetched(any_world, raw))
    assert found == {f"{number}.pdf": PDF + bytes(60_000) if number < 3 else ONE_OF_MANY for number in range(20)}


@pytest.mark.imap
def test_a_file_of_eighty_megabytes_is_left_where_it_is(dovecot_world: ImapWorld) -> None:
    line = b"QUFB" * 19 + b"\r\n"
    head = b"--outer\r\nContent-Type: application/pdf; name=plan.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    huge = head + line * (80_000_000 // 57)
    with FaultyLine(dovecot_world.server.port) as wire:
        connector = dovecot_world.another(port=wire.port)
        found = files(fetched(dovecot_world, mail(huge, attached("invoice.pdf", PDF)), connector))
        connector.close()
    assert found == {"plan.pdf": TOO_LARGE, "invoice.pdf": PDF}


@pytest.mark.imap
def test_a_file_of_nine_megabytes_comes_in_pieces_that_fit_together(dovecot_world: ImapWorld) -> None:
    data = PDF + random.Random(9).randbytes(9 * MIB)
    assert files(fetched(dovecot_world, mail(attached("plan.pdf", data)))) == {"plan.pdf": data}


@pytest.mark.imap
def test_a_large_mail_that_tells_itself_what_it_wants_costs_no_more_than_its_text(dovecot_world: ImapWorld) -> None:
    words = b"The chair that you sent us on Monday has a broken leg, and two of its screws are missing, so please take "
    raw = mail(attached("invoice.pdf", LARGE_PDF), words=words + b"it back or send us another one as soon as you can.")
    assert fetched(dovecot_world, raw).papers == ()


@pytest.mark.imap
def test_what_is_known_by_the_structure_alone_is_known_all_the_same(dovecot_world: ImapWorld) -> None:
    named = part("application/octet-stream; name*=utf-8''B%C3%BCro.pdf", LARGE_PDF)
    found = files(fetched(dovecot_world, mail(named, part('image/jpeg; name="scan.jpg"', PDF))))
    assert found == {"Büro.pdf": LARGE_PDF, "scan.jpg": PDF}, "the second lies about its type"


@pytest.mark.imap
def test_winmail_dat_in_a_large_mail_tells_its_text_and_gives_its_files(dovecot_world: ImapWorld) -> None:
    packed = attached(
        "winmail.dat", winmail("See the offer." + " 1" * 1000, "offer.pdf", LARGE_PDF), "application/ms-tnef"
    )
    message = fetched(dovecot_world, mail(packed, words=b""))
    assert message.text.body == "See the offer." + " 1" * 1000
    assert files(message) == {"offer.pdf": LARGE_PDF}


@pytest.mark.imap
def test_a_text_that_is_the_large_mail_is_not_read_twice(dovecot_world: ImapWorld) -> None:
    note = attached("note.txt", b"The invoice is 4711.", "text/plain")
    message = fetched(dovecot_world, mail(note, attached("invoice.pdf", LARGE_PDF), words=b""))
    assert message.text.body == "The invoice is 4711."
    assert list(files(message)) == ["invoice.pdf"]


@pytest.mark.parametrize("any_world", SERVERS, indirect=True)
def test_a_scan_that_is_the_whole_large_mail_is_given(any_world: ImapWorld) -> None:
    raw = part("application/pdf; name=scan.pdf\r\nSubject: Scan", LARGE_PDF).partition(b"\r\n")[2]
    head = b"From: scanner@example.org\r\nDate: Mon, 02 Mar 2026 10:30:00 +0100\r\nMessage-ID: <1@example.org>\r\n"
    message = fetched(any_world, head + b"MIME-Version: 1.0\r\n" + raw)
    refuses = any_world.server.name == "greenmail"  # it gives no part of what has no parts
    assert files(message) == {"scan.pdf": ONLY_ITS_BEGINNING if refuses else LARGE_PDF}
    assert message.text.attachments == ("scan.pdf (application/pdf)",)


@pytest.mark.imap
def test_of_a_large_mail_that_is_a_file_of_another_kind_the_beginning_is_there(dovecot_world: ImapWorld) -> None:
    """What is signed as a whole is such a file, too, and its beginning is its text."""
    kind = "application/octet-stream; name=order.docx\r\nSubject: x"
    raw = part(kind, LARGE_PDF).partition(b"\r\n")[2]
    found = files(fetched(dovecot_world, b"Message-ID: <1@example.org>\r\n" + raw))
    assert found == {"order.docx": ONLY_ITS_BEGINNING}


# Servers that do worse than they say


def through(
    world: ImapWorld, answers: Callable[[bytes, bytes], bytes | None], raw: bytes = LARGE
) -> tuple[dict[str, bytes | str], list[str]]:
    """The files of a mail, over a line that changes answers, and the commands that were asked for it."""
    with FaultyLine(world.server.port, answers=answers) as line:
        connector = world.another(port=line.port)
        message = fetched(world, raw, connector)
        connector.close()
        assert message.text.body == "Please find attached."
        return files(message), list(line.commands)


ASKED = b"BODY.PEEK[3]<0.4194304>"


@pytest.mark.imap
def test_a_server_that_hangs_up_at_the_part_is_asked_twice(dovecot_world: ImapWorld) -> None:
    asked = 0

    def hang_up(command: bytes, answer: bytes) -> bytes | None:
        nonlocal asked
        asked += ASKED in command
        return None if ASKED in command else answer

    assert through(dovecot_world, hang_up)[0] == {"invoice.pdf": NOT_GIVEN}
    assert asked == 2


@pytest.mark.imap
def test_a_server_that_hangs_up_at_every_file_is_not_asked_for_ever(dovecot_world: ImapWorld) -> None:
    asked = 0

    def hang_up(command: bytes, answer: bytes) -> bytes | None:
        nonlocal asked
        asked += b".4194304>" in command
        return None if b".4194304>" in command else answer

    for number in range(5):
        dovecot_world.hands.put(mail(attached(f"{number}.pdf", LARGE_PDF)))
    with FaultyLine(dovecot_world.server.port, answers=hang_up) as line:
        connector = dovecot_world.another(port=line.port)
        refs = [seen.ref for seen in connector.newest("INBOX", 9)]
        messages = list(connector.fetch(refs, papers=True))
        connector.close()
    assert len(messages) == 5
    assert {paper.lacking for message in messages for paper in message.papers} == {NOT_GIVEN}
    assert asked == 6


@pytest.mark.imap
def test_a_server_that_refuses_the_part_is_asked_once(dovecot_world: ImapWorld) -> None:
    def refuse(command: bytes, answer: bytes) -> bytes:
        return command.split()[0] + b" NO not this one\r\n" if ASKED in command else answer

    found, commands = through(dovecot_world, refuse)
    assert found == {"invoice.pdf": NOT_GIVEN}
    assert commands.count("LOGIN") + commands.count("AUTHENTICATE") == 1


@pytest.mark.imap
@pytest.mark.parametrize(
    ("given_instead", "found"),
    [
        (b"BODY[3]<0> NIL", NOT_GIVEN),
        (b"BODY[3]<0> {8}\r\nJVBERi0x", ONLY_ITS_BEGINNING),
        (b"BODY[3]<0> {0}\r\n", NOT_GIVEN),
        (b"FLAGS ()", NOT_GIVEN),
    ],
)
def test_a_part_that_comes_cut_or_not_at_all_is_lacking(
    dovecot_world: ImapWorld, given_instead: bytes, found: str
) -> None:
    def cut(command: bytes, answer: bytes) -> bytes:
        if ASKED not in command:
            return answer
        return b"* 1 FETCH (UID 1 %b)\r\n%b OK done\r\n" % (given_instead, command.split()[0])

    assert through(dovecot_world, cut)[0] == {"invoice.pdf": found}


@pytest.mark.imap
@pytest.mark.parametrize(("factor", "found"), [(0.1, LARGE_PDF), (1.5, ONLY_ITS_BEGINNING), (100, TOO_LARGE)])
def test_sizes_that_are_told_wrongly_cost_the_file_at_most(
    dovecot_world: ImapWorld, factor: float, found: bytes | str
) -> None:
    def lie(command: bytes, answer: bytes) -> bytes:
        told = len(encodebytes(LARGE_PDF).replace(b"\n", b"\r\n"))
        return re.sub(rb"\b(?:%d|%d)\b" % (told, told - 2), b"%d" % (told * factor), answer)

    def in_structure(command: bytes, answer: bytes) -> bytes:
        return lie(command, answer) if b"BODYSTRUCTURE" in command else answer

    assert through(dovecot_world, in_structure)[0] == {"invoice.pdf": found}


@pytest.mark.imap
def test_where_no_structure_is_told_the_files_of_a_large_mail_are_lacking(dovecot_world: ImapWorld) -> None:
    def hang_up(command: bytes, answer: bytes) -> bytes | None:
        return None if b"BODYSTRUCTURE" in command else answer

    raw = mail(attached("small.pdf", PDF), attached("invoice.pdf", LARGE_PDF))
    assert through(dovecot_world, hang_up, raw)[0] == {"small.pdf": PDF, "invoice.pdf": ONLY_ITS_BEGINNING}


# Pure


def test_a_structure_that_makes_no_sense_is_none() -> None:
    text = (b"text", b"plain", None, None, None, b"7bit", 21, 0)
    assert structure((text, text, b"mixed", (b"charset", b"x"), None)) is None, "no boundary"
    assert structure((text, b"mixed")) is None
    message = (b"message", b"rfc822", None, None, None, b"7bit", 9, None, (text, b"mixed"), 4)
    whole = structure((text, message, b"mixed", (b"boundary", b"b"), None))
    assert whole is not None
    assert [one.section for one in whole.leaves()] == ["1", "2"], "what is inside is not told"


def test_parts_in_messages_in_messages_are_numbered_as_the_standard_has_it() -> None:
    """RFC 9051 section 6.4.5.1: parts 4.1.1 and 4.2.2.2 of its example."""
    text = (b"text", b"plain", None, None, None, b"7bit", 21, 0)
    pdf = (b"application", b"pdf", (b"name", b'a "b".pdf'), b"<id>", None, b"base64", 9, None, (b"attachment", None))

    def message(inner: object) -> tuple[object, ...]:
        return (b"message", b"rfc822", None, None, None, b"7bit", 9, None, inner, 4)

    both = (b"boundary", b"b")
    deep = (text, message((text, pdf, b"mixed", both)), b"mixed", both)
    whole = structure((text, message(text), message(pdf), message(deep), b"mixed", both))
    assert whole is not None
    assert [one.section for one in whole.leaves()] == ["1", "2.1", "3.1", "4.1", "4.2.1", "4.2.2"]
    assert [one.section for one in whole.all()] == ["", "1", "2", "3", "4"]
    lines = [one.header for one in whole.leaves()][-1].split(b"\n")
    assert lines[0] == b'Content-Type: application/pdf; name="a \\"b\\".pdf"'
    assert lines[1:4] == [b"Content-Transfer-Encoding: base64", b"Content-Disposition: attachment", b"Content-ID: <id>"]


class FullPieces:
    """A session with a server that has a whole piece whatever it is asked for."""

    dead = False

    def __init__(self) -> None:
        self.doubts, self.asked = Doubts(), list[str]()

    def fetch(self, uids: list[int], items: list[str]) -> dict[int, dict[bytes, bytes]]:
        self.asked += items
        return {7: {b"BODY[2]<0>": b"A" * file_parts.PIECE}}

    def read(self, told: int) -> bytes:
        one, ref = text_parts.Part("2", "application/pdf", told), MessageRef("INBOX", 1, 7)
        return file_parts._read(self, ref, one, "none", 0)  # type: ignore[arg-type]


def test_what_has_no_end_is_left() -> None:
    server = FullPieces()
    with pytest.raises(file_parts.NotRead, match="larger"):
        server.read(3)
    assert len(server.asked) == file_parts.LARGEST_PART // file_parts.PIECE + 1
    assert LARGEST_FILE * 78 // 57 < file_parts.LARGEST_PART


def test_nothing_is_asked_for_behind_the_end_that_is_told() -> None:
    server = FullPieces()
    assert len(server.read(2 * file_parts.PIECE)) == 2 * file_parts.PIECE
    assert server.asked == ["BODY.PEEK[2]<0.4194304>", "BODY.PEEK[2]<4194304.4194304>"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(alphabet="QUJD\r\n= !", max_size=30).map(str.encode), max_size=8))
def test_base64_in_pieces_is_what_it_is_in_one(pieces: list[bytes]) -> None:
    joined = Base64Pieces()
    for piece in pieces:
        joined.add(piece)
    assert joined.end() == decode_base64(b"".join(pieces))
