"""Names, keywords and answers that are legal and rare, or neither: they cost themselves, and nothing else."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import MessageRef, Move, Watch
from connectors.errors import SetupWrong, Unexplained, Unreachable
from connectors.imap.account import ImapAccount
from connectors.imap.answers import found_by_search, listed_in, selected_in, states_in
from connectors.imap.avoided import avoided_in
from connectors.imap.mailbox import ImapConnector
from connectors.imap.response_parser import Unreadable, fetch_items, flags_in, values
from daemon.store import mailboxes
from tests.faults import FaultyLine
from tests.imap_desk import open_desk, pass_time, reasons
from tests.imap_fixtures import ImapWorld
from tests.servers.hostile import GREETING, HostileImap

ODD_FOLDERS = ("[Kunde", "[b", "a[b", "c]d", "Rechnung]")
ODD_KEYWORDS = ("[css3-page", "a[b", "~home", "&-", "[")
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 6000


@pytest.fixture
def any_world(request: pytest.FixtureRequest) -> ImapWorld:
    world: ImapWorld = request.getfixturevalue(request.param)
    return world


def account(port: int, **more: object) -> ImapAccount:
    return ImapAccount("office", "127.0.0.1", port, "u", lambda: "p", tls="none", timeout=10, **more)  # type: ignore[arg-type]


def test_a_bracket_opens_a_section_only_after_body() -> None:
    line = b"3 (FLAGS ([css3-page a[b OIB-Seen-[Gmail]/Important \\Seen) UID 7 BODY[HEADER.FIELDS (X Y)] {2}", b"hi"
    found = fetch_items([line, b" RFC822.SIZE 9)"])
    assert found[b"FLAGS"] == (b"[css3-page", b"a[b", b"OIB-Seen-[Gmail]/Important", b"\\Seen")
    assert (found[b"UID"], found[b"BODY[HEADER.FIELDS (X Y)]"], found[b"RFC822.SIZE"]) == (7, b"hi", 9)


@pytest.mark.parametrize(
    ("told", "flags"),
    [
        (b"()", ()),
        (b"NIL", ()),
        (b'("\\\\Seen" a)', (b"\\Seen", b"a")),
        (b"(a(b c)d)", (b"a(b", b"c)d")),
        (b"(a ( b)", (b"a", b"b")),
        (b"(Caf\xc3\xa9 b)", (b"Caf\xc3\xa9", b"b")),
    ],
)
def test_flags_are_words_between_blanks(told: bytes, flags: tuple[bytes, ...]) -> None:
    assert flags_in(told) == flags


def test_what_is_no_answer_is_unreadable_and_cheap() -> None:
    for told in (b"", b"7", b"7 FLAGS", b"7 )", b"(" * 5000):
        with pytest.raises(Unreadable):
            fetch_items([told])
    with pytest.raises(Unreadable):
        values([b"(" * 100_000])
    assert fetch_items([b"7 (UID 5 FLAGS (a b"]) == {b"UID": 5}
    assert fetch_items([b"7 (" + b"BODY[x 1 " * 100_000]) is not None


def test_one_line_that_cannot_be_read_costs_one_folder() -> None:
    lines = [
        b'(\\HasNoChildren) "/" [Kunde',
        b"((((",
        b'() "/"',
        None,
        (b'() "/" {6}', b"Orders"),
        b"",
        b'() "/" Bills',
    ]
    assert [one.name for one in listed_in(lines)] == ["[Kunde", "Orders", "Bills"]
    found = states_in([b"[b (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)", b"((", b"Orders ()", b"Bills (MESSAGES x)"])
    assert set(found) == {"[b", "Orders"}
    assert found["Orders"][0].uidnext == 0


def test_a_name_that_is_no_utf_7_keeps_its_spelling() -> None:
    raw = {"R&D": b"R&D", "Büro": "Büro".encode(), "Caf\xe9": b"Caf\xe9", "äö": b"&AOQ-&APY-"}
    found = listed_in([b'() "/" "' + spelled + b'"' for spelled in raw.values()])
    assert {one.name: one.spelled for one in found} == raw
    (proper,) = listed_in([b'() "/" R&D', b'() "/" R&-D'])
    assert (proper.name, proper.spelled) == ("R&D", None), "of two that read alike the proper one"
    assert listed_in([(b'() "/" {5}', b"a\r\nb&"), b""]) == [], "no command can hold that"


def test_a_folder_is_asked_for_as_the_server_spells_it() -> None:
    with (
        HostileImap(b"LIST", b'* LIST () "/" INBOX\r\n* LIST () "/" "R&D"\r\n{tag} OK done\r\n') as server,
        ImapConnector(account(server.port)) as connector,
    ):
        assert {folder.name for folder in connector.folders()} == {"INBOX", "R&D"}
        connector.newest("R&D", 1)
        assert b'EXAMINE "R&D"' in server.asked


def test_searches_answer_in_any_number_of_lines() -> None:
    assert found_by_search([b"3 1", b"2", b"", None, b"9 (MODSEQ 7)"]) == [1, 2, 3, 9]


def test_a_selected_folder_says_what_it_says() -> None:
    told = {"OK": [b"[PERMANENTFLAGS (\\Seen [css3-page a] \\*)] Flags [x] permitted."], "EXISTS": [b"3"]}
    assert selected_in(told).keeps("[css3-page")
    assert (selected_in(told).epoch, selected_in(told).uidnext) == (0, 0)


@pytest.mark.imap
def test_keywords_that_anybody_may_set_stop_nothing(
    dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(dovecot_world, tmp_path, monkeypatch)
    for number, word in enumerate(ODD_KEYWORDS):
        dovecot_world.deliver(f"order {number}")
        dovecot_world.hands.flag(f"order {number}", word)
    pass_time(desk, minutes=6)
    for number in range(len(ODD_KEYWORDS)):
        assert dovecot_world.folders_of(f"order {number}") == [dovecot_world.second]
    assert {flag for seen in desk.connector.newest(dovecot_world.second, 20) for flag in seen.flags} >= {"[css3-page"}


@pytest.mark.imap
@pytest.mark.parametrize("name", ODD_FOLDERS)
def test_a_folder_may_have_an_odd_name(dovecot_world: ImapWorld, name: str) -> None:
    for folder in ODD_FOLDERS:
        dovecot_world.hands.create(folder)
    assert {folder.name for folder in dovecot_world.connector.folders()} >= {*ODD_FOLDERS, "INBOX"}
    dovecot_world.deliver("order 1")
    (seen,) = dovecot_world.connector.newest("INBOX", 5)
    landed = dovecot_world.connector.apply(seen.ref, seen.identity, Move(name), lambda _: None)
    assert landed.folder == name
    assert [found.ref for found in dovecot_world.connector.newest(name, 5)] == [landed]


@pytest.mark.imap
@pytest.mark.parametrize("hide", [(), ("LIST-STATUS",)])
def test_status_may_leave_something_out(
    dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hide: tuple[str, ...]
) -> None:
    def answers(command: bytes, answer: bytes) -> bytes:
        return re.sub(rb"(?m)^(\* STATUS .*)(?: UIDNEXT \d+|UIDNEXT \d+ )", rb"\1", answer)

    with FaultyLine(dovecot_world.server.port, answers=answers, hide=hide) as line:
        dovecot_world.connector = dovecot_world.another(port=line.port)
        desk = open_desk(dovecot_world, tmp_path, monkeypatch)
        dovecot_world.deliver("order 1")
        dovecot_world.deliver("order 2")
        pass_time(desk, minutes=6)
        dovecot_world.connector.close()
    assert dovecot_world.folders_of("order 1") == dovecot_world.folders_of("order 2") == [dovecot_world.second]


@pytest.mark.imap
def test_a_move_that_is_not_understood_is_never_sent_again(
    dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(command: bytes) -> bytes:
        return command.replace(b"UID MOVE", b"UID SHIFT")

    with FaultyLine(dovecot_world.server.port, change=change) as line:
        dovecot_world.connector = dovecot_world.another(port=line.port)
        desk = open_desk(dovecot_world, tmp_path, monkeypatch)
        for number in range(3):
            dovecot_world.deliver(f"order {number}")
        pass_time(desk, minutes=6)
        pass_time(desk, minutes=6)
        assert line.commands.count("UID MOVE") == 1
        assert line.commands.count("LOGIN") == 2
        dovecot_world.connector.close()
    for number in range(3):
        assert dovecot_world.folders_of(f"order {number}") == [dovecot_world.second]


@pytest.mark.imap
def test_a_message_that_the_server_lists_and_does_not_show_is_not_gone(dovecot_world: ImapWorld) -> None:
    hidden = True

    def answers(command: bytes, answer: bytes) -> bytes:
        return answer.splitlines(keepends=True)[-1] if hidden and b"UID FETCH" in command else answer

    dovecot_world.deliver("order 1")
    (seen,) = dovecot_world.connector.newest("INBOX", 1)
    move = Move(dovecot_world.second)
    with FaultyLine(dovecot_world.server.port, answers=answers) as line:
        connector = dovecot_world.another(port=line.port)
        with pytest.raises(Unexplained):
            connector.apply(seen.ref, seen.identity, move, lambda _: None)
        hidden = False
        connector.apply(seen.ref, seen.identity, move, lambda _: None)
        connector.close()
    assert dovecot_world.folders_of("order 1") == [dovecot_world.second]


@pytest.mark.imap
def test_a_mark_that_is_not_understood_is_done_without(
    dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(command: bytes) -> bytes:
        return command.replace(b"UID STORE", b"UID PLACE")

    with FaultyLine(dovecot_world.server.port, change=change) as line:
        dovecot_world.connector = dovecot_world.another(port=line.port)
        desk = open_desk(dovecot_world, tmp_path, monkeypatch)
        for number in range(3):
            dovecot_world.deliver(f"order {number}")
        pass_time(desk, minutes=6)
        pass_time(desk, minutes=6)
        assert line.commands.count("UID STORE") == 1
        dovecot_world.connector.close()
    for number in range(3):
        assert dovecot_world.folders_of(f"order {number}") == [dovecot_world.second]


@pytest.mark.imap
@pytest.mark.parametrize("words", [b"UID MOVE", b"UID STORE"])
def test_a_line_that_breaks_at_every_change_is_changed_otherwise(
    dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: bytes
) -> None:
    with FaultyLine(dovecot_world.server.port, answers=lambda asked, told: None if words in asked else told) as line:
        dovecot_world.connector = dovecot_world.another(port=line.port)
        # The server hears nothing of it, and the line breaks.
        line.change = lambda asked: asked.replace(words, b"NOOP") if words in asked else asked
        desk = open_desk(dovecot_world, tmp_path, monkeypatch)
        for number in range(3):
            dovecot_world.deliver(f"order {number}")
        for _ in range(6):
            with suppress(Unreachable):
                pass_time(desk, minutes=6)
        name = {b"UID MOVE": "MOVE", b"UID STORE": "KEYWORDS"}[words]
        assert name in desk.connector._experience.avoided.words  # type: ignore[attr-defined]
        with desk.database.read() as tx:
            assert name in avoided_in(mailboxes.get(tx, desk.mailbox_id).cursor)
        dovecot_world.connector.close()
    for number in range(3):
        assert dovecot_world.folders_of(f"order {number}") == [dovecot_world.second]


@pytest.mark.imap
def test_a_mail_that_cannot_be_moved_is_left_after_two_tries(
    dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(command: bytes) -> bytes:
        return command.replace(b"UID MOVE", b"UID SHIFT").replace(b"UID COPY", b"UID CLONE")

    with FaultyLine(dovecot_world.server.port, change=change) as line:
        dovecot_world.connector = dovecot_world.another(port=line.port)
        desk = open_desk(dovecot_world, tmp_path, monkeypatch)
        dovecot_world.deliver("order 1", message_id="<1@example.org>")
        for _ in range(6):
            pass_time(desk, minutes=6)
        assert line.commands.count("UID MOVE") + line.commands.count("UID COPY") == 2
        dovecot_world.connector.close()
    assert dovecot_world.folders_of("order 1") == ["INBOX"]
    assert "2 times the server's answer did not tell what had become of it" in reasons(desk, "<1@example.org>")[-1]


def letter(*parts: tuple[str, bytes]) -> bytes:
    pieces = [
        b"From: Ann Lee <ann@customer.example>\r\nTo: office@example.org\r\nSubject: Pictures\r\n"
        b"Date: Mon, 02 Mar 2026 10:30:00 +0100\r\nMessage-ID: <pictures@customer.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="=_a b"\r\n\r\n'
    ]
    for header, body in parts:
        pieces += [b"--=_a b\r\n", header.encode(), b"\r\n\r\n", body, b"\r\n"]
    return b"".join(pieces) + b"--=_a b--\r\n"


def base64_lines(raw: bytes) -> bytes:
    return base64.encodebytes(raw).replace(b"\n", b"\r\n")


PHOTO = 'Content-Type: image/jpeg; name="IMG_1.jpg"\r\nContent-Transfer-Encoding: base64', base64_lines(PICTURE)
WORDS = "Content-Type: text/plain; charset=utf-8", "Please send forty chairs to Büro 7.".encode()
BOTH = (
    'Content-Type: multipart/alternative; boundary="inner"',
    b"--inner\r\nContent-Type: text/plain\r\n\r\nPlease send forty chairs.\r\n"
    b"--inner\r\nContent-Type: text/html\r\n\r\n<p>Please send forty chairs.</p>\r\n--inner--",
)


@pytest.mark.imap
@pytest.mark.parametrize("any_world", ["dovecot_world", "cyrus_world", "courier_world"], indirect=True)
@pytest.mark.parametrize("words", [WORDS, BOTH])
def test_text_behind_a_large_picture_is_read(any_world: ImapWorld, words: tuple[str, bytes]) -> None:
    any_world.hands.put(letter(PHOTO, words))
    (seen,) = any_world.connector.newest("INBOX", 5)
    (message,) = any_world.connector.fetch([seen.ref])
    assert message.text.body.startswith("Please send forty chairs")
    assert message.text.attachments == ("IMG_1.jpg (image/jpeg)",)
    assert "truncated" not in message.marks
    assert message.sighting == seen


@pytest.mark.imap
def test_a_server_that_tells_no_structure_gives_the_beginning(dovecot_world: ImapWorld) -> None:
    def answers(command: bytes, answer: bytes) -> bytes | None:
        return None if b"BODYSTRUCTURE" in command else answer

    dovecot_world.hands.put(letter(WORDS, PHOTO))
    with FaultyLine(dovecot_world.server.port, answers=answers) as line:
        connector = dovecot_world.another(port=line.port)
        (seen,) = connector.newest("INBOX", 5)
        (message,) = connector.fetch([seen.ref])
        connector.close()
    assert message.text.body.startswith("Please send forty chairs")
    assert "truncated" in message.marks


def test_who_asks_is_told_where_it_is_wanted_and_nothing_else() -> None:
    with HostileImap(b"X", b"", offers=b"ID") as server, ImapConnector(account(server.port)) as connector:
        connector.newest("INBOX", 1)
        (told,) = [asked for asked in server.asked if asked.startswith(b"ID ")]
        assert re.fullmatch(rb'ID \("name" "Postroom" "version" "[\w.+-]+"\)', told)
        assert server.asked.index(told) < server.asked.index(b'EXAMINE "INBOX"')
    for answer in (b"{tag} NO go away\r\n", b"{tag} BAD what\r\n", b"* ID ((\r\n{tag} OK done\r\n"):
        with HostileImap(b"ID ", answer, offers=b"ID") as server, ImapConnector(account(server.port)) as connector:
            connector.newest("INBOX", 1)
    with HostileImap(b"X", b"") as server, ImapConnector(account(server.port)) as connector:
        connector.newest("INBOX", 1)
        assert not [asked for asked in server.asked if asked.startswith(b"ID")]


def test_a_server_that_takes_no_passwords_in_clear_says_so() -> None:
    with (
        HostileImap(b"AUTHENTICATE", b"{tag} NO not here\r\n", offers=b"LOGINDISABLED") as server,
        ImapConnector(account(server.port)) as connector,
        pytest.raises(SetupWrong, match="LOGINDISABLED"),
    ):
        connector.newest("INBOX", 1)


def test_a_message_without_a_size_is_a_message() -> None:
    header = b"Message-ID: <1@x>\r\nSubject: x\r\n\r\n"
    line = b"* 1 FETCH (UID 1 FLAGS () BODY[HEADER.FIELDS (X)] {%d}\r\n%b BODY[] {6}\r\nhello\n)\r\n{tag} OK done\r\n"
    with (
        HostileImap(b"UID FETCH", line % (len(header), header)) as server,
        ImapConnector(account(server.port)) as connector,
    ):
        assert len(connector.newest("INBOX", 3)) == 1
        (message,) = connector.fetch([MessageRef("INBOX", 7, 1)])
        assert message.text.body == "hello"
        changes = connector.changes('{"INBOX":[7,1,0,0]}', Watch(inbox="INBOX", known={}))
        assert [seen.ref.uid for seen in changes.arrived] == [1]
        assert [ref.uid for ref in changes.withheld] == [2, 3]


def test_a_port_that_is_silent_to_tls_as_well_is_no_wrong_setting() -> None:
    with (
        HostileImap(GREETING, b"") as server,
        ImapConnector(replace(account(server.port), timeout=1)) as connector,
        pytest.raises(Unreachable, match="did not answer in time"),
    ):
        connector.folders()
