"""A file that holds one secret, and may be written anew."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.core import redaction, secret_file
from proxy.core.redaction import conceal
from proxy.core.secret_file import SecretFile, filled
from proxy.upstream.credentials.options import checked_content, checked_value
from tests.support.credentials import turn


@pytest.mark.parametrize("bad", ["", "\n", "Bearer a\nX: b"])
def test_what_cannot_be_shown_changes_nothing(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "token"
    turn(path, "Bearer one\n")
    file = SecretFile(str(path), checked_value)
    turn(path, bad)
    assert not file.changed()
    path.unlink()
    assert not file.changed()
    assert file.value == b"Bearer one"
    turn(path, "Bearer two")
    assert file.changed()
    assert file.value == b"Bearer two"


@pytest.mark.parametrize("check", [checked_content, filled])
def test_a_file_with_more_than_one_line_is_refused_as_such(
    tmp_path: Path, check: Callable[[bytes], bytes]
) -> None:
    for bad in ("one\ntwo\n", "one\r\ntwo"):
        turn(tmp_path / "token", bad)
        with pytest.raises(ValueError, match="the file has more than one line"):
            SecretFile(str(tmp_path / "token"), check)
    turn(tmp_path / "token", "\ufeffone\r\n")
    assert SecretFile(str(tmp_path / "token"), check).value == b"one"


def test_a_link_that_is_turned_is_a_change(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"Bearer {name}")
    link = tmp_path / "token"
    link.symlink_to("one")
    file = SecretFile(str(link), checked_value)
    (tmp_path / "new").symlink_to("two")
    os.replace(tmp_path / "new", link)
    assert file.changed()
    assert file.value == b"Bearer two"


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
    file = SecretFile(str(path), checked_value)
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
        assert file.value == b"Bearer two"


def test_what_was_replaced_is_hidden_for_a_while_and_forgotten_then(tmp_path: Path) -> None:
    """Every value of a file that changes once an hour was looked for in every line, for ever."""
    path, stays = tmp_path / "token", tmp_path / "stays"
    turn(stays, "Bearer secret-that-stays")
    turn(path, "Bearer secret-number-0")
    other = SecretFile(str(stays), checked_value)
    rotated = SecretFile(str(path), checked_value)
    for number in range(1, 100):
        turn(path, f"Bearer secret-number-{number}")
        assert rotated.changed()
        late = f"the request with secret-number-{number - 1} failed"
        assert conceal(late) == "the request with *** failed"
    assert conceal("secret-number-99 secret-that-stays") == "*** ***"
    assert conceal("secret-number-1.") == "secret-number-1."
    assert len(redaction._rotating) < 40
    assert other.value == b"Bearer secret-that-stays"


def test_a_pipe_is_read_once_and_not_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"Bearer piped\n",), daemon=True)
    writer.start()
    file = SecretFile(str(path), checked_value)
    writer.join(30)
    assert (file.value, file.may_change) == (b"Bearer piped", False)


def test_what_could_not_be_read_for_a_while_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing about the file changes when there is a descriptor again."""

    def none_left(path: str) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)

    path = tmp_path / "token"
    turn(path, "one")
    file = SecretFile(str(path), checked_value)
    turn(path, "two")
    with monkeypatch.context() as patched:
        patched.setattr(secret_file, "secret_content", none_left)
        assert not file.changed()
        assert not file.changed()
    assert len(caplog.records) == 1
    assert file.changed()
    assert file.value == b"two"
