"""Talking to an Ollama server: the connection, what every error means to us, and what its version can do.

What the client raises becomes an error of ours with its next step. A version that cannot serve the wanted form is
found before anybody waits for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from ollama import Client, GenerateResponse, ResponseError
from pydantic import ValidationError

from connectors.hosts import is_this_machine
from connectors.http_limits import limited, within
from connectors.said import said
from daemon.model.engines.engine import EngineError, EngineUnavailable, ModelMissing, ModelRefused

LARGEST_ANSWER = 8 * 1024 * 1024
"""Bytes: some likeliest tokens after one prompt, or the list of the models."""
K_QUANTS = ("q4_K_M",)
"""What Ollama itself makes of a file in F16. Others it refuses ("unsupported quantization type", fs/ggml/type.go)."""
LEAST_VERSION = (0, 12, 11)
"""The first that shows log-probabilities."""
NO_K_QUANTS_FROM = (0, 34, 1)
"""From here on /api/create refuses `quantize` for GGUF files (server/create.go, validateCreateOptions)."""

# Words of refusals that are the same tomorrow, whatever status they come with: in the middle of a stream there is none.
LASTING = ("quantiz", "not in gguf format", "unsupported", "not supported", "invalid", "unknown type")
OTHER_FORM = 'Write another `quantization` under [engine], for example "q4_0", which Postroom makes itself.'


def connect(host: str, timeout: float) -> Client:
    """A client that goes straight to a server on this machine, whatever proxy the environment names.

    Raises EngineError for a host that is no address.
    """
    try:
        client = Client(host=host, timeout=timeout, trust_env=not is_this_machine(host))
    except (ValueError, httpx.InvalidURL) as error:
        raise EngineError(f'Ollama host "{host}" is not an address ({error}). Write it as 127.0.0.1:11434.') from error
    limited(client._client)
    return client


def shown_tokens(response: GenerateResponse, model: str) -> dict[str, float]:
    """The tokens that one answer shows, with their log-probabilities. Raises ModelRefused without any."""
    first = response.logprobs[0] if response.logprobs else None
    if first is None or not first.top_logprobs:
        raise ModelRefused(
            f"Ollama model {model}: the answer holds no logprobs. Update Ollama to 0.12.11 or newer, "
            "or use the embedded engine."
        )
    return {token.token: token.logprob for token in first.top_logprobs}


@contextmanager
def answered(client: Client, host: str, model: str) -> Iterator[None]:
    """As `translated`, for requests whose whole answer may take the client's time-out: not for `create`, which tells
    how far it has come for as long as it takes."""
    with translated(host, model), within(client._client.timeout.read or 0, most=LARGEST_ANSWER):
        yield


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
    except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as error:
        raise EngineUnavailable(
            f"Ollama at {host} broke off ({type(error).__name__}). Postroom tries again."
        ) from error
    except httpx.HTTPStatusError as error:
        raise EngineUnavailable(
            f"{host} answers, but not as Ollama does (HTTP {error.response.status_code}). Check `host` under [engine]."
        ) from error
    except (httpx.InvalidURL, httpx.HTTPError) as error:
        raise EngineError(
            f"Ollama at {host} cannot be asked ({type(error).__name__}). Correct `host` under [engine]."
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, ValidationError, KeyError, TypeError, AttributeError) as error:
        raise EngineUnavailable(
            f"{host} answers, but not as Ollama does ({type(error).__name__}). Check `host` under [engine]."
        ) from error


def version_of(client: Client, host: str) -> str:
    """The server's version, as it says it. Raises EngineError."""
    with answered(client, host, ""):
        # The client has no call for it, and makes sense of the host as it does for all others.
        return str(client._client.get("/api/version").raise_for_status().json()["version"])


def unfit(version: str, quantization: str = "") -> str | None:
    """Why an Ollama of this version can't serve a model of this form; None where it can.

    A version without numbers, or one that somebody compiled without naming it (0.0.0), tells nothing.
    """
    numbers = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    found = tuple(map(int, numbers.groups())) if numbers else (0, 0, 0)
    if found == (0, 0, 0):
        return None
    if found < LEAST_VERSION:
        return (
            f"Ollama {version} shows no log-probabilities. Update it to 0.12.11 or newer, or use the embedded engine."
        )
    if quantization in K_QUANTS and found >= NO_K_QUANTS_FROM:
        return f"version {version} makes no {quantization} of a GGUF file (since 0.34.1 none does). {OTHER_FORM}"
    return None


def _refusal(host: str, model: str, error: ResponseError) -> EngineError:
    text = error.error.lower()
    words = said(error.error) or f"HTTP {error.status_code}"  # its text may quote the prompt, which is mail
    told = f"Ollama at {host} said: {words}"
    if error.status_code == httpx.codes.NOT_FOUND:
        return ModelMissing(missing(host, model))
    if error.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return EngineUnavailable(f"Ollama at {host} is busy. Postroom tries again at the next poll.")
    if "quantiz" in text:
        return ModelRefused(f"{told}. That stays so: {OTHER_FORM}")
    if error.status_code == httpx.codes.BAD_REQUEST or any(word in text for word in LASTING):
        return ModelRefused(f"{told}. That stays so: update Ollama, train again, or use the embedded engine.")
    return EngineUnavailable(f"{told}. Postroom tries again; look at Ollama's log if it stays.")


def missing(host: str, model: str) -> str:
    return f"Ollama at {host} has no model {model}. Postroom publishes the one in use again at its next pass."
