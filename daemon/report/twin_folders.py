"""Folders that may mean the same: for `folders --twins`, `learn`, `status` and the page.

from daemon.report.twin_folders import question, twin_rows
print(question(twin_rows(tx, mailbox)))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from daemon.store import folder_figures, mailboxes, twin_pairs
from daemon.store.counting import counting
from daemon.store.database import Tx
from daemon.store.records import TwinChoice

ASK = "postroom folders --twins"
MOST_NAMED = 3


@dataclass(frozen=True)
class TwinSide:
    """One folder of a pair, with the lessons that people have put into it. `paused`: nothing is filed there now;
    `counts_as`: the folder as which its lessons count."""

    uid: str
    folder: str
    lessons: int
    newest: datetime | None
    paused: bool
    counts_as: str


@dataclass(frozen=True)
class TwinRow:
    """A pair with what people need to decide it. `why`: sentences without a word of mail.

    `lately`: the folder that people use lately, where that is clear; `over`: the other's lessons count as its own.
    `choice`: what a person said, and `into` the folder that stays. `paused`: one of them is not in use now.
    """

    number: int
    sides: tuple[TwinSide, TwinSide]
    why: tuple[str, ...]
    since: datetime
    lately: str | None
    over: bool
    choice: TwinChoice | None
    into: str | None
    chosen: datetime | None
    paused: bool

    @property
    def is_open(self) -> bool:
        """Does it wait for a person's word?"""
        return self.choice is None and not self.paused

    @property
    def stays(self) -> TwinSide:
        """The folder that stays if a person names none: of those in use the one used lately, else the one with the
        newest lesson."""
        sides = [side for side in self.sides if not side.paused] or [*self.sides]
        used = next((side for side in sides if side.folder == self.lately), None)
        return used or max(sides, key=lambda side: side.newest or datetime.min.replace(tzinfo=UTC))

    @property
    def names(self) -> str:
        """Both folders, for a sentence."""
        return " and ".join(f'"{side.folder}"' for side in self.sides)

    @property
    def stands(self) -> str:
        """What becomes of their mail, in a sentence."""
        if self.choice == "differ":
            return "You said that they differ."
        if self.choice is not None:
            return self._said
        if self.paused:
            return "Not asked: one of them is not in use."
        if self.over:
            return (
                f"{self.lately} has taken over: mail of the two goes there, and the other's lessons count as its own, "
                "until you decide or people use the other again."
            )
        if self.lately is not None:
            return f"Until you decide, mail of the two goes to {self.lately}, which people use lately."
        return "Until you decide, mail of the two stays in the inbox."

    @property
    def _said(self) -> str:
        one, other = (side.counts_as for side in self.sides)
        said = "both are one" if self.choice == "merge" else f"new mail goes to {self.into}"
        if one != other:
            paused = next((side.folder for side in self.sides if side.folder == self.into and side.paused), None)
            why = f"{paused} is not in use" if paused is not None else "of one of them you said something else later"
            return f"You said that {said}, but {why}: their lessons do not count as the same."
        if self.choice == "merge":
            return f"You said that both are one: all of it counts as {one}."
        later = f" (all of it counts as {one})" if one != self.into else ""
        return f"You said that new mail goes to {self.into}{later}; what is put into the other teaches nothing."


def twin_rows(tx: Tx, mailbox: int) -> list[TwinRow]:
    """Every pair of one mailbox, the longest known first."""
    pairs = twin_pairs.pairs(tx, mailbox)
    if not pairs:
        return []
    sources = folder_figures.lesson_sources(tx, mailbox)
    known = {category.uid: category for category in mailboxes.categories(tx, mailbox)}
    said = {pair.beside(pair.into) for pair in pairs if pair.into is not None}
    stands = counting(tx, mailbox)
    merged = said & stands.by_category().keys()

    def side(uid: str) -> TwinSide:
        own = sources.get(uid, [])
        newest = max((at for *_, at in own), default=None)
        place = known.get(stands.place(uid), known[uid])
        kept = sum(count for _, count, _ in own)
        return TwinSide(uid, known[uid].folder, kept, newest, known[uid].paused is not None, place.folder)

    return [
        TwinRow(
            pair.id,
            (side(pair.one), side(pair.other)),
            pair.why,
            pair.since,
            known[pair.lately].folder if pair.lately is not None else None,
            pair.over,
            pair.choice,
            known[pair.into].folder if pair.into is not None else None,
            pair.chosen,
            # One that a person has merged into a third is no folder of its own any more.
            any(known[uid].paused is not None or uid in merged for uid in (pair.one, pair.other)),
        )
        for pair in pairs
        if pair.one in known and pair.other in known
    ]


def question(rows: Sequence[TwinRow]) -> str | None:
    """One sentence for people about all pairs that wait for their word; None: none does."""
    waiting = [row for row in rows if row.is_open]
    if not waiting:
        return None
    named = "; ".join(row.names for row in waiting[:MOST_NAMED])
    more = f"; and {len(waiting) - MOST_NAMED} pairs more" if len(waiting) > MOST_NAMED else ""
    mean = " may mean the same" if len(waiting) == 1 else ": the two of each pair may mean the same"
    becomes = {"waits in the inbox" if row.lately is None else "goes where people put it lately" for row in waiting}
    return (
        f"{named}{more}{mean}. "
        f"Their mail {' or '.join(sorted(becomes, reverse=True))} until you decide: `{ASK}` shows how."
    )
