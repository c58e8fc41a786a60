"""Limits of this process and this machine: descriptors, ports, memory, threads, disk.

Where one is reached no upstream is at fault: nobody is ejected, retried or blamed for it.
"""

import errno
import logging
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from proxy.core.clock import monotonic
from proxy.core.errors import LocalLimit
from proxy.core.state_changes import tell

EVERY: Final = 10.0
"""Seconds between two lines of the log about the same limit."""
_THREAD: Final = "can't start new thread"  # CPython's words; the class is a plain RuntimeError

_log = logging.getLogger(__name__)

WORDS: Final = {
    errno.EMFILE: "this process has no file descriptor left (ulimit -n, LimitNOFILE=)",
    errno.ENFILE: "this machine has no file descriptor left (fs.file-max)",
    errno.ENOMEM: "this machine has no memory left for it",
    errno.ENOBUFS: "this machine has no buffer left for it",
    errno.EADDRNOTAVAIL: "this machine has no local port left for another connection to that "
    "address (net.ipv4.ip_local_port_range)",
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than this process may write (ulimit -f)",
}
"""What is said of an errno that means a limit of ours."""


_OF_SYSTEM: Final = (*map(os.strerror, WORDS.keys() - {errno.EADDRNOTAVAIL}), _THREAD)


def tells_of_one(sentence: str) -> bool:
    """Whether a sentence has the system's words for such a limit."""
    return any(words in sentence for words in _OF_SYSTEM)


def local_limit(error: BaseException, address: Any = None) -> LocalLimit | None:
    """What of ours was used up, None where it was something else.

    ``address``: what was being connected to, a tuple as sockets have it.
    """
    if isinstance(error, MemoryError):
        return LocalLimit(WORDS[errno.ENOMEM], kind="memory")
    if isinstance(error, RuntimeError):
        if str(error) == _THREAD:
            return LocalLimit("this process can start no further thread", kind="thread")
        return None
    if isinstance(error, socket.gaierror):
        # The resolver does not say why it could not read its files or ask.
        return _descriptors()
    if not isinstance(error, OSError) or error.errno not in WORDS:
        return None
    if error.errno == errno.EADDRNOTAVAIL and not _has_source(address):
        return None
    return LocalLimit(WORDS[error.errno], kind=errno.errorcode[error.errno])


def _descriptors() -> LocalLimit | None:
    """Whether another descriptor is to be had right now."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return LocalLimit(WORDS[error.errno], kind="EMFILE") if error.errno in WORDS else None
    return None


def _has_source(address: Any) -> bool:
    """Whether this machine has an address to reach ``address`` from.

    Where it has none (``::1`` without IPv6) the errno is the same as without a free port. UDP has
    ports of its own, and connecting it sends nothing.
    """
    if not isinstance(address, tuple):
        return True
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address[0], 9))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True


class Complaints:
    """Tells the log of each limit that is reached, at most once in a while."""

    __slots__ = ("_clock", "_told")

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._told: dict[str, tuple[float, int]] = {}
        """By kind: when it was last told, and how often it has been left out since."""

    def __call__(self, kind: str, sentence: str) -> None:
        """``kind``: the limits there are, a handful."""
        now = self._clock()
        last, left_out = self._told.get(kind, (-EVERY, 0))
        if now - last < EVERY:
            self._told[kind] = last, left_out + 1
            return
        self._told[kind] = now, 0
        more = f" ({left_out} times more since the last such line)" if left_out else ""
        said = f"a limit of the proxy, not of an upstream: {sentence}{more}"
        tell("local_limit", said, kind=kind)


complain: Final = Complaints()
"""The one of this process."""
