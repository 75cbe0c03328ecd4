"""Request Tracker 5's REST2, one question a function: records in, `connectors.errors` out. It decides nothing.

The traps, all seen on 5.0.3:
- A change that RT did not make is answered with 200 and a sentence. Only reading back proves a change.
- A merged ticket's number answers with the ticket that it was merged into; a search leaves merged and deleted ones out.
- `total` is null where RT would have to check rights one by one, so a short page is the only sign of the end.
- Pages count what the search finds now: tickets that leave while we read would shift the rest. So each page asks for
  ids above (or below) the last one instead.
- AND beside OR without brackets finds nothing, and no error says so.
- Asking for an attachment's Parent answers 500.
- Web servers that compress rename the ETag, and RT then refuses every change: we ask for uncompressed answers.
Source: RT::REST2 and lib/RT/REST2/ of 5.0.3.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal

from connectors.errors import LoginRefused, Unexplained
from connectors.http import Answer, HttpApi
from connectors.request_tracker.history import FieldChange, QueueChange

PAGE = 100
"""RT's own limit."""
LARGEST_FILE_ANSWER = 48 * 1024 * 1024
"""Bytes: a file of 32 MiB in base64, in JSON."""
MOST_AT_ONCE = 2000
"""The rest waits for the next look. More than a look goes back, or it would never get on."""

T = TypeVar("T")
# RT leaves "" where a list or number is missing, and sends most numbers as strings.
ListOf = Annotated[list[T], BeforeValidator(lambda value: value or [])]
Count = Annotated[int, BeforeValidator(lambda value: value or 0)]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


class Record(BaseModel):
    """What RT sends, as far as we read it. Fields are in Pascal case there, but not all."""

    model_config = ConfigDict(alias_generator=to_pascal, frozen=True)


class User(Record):
    """A user as others see it."""

    name: str = Field(alias="id")
    real_name: Text = ""
    email_address: Text = ""

    def __str__(self) -> str:
        address = self.email_address or self.name
        return f"{self.real_name} <{address}>" if self.real_name else address


class Queue(Record):
    """A queue; its name only in lists of queues."""

    id: int = Field(alias="id")
    name: str = ""


class CustomField(Record):
    """A custom field with its values on one ticket."""

    id: Count = Field(alias="id", default=0)
    name: str = Field(alias="name")
    values: list[Any] = Field(alias="values")


class Ticket(Record):
    """One ticket. `requestors` is empty for tickets without one."""

    id: int = Field(alias="id")
    queue: Queue
    status: str
    created: AwareDatetime
    creator: User
    subject: Text = ""
    requestors: ListOf[User] = Field(alias="Requestor", default=[])
    custom_fields: ListOf[CustomField] = []

    def values(self, name: str | None) -> frozenset[str] | None:
        """The values of one custom field; None if this queue's tickets don't have it."""
        return next((frozenset(map(str, one.values)) for one in self.custom_fields if one.name == name), None)

    def field_number(self, name: str | None) -> int | None:
        """The number of one custom field, by which history names it."""
        return next((one.id for one in self.custom_fields if one.name == name), None)


class Attachment(Record):
    """One MIME part of a transaction, without its content."""

    id: int = Field(alias="id")
    transaction_id: int
    content_type: Text = ""
    content_length: Count = 0
    filename: Text = ""
    headers: Text = ""


class Transaction(Record):
    """One line of a ticket's history."""

    id: int = Field(alias="id")
    type: str
    object_id: int
    old_value: Text = ""
    new_value: Text = ""
    creator: User
    created: AwareDatetime
    field: Text = ""

    def field_change(self) -> FieldChange | None:
        """None for a line about something else than a custom field."""
        number = _last_number(self.field)
        if self.type != "CustomField" or number is None:
            return None
        return FieldChange(self.id, self.object_id, number, self.creator.name)

    def queue_change(self) -> QueueChange | None:
        """None for the line that a merge writes to the ticket that survives it, and for one about a custom field."""
        old = new = None
        if self.type == "CustomField":
            return None
        if self.type == "Set":
            old, new = _last_number(self.old_value), _last_number(self.new_value)
        elif self.type == "AddLink" and _last_number(self.new_value) == self.object_id:
            return None
        return QueueChange(self.id, self.object_id, old, new, self.creator.name, self.created)


def _last_number(value: str) -> int | None:
    """A queue's id, or the ticket in a link like fsck.com-rt://office.test/ticket/7."""
    found = re.search(r"[0-9]+$", value)
    return int(found.group()) if found else None


R = TypeVar("R", bound=Record)

_TICKET_FIELDS = {
    "fields": "Subject,Queue,Status,Created,Creator,Requestor,CustomFields",
    "fields[Requestor]": "EmailAddress,RealName",
}
# People who delete or merge a ticket take it out of its queue as well.
_LEFT_A_QUEUE = (
    "ObjectType = 'RT::Ticket' AND ((Type = 'Set' AND Field = 'Queue')"
    " OR (Type = 'Status' AND NewValue = 'deleted') OR (Type = 'AddLink' AND Field = 'MergedInto'))"
)


_MOVE_FIELDS = {"fields": "Type,ObjectId,OldValue,NewValue,Creator,Created,Field"}
_TAGGED = "(ObjectType = 'RT::Ticket' AND Type = 'CustomField')"


def _moved_into(queue: int) -> str:
    return f"ObjectType = 'RT::Ticket' AND Type = 'Set' AND Field = 'Queue' AND NewValue = '{queue}'"


def _quoted(text: str) -> str:
    """A text between the quotes of a query."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def login_headers(place: str, user: str | None, secret: str) -> dict[str, str]:
    """Basic login for a user with password, else RT's token. Raises LoginRefused for what no header can carry.

    httpx would refuse it too, but its message holds the secret.
    """
    if user is not None:
        pair = base64.b64encode(f"{user}:{secret}".encode()).decode("ascii")
        return {"Authorization": f"Basic {pair}"}
    if not re.fullmatch(r"[!-~]+", secret):
        raise LoginRefused(place, "The token is empty or holds characters that no RT token has.")
    return {"Authorization": f"token {secret}"}


class RequestTrackerApi:
    """One login to one RT. `secret` is asked for when a connection is opened; a line end from a file is dropped."""

    def __init__(
        self, place: str, url: str, user: str | None, secret: Callable[[], str], ca_file: str | None, timeout: float
    ) -> None:
        self.place = place
        self._user = user
        self._ask_secret = secret
        self._http = HttpApi(
            place,
            url.rstrip("/") + "/REST/2.0",
            self._headers,
            ca_file=ca_file,
            timeout=timeout,
        )

    def _headers(self) -> dict[str, str]:
        return dict(login_headers(self.place, self._user, self._secret()))

    def _secret(self) -> str:
        return self._ask_secret().strip("\r\n")

    def break_off(self) -> None:
        """See `Connector.break_off`."""
        self._http.break_off()

    def close(self) -> None:
        """Drop the connection and the secret. Never raises."""
        self._http.close()

    def own_name(self) -> str:
        """Our user's name as transactions name their creator. A token holds its user's number: 1-27-9f86d0..."""
        key = self._user or "".join(self._secret().split("-")[1:2]) or "0"
        name = self._get(f"/user/{quote(key, safe='')}", expected={404}).body
        known = name.get("Name") if isinstance(name, dict) else None
        if known is None and self._user is None:
            raise LoginRefused(self.place, "RT does not tell whose token this is.")
        return str(known or self._user)

    def queues(self) -> dict[str, int]:
        """The enabled queues that we may see: name -> id."""
        found: dict[str, int] = {}
        page = 1
        while items := self._page("/queues/all", Queue, {"fields": "Name", "page": page}):
            found |= {queue.name: queue.id for queue in items}
            if len(items) < PAGE:
                break
            page += 1
        return found

    def ticket(self, number: int) -> tuple[Ticket, str] | None:
        """One ticket and its ETag (the id of its last transaction); None if it is deleted, merged or not for us."""
        answer = self._get(f"/ticket/{number}", expected={403, 404})
        if answer.body is None:
            return None
        ticket, etag = self._read(Ticket, answer.body), answer.headers.get("etag")
        if etag is None:
            raise Unexplained(self.place, "RT sends no ETag, so changes cannot be guarded. Is a proxy in between?")
        return (ticket, etag) if ticket.id == number and ticket.status != "deleted" else None

    def tickets(self, numbers: Iterable[int]) -> Iterator[Ticket]:
        """Those of these tickets that can be read, ascending."""
        wanted = sorted(numbers)
        for start in range(0, len(wanted), PAGE // 2):
            query = " OR ".join(f"id = {number}" for number in wanted[start : start + PAGE // 2])
            yield from self._page("/tickets", Ticket, {"query": query, "orderby": "id", **_TICKET_FIELDS})

    def tickets_above(self, queue: int, number: int) -> Iterator[Ticket]:
        """Tickets of a queue with a higher number, ascending, at most MOST_AT_ONCE."""
        question = ("/tickets", Ticket, f"Queue = {queue}", _TICKET_FIELDS)
        return self._by_id(*question, order="ASC", start=number, limit=MOST_AT_ONCE)

    def newest_tickets(self, queue: int, limit: int) -> Iterator[Ticket]:
        """Tickets of a queue, highest number first."""
        return self._by_id(
            "/tickets", Ticket, f"Queue = {queue}", _TICKET_FIELDS, order="DESC", start=None, limit=limit
        )

    def changes_above(self, number: int, *, fields: bool = False) -> Iterator[Transaction]:
        """Transactions that took a ticket out of a queue, any ticket's, ascending, at most MOST_AT_ONCE. `fields`: and
        those that changed a custom field."""
        query = f"({_LEFT_A_QUEUE}) OR {_TAGGED}" if fields else _LEFT_A_QUEUE
        question = ("/transactions", Transaction, query, _MOVE_FIELDS)
        return self._by_id(*question, order="ASC", start=number, limit=MOST_AT_ONCE)

    def moves_into(self, queue: int, not_by: str) -> Iterator[Transaction]:
        """Transactions that put a ticket into this queue, by anybody else, newest first, at most MOST_AT_ONCE."""
        query = f"{_moved_into(queue)} AND Creator != '{_quoted(not_by)}'"
        return self._by_id(
            "/transactions", Transaction, query, _MOVE_FIELDS, order="DESC", start=None, limit=MOST_AT_ONCE
        )

    def moves_of(self, tickets: Iterable[int], queue: int) -> Iterator[Transaction]:
        """Transactions that put one of these tickets into this queue, whoever did it, ascending."""
        which = " OR ".join(f"ObjectId = {number}" for number in sorted(tickets))
        question = ("/transactions", Transaction, f"{_moved_into(queue)} AND ({which})", _MOVE_FIELDS)
        return self._by_id(*question, order="ASC", start=0, limit=MOST_AT_ONCE)

    def field_changes(self, tickets: Iterable[int]) -> Iterator[Transaction]:
        """Transactions that changed a custom field of one of these tickets, whoever did it, ascending."""
        which = " OR ".join(f"ObjectId = {number}" for number in sorted(tickets))
        question = ("/transactions", Transaction, f"{_TAGGED} AND ({which})", _MOVE_FIELDS)
        return self._by_id(*question, order="ASC", start=0, limit=MOST_AT_ONCE)

    def tagged_tickets(self, queue: int, field: str, tag: str, limit: int) -> Iterator[Ticket]:
        """Tickets of a queue with this value in a custom field, highest number first."""
        query = f"Queue = {queue} AND 'CF.{{{_quoted(field)}}}' = '{_quoted(tag)}'"
        return self._by_id("/tickets", Ticket, query, _TICKET_FIELDS, order="DESC", start=None, limit=limit)

    def last_change(self) -> int:
        """The id of the newest of those transactions; 0 if there is none."""
        fields = {"fields": "Type,ObjectId,Creator,Created"}
        question = ("/transactions", Transaction, _LEFT_A_QUEUE, fields)
        return next((one.id for one in self._by_id(*question, order="DESC", start=None, limit=1)), 0)

    def attachments(self, ticket: int) -> list[Attachment]:
        """A ticket's first attachments, as many as fit a page."""
        fields = "ContentType,ContentLength,Filename,TransactionId,Headers"
        return self._page(f"/ticket/{ticket}/attachments", Attachment, {"fields": fields})

    def text(self, attachment: int) -> str:
        """The content of a text part; RT stores text as UTF-8 whatever the mail said. Empty if it is not for us."""
        return self._content(attachment).decode("utf-8", "replace")

    def file(self, attachment: int) -> bytes:
        """The content of any part, as it is. Empty if it is not for us."""
        return self._content(attachment, LARGEST_FILE_ANSWER)

    def _content(self, attachment: int, most: int | None = None) -> bytes:
        body = self._http.get(f"/attachment/{attachment}", expected={403, 404}, most=most).body
        content = body.get("Content") if isinstance(body, dict) else ""
        try:
            return base64.b64decode(content or "")
        except (ValueError, TypeError) as error:
            raise Unexplained(self.place, f"Attachment {attachment} is not base64.") from error

    def change(self, ticket: int, etag: str, body: Mapping[str, object]) -> tuple[int, str]:
        """Change a ticket if nobody did since `etag`: 200, 404 or 412, and what RT says, which proves nothing."""
        answer = self._http.send("PUT", f"/ticket/{ticket}", body, {"If-Match": etag}, expected={404, 412})
        said = answer.body if isinstance(answer.body, list) else []
        return answer.status, "; ".join(map(str, said))[:300]

    def _by_id(
        self,
        path: str,
        kind: type[R],
        query: str,
        fields: Mapping[str, str],
        *,
        order: Literal["ASC", "DESC"],
        start: int | None,
        limit: int,
    ) -> Iterator[R]:
        """All that a search finds, by id from `start` (exclusive) up or down, page by page."""
        while limit > 0:
            beyond = "" if start is None else f" AND id {'>' if order == 'ASC' else '<'} {start}"
            size = min(limit, PAGE)
            items = self._page(
                path, kind, {"query": f"({query}){beyond}", "orderby": "id", "order": order, "per_page": size, **fields}
            )
            yield from items
            if len(items) < size:
                return
            limit -= len(items)
            start = items[-1].id  # type: ignore[attr-defined]

    def _page(self, path: str, kind: type[R], params: Mapping[str, str | int]) -> list[R]:
        body = self._get(path, {"per_page": PAGE, **params}).body
        items = body.get("items") if isinstance(body, dict) else None
        if not isinstance(items, list):
            raise Unexplained(self.place, f"RT's answer to {path} is not a list.")
        return [self._read(kind, item) for item in items]

    def _get(self, path: str, params: Mapping[str, str | int] | None = None, expected: Iterable[int] = ()) -> Answer:
        return self._http.get(path, params, expected=frozenset(expected))

    def _read(self, kind: type[R], item: object) -> R:
        try:
            return kind.model_validate(item)
        except ValidationError as error:
            # Its values may be somebody's mail: name the fields only.
            fields = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
            raise Unexplained(self.place, f"RT sent a {kind.__name__.lower()} that we cannot read: {fields}.") from None
