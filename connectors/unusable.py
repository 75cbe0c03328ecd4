"""A mailbox whose kind is known and cannot be used: it keeps its place, and everything done with it says why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NoReturn

from pydantic import ConfigDict, Field

from connectors.base import (
    Action,
    Capabilities,
    Changes,
    Connector,
    Folder,
    Identity,
    Message,
    MessageRef,
    Note,
    Recovered,
    Sighting,
    Unfinished,
    Watch,
)
from connectors.errors import SetupWrong
from connectors.mailbox_settings import Access, MailboxSettings


class UnusableMailbox(MailboxSettings):
    """Its own keys cannot be checked, so they are passed over; those that every mailbox has are checked as ever."""

    model_config = ConfigDict(extra="ignore")
    credential: str = ""
    why: str = Field(exclude=True)

    def connector(self, access: Access) -> Connector:  # noqa: ARG002
        """A connector that raises SetupWrong, which needs a person, whatever is asked of it."""
        return UnusableConnector(self.name, self.why)


class UnusableConnector(Connector):
    """Raises SetupWrong."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = why

    def _refuse(self) -> NoReturn:
        raise SetupWrong(self.name, self._why, "")

    def capabilities(self) -> Capabilities:
        self._refuse()

    def folders(self) -> list[Folder]:
        self._refuse()

    def changes(self, cursor: str | None, watch: Watch) -> Changes:  # noqa: ARG002
        self._refuse()

    def newest(self, folder: str, limit: int) -> list[Sighting]:  # noqa: ARG002
        self._refuse()

    def fetch(
        self,
        refs: Sequence[MessageRef],  # noqa: ARG002
        *,
        papers: bool = False,  # noqa: ARG002
        pictures: bool = False,  # noqa: ARG002
    ) -> Iterator[Message]:
        self._refuse()

    def apply(
        self,
        ref: MessageRef,  # noqa: ARG002
        identity: Identity,  # noqa: ARG002
        action: Action,  # noqa: ARG002
        note: Note,  # noqa: ARG002
        unless: frozenset[str] = frozenset(),  # noqa: ARG002
    ) -> MessageRef:
        self._refuse()

    def recover(self, unfinished: Unfinished) -> Recovered:  # noqa: ARG002
        self._refuse()

    def close(self) -> None:
        """Nothing is open."""
