"""Unix sockets to listen on: their files, and what stands in the way of one."""

import errno
import os
import socket
import stat

from proxy.config.values import owner
from proxy.edge.options import ServerOptions
from proxy.run import holder


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
        return (
            f"this process may not give the socket to {options.unix_owner!r} ([server] unix_owner)"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"this process may not write into {folder!r}"
    return error.strerror or str(error)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def identity(path: str) -> tuple[int, int] | None:
    """Which file it is; None where there is none."""
    try:
        found = os.stat(path)
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


def set_rights(path: str, options: ServerOptions) -> None:
    """Mode and owner. Raises OSError where it may not be given away."""
    os.chmod(path, int(options.unix_mode, 8))
    if options.unix_owner:
        os.chown(path, *owner(options.unix_owner))


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
