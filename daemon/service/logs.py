"""Logs: one event per message, outcome in a field; never a subject, an address or a body.

    event + bound context | withhold mail | exception in words | render for journald, a terminal or a collector

The rule about mail is enforced here, not remembered everywhere: keys that carry mail are dropped, values that are not
plain are reduced to their type, and the text of a foreign exception is withheld, since a parser's or a database's error
often quotes what it choked on. Tests set POSTROOM_STRICT_LOGS=1: then a key that carries mail raises.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import PurePath
from types import TracebackType
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from connectors.errors import ConnectorError
from connectors.printable import printable, raw_of
from daemon.mistakes import PostroomError
from daemon.settings import LogSettings

MAIL_KEYS = frozenset(
    {"subject", "sender", "from", "from_", "to", "cc", "bcc", "recipient", "address", "body", "text", "html", "snippet"}
)
PLAIN = (str, int, float, bool, type(None), date, timedelta, PurePath)
SPOKEN = (PostroomError, ConnectorError)
"""Errors whose text never quotes mail. SQLAlchemy's does: it prints the parameters of the statement. SQLite's does: it
quotes a text that it cannot decode."""
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
PRIORITIES = {"critical": 2, "exception": 3, "error": 3, "warn": 4, "warning": 4, "info": 6, "debug": 7}
"""sd-daemon(3): journald reads "<N>" at the start of a line as the syslog priority."""

Format = Literal["journald", "terminal", "json"]


def configure(settings: LogSettings, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> None:
    """Send structlog's events and the standard library's warnings to `stream` (standard error), in the wanted form."""
    stream = raw_of(stream or sys.stderr)  # `steers_nothing` cleans; the colours of a terminal come after it
    form = choose_format(settings.format, stream, environ)
    strict = environ.get("POSTROOM_STRICT_LOGS") == "1"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        MailWithheld(strict=strict),
        exception_in_words,
        steers_nothing,
    ]
    final = RENDERERS[form]
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.level]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        # Loggers are module globals, made before the settings are read: they must follow a later `configure`.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    # Libraries speak of their own affairs, and at lower levels of what passes through them: warnings only.
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # A pass that outlasts `poll` is normal life, and the watchdog sees one that never ends: no warning a poll about it.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    logging.captureWarnings(True)


def choose_format(
    wanted: Literal["auto", "journald", "terminal", "json"], stream: TextIO, environ: Mapping[str, str]
) -> Format:
    """What "auto" means for this stream."""
    if wanted != "auto":
        return wanted
    if _is_journal(stream, environ.get("JOURNAL_STREAM", "")):
        return "journald"
    return "terminal" if stream.isatty() else "json"


def _is_journal(stream: TextIO, journal: str) -> bool:
    # systemd.exec(5): device and inode must match, because programs that we start elsewhere inherit the variable.
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # a stream in memory has no descriptor
        return False
    return journal == f"{status.st_dev}:{status.st_ino}"


# -- what must not be said


class MailWithheld:
    """A processor that drops the keys of mail and reduces values that are not plain to the name of their type."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """The event without mail. Raises ValueError when strict: the caller is to be corrected, not silenced."""
        refused = sorted(key for key in event if key.lower() in MAIL_KEYS)
        if refused and self.strict:
            raise ValueError(f"log keys {refused} may carry mail; log a key, a count or an outcome instead")
        said = {key: _plain(value) for key, value in event.items() if key not in refused}
        return {**said, "withheld": ",".join(refused)} if refused else said


def _plain(value: object) -> object:
    if isinstance(value, date | timedelta):  # moments are dates, too; else it is Python's repr that is printed
        return value.isoformat() if isinstance(value, date) else str(value)
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(item, PLAIN) for item in value):
        return ",".join(str(_plain(item)) for item in value)
    return value if isinstance(value, BaseException | TracebackType) else f"<{type(value).__name__}>"


def exception_in_words(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by `exception`: types and places, and the text only of errors that never quote mail."""
    found = event.pop("exc_info", None)
    error = found if isinstance(found, BaseException) else found[1] if isinstance(found, tuple) else None
    if error is None and found:
        error = sys.exception()
    if error is not None:
        event["exception"] = "\n".join(_told(error))
    return event


def steers_nothing(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Every text, and what becomes one, without what steers a terminal."""
    return {key: printable(str(value)) if isinstance(value, str | PurePath) else value for key, value in event.items()}


def _told(error: BaseException) -> Iterator[str]:
    text = _speech(error)
    yield f"{type(error).__name__}: {text}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        yield f"  at {frame.filename}:{frame.lineno} in {frame.name}"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield "because of"
        yield from _told(cause)


def _speech(error: BaseException) -> str:
    if isinstance(error, SPOKEN):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        # The machine's words and a path. Libraries derive errors from OSError that quote a server and have no number.
        return OSError.__str__(error)
    return "(text withheld: it may quote mail)"


# -- the three forms


def _journald(logger: WrappedLogger, method: str, event: EventDict) -> str:
    # journald has its own clock, and takes every line for an event of its own: logfmt keeps to one line.
    priority = PRIORITIES.get(str(event.pop("level", "info")), 6)
    return f"<{priority}>{LOGFMT(logger, method, event)}"


LOGFMT = structlog.processors.LogfmtRenderer(key_order=["event"], drop_missing=True, bool_as_flag=False)
RENDERERS: Mapping[Format, list[Processor]] = {
    "journald": [_journald],
    "terminal": [
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback),
    ],
    "json": [structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.JSONRenderer()],
}


@contextmanager
def told_only() -> Iterator[None]:
    """For what the service does beside passes: trouble goes to the log and ends neither job nor service."""
    try:
        yield
    except PostroomError as error:
        structlog.get_logger().error("trouble", problem=str(error))
    except (Exception, SystemExit):  # another package's connector may do anything
        structlog.get_logger().exception("bug")
