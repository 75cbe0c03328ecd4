"""A real llama-server (llama.cpp's, inside xllamacpp), and a door before it that can misbehave or speak as vLLM does.

    with LlamaServer(gguf, "postroom-office") as server:
        OpenAIEngine(server.host, ...)
        server.faults.append("slow")        # the next request meets it
    with LlamaServer(gguf, "postroom-office", dialect="vllm") as server: ...

vLLM's form is written from vllm/entrypoints/openai (completion/protocol.py, serving.py): at most 20 logprobs, else 400;
`top_logprobs` as a dictionary, by token text, or "token_id:N" where `return_tokens_as_token_ids` asks for it; another
name than the served one is 404. The numbers are llama.cpp's in both dialects.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self

import httpx
import xllamacpp

Fault = Literal[
    "slow", "hang up", "html", "no logprobs", "half", "null", "nan", "loading", "out of memory", "other name"
]


class LlamaServer:
    """On a free port of 127.0.0.1. `requests` keeps (path, body); `serve` changes the model, as a restart would."""

    def __init__(
        self, gguf: Path, name: str, key: str = "", dialect: Literal["llama", "vllm"] = "llama", context: int = 512
    ) -> None:
        self.name, self.key, self.dialect, self.context = name, key, dialect, context
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, Any]] = []
        self._server: Any = None
        self.serve(gguf)
        door = self

        class Handler(_Door):
            state = door

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def serve(self, gguf: Path) -> None:
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(gguf)
        parameters.model_alias = {self.name}
        parameters.n_ctx = self.context
        parameters.n_parallel = 1
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
        parameters.warmup = False
        parameters.verbosity = -1
        if self.key:
            parameters.api_keys = [self.key]
        self._server = None
        self._server = xllamacpp.Server(parameters)

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def behind(self) -> str:
        address: str = self._server.listening_address
        return address

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._server = None


class _Door(BaseHTTPRequestHandler):
    state: LlamaServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read assertions, not access logs."""

    def do_GET(self) -> None:
        self._pass(None)

    def do_POST(self) -> None:
        self._pass(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _pass(self, body: Any) -> None:
        state = self.state
        state.requests.append((self.path, body))
        fault = state.faults.popleft() if state.faults else None
        if fault == "hang up":
            self.close_connection = True
            return self.connection.shutdown(2)
        if fault == "slow":
            threading.Event().wait(1.0)
        if fault == "html":
            return self._send(200, b"<html>router log-in</html>")
        if fault == "loading":
            return self._json(503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
        if fault == "out of memory":
            return self._json(500, {"object": "error", "message": "CUDA out of memory", "code": 500})
        if state.dialect == "vllm" and body is not None and (refusal := _vllm_refusal(state, body)):
            return self._json(refusal[0], {"error": {"message": refusal[1], "code": refusal[0]}})
        asked = {**body, "logprobs": 20} if state.dialect == "vllm" and body is not None else body
        headers = {"Authorization": given} if (given := self.headers.get("Authorization")) else {}
        with httpx.Client(base_url=state.behind, trust_env=False, timeout=60) as client:
            answer = client.request(self.command, self.path, json=asked, headers=headers)
        value = answer.json()
        if answer.status_code == 200:
            value = _spoilt(fault, self._spoken(value, body))
        return self._json(answer.status_code, value)

    def _spoken(self, value: Any, body: Any) -> Any:
        if self.state.dialect == "llama":
            return value
        if body is None:
            rows = [{"id": row["id"], "object": "model", "owned_by": "vllm", "root": "/m"} for row in value["data"]]
            return {"object": "list", "data": rows}
        by_id = body.get("return_tokens_as_token_ids")
        for choice in value["choices"]:
            shown = choice["logprobs"]["content"][0]
            named = {
                f"token_id:{row['id']}" if by_id else row["token"]: row["logprob"] for row in shown["top_logprobs"]
            }
            choice["logprobs"] = {
                "text_offset": [0],
                "token_logprobs": [shown["logprob"]],
                "tokens": [next(iter(named))],
                "top_logprobs": [named],
            }
        return value

    def _json(self, status: int, value: Any) -> None:
        self._send(status, json.dumps(value).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _vllm_refusal(state: LlamaServer, body: Any) -> tuple[int, str] | None:
    if body["model"] != state.name:
        return 404, f"The model `{body['model']}` does not exist."
    if (body.get("logprobs") or 0) > 20:
        return 400, f"Requested sample logprobs of {body['logprobs']}, which is greater than max allowed: 20"
    return None


def _spoilt(fault: Fault | None, value: Any) -> Any:
    if fault == "other name":
        value["data"][0]["id"] = "somebody-elses"
    for choice in value.get("choices", []):
        if fault == "no logprobs":
            choice["logprobs"] = None
        rows = (choice["logprobs"] or {}).get("content")
        if fault == "nan" and rows:
            rows[0]["top_logprobs"][0]["logprob"] = float("nan")
        if fault == "null" and rows:
            rows[0]["top_logprobs"] = None
    if fault == "half" and "choices" in value:
        value["choices"] = value["choices"][:-1]
    return value
