"""The Ollama engine: the language model runs in an Ollama server, on this machine or another.

    classify   prompt text | /api/generate: raw, one token, top 20 logprobs | codes among them, a bound for the rest
    publish    GGUF | /api/blobs | /api/create  ->  postroom-MAILBOX:VERSION | /api/copy  ->  :current, :previous

Raw mode, think off and fixed options make the answer independent of the server's templates, which change between
versions (docs/engines.md). Ollama shows at most 20 tokens of a position; `daemon.engines.top_tokens` bounds the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import numpy as np
from ollama import Client, GenerateResponse, ResponseError
from pydantic import ValidationError

from connectors.said import said
from daemon.basemodel import sha256_of
from daemon.engines.base import (
    Engine,
    EngineError,
    EngineUnavailable,
    Floats,
    ModelMissing,
    ModelRefused,
    renormalised,
)
from daemon.engines.top_tokens import code_scores, is_loopback
from daemon.prompt import Prompt

TOP_LOGPROBS = 20
K_QUANTS = ("q4_K_M", "q5_K_M", "q6_K")
"""What Ollama itself makes of an F16 upload."""
CURRENT, PREVIOUS = "postroom:current", "postroom:previous"


class OllamaEngine(Engine):
    """One model of one Ollama server. Nothing is sent before the first message.

    `host` as Ollama writes it: "127.0.0.1:11434" or a URL. `timeout` in seconds; the first answer includes loading the
    model. `num_ctx` must hold the longest prompt and never change, for a change makes Ollama load the model again.
    `digest` is what `Publisher.publish` returned: another model behind the same name is then refused.
    """

    def __init__(
        self,
        host: str,
        model: str = CURRENT,
        timeout: float = 120.0,
        num_ctx: int = 1024,
        num_thread: int | None = None,
        keep_alive: str = "30m",
        digest: str | None = None,
    ) -> None:
        self._host, self._model, self._keep_alive, self._digest = host, model, keep_alive, digest
        self._options: dict[str, int | float] = {"temperature": 0.0, "num_predict": 1, "seed": 1, "num_ctx": num_ctx}
        if num_thread is not None:
            self._options["num_thread"] = num_thread
        self._num_ctx = num_ctx
        self._client = connect(host, timeout)

    def code_logprobs(self, prompts: Sequence[Prompt], codes: Sequence[str]) -> Floats:
        if self._digest is not None:
            self._check_digest(self._digest)
        answers = [self._ask(prompt) for prompt in prompts]
        if not codes:
            raise ModelRefused(f"Ollama model {self._model}: there are no codes to choose from. Train again.")
        tokens = [f" {code}" for code in codes]  # a code's token has a leading space
        return renormalised(np.array([code_scores(shown, tokens) for shown in answers]).reshape(-1, len(codes)))

    def _ask(self, prompt: Prompt) -> dict[str, float]:
        """The likeliest tokens after one prompt, with their log-probabilities."""
        if len(prompt.ids) >= self._num_ctx:
            # Ollama would cut the prompt silently and answer a question that nobody asked.
            raise ModelRefused(
                f"Ollama model {self._model}: prompts of {len(prompt.ids)} tokens don't fit num_ctx {self._num_ctx}. "
                "Train again with a smaller max_tokens under [engine]."
            )
        with translated(self._host, self._model):
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
        if (response.prompt_eval_count or 0) > len(prompt.ids):
            # The count may leave out cached tokens, so only too many of them prove anything.
            raise ModelRefused(
                f"Ollama model {self._model}: it read {response.prompt_eval_count} tokens where {len(prompt.ids)} were "
                "sent; its tokenizer is not the one we trained with. Publish the model again."
            )
        return shown_tokens(response, self._model)

    def _check_digest(self, expected: str) -> None:
        with translated(self._host, self._model):
            found = {model.model: model.digest for model in self._client.list().models}
        if self._model not in found:
            raise ModelMissing(_missing(self._host, self._model))
        if found[self._model] != expected:
            raise ModelRefused(
                f"Ollama at {self._host}: {self._model} is not the model that Postroom published "
                f"({(found[self._model] or 'none')[:12]}… instead of {expected[:12]}…). Run `postroom promote` again."
            )
        self._digest = None  # once is enough: whoever replaces a model while we run also restarts us

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

    def names(self) -> list[str]:
        """All models of the server, ours or not."""
        with translated(self._host, ""):
            return [model.model or "" for model in self._client.list().models]

    def digest(self, name: str) -> str:
        """The digest under which Ollama lists a model. Raises ModelMissing."""
        with translated(self._host, name):
            found = {model.model: model.digest for model in self._client.list().models}
        if not found.get(name):
            raise ModelMissing(_missing(self._host, name))
        return str(found[name])

    def promote(self, name: str, current: str = CURRENT, previous: str = PREVIOUS) -> str:
        """Let `current` mean `name`, and `previous` what `current` meant before; return the digest.

        Each name moves in one step on the server, so the engine always finds a whole model. Several mailboxes on one
        server use names of their own.
        """
        self.digest(name)
        with suppress(ModelMissing):  # the first model of all has no predecessor
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
            with translated(self._host, name):
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
) -> OllamaEngine:
    """An engine on a model folder's own GGUF file, which is uploaded to the server if it isn't there yet.

    `quantization` is that of model.json. Raises ModelRefused for a folder that was not exported for Ollama,
    EngineError when the server can't take it.
    """
    name = name_on_server(folder, mailbox, version, quantization)
    with Publisher(host) as publisher:
        try:
            digest = publisher.digest(name)
        except ModelMissing:
            quantize = quantization if quantization in K_QUANTS else None
            digest = publisher.publish(folder / "gguf" / "model.gguf", name, quantize=quantize)
    # Room for the prompt and its one answer, in whole steps of 256 as llama.cpp allots them.
    num_ctx = -(-(max_tokens + 1) // 256) * 256
    return OllamaEngine(host, name, num_ctx=num_ctx, num_thread=num_thread, digest=digest)


def name_on_server(folder: Path, mailbox: str, version: str, quantization: str = "") -> str:
    """What a model folder is called on the server. It carries the file's checksum, so a retrained version never meets
    its namesake, and the mailbox, so that one mailbox's models can be told from another's. Raises ModelRefused.
    """
    gguf = folder / "gguf" / "model.gguf"
    if not gguf.is_file():
        raise ModelRefused(f'{folder}: the model was not exported for Ollama. Train again with kind = "ollama".')
    form = f"-{quantization.lower()}" if quantization in K_QUANTS else ""
    return f"{names_of(mailbox)}{version}-{sha256_of(gguf)[:12]}{form}"


def names_of(mailbox: str) -> str:
    """How the names of this mailbox's models begin on the server. Pure."""
    return f"postroom-{mailbox}:" if mailbox else "postroom:"


def connect(host: str, timeout: float) -> Client:
    """A client that goes straight to a server on this machine, whatever proxy the environment names.

    Raises EngineError for a host that is no address.
    """
    try:
        return Client(host=host, timeout=timeout, trust_env=not is_loopback(host))
    except (ValueError, httpx.InvalidURL) as error:
        raise EngineError(f'Ollama host "{host}" is not an address ({error}). Write it as 127.0.0.1:11434.') from error


def shown_tokens(response: GenerateResponse, model: str) -> dict[str, float]:
    """The tokens that one answer shows, with their log-probabilities. Pure. Raises ModelRefused without any."""
    first = response.logprobs[0] if response.logprobs else None
    if first is None or not first.top_logprobs:
        raise ModelRefused(
            f"Ollama model {model}: the answer holds no logprobs. Update Ollama to 0.12.11 or newer, "
            "or use the embedded engine."
        )
    return {token.token: token.logprob for token in first.top_logprobs}


@contextmanager
def translated(host: str, model: str) -> Iterator[None]:
    """Everything that the client and its transport raise, as our own errors."""
    try:
        yield
    except ResponseError as error:
        raise _refusal(host, model, error) from error
    except (ConnectionError, httpx.ConnectError) as error:
        raise EngineUnavailable(
            f"Ollama at {host} does not answer. Start it, or correct `host` under [engine]."
        ) from error
    except httpx.TimeoutException as error:
        raise EngineUnavailable(
            f"Ollama at {host} took too long; it may be loading the model. Postroom tries again."
        ) from error
    except (httpx.TransportError, httpx.StreamError) as error:
        raise EngineUnavailable(
            f"Ollama at {host} broke off ({type(error).__name__}). Postroom tries again."
        ) from error
    except (httpx.InvalidURL, httpx.HTTPError) as error:
        raise EngineError(
            f"Ollama at {host} cannot be asked ({type(error).__name__}). Correct `host` under [engine]."
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, ValidationError, TypeError, AttributeError) as error:
        raise EngineUnavailable(
            f"{host} answers, but not as Ollama does ({type(error).__name__}). Check `host` under [engine]."
        ) from error


def _refusal(host: str, model: str, error: ResponseError) -> EngineError:
    words = said(error.error) or f"HTTP {error.status_code}"  # its text may quote the prompt, which is mail
    told = f"Ollama at {host} said: {words}"
    if error.status_code == httpx.codes.NOT_FOUND:
        return ModelMissing(_missing(host, model))
    if error.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return EngineUnavailable(f"Ollama at {host} is busy. Postroom tries again at the next poll.")
    if error.status_code == httpx.codes.BAD_REQUEST:
        return ModelRefused(f"{told}. Publish the model again, or update Ollama.")
    return EngineUnavailable(f"{told}. Postroom tries again; look at Ollama's log if it stays.")


def _missing(host: str, model: str) -> str:
    return f"Ollama at {host} has no model {model}. Run `postroom promote`, or train again."
