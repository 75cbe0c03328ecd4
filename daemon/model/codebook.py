"""The codebook: which short opaque code stands for which category.

A code is one token, the same token wherever it stands, so that the probability of a category can be read at a single
position. Codes are never shown to people, never reused and never reordered, not even for categories that were removed:
a model that was trained with the first n entries stays valid as the codebook grows. A new category gets the next code
that the tokenizer can carry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from string import ascii_uppercase
from typing import TYPE_CHECKING

from daemon.model.prompt import TAIL

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# What may stand before and after a code. The model answers after the first; the others prove the token stable.
_SURROUNDINGS = ((TAIL, ""), (TAIL, "\n"), ("the code", ", and"), (".", "."))


class CodebookError(ValueError):
    """A codebook that can't be read or extended. The sentence says which and what to do."""


@dataclass(frozen=True)
class Entry:
    """One category's code. `category` is the store's stable id, not a name: folders are renamed, ids aren't."""

    code: str
    category: str


@dataclass(frozen=True)
class Codebook:
    """All codes ever given, oldest first. Raises CodebookError if a code or a category stands in it twice."""

    entries: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        if len(self._by_category) < len(self.entries) or len(self._by_code) < len(self.entries):
            raise CodebookError(
                "the codebook names a code or a category twice. Restore it from a backup of the database."
            )

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def _by_category(self) -> dict[str, str]:
        return {entry.category: entry.code for entry in self.entries}

    @cached_property
    def _by_code(self) -> dict[str, str]:
        return {entry.code: entry.category for entry in self.entries}

    @property
    def codes(self) -> tuple[str, ...]:
        """All codes, in order."""
        return tuple(entry.code for entry in self.entries)

    @property
    def categories(self) -> tuple[str, ...]:
        """All category ids, in order."""
        return tuple(entry.category for entry in self.entries)

    def code(self, category: str) -> str:
        """The code of a category. Raises KeyError if it has none yet."""
        return self._by_category[category]

    def category(self, code: str) -> str:
        """The category of a code. Raises KeyError."""
        return self._by_code[code]

    def hash(self, length: int | None = None) -> str:
        """sha256 in hex over the first `length` entries, all by default."""
        rows = [[entry.code, entry.category] for entry in self.entries[:length]]
        return hashlib.sha256(json.dumps(rows, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()

    def fits(self, model_codebook: Codebook) -> bool:
        """Can a model that was trained with `model_codebook` serve us? It can if ours only grew since."""
        return len(model_codebook) <= len(self) and self.hash(len(model_codebook)) == model_codebook.hash()

    def extended(self, categories: Iterable[str], tokenizer: Tokenizer) -> Codebook:
        """This codebook with an entry for each new category, in the order given; known ones are left as they are.

        Raises CodebookError when the vocabulary has too few usable codes.
        """
        missing = [category for category in dict.fromkeys(categories) if category not in self._by_category]
        unused = (code for code in usable_codes(tokenizer) if code not in self._by_code)
        codes = list(islice(unused, len(missing)))
        if len(codes) < len(missing):
            raise CodebookError(
                f"the base model's vocabulary has {len(self) + len(codes)} usable codes, "
                f"{len(self) + len(missing)} are needed. Use fewer categories or another base model."
            )
        return Codebook(self.entries + tuple(map(Entry, codes, missing)))

    def to_json(self) -> list[dict[str, str]]:
        """Plain values for a JSON file."""
        return [{"code": entry.code, "category": entry.category} for entry in self.entries]

    @classmethod
    def from_json(cls, value: object) -> Codebook:
        """Read what `to_json` wrote. Raises CodebookError for anything else."""
        try:
            rows = [(row["code"], row["category"]) for row in value]  # type: ignore[attr-defined]
        except (TypeError, KeyError) as error:
            raise CodebookError("the codebook is not a list of code and category. Restore it from a backup.") from error
        if not all(isinstance(part, str) and part for row in rows for part in row):
            raise CodebookError("the codebook holds an empty or non-text code or category. Restore it from a backup.")
        return cls(tuple(Entry(code, category) for code, category in rows))


def usable_codes(tokenizer: Tokenizer) -> Iterator[str]:
    """Codes that this vocabulary can carry, always in the same order: pairs of capitals first, then triples.

    A code and its leading space are one token, the same in every surrounding. Neighbours share no letter where the
    vocabulary allows it, so that a small office gets codes that look nothing alike.
    """
    for letters in (2, 3):
        yield from _spread(
            _single_tokens(("".join(word) for word in product(ascii_uppercase, repeat=letters)), tokenizer)
        )


def code_token(code: str, tokenizer: Tokenizer) -> int | None:
    """The id of the one token that answers with this code, or None if this vocabulary has no such token."""
    found: set[int] = set()
    for before, after in _SURROUNDINGS:
        left = tokenizer.encode(before, add_special_tokens=False).ids
        whole = tokenizer.encode(f"{before} {code}{after}", add_special_tokens=False)
        position = len(left)
        if whole.ids[:position] != left or len(whole.ids) <= position:
            return None
        if whole.offsets[position][1] != len(before) + 1 + len(code):
            return None
        found.add(whole.ids[position])
    return found.pop() if len(found) == 1 else None


def _single_tokens(words: Iterable[str], tokenizer: Tokenizer) -> list[str]:
    # One quick look at the vocabulary leaves a few hundred words for the slow and certain test. BPE spells the leading
    # space as Ġ, SentencePiece as ▁.
    likely = (word for word in words if any(tokenizer.token_to_id(space + word) is not None for space in "Ġ▁"))
    return [word for word in likely if code_token(word, tokenizer) is not None]


def _spread(words: list[str]) -> Iterator[str]:
    """All words, shuffled by their hash, each sharing no letter with the one before where possible."""
    waiting = sorted(words, key=lambda word: hashlib.sha256(word.encode()).digest())
    previous: set[str] = set()
    while waiting:
        index = next((index for index, word in enumerate(waiting) if previous.isdisjoint(word)), 0)
        word = waiting.pop(index)
        previous = set(word)
        yield word
