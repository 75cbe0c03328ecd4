"""The files of a ticket's first message: named in its list of parts, fetched by the part's number.

RT keeps a mail taken apart, so nothing else of it is fetched. What RT does not give costs the one file; after three RT
is not asked for more within one call, for each may have taken a time-out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from connectors.base import Paper
from connectors.errors import ActionRefused, Unexplained, Unreachable
from connectors.mail.attached_files import (
    NOT_GIVEN,
    ONLY_ITS_BEGINNING,
    AttachedFile,
    NotRead,
    papers_of,
    rank_of,
)
from connectors.mail.headers import split_headers
from connectors.request_tracker.rest2 import Attachment, RequestTrackerApi

MOST_FAILURES = 3


class TicketFiles:
    """For one call of `Connector.fetch`."""

    def __init__(self, rt: RequestTrackerApi) -> None:
        self._rt = rt
        self._failures = 0

    def papers(self, parts: Sequence[Attachment], *, pictures: bool) -> tuple[Paper, ...]:
        """What `Message.papers` wants of these parts. Raises what concerns the login."""
        found: list[AttachedFile] = []
        for one in parts:
            if (rank := rank_of(one.content_type.lower(), split_headers(_header(one))[0], b"")) is not None:
                found.append(AttachedFile(one.filename, rank, partial(self._read, one), one.content_length))
        return papers_of(found, pictures=pictures)

    def _read(self, one: Attachment) -> bytes:
        if self._failures >= MOST_FAILURES:
            raise NotRead(NOT_GIVEN)
        try:
            data = self._rt.file(one.id)
        except (ActionRefused, Unexplained, Unreachable) as error:
            self._failures += 1
            raise NotRead(NOT_GIVEN) from error
        if len(data) < one.content_length:
            raise NotRead(ONLY_ITS_BEGINNING if data else NOT_GIVEN)
        return data


def _header(one: Attachment) -> bytes:
    """The part's own header; what RT knows beside it stands below, where the first of a field counts."""
    name = one.filename.replace("\\", "_").replace('"', "_")
    own = "\n".join(line for line in one.headers.replace("\r\n", "\n").split("\n") if line.strip())
    return f'{own}\ncontent-disposition: attachment; filename="{name}"\n\n'.encode("utf-8", "replace")
