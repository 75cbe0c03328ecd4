"""The renderer: one message as the exact input of the model. Training and serving use this and nothing else.

    MailText | clean each field | cut to the token budget | join with fixed names | encode  ->  Prompt(text, ids)

A prompt is plain text: a fixed head, the fields that the message has, its body, and `TAIL`. The answer is the one token
that follows: a space and a code of the codebook. No chat template is involved, because servers change theirs between
versions. Mail is data: nothing in it can become a special token, and `tokenizer.encode(text)` is always `ids`, so that
a server which takes text (Ollama) reads what an engine which takes ids reads.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.base import MailText

if TYPE_CHECKING:
    from tokenizers import Tokenizer

HEAD = "Sort this mail.\n"
TAIL = "\nCode:"
GAP = " ... "
SMALLEST_BUDGET = 64

# Each field's largest part of the budget. The body gets what the others leave, and always more than a third.
FIELD_SHARES = {"From": 1 / 8, "To": 1 / 16, "List": 1 / 16, "Subject": 1 / 4, "Attached": 1 / 8}

# A token of ordinary text is four characters long. Raw text shrinks when it is cleaned, so more of it is looked at;
# both keep a mail of 50 MB as cheap as a page.
RAW_CHARACTERS_A_TOKEN = 24
CLEAN_CHARACTERS_A_TOKEN = 8

# Hangul fillers and the blank Braille pattern: letters and symbols by category, nothing to the eye.
_BLANKS = "\t\u115f\u1160\u3164\uffa0\u2800"
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co"})

_URL = re.compile(r"(?:https?|ftp)://([^\s/?#<>\"']+)[^\s<>\"']*", re.IGNORECASE)
_BLOB = re.compile(r"([A-Za-z0-9+/=_%&-]{24})[A-Za-z0-9+/=_%&-]{40,}")
_RULER = re.compile(r"([^\w\s])\1{3,}")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" *\n[\s]*")


class _Visible(dict[int, str]):
    """A table for str.translate that keeps what the eye sees, and looks each character up only once."""

    def __missing__(self, ordinal: int) -> str:
        character = chr(ordinal)
        if character in _BLANKS:
            kept = " "
        elif character == "\n" or unicodedata.category(character) not in _DROPPED_CATEGORIES:
            kept = character
        else:
            kept = ""
        self[ordinal] = kept
        return kept


_VISIBLE = _Visible()


@dataclass(frozen=True)
class PromptSettings:
    """What shapes a prompt; it travels with the model, because a model reads only what it was trained on.

    `version` changes when the layout does. `max_tokens` counts the whole prompt. `head_share` is the part of a long
    body's budget that its beginning gets; the rest goes to its end.
    """

    version: int = 1
    max_tokens: int = 256
    head_share: float = 0.75


def context_for(max_tokens: int) -> int:
    """Tokens of context on a server: room for the prompt and its one answer, in whole steps of 256 as llama.cpp allots
    them."""
    return -(-(max_tokens + 1) // 256) * 256


@dataclass(frozen=True)
class Prompt:
    """The model's input, twice: the text and its token ids. `tokenizer.encode(text).ids == list(ids)`."""

    text: str
    ids: tuple[int, ...]


class Renderer:
    """Renders messages for one tokenizer. Raises ValueError for settings of another layout or an impossible budget."""

    def __init__(self, tokenizer: Tokenizer, settings: PromptSettings) -> None:
        if settings.version != 1:
            raise ValueError(
                f"prompt layout {settings.version} is unknown to this version of Postroom (it knows 1). "
                "Update Postroom, or train again."
            )
        if settings.max_tokens < SMALLEST_BUDGET or not 0 < settings.head_share <= 1:
            raise ValueError(
                f"a prompt needs at least {SMALLEST_BUDGET} tokens and a head_share in (0, 1], "
                f"not {settings.max_tokens} and {settings.head_share}."
            )
        self.settings = settings
        self.tokenizer = tokenizer
        self._marker = marker_pattern(token.content for token in tokenizer.get_added_tokens_decoder().values())
        self._fixed = len(self._encode(HEAD + "\n" + TAIL))
        self._name_lengths = {name: len(self._offsets(f"{name}: \n")) for name in FIELD_SHARES}

    def render(self, text: MailText) -> Prompt:
        """The prompt of one message: at most `max_tokens` tokens, the same for the same text, never empty."""
        head, used = self._fields(text)
        budget = self.settings.max_tokens - self._fixed - used
        while True:
            whole = f"{head}\n{self._cut_middle(text.body, budget)}{TAIL}"
            ids = self._encode(whole)
            if len(ids) <= self.settings.max_tokens:
                return Prompt(whole, tuple(ids))
            if budget <= 0:
                # Fields of odd characters can outgrow their shares; a body alone always fits.
                head, used = HEAD, 0
                budget = self.settings.max_tokens - self._fixed
            # Cutting changes how the neighbours of a cut are tokenised, rarely by more than a token or two.
            budget -= len(ids) - self.settings.max_tokens

    def clean(self, text: str) -> str:
        """The text without tricks: no special tokens, nothing invisible, no long addresses, blobs or rulers."""
        return neutralised(readable(text), self._marker)

    def _fields(self, text: MailText) -> tuple[str, int]:
        """The fixed head with the fields that this message has, and how many tokens these fields take."""
        values = {
            "From": text.sender,
            "To": text.to,
            "List": text.list_id,
            "Subject": text.subject,
            "Attached": ", ".join(text.attachments[:12]),
        }
        lines = [HEAD]
        for name, value in values.items():
            limit = int(self.settings.max_tokens * FIELD_SHARES[name]) - self._name_lengths[name]
            if kept := self._cut_end(value, max(limit, 1)):
                lines.append(f"{name}: {kept}\n")
        head = "".join(lines)
        return head, len(self._encode(head)) - len(self._encode(HEAD))

    def _cut_end(self, value: str, limit: int) -> str:
        """One line of at most `limit` tokens."""
        line = " ".join(self.clean(value[: limit * RAW_CHARACTERS_A_TOKEN]).split())
        offsets = self._offsets(line)
        return line if len(offsets) <= limit else line[: offsets[limit][0]].rstrip()

    def _cut_middle(self, body: str, budget: int) -> str:
        """The body's head and tail inside the budget; the whole body where it fits."""
        if budget <= 0:
            return ""
        body = self.clean(_ends(body, budget * RAW_CHARACTERS_A_TOKEN))
        body = _ends(body, budget * CLEAN_CHARACTERS_A_TOKEN)
        offsets = self._offsets(body)
        if len(offsets) <= budget:
            return body
        kept = max(budget - len(self._encode(GAP)), 1)
        first = max(round(kept * self.settings.head_share), 1)
        last = kept - first
        head = body[: offsets[first][0]].rstrip()
        tail = body[offsets[len(offsets) - last][0] :].lstrip() if last else ""
        # A cut may join what cleaning had kept apart; cleaning again is free on so short a text.
        return self.clean(f"{head}{GAP}{tail}")

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        # Without the beginning-of-text token that some tokenizers add: it stands at no character.
        return self.tokenizer.encode(text, add_special_tokens=False).offsets


def _ends(text: str, reach: int) -> str:
    """The first and the last `reach` characters; the whole text where that is less work."""
    return text if len(text) <= 2 * reach else f"{text[:reach]}\n{text[-reach:]}"


def readable(text: str) -> str:
    """Normalised text of visible characters, single spaces and single line ends; addresses cut to their host.

    NFC, because some tokenizers normalise and llama.cpp does not.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_VISIBLE)
    text = unicodedata.normalize("NFC", text)
    text = _URL.sub(r"\1", text)
    text = _BLOB.sub(r"\1", text)
    text = _RULER.sub(r"\1\1\1", text)
    return _LINES.sub("\n", _SPACES.sub(" ", text)).strip()


def marker_pattern(contents: Iterable[str]) -> re.Pattern[str]:
    """What must not occur in mail: the vocabulary's special tokens, and anything that starts like one of ChatML's.

    Tokens of white space only (Gemma has some) are ordinary text.
    """
    words = {content for content in contents if len(content) > 1 and content.strip() and "▁" not in content}
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile("|".join([*map(re.escape, longest_first), re.escape("<|")]))


def neutralised(text: str, marker: re.Pattern[str]) -> str:
    """The text with a space after the first character of everything that `marker` finds.

    "<|im_start|>" becomes "< |im_start|>": a person still reads it, no tokenizer makes a special token of it.
    """
    while marker.search(text):
        text = marker.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
    return text
