"""A mailbox over IMAP (RFC 3501, RFC 9051): its settings, and what Postroom asks about the kind."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from connectors.hosts import is_this_machine
from connectors.imap.sign_in_mistakes import sign_in_mistakes
from connectors.mailbox_settings import Access, CategorySettings, MailboxSettings
from connectors.own_domains import own_domain
from connectors.setting_values import FolderRole, OptionalCredentialName, OptionalDate, OptionalPath, Span, Text
from connectors.sign_in import SignIn, at_google, at_microsoft
from connectors.tag_words import KEYWORD, keyword, taken

if TYPE_CHECKING:
    from connectors.base import Connector

SASL: Mapping[str, Literal["password", "xoauth2", "oauthbearer"]] = {
    "password": "password",
    "xoauth2": "xoauth2",
    "oauthbearer": "oauthbearer",
    "microsoft": "xoauth2",
    "google": "xoauth2",
}
"""How each `sign_in` speaks to the mail server. Exchange knows no OAUTHBEARER."""
BY: Mapping[str, Literal["password", "token", "microsoft", "google"]] = {
    "password": "password",
    "xoauth2": "token",
    "oauthbearer": "token",
    "microsoft": "microsoft",
    "google": "google",
}
"""Where the secret of each `sign_in` comes from."""


NAMES = {"host": "", "user": "", "inbox": "INBOX"}
STANDARD_PORTS = (993, 143)


def any_case_inbox(folder: str) -> str:
    """The folder's name; of the inbox always INBOX, which is the only name without regard to case (RFC 9051, 5.1)."""
    return "INBOX" if folder.upper() == "INBOX" else folder


def _inbox_in_another_case(box: Mapping[str, Any]) -> Iterator[str]:
    """What `daemon.settings.problems` finds of any kind of mailbox, for a name that only IMAP takes for the same."""
    listed = box.get("category")
    folders = [("review_folder", box.get("review_folder"))]
    for category in listed if isinstance(listed, list) else ():
        if isinstance(category, Mapping):
            folders.append(("[[category]] folder", category.get("folder", category.get("name"))))
    inbox = str(box.get("inbox", "INBOX"))
    for key, folder in folders:
        if isinstance(folder, str) and folder != inbox and any_case_inbox(folder) == any_case_inbox(inbox):
            yield f'{key}: "{folder}" is the inbox itself. Name another folder.'


class ImapSettings(MailboxSettings):
    """An IMAP account."""

    kind: Literal["imap"] = "imap"
    host: Text
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    port: int = Field(default_factory=lambda known: 993 if known.get("tls") == "implicit" else 143, ge=1, le=65535)
    ca_file: OptionalPath = None
    fingerprint: str = ""
    user: Text
    timeout: Span = timedelta(seconds=60)
    credential: OptionalCredentialName = ""
    """Empty only for `sign_in = "microsoft"`, where then a person signs in: see `connectors.imap.sign_in_mistakes`."""
    sign_in: Literal["password", "xoauth2", "oauthbearer", "microsoft", "google"] = "password"
    person: str = ""
    """Who signs in, where that is not `user`: for a shared mailbox."""
    tenant: str = ""
    client_id: str = ""
    authority: str = ""
    """Where tokens come from, instead of the provider's own address."""
    credential_ends: OptionalDate = None
    """When the client secret ends, which nothing but Entra's page tells."""

    @model_validator(mode="before")
    @classmethod
    def _domain_of_the_user(cls, box: Any) -> Any:
        if isinstance(box, Mapping) and "own_domains" not in box:
            return {**box, "own_domains": own_domain(str(box.get("user", "")))}
        return box

    @field_validator("inbox", "review_folder")
    @classmethod
    def _any_case(cls, folder: str) -> str:
        return any_case_inbox(folder)

    @field_validator("categories")
    @classmethod
    def _any_case_of_categories(cls, categories: tuple[CategorySettings, ...]) -> tuple[CategorySettings, ...]:
        return tuple(one.model_copy(update={"folder": any_case_inbox(one.folder)}) for one in categories)

    @field_validator("roles")
    @classmethod
    def _any_case_of_roles(cls, roles: Mapping[str, FolderRole]) -> Mapping[str, FolderRole]:
        return {any_case_inbox(folder): role for folder, role in roles.items()}

    @field_validator("tls")
    @classmethod
    def _no_secrets_in_clear(cls, tls: str, known: ValidationInfo) -> str:
        if tls == "none" and not is_this_machine(known.data.get("host", "localhost")):
            raise ValueError(
                '"none" would send the password readable to another machine. Write "implicit" or "starttls".'
            )
        return tls

    @field_validator("fingerprint")
    @classmethod
    def _sha256(cls, fingerprint: str) -> str:
        # As openssl prints it, too: "sha256 Fingerprint=AB:CD:...".
        digits = fingerprint.rpartition("=")[2].strip().replace(":", "").lower()
        if digits and (len(digits) != 64 or set(digits) - set("0123456789abcdef")):
            raise ValueError("is not a SHA-256 fingerprint: 64 hexadecimal digits, colons allowed.")
        return digits

    def connector(self, access: Access) -> Connector:
        """This account; `access` gives the password, or the access token."""
        from connectors.imap.account import ImapAccount
        from connectors.imap.mailbox import ImapConnector

        account = ImapAccount(
            name=self.name,
            host=self.host,
            port=self.port,
            user=self.user,
            secret=access.secret,
            tls=self.tls,
            ca_file=self.ca_file,
            fingerprint=self.fingerprint or None,
            inbox=self.inbox,
            timeout=self.timeout.total_seconds(),
            sign_in=SASL[self.sign_in],
            renewed=access.renewed,
        )
        return ImapConnector(account)

    def signs_in(self) -> SignIn:
        """With a secret, or with tokens of Microsoft or Google."""
        return SignIn(
            mailbox=self.name,
            host=self.host.lower(),
            user=self.user,
            person=self.person or self.user,
            tenant=self.tenant,
            client_id=self.client_id,
            authority=self.authority,
            by=BY[self.sign_in],
            credential=self.credential,
            credential_ends=self.credential_ends,
        )

    def account(self) -> dict[str, str]:
        return {"host": self.host, "user": self.user, "inbox": self.inbox}

    def tag_for(self, name: str, folder: str) -> str:
        """A keyword; at Gmail the label that is the category's folder."""
        return folder if self.labels else super().tag_for(name, folder)

    @property
    def labels(self) -> bool:
        return at_google(self.host)

    @property
    def why_no_tags(self) -> str:
        if at_microsoft(self.host):
            return "Microsoft 365 keeps no keywords over IMAP (Outlook's categories are something else)"
        return super().why_no_tags

    @classmethod
    def inbox_of(cls, box: Mapping[str, Any]) -> Hashable | None:
        """Host, port and user without regard to case; the two standard ports lead to one server."""
        host, user, inbox = (str(box.get(key, default)) for key, default in NAMES.items())
        port = box.get("port", STANDARD_PORTS[0])
        machine = "localhost" if is_this_machine(host) else host.lower().rstrip(".")
        return machine, "standard" if port in STANDARD_PORTS else str(port), user.lower(), any_case_inbox(inbox)

    @classmethod
    def mistakes(cls, box: Mapping[str, Any]) -> Iterator[str]:
        yield from sign_in_mistakes(box)
        yield from _inbox_in_another_case(box)
        listed = box.get("category")
        for category in listed if isinstance(listed, list) else ():
            tag = category.get("tag") if isinstance(category, Mapping) else None
            if tag and at_google(str(box.get("host", ""))):
                yield "[[category]] tag: at Gmail the label is the folder's name. Write it as `folder`."
            elif isinstance(tag, str) and tag and not KEYWORD.fullmatch(tag):
                yield f'[[category]] tag: "{tag}" cannot be a keyword. Write letters, digits, $, - and _, no space.'
            elif isinstance(tag, str) and tag and (why := taken(tag)) is not None:
                yield f'[[category]] tag: "{tag}" {why}. Write another word.'
            elif not tag and box.get("act_by") == "tag" and not at_google(str(box.get("host", ""))):
                name = category.get("name") if isinstance(category, Mapping) else None
                if isinstance(name, str) and (why := taken(keyword(name))) is not None:
                    yield f'[[category]] name: "{name}" would be its tag, which {why}. Give it a `tag` of its own.'
