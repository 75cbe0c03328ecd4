"""The engine for servers of OpenAI's completions interface: llama-server (llama.cpp), vLLM, or a router before them.

    GET /v1/models | our name is there | the probes' answers are our model's
    POST /v1/completions: token ids, one token, top logprobs | the codes among them by their ids, a bound for the rest

Such a server takes no uploads: whoever runs it starts it with the files that Postroom writes (docs/engines.md). So the
engine asks a few fixed prompts before each batch, and refuses a server that does not answer them as the trained model
did: then it serves another model, an older version of ours, or a damaged one. The answers that it compares with come
from the trained weights in float32, by which the exam was taken; what serves may differ from what was examined by no
more than `TOLERANCE`.
"""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from connectors.hosts import is_this_machine
from connectors.http_limits import limited, within
from connectors.said import said
from daemon.mistakes import PostroomError
from daemon.model.engines.engine import (
    Engine,
    EngineError,
    EngineUnavailable,
    Floats,
    ModelMissing,
    ModelRefused,
    places_of,
    renormalised,
)
from daemon.model.engines.fingerprint import TOLERANCE, Fingerprint, difference
from daemon.model.engines.top_tokens import code_scores
from daemon.model.prompt import Prompt

# vLLM shows 20 unless it is started with a larger --max-logprobs; llama-server shows as many as are asked for.
TOP_LOGPROBS = 20
# Enough for a batching server to work on at once, and short enough for a slow one to answer in time.
PROMPTS_A_REQUEST = 8
LARGEST_ANSWER = 8 * 1024 * 1024
"""Bytes."""
_NAME = re.compile(r"[\w.:/-]{1,100}", re.ASCII)


class OpenAIEngine(Engine):
    """One model of one server. Nothing is sent before the first message.

    `host` is a URL without /v1. `model` is the name that the server was started with. `key` reads the API key, each
    time anew, and raises PostroomError without one. `timeout` in seconds, for each request.
    """

    def __init__(
        self,
        host: str,
        model: str,
        fingerprint: Fingerprint,
        key: Callable[[], str] | None = None,
        timeout: float = 60.0,
        ca_file: Path | None = None,
    ) -> None:
        self._host, self._model, self._fingerprint, self._key = host.rstrip("/"), model, fingerprint, key
        self._texts = {f" {code}": token for code, token in fingerprint.tokens.items()}
        self._owner = ""
        try:
            # A server on this machine is reached straight, whatever proxy the environment names.
            self._client = limited(
                httpx.Client(
                    base_url=self._host,
                    timeout=timeout,
                    trust_env=not is_this_machine(host),
                    verify=ssl.create_default_context(cafile=str(ca_file)) if ca_file else True,
                )
            )
            self._timeout = timeout
        except (OSError, ValueError, httpx.InvalidURL) as error:
            raise EngineError(f"model server {host}: {error}. Correct `host` or `ca_file` under [engine].") from error

    def code_logprobs(self, prompts: Sequence[Prompt], codes: Sequence[str]) -> Floats:
        tokens = places_of(codes, self._fingerprint.tokens, f"model {self._model}: it")
        self.verify()
        rows = [code_scores(shown, tokens) for shown in self._ask([prompt.ids for prompt in prompts])]
        return renormalised(np.array(rows, np.float32).reshape(-1, len(codes)))

    def verify(self) -> None:
        """Does the server serve our model now? Raises ModelMissing if it serves another one, EngineError."""
        listed = _listed(self._request("GET", "/v1/models", None), self._host)
        if self._model not in listed:
            raise ModelMissing(
                f"The model server at {self._host} has no model {self._model}, only {_names(listed)}. "
                f"Start it with that name (llama-server --alias, vllm --served-model-name)."
            )
        self._owner = listed[self._model]
        answers = self._ask([probe.ids for probe in self._fingerprint.probes])
        gap = max(
            difference(shown, list(self._fingerprint.tokens.values()), probe.logprobs)
            for shown, probe in zip(answers, self._fingerprint.probes, strict=True)
        )
        if gap > TOLERANCE:
            raise ModelMissing(
                f"The model server at {self._host} serves another model as {self._model} than the one in use "
                f"(its answers are {gap:.0%} off). Restart it, so that it reads Postroom's current model."
            )

    def _ask(self, prompts: Sequence[Sequence[int]]) -> list[dict[int, float]]:
        """The likeliest tokens after each prompt: log-probabilities by token id."""
        answers: list[dict[int, float]] = []
        for start in range(0, len(prompts), PROMPTS_A_REQUEST):
            part = [list(ids) for ids in prompts[start : start + PROMPTS_A_REQUEST]]
            wanted = TOP_LOGPROBS
            more: dict[str, Any] = {}
            if self._owner == "llamacpp":
                wanted += 2 * len(self._fingerprint.tokens)
                more["cache_prompt"] = True
            elif self._owner == "vllm":
                more["return_tokens_as_token_ids"] = True
            question = {"model": self._model, "prompt": part, "max_tokens": 1, "temperature": 0.0, "logprobs": wanted}
            answer = self._request("POST", "/v1/completions", question | more)
            try:
                answers += _shown(answer, len(part), self._texts)
            except NoLogprobs as error:
                raise ModelRefused(
                    f"The model server at {self._host} shows no log-probabilities. "
                    "Use llama-server or vLLM, or the embedded engine."
                ) from error
            except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
                raise EngineUnavailable(_strange(self._host, error)) from error
        return answers

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        try:
            headers = {} if self._key is None else {"Authorization": f"Bearer {self._key()}"}
        except PostroomError as error:
            raise EngineUnavailable(str(error)) from error
        try:
            with within(self._timeout, most=LARGEST_ANSWER):
                response = self._client.request(method, path, json=body, headers=headers)
            if response.status_code == httpx.codes.OK:
                return response.json()
        except httpx.ConnectError as error:
            raise EngineUnavailable(
                f"The model server at {self._host} does not answer. Start it, or correct `host` under [engine]."
            ) from error
        except httpx.TimeoutException as error:
            raise EngineUnavailable(
                f"The model server at {self._host} took too long; it may be loading. Postroom tries again."
            ) from error
        except httpx.HTTPError as error:
            raise EngineUnavailable(
                f"The model server at {self._host} broke off ({type(error).__name__}). Postroom tries again."
            ) from error
        except ValueError as error:  # not JSON, or not UTF-8
            raise EngineUnavailable(_strange(self._host, error)) from error
        raise _refusal(self._host, self._model, response)

    @property
    def model(self) -> str:
        """Its name on the server."""
        return self._model

    def close(self) -> None:
        self._client.close()


class NoLogprobs(Exception):
    """The answer is whole and shows no log-probabilities."""


def _names(listed: Iterable[str]) -> str:
    """The first names of models for people; what is no name is not repeated."""
    return ", ".join(name if _NAME.fullmatch(name) else "one without a name" for name in sorted(listed)[:5]) or "none"


def _listed(answer: Any, host: str) -> dict[str, str]:
    """The names of the server's models, and who says to own each: "llamacpp", "vllm" or another."""
    try:
        return {str(row["id"]): str(row.get("owned_by", "")) for row in answer["data"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise EngineUnavailable(_strange(host, error)) from error


def _shown(answer: Any, count: int, texts: Mapping[str, int]) -> list[dict[int, float]]:
    """The tokens that one answer shows for each prompt, in order. Raises NoLogprobs and much else."""
    choices = sorted(answer["choices"], key=lambda choice: int(choice["index"]))
    if [choice["index"] for choice in choices] != list(range(count)):
        raise ValueError("not one answer for each prompt")
    return [_tokens(choice["logprobs"], texts) for choice in choices]


def _tokens(logprobs: Any, texts: Mapping[str, int]) -> dict[int, float]:
    if not logprobs:
        raise NoLogprobs
    if "content" in logprobs:  # llama-server: rows with the token's id
        pairs = [(int(row["id"]), row["logprob"]) for row in logprobs["content"][0]["top_logprobs"]]
    else:  # vLLM: "token_id:42", if asked; others show the token's text, and only our codes' texts are known
        pairs = []
        for name, value in logprobs["top_logprobs"][0].items():
            token = int(name[9:]) if name.startswith("token_id:") else texts.get(name, -1 - len(pairs))
            pairs.append((token, value))
    found = {token: float(value) for token, value in pairs if value is not None}
    if not found:
        raise NoLogprobs
    if not all(math.isfinite(value) and value < 1e-3 for value in found.values()):
        raise ValueError("a log-probability that is none")
    return found


def _strange(host: str, error: Exception) -> str:
    return (
        f"{host} answers, but not as an OpenAI-compatible server does ({type(error).__name__}). "
        "Check `host` under [engine]."
    )


def _refusal(host: str, model: str, response: httpx.Response) -> EngineError:
    try:
        body = response.json()
        told = said(str((body.get("error") or body)["message"]))  # it may quote the prompt, which is mail
    except (ValueError, KeyError, TypeError, AttributeError):
        told = ""
    told = told or f"HTTP {response.status_code}"
    place = f"The model server at {host}"
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return EngineUnavailable(f"{place} refuses the API key. Correct the secret that [engine] credential names.")
    if response.status_code == httpx.codes.NOT_FOUND:
        return ModelMissing(f"{place} has no model {model} ({told}). Correct `host`, or start it with that name.")
    if response.status_code == httpx.codes.BAD_REQUEST:
        return ModelRefused(f"{place} refuses our prompts ({told}). Give it room for max_tokens, or train again.")
    return EngineUnavailable(f"{place} said: {told}. Postroom tries again; look at its log if it stays.")
