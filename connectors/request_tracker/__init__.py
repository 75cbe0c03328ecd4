"""Request Tracker 5 as a mailbox: queues are folders, tickets are messages. Its settings, and what Postroom
asks about the kind."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from connectors.hosts import goes_in_clear
from connectors.mailbox_settings import Access, MailboxSettings
from connectors.setting_values import OptionalPath, Text

if TYPE_CHECKING:
    from connectors.base import Connector


class RequestTrackerSettings(MailboxSettings):
    """A queue of Request Tracker 5, by its REST2 interface."""

    kind: Literal["request-tracker"] = "request-tracker"
    inbox: Text
    url: str = Field(pattern=r"^https?://")
    user: str = ""
    """For Basic sign-in. Empty: the credential is a token of the bot's user."""
    tag_field: str = ""
    """The custom field that `act_by = "tag"` sets."""
    ca_file: OptionalPath = None
    ignore_users: tuple[str, ...] = ()
    """Users whose changes teach nothing: other automation."""

    @field_validator("url")
    @classmethod
    def _no_secrets_in_url(cls, url: str) -> str:
        if "@" in urlsplit(url).netloc:
            raise ValueError("holds a user or a secret. Write the plain address, and name `user` and `credential`.")
        if goes_in_clear(url):
            raise ValueError("would send the secret readable to another machine. Write https://.")
        return url.rstrip("/")

    @field_validator("tag_field")
    @classmethod
    def _needed_for_tags(cls, tag_field: str, known: ValidationInfo) -> str:
        if known.data.get("act_by") == "tag" and not tag_field:
            raise ValueError('act_by = "tag" needs the name of the custom field to set.')
        return tag_field

    def account(self) -> dict[str, str]:
        return {"url": self.url, "inbox": self.inbox}

    @classmethod
    def inbox_of(cls, box: Mapping[str, Any]) -> Hashable | None:
        """One queue of one RT, whoever signs in: RT would name the other user as a person."""
        return str(box.get("url", "")).rstrip("/").lower(), str(box.get("inbox", ""))

    def tag_for(self, name: str, folder: str) -> str:  # noqa: ARG002
        """The name as it is, which a custom field may offer for choosing."""
        return name

    def connector(self, access: Access) -> Connector:
        """This queue; `access` gives RT's token for our user, or with `user` its password."""
        from connectors.request_tracker.queues import RequestTrackerAccount, RequestTrackerConnector

        account = RequestTrackerAccount(
            name=self.name,
            url=self.url,
            secret=access.secret,
            inbox=self.inbox,
            user=self.user or None,
            ca_file=str(self.ca_file) if self.ca_file else None,
            tag_field=self.tag_field or None,
            ignore_users=frozenset(self.ignore_users),
        )
        return RequestTrackerConnector(account)
