"""Files that are looked at again: whether one is another than it was."""

import os
import ssl
import stat
from codecs import BOM_UTF8
from collections.abc import Iterable
from typing import Final, TypeAlias

from proxy.core.pipes import content

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at a file."""
_LONGEST: Final = 64 << 10
"""Bytes of a secret; no server takes a field that is longer."""

Mark: TypeAlias = tuple[int, int, int, int, int]


def mark_of(found: os.stat_result) -> Mark:
    """What changes when a file is written anew, when a link is turned (Kubernetes), or when it may
    be read by others than before."""
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def marks(paths: Iterable[str]) -> tuple[Mark | None, ...]:
    """Of each file; None where there is none now."""
    return tuple(map(_mark, paths))


def _mark(path: str) -> Mark | None:
    try:
        return mark_of(os.stat(path))
    except OSError:
        return None


def may_pass(error: Exception) -> bool:
    """Whether a file could not be read for a reason that is not in it, as where no descriptor is
    left: nothing about the file changes when that has passed."""
    return isinstance(error, OSError) and not isinstance(error, ssl.SSLError)


def rereadable(path: str) -> bool:
    """Whether the file gives its bytes as often as it is read. A pipe gives them once."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def secret_mark(path: str) -> Mark:
    """The mark of a file that holds one secret.

    Raises OSError, or ValueError where it cannot be read in one go: a pipe would be waited for.
    """
    found = os.stat(path)
    _check_regular(found)
    if found.st_size > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST} bytes")
    return mark_of(found)


def _check_regular(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no regular file")


def regular_content(path: str) -> bytes:
    """The bytes of a file while the proxy runs, when nobody may wait for the writer of a pipe.

    Raises OSError, or ValueError where it is no regular file.
    """
    _check_regular(os.stat(path))
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _check_regular(os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def secret_content(path: str) -> bytes:
    """The bytes of a file or pipe without its BOM and its last line break. Raises OSError."""
    return content(path).removeprefix(BOM_UTF8).removesuffix(b"\n").removesuffix(b"\r")
