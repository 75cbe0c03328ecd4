"""Mistakes in the settings, in words: the place, the fact, the next step. Never the value of anything secret.

    pydantic's errors | one sentence each      (in_words)
    the whole document | mistakes between keys (cross_check)
    the environment | overrides of nothing     (stray_overrides)

Values in, sentences out; the kinds of mailbox (connectors.connector_kinds) say what is wrong within one.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from connectors.connector_kinds import (
    DEFAULT,
    BrokenKind,
    UnknownKind,
    inbox_of,
    mailbox_from,
    mistakes_in,
    settings_of,
    usable_kinds,
)
from daemon.model.engines import engine_kinds
from daemon.model.engines.engine_kinds import EmbeddedSettings, EngineSettings

SECRET_WORDS = ("password", "passwd", "pass", "pwd", "token", "secret", "api_key", "apikey")
OTHER_NAMES = {
    "server": "host", "hostname": "host", "address": "host", "username": "user", "login": "user", "account": "user",
    "ssl": "tls", "encryption": "tls", "type": "kind", "queue": "inbox", "interval": "poll", "cafile": "ca_file",
    "model": "base", "categories": "category", "mailboxes": "mailbox", "auth": "sign_in", "hide": "hides",
}  # fmt: skip
"""What people write when they know another program: ours after the colon."""
UNSHOWN = {"credential", "user", "url"}
"""Keys whose value may hold a secret by mistake, so that it is not repeated in a message."""
SHARES = {"precision", "hide_precision"}
LISTS_OF_TABLES = {"mailbox": "[[mailbox]]", "category": "[[mailbox.category]]", "rule": "[[mailbox.rule]]"}
SECTIONS = ("sorting", "engine", "training", "alarm", "metrics", "log")
TABLES: Mapping[str, tuple[str, ...]] = {
    "at the top of the file": (),
    **{f"under [{section}]": (section,) for section in SECTIONS},
    "under [[mailbox]], above its other tables": ("mailbox",),
    "under [[mailbox.category]]": ("mailbox", "category"),
    "under [[mailbox.rule]]": ("mailbox", "rule"),
    "under [mailbox.sorting]": ("mailbox", "sorting"),
}
"""Where a key can stand, and the way there."""


def in_words(
    error: ValidationError, document: Mapping[str, Any], model: type[BaseModel], environ: Mapping[str, str]
) -> list[str]:
    """One sentence for every mistake that pydantic found, in the file's order."""
    return [
        f"{_place(_location(detail), document, environ)}: {_fact(detail, model, document)}"
        for detail in error.errors(include_url=False, include_context=True)
        if not _follows(detail)
    ]


def _follows(detail: ErrorDetails) -> bool:
    """Does it come of a mistake that is listed already? A list with a wrong entry counts as too short."""
    return detail["type"] == "default_factory_not_called" or (detail["type"] == "too_short" and bool(detail["input"]))


def unknown_kinds(error: ValidationError) -> list[int]:
    """The mailboxes, counted from 0, whose kind there is not: pydantic looks no further into them."""
    return [int(detail["loc"][1]) for detail in error.errors() if detail["type"] == "unknown_kind"]


def with_kind(document: Mapping[str, Any], number: int, kind: str) -> dict[str, Any]:
    """The document as if this mailbox were of that kind."""
    boxes = [{**box, "kind": kind} if at == number else box for at, box in enumerate(document["mailbox"])]
    return {**document, "mailbox": boxes}


def cross_check(document: Mapping[str, Any]) -> list[str]:
    """Mistakes that no single key shows: names used twice, categories that lie in the inbox."""
    mailboxes = [box for box in _list(document.get("mailbox")) if isinstance(box, Mapping)]
    problems = [
        f'[[mailbox]] name: "{name}" is used twice. Give every mailbox a name of its own.'
        for name in _twice(box.get("name") for box in mailboxes)
    ]
    problems += _same_inboxes(mailboxes)
    for number, box in enumerate(mailboxes, 1):
        place = _mailbox_place(number, box)
        problems += [f"{place} {problem}" for problem in mistakes_in(box)]
        categories = [category for category in _list(box.get("category")) if isinstance(category, Mapping)]
        folders = [category.get("folder", category.get("name")) for category in categories]
        inbox = box.get("inbox", "INBOX")
        for key, values in (("name", [category.get("name") for category in categories]), ("folder", folders)):
            problems += [f'{place} [[category]] {key}: "{value}" is used twice.' for value in _twice(values)]
        problems += [f"{place} {problem}" for problem in (*_same_tags(box), *_shares_wrongly(box))]
        problems += [f"{place} {problem}" for problem in _unknown_in_rules(box, categories)]
        if inbox in folders:
            problems.append(f'{place} [[category]] folder: "{inbox}" is the inbox itself. Name another folder.')
        if box.get("review_folder") == inbox:
            problems.append(
                f'{place} review_folder: "{inbox}" is the inbox itself. Write "" to leave unsure mail there.'
            )
        elif box.get("review_folder") in folders and box.get("review_folder"):
            problems.append(
                f'{place} review_folder: "{box["review_folder"]}" is a category\'s folder. Name another one.'
            )
    return [*problems, *_training_problems(_mapping(document.get("training")), _mapping(document.get("engine")))]


def _same_inboxes(mailboxes: Sequence[Mapping[str, Any]]) -> list[str]:
    """One account under two names: each would take the other's moves for a person's, and learn from them."""
    first: dict[Hashable, tuple[int, Mapping[str, Any]]] = {}
    problems = []
    for number, box in enumerate(mailboxes, 1):
        inbox = inbox_of(box)
        earlier, other = first.setdefault(inbox, (number, box))
        if inbox is not None and box.get("name") != other.get("name"):
            place = _mailbox_place(earlier, other)
            problems.append(f"{_mailbox_place(number, box)}: is the same inbox as {place}. Remove one of the two.")
    return problems


def _unknown_in_rules(box: Mapping[str, Any], categories: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Rules for categories that the mailbox does not list. Where it lists none, its folders are its categories."""
    known = {str(category.get(key)) for category in categories for key in ("name", "folder") if category.get(key)}
    for number, rule in enumerate(_list(box.get("rule")), 1):
        wanted = rule.get("category") if isinstance(rule, Mapping) else None
        if known and isinstance(wanted, str) and wanted and wanted not in known:
            close = get_close_matches(wanted, sorted(known), 1)
            hint = f'Did you mean "{close[0]}"?' if close else "Write one of its categories' names."
            yield f'[[rule]] {number} category: "{wanted}" is no category of this mailbox. {hint}'


def _shares_wrongly(box: Mapping[str, Any]) -> Iterator[str]:
    """Whether there is such a mailbox is asked of all files together (`daemon.settings.include`)."""
    lender = box.get("share")
    if lender and lender == box.get("name"):
        yield "share: this is the mailbox itself. Name another one, or remove the line."
    if lender and box.get("category"):
        yield f'[[category]]: with share the categories are those of "{lender}". List them there, or remove `share`.'


def _same_tags(box: Mapping[str, Any]) -> Iterator[str]:
    """Categories that mail could not be told apart by: servers compare tags without regard to case."""
    if box.get("act_by") != "tag":
        return
    try:
        mailbox = mailbox_from(box)
    except (UnknownKind, ValidationError):
        return  # what is wrong with it is said in its own sentence
    by_tag: dict[str, list[str]] = {}
    for category in mailbox.categories:
        tag = category.tag or mailbox.tag_for(category.name, category.folder)
        by_tag.setdefault(tag.lower(), []).append(category.name)
    for tag, names in by_tag.items():
        if len(names) > 1 and len(set(names)) > 1:
            which = " and ".join(f'"{name}"' for name in names)
            yield f'[[category]] name: {which} give the same tag, "{tag}". Give one of them a `tag` of its own.'


def _training_problems(training: Mapping[str, Any], engine: Mapping[str, Any]) -> list[str]:
    problems = []
    if training.get("tuning") == "answer" and _of_engine(engine).ELSEWHERE:
        problems.append('[training] tuning: "answer" needs kind = "embedded" under [engine].')
    if training.get("backend") == "unsloth":
        if training.get("tuning") != "answer":
            problems.append('[training] backend: "unsloth" tunes the whole base; write tuning = "answer" too.')
        if not training.get("unsloth_python"):
            problems.append('[training] unsloth_python: name the python that `make unsloth` set up, or use "peft".')
    return problems


def _of_engine(engine: Mapping[str, Any]) -> type[EngineSettings]:
    kind = engine.get("kind", engine_kinds.DEFAULT)
    found = engine_kinds.KINDS.get(kind) if isinstance(kind, str) else None
    return found or EmbeddedSettings


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def stray_overrides(environ: Mapping[str, str]) -> list[str]:
    """Environment variables that look like an override and override nothing."""
    problems = []
    for variable in sorted(environ):
        match = re.fullmatch(r"POSTROOM_([A-Z]+)__(\w+)", variable.upper())
        if match is None or match[1].lower() in SECTIONS:
            continue
        close = get_close_matches(match[1].lower(), SECTIONS, 1)
        hint = f'Did you mean "{close[0].upper()}"?' if close else f"The sections are {', '.join(SECTIONS)}."
        problems.append(f"${variable}: there is no such section to override. {hint}")
    return problems


# -- the place


def _location(detail: ErrorDetails) -> tuple[int | str, ...]:
    return (*detail["loc"], "kind") if detail["type"] == "unknown_kind" else detail["loc"]


def _place(location: tuple[int | str, ...], document: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """("mailbox", 0, "host") -> "[[mailbox]] 1 (office) host"; an overridden key names its variable."""
    variable = "POSTROOM_" + "__".join(str(part) for part in location if isinstance(part, str)).upper()
    for given in environ:
        if given.upper() == variable:
            return f"${given}"
    if location[0] in SECTIONS:
        return " ".join([f"[{location[0]}]", *map(str, location[1:])])
    if location[0] != "mailbox" or len(location) == 1:
        return ".".join(map(str, location))
    number = int(location[1])
    box = document["mailbox"][number]
    keys = list(location[2:])
    parts = [_mailbox_place(number + 1, box)]
    if keys[:1] in (["category"], ["rule"]) and len(keys) > 1:
        parts.append(f"[[{keys[0]}]] {int(keys[1]) + 1}")
        keys = keys[2:]
    elif keys[:1] == ["sorting"] and len(keys) > 1:
        parts.append("[sorting]")
        keys = keys[1:]
    elif keys[:1] == ["roles"] and len(keys) > 1:
        parts.append(f'[roles] "{keys[1]}"')
        keys = []
    return " ".join([*parts, *map(str, keys)])


def _mailbox_place(number: int, box: object) -> str:
    name = box.get("name") if isinstance(box, Mapping) else None
    return f"[[mailbox]] {number} ({name})" if isinstance(name, str) else f"[[mailbox]] {number}"


# -- the fact and the next step


def _fact(detail: ErrorDetails, model: type[BaseModel], document: Mapping[str, Any]) -> str:
    kind, location, context = detail["type"], detail["loc"], detail.get("ctx", {})
    key = str(location[-1])
    if kind == "missing":
        return f'missing. Write {key} = "...".'
    if kind == "extra_forbidden":
        return _unknown_key(key, _keys_at(model, location[:-1], document), _homes(key, location, model))
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return _not_one_of(detail["input"], _quoted(str(context["expected"])))
    if kind == "string_pattern_mismatch":
        return _misspelt(key, detail["input"])
    if kind == "string_too_short":
        return "is empty. Fill it in, or remove the line."
    if kind == "unknown_kind":
        return _not_one_of(context["tag"], context["kinds"])
    if location[0] == "mailbox" and (key in LISTS_OF_TABLES or kind == "not_a_table"):
        return f"must be a table of its own. Write {LISTS_OF_TABLES.get(key, '[[mailbox]]')} and its keys below it."
    if kind == "too_short":
        return f'is empty. Write {key} = ["..."], or remove the line.'
    if kind == "tuple_type":
        return f'must be a list. Write {key} = ["...", "..."].'
    if kind in ("not_a_table", "model_type", "dict_type", "mapping_type"):
        return "must be a table of its own: a line with its name in brackets, and its keys below it."
    wanted = detail["msg"].replace("Input should be", "must be").split(", unable to")[0]
    given = "" if key in UNSHOWN else f", not {_shown(detail['input'])}"
    return f"{wanted}{given}.{_as_share(key, detail['input'])}"


def _as_share(key: str, given: object) -> str:
    """The next step for a precision that was meant in per cent."""
    if key not in SHARES or isinstance(given, bool) or not isinstance(given, int | float) or not 50 <= given < 100:
        return ""
    return f" Write {given / 100:g} for {given:g} %."


def _unknown_key(key: str, known: list[str], homes: list[str]) -> str:
    close = get_close_matches(key.lower(), [*known, *OTHER_NAMES, *SECRET_WORDS], 1, cutoff=0.7)
    meant = close[0] if close else ""
    if meant in SECRET_WORDS and "credential" in known:
        exactly = key.lower() in SECRET_WORDS
        hint = 'Did you mean "credential"? ' if not exactly else ""
        return (
            f"{'a secret must not be in this file' if exactly else 'unknown key'}. {hint}"
            'Write credential = "NAME", and put the secret into a file NAME (docs/installing.md, "Secrets").'
        )
    if homes:
        return f"unknown key here. It belongs {' or '.join(filter(None, (', '.join(homes[:-1]), homes[-1])))}."
    meant = OTHER_NAMES.get(meant, meant)
    if meant in known:
        return f'unknown key. Did you mean "{meant}"?'
    return f"unknown key. Known here: {', '.join(known)}." if known else "unknown key."


def _not_one_of(given: object, allowed: list[str]) -> str:
    close = get_close_matches(str(given).lower(), allowed, 1)
    hint = f'Did you mean "{close[0]}"?' if close else "Write one of these."
    choice = ", ".join(map(_shown, allowed))
    return f"{_shown(given)} is not one of {choice}. {hint}"


def _misspelt(key: str, given: object) -> str:
    if key == "credential":
        return "must be a plain name (letters, digits, dot, dash), not the secret itself."
    if key == "name":
        return f"{_shown(given)} must be short: small letters, digits and dashes."
    return 'must begin with "http://" or "https://".'


def _homes(key: str, location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """The other tables that know this key; where it stands in a mailbox, the other kinds of mailbox that do."""
    here = tuple(part for part in location[:-1] if isinstance(part, str))
    kinds = [f'to kind = "{kind}"' for kind, found in usable_kinds() if key in _names(found)]
    tables = [place for place, way in TABLES.items() if way != here and key in _keys_at(model, way, {})]
    return [*kinds, *tables] if here == ("mailbox",) else tables


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...], document: Mapping[str, Any]) -> list[str]:
    """The keys that the table at this location knows: walk the models along the location's names."""
    here, names = [model], [part for part in location if isinstance(part, str)]
    if names[:1] == ["mailbox"]:
        here, names = _mailboxes_at(location, document), names[1:]
    elif names[:1] == ["engine"]:
        here, names = [_of_engine(_mapping(document.get("engine")))], names[1:]
    for wanted in names:
        fields = [
            field for table in here for name, field in table.model_fields.items() if wanted in (name, field.alias)
        ]
        here = [found for field in fields for found in _models_in(field.annotation)]
    return sorted({name for table in here for name in _names(table)})


def _names(model: type[BaseModel]) -> set[str]:
    """The keys of one table, as the file has them."""
    return {field.alias or name for name, field in model.model_fields.items()}


def _mailboxes_at(location: tuple[int | str, ...], document: Mapping[str, Any]) -> list[type[BaseModel]]:
    """The settings classes of the mailbox that the location numbers, or of any mailbox."""
    try:
        return [settings_of(document["mailbox"][location[1]].get("kind", DEFAULT))]
    except (IndexError, KeyError, UnknownKind, BrokenKind):
        return [found for _, found in usable_kinds()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else f'"{value}"' if isinstance(value, str) else "this"


def _quoted(expected: str) -> list[str]:
    return re.findall(r"'([^']+)'", expected)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _twice(values: Iterable[object]) -> list[object]:
    seen: set[object] = set()
    again: list[object] = []
    for value in values:
        if not isinstance(value, str):
            continue
        if value in seen and value not in again:
            again.append(value)
        seen.add(value)
    return again
