"""The folders of a mailbox: what they are for, which category each one stands for, and which were renamed.

    list | renamed? by MAILBOXID, else by UIDVALIDITY and contents | roles | categories kept in step | what is new

A rename keeps all that is known: the category, where messages lie, the connector's cursor. A deletion pauses the
category, whose lessons stay; it goes on when the folder comes back. Where mail is tagged, the categories that the
settings list need no folder. A folder that is new is a category at once if the
settings list none (it is filed into only after `min_examples` lessons), else it is offered: `postroom folders`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from connectors.base import Folder, MessageRef, Role
from connectors.errors import SetupWrong
from daemon.passes import guard
from daemon.passes.desk import Desk
from daemon.passes.lent import lent_to
from daemon.rules.renames import Rename, last_level, now_called, possible_renames, same_mail
from daemon.rules.roles import guess_roles
from daemon.rules.tags import no_tags
from daemon.store import mailboxes, messages, sharing
from daemon.store.database import Tx
from daemon.store.records import Category, Guess, KnownFolder

log = structlog.get_logger()

PROOF = 12
"""Messages that are compared to tell whether a folder is another one renamed."""


@dataclass(frozen=True)
class Shown:
    """One folder as `postroom folders` shows it. `offered`: it is new, and nobody has said what it is for; `could_be`:
    by its name it could be a category."""

    name: str
    role: Role
    why: str
    messages: int | None
    category: str | None = None
    offered: bool = False
    could_be: bool = False
    missing_since: datetime | None = None


def list_folders(desk: Desk) -> list[str]:
    """Read the folders, follow renames, guess roles, keep the categories in step. Returns the names that are new.

    Raises ConnectorError; then nothing was recorded. SetupWrong where the mailbox is to be tagged and keeps no tags.
    """
    if desk.settings.act_by == "tag":
        able = desk.connector.capabilities()
        if not able.tags:
            raise SetupWrong(desk.settings.name, no_tags(desk.settings.why_no_tags))
        desk.tells_tags = able.tells_tags
    listed = desk.connector.folders()
    guard.check_listing(desk, listed)
    now = desk.clock()
    with desk.database.read() as tx:
        known = mailboxes.folders(tx, desk.mailbox_id)
    renames = _proved(desk, possible_renames(known, listed, desk.settings.inbox))
    with desk.database.begin() as tx:
        if renames:
            _follow(tx, desk, renames)
        lent = lent_to(tx, desk, listed)
        guesses = _guesses(tx, desk, listed, lent)
        new, missing = mailboxes.save_folders(
            tx, desk.mailbox_id, listed, guesses, now, first=not known, settled=_settled(desk)
        )
        for folder in missing:
            if folder != desk.settings.inbox:
                messages.folder_missing(tx, desk.mailbox_id, folder, now)
        _keep_categories(tx, desk, listed, lent, now)
    desk.folders_listed = now if lent is None or lent else None  # the lender has not been looked at yet
    for old, name in renames.items():
        log.info("folder-renamed", mailbox=desk.settings.name, folder=name, was=old)
    roles = {folder.name: folder.role for folder in known}
    for name in missing:
        log.warning("folder-missing", mailbox=desk.settings.name, folder=name, was=roles.get(name))
    if known:
        for name in new:
            log.info("folder-new", mailbox=desk.settings.name, folder=name, role=guesses[name].role)
    return new


def show_folders(tx: Tx, desk: Desk) -> list[Shown]:
    """What `postroom folders` shows, as last listed: every folder that is there, and category folders that are gone."""
    categories = mailboxes.by_folder(tx, desk.mailbox_id).values()
    # A category that is tagged misses no folder.
    names = {one.folder: one.name for one in categories if one.tag is None or one.paused is None}
    shown = []
    for folder in mailboxes.folders(tx, desk.mailbox_id):
        if folder.missing_since is None:
            category = names.get(folder.name) if folder.role == "category" else None
            new = folder.offered is not None
            shown.append(Shown(folder.name, folder.role, folder.why, folder.messages, category, new, folder.could_be))
        elif folder.name in names:
            why = "its category is paused, its lessons are kept"
            shown.append(
                Shown(folder.name, folder.role, why, None, names[folder.name], missing_since=folder.missing_since)
            )
    return shown


# --- renames


def _proved(desk: Desk, possible: Sequence[Rename]) -> dict[str, str]:
    """Old name -> new name, as far as the id or the contents prove it. Where no contents are known, a UIDVALIDITY that
    no other folder has is proof enough."""
    renames: dict[str, str] = {}
    for rename in possible:
        if rename.old in renames or rename.new in renames.values():
            continue
        overlap = None if rename.certain else _overlap(desk, rename)
        if rename.certain or overlap or (overlap is None and rename.alone):
            renames[rename.old] = rename.new
    return renames


def _overlap(desk: Desk, rename: Rename) -> bool | None:
    """Do the messages known under the old name lie under the new one, with the same UIDs? None: none is known."""
    with desk.database.read() as tx:
        known = messages.newest_in(tx, desk.mailbox_id, rename.old, rename.epoch, PROOF)
    if not known:
        return None
    refs = [MessageRef(rename.new, rename.epoch, uid) for uid in known]
    found = {message.sighting.ref.uid: message.sighting.identity for message in desk.connector.fetch(refs)}
    if not found:
        return None  # all deleted since, or moved on
    return all(same_mail(found[uid], known[uid]) for uid in found)


def _follow(tx: Tx, desk: Desk, renames: Mapping[str, str]) -> None:
    mailboxes.rename_folders(tx, desk.mailbox_id, renames, desk.clock())
    cursor = mailboxes.get(tx, desk.mailbox_id).cursor
    if cursor is not None:
        mailboxes.set_cursor(tx, desk.mailbox_id, desk.connector.renamed(cursor, renames))


# --- roles and categories


def _guesses(tx: Tx, desk: Desk, listed: Sequence[Folder], lent: Mapping[str, Category] | None) -> dict[str, Guess]:
    settings = desk.settings
    called = now_called(mailboxes.folders(tx, desk.mailbox_id), {folder.name for folder in listed})
    categories = [called.get(category.folder, category.folder) for category in settings.categories]
    if lent is not None:  # no other folder is a category: nobody knows the lender's before its first look
        categories = [category.folder for category in lent.values()] or [""]
    return guess_roles(
        listed,
        settings.inbox,
        {called.get(name, name): role for name, role in settings.roles.items()},
        review=called.get(settings.review_folder, settings.review_folder),
        categories=categories,
    )


def review_folder(tx: Tx, desk: Desk) -> str | None:
    """Where unsure mail is to wait, as that folder is called now. None: nowhere, or the folder is gone."""
    name = desk.settings.review_folder
    if not name:
        return None
    known = mailboxes.folders(tx, desk.mailbox_id)
    here = {folder.name for folder in known if folder.missing_since is None}
    name = now_called(known, here).get(name, name)
    return name if name in here else None


def _settled(desk: Desk) -> frozenset[str]:
    """Folders about which the owner has said something: they need not be offered."""
    settings = desk.settings
    return frozenset(
        (settings.inbox, settings.review_folder, *settings.roles, *(c.folder for c in settings.categories))
    )


def _keep_categories(
    tx: Tx, desk: Desk, listed: Sequence[Folder], lent: Mapping[str, Category] | None, now: datetime
) -> None:
    """A category for every category folder. One whose folder is gone is paused, never dropped: its lessons stay."""
    folders = {folder.name: folder for folder in mailboxes.folders(tx, desk.mailbox_id)}
    here = {name for name, folder in folders.items() if folder.role == "category" and folder.missing_since is None}
    known = mailboxes.categories(tx, desk.mailbox_id)
    kept: set[str] = set()
    if lent is not None:
        kept = _keep_lent(tx, desk, known, lent, now)
    elif desk.settings.categories:
        called = now_called(mailboxes.folders(tx, desk.mailbox_id), {folder.name for folder in listed})
        for wanted in desk.settings.categories:
            folder = called.get(wanted.folder, wanted.folder)
            tag = _tag(desk, wanted.name, folder, wanted.tag)
            old = next((one for one in known if one.listed_as == wanted.folder), None) or next(
                (
                    one
                    for one in known
                    if one.uid not in kept and (one.folder in (folder, wanted.folder) or (tag and one.tag == tag))
                ),
                None,
            )
            values = {
                "name": wanted.name,
                "folder": folder,
                "tag": tag,
                "description": wanted.description,
                "hides": wanted.hides,
                "precision": wanted.precision,
                "listed_as": wanted.folder,
            }
            kept.add(_keep(tx, desk, old, values, now))
    else:
        short = {folder.name: last_level(folder.name, folder.delimiter) or folder.name for folder in listed}
        by_folder = {category.folder: category for category in known}
        for folder in sorted(here):
            name = short.get(folder, folder)
            values = {"name": name, "folder": folder, "tag": _tag(desk, name, folder)}
            kept.add(_keep(tx, desk, by_folder.get(folder), values, now))
    for category in mailboxes.categories(tx, desk.mailbox_id):
        paused = _why_paused(desk, category, folders, category.uid in kept)
        if paused != category.paused:
            mailboxes.update_category(tx, desk.mailbox_id, category.uid, paused=paused)
            _tell(desk, category, paused)
    _refuse_same_tags(desk, mailboxes.categories(tx, desk.mailbox_id))


def _keep_lent(tx: Tx, desk: Desk, known: Sequence[Category], lent: Mapping[str, Category], now: datetime) -> set[str]:
    """The lender's categories under the lender's uids, in the folders of this mailbox. Returns the uids."""
    theirs = {one.uid for one in mailboxes.categories(tx, sharing.teacher_of(tx, desk.mailbox_id))}
    for uid, category in lent.items():
        own = next((one for one in known if one.folder == category.folder and one.uid not in theirs), None)
        if own is not None:
            sharing.rename_category(tx, desk.mailbox_id, own.uid, uid)
        old = next((one for one in mailboxes.categories(tx, desk.mailbox_id) if one.uid == uid), None)
        tag = _tag(desk, category.name, category.folder, category.tag or "")
        values = {
            "name": category.name,
            "folder": category.folder,
            "tag": tag,
            "description": category.description,
            "hides": category.hides,
            "precision": category.precision,
            "listed_as": category.listed_as,
        }
        if old is None:
            mailboxes.add_category(tx, desk.mailbox_id, replace(category, tag=tag), now)
        else:
            _keep(tx, desk, old, values, now)
    return set(lent)


def _why_paused(desk: Desk, category: Category, folders: Mapping[str, KnownFolder], kept: bool) -> str | None:
    """Why nothing can be filed into this category; None where it can. `kept`: settings or folders name it."""
    if _tags_alone(desk):
        return None if kept else "the settings no longer list it"
    folder = folders.get(category.folder)
    there = folder is not None and folder.missing_since is None
    if kept and there and folder is not None and folder.role == "category":
        return None
    return "its folder is no longer a category" if there else f'there is no folder "{category.folder}"'


# --- categories that a file of examples names


def make_categories(tx: Tx, desk: Desk, names: Sequence[str]) -> list[Category]:
    """New categories of these names. Nothing is filed into one before the mailbox and the settings have it, too."""
    if (lender := sharing.lender_name(tx, desk.mailbox_id)) is not None:
        fact = f'has the categories of "{lender}", and these are new: {", ".join(names)}.'
        raise SetupWrong(desk.settings.name, fact, f"`postroom learn --from-csv FILE --mailbox {lender}`")
    folders = {folder.name: folder for folder in mailboxes.folders(tx, desk.mailbox_id)}
    within = _all_within(desk, folders)
    made = []
    for name in names:
        place = name if name in folders else f"{within}{name}"
        wanted = Category(uid="", name=name, folder=place, tag=_tag(desk, name, place))
        category = mailboxes.add_category(tx, desk.mailbox_id, wanted, desk.clock())
        paused = _why_paused(desk, category, folders, kept=False)
        mailboxes.update_category(tx, desk.mailbox_id, category.uid, paused=paused)
        made.append(category)
    return made


def _all_within(desk: Desk, folders: Iterable[str]) -> str:
    """What all folders' names begin with where a server keeps them below the inbox ("INBOX."); else nothing."""
    others = [name for name in folders if name != desk.settings.inbox]
    beginnings = (f"{desk.settings.inbox}{delimiter}" for delimiter in "./")
    return next((each for each in beginnings if others and all(name.startswith(each) for name in others)), "")


def unsorted_categories(tx: Tx, desk: Desk) -> dict[str, str]:
    """For every category that nothing can be filed into, by its uid: what it takes, in a sentence."""
    folders = {folder.name: folder for folder in mailboxes.folders(tx, desk.mailbox_id)}
    listed = {category.folder for category in desk.settings.categories}
    found = {}
    for category in mailboxes.categories(tx, desk.mailbox_id):
        if category.paused is None:
            continue
        steps = []
        folder = folders.get(category.folder)
        if (folder is None or folder.missing_since is not None) and not _tags_alone(desk):
            steps.append(f'make the folder "{category.folder}" in the mailbox')
        if listed and category.folder not in listed and category.name not in listed:
            steps.append(f'list it: [[mailbox.category]] with name = "{category.name}"{_folder_line(category)}')
        elif not listed and folder is not None and folder.role != "category":
            steps.append(f'write "{category.folder}" = "category" under [mailbox.roles]')
        if steps:
            found[category.uid] = f"{category.name}: {' and '.join(steps)}."
    return found


def _tags_alone(desk: Desk) -> bool:
    """No folder is needed for a keyword. At Gmail the tag is a label, which is a folder."""
    return desk.settings.act_by == "tag" and bool(desk.settings.categories) and not desk.settings.labels


def _folder_line(category: Category) -> str:
    return "" if category.folder == category.name else f', folder = "{category.folder}"'


def _tag(desk: Desk, name: str, folder: str, given: str = "") -> str | None:
    """How mail of this category is tagged; None where mail is moved."""
    return (given or desk.settings.tag_for(name, folder)) if desk.settings.act_by == "tag" else None


def _refuse_same_tags(desk: Desk, categories: Iterable[Category]) -> None:
    """Two folders whose last level is the same give one tag, and then nobody could tell what a person means by it."""
    by_tag: dict[str, str] = {}
    for category in categories:
        if category.tag is None or category.paused is not None:
            continue
        other = by_tag.setdefault(category.tag.lower(), category.folder)
        if other != category.folder:
            fact = f'the folders "{other}" and "{category.folder}" give the same tag, "{category.tag}".'
            raise SetupWrong(desk.settings.name, fact, "List the categories with [[mailbox.category]], by other names.")


def _keep(tx: Tx, desk: Desk, old: Category | None, values: Mapping[str, object], now: datetime) -> str:
    """Make or update one category; returns its uid."""
    if old is None:
        return mailboxes.add_category(tx, desk.mailbox_id, Category(uid="", **values), now).uid  # type: ignore[arg-type]
    if any(getattr(old, key) != value for key, value in values.items()):
        mailboxes.update_category(tx, desk.mailbox_id, old.uid, **values)
    return old.uid


def _tell(desk: Desk, category: Category, paused: str | None) -> None:
    if paused is not None:
        log.warning("category-paused", mailbox=desk.settings.name, category=category.uid, because=paused)
    else:
        log.info("category-resumed", mailbox=desk.settings.name, category=category.uid)
