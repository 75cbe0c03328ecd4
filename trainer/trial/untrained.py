"""The base model as it came, asked with a careful prompt: what a model knows before it has learnt anything here.

every category's name | the text, as all other ways read it | the base's own chat template, where it has one
-> (a) what it writes, read for the name of a category; (b) the likeliest name, each by its whole way of tokens
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from connectors.base import MailText
from daemon.model.base_file import BaseFile, read_header
from daemon.model.prompt import HEAD, TAIL, Renderer
from trainer.answer.answer_tree import END, AnswerTree, answers_behind
from trainer.answer.scoring import decode, score
from trainer.job import TrainingFailed

LONGEST_LIST = 2000
"""Tokens of the categories' names. A longer list doesn't fit a prompt of a small base, and takes minutes a text."""
WRITTEN = 24
"""Tokens that it may write."""
AT_ONCE = 8
Tick = Callable[[int], None]
_ASKED = """Sort the message below into exactly one of these categories:
{names}

Message:
{text}

Answer with the name of the one category that fits best, written exactly as in the list, and nothing else."""
_PLAIN_END = "\nCategory:"


@dataclass(frozen=True)
class Prompted:
    """One careful prompt a text. `tree`: the names as answers behind it."""

    prompts: tuple[tuple[int, ...], ...]
    tree: AnswerTree


def careful_prompts(
    texts: Sequence[MailText], names: Sequence[str], base: BaseFile, renderer: Renderer, tokenizer: Tokenizer
) -> Prompted:
    """The prompts for these texts. Raises TrainingFailed for names that do not fit or that tokens cannot tell apart."""
    listed = "\n".join(f"- {renderer.clean(name)}" for name in names)
    length = len(tokenizer.encode(listed, add_special_tokens=False).ids)
    if length > LONGEST_LIST:
        raise TrainingFailed(f"its prompt would list {len(names):,} categories in {length:,} tokens")
    template = _chat_template(base)
    tail, between, end = (_PLAIN_END, " ", END) if template is None else _chat_tail(template)
    try:
        tree = answers_behind(names, tokenizer, tail, between, end)
    except ValueError as error:
        raise TrainingFailed(str(error)) from error
    prompts = []
    for text in texts:
        read = renderer.render(text).text.removeprefix(HEAD).removesuffix(TAIL).strip()
        asked = _ASKED.format(names=listed, text=read)
        whole = f"{asked}{_PLAIN_END}" if template is None else template(asked)
        prompts.append(tuple(tokenizer.encode(whole).ids))
    return Prompted(tuple(prompts), tree)


def closed_set(model: Any, asked: Prompted, tick: Tick = lambda _: None) -> list[int]:
    """The place of the likeliest name for each text. `tick` hears how many texts are done."""
    found: list[int] = []
    for some in _some(asked.prompts):
        found += [int(place) for place in score(model, some, asked.tree).argmax(axis=1)]
        tick(len(found))
    return found


def free_answers(
    model: Any, asked: Prompted, names: Sequence[str], tokenizer: Tokenizer, tick: Tick = lambda _: None
) -> list[int | None]:
    """The place of the name that it wrote, and nothing else; None where that is no category's."""
    longest = max(WRITTEN, *(len(path) for path in asked.tree.paths))
    found: list[int | None] = []
    for some in _some(asked.prompts):
        found += [named(said, names) for said in decode(model, some, tokenizer, longest)]
        tick(len(found))
    return found


def _some(prompts: Sequence[tuple[int, ...]]) -> Iterator[Sequence[tuple[int, ...]]]:
    """So few at once that progress is told every some seconds."""
    for start in range(0, len(prompts), AT_ONCE):
        yield prompts[start : start + AT_ONCE]


def named(said: str, names: Sequence[str]) -> int | None:
    """Which name this answer gives: word for word, or the only one that it holds; of names within names the longest."""
    words, known = _words(said), [_words(name) for name in names]
    if words in known:
        return known.index(words)
    held = [place for place, name in enumerate(known) if name and f" {name} " in f" {words} "]
    longest = [place for place in held if not any(_within(known[place], known[other]) for other in held)]
    return longest[0] if len(longest) == 1 else None


def _within(name: str, other: str) -> bool:
    return name != other and f" {name} " in f" {other} "


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold().replace("_", " ")))


_Template = Callable[[str], str]


def _chat_template(base: BaseFile) -> _Template | None:
    """How this base wants to be talked to; None where its file does not say."""
    if base.path.is_dir():
        try:
            said = json.loads((base.path / "tokenizer_config.json").read_text("utf-8")).get("chat_template")
        except (OSError, ValueError):
            return None
    else:
        said = read_header(base.path).values.get("tokenizer.chat_template")
    if not isinstance(said, str):
        return None
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # As transformers renders them (utils/chat_template_utils.py).
    template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(said)

    def rendered(asked: str) -> str:
        message = {"role": "user", "content": asked}
        # Qwen3 would think aloud for hundreds of tokens before it names anything.
        options = {"add_generation_prompt": True, "enable_thinking": False, "bos_token": "", "eos_token": ""}
        return template.render(messages=[message], **options)

    try:
        rendered("?")
    except TemplateError:
        return None
    return rendered


def _chat_tail(template: _Template) -> tuple[str, str, str]:
    """What stands before an answer in this template, what between, and what ends an answer."""
    mark = "@@@"
    tail = template(mark).partition(mark)[2]
    return tail, "", "<|im_end|>" if "<|im_end|>" in tail else END
