"""Request Tracker 5 as a mailbox: queues are folders, tickets are messages, their first text is the mail.

    changes   queues | new tickets of the inbox | one query for what people moved | sightings | cursor
    history   who moved a queue's tickets there | people's, then what was created there | not ours, not automation's
    apply     queues | ticket, still there? | note | change unless somebody was faster (ETag) | read back

A ticket keeps its number for life, so `MessageRef(queue, 0, ticket)` needs no epoch. RT names who changed a queue, so a
correction comes with its author; what we and the office's automation changed is no correction.

Our user needs the rights SeeQueue, ShowTicket and ModifyTicket in all queues that are sorted, CreateTicket in those
that tickets are moved to, and for tags SeeCustomField and ModifyCustomField.

A tag is a value of one custom field, and RT names who changed it. A field for a single value that holds somebody's is
left to them.

Limits. A ticket that comes back from "deleted" is seen when it is moved next. RT checks the ETag and
then changes the ticket, not in one step: a person within those milliseconds is noticed by reading back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice

from connectors.base import (
    Action,
    Capabilities,
    Changes,
    Connector,
    Folder,
    Identity,
    Mark,
    Message,
    MessageRef,
    Move,
    Note,
    Progress,
    Recovered,
    Sighting,
    Tagged,
    Unfinished,
    Watch,
    is_touched,
    refs_by_folder,
)
from connectors.errors import ActionRefused, FolderMissing, MessageGone, MessageTouched, SetupWrong, Unexplained
from connectors.mail.headers import split_headers
from connectors.mail.mime import parse
from connectors.mail.own_words import says_little
from connectors.request_tracker.history import (
    CHANGES_BACK,
    TICKETS_BACK,
    Cursor,
    HighWater,
    TicketMove,
    is_person,
    last_changes,
    last_taggers,
    others_moves,
    vanished_refs,
)
from connectors.request_tracker.rest2 import MOST_AT_ONCE, PAGE, Attachment, RequestTrackerApi, Ticket, Transaction
from connectors.request_tracker.ticket_files import TicketFiles
from connectors.said import quoted

LARGEST_TEXT = 2 * 1024 * 1024
"""Bytes. A ticket with a larger first text is left to people."""
TOO_LARGE: frozenset[Mark] = frozenset({"truncated"})
DONE = frozenset({"resolved", "rejected"})


@dataclass(frozen=True)
class RequestTrackerAccount:
    """One RT and the queue that is its inbox. With `user`, `secret` gives a password, else RT's token for our own user.

    `tag_field` names the custom field that holds tags; None: no tags. `ignore_users` are the office's automation: their
    moves teach nothing. `ca_file` is the office's own CA, trusted alone. `timeout` is in seconds.
    """

    name: str
    url: str
    secret: Callable[[], str] = field(repr=False)
    inbox: str
    user: str | None = None
    ca_file: str | None = None
    timeout: float = 30.0
    tag_field: str | None = None
    ignore_users: frozenset[str] = frozenset()


class RequestTrackerConnector(Connector):
    """One RT queue as a mailbox. Raises SetupWrong at once for a url that would send the secret unprotected."""

    def __init__(self, account: RequestTrackerAccount) -> None:
        self.name = account.name
        self._account = account
        self._place = f"{account.name} ({account.url})"
        self._rt = RequestTrackerApi(
            self._place, account.url, account.user, account.secret, account.ca_file, account.timeout
        )
        self._own_name: str | None = None

    def capabilities(self) -> Capabilities:
        """Log in and look for the inbox. Raises LoginRefused or SetupWrong."""
        self._inbox_in(self._rt.queues())
        tag_field = self._account.tag_field
        return Capabilities(
            tags=tag_field is not None,
            notes=(
                f'logged in as "{self._whoami()}"; corrections are moves by anybody else',
                "moves by changing the queue, guarded by the ticket's ETag",
                f'tags are values of "{tag_field}"; corrections are changes by anybody else'
                if tag_field
                else "no tags: queues only",
            ),
        )

    def folders(self) -> list[Folder]:
        queues = self._rt.queues()
        return [Folder(name, delimiter=None, object_id=f"queue:{queues[name]}") for name in sorted(queues)]

    def break_off(self) -> None:
        self._rt.break_off()

    def close(self) -> None:
        self._own_name = None
        self._rt.close()

    # Looking

    def changes(self, cursor: str | None, watch: Watch) -> Changes:
        queues = self._rt.queues()
        inbox = self._inbox_in(queues, watch.inbox)
        missing = tuple(sorted(watch.known.keys() - queues.keys()))
        before = Cursor.load(cursor)
        if before is None:
            return self._first_look(inbox, watch, missing)
        # Moves are asked for after tickets: one that happens in between is in the second answer.
        tickets = list(self._rt.tickets_above(inbox, before.tickets.start(TICKETS_BACK)))
        tagging = bool(watch.tags) and self._account.tag_field is not None
        lines = list(self._rt.changes_above(before.changes.start(CHANGES_BACK), fields=tagging))
        steps = [step for line in lines if line.id not in before.changes.recent and (step := line.queue_change())]
        moves = others_moves(steps, self._whoami(), self._account.ignore_users)
        names = {number: name for name, number in queues.items()}
        moved = list(self._moved_tickets(moves, names, watch))
        gone = {move.ticket for move in moves if names.get(move.queue or 0) != watch.inbox}
        not_new = before.tickets.recent.union(gone, (one.ref.uid for one in moved))
        new = [self._sighting(ticket, watch.inbox) for ticket in tickets if ticket.id not in not_new]
        after = Cursor(
            before.tickets.advance((one.id for one in tickets), TICKETS_BACK, also=(one.ref.uid for one in moved)),
            before.changes.advance((line.id for line in lines), CHANGES_BACK),
        )
        fresh = [line for line in lines if line.id not in before.changes.recent]
        tagged = tuple(self._tagged(fresh, inbox, watch)) if tagging else ()
        vanished = vanished_refs(moves, names, watch)
        return Changes(after.dump(), (*new, *moved), vanished, missing=missing, tagged=tagged)

    def _tagged(self, lines: Sequence[Transaction], inbox: int, watch: Watch) -> Iterator[Tagged]:
        """How the tags stand on the known tickets of the inbox whose fields changed, or on all of them."""
        known = watch.known.get(watch.inbox, frozenset())
        changes = [change for line in lines if (change := line.field_change()) and change.ticket in known]
        wanted = sorted(known)[-MOST_AT_ONCE:] if watch.every_tag else {change.ticket for change in changes}
        name = self._account.tag_field
        tickets = [ticket for ticket in self._rt.tickets(wanted) if ticket.queue.id == inbox]
        fields = {ticket.id: number for ticket in tickets if (number := ticket.field_number(name)) is not None}
        taggers = last_taggers(changes, fields)
        for ticket in tickets:
            by = taggers.get(ticket.id)
            person = by is not None and is_person(by, self._whoami(), self._account.ignore_users)
            ref = MessageRef(watch.inbox, 0, ticket.id)
            tags = ticket.values(name) or frozenset()
            yield Tagged(ref, tags, by if person else None, by_program=by is not None and not person)

    def _first_look(self, inbox: int, watch: Watch, missing: tuple[str, ...]) -> Changes:
        # The mark of the moves is set first: a move during the look is then reported by the next one.
        last = HighWater(self._rt.last_change())
        lines = self._rt.changes_above(last.start(CHANGES_BACK))
        changes = last.advance((line.id for line in lines), CHANGES_BACK)
        tickets = list(self._rt.newest_tickets(inbox, max(watch.first_look, TICKETS_BACK)))
        mark = HighWater().advance((ticket.id for ticket in tickets), TICKETS_BACK)
        arrived = [self._sighting(ticket, watch.inbox) for ticket in reversed(tickets[: watch.first_look])]
        return Changes(Cursor(mark, changes).dump(), tuple(arrived), missing=missing)

    def _moved_tickets(self, moves: Sequence[TicketMove], names: Mapping[int, str], watch: Watch) -> Iterator[Sighting]:
        """Tickets where people put them, and what automation put into the inbox: that is new mail.

        One that can no longer be read is left out: merged, deleted or hidden.
        """
        wanted: dict[int, tuple[str, TicketMove]] = {}
        for move in moves:
            folder = names.get(move.queue or 0, "")
            if folder == watch.inbox or (folder in watch.known and move.by is not None):
                wanted[move.ticket] = (folder, move)
        for ticket in self._rt.tickets(wanted):
            folder, move = wanted[ticket.id]
            yield self._sighting(ticket, folder, by=move.by, at=move.at)

    def newest(self, folder: str, limit: int) -> list[Sighting]:
        queue = self._queue_in(self._rt.queues(), folder)
        return [self._sighting(ticket, folder) for ticket in self._rt.newest_tickets(queue, limit)]

    def filed_by_people(self, folder: str, limit: int) -> list[Sighting]:
        """First what people moved into this queue, then what was created there; never what we or automation moved."""
        queue = self._queue_in(self._rt.queues(), folder)
        found: list[Sighting] = []
        numbers = self._candidates(queue)
        while len(found) < limit and (some := list(islice(numbers, PAGE // 2))):
            found += self._theirs(some, queue, folder)
        return found[:limit]

    def _candidates(self, queue: int) -> Iterator[int]:
        """Numbers of tickets that may lie in this queue by a person's will, each once."""
        met: set[int] = set()
        moved = (line.object_id for line in self._rt.moves_into(queue, self._whoami()))
        created = (ticket.id for ticket in self._rt.newest_tickets(queue, MOST_AT_ONCE))
        for number in chain(moved, created):
            if number not in met:
                met.add(number)
                yield number

    def _theirs(self, numbers: Sequence[int], queue: int, folder: str) -> Iterator[Sighting]:
        """Those of these tickets that lie in the queue and were not put there by us or by automation last."""
        lines = self._rt.moves_of(numbers, queue)
        moves = last_changes(change for line in lines if (change := line.queue_change()))
        tickets = {ticket.id: ticket for ticket in self._rt.tickets(numbers) if ticket.queue.id == queue}
        for number in numbers:
            move = moves.get(number)
            if number not in tickets:
                continue
            if move is None:
                yield self._sighting(tickets[number], folder)
            elif is_person(move.by, self._whoami(), self._account.ignore_users):
                yield self._sighting(tickets[number], folder, by=move.by, at=move.at)

    def tagged_by_people(self, folder: str, tag: str, limit: int) -> list[Sighting]:
        """Never what we or automation tagged. Raises FolderMissing."""
        queue, name = self._queue_in(self._rt.queues(), folder), self._account.tag_field
        if name is None:
            return []
        found: list[Sighting] = []
        tickets = self._rt.tagged_tickets(queue, name, tag, MOST_AT_ONCE)
        while len(found) < limit and (some := list(islice(tickets, PAGE // 2))):
            fields = {ticket.id: number for ticket in some if (number := ticket.field_number(name)) is not None}
            lines = [line for line in self._rt.field_changes(fields) if line.new_value == tag] if fields else []
            taggers = last_taggers((change for line in lines if (change := line.field_change())), fields)
            for ticket in some:
                by = taggers.get(ticket.id)
                if by is None or is_person(by, self._whoami(), self._account.ignore_users):
                    found.append(self._sighting(ticket, folder, by=by))
        return found[:limit]

    def fetch(self, refs: Sequence[MessageRef], *, papers: bool = False, pictures: bool = False) -> Iterator[Message]:
        queues = self._rt.queues() if refs else {}
        files = TicketFiles(self._rt)
        for (folder, _), numbers in refs_by_folder(refs).items():
            for ticket in self._rt.tickets(numbers):
                if ticket.queue.id != queues.get(folder):
                    continue
                message, parts = self._message(ticket, folder)
                if papers and says_little(message.text):
                    yield replace(message, papers=files.papers(parts, pictures=pictures))
                else:
                    yield message

    def _message(self, ticket: Ticket, folder: str) -> tuple[Message, list[Attachment]]:
        """The message without its files, and their names."""
        part, files, headers = first_mail(self._rt.attachments(ticket.id))
        too_large = part is not None and part.content_length > LARGEST_TEXT
        text = self._rt.text(part.id) if part is not None and not too_large else ""
        parsed = parse(as_mail(headers, part.content_type if part else "text/plain", text))
        said = replace(
            parsed.text,
            sender=str(ticket.requestors[0] if ticket.requestors else ticket.creator),
            subject=ticket.subject,
            attachments=tuple(f"{file.filename} ({file.content_type})" for file in files),
        )
        marks = parsed.marks | TOO_LARGE if too_large else parsed.marks
        senders = parsed.senders | {str(requestor).lower() for requestor in ticket.requestors}
        return Message(self._sighting(ticket, folder), said, marks, senders, parsed.recipients), files

    # Acting

    def apply(
        self,
        ref: MessageRef,
        identity: Identity,
        action: Action,
        note: Note,
        unless: frozenset[str] = frozenset(),
    ) -> MessageRef:
        queues = self._rt.queues()
        ticket, etag = self._lying_at(ref, identity, queues)
        if is_touched(self._flags(ticket), unless):
            raise MessageTouched(self._place, f"Somebody answered, closed or tagged ticket {ref.uid}.")
        change = self._change(ref, ticket, action, queues)
        if self._is_done(ticket, action, queues):
            return ref
        note(Progress("moving" if isinstance(action, Move) else "tagging"))
        status, said = self._rt.change(ref.uid, etag, change)
        if status != 200:
            self._lying_at(ref, identity, queues)  # raises MessageGone if that is why
            raise ActionRefused(self._place, f"Ticket {ref.uid} was changed by somebody at the same moment.")
        after = self._rt.ticket(ref.uid)
        if after is not None and self._is_done(after[0], action, queues):
            return MessageRef(action.folder, 0, ref.uid) if isinstance(action, Move) else ref
        if after is not None and after[0].queue.id == ticket.queue.id:
            raise ActionRefused(self._place, f"RT left ticket {ref.uid} as it was{quoted(said)}.")
        raise Unexplained(self._place, f"Ticket {ref.uid} went elsewhere while we changed it.")

    def _change(self, ref: MessageRef, ticket: Ticket, action: Action, queues: Mapping[str, int]) -> dict[str, object]:
        """What to tell RT. Raises FolderMissing and ActionRefused for what RT would not do."""
        if isinstance(action, Move):
            return {"Queue": str(self._queue_in(queues, action.folder))}
        name = self._account.tag_field
        present = ticket.values(name)
        if name is None or present is None:
            lacks = f'no custom field "{name}"' if name else "no field for tags"
            raise ActionRefused(self._place, f'Queue "{ref.folder}" has {lacks}.', "Correct `tag_field`.")
        # What people wrote comes first: a field for a single value keeps the first of a list.
        return {"CustomFields": {name: [*sorted(present - action.add - action.remove), *sorted(action.add)]}}

    def _is_done(self, ticket: Ticket, action: Action, queues: Mapping[str, int]) -> bool:
        if isinstance(action, Move):
            return ticket.queue.id == queues.get(action.folder)
        present = ticket.values(self._account.tag_field) or frozenset()
        return action.add <= present and not action.remove & present

    def recover(self, unfinished: Unfinished) -> Recovered:
        """Only look: a change is one step in RT, so there is nothing to finish."""
        ref = unfinished.ref
        queues = self._rt.queues()
        found = self._rt.ticket(ref.uid) if self._is(unfinished.identity, ref) else None
        if found is None:
            return Recovered("explained", None, f"Ticket {ref.uid} was deleted, merged or hidden by somebody.")
        folder = next((name for name, number in queues.items() if number == found[0].queue.id), None)
        here = MessageRef(folder, 0, ref.uid) if folder is not None else None
        if self._is_done(found[0], unfinished.action, queues):
            return Recovered("done", here, "RT had made the change.")
        if folder == ref.folder:
            return Recovered("undone", here, "RT had not made the change.")
        return Recovered(
            "explained", here, f'Somebody moved ticket {ref.uid} to "{folder or "a queue hidden from us"}".'
        )

    # Small questions

    def _whoami(self) -> str:
        if self._own_name is None:
            self._own_name = self._rt.own_name()
        return self._own_name

    def _inbox_in(self, queues: Mapping[str, int], inbox: str | None = None) -> int:
        inbox = inbox or self._account.inbox
        if inbox not in queues:
            raise SetupWrong(self._place, f'There is no queue "{inbox}" that our user may see.')
        return queues[inbox]

    def _queue_in(self, queues: Mapping[str, int], folder: str) -> int:
        if folder not in queues:
            raise FolderMissing(self._place, f'There is no queue "{folder}" that our user may see.')
        return queues[folder]

    def _lying_at(self, ref: MessageRef, identity: Identity, queues: Mapping[str, int]) -> tuple[Ticket, str]:
        """The ticket with its ETag. Raises MessageGone if it is not in that queue, or not that ticket."""
        found = self._rt.ticket(ref.uid) if self._is(identity, ref) else None
        if found is None or found[0].queue.id != queues.get(ref.folder):
            raise MessageGone(self._place, f'Ticket {ref.uid} is no longer in "{ref.folder}".')
        return found

    def _identity(self, number: int) -> Identity:
        # A ticket is its number: subject, requestor and dates may all be edited.
        digest = hashlib.sha256(f"{self._account.url.rstrip('/')}/ticket/{number}".encode()).hexdigest()
        return Identity(f"ticket:{number}", None, digest)

    def _is(self, identity: Identity, ref: MessageRef) -> bool:
        own = self._identity(ref.uid)
        return own.object_id == identity.object_id if identity.object_id else own.digest == identity.digest

    def _sighting(self, ticket: Ticket, folder: str, by: str | None = None, at: datetime | None = None) -> Sighting:
        ref = MessageRef(folder, 0, ticket.id)
        return Sighting(ref, self._identity(ticket.id), self._flags(ticket), arrived=ticket.created, by=by, at=at)

    def _flags(self, ticket: Ticket) -> frozenset[str]:
        tags = ticket.values(self._account.tag_field) or frozenset()
        return tags | {"\\Answered"} if ticket.status in DONE else tags


def first_mail(attachments: Sequence[Attachment]) -> tuple[Attachment | None, list[Attachment], str]:
    """Of a ticket's parts: the text of its first transaction (plain before HTML), the files, and the mail's headers."""
    if not attachments:
        return None, [], ""
    first = min(part.transaction_id for part in attachments)
    parts = sorted((part for part in attachments if part.transaction_id == first), key=lambda part: part.id)
    texts = [
        part
        for kind in ("text/plain", "text/html")
        for part in parts
        if part.content_type == kind and not part.filename
    ]
    return next(iter(texts), None), [part for part in parts if part.filename], parts[0].headers


def as_mail(headers: str, content_type: str, text: str) -> bytes:
    """The mail that a ticket was, with `text` as its only part, so that it is read just like any mail."""
    kept = [
        name.encode() + b": " + value
        for name, value in split_headers(headers.encode("utf-8", "replace"))[0].fields
        if not name.startswith("content-")
    ]
    kept.append(f"content-type: {content_type}; charset=utf-8".encode())
    kept.append(b"content-transfer-encoding: 8bit")
    return b"\n".join(kept) + b"\n\n" + text.encode("utf-8", "replace")
