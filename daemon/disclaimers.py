"""Office disclaimers: long lines that many mails of several senders share say nothing about any of them. Pure.

    lessons | lines that repeat -> their checksums (training) | model.json | the same lines dropped from every text

The checksums travel with the model, so what it reads in service is cut exactly as what it learnt from.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from connectors.base import MailText

# A line in this share of the mails, from so many senders; shorter ones may be what a mail is about.
SHARE, SENDERS, WORDS = 0.1, 3, 12
LEAST_MAILS = 5


def find_disclaimers(texts: Sequence[MailText]) -> tuple[str, ...]:
    """Checksums (hex) of the long lines that many mails of several senders share."""
    seen: Counter[str] = Counter()
    senders: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        for key in {key for line in text.body.splitlines() if (key := _checksum(line))}:
            seen[key] += 1
            if len(senders[key]) < SENDERS:
                senders[key].add(text.sender)
    least = max(LEAST_MAILS, SHARE * len(texts))
    return tuple(sorted(key for key, count in seen.items() if count >= least and len(senders[key]) >= SENDERS))


def without_disclaimers(text: MailText, disclaimers: Collection[str]) -> MailText:
    """The text without these lines; as it is where nothing else would be left."""
    if not disclaimers:
        return text
    body = "\n".join(line for line in text.body.splitlines() if _checksum(line) not in disclaimers)
    return replace(text, body=body) if body.strip() else text


def _checksum(line: str) -> str | None:
    words = line.split()
    if len(words) < WORDS:
        return None
    return hashlib.blake2b(" ".join(words).lower().encode("utf-8", "replace"), digest_size=8).hexdigest()
