"""Files that a configuration names, each of which may be a pipe when the proxy starts.

A pipe gives its bytes once, and only after somebody has written them: the start waits for that, but
not for ever, and a proxy that serves does not wait at all. A device is never read: it may have no
end.
"""

import errno
import os
import select
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from proxy.core.clock import monotonic
from proxy.core.ending_signals import end_by

_PATIENCE: Final = 10.0
"""Seconds for which the start waits until a pipe has been written to its end."""
_PIECE: Final = 64 << 10
_MOST: Final = 16 << 20
"""Bytes that are taken of a pipe."""

_patience: Final = ContextVar("patience", default=_PATIENCE)


@contextmanager
def without_waiting() -> Iterator[None]:
    """Within this, a pipe that is not written yet is refused at once."""
    token = _patience.set(0.0)
    try:
        yield
    finally:
        _patience.reset(token)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Within this, SIGTERM and SIGINT end the process.

    A loop does not call its handlers while it is waited for something.
    """
    if not _patience.get() or threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    # One that is ignored, or raises KeyboardInterrupt, does not wait for a loop.
    handlers = {
        number: handler
        for number, handler in handlers.items()
        if callable(handler) and handler is not signal.default_int_handler
    }
    for number in handlers:
        end_by(number)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
            signal.siginterrupt(number, False)


def is_device(found: os.stat_result) -> bool:
    """Whether it may have no end, or is a socket. /dev/null is as good as an empty file."""
    mode = found.st_mode
    if stat.S_ISCHR(mode):
        return found.st_rdev != os.stat(os.devnull).st_rdev
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISFIFO(mode))


def content(path: str) -> bytes:
    """The bytes of a file or of a pipe. Raises OSError, also for a pipe that nobody writes."""
    found = os.stat(path)
    if stat.S_ISFIFO(found.st_mode):
        return _piped(path)
    if is_device(found):
        raise OSError(errno.EINVAL, "it is no regular file", path)
    return Path(path).read_bytes()


@contextmanager
def readable(path: str) -> Iterator[str]:
    """A name by which OpenSSL can read the file: it waits for the writer of a pipe for ever.

    Raises OSError.
    """
    if not path or stat.S_ISREG(os.stat(path).st_mode) or not hasattr(os, "memfd_create"):
        yield path
        return
    held = os.memfd_create("held")
    try:
        with open(held, "wb", closefd=False) as file:
            file.write(content(path))
        yield f"/proc/self/fd/{held}"
    finally:
        os.close(held)


def _piped(path: str) -> bytes:
    until = monotonic() + _patience.get()
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        changes = select.poll()
        changes.register(descriptor, select.POLLIN)
        found, was_left = bytearray(), False
        while len(found) <= _MOST:
            try:
                data = os.read(descriptor, _PIECE)
            except BlockingIOError:  # somebody is about to write
                pass
            else:
                found += data
                if data:
                    continue
                if found or was_left:  # else nobody has opened it yet
                    return bytes(found)
            left = max(0.0, until - monotonic())
            with _ended_by_signals():
                events = changes.poll(left * 1000)
            if not events:
                raise OSError(errno.ETIMEDOUT, "nobody has written this pipe to its end", path)
            was_left = bool(events[0][1] & select.POLLHUP)
        raise OSError(errno.EFBIG, f"more than {_MOST} bytes have come by this pipe", path)
    finally:
        os.close(descriptor)
