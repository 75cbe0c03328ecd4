"""What Postroom asks an Ollama server, and what it gets wrong on purpose: the same requests to the real one and to our
stand-in. `conversation` holds one answer a line, without what differs from run to run (times, digests, numbers)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

ASK = {
    "prompt": "Subject: hello AB",
    "raw": True,
    "think": False,
    "stream": False,
    "logprobs": True,
    "top_logprobs": 20,
    "options": {"temperature": 0.0, "num_predict": 1, "seed": 1, "num_ctx": 512},
    "keep_alive": "30m",
}


def shape(value: Any) -> Any:
    """The fields of an answer and the kinds of their values; lists by their first member."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in sorted(value.items())}
    if isinstance(value, list):
        return [len(value), *map(shape, value[:1])]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


class Conversation:
    """One server, asked in order. Each step yields (what was asked, status, what matters of the answer)."""

    def __init__(self, host: str, files: dict[str, Path]) -> None:
        self._client = httpx.Client(base_url=f"http://{host}", trust_env=False, timeout=300)
        self._files = files

    def close(self) -> None:
        self._client.close()

    def __iter__(self) -> Iterator[tuple[str, int, Any]]:
        yield from self._blobs()
        yield from self._creating()
        yield from self._names()
        yield from self._questions()

    def _blobs(self) -> Iterator[tuple[str, int, Any]]:
        for name, file in self._files.items():
            for time in ("first", "again"):
                answer = self._client.post(f"/api/blobs/{self._digest(file)}", content=file.read_bytes())
                yield f"upload of {name}, {time}", answer.status_code, answer.text
            yield f"is {name} there?", self._client.head(f"/api/blobs/{self._digest(file)}").status_code, ""
        wrong = "sha256:" + "0" * 64
        answer = self._client.post(f"/api/blobs/{wrong}", content=b"other bytes")
        yield "upload with another digest", answer.status_code, answer.json()["error"].split(",")[0]
        yield "is it there?", self._client.head(f"/api/blobs/{wrong}").status_code, ""

    def _creating(self) -> Iterator[tuple[str, int, Any]]:
        for name, source, quantize in (
            ("postroom-a:f16", "F16", None),
            ("postroom-a:f32", "F32", None),
            ("postroom-a:q8_0", "Q8_0", None),
            ("postroom-a:q4_0", "Q4_0", None),
            ("postroom-a:q4_k_m", "F16", "q4_K_M"),
            ("postroom-a:of-q8_0", "Q8_0", "q4_K_M"),
            ("postroom-a:of-f32", "F32", "q4_K_M"),
            ("postroom-a:of-a-lie", "F16 that says Q4_1", "q4_K_M"),
            ("postroom-a:q6_k", "F16", "q6_K"),
            ("postroom-a:q5_k_m", "F16", "q5_K_M"),
            ("postroom-a:none", "nothing", None),
        ):
            status, lines = self._create(name, self._digest(self._files[source]), quantize)
            errors = [line for line in lines if "error" in line]
            yield f"create {name} of {source}", status, errors or lines[-1]["status"]
        status, lines = self._create("postroom-a:gone", "sha256:" + "1" * 64, None)
        yield "create of a file that was not uploaded", status, [sorted(line) for line in lines if "error" in line]
        answer = self._client.post("/api/create", json={"model": "postroom-a:empty", "stream": False})
        yield "create of nothing", answer.status_code, answer.json()

    def _names(self) -> Iterator[tuple[str, int, Any]]:
        answer = self._client.get("/api/tags")
        rows = {row["name"]: row for row in answer.json()["models"]}
        yield "the names", answer.status_code, sorted(rows)
        yield "a row", answer.status_code, shape(rows["postroom-a:f16"])
        for name in sorted(rows):
            details = rows[name]["details"]
            told = {key: details[key] for key in ("format", "family", "parameter_size", "quantization_level")}
            yield f"what the list says of {name}", answer.status_code, told
        copy = {"source": "postroom-a:q8_0", "destination": "postroom-a:current"}
        answer = self._client.post("/api/copy", json=copy)
        yield "copy", answer.status_code, answer.text
        digests = {row["name"]: row["digest"] for row in self._client.get("/api/tags").json()["models"]}
        yield "a copy has its source's digest", 200, digests["postroom-a:current"] == digests["postroom-a:q8_0"]
        yield "two files have two digests", 200, digests["postroom-a:f16"] != digests["postroom-a:q8_0"]
        answer = self._client.post("/api/copy", json=copy | {"source": "postroom-a:nobody"})
        yield "copy of nobody", answer.status_code, answer.json()
        for time in ("first", "again"):
            answer = self._client.request("DELETE", "/api/delete", json={"model": "postroom-a:current"})
            yield f"delete, {time}", answer.status_code, answer.text and answer.json()
        answer = self._client.get("/api/nothing")
        yield "an unknown path", answer.status_code, answer.text
        yield "the version", 200, shape(self._client.get("/api/version").json())

    def _questions(self) -> Iterator[tuple[str, int, Any]]:
        for name in ("postroom-a:f16", "postroom-a:q8_0", "postroom-a:q4_k_m"):
            answer = self._client.post("/api/generate", json=ASK | {"model": name})
            body = answer.json()
            yield f"a question to {name}", answer.status_code, (shape(body), body["done_reason"], body["eval_count"])
        streamed = self._client.post("/api/generate", json=ASK | {"model": "postroom-a:f16", "stream": True})
        yield "a streamed one", streamed.status_code, streamed.headers["content-type"]
        for what, change in {
            "nobody": {"model": "postroom-a:nobody"},
            "21 tokens": {"top_logprobs": 21},
            "a word for a number": {"options": {"num_ctx": "many"}},
            "an unknown option": {"options": {"unknown": 1, "num_predict": 1}},
            "raw with a system prompt": {"system": "x"},
            "thinking": {"think": True},
            "without log-probabilities": {"logprobs": False, "top_logprobs": 0},
        }.items():
            answer = self._client.post("/api/generate", json=ASK | {"model": "postroom-a:f16"} | change)
            body = answer.json()
            yield f"a question with {what}", answer.status_code, body if "error" in body else sorted(body)

    def likeliest(self, name: str) -> list[str]:
        """The five likeliest tokens of one question."""
        body = self._client.post("/api/generate", json=ASK | {"model": name}).json()
        return [token["token"] for token in body["logprobs"][0]["top_logprobs"][:5]]

    def _create(self, name: str, digest: str, quantize: str | None) -> tuple[int, list[dict[str, Any]]]:
        body = {"model": name, "files": {"model.gguf": digest}, "parameters": {"temperature": 0, "num_predict": 1}}
        answer = self._client.post("/api/create", json=body | ({"quantize": quantize} if quantize else {}))
        return answer.status_code, [json.loads(line) for line in answer.text.splitlines()]

    def _digest(self, file: Path) -> str:
        return "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
