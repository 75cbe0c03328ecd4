"""One category, one spelling: "Größe", "größe " and "Größe" with its umlaut in two characters are the same to a reader.

labels as they stand there | what the eye sees of each | the spelling that is known, or that most rows have
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

_UNSEEN = frozenset({"Cc", "Cf", "Cs"})
"""Control, format (zero-width, direction) and half characters; of these only format ones mean something in a name."""


@lru_cache(maxsize=4096)
def tidied(label: str) -> str:
    """Single spaces, composed letters (NFC), and nothing that steers a terminal or no file can hold."""
    spaced = " ".join(label.split())
    kept = "".join(letter for letter in spaced if unicodedata.category(letter) not in ("Cc", "Cs"))
    return unicodedata.normalize("NFC", kept).strip()


def is_seen(text: str) -> bool:
    """Is there anything in it that the eye sees?"""
    return any(not letter.isspace() and unicodedata.category(letter) not in _UNSEEN for letter in text)


@lru_cache(maxsize=4096)
def seen(text: str) -> str:
    """What the eye sees of it, in one case; empty where it sees nothing."""
    kept = "".join(letter for letter in text if letter.isspace() or unicodedata.category(letter) not in _UNSEEN)
    return " ".join(unicodedata.normalize("NFKC", kept).casefold().split())


def one_spelling(labels: Sequence[str], known: Iterable[str] = ()) -> Mapping[str, str]:
    """How each of these labels is to be spelt: as in `known`, else as most are. A label that is known stays."""
    found: dict[str, str] = {}
    for label, _ in Counter(labels).most_common():
        found.setdefault(seen(label), label)
    known = sorted(set(known), reverse=True)
    found |= {seen(label): label for label in known}
    return {label: label if label in known else found[seen(label)] for label in labels}
