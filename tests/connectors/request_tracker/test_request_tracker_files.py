"""The files of tickets, on a real RT 5."""

from __future__ import annotations

import base64
import random
from mimetypes import guess_type

import pytest

from connectors.base import Message, MessageRef
from connectors.errors import Unreachable
from connectors.mail.attached_files import NOT_GIVEN, ONE_OF_MANY, ONLY_ITS_BEGINNING
from connectors.request_tracker.rest2 import RequestTrackerApi
from tests.paper_samples import text_pdf
from tests.rt_fixtures import RtWorld

pytestmark = pytest.mark.rt

PDF = text_pdf("Rechnung Nr. 4711")


@pytest.fixture
def world(rt_world: RtWorld) -> RtWorld:
    return rt_world


def with_files(world: RtWorld, files: dict[str, bytes], *, body: str = "") -> Message:
    """A ticket with these files, as it is fetched."""
    attached = [
        {"FileName": name, "FileType": guess_type(name)[0], "FileContent": base64.b64encode(data).decode()}
        for name, data in files.items()
    ]
    number = world.agent.create(world.inbox, "Invoice", Attachments=attached, **({"Content": body} if body else {}))
    (message,) = world.connector.fetch([MessageRef(world.inbox, 0, number)], papers=True)
    return message


def test_files_of_the_first_message_are_given_whole_where_they_are_asked_for(world: RtWorld) -> None:
    large = PDF + random.Random(7).randbytes(7_000_000)
    files = {"list.csv": b"a;b\n1;2\n", "photo.jpg": b"\xff\xd8\xff", "desk.pdf": PDF, "plan.pdf": large, "4.pdf": PDF}
    message = with_files(world, files)
    found = {paper.name: paper.lacking or paper.data for paper in message.papers}
    expected = {name: data for name, data in files.items() if name != "photo.jpg"}
    assert found == {**expected, "4.pdf": ONE_OF_MANY}
    world.agent.ask(
        "POST",
        f"ticket/{message.sighting.ref.uid}/correspond",
        json={
            "Content": "An answer.",
            "ContentType": "text/plain",
            "Attachments": [{"FileName": "5.pdf", "FileType": "application/pdf", "FileContent": "JVBERi0x"}],
        },
    )
    (again,) = world.connector.fetch([message.sighting.ref], papers=True)
    assert [paper.name for paper in again.papers] == list(found)


def test_a_ticket_that_tells_itself_what_it_wants_gives_no_file(world: RtWorld) -> None:
    assert with_files(world, {"a.pdf": PDF}, body="The chair that you sent us on Monday is broken. " * 5).papers == ()


def test_a_file_that_rt_does_not_give_is_lacking_and_after_three_none_is_asked_for(
    world: RtWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = [with_files(world, {"a.pdf": PDF, "b.pdf": PDF}).sighting.ref for _ in range(3)]
    asked: list[int] = []

    def refuse(api: RequestTrackerApi, attachment: int) -> bytes:
        asked.append(attachment)
        raise Unreachable("support", "The server did not answer in time.")

    monkeypatch.setattr(RequestTrackerApi, "file", refuse)
    messages = list(world.connector.fetch(refs, papers=True))
    assert [[paper.lacking for paper in message.papers] for message in messages] == [[NOT_GIVEN] * 2] * 3
    assert len(asked) == 3
    monkeypatch.setattr(RequestTrackerApi, "file", lambda api, attachment: PDF[:40])
    (message, *_) = world.connector.fetch(refs[:1], papers=True)
    assert [paper.lacking for paper in message.papers] == [ONLY_ITS_BEGINNING] * 2


def test_nothing_is_fetched_where_nothing_is_asked_for(world: RtWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(RequestTrackerApi, "file")
    ref = MessageRef(world.inbox, 0, world.agent.create(world.inbox, "Invoice"))
    assert [message.papers for message in world.connector.fetch([ref])] == [()]
