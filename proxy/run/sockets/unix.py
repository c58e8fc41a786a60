"""Unix sockets to listen on: their files, and what stands in the way of one."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

from proxy.config.values import owner
from proxy.edge.options import ServerOptions
from proxy.net import holder

Undo: TypeAlias = Callable[[], None]
_HELD: Final = "/proc/self/fd"
"""Where Linux has a path for each open file, also for one that is open for nothing (O_PATH)."""


def unix_reason(error: OSError, path: str, options: ServerOptions) -> str:
    """What keeps a unix socket from being had, and who."""
    folder = os.path.dirname(path)
    if error.errno == errno.EADDRINUSE:
        if not _is_socket(path):
            return "there is a file of that name that is no socket"
        return f"somebody listens on that socket{holder.of_socket(path)}"
    if not os.path.isdir(folder):
        return f"there is no folder {folder!r}"
    if error.errno == errno.EPERM and options.unix_owner:
        return _not_given(options)
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"this process may not write into {folder!r}"
    return error.strerror or str(error)


def change_reason(error: OSError, options: ServerOptions) -> str:
    """What keeps one that is open from having another mode or owner."""
    if error.errno != errno.EPERM:
        return error.strerror or str(error)
    if options.unix_owner:
        return _not_given(options)
    return "this process may not change its mode or owner"


def _not_given(options: ServerOptions) -> str:
    return f"this process may not give the socket to {options.unix_owner!r} ([server] unix_owner)"


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def identity(path: str) -> tuple[int, int] | None:
    """Which file it is, be it a link; None where there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def bound_unix(path: str) -> socket.socket:
    """Raises OSError where somebody listens there."""
    clear_stale(path)
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(path)
    except BaseException:
        listening.close()
        raise
    return listening


class UnixFile:
    """That of a socket that was just bound."""

    __slots__ = ("_asked", "_identity", "_owner", "_path")

    def __init__(self, path: str) -> None:
        found = os.lstat(path)
        self._path = path
        self._identity = found.st_dev, found.st_ino
        self._owner = found.st_uid, found.st_gid
        """User and group that it has where ``unix_owner`` names none."""
        self._asked = ("", "")
        """The options of its mode and owner."""

    def set_rights(self, options: ServerOptions) -> Undo:
        """Mode and owner, where they are other ones. Gives what puts back those of before.

        Raises OSError where they may not be given; then they are as before.
        """
        asked = options.unix_mode, options.unix_owner
        if asked == self._asked:
            return nothing
        named = owner(options.unix_owner) if options.unix_owner else (-1, -1)
        uid, gid = (own if one < 0 else one for one, own in zip(named, self._owner, strict=True))
        with self._held() as path:
            found = os.stat(path)
            mode = stat.S_IMODE(found.st_mode)
            try:
                _set_rights(path, int(options.unix_mode, 8), uid, gid)
            except OSError:
                with contextlib.suppress(OSError):
                    _set_rights(path, mode, found.st_uid, found.st_gid)
                raise
        undo = partial(self._put_back, self._asked, mode, found.st_uid, found.st_gid)
        self._asked = asked
        return undo

    def _put_back(self, asked: tuple[str, str], mode: int, uid: int, gid: int) -> None:
        self._asked = asked
        with self._held() as path:
            _set_rights(path, mode, uid, gid)

    @contextlib.contextmanager
    def _held(self) -> Iterator[str]:
        """A path that leads to this file, whoever takes the other meanwhile.

        Raises OSError where somebody has taken that already, be it with a link.
        """
        if not os.path.isdir(_HELD):  # not on Linux: the path itself has to do
            self._check(os.lstat(self._path))
            yield self._path
            return
        held = os.open(self._path, os.O_PATH | os.O_NOFOLLOW)
        try:
            self._check(os.fstat(held))
            yield f"{_HELD}/{held}"
        finally:
            os.close(held)

    def _check(self, found: os.stat_result) -> None:
        if (found.st_dev, found.st_ino) != self._identity:
            raise OSError(errno.ENOENT, "somebody has replaced it")

    def remove(self) -> None:
        """Take it away; whoever has taken its path since keeps it."""
        if identity(self._path) == self._identity:
            with contextlib.suppress(OSError):
                os.unlink(self._path)


def nothing() -> None:
    """They are as they were."""


def _set_rights(path: str, mode: int, uid: int, gid: int) -> None:
    os.chmod(path, mode)
    found = os.stat(path)
    if (found.st_uid, found.st_gid) != (uid, gid):
        os.chown(path, uid, gid)


def put_back(undo: list[Undo]) -> None:
    """Undo all of it, as far as that can be done, and forget it."""
    for each in reversed(undo):
        with contextlib.suppress(OSError):
            each()
    undo.clear()


def clear_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more, as left by a crash.

    Raises OSError where somebody does: the loop would take the path away without asking.
    """
    if not _is_socket(path):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # else it waits where many wait to be accepted, and all with it
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except BlockingIOError:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path) from None
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
