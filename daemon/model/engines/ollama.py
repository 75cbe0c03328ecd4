"""The Ollama engine: the language model runs in an Ollama server, on this machine or another.

    classify   is it ours? | prompt text | /api/generate: raw, one token, top 20 logprobs | codes among them, a bound
    publish    GGUF | /api/blobs | /api/create  ->  postroom-MAILBOX:VERSION | /api/copy  ->  :current, :previous

Raw mode, think off and fixed options make the answer independent of the server's templates, which change between
versions (docs/engines.md). Ollama shows at most 20 tokens of a position; `daemon.model.engines.top_tokens` bounds the
rest.

Anybody who reaches the server can put another model behind a name. So the engine asks four prompts whose answers were
noted when the model took its exam (daemon.model.engines.fingerprint): before its first answer, when the digest behind
the name has changed, when the server was away, and every `ASK_AGAIN_S`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from ollama import ResponseError

from connectors.said import said
from daemon.model.base_file import sha256_of
from daemon.model.engines.engine import (
    Engine,
    EngineUnavailable,
    Floats,
    ModelMissing,
    ModelRefused,
    OtherModel,
    renormalised,
)
from daemon.model.engines.fingerprint import TOLERANCE, Fingerprint, difference
from daemon.model.engines.ollama_client import (
    K_QUANTS,
    answered,
    connect,
    missing,
    shown_tokens,
    translated,
    unfit,
    version_of,
)
from daemon.model.engines.top_tokens import code_scores
from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Prompt, context_for

TOP_LOGPROBS = 20
ASK_AGAIN_S = 3600.0
"""So long an unchanged digest is believed."""
CURRENT, PREVIOUS = "postroom:current", "postroom:previous"


class OllamaEngine(Engine):
    """One model of one Ollama server. Nothing is sent before the first message.

    `host` as Ollama writes it: "127.0.0.1:11434" or a URL. `timeout` in seconds; the first answer includes loading the
    model. `num_ctx` must hold the longest prompt and never change, for a change makes Ollama load the model again.
    `fingerprint` is what our model is recognised by; None, for a model that takes its exam only now: any model that
    has the name. `cure` is the sentence that says how to put ours back behind it.
    """

    def __init__(
        self,
        host: str,
        model: str = CURRENT,
        timeout: float = 120.0,
        num_ctx: int = 1024,
        num_thread: int | None = None,
        keep_alive: str = "30m",
        fingerprint: Fingerprint | None = None,
        cure: str = "`postroom promote VERSION` publishes ours again.",
    ) -> None:
        self._host, self._model, self._keep_alive = host, model, keep_alive
        self._options: dict[str, int | float] = {"temperature": 0.0, "num_predict": 1, "seed": 1, "num_ctx": num_ctx}
        if num_thread is not None:
            self._options["num_thread"] = num_thread
        self._num_ctx = num_ctx
        self._fingerprint, self._cure = fingerprint, cure
        self._recognised, self._asked = "", 0.0
        """The digest behind our name when the model was recognised last, and when that was."""
        self._client = connect(host, timeout)

    def code_logprobs(self, prompts: Sequence[Prompt], codes: Sequence[str]) -> Floats:
        self.verify()
        answers = [self._ask(prompt) for prompt in prompts]
        if not codes:
            raise ModelRefused(f"Ollama model {self._model}: there are no codes to choose from. Train again.")
        tokens = [f" {code}" for code in codes]  # a code's token has a leading space
        return renormalised(np.array([code_scores(shown, tokens) for shown in answers]).reshape(-1, len(codes)))

    def verify(self) -> None:
        """Does our model answer to our name? Raises ModelMissing without any, OtherModel, EngineError."""
        if self._fingerprint is None:
            return
        try:
            with answered(self._client, self._host, self._model):
                listed = {model.model: model.digest for model in self._client.list().models}
            digest = listed.get(self._model)
            if not digest:
                raise ModelMissing(missing(self._host, self._model))
            if digest == self._recognised and time.monotonic() - self._asked < ASK_AGAIN_S:
                return
            self.recognise(self._fingerprint)
        except BaseException:
            self._recognised = ""
            raise
        self._recognised, self._asked = digest, time.monotonic()

    def recognise(self, known: Fingerprint) -> None:
        """Does the server answer as the model did whose fingerprint this is? Raises OtherModel, EngineError."""
        tokens = [f" {code}" for code in known.tokens]
        try:
            answers = [self._ask(Prompt(probe.text, probe.ids)) for probe in known.probes]
        except ModelRefused as error:
            if not isinstance(error.__cause__, ResponseError):
                raise
            # The server itself says that what is there can't answer such a question: one for embeddings, for example.
            raise OtherModel(f"{error.__cause__.error[:200]} ({self._model} at {self._host}). {self._cure}") from error
        gap = max(difference(shown, tokens, probe.logprobs) for shown, probe in zip(answers, known.probes, strict=True))
        if gap > TOLERANCE:
            raise OtherModel(
                f"Ollama at {self._host}: another model than ours answers as {self._model} (its answers are "
                f"{gap:.0%} off). No mail is filed by it. {self._cure}"
            )

    def _ask(self, prompt: Prompt) -> dict[str, float]:
        """The likeliest tokens after one prompt, with their log-probabilities."""
        if len(prompt.ids) >= self._num_ctx:
            # Ollama would cut the prompt silently and answer a question that nobody asked.
            raise ModelRefused(
                f"Ollama model {self._model}: prompts of {len(prompt.ids)} tokens don't fit num_ctx {self._num_ctx}. "
                "Train again with a smaller max_tokens under [engine]."
            )
        try:
            with answered(self._client, self._host, self._model):
                response = self._client.generate(
                    model=self._model,
                    prompt=prompt.text,
                    raw=True,
                    think=False,
                    stream=False,
                    logprobs=True,
                    top_logprobs=TOP_LOGPROBS,
                    options=self._options,
                    keep_alive=self._keep_alive,
                )
        except BaseException:
            self._recognised = ""  # a server that was away may come back as another
            raise
        if (response.prompt_eval_count or 0) > len(prompt.ids):
            # The count may leave out cached tokens, so only too many of them prove anything.
            raise OtherModel(
                f"Ollama model {self._model}: it read {response.prompt_eval_count} tokens where {len(prompt.ids)} were "
                f"sent; its tokenizer is not the one we trained with. {self._cure}"
            )
        return shown_tokens(response, self._model)

    @property
    def model(self) -> str:
        """Its name on the server."""
        return self._model

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]


class Publisher:
    """Brings models to an Ollama server and moves the names `postroom:current` and `postroom:previous`.

    Raises EngineError as the engine does, OSError when the GGUF file can't be read.
    """

    def __init__(self, host: str, timeout: float = 600.0) -> None:
        self._host = host
        self._client = connect(host, timeout)

    def publish(
        self, gguf: Path, name: str, report: Callable[[str], None] | None = None, quantize: str | None = None
    ) -> str:
        """Upload the file, create the model `name`, and return its digest. `report` hears Ollama's progress lines.

        `quantize`: one of `K_QUANTS`, which Ollama makes of a file in F16.
        """
        last = ""
        with translated(self._host, name):
            blob = self._client.create_blob(gguf)
            parameters = {"temperature": 0, "num_predict": 1}
            steps = self._client.create(
                name, files={gguf.name: blob}, parameters=parameters, quantize=quantize, stream=True
            )
            for step in steps:
                last = step.status or ""
                if report is not None:
                    report(last)
        if last != "success":
            told = said(last) or "it says nothing more"
            raise EngineUnavailable(f"Ollama at {self._host}: creating {name} did not succeed: {told}. Try again.")
        return self.digest(name)

    def publish_folder(self, folder: Path, name: str, quantization: str = "") -> None:
        """Upload a model folder's GGUF file as `name`, in the form that its model.json names."""
        self.publish(ModelFolder(folder).gguf, name, quantize=quantization if quantization in K_QUANTS else None)

    def ready(self, quantization: str = "") -> str:
        """The server's version. Raises ModelRefused, with the next step, if it can't serve models of this form."""
        version = version_of(self._client, self._host)
        if (problem := unfit(version, quantization)) is not None:
            raise ModelRefused(f"Ollama at {self._host}: {problem}")
        return version

    def names(self) -> list[str]:
        """All models of the server, ours or not."""
        with answered(self._client, self._host, ""):
            return [model.model or "" for model in self._client.list().models]

    def digest(self, name: str) -> str:
        """The digest under which Ollama lists a model. Raises ModelMissing."""
        with answered(self._client, self._host, name):
            found = {model.model: model.digest for model in self._client.list().models}
        if not found.get(name):
            raise ModelMissing(missing(self._host, name))
        return str(found[name])

    def promote(self, name: str, current: str = CURRENT, previous: str = PREVIOUS) -> str:
        """Let `current` mean `name`, and `previous` what `current` meant before; return the digest.

        Each name moves in one step on the server, so the engine always finds a whole model. Several mailboxes on one
        server use names of their own.
        """
        wanted = self.digest(name)
        with suppress(ModelMissing):  # the first model of all has no predecessor
            if self.digest(current) != wanted:  # nor is a model its own, promoted anew
                self._copy(current, previous)
        self._copy(name, current)
        return self.digest(current)

    def rollback(self, current: str = CURRENT, previous: str = PREVIOUS) -> str:
        """Let `current` mean what `previous` means; return its digest. Raises ModelMissing."""
        self._copy(previous, current)
        return self.digest(current)

    def point(self, name: str, target: str) -> bool:
        """Let `name` mean the model `target`. False if the server does not have that."""
        try:
            self._copy(target, name)
        except ModelMissing:
            return False
        return True

    def remove(self, name: str) -> None:
        """Forget a model; one that is already gone is fine."""
        try:
            with answered(self._client, self._host, name):
                self._client.delete(name)
        except ModelMissing:
            return

    def keep_only(self, prefix: str, names: Collection[str]) -> list[str]:
        """Remove the models whose name begins with `prefix` and is not among `names`; return what was removed."""
        spare = sorted(name for name in self.names() if name.startswith(prefix) and name not in names)
        for name in spare:
            self.remove(name)
        return spare

    def _copy(self, source: str, target: str) -> None:
        with translated(self._host, source):
            self._client.copy(source, target)

    def close(self) -> None:
        """Close the connection. Never raises."""
        self._client.close()  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve_folder(
    host: str,
    folder: Path,
    mailbox: str,
    version: str,
    max_tokens: int,
    num_thread: int | None = None,
    quantization: str = "",
    fingerprint: Fingerprint | None = None,
    anew: bool = False,
) -> OllamaEngine:
    """An engine on a model folder's own GGUF file, which is uploaded to the server if it isn't there yet, or `anew`.

    `quantization` is that of model.json. Raises ModelRefused for a folder that was not exported for Ollama,
    EngineError when the server can't take it.
    """
    name = name_on_server(folder, mailbox, version, quantization)
    with Publisher(host) as publisher:
        if anew or name not in publisher.names():
            publisher.publish_folder(folder, name, quantization)
    return engine_on(host, name, mailbox, version, max_tokens, num_thread, fingerprint)


def engine_on(
    host: str,
    name: str,
    mailbox: str,
    version: str,
    max_tokens: int,
    num_thread: int | None = None,
    fingerprint: Fingerprint | None = None,
) -> OllamaEngine:
    """An engine on what the server has under this name. Nothing is uploaded."""
    num_ctx = context_for(max_tokens)
    of = f" --mailbox {mailbox}" if mailbox else ""
    cure = f"`postroom promote {version}{of}` publishes ours again."
    return OllamaEngine(host, name, num_ctx=num_ctx, num_thread=num_thread, fingerprint=fingerprint, cure=cure)


def name_on_server(folder: Path, mailbox: str, version: str, quantization: str = "") -> str:
    """What a model folder is called on the server. It carries the file's checksum, so a retrained version never meets
    its namesake, and the mailbox, so that one mailbox's models can be told from another's. Raises ModelRefused.
    """
    gguf = ModelFolder(folder).gguf
    if not gguf.is_file():
        raise ModelRefused(f'{folder}: the model was not exported for Ollama. Train again with kind = "ollama".')
    form = f"-{quantization.lower()}" if quantization in K_QUANTS else ""
    return f"{names_of(mailbox)}{version}-{sha256_of(gguf)[:12]}{form}"


def names_of(mailbox: str) -> str:
    """How the names of this mailbox's models begin on the server."""
    return f"postroom-{mailbox}:" if mailbox else "postroom:"
