"""A Qwen3 of a few thousand weights with a vocabulary of its own, built from a config, as folder and as GGUF.

Nothing is downloaded. The vocabulary is Qwen's in small: byte-level, Qwen's split and NFC, special tokens that mail may
name, every pair of capitals one token.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PLAIN_MARKERS = ("<think>", "</think>")
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def tiny_merges() -> list[tuple[str, str]]:
    """Pairs of letters, and every pair of capitals behind a space."""
    merges = [("Ġ", letter) for letter in ascii_uppercase]
    merges += [(f"Ġ{first}", second) for first, second in product(ascii_uppercase, repeat=2)]
    merges += [(first, second) for first, second in product("aeiourstn", ascii_lowercase)]
    return merges


def tiny_tokenizer() -> Tokenizer:
    """Byte-level BPE with Qwen's way to split text."""
    merges = tiny_merges()
    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in PLAIN_MARKERS])
    return tokenizer


def tiny_qwen3(layers: int = 3, seed: int = 1, tied: bool = True) -> Any:
    """Random weights, large enough for answers that differ."""
    import torch  # here, because most tests need no torch and should not wait for it
    from transformers import Qwen3Config, Qwen3ForCausalLM

    size = tiny_tokenizer().get_vocab_size()
    config = Qwen3Config(
        vocab_size=size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=1024,
        rope_theta=1_000_000.0,
        tie_word_embeddings=tied,
        initializer_range=0.15,
        bos_token_id=None,
        eos_token_id=size - 5,
        pad_token_id=size - 5,
    )
    torch.manual_seed(seed)
    return Qwen3ForCausalLM(config).eval().to(torch.float32)


def save_folder(model: Any, folder: Path) -> Path:
    """The model in Hugging Face form, with tokenizer.json."""
    model.save_pretrained(folder)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def save_gguf(model: Any, path: Path, architecture: str = "qwen3") -> Path:
    """The model as a base file in GGUF form, float32, written as llama.cpp's own converter does for Qwen3."""
    import gguf

    config, tokenizer = model.config, tiny_tokenizer()
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("Tiny Qwen3")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    tokens = [tokenizer.id_to_token(index) for index in range(config.vocab_size)]
    kinds = {
        **dict.fromkeys(SPECIAL, gguf.TokenType.CONTROL),
        **dict.fromkeys(PLAIN_MARKERS, gguf.TokenType.USER_DEFINED),
    }
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in tiny_merges()])
    writer.add_eos_token_id(tokenizer.token_to_id("<|im_end|>"))
    writer.add_add_bos_token(False)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, config.num_hidden_layers)
    for name, values in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        found = names.get_name(name, try_suffixes=(".weight",))
        writer.add_tensor(found, values.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
