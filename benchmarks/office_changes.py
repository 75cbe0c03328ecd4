"""What housekeeping does to a mailbox: folders are renamed, split, merged, nested and copied, at dates drawn by seed.

    mails by date | for one cut, three changes drawn: one before it, one at it, one after it | each as a function from
    steps to steps  ->  the same mails, each in the folder where that office keeps it, with the copies that people made

Nobody moves old mail along: the archive shows both halves, and not when it happened.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from daemon.rehearsal.back_test import LabelledMail

KINDS = ("rename", "split", "merge", "nest", "copy")
WHENS = ("before", "at", "after")
BEFORE, AFTER = (100, 400), (20, 100)
"""So many mails before or after the cut."""
LARGER = 6
"""The folders with the most mail around the cut, among which changes are drawn."""
AROUND_BEFORE, AROUND_AFTER = 400, 200
LEAST_BEFORE, LEAST_AFTER = 15, 3
"""And with some before it and after it: what has ended is not tidied up."""
COPIED_ALONG = (3, 10)
"""The last mails before a folder is renamed, which people copy to both sides."""
COPIED_SHARE = 0.4
PLACES = ("Plant North", "Plant South", "Branch East", "Harbour Office", "Works Two")
PARENTS = ("Office", "Clients", "Projects", "Team Two", "Archive New")
PARTS = ("North", "Ann", "Orders", "Support", "Internal", "Reports")


@dataclass(frozen=True)
class Step:
    """A mail of the mailbox. `asked`: it comes into the inbox; else somebody lays a copy into its folder. `place`: of
    the archive's mails."""

    mail: LabelledMail
    place: int
    asked: bool = True


@dataclass(frozen=True)
class Change:
    """One piece of housekeeping, from the archive's mail number `at` on. `folders` are touched, `new` are the names
    that the office uses afterwards; `seed`: of what is left to luck."""

    kind: str
    when: str
    at: int
    folders: tuple[str, ...]
    new: tuple[str, ...]
    seed: int = 0


def draw(mails: Sequence[LabelledMail], cut: int, number: int, seed: int) -> list[Change]:
    """The changes around a cut, the earliest first. In ten cuts each kind happens twice before, at and after one.

    `number`: of the cut, from 0.
    """
    turn, place = divmod(number, len(KINDS))
    luck = random.Random(f"{seed} {number}")
    before, after = (
        Counter(mail.folder for mail in part)
        for part in (mails[max(0, cut - AROUND_BEFORE) : cut], mails[cut : cut + AROUND_AFTER])
    )
    lively = Counter({folder: before[folder] + count for folder, count in after.items() if count >= LEAST_AFTER})
    free = [folder for folder, _ in lively.most_common(LARGER) if before[folder] >= LEAST_BEFORE]
    luck.shuffle(free)
    known = {mail.folder for mail in mails}
    changes = []
    for when in WHENS:
        kind = random.Random(f"{seed} {when} {turn}").sample(KINDS, len(KINDS))[place]
        if len(free) < _touched(kind):
            continue
        folders = tuple(free.pop() for _ in range(_touched(kind)))
        at = {"before": cut - luck.randint(*BEFORE), "at": cut, "after": cut + luck.randint(*AFTER)}[when]
        at = min(max(at, 0), len(mails) - 1)
        new = _names(kind, folders, f"{mails[at].at:%Y}", luck, known)
        known.update(new)
        changes.append(Change(kind, when, at, folders, new, luck.randrange(1 << 30)))
    return sorted(changes, key=lambda change: change.at)


def _touched(kind: str) -> int:
    return 2 if kind in ("merge", "copy") else 1


def _names(kind: str, folders: Sequence[str], year: str, luck: random.Random, known: set[str]) -> tuple[str, ...]:
    """As people name them; none that there is already."""
    first, leaf = folders[0], folders[0].rpartition("/")[2]
    if kind == "rename":
        names = [f"{luck.choice(PLACES)} ({first})", f"{year}/{first}", f"{luck.choice(PARENTS)}/{leaf}"]
        wanted = luck.sample(names, 1)
    elif kind == "split":  # two new ones, or a new one beside the old
        wanted = [f"{first} {part}" for part in luck.sample(PARTS, luck.choice((1, 2)))]
    elif kind == "merge":  # into one of them, or a new one
        wanted = [luck.choice((*folders, f"{folders[0]} and {folders[1].rpartition('/')[2]}"))]
        return tuple(wanted)
    elif kind == "nest":
        wanted = [f"{first}/{luck.choice(PARTS)}"]
    else:
        return ()
    return tuple(f"{name} 2" if name in known else name for name in wanted)


def keep_house(mails: Sequence[LabelledMail], changes: Sequence[Change], cut: int) -> list[Step]:
    """The mailbox of an office that does these changes, one after the other, in order of date."""
    steps = [Step(mail, place) for place, mail in enumerate(mails)]
    for change in changes:
        steps = DOERS[change.kind](steps, change, cut)
    return steps


def _rename(steps: Sequence[Step], change: Change, cut: int) -> list[Step]:
    """From now on its mail goes to a new folder; the last few mails are copied there."""
    [old], [new] = change.folders, change.new
    count = random.Random(change.seed).randint(*COPIED_ALONG)
    last = [step for step in steps if step.asked and step.place < change.at and step.mail.folder == old][-count:]
    moved = [_into(step, change, {old: new}) for step in steps]
    return _with_copies(moved, [(step, new) for step in last], change, cut)


def _split(steps: Sequence[Step], change: Change, cut: int) -> list[Step]:  # noqa: ARG001
    """By sender into two new folders, or into a new one beside the old."""
    [old], parts = change.folders, change.new
    rest = parts[1] if len(parts) > 1 else old
    taken = _taken_out(steps, change)
    return [_into(step, change, {old: parts[0] if out else rest}) for step, out in zip(steps, taken, strict=True)]


def _merge(steps: Sequence[Step], change: Change, cut: int) -> list[Step]:  # noqa: ARG001
    """Both go into one."""
    return [_into(step, change, dict.fromkeys(change.folders, change.new[0])) for step in steps]


def _nest(steps: Sequence[Step], change: Change, cut: int) -> list[Step]:  # noqa: ARG001
    """A part of the senders gets a folder of its own below."""
    [old], [below] = change.folders, change.new
    taken = _taken_out(steps, change)
    return [_into(step, change, {old: below} if out else {}) for step, out in zip(steps, taken, strict=True)]


def _copy(steps: Sequence[Step], change: Change, cut: int) -> list[Step]:
    """Some of the first folder's mail is copied into the second, as it comes."""
    first, second = change.folders
    luck = random.Random(change.seed)
    copied = [
        (step, second)
        for step in steps
        if step.asked and step.place >= change.at and step.mail.folder == first and luck.random() < COPIED_SHARE
    ]
    return _with_copies(steps, copied, change, cut)


DOERS: dict[str, Callable[[Sequence[Step], Change, int], list[Step]]] = {
    "rename": _rename,
    "split": _split,
    "merge": _merge,
    "nest": _nest,
    "copy": _copy,
}


def _into(step: Step, change: Change, goes: dict[str, str]) -> Step:
    if step.place < change.at or step.mail.folder not in goes:
        return step
    return replace(step, mail=replace(step.mail, folder=goes[step.mail.folder]))


def _taken_out(steps: Sequence[Step], change: Change) -> list[bool]:
    """Which mails are of the folder's most frequent senders, with up to half of its mail around the change; one sender
    at least. A thread stays together: it is its first sender's."""
    [folder] = change.folders
    senders = _beginners(steps)
    near = Counter(
        sender
        for step, sender in zip(steps, senders, strict=True)
        if step.mail.folder == folder and change.at - AROUND_BEFORE <= step.place < change.at + AROUND_AFTER
    )
    chosen: set[str] = set()
    room = near.total() / 2
    for sender, count in sorted(near.items(), key=lambda one: (-one[1], one[0])):
        if count <= room or not chosen:
            chosen.add(sender)
            room -= count
    return [sender in chosen for sender in senders]


def _beginners(steps: Sequence[Step]) -> list[str]:
    """Of each mail, who began its thread as far as the archive tells."""
    began: dict[str, str] = {}
    found = []
    for step in steps:
        mail = step.mail
        sender = next((began[one] for one in mail.references if one in began), mail.text.sender)
        for one in (*mail.references, *filter(None, [mail.message_id])):
            began.setdefault(one, sender)
        found.append(sender)
    return found


def _with_copies(steps: Sequence[Step], copies: Sequence[tuple[Step, str]], change: Change, cut: int) -> list[Step]:
    """With a copy of each of these in that folder: right behind the mail, for all of it is found in the folders at the
    cut; or at the change, where that happens later and the mail had come before."""
    when = {step.place: step.mail.at for step in steps}
    behind: dict[int, list[Step]] = {}
    for step, folder in copies:
        late = step.place < change.at and change.at > cut
        place = change.at - 1 if late else step.place
        behind.setdefault(place, []).append(Step(copy_of(step.mail, folder, when[place]), place, asked=False))
    found: list[Step] = []
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        found.append(step)
        if following is None or following.place != step.place:
            found += behind.get(step.place, [])
    return found


def copy_of(mail: LabelledMail, folder: str, at: datetime) -> LabelledMail:
    """The mail once more, made at this time, a message of its own with a line end more: both lessons count, as of mail
    that reached two of an office's addresses."""
    text = replace(mail.text, body=f"{mail.text.body}\n")
    return replace(mail, folder=folder, text=text, at=at + timedelta(seconds=1), message_id=None)
