"""The closed set of answers as a tree of tokens: a code is a branch of one token, a readable name a longer one.

    token ids of every answer | where do they part?  ->  AnswerTree; the probability of an answer is a product over
    the partings on its way, at each of which only tokens that lead to an answer count

So codes and names are scored alike: nothing off the list can be answered, and the probabilities of all answers sum to
one without any normalising afterwards. For codes it is the softmax over the codes at one position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Tokenizer

from daemon.model.prompt import TAIL

Ids = tuple[int, ...]
# Ends every answer, so that no name is the beginning of another one.
END = "\n"


@dataclass(frozen=True)
class Parting:
    """A place on an answer's way where answers part: after `depth` of its tokens, `right` of `choices` leads on."""

    depth: int
    choices: Ids
    right: int


@dataclass(frozen=True)
class AnswerTree:
    """`paths`: the token ids of each answer, in the order of the labels. Raises ValueError if two are the same."""

    paths: tuple[Ids, ...]

    def __post_init__(self) -> None:
        if len(set(self.paths)) < len(self.paths) or len(self.paths) < 2:
            raise ValueError("there must be at least two answers, and no two of the same tokens")
        if any(path[: len(other)] == other for path in self.paths for other in self.paths if path != other):
            raise ValueError("no answer may be the beginning of another one")

    @cached_property
    def _choices(self) -> dict[Ids, Ids]:
        found: dict[Ids, dict[int, None]] = {}
        for path in self.paths:
            for depth, token in enumerate(path):
                found.setdefault(path[:depth], {})[token] = None
        return {prefix: tuple(tokens) for prefix, tokens in found.items()}

    @cached_property
    def partings(self) -> tuple[tuple[Parting, ...], ...]:
        """The partings on the way of each answer."""
        return tuple(
            tuple(
                Parting(depth, choices, choices.index(path[depth]))
                for depth in range(len(path))
                if len(choices := self._choices[path[:depth]]) > 1
            )
            for path in self.paths
        )

    def read(self, label: int) -> Ids:
        """What must be read after the prompt to reach the last parting of this answer; nothing for a code."""
        return self.paths[label][: self.partings[label][-1].depth]

    @cached_property
    def nodes(self) -> tuple[Ids, ...]:
        """Every beginning that has to be read to score all answers at once, shorter ones first."""
        ways = {self.paths[label][:depth] for label in range(len(self.paths)) for depth in self._depths(label)}
        return tuple(sorted(ways, key=lambda way: (len(way), way)))

    def _depths(self, label: int) -> range:
        return range(1, len(self.read(label)) + 1)

    @cached_property
    def tokens(self) -> Ids:
        """All tokens that can be chosen at a parting."""
        parting = {token for ways in self.partings for part in ways for token in part.choices}
        return tuple(sorted(parting))


def after_prompt(answers: Sequence[str], tokenizer: Tokenizer) -> AnswerTree:
    """The tree of these answers, each behind the prompt's end and a space: the boundary is the same for all.

    Raises ValueError for an answer whose first token would swallow the prompt's last, or two that look the same.
    """
    return answers_behind(answers, tokenizer, TAIL, " ", END)


def answers_behind(answers: Sequence[str], tokenizer: Tokenizer, before: str, between: str, end: str) -> AnswerTree:
    """As `after_prompt`, for a prompt that ends with `before`. Raises ValueError as that does."""
    tail = tokenizer.encode(before, add_special_tokens=False).ids
    paths = []
    for answer in answers:
        whole = tokenizer.encode(f"{before}{between}{answer}{end}", add_special_tokens=False).ids
        if whole[: len(tail)] != tail:
            raise ValueError(f"{answer!r} changes how the prompt before it is read")
        paths.append(tuple(whole[len(tail) :]))
    return AnswerTree(tuple(paths))
