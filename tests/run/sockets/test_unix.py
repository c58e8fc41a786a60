"""The files of unix sockets, and what stands in the way of one."""

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from proxy.edge.options import ServerOptions
from proxy.run.sockets import unix
from proxy.run.sockets.unix import (
    UnixFile,
    bound_unix,
    change_reason,
    clear_stale,
    identity,
    unix_reason,
)


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


class Files:
    """What the module asks of ``os``, on a machine on which files may be given away."""

    def __init__(self) -> None:
        self.owners: dict[str, tuple[int, int]] = {}
        self.refused: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def stat(self, path: str) -> os.stat_result:
        found = list(os.stat(path))
        found[4:6] = self.owners.get(os.path.realpath(path), found[4:6])
        return os.stat_result(found)

    def chown(self, path: str, uid: int, gid: int) -> None:
        if uid in self.refused:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        self.owners[os.path.realpath(path)] = uid, gid


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    made = Files()
    monkeypatch.setattr(unix, "os", made)
    return made


def rights(files: Files, path: str) -> tuple[int, int, int]:
    found = files.stat(path)
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


def test_rights_are_those_of_the_options_and_can_be_put_back(tmp_path: Path, files: Files) -> None:
    path = str(tmp_path / "a.sock")
    with bound_unix(path):
        file, own = UnixFile(path), (os.getuid(), os.getgid())
        undo = []
        for mode, owner, expected in (
            ("0600", "7:8", (0o600, 7, 8)),
            ("0660", "9", (0o660, 9, own[1])),
            ("0660", ":8", (0o660, own[0], 8)),
            ("0666", "", (0o666, *own)),
        ):
            before = rights(files, path)
            undo.append((file.set_rights(ServerOptions(unix_mode=mode, unix_owner=owner)), before))
            assert rights(files, path) == expected
        for back, before in reversed(undo):
            back()
            assert rights(files, path) == before
        file.set_rights(ServerOptions(unix_mode="0666"))
        os.chmod(path, 0o640)  # by hand: it stays until the options change
        file.set_rights(ServerOptions(unix_mode="0666"))
        assert rights(files, path)[0] == 0o640


def test_rights_that_cannot_be_given_change_nothing(tmp_path: Path, files: Files) -> None:
    path, options = str(tmp_path / "a.sock"), ServerOptions(unix_owner="7")
    files.refused = {7}
    with bound_unix(path):
        file = UnixFile(path)
        file.set_rights(ServerOptions(unix_mode="0600"))
        before = rights(files, path)
        for _ in range(2):
            with pytest.raises(PermissionError) as caught:
                file.set_rights(options)
            assert rights(files, path) == before
        assert change_reason(caught.value, options).startswith("this process may not give the")
        assert change_reason(caught.value, ServerOptions()).startswith("this process may not chan")
        assert change_reason(OSError(errno.ENOENT, "gone"), options) == "gone"
        file.remove()
        file.remove()
    assert not os.path.exists(path)


@pytest.fixture(params=["held", "by its path"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux, and elsewhere."""
    if request.param != "held":
        monkeypatch.setattr(unix, "_HELD", "/none")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("other", ["file", "link", "link to ours", "none"])
def test_whoever_has_taken_the_path_keeps_mode_and_owner(tmp_path: Path, other: str) -> None:
    path, moved, theirs = (tmp_path / name for name in ("a.sock", "moved.sock", "theirs"))
    with bound_unix(str(path)):
        file = UnixFile(str(path))
        undo = file.set_rights(ServerOptions(unix_mode="0640"))
        path.rename(moved)
        theirs.touch(0o600)
        if other == "file":
            theirs.rename(path)
        elif other != "none":
            path.symlink_to(theirs if other == "link" else moved)
        wanted = ServerOptions(unix_mode="0666")
        for _ in range(2):  # nor is it taken as done the next time
            with pytest.raises(OSError, match=r"No such file|somebody has replaced it") as caught:
                file.set_rights(wanted)
            assert caught.value.errno == errno.ENOENT
        with pytest.raises(OSError, match=r"No such file|somebody has replaced it"):
            undo()
        assert stat.S_IMODE(moved.stat().st_mode) == 0o640
        if other != "none":
            assert other == "link to ours" or stat.S_IMODE(path.stat().st_mode) == 0o600
            file.remove()
            path.unlink()
        moved.rename(path)
        file.set_rights(wanted)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_an_owner_that_is_unknown_by_now_is_refused_each_time(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sock")
    options = ServerOptions(unix_owner="no-such-user")  # there was one when the file was read
    with bound_unix(path):
        file = UnixFile(path)
        for _ in range(2):
            with pytest.raises(KeyError, match="no-such-user"):
                file.set_rights(options)


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
