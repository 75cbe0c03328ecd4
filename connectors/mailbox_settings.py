"""What every mailbox has in the settings, and what a kind of mailbox tells about itself.

A kind is a subclass of `MailboxSettings`: its fields are the keys of its [[mailbox]], and its methods are all that the
rest of Postroom asks about it. Such a class is loaded with every command, so its module imports the server's library
only in `connector`. `connectors.connector_kinds` is the table of kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.setting_values import (
    Attachments,
    CredentialName,
    Domain,
    Duration,
    FolderRole,
    Name,
    Precision,
    SenderRule,
    Span,
    Text,
)
from connectors.tag_words import keyword

if TYPE_CHECKING:
    from connectors.base import Connector
    from connectors.sign_in import SignIn


class Section(BaseModel):
    """A table of the file: unknown keys are refused, and nothing changes after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class CategorySettings(Section):
    """What a message can be about, and the folder, queue or tag that such messages get."""

    name: Text
    folder: str = Field(default_factory=lambda known: known.get("name", ""), min_length=1)
    tag: str = ""
    """For `act_by = "tag"`. Empty: what `MailboxSettings.tag_for` makes of the name."""
    description: str = ""
    hides: bool = False
    """True for newsletters and the like, which people stop seeing: filed only at `hide_precision`."""
    precision: Precision | None = None
    """The wanted precision for this category alone; None: that of [sorting]."""


class OwnSorting(Section):
    """What one mailbox has otherwise than [sorting] says for all; None: as there. What concerns the machine as a whole
    stands there alone: how many mailboxes are worked on at once, and what the recognition of letters reads."""

    poll: Span | None = None
    act_after: Duration | None = None
    settle: Duration | None = None
    precision: Precision | None = None
    hide_precision: Precision | None = None
    min_examples: int | None = Field(default=None, ge=2)
    confirm_after: Duration | None = None
    identity_keep: Span | None = None
    max_moves_per_minute: int | None = Field(default=None, ge=1)
    pause_on_overrides: bool | None = None
    roll_back: bool | None = None
    auto_live: bool | None = None
    skip_flagged: bool | None = None
    skip_answered: bool | None = None
    skip_encrypted: bool | None = None
    skip_calendar: bool | None = None
    skip_bounces: bool | None = None
    skip_internal: bool | None = None
    never_senders: tuple[SenderRule, ...] | None = None
    rule_window: Duration | None = None
    attachments: Attachments | None = None

    def said(self) -> dict[str, Any]:
        """What is set, by its key."""
        return {key: value for key in type(self).model_fields if (value := getattr(self, key)) is not None}


class RuleSettings(Section):
    """What the owner decides about some mail before the model is asked. All conditions that are set have to fit."""

    senders: tuple[SenderRule, ...] = Field(default=(), alias="from")
    to: tuple[SenderRule, ...] = ()
    list_id: str = ""
    """A part of List-Id (RFC 2919), in any case."""
    subject: str = ""
    """A part of it, in any case."""
    category: str
    """The name or folder of one; "" leaves the message where it is."""

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.conditions():
            raise ValueError("says nothing about which mail it is for. Write from, to, list_id or subject.")
        return self

    def conditions(self) -> list[str]:
        """The keys that say which mail is meant."""
        found = {"from": self.senders, "to": self.to, "list_id": self.list_id.strip(), "subject": self.subject.strip()}
        return [key for key, value in found.items() if value]


@dataclass(frozen=True)
class Access:
    """What a connector is given to sign in with; asked at every login, kept nowhere. Both raise LoginRefused."""

    secret: Callable[[], str]
    """The password, key or token that the mailbox's `credential` names."""
    renewed: Callable[[], str] | None = None
    """A newer token, for when the server refuses the one from `secret`; None: there is no way to one."""


class MailboxSettings(Section):
    """One mailbox, whichever world it lives in. A kind gives `kind` its name as the only value and the default."""

    name: Name
    kind: str
    mode: Literal["shadow", "live"] = "shadow"
    inbox: Text = "INBOX"
    act_by: Literal["move", "tag"] = "move"
    review_folder: str = ""
    sort_existing: bool = False
    credential: CredentialName
    own_domains: tuple[Domain, ...] = ()
    """The office's own mail domains: mail among colleagues is left alone (`skip_internal`)."""
    sorting: OwnSorting = OwnSorting()
    categories: tuple[CategorySettings, ...] = Field(default=(), alias="category")
    rules: tuple[RuleSettings, ...] = Field(default=(), alias="rule")
    """The first that fits decides."""
    roles: Mapping[str, FolderRole] = Field(default_factory=dict)
    share: str = ""
    """The mailbox that lends this one its categories, model and nights; "": it has its own."""

    def connector(self, access: Access) -> Connector:
        """The mailbox itself. Connects to nothing before it is used. Raises ConnectorError."""
        raise NotImplementedError(f"the kind {self.kind} has no connector")

    def signs_in(self) -> SignIn | None:
        """As whom it signs in, where `postroom login` can help; None where the credential says it all (helpdesks)."""
        return None

    def account(self) -> dict[str, str]:
        """The keys of the settings that say whose mailbox it is, with their values."""
        return {"inbox": self.inbox}

    def tag_for(self, name: str, folder: str) -> str:  # noqa: ARG002 - for worlds where a folder is a tag
        """How mail of a category is tagged that the settings give no `tag`: its name, in letters that every server
        keeps. `folder`: the category's."""
        return keyword(name)

    @property
    def labels(self) -> bool:
        """Is a folder a tag there, so that tagged mail is seen in the inbox and in its category's folder (Gmail)?"""
        return False

    @property
    def why_no_tags(self) -> str:
        """Why `act_by = "tag"` cannot work, for a server that has no tags."""
        return "this server keeps no keywords"

    @classmethod
    def inbox_of(cls, box: Mapping[str, Any]) -> Hashable | None:  # noqa: ARG003 - for kinds that can tell
        """What this inbox is known by in the world, the same for two [[mailbox]] that would sort the same mail, and so
        learn from each other as if from people; None: nobody can tell. What stands in `box` may be of any shape."""
        return None

    @classmethod
    def mistakes(cls, box: Mapping[str, Any]) -> Iterator[str]:  # noqa: ARG003 - for kinds that have such
        """Mistakes that no single key shows, in one [[mailbox]] as it stands in the file, each as "key: the fact. The
        next step." What stands there may be of any shape."""
        yield from ()
