"""Which kinds of mailbox there are: ours, and those of other packages.

    KINDS                          ours: where each one's settings class lies, loaded when a mailbox is of that kind
    entry points of GROUP          others': name = kind, value = settings class        (docs/connectors.md)

A package that is broken costs its own mailboxes: they are there, and whoever uses one gets the reason in words.
"""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from connectors.base import Connector
from connectors.errors import ConnectorError
from connectors.mailbox_settings import Access, MailboxSettings
from connectors.sign_in import SignIn
from connectors.unusable import UnusableMailbox

KINDS: Mapping[str, str] = {
    "imap": "connectors.imap:ImapSettings",
    "request-tracker": "connectors.request_tracker:RequestTrackerSettings",
}
DEFAULT = "imap"
GROUP = "postroom.connectors"


class UnknownKind(ValueError):
    """There is no such kind."""


class BrokenKind(ValueError):
    """Another package brings this kind, and it cannot be used. `str()` names the package and what is wrong with it."""


def settings_of(kind: object) -> type[MailboxSettings]:
    """The settings class of a kind. Raises UnknownKind, BrokenKind."""
    if isinstance(kind, str) and kind in KINDS:
        module, _, name = KINDS[kind].partition(":")
        found: type[MailboxSettings] = getattr(importlib.import_module(module), name)
        return found
    brought = [point for point in _others() if point.name == kind]
    if not brought:
        raise UnknownKind(str(kind))
    if len(brought) > 1:
        owners = " and ".join(sorted(map(_owner, brought)))
        raise BrokenKind(f'{owners} both bring the kind "{kind}". Uninstall one of them.')
    return _loaded(brought[0])


def known_kinds() -> list[str]:
    """All names that `kind` can have, ours first. Loads nothing."""
    return [*KINDS, *sorted({point.name for point in _others()})]


def usable_kinds() -> Iterator[tuple[str, type[MailboxSettings]]]:
    """Every kind that loads, with its settings class."""
    for kind in known_kinds():
        try:
            yield kind, settings_of(kind)
        except BrokenKind:
            continue


def mailbox_from(box: Mapping[str, Any]) -> MailboxSettings:
    """The settings of one [[mailbox]] in the class of its kind. Raises UnknownKind, ValidationError."""
    kind = box.get("kind", DEFAULT)
    try:
        with blamed(kind):
            found = settings_of(kind).model_validate(box)
            if kind not in KINDS:
                _ask(found)
            return found
    except BrokenKind as error:
        return UnusableMailbox.model_validate({**box, "why": str(error)})


def mistakes_in(box: Mapping[str, Any]) -> list[str]:
    """What its kind finds wrong with a whole [[mailbox]]; nothing where there is no such kind, which others tell."""
    kind = box.get("kind", DEFAULT)
    try:
        with blamed(kind):
            found = list(settings_of(kind).mistakes(box))
            if not all(isinstance(mistake, str) for mistake in found):
                raise TypeError("mistakes() gives something else than sentences")
            return found
    except (UnknownKind, BrokenKind):
        return []


def inbox_of(box: Mapping[str, Any]) -> Hashable | None:
    """What the inbox of this [[mailbox]] is known by, whatever the mailbox is called; None where nobody can tell."""
    kind = box.get("kind", DEFAULT)
    try:
        with blamed(kind):
            found = settings_of(kind).inbox_of(box)
            hash(found)
            return None if found is None else (kind, found)
    except (UnknownKind, BrokenKind):
        return None


def connector_of(mailbox: MailboxSettings, access: Access) -> Connector:
    """The mailbox's connector; of a kind that turns out broken, one that says so. Raises ConnectorError."""
    try:
        with blamed(mailbox.kind):
            made: object = mailbox.connector(access)
            if not isinstance(made, Connector):
                raise TypeError(f"connector() gives {type(made).__name__}, which is no Connector")
            return made
    except BrokenKind as error:
        return UnusableMailbox(name=mailbox.name, kind=mailbox.kind, why=str(error)).connector(access)


@contextmanager
def blamed(kind: object) -> Iterator[None]:
    """While something is asked of a kind: what another's raises is a BrokenKind, but for what is worded for people.

    What one of ours raises stays what it is.
    """
    try:
        yield
    except (UnknownKind, BrokenKind, ValidationError, ConnectorError):
        raise
    except (Exception, SystemExit) as error:  # another's code may do anything
        raise _broken(kind, error) from error


def _ask(mailbox: MailboxSettings) -> None:
    """Ask once what is asked again and again, so that nobody else has to reckon with what a package may raise."""
    wanted: object = mailbox.signs_in()
    if not isinstance(wanted, SignIn | None):
        raise TypeError(f"signs_in() gives {type(wanted).__name__}, which is no SignIn")
    str(mailbox.why_no_tags)
    if not isinstance(mailbox.tag_for("Invoices", "Invoices"), str):
        raise TypeError("tag_for() gives something else than a text")


def _others() -> list[EntryPoint]:
    """What other packages bring. Nobody replaces a kind of ours."""
    return [point for point in entry_points(group=GROUP) if point.name not in KINDS]


def _loaded(point: EntryPoint) -> type[MailboxSettings]:
    with blamed(point.name):
        found = point.load()
    if not (isinstance(found, type) and issubclass(found, MailboxSettings)):
        raise BrokenKind(_words(point, f"{point.value} is no subclass of MailboxSettings"))
    if found.model_fields["kind"].default != point.name:
        raise BrokenKind(_words(point, f'{found.__name__} does not say kind: Literal["{point.name}"] = "{point.name}"'))
    fields = found.model_fields
    ours = {key: field.annotation for key, field in MailboxSettings.model_fields.items() if key != "kind"}
    if other := [key for key, meant in ours.items() if fields[key].annotation != meant]:
        raise BrokenKind(_words(point, f"{found.__name__} gives {', '.join(other)} another meaning"))
    return found


def _broken(kind: object, error: BaseException) -> BrokenKind:
    """What another package raised. What one of ours raised is a bug, and stays what it is."""
    point = next((point for point in _others() if point.name == kind), None)
    if point is None:
        raise error
    return BrokenKind(_words(point, f"{type(error).__name__}: {error}"))


def _words(point: EntryPoint, fact: str) -> str:
    return (
        f'the kind "{point.name}" comes from the package {_owner(point)}, which cannot be used ({fact}). '
        "Update that package, or remove its mailboxes from the settings."
    )


def _owner(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value
