"""Credentials that are given, or kept in a file that may change."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.core import secrets
from proxy.core.secrets import conceal
from proxy.upstream.credentials import CredentialsFile, CredentialsOptions, credentials_field


def turn(path: Path, text: str) -> None:
    """Another file under the same name, at once."""
    (path.parent / "new").write_text(text)
    os.replace(path.parent / "new", path)


@pytest.mark.parametrize("text", ["Bearer x", "Bearer x\n", "Bearer x\r\n"])
def test_credentials_come_from_a_file_without_its_line_break(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_bytes(text.encode())
    options = CredentialsOptions(value_file=str(tmp_path / "token"))
    assert credentials_field(options) == (b"Authorization", b"Bearer x")


def test_credentials_may_stand_in_the_file_itself() -> None:
    options = CredentialsOptions(header="X-Key", value="secret")
    assert credentials_field(options) == (b"X-Key", b"secret")


@pytest.mark.parametrize("bad", ["", "\n", "Bearer a\nX: b"])
def test_what_cannot_be_shown_changes_nothing(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "token"
    turn(path, "Bearer one\n")
    file = CredentialsFile(CredentialsOptions(value_file=str(path)))
    turn(path, bad)
    assert not file.changed()
    path.unlink()
    assert not file.changed()
    assert file.field == (b"Authorization", b"Bearer one")
    turn(path, "Bearer two")
    assert file.changed()
    assert file.field == (b"Authorization", b"Bearer two")


def test_a_link_that_is_turned_is_a_change(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"Bearer {name}")
    link = tmp_path / "token"
    link.symlink_to("one")
    file = CredentialsFile(CredentialsOptions(value_file=str(link)))
    (tmp_path / "new").symlink_to("two")
    os.replace(tmp_path / "new", link)
    assert file.changed()
    assert file.field[1] == b"Bearer two"


def missing(path: Path) -> None:
    path.unlink()


def a_pipe(path: Path) -> None:
    """Nobody writes into it."""
    path.unlink()
    os.mkfifo(path)


def without_end(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize("spoil", [missing, a_pipe, without_end])
def test_what_cannot_be_read_is_said_once_and_waited_for_by_nobody(
    tmp_path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    turn(path, "Bearer one")
    file = CredentialsFile(CredentialsOptions(value_file=str(path)))
    for _ in range(2):
        spoil(path)
        caplog.clear()
        for _ in range(3):
            looking = threading.Thread(target=file.changed, daemon=True)
            looking.start()
            looking.join(30)
            assert not looking.is_alive()
        assert len(caplog.records) == 1
        turn(path, "Bearer two")
        file.changed()
        assert file.field[1] == b"Bearer two"


def test_what_was_replaced_is_hidden_for_a_while_and_forgotten_then(tmp_path: Path) -> None:
    """Every value of a file that changes once an hour was looked for in every line, for ever."""
    path, stays = tmp_path / "token", tmp_path / "stays"
    turn(stays, "Bearer secret-that-stays")
    turn(path, "Bearer secret-number-0")
    other = CredentialsFile(CredentialsOptions(value_file=str(stays)))
    rotated = CredentialsFile(CredentialsOptions(value_file=str(path)))
    for number in range(1, 100):
        turn(path, f"Bearer secret-number-{number}")
        assert rotated.changed()
        late = f"the request with secret-number-{number - 1} failed"
        assert conceal(late) == "the request with *** failed"
    assert conceal("secret-number-99 secret-that-stays") == "*** ***"
    assert conceal("secret-number-1.") == "secret-number-1."
    assert len(secrets._rotating) < 40
    assert other.field[1] == b"Bearer secret-that-stays"
