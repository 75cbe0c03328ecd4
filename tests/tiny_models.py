"""Models of a few thousand weights with a vocabulary of their own, built from a config, as folder and as GGUF.

One of each architecture that Postroom takes as a base: Qwen3 (normalised queries and keys, a head width of its own),
Qwen2 (biases), Llama (rotated pairs), Gemma 3 (norms plus one, scaled embedding, sliding window, SentencePiece).

Nothing is downloaded. The vocabulary is Qwen's in small: byte-level, Qwen's split and NFC, special tokens that mail may
name, every pair of capitals one token.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

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


def tiny_model(architecture: str, layers: int = 3, seed: int = 1) -> Any:
    """A model of one of `ARCHITECTURES`, or in one of `REAL_SHAPES`, with everything that could be lost on the way."""
    import torch
    import transformers

    if architecture == "qwen3":
        return tiny_qwen3(layers, seed)
    architecture, shape = architecture.partition(":")[0], REAL_SHAPES.get(architecture, {})
    tokenizer = vocabulary_of(architecture)
    common = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": True,
        "initializer_range": 0.15,
        "bos_token_id": tokenizer.token_to_id("<bos>"),
        "eos_token_id": 1,
        "pad_token_id": 0,
    } | shape
    torch.manual_seed(seed)
    if architecture == "gemma3":
        # 256 wide heads as all Gemmas have; a window shorter than the prompts; the sixth layer sees everything.
        common |= {"head_dim": 256, "query_pre_attn_scalar": 256, "sliding_window": 64}
        config = transformers.Gemma3TextConfig(**common)
        model = transformers.Gemma3ForCausalLM(config)
    elif architecture == "qwen2":
        model = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**common, rope_theta=1_000_000.0))
    elif architecture == "qwen3":
        model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**common, rope_theta=1_000_000.0))
    else:
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**common, rope_theta=100_000.0))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):  # zero when new, and then nobody would notice that they are lost
                parameter.normal_(0, 0.5)
            if name.endswith("norm.weight"):
                parameter += 0.2 * torch.randn(parameter.shape)
    return model.eval().to(torch.float32)


ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma3")

# The widths of real models' attention; MLP, layers and vocabulary stay small.
REAL_SHAPES: dict[str, dict[str, Any]] = {
    "qwen3:0.6b": {
        "hidden_size": 1024,
        "intermediate_size": 256,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "initializer_range": 0.02,
    },
    "qwen2:0.5b": {
        "hidden_size": 896,
        "intermediate_size": 256,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "initializer_range": 0.02,
    },
    "gemma3:270m": {
        "hidden_size": 640,
        "intermediate_size": 256,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "initializer_range": 0.02,
    },
}


def vocabulary_of(architecture: str) -> Tokenizer:
    """Gemma's way to split text, or Qwen's."""
    return gemma_tokenizer() if architecture == "gemma3" else tiny_tokenizer()


GEMMA_SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")


def gemma_pieces() -> list[str]:
    """SentencePiece's normal pieces, the best first: merged ones, then single characters."""
    letters = [*ascii_lowercase, *ascii_uppercase, *"0123456789.,:;?!@<>|[]/-\n"]
    merged = [f"▁{first}{second}" for first, second in product(ascii_uppercase, repeat=2)]
    merged += [f"▁{letter}" for letter in ascii_uppercase]
    merged += [f"{first}{second}" for first, second in product("aeiourstn", ascii_lowercase)]
    return [*merged, "▁", *letters]


def gemma_tokenizer() -> Tokenizer:
    """BPE over SentencePiece's pieces with bytes for the rest, and <bos> before every text, as Gemma has it."""
    pieces = gemma_pieces()
    tokens = [*GEMMA_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    known = set(pieces)
    merges = [
        (piece[:cut], piece[cut:])
        for piece in pieces
        for cut in range(1, len(piece))
        if piece[:cut] in known and piece[cut:] in known
    ]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in GEMMA_SPECIAL])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))]
    )
    return tokenizer


def save_folder(model: Any, folder: Path) -> Path:
    """The model in Hugging Face form, with tokenizer.json."""
    model.save_pretrained(folder)
    tokenizer = vocabulary_of({"gemma3_text": "gemma3"}.get(model.config.model_type, model.config.model_type))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def save_gguf(model: Any, path: Path, architecture: str = "") -> Path:
    """The model as a base file in GGUF form, float32, written as llama.cpp's own converter does.

    `architecture` only to name a wrong one.
    """
    import gguf

    config = model.config
    kind = {"gemma3_text": "gemma3"}.get(config.model_type, config.model_type)
    rope = config.rope_parameters
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer = gguf.GGUFWriter(path, architecture or kind)
    writer.add_name(f"Tiny {kind.capitalize()}")
    writer.add_license("apache-2.0")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    if kind in ("qwen3", "gemma3"):
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    else:
        writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(rope["full_attention"]["rope_theta"] if kind == "gemma3" else rope["rope_theta"])
    if kind == "gemma3":
        writer.add_sliding_window(config.sliding_window)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _write_vocabulary(writer, kind, config)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[kind.upper()], config.num_hidden_layers)
    for name, values in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        writer.add_tensor(found, _as_llama_cpp(kind, name, values.numpy(), config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _as_llama_cpp(kind: str, name: str, values: Any, config: Any) -> Any:
    """convert_hf_to_gguf.py: Llama's q and k are permuted, Gemma's norms get their one."""
    if kind == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
        heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
        parts = values.reshape(heads, 2, values.shape[0] // heads // 2, values.shape[1])
        return parts.swapaxes(1, 2).reshape(values.shape)
    return values + 1 if kind == "gemma3" and name.endswith("norm.weight") else values


def _write_vocabulary(writer: Any, kind: str, config: Any) -> None:
    import gguf

    tokenizer = vocabulary_of(kind)
    tokens = [tokenizer.id_to_token(index) for index in range(config.vocab_size)]
    special, markers = (GEMMA_SPECIAL, ()) if kind == "gemma3" else (SPECIAL, PLAIN_MARKERS)
    kinds = {
        **dict.fromkeys(special, gguf.TokenType.CONTROL),
        **dict.fromkeys(markers, gguf.TokenType.USER_DEFINED),
    }
    if kind == "gemma3":
        kinds |= {f"<0x{byte:02X}>": gguf.TokenType.BYTE for byte in range(256)} | {"<unk>": gguf.TokenType.UNKNOWN}
        first = len(GEMMA_SPECIAL) + 256
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(tokens)
        writer.add_token_scores([float(first - index) if index >= first else -1000.0 for index in range(len(tokens))])
        writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
        for name in ("bos", "eos", "pad", "unk"):
            getattr(writer, f"add_{name}_token_id")(tokenizer.token_to_id(f"<{name}>"))
        writer.add_add_bos_token(True)
        writer.add_add_eos_token(False)
        writer.add_add_space_prefix(False)
        return
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in tiny_merges()])
    writer.add_eos_token_id(tokenizer.token_to_id("<|im_end|>"))
    writer.add_add_bos_token(False)
