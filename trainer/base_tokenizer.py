"""The tokenizer that a GGUF file describes, as tokenizer.json. No transformers.

    tokens, merges, kinds of tokens, the name of the way to split text  ->  Tokenizer

A GGUF file holds the vocabulary and names how text is split before it is merged (`tokenizer.ggml.pre`); what a name
means stands in llama.cpp (src/llama-vocab.cpp). Only what is known here is read; the rest is left to transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

CONTROL, USER_DEFINED = 3, 4
"""Kinds of tokens (gguf.TokenType): never in a text, and whole wherever they stand in it."""
_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN, _LLAMA3 = _ENDINGS + r"\p{N}" + _REST, _ENDINGS + r"\p{N}{1,3}" + _REST
SPLITS: Mapping[str, str] = {
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen"), _QWEN),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3"), _LLAMA3),
}


class UnknownTokenizer(Exception):
    """The file describes a tokenizer that is not known here. `str()` says which."""


def tokenizer_of(header: Mapping[str, Any]) -> Tokenizer:
    """Of a file with this header. Raises UnknownTokenizer; ValueError, KeyError, IndexError for a damaged one."""

    def said(key: str, default: Any = None) -> Any:
        name = f"tokenizer.ggml.{key}"
        return header[name].contents() if name in header else default

    kind, way = said("model"), said("pre", "default")
    tokens: Sequence[str] = said("tokens")
    kinds: Sequence[int] = said("token_type") or ()
    if kind == "gpt2" and (way in SPLITS or way == "smollm"):
        tokenizer = _byte_level(tokens, said("merges") or (), way)
        spelled = set(pre_tokenizers.ByteLevel.alphabet())
    elif kind == "llama" and str(header["general.architecture"].contents()).startswith("gemma"):
        tokenizer, spelled = _gemma(tokens), set()
    else:
        raise UnknownTokenizer(f"a tokenizer {kind!r} that splits text by {way!r}")
    # Of a byte-level vocabulary whatever is spelled in other characters was marked as control by mistake.
    control = [t for t, of in zip(tokens, kinds, strict=False) if of == CONTROL and (not spelled or set(t) <= spelled)]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    whole = [token for token, of in zip(tokens, kinds, strict=False) if of == USER_DEFINED]
    known = tokenizer.get_vocab()
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in whole if token in known])
    if said("add_bos_token", kind == "llama"):
        first = tokens[int(said("bos_token_id"))]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", special_tokens=[(first, tokenizer.token_to_id(first))]
        )
    return tokenizer


def _byte_level(tokens: Sequence[str], merges: Sequence[str], way: str) -> Tokenizer:
    pairs = [(first, second) for first, _, second in (merge.partition(" ") for merge in merges)]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    if odd := next((one for pair in pairs for one in (*pair, "".join(pair)) if one not in vocabulary), None):
        raise ValueError(f"the tokens that it merges are not its own: {odd!r}")
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    # SmolLM2 splits digits before anything else.
    first = (
        pre_tokenizers.Digits(individual_digits=True)
        if way == "smollm"
        else pre_tokenizers.Split(Regex(SPLITS[way]), behavior="isolated")
    )
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=way == "smollm")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([first, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _gemma(tokens: Sequence[str]) -> Tokenizer:
    """BPE over SentencePiece's pieces. The file lists no merges: every way to cut a piece into two is one, and pieces
    are made in the vocabulary's order. Runs of spaces stand there as spaces."""
    spelled = ["▁" * len(token) if " " in token and not token.strip() else token for token in tokens]
    known = {token: index for index, token in enumerate(spelled)}
    in_order = sorted(known, key=known.__getitem__)
    merges = [(piece[:cut], piece[cut:]) for piece in in_order for cut in _cuts(piece, known)]
    tokenizer = Tokenizer(models.BPE(vocab=known, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def _cuts(piece: str, known: Mapping[str, int]) -> list[int]:
    """Where this piece may be cut: the longest left part first, as transformers orders the merges of one piece."""
    return [cut for cut in range(len(piece) - 1, 0, -1) if piece[:cut] in known and piece[cut:] in known]
