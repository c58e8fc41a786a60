"""The files of unix sockets, and what stands in the way of one."""

import contextlib
import errno
import os
import socket
from pathlib import Path

import pytest

from proxy.edge.options import ServerOptions
from proxy.run.unix_sockets import bound_unix, clear_stale, identity, unix_reason


def test_a_socket_that_a_crash_left_is_taken_over(tmp_path: Path) -> None:
    path = str(tmp_path / "proxy.sock")
    with bound_unix(path) as first:
        first.listen()
    assert identity(path) is not None
    with bound_unix(path) as second:
        second.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)


def test_one_that_somebody_listens_on_is_not(tmp_path: Path) -> None:
    path = str(tmp_path / "proxy.sock")
    with bound_unix(path) as first:
        first.listen()
        before = identity(path)
        with pytest.raises(OSError, match="in use") as caught:
            bound_unix(path)
        assert identity(path) == before
    assert unix_reason(caught.value, path, ServerOptions()).startswith("somebody listens on that")


def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("kept")
    clear_stale(str(path))
    with pytest.raises(OSError, match="in use") as caught:
        bound_unix(str(path))
    assert path.read_text() == "kept"
    reason = unix_reason(caught.value, str(path), ServerOptions())
    assert reason == "there is a file of that name that is no socket"


def test_what_is_not_there_has_no_identity(tmp_path: Path) -> None:
    assert identity(str(tmp_path / "none")) is None


@pytest.mark.parametrize(
    ("number", "owner", "reason"),
    [
        (errno.EPERM, "root:root", "this process may not give the socket to 'root:root'"),
        (errno.EPERM, "", "this process may not write into"),
        (errno.EACCES, "", "this process may not write into"),
        (errno.ENAMETOOLONG, "", os.strerror(errno.ENAMETOOLONG)),
    ],
)
def test_the_reason_names_what_to_change(
    tmp_path: Path, number: int, owner: str, reason: str
) -> None:
    error = OSError(number, os.strerror(number))
    said = unix_reason(error, str(tmp_path / "a.sock"), ServerOptions(unix_owner=owner))
    assert said.startswith(reason)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "none" / "a.sock")
    with pytest.raises(OSError, match="No such file") as caught:
        bound_unix(path)
    reason = unix_reason(caught.value, path, ServerOptions())
    assert reason == f"there is no folder '{tmp_path / 'none'}'"


def test_one_whose_queue_is_full_is_in_use_too(tmp_path: Path) -> None:
    """Whoever connects waits there, and the whole process waited with it."""
    path = str(tmp_path / "proxy.sock")
    with bound_unix(path) as first, contextlib.ExitStack() as stack:
        first.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect(path)
        socket.setdefaulttimeout(1.0)
        try:
            with pytest.raises(OSError, match="in use"):
                clear_stale(path)
        finally:
            socket.setdefaulttimeout(None)
