"""The settings: one TOML file, checked whole, every mistake at once with its place.

    find_config | read TOML and what it includes | lay the environment over it | check | Settings, frozen

An environment variable overrides one key of a section: POSTROOM_SORTING__POLL=30s. Mailboxes are only in the file.
Secrets are never in either: a mailbox names a *credential*, and `daemon.settings.credentials` reads it.
`config.example.toml` explains every key; a test keeps it complete and its values equal to the defaults below.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, PrivateAttr, SerializeAsAny, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from connectors.connector_kinds import UnknownKind, known_kinds, mailbox_from, usable_kinds
from connectors.mailbox_settings import MailboxSettings, Section
from connectors.setting_values import Attachments, Duration, OptionalPath, Precision, SenderRule, Span
from daemon.mistakes import SettingsError, WrongName
from daemon.model.engines.engine_kinds import AnyEngine, EmbeddedSettings
from daemon.settings.include import Part, lenders_missing, parts_of, without_conflicts, without_lender
from daemon.settings.problems import cross_check, in_words, stray_overrides, unknown_kinds, with_kind
from daemon.settings.values import AbsolutePath, AlarmCommand, OcrLanguage, Overrides, PromFile, TimeWindow
from daemon.settings.windows import Window

PLACES = (Path("postroom.toml"), Path("/etc/postroom/config.toml"))
"""Where the file is looked for when neither --config nor $POSTROOM_CONFIG names one."""


def _mailbox(value: object) -> MailboxSettings:
    if isinstance(value, MailboxSettings):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("not_a_table", "must be a table of its own")
    try:
        return mailbox_from(value)
    except UnknownKind as error:
        raise PydanticCustomError("unknown_kind", "unknown kind", {"tag": str(error), "kinds": known_kinds()}) from None


Mailbox = Annotated[SerializeAsAny[MailboxSettings], PlainValidator(_mailbox)]
"""One [[mailbox]], in the settings class of its kind."""


# -- sections


class SortingSettings(Section):
    """When to look, when to act, and how sure to be."""

    poll: Span = timedelta(seconds=60)
    passes_at_once: int = Field(default=8, ge=1, le=256)
    """How many mailboxes are worked on at the same moment; the others wait their turn."""
    act_after: Duration = timedelta(minutes=2)
    settle: Duration = timedelta(minutes=10)
    precision: Precision = 0.95
    hide_precision: Precision = 0.99
    min_examples: int = Field(default=15, ge=2)
    confirm_after: Duration = timedelta(days=1)
    identity_keep: Span = timedelta(days=180)
    max_moves_per_minute: int = Field(default=30, ge=1)
    pause_on_overrides: bool = True
    roll_back: bool = True
    auto_live: bool = False
    skip_flagged: bool = True
    skip_answered: bool = True
    skip_encrypted: bool = True
    skip_calendar: bool = True
    skip_bounces: bool = True
    skip_internal: bool = True
    never_senders: tuple[SenderRule, ...] = ()
    rule_window: Duration = timedelta(seconds=20)
    attachments: Attachments = "text"
    ocr_languages: tuple[OcrLanguage, ...] = Field(default=("deu", "eng"), min_length=1)


class TrainingSettings(Section):
    """One night's work, and how much of the machine it may take."""

    window: TimeWindow = Field(default_factory=lambda: Window.parse("01:00-05:00"))
    min_corrections: int = Field(default=5, ge=1)
    at_once: int = Field(default=4, ge=1, le=256)
    """How many mailboxes train side by side at most."""
    threads: int = Field(default=2, ge=1, le=256)
    nice: int = Field(default=19, ge=0, le=19)
    time_limit: Span = timedelta(hours=2)
    keep_models: int = Field(default=7, ge=2)
    """At least the current model and the one to roll back to."""
    max_per_folder: int = Field(default=400, ge=2)
    max_age: Span = timedelta(days=365)
    seed: int = Field(default=1, ge=0)
    tuning: Literal["pooled", "answer"] = "pooled"
    backend: Literal["peft", "unsloth"] = "peft"
    unsloth_python: OptionalPath = None
    memory_mb: int = Field(default=1024, ge=64)


class AlarmSettings(Section):
    """Who is told when something is wrong."""

    command: AlarmCommand = ()


class MetricsSettings(Section):
    """Figures for a monitoring system."""

    file: PromFile = None


class LogSettings(Section):
    """How much to say, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "journald", "terminal", "json"] = "auto"


class Settings(BaseSettings):
    """Everything that an owner can choose. `Settings.load` is the way in; tests may build one by keyword."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        env_prefix="POSTROOM_",
        # Without it the alias "mailbox" would be read from $MAILBOX, which belongs to other programs.
        env_prefix_target="all",
        env_nested_delimiter="__",
    )

    state_dir: AbsolutePath = Path("/var/lib/postroom")
    include: str = ""
    """Files with more mailboxes, by a pattern relative to the settings file."""
    mailboxes: tuple[Mailbox, ...] = Field(default=(), alias="mailbox")
    sorting: SortingSettings = SortingSettings()
    engine: AnyEngine = EmbeddedSettings()
    training: TrainingSettings = TrainingSettings()
    alarm: AlarmSettings = AlarmSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    _included: Mapping[str, tuple[Any, ...]] = PrivateAttr(default_factory=dict)
    """The tables of every included file that count, by its name."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """The checked settings of one file and those that it includes. Raises SettingsError with every mistake."""
        settings, problems = cls._read(path, {})
        if problems:
            raise SettingsError(str(path), problems)
        return settings

    @classmethod
    def load_rest(cls, path: Path, before: Self | None = None) -> tuple[Self, list[str]]:
        """The same; but where an included file cannot be used, what it said `before` stands, or its mailboxes are left
        out: then also what is wrong with it. Raises SettingsError for every other mistake."""
        return cls._read(path, {} if before is None else before._included)

    @classmethod
    def _read(cls, path: Path, before: Mapping[str, tuple[Any, ...]]) -> tuple[Self, list[str]]:
        document = read_toml(path)
        parts, wrong = parts_of(path, document.get("include"), read_toml)
        own = Part(path.name, tuple(_listed(document)))
        main = [*cls._mistakes(document), *stray_overrides(os.environ), *cross_check(document), *wrong]
        parts = without_conflicts(own, cls._checked(parts, main), before)
        parts = without_lender(own, parts, before)
        broken = [problem for part in parts for problem in part.told()]
        used = {part.shown: part.boxes if not part.problems else before.get(part.shown, ()) for part in parts}
        if broken:  # what they said before may have been taken over by another file meanwhile
            kept = without_conflicts(own, [Part(shown, boxes) for shown, boxes in used.items()], before)
            main += [problem for part in kept for problem in part.told() if problem not in broken]
        boxes = [*own.boxes, *(box for boxes in used.values() for box in boxes)]
        main += lenders_missing(own.boxes, boxes)
        # What stood there before may share with a mailbox that is gone: then nothing is left to go on by.
        main += [f"{shown}: {problem}" for shown, kept in used.items() for problem in lenders_missing(kept, boxes)]
        if not boxes and not broken:
            main.append("[[mailbox]]: there is none. Copy one from config.example.toml and fill it in.")
        if main or not boxes:
            raise SettingsError(str(path), list(dict.fromkeys([*main, *broken])))
        settings = cls(**{**document, "mailbox": boxes})
        settings._included = used
        return settings, broken

    @classmethod
    def mistakes_in(cls, document: Mapping[str, Any]) -> list[str]:
        """Everything that is wrong with settings that no file holds yet."""
        return list(dict.fromkeys([*cls._mistakes(document), *cross_check(document)]))

    @classmethod
    def _checked(cls, parts: Sequence[Part], known: Sequence[str]) -> list[Part]:
        """The parts with all that is wrong within one, but for what is `known` already."""
        together = {"mailbox": [box for part in parts for box in part.boxes]}
        if cls._refusal(together) is None and not cross_check(together):
            return list(parts)
        checked = []
        for part in parts:
            tables = {"mailbox": list(part.boxes)}
            found = [*cls._mistakes(tables), *cross_check(tables)] if part.boxes else []
            new = [problem for problem in found if problem not in known]
            checked.append(replace(part, problems=(*part.problems, *new)))
        return checked

    @classmethod
    def _mistakes(cls, document: Mapping[str, Any]) -> list[str]:
        """What pydantic finds, in words. A mailbox of an unknown kind is checked as the kind that it fits best, too."""
        error = cls._refusal(document)
        if error is None:
            return []
        found = in_words(error, document, cls, os.environ)
        if numbers := unknown_kinds(error):
            for number in numbers:
                guesses = [with_kind(document, number, kind) for kind, _ in usable_kinds()]
                document = min(guesses, key=cls._how_wrong)
            more = cls._refusal(document)
            found += in_words(more, document, cls, os.environ) if more else []
        return list(dict.fromkeys(found))

    @classmethod
    def _refusal(cls, document: Mapping[str, Any]) -> ValidationError | None:
        try:
            cls(**document)
        except ValidationError as error:
            return error
        return None

    @classmethod
    def _how_wrong(cls, document: Mapping[str, Any]) -> int:
        error = cls._refusal(document)
        return 0 if error is None else error.error_count()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file; nothing else is read."""
        return Overrides(settings_cls), init_settings

    def mailbox_named(self, name: str) -> MailboxSettings:
        """The mailbox of that name. Raises WrongName, which lists the names there are."""
        names = [mailbox.name for mailbox in self.mailboxes]
        if name in names:
            return self.mailboxes[names.index(name)]
        close = get_close_matches(name, names, 1)
        hint = f'Did you mean "{close[0]}"?' if close else f"There are: {', '.join(names) or 'none'}."
        raise WrongName(name, "no mailbox has this name.", hint)

    def working(self, mailbox: MailboxSettings) -> MailboxSettings:
        """As it works: one that shares has the lender's categories, and the roles of its folders, but for its own."""
        if not mailbox.share:
            return mailbox
        lender = self.mailbox_named(mailbox.share)
        lent = {"categories": lender.categories, "roles": {**lender.roles, **mailbox.roles}}
        return mailbox.model_copy(update=lent)

    def sorting_of(self, name: str) -> SortingSettings:
        """What counts for the mailbox of that name: its own [mailbox.sorting], else [sorting], as for a mailbox that
        the settings do not name."""
        own = next((mailbox.sorting.said() for mailbox in self.mailboxes if mailbox.name == name), {})
        return self.sorting.model_copy(update=own)

    def effective(self) -> dict[str, Any]:
        """The settings as plain values under the file's own keys, for `postroom config`. There is no secret to mask."""
        values: dict[str, Any] = _without_none(self.model_dump(mode="json", by_alias=True))
        return {**values, "include": ""}  # what is included stands among the mailboxes


def _listed(document: Mapping[str, Any]) -> list[Any]:
    boxes = document.get("mailbox")
    return boxes if isinstance(boxes, list) else []


def _without_none(value: Any) -> Any:
    # TOML has no null: what is not set (a category's own precision) is left out.
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list) else value


def find_config(given: Path | None, environ: Mapping[str, str] = os.environ, here: Path | None = None) -> Path:
    """Which file counts: --config, $POSTROOM_CONFIG, ./postroom.toml, /etc/postroom/config.toml.

    A file that was named but does not exist is a mistake, not a reason to look further. Raises SettingsError.
    """
    named = given or (Path(environ["POSTROOM_CONFIG"]) if environ.get("POSTROOM_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise SettingsError(str(named), ["there is no such file. Check --config or $POSTROOM_CONFIG."])
        return named
    for place in ((here or Path.cwd()) / PLACES[0], PLACES[1]):
        if place.is_file():
            return place
    looked = ", ".join(map(str, PLACES))
    raise SettingsError("settings", [f"no config file; looked for {looked}. `postroom init` writes one."])


def read_toml(path: Path) -> dict[str, Any]:
    """The file as a dictionary. Raises SettingsError with the line and column of a slip."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(str(path), [f"{error}. A text needs quotes; a section looks like [sorting]."]) from None
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), [f"byte {error.start} is not UTF-8. Save the file as UTF-8."]) from None
    except OSError as error:
        raise SettingsError(str(path), [f"cannot be read ({error.strerror}). Check its name and its rights."]) from None
