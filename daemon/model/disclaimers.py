"""Office disclaimers: long lines that many mails of several senders share say nothing about any of them.

Training finds the lines that repeat and notes their checksums in model.json; from then on these lines are dropped from
every text. The checksums travel with the model, so what it reads in service is cut exactly as what it learnt from. They
are made under a key (daemon/model/term_key.py), or anybody could ask a model whether an office's mail holds a line.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from connectors.base import MailText
from daemon.model.term_key import TermKey

# A line in this share of the mails, from so many senders; shorter ones may be what a mail is about.
SHARE, SENDERS, WORDS = 0.1, 3, 12
LEAST_MAILS = 5


def find_disclaimers(texts: Sequence[MailText], key: TermKey) -> tuple[str, ...]:
    """Checksums (hex) under `key` of the long lines that many mails of several senders share."""
    seen: Counter[str] = Counter()
    senders: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        for found in {found for line in text.body.splitlines() if (found := _checksum(line, key))}:
            seen[found] += 1
            if len(senders[found]) < SENDERS:
                senders[found].add(text.sender)
    least = max(LEAST_MAILS, SHARE * len(texts))
    return tuple(sorted(line for line, count in seen.items() if count >= least and len(senders[line]) >= SENDERS))


def without_disclaimers(text: MailText, disclaimers: Collection[str], key: TermKey) -> MailText:
    """The text without these lines; as it is where nothing else would be left."""
    if not disclaimers:
        return text
    body = "\n".join(line for line in text.body.splitlines() if _checksum(line, key) not in disclaimers)
    return replace(text, body=body) if body.strip() else text


def _checksum(line: str, key: TermKey) -> str | None:
    words = line.split()
    if len(words) < WORDS:
        return None
    return key.checksum(" ".join(words).lower())
