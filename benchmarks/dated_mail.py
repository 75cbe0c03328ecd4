"""The archives of dated mail that benchmarks rehearse, oldest first; nothing of them is part of the project.

DATA/enron_lokay/lokay-m.manifest.jsonl   an office's mailbox, as `postroom rehearse --manifest` reads it
DATA/spamassassin_folders.tar.gz          a list archive: clean fields of its manifest, threads of its .eml files
git:PATH                                  a bare git history: the author writes, the message is the mail, and its folder
                                          is where the commit changed the most files
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from connectors.base import MailText
from connectors.mail.envelope import Envelope
from connectors.mail.mime import clean_body, parse
from daemon.rehearsal.archives import from_manifest
from daemon.rehearsal.back_test import LabelledMail

LOKAY, LISTS, GIT = "lokay", "sa", "git:"
UNSORTED = "_unsorted"
"""Mail of the list archive that belongs nowhere."""
LEAST_OF_A_FOLDER = 20
NEWEST = 2000
"""Commits of a git history."""
A_LIST = "one of the lists <list.invalid>"
COMMIT, FIELD, BODY_END = "\x1e", "\x1f", "\x1d"


def read_archive(name: str, data: Path | None, short: int | None = None) -> list[LabelledMail]:
    """All mail of one archive, by date. `short`: only the subject and so many characters of the body, without sender
    and thread. Raises OSError, BadSource, ValueError."""
    if name.startswith(GIT):
        mails = read_git(Path(name.removeprefix(GIT)))
    elif data is None:
        raise ValueError("say where the archives lie: --data FOLDER")
    elif name == LOKAY:
        mails = from_manifest(data / "enron_lokay" / "lokay-m.manifest.jsonl")
    elif name == LISTS:
        mails = read_lists(data / "spamassassin_folders.tar.gz")
    else:
        raise ValueError(f"there is no archive {name}: {LOKAY}, {LISTS} or {GIT}PATH")
    mails = sorted(mails, key=lambda mail: mail.at)
    return mails if short is None else [shortened(mail, short) for mail in mails]


def shortened(mail: LabelledMail, characters: int) -> LabelledMail:
    """The subject and the beginning of the body, from nobody to nobody: a hard archive."""
    text = MailText(subject=mail.text.subject, body=mail.text.body[:characters])
    return replace(mail, text=text, message_id=None, references=())


def read_lists(path: Path) -> list[LabelledMail]:
    """Folder, date and text as the manifest has them, without what names the list: only that one was there; the thread
    by the headers."""
    mails = []
    with tarfile.open(path) as archive:
        heads: dict[str, bytes] = {}
        rows: list[dict[str, str]] = []
        for member in archive:
            file = archive.extractfile(member)
            if file is None:
                continue
            name = member.name.removeprefix("./")
            if name == "manifest.jsonl":
                rows = [json.loads(line) for line in io.TextIOWrapper(file, "utf-8") if line.strip()]
            elif name.endswith(".eml"):
                heads[name] = file.read().replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    for row in rows:
        if row["folder"] == UNSORTED:
            continue
        head = parse(heads[row["file"]] + b"\n\n")
        by_list = A_LIST if head.text.list_id else ""
        subject = row["subject_clean"]
        envelope = Envelope(row["from"], head.text.to, subject, in_thread=True if head.references else None)
        body = clean_body(row["body_clean"], envelope)
        text = MailText(sender=row["from"], list_id=by_list, subject=subject, body=body)
        at = datetime.fromisoformat(row["received"])
        mails.append(LabelledMail(row["folder"], text, at, head.message_id, head.references))
    return mails


def read_git(repository: Path) -> list[LabelledMail]:
    """The newest commits but merges, as mail. Raises OSError where git cannot read it."""
    form = f"{COMMIT}%H{FIELD}%an <%ae>{FIELD}%ct{FIELD}%s{FIELD}%b{BODY_END}"
    command = ["git", "-C", str(repository), "log", "--no-merges", "--name-only", f"-{NEWEST}", f"--format={form}"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise OSError(f"{repository}: {done.stderr.decode(errors='replace').strip()}")
    return from_commits(done.stdout.decode("utf-8", "replace"))


def from_commits(log: str) -> list[LabelledMail]:
    """What `git log` printed, as mail; folders of fewer than 20 are left out, and a folder that holds more than half is
    told apart by those within it."""
    found: list[tuple[LabelledMail, list[str]]] = []
    for entry in log.split(COMMIT)[1:]:
        head, _, names = entry.partition(BODY_END)
        commit, author, seconds, subject, body = head.split(FIELD, 4)
        files = names.split("\n")
        text = MailText(sender=author, subject=subject, body=clean_body(body))
        at = datetime.fromtimestamp(int(seconds), UTC)
        found.append((LabelledMail("", text, at, f"<{commit}@git.invalid>"), [file for file in files if file]))
    depth, inside = 1, ""
    while True:
        folders = [folder_of(files, depth, inside) for _, files in found]
        [(most, count)] = Counter(folders).most_common(1) or [("", 0)]
        if 2 * count <= len(found) or depth == 4 or most.count("/") + 1 < depth:
            break
        depth, inside = depth + 1, f"{most}/"
    sizes = Counter(folders)
    return [
        replace(mail, folder=folder)
        for (mail, files), folder in zip(found, folders, strict=True)
        if files and sizes[folder] >= LEAST_OF_A_FOLDER
    ]


def folder_of(files: Sequence[str], depth: int = 1, inside: str = "") -> str:
    """Where most of these files lie, the first among equals: a top folder, or below `inside` `depth` names of the path.
    Files that lie in none belong to "top"."""
    counts = Counter(_folder(file, depth if file.startswith(inside) else 1) for file in files)
    return counts.most_common(1)[0][0] if counts else "top"  # the first among equals, as they were counted


def _folder(file: str, depth: int) -> str:
    return "/".join(file.split("/")[:-1][:depth]) or "top"
