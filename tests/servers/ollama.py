"""A stand-in for an Ollama server: its protocol over real HTTP, its answers from the real GGUF by llama.cpp.

For faults that a real one does not produce on demand, and for versions that can't be had. test_ollama_contract.py
holds its answers to those of a real server (tests/servers/ollama_real.py), request by request. Only what Postroom uses
is there; anything else is answered as Ollama answers an unknown path. Quantising does what llama.cpp does to tensors
whose rows don't fill a K-quant's 256: q4_K becomes Q5_0. Tiny models have no other tensors, and for larger ones the
stand-in says that it can't.

    with OllamaStandIn(tmp_path) as server:
        Publisher(server.host).publish(gguf, "postroom:a")
        server.faults.append("busy")       # the next generate or create meets it
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self

import xllamacpp

Fault = Literal["busy", "mid-stream", "crash", "slow", "hang up", "no logprobs", "html", "bad upload", "extra token"]

NUMBERS = {"temperature": (int, float), "top_p": (int, float)}
INTEGERS = {"num_predict", "num_ctx", "num_thread", "seed", "top_k", "num_batch"}
K_QUANTS = {"Q4_K_M": "Q5_0"}
LEVELS = {1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 15: "Q4_K_M"}
"""fs/ggml/type.go; 0, for F32, is taken for a file that says nothing."""
NO_QUANTIZE_FROM = (0, 34, 1)
RUNNER_OPTIONS = ("num_ctx", "num_thread", "num_batch")


@dataclass
class StoredModel:
    """One name in the store."""

    blob: Path
    digest: str
    size: int
    details: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)


class Refusal(Exception):
    """An error as Ollama sends it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class OllamaStandIn:
    """The server, on a free port of 127.0.0.1. `requests` keeps (path, body) of everything that was asked."""

    def __init__(self, folder: Path, version: str = "0.17.4") -> None:
        self.folder, self.version = folder, version
        self.models: dict[str, StoredModel] = {}
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, Any]] = []
        self.loads = 0
        self._runner: tuple[tuple[Any, ...], Any] | None = None
        self._lock = threading.Lock()
        standin = self

        class Handler(_Handler):
            server_state = standin

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._runner = None

    def fault(self, *kinds: Fault) -> Fault | None:
        """Take the next planned fault if it is one of these."""
        if self.faults and self.faults[0] in kinds:
            return self.faults.popleft()
        return None

    def blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest.replace(":", "-")

    def find(self, name: Any, quote: str = "'") -> StoredModel:
        if not isinstance(name, str) or not name:
            raise Refusal(400, "model is required")
        full = name if ":" in name else f"{name}:latest"
        if full not in self.models:
            raise Refusal(404, f"model {quote}{name}{quote} not found")
        return self.models[full]

    def answer(self, model: StoredModel, prompt: str, options: dict[str, Any], count: int) -> dict[str, Any]:
        """One token and the `count` likeliest, from llama.cpp. Another runner option loads the model again."""
        key = (model.blob, *(options.get(name) for name in RUNNER_OPTIONS))
        with self._lock:
            if self._runner is None or self._runner[0] != key:
                self._runner = None
                self._runner = (key, _runner(model.blob, options))
                self.loads += 1
            body = {"prompt": prompt, "n_predict": 1, "n_probs": count, "temperature": 0.0, "cache_prompt": True}
            answer: dict[str, Any] = self._runner[1].handle_completions(body)
            return answer


def _runner(gguf: Path, options: dict[str, Any]) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(gguf)
    parameters.n_ctx = options.get("num_ctx") or 4096
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = options.get("num_thread") or 2
    parameters.warmup = False
    parameters.verbosity = -1
    return xllamacpp.Server(parameters)


class _Handler(BaseHTTPRequestHandler):
    """Routes as in server/routes.go."""

    server_state: OllamaStandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read assertions, not access logs."""

    def do_HEAD(self) -> None:
        if self.path.startswith("/api/blobs/"):
            return self._send(200 if self.server_state.blob(self.path[11:]).is_file() else 404, b"")
        return self._send(200 if self.path == "/" else 404, b"")

    def do_GET(self) -> None:
        self.server_state.requests.append((self.path, None))
        if self.path == "/":
            return self._send(200, b"Ollama is running", "text/plain")
        if self.path == "/api/version":
            return self._json(200, {"version": self.server_state.version})
        if self.path == "/api/tags":
            return self._json(200, {"models": [self._row(name) for name in self.server_state.models]})
        return self._send(404, b"404 page not found", "text/plain")

    def do_POST(self) -> None:
        if self.path.startswith("/api/blobs/"):
            return self._upload(self.path[11:])
        return self._dispatch({"/api/generate": self._generate, "/api/create": self._create, "/api/copy": self._copy})

    def do_DELETE(self) -> None:
        self._dispatch({"/api/delete": self._delete})

    def _dispatch(self, routes: dict[str, Any]) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw) if raw else {}
        except ValueError as error:
            return self._json(400, {"error": str(error)})
        self.server_state.requests.append((self.path, body))
        if self.path not in routes:
            return self._send(404, b"404 page not found", "text/plain")
        try:
            return routes[self.path](body)
        except Refusal as refusal:
            return self._json(refusal.status, {"error": str(refusal)})

    def _upload(self, digest: str) -> None:
        data = self._read_upload()
        self.server_state.requests.append((self.path, len(data)))
        if self.server_state.fault("bad upload"):
            data = data[:-1]
        found = "sha256:" + hashlib.sha256(data).hexdigest()
        if found != digest:
            return self._json(400, {"error": f'digest mismatch, expected "{digest}", got "{found}"'})
        target = self.server_state.blob(digest)
        existed = target.is_file()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return self._send(200 if existed else 201, b"")

    def _read_upload(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _create(self, body: dict[str, Any]) -> None:
        state = self.server_state
        name = body.get("model") or ""
        full = name if ":" in name else f"{name}:latest"
        files = body.get("files") or {}
        if not files and not body.get("from"):
            raise Refusal(400, "neither 'from' or 'files' was specified")
        if body.get("quantize") and tuple(map(int, state.version.split("."))) >= NO_QUANTIZE_FROM:
            raise Refusal(
                400,
                "create-time quantization is only supported for safetensors imports; "
                "quantize GGUF models with llama.cpp tools before importing",
            )
        steps: list[dict[str, Any]] = [{"status": "parsing GGUF"}]
        digest = next(iter(files.values()))
        blob = state.blob(digest)
        if not blob.is_file():
            steps.append({"error": f"open {blob}: no such file or directory"})
        elif not blob.read_bytes().startswith(b"GGUF"):
            steps.append({"error": "supplied file was not in GGUF format"})
        elif (wanted := body.get("quantize")) and (problem := self._quantized(blob, str(wanted))):
            steps.append({"error": problem})
        elif state.fault("mid-stream"):
            steps.append({"error": "write /blobs/sha256-1: no space left on device"})
        else:
            level = str(body.get("quantize") or "")
            blob = blob.with_name(f"{blob.name}-{level}") if level else blob
            manifest = json.dumps([digest, level, body.get("parameters")]).encode()
            parameters = body.get("parameters") or {}
            _check_options(parameters)
            state.models[full] = StoredModel(
                blob, hashlib.sha256(manifest).hexdigest(), blob.stat().st_size, _details(blob), dict(parameters)
            )
            steps += [{"status": "writing manifest"}, {"status": "success"}]
        if body.get("stream", True):
            return self._stream(steps)
        if "error" in steps[-1]:
            raise Refusal(400, steps[-1]["error"])
        return self._json(200, steps[-1])

    def _quantized(self, blob: Path, level: str) -> str | None:
        """Write the quantised file beside the uploaded one; the error that Ollama would send if it can't."""
        import gguf

        reader = gguf.GGUFReader(blob)
        if LEVELS.get(_number(reader, "general.file_type")) != "F16":  # the header counts, not the tensors
            return "quantization is only supported for F16 and F32 models"
        if level.upper() not in K_QUANTS:
            supported = "F32, F16, Q4_K_S, Q4_K_M, Q8_0"
            return f"unsupported quantization type {level.upper()} - supported types are {supported}"
        kind = gguf.GGMLQuantizationType[K_QUANTS[level.upper()]]
        architecture = reader.fields["general.architecture"].contents()
        writer = gguf.GGUFWriter(blob.with_name(f"{blob.name}-{level}"), architecture)
        for name, field_ in reader.fields.items():
            if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
                writer.add_key_value(name, field_.contents(), field_.types[0], field_.types[-1])
        writer.add_file_type(next(number for number, name in LEVELS.items() if name == level.upper()))
        for tensor in reader.tensors:
            if len(tensor.shape) == 1:
                writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
                continue
            if tensor.shape[0] % 256 == 0:
                return "this stand-in quantises tiny models only"
            values = gguf.dequantize(tensor.data, tensor.tensor_type)
            writer.add_tensor(tensor.name, gguf.quantize(values, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return None

    def _copy(self, body: dict[str, Any]) -> None:
        model = self.server_state.find(body.get("source"), quote='"')
        self.server_state.models[body["destination"]] = model
        self._send(200, b"")

    def _delete(self, body: dict[str, Any]) -> None:
        self.server_state.find(body.get("model"))
        del self.server_state.models[body["model"]]
        self._send(200, b"")

    def _generate(self, body: dict[str, Any]) -> None:
        state = self.server_state
        kind = state.fault("busy", "crash", "slow", "hang up", "no logprobs", "html", "extra token")
        if kind == "hang up":
            return self._hang_up()
        if kind == "html":
            return self._send(200, b"<html>router log-in</html>", "text/html")
        if kind == "slow":
            threading.Event().wait(1.0)
        if kind == "busy":
            raise Refusal(503, "server busy, please try again.  maximum pending requests exceeded")
        if kind == "crash":
            raise Refusal(500, "llama runner process has terminated: signal: killed")
        model = state.find(body.get("model"))
        options = {**model.parameters, **(body.get("options") or {})}
        _check_options(options)
        wanted = body.get("top_logprobs") or 0
        if not 0 <= wanted <= 20:
            raise Refusal(400, "top_logprobs must be between 0 and 20")
        if body.get("raw") and any(body.get(name) for name in ("template", "system", "context")):
            raise Refusal(400, "raw mode does not support template, system, or context")
        if body.get("think"):
            raise Refusal(400, f'"{body["model"]}" does not support thinking')
        if not body.get("raw"):
            raise Refusal(500, "this stand-in has no templates: ask with raw")
        answer = state.answer(model, body.get("prompt") or "", options, max(wanted, 1))
        first = answer["choices"][0]["logprobs"]["content"][0]
        result = {
            "model": body["model"],
            "created_at": datetime.now(UTC).isoformat(),
            "response": first["token"],
            "done": True,
            "done_reason": "length",
            "total_duration": 1,
            "load_duration": 1,
            "prompt_eval_count": answer["usage"]["prompt_tokens"] + (kind == "extra token"),
            "prompt_eval_duration": 1,
            "eval_count": 1,
        }
        if body.get("logprobs") and kind != "no logprobs":
            result["logprobs"] = [_logprob(first) | {"top_logprobs": [_logprob(row) for row in first["top_logprobs"]]}]
        if body.get("stream", True):
            return self._stream([result])
        return self._json(200, result)

    def _row(self, name: str) -> dict[str, Any]:
        model = self.server_state.models[name]
        return {
            "name": name,
            "model": name,
            "modified_at": datetime.now(UTC).isoformat(),
            "size": model.size,
            "digest": model.digest,
            "details": model.details,
        }

    def _json(self, status: int, value: dict[str, Any]) -> None:
        self._send(status, json.dumps(value).encode(), "application/json; charset=utf-8")

    def _stream(self, values: list[dict[str, Any]]) -> None:
        # Once a stream has begun its status is 200; what goes wrong later is a line of its own.
        lines = b"".join(json.dumps(value).encode() + b"\n" for value in values)
        self._send(200, lines, "application/x-ndjson")

    def _send(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)


def _logprob(row: dict[str, Any]) -> dict[str, Any]:
    return {"token": row["token"], "logprob": row["logprob"], "bytes": row["bytes"]}


def _details(blob: Path) -> dict[str, Any]:
    """What the list says of a file, by its header."""
    import gguf

    reader = gguf.GGUFReader(blob)
    family = str(reader.fields["general.architecture"].contents())
    weights = sum(int(tensor.n_elements) for tensor in reader.tensors)
    return {
        "parent_model": "",
        "format": "gguf",
        "family": family,
        "families": [family],
        "parameter_size": f"{weights / 1e6:.2f}M" if weights >= 1e6 else f"{weights / 1e3:.0f}K",
        "quantization_level": LEVELS.get(_number(reader, "general.file_type"), "unknown"),
    }


def _number(reader: Any, name: str) -> int:
    found = reader.fields.get(name)
    return 0 if found is None else int(found.contents())


def _check_options(options: dict[str, Any]) -> None:
    """Unknown options are ignored, wrong types are not (api/types.go, Options.FromMap)."""
    for name, value in options.items():
        if name in INTEGERS and (isinstance(value, bool) or not isinstance(value, int)):
            raise Refusal(500, f'option "{name}" must be of type integer')
        if name in NUMBERS and not isinstance(value, int | float):
            raise Refusal(500, f'option "{name}" must be of type float32')
