"""Secrets: where they are looked for, and which files are refused."""

from pathlib import Path

import pytest

from daemon.mistakes import CredentialMissing, ExitCode
from daemon.settings.credentials import LONGEST, UNIT_FOLDER, Credentials
from tests import ROOT


def write(file: Path, secret: str, mode: int = 0o600) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(secret, encoding="utf-8")
    file.chmod(mode)
    return file


def test_the_first_place_that_has_the_name_counts(tmp_path: Path) -> None:
    systemd, handed, state = tmp_path / "systemd", tmp_path / "handed", tmp_path / "state"
    environ = {
        "CREDENTIALS_DIRECTORY": str(systemd),
        "POSTROOM_CREDENTIALS_DIR": str(handed),
        "POSTROOM_ALLOW_ENV_CREDENTIALS": "1",
        "POSTROOM_CREDENTIAL_OFFICE_IMAP": "from the environment",
    }
    credentials = Credentials(state, environ)
    assert credentials.read("office-imap") == "from the environment"
    write(state / "credentials" / "office-imap", "from the state directory")
    assert credentials.read("office-imap") == "from the state directory"
    write(handed / "office-imap", "handed over")
    assert credentials.read("office-imap") == "handed over"
    write(systemd / "postroom_office-imap", "from systemd's folder")
    assert credentials.read("office-imap") == "from systemd's folder"
    write(systemd / "office-imap", "from systemd")
    assert credentials.read("office-imap") == "from systemd"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        ("s3cret\n", "s3cret"),
        ("s3cret", "s3cret"),
        ("s3cret\r\n", "s3cret"),
        ("s3cret\n\n", "s3cret\n"),
        (" pä ss ", " pä ss "),
    ],
)
def test_only_the_newline_that_editors_add_is_dropped(tmp_path: Path, content: str, secret: str) -> None:
    write(tmp_path / "credentials" / "x", content)
    assert Credentials(tmp_path, {}).read("x") == secret


def test_a_new_password_counts_at_once(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path, {})
    write(tmp_path / "credentials" / "x", "old")
    assert credentials.read("x") == "old"
    write(tmp_path / "credentials" / "x", "new")
    assert credentials.read("x") == "new"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path / "credentials" / "x", "s3cret", mode)
    with pytest.raises(
        CredentialMissing, match=rf"may be read by other users \(mode {mode:04o}\). Run: chmod 600 "
    ) as caught:
        Credentials(tmp_path, {}).read("x")
    assert caught.value.exit_code == ExitCode.NEEDS_PERSON
    file.chmod(0o600)
    assert Credentials(tmp_path, {}).read("x") == "s3cret"


def test_a_missing_secret_names_the_places_and_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(CredentialMissing) as caught:
        Credentials(tmp_path, {"CREDENTIALS_DIRECTORY": "/run/credentials/postroom.service"}).read("office-imap")
    assert "/run/credentials/postroom.service/office-imap" in caught.value.fact
    assert str(tmp_path / "credentials" / "office-imap") in caught.value.fact
    assert "write the secret alone into /etc/postroom/credentials/office-imap" in caught.value.next_step
    unit = ROOT / "systemd" / "postroom.service"
    assert f"LoadCredential=postroom:{UNIT_FOLDER}\n" in unit.read_text(encoding="utf-8")


def test_without_systemd_a_missing_secret_belongs_into_the_state_directory_or_the_handed_folder(tmp_path: Path) -> None:
    with pytest.raises(CredentialMissing) as caught:
        Credentials(tmp_path, {}).read("office-imap")
    assert (
        caught.value.next_step == f"Write the secret alone into {tmp_path}/credentials/office-imap, then chmod 600 it."
    )
    with pytest.raises(CredentialMissing) as caught:
        Credentials(tmp_path, {"POSTROOM_CREDENTIALS_DIR": "/run/secrets"}).read("office-imap")
    assert caught.value.next_step == "Write the secret alone into /run/secrets/office-imap."


@pytest.mark.parametrize("there", ["office-imp", "postroom_office-imp"])
def test_a_secret_of_nearly_the_same_name_is_offered(tmp_path: Path, there: str) -> None:
    write(tmp_path / "handed" / there, "s3cret")
    with pytest.raises(CredentialMissing, match='There is "office-imp": did you mean that'):
        Credentials(tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path / "handed")}).read("office-imap")


def test_the_environment_is_not_read_unless_it_is_allowed(tmp_path: Path) -> None:
    environ = {"POSTROOM_CREDENTIAL_X": "s3cret"}
    with pytest.raises(CredentialMissing):
        Credentials(tmp_path, environ).read("x")
    assert Credentials(tmp_path, environ | {"POSTROOM_ALLOW_ENV_CREDENTIALS": "1"}).read("x") == "s3cret"


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe", "not UTF-8"), (b"x" * (LONGEST + 1), "too long")],
)
def test_a_file_that_cannot_be_a_secret_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    file = write(tmp_path / "credentials" / "x", "")
    file.write_bytes(content)
    with pytest.raises(CredentialMissing, match=words):
        Credentials(tmp_path, {}).read("x")


def test_a_folder_in_the_secrets_place_is_told_and_not_crashed_over(tmp_path: Path) -> None:
    (tmp_path / "credentials" / "x").mkdir(parents=True, mode=0o700)
    with pytest.raises(CredentialMissing, match="cannot be read"):
        Credentials(tmp_path, {}).read("x")


def test_no_error_and_no_representation_shows_a_secret(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path, {"POSTROOM_CREDENTIAL_X": "s3cret"})
    assert "s3cret" not in repr(credentials)
    write(tmp_path / "credentials" / "x", "s3cret", 0o644)
    with pytest.raises(CredentialMissing) as caught:
        credentials.read("x")
    assert "s3cret" not in f"{caught.value!r} {caught.value}"
