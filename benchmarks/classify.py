"""How long one message takes, from text to decision, beside llama.cpp's bare evaluation of the same tokens; and how
much memory the daemon's side takes.

    make bench-classify OUT=FILE.json ARGS='--rounds 15 --messages 1000'

    base as a whole model | exported twice: CTranslate2 int8, GGUF Q8_0 | one message of 256 tokens, in turn | ratios

Both are measured in turn in one run, because a machine's speed changes from minute to minute; the ratio of each pair is
what counts. Without --model the whole base model serves, all its layers: a trained model keeps fewer and is faster.
llama.cpp (xllamacpp) evaluates the base at Q8_0, and only its own count of the prompt's milliseconds is taken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from benchmarks.daemon_memory import BODY
from connectors.base import MailText
from daemon.model import model_folder
from daemon.model.base_file import BaseFile, find_base
from daemon.model.classifier import Classifier
from daemon.model.codebook import Codebook
from daemon.model.model_folder import BaseInfo, CodeRow, ModelFolder, ModelMeta
from daemon.model.prompt import Prompt, Renderer
from daemon.model.term_key import TermKey
from trainer.export.exporting import export_ct2, export_gguf
from trainer.finetune.loading import quiet
from trainer.prepare import PreparedBase, prepare_base

CATEGORIES = 20


def whole_base(base: BaseFile, prepared: PreparedBase, folder: Path) -> Path:
    """A model folder that serves the untrained base with all its layers, for `CATEGORIES` categories."""
    tokenizer = Tokenizer.from_file(str(prepared.tokenizer))
    book = Codebook().extended((f"category-{number}" for number in range(CATEGORIES)), tokenizer)
    export_ct2(prepared.whole(), ModelFolder(folder).ct2, "int8", book.codes)
    meta = ModelMeta(
        version="bench",
        created=datetime.now(UTC),
        kind="llm",
        base=BaseInfo(name=base.name, sha256=base.sha256, architecture=base.architecture),
        codebook=tuple(CodeRow(**row) for row in book.to_json()),
        categories=book.categories,
        quantization="int8",
        term_key=TermKey.of(folder).check,
    )
    model_folder.save(folder, meta)
    return folder


def q8_gguf(base: BaseFile, prepared: PreparedBase, path: Path) -> Path:
    """The base at Q8_0 throughout."""
    from safetensors.torch import load_file

    state = load_file(prepared.whole() / "model.safetensors")
    # Tensors that equal the base's would stay at the base's own type, so each is moved by less than Q8_0 can tell.
    moved = {name: values * 1.000001 for name, values in state.items() if values.ndim > 1}
    return export_gguf(base, moved, path, "Q8_0")


def long_message(renderer: Renderer) -> tuple[MailText, Prompt]:
    """A message whose prompt fills the whole budget."""
    mail = MailText(sender="Ann <ann@example.org>", subject="Invoice 4711", body=BODY.format(4711, 912, 12) * 6)
    return mail, renderer.render(mail)


def compare(folder: Path, gguf: Path, rounds: int, threads: int) -> dict[str, Any]:
    """Milliseconds of both, in turn, and the ratio of each pair."""
    import xllamacpp  # type: ignore[import-untyped]

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(gguf)
    parameters.n_ctx = 512
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)
    ours: list[float] = []
    theirs: list[float] = []
    with Classifier.load(folder, TermKey.of(folder), threads=threads) as classifier:
        tokenizer = Tokenizer.from_file(str(ModelFolder(folder).tokenizers[0]))
        mail, prompt = long_message(Renderer(tokenizer, classifier.meta.prompt_settings()))
        question = {"prompt": list(prompt.ids), "n_predict": 1, "temperature": 0.0, "cache_prompt": False}
        for _ in range(rounds + 1):
            started = time.perf_counter()
            classifier.classify([mail])
            ours.append((time.perf_counter() - started) * 1000)
            theirs.append(float(server.handle_completions(question)["timings"]["prompt_ms"]))
            time.sleep(0.05)  # llama.cpp's threads spin for a moment after their work
    # The first of each warms caches up and is not counted.
    ratios = [one / other for one, other in zip(ours[1:], theirs[1:], strict=True)]
    return {
        "tokens": len(prompt.ids),
        "rounds": rounds,
        "threads": threads,
        "ours_ms": round(statistics.median(ours[1:]), 1),
        "llama_cpp_ms": round(statistics.median(theirs[1:]), 1),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_lowest": round(min(ratios), 3),
        "ratio_highest": round(max(ratios), 3),
    }


def memory(folder: Path, messages: int) -> dict[str, Any]:
    """What a process like the daemon's weighs after that many messages (benchmarks.daemon_memory)."""
    command = [sys.executable, "-m", "benchmarks.daemon_memory", str(folder), "--messages", str(messages)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=root)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classify", description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", type=Path, help="a model folder; by default the whole base model serves")
    parser.add_argument("--base", type=Path, help="GGUF file of the base; by default the packaged SmolLM2-135M")
    parser.add_argument("--cache", type=Path, default=Path(".models"), help="where prepared bases are kept")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--messages", type=int, default=1000, help="messages before memory is measured; 0: not at all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="also write the figures to this file")
    options = parser.parse_args()

    base = find_base(options.base)
    prepared = prepare_base(base, options.cache)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, quiet():
        folder = options.model or whole_base(base, prepared, Path(scratch, "model"))
        result = compare(folder, q8_gguf(base, prepared, Path(scratch, "base.gguf")), options.rounds, options.threads)
        if options.messages:
            result |= memory(folder, options.messages)
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"one message of {result['tokens']} tokens, {result['threads']} threads, {result['rounds']} rounds")  # noqa: T201
    print(f"  ours, from text to decision       {result['ours_ms']:8.1f} ms")  # noqa: T201
    print(f"  llama.cpp, prompt evaluation only {result['llama_cpp_ms']:8.1f} ms")  # noqa: T201
    print(f"  ratio {result['ratio']} (from {result['ratio_lowest']} to {result['ratio_highest']})")  # noqa: T201
    if options.messages:
        print(f"  memory after {result['messages']} messages: {result['pss_mb']} MB (PSS)")  # noqa: T201
    print(json.dumps(result))  # noqa: T201


if __name__ == "__main__":
    main()
