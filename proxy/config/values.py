"""Files and owners in a configuration: what is wrong with one, or nothing."""

import errno
import grp
import os
import pwd
import re
import stat
from typing import Final

from proxy.core.pipes import is_device

FOR_ONE: Final = "is a pipe, which gives its bytes once: that is for [server] workers = 1"
"""What is said of a pipe that several workers would read."""
_NAMED: Final = re.compile(r"\.{0,2}/[^\n]*")


def file_fault(path: str, *, secret: bool = False) -> str:
    """A file that is read at start.

    ``secret``: what it holds is one, and somebody may have written that in the place of its name.
    """
    if "-----BEGIN" in path or "\n" in path:
        return "this is the content itself, expected the name of a file that holds it"
    shown = "this file" if secret and not _NAMED.fullmatch(path) else repr(path)
    try:
        found = os.stat(path)
        if is_device(found):
            return f"cannot read {shown}: it is no regular file"
        if stat.S_ISFIFO(found.st_mode):
            # To open it would let its writer go on, and to close it then would lose what comes.
            denied = "" if os.access(path, os.R_OK) else os.strerror(errno.EACCES)
            return f"cannot read {shown}: {denied}" if denied else ""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # it may have become a pipe
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        if isinstance(error, PermissionError):
            reason = f"{reason} as user {os.geteuid()}"
        return f"cannot read {shown}: {reason}"
    try:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
    return f"cannot read {shown}: it is a directory" if is_directory else ""


def is_pipe(path: str) -> bool:
    """Whether it can be read only once, and perhaps not yet: that is left to the start."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def owner(text: str) -> tuple[int, int]:
    """``"USER:GROUP"`` as numbers, -1 for what is not named. Raises KeyError on an unknown name."""
    user, _, group = text.partition(":")
    uid = -1 if not user else int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    gid = -1 if not group else int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    return uid, gid


def owner_fault(text: str) -> str:
    """The owner of a unix socket."""
    try:
        owner(text)
    except KeyError as error:
        return f"no such user or group: {str(error.args[0]).rpartition(': ')[2]}"
    except (ValueError, OverflowError):  # a NUL, or a number of too many digits
        return f"no such user or group: {text[:60]!r}"
    return "" if text.strip(":") else 'expected "USER", "USER:GROUP" or ":GROUP"'
