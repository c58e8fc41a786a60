"""Files and owners that a configuration names."""

import errno
import os
import threading
from pathlib import Path

import pytest

from proxy.config.values import file_fault, is_pipe, owner, owner_fault


def test_a_file_that_can_be_read_has_no_fault(tmp_path: Path) -> None:
    file, pipe = tmp_path / "a", tmp_path / "pipe"
    file.write_text("x", encoding="utf-8")
    os.mkfifo(pipe)
    assert file_fault(str(file)) == file_fault(str(pipe)) == ""
    assert [is_pipe(str(each)) for each in (file, pipe, tmp_path / "gone")] == [False, True, False]


def test_a_look_at_a_pipe_takes_nothing_of_its_writer(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"all",), daemon=True)
    writer.start()
    writer.join(0.2)
    for _ in range(20):
        assert file_fault(str(pipe)) == ""
    writer.join(0.2)
    assert writer.is_alive(), "it waits for a reader"
    assert pipe.read_bytes() == b"all"


def test_a_pipe_that_may_not_be_read_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read all
    assert file_fault(str(pipe)) == f"cannot read {str(pipe)!r}: Permission denied"


def test_a_device_may_have_no_end_and_is_refused() -> None:
    assert file_fault("/dev/zero") == "cannot read '/dev/zero': it is no regular file"
    assert file_fault(os.devnull) == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [("gone", "No such file or directory"), ("", "it is a directory"), ("a\0b", "null")],
)
def test_why_a_file_cannot_be_read_is_said(tmp_path: Path, name: str, reason: str) -> None:
    fault = file_fault(os.path.join(tmp_path, name))
    assert fault.startswith("cannot read ")
    assert reason in fault


@pytest.mark.parametrize(
    ("text", "ids"), [("12:34", (12, 34)), (":34", (-1, 34)), ("root", (0, -1)), ("12", (12, -1))]
)
def test_an_owner_is_a_user_and_a_group(text: str, ids: tuple[int, int]) -> None:
    assert owner(text) == ids
    assert owner_fault(text) == ""


def test_an_owner_that_does_not_exist_is_a_fault() -> None:
    assert owner_fault("no-such-user") == "no such user or group: 'no-such-user'"
    assert owner_fault(":").startswith("expected ")
    for odd in ("a\0b", "9" * 5000):
        assert owner_fault(odd) == f"no such user or group: {odd[:60]!r}"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/gone.pem", "cannot read '/gone.pem': No such file or directory"),
        ("./gone.pem", "cannot read './gone.pem': No such file or directory"),
        ("hunter2secret", "cannot read this file: No such file or directory"),
        ("tok/en", "cannot read this file: No such file or directory"),
        (
            "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n",
            "this is the content itself, expected the name of a file that holds it",
        ),
    ],
)
def test_a_secret_in_the_place_of_its_file_is_not_repeated(path: str, said: str) -> None:
    assert file_fault(path, secret=True) == said


def test_who_may_not_read_a_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert file_fault("/a") == "cannot read '/a': Permission denied as user 54321"
