"""Lessons for the trainer's tests: small office mail in four categories, written here."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from connectors.base import MailText
from daemon.model.term_key import KEY_FILE, TermKey
from trainer.dataset import Example
from trainer.folds import Lessons, folds
from trainer.recipe import Cleaning

PARTS = {
    "invoices": ("invoice {n} is due on the {d}th", "please pay {n} euros to our account", "a reminder of bill {n}"),
    "orders": (
        "we would like to order {n} boxes of paper",
        "please ship {n} chairs by the {d}th",
        "purchase order {n}",
    ),
    "complaints": ("delivery {n} arrived broken", "the {n} lamps do not work at all", "I am unhappy with parcel {n}"),
    "jobs": (
        "I apply for the position {n} as a clerk",
        "my curriculum vitae for vacancy {n}",
        "application for job {n}",
    ),
}
EXTRAS = ("Kind regards", "Thanks in advance", "See you", "With best wishes", "Call me any time", "As discussed")
ENGINE_KEYS = ("kind", "base", "host", "max_tokens", "quantization")
SECRET = bytes(range(32))
KEY = TermKey(SECRET)
START = datetime(2026, 1, 1, 8, tzinfo=UTC)


def office_rows(count: int, categories: int = 4) -> list[dict[str, Any]]:
    """`count` different mails, an hour apart, as rows of lessons.jsonl."""
    names = sorted(PARTS)[:categories]
    rows = []
    for number in range(count):
        category = names[number % len(names)]
        sentences = PARTS[category]
        body = sentences[(number // len(names)) % len(sentences)].format(n=100 + 37 * number, d=number % 28 + 1)
        other = sentences[(number // 7 + 1) % len(sentences)].format(n=5 * number, d=number % 25 + 2)
        text = MailText(
            sender=f"Person {number % 9} <p{number % 9}@example.com>",
            subject=body.split(" ", 2)[-1][:24],
            body=f"Dear all,\n{body}; {other}.\n{EXTRAS[number % len(EXTRAS)]}, no. {number * 7919 % 1000}",
        )
        rows.append(lesson(number, category, text, START + timedelta(hours=number)))
    return rows


def lesson(number: int, category: str, text: MailText, at: datetime | None = None, **more: Any) -> dict[str, Any]:
    """One row of lessons.jsonl."""
    fields = {name: getattr(text, name) for name in ("sender", "to", "list_id", "subject", "body")}
    fields["attachments"] = list(text.attachments)
    return {"id": number, "category": category, "text": fields, "at": at.isoformat() if at else None, **more}


def write_job(folder: Path, rows: list[dict[str, Any]], cache: Path, **options: Any) -> Path:
    """A job folder as the daemon writes it; those of `options` that the engine has go there."""
    folder.mkdir(parents=True, exist_ok=True)
    categories = options.pop("categories", None) or sorted({row["category"] for row in rows})
    job = {
        "version": "2026-01-02a",
        "cache": str(cache),
        "term_key": str(folder.with_name(KEY_FILE)),
        "categories": [{"id": name, "name": name.title()} for name in categories],
        "engine": {key: options.pop(key) for key in ENGINE_KEYS if key in options},
        **options,
    }
    folder.with_name(KEY_FILE).write_bytes(SECRET)
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "lessons.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def examples_of(rows: list[dict[str, Any]]) -> tuple[list[Example], Any, tuple[str, ...]]:
    """Rows as the trainer's examples, each a group of its own, with their labels and categories."""
    categories = tuple(sorted({row["category"] for row in rows}))
    examples = [
        Example(
            row["id"],
            row["category"],
            MailText(**{**row["text"], "attachments": tuple(row["text"]["attachments"])}),
            group,
            float(group),
            1.0,
            False,
        )
        for group, row in enumerate(rows)
    ]
    return examples, np.array([categories.index(row["category"]) for row in rows]), categories


def lessons_of(rows: list[dict[str, Any]], by_time: bool = False) -> Lessons:
    """Rows as all candidates learn from them, with their folds."""
    examples, _, categories = examples_of(rows)
    return Lessons(tuple(examples), categories, folds(examples, by_time, 1, Cleaning()), by_time)


def relabelled(lessons: Lessons, labels: Any) -> Lessons:
    """The same lessons under other labels."""
    examples = (
        replace(example, category=lessons.categories[label])
        for example, label in zip(lessons.examples, labels, strict=True)
    )
    return replace(lessons, examples=tuple(examples))


def labelled(labels: Any, classes: int, parts: Any = ()) -> Lessons:
    """Lessons that have nothing but these labels; `parts` are their folds."""
    categories = tuple(f"c{label:03}" for label in range(classes))
    examples = (
        Example(row, categories[label], MailText(), row, float(row), 1.0, False) for row, label in enumerate(labels)
    )
    return Lessons(tuple(examples), categories, tuple(parts), by_time=False)


def letter_rows(count: int, categories: int, seed: int = 1) -> list[dict[str, Any]]:
    """`count` lessons of one invented word each, an hour apart: a category is a set of letters.

    No word comes twice and few pieces of words do, so the linear model has little to go by; what even a tiny random
    language model makes of single letters tells the categories apart. For tests in which that must be what serves.
    """
    chance = np.random.default_rng(seed)
    alphabet = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    of_category = [chance.choice(alphabet, 7, replace=False) for _ in range(categories)]
    rows = []
    for number in range(count):
        which = number % categories
        word = "".join(chance.choice(of_category[which], 12))
        rows.append(lesson(number, f"set{which:02}", MailText(subject=word), START + timedelta(hours=number)))
    return rows
