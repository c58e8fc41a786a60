"""Standard error, which may be full, closed or a pipe that nobody reads.

A write to a full pipe waits until somebody reads. On the event loop that would stop every request
and every signal. So while the proxy runs, ``sys.stderr`` is a ``StandardError``: a thread writes
what is printed or logged there, the interpreter's own complaints included. What nobody reads is
dropped and counted.
"""

import contextlib
import io
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Final

from proxy.telemetry.writer import OutputLock, Writer

PENDING: Final = 1 << 20
"""Bytes that may wait for a slow reader before lines are dropped."""
_LONGEST: Final = 64 << 10
"""Bytes of a line that has not ended yet, before it is written as it is."""
_log = logging.getLogger(__name__)


class StandardError(io.TextIOBase):
    """Text that a thread writes line by line. Never waits and never fails; any thread may write."""

    def __init__(self, fd: int, lock: OutputLock | None = None) -> None:
        """``lock``: where other processes write to ``fd`` as well."""
        self._fd = fd
        self._begun = bytearray()
        self._writer = Writer(fd, tell=_tell, complain=False, pending=PENDING, lock=lock)
        # Reentrant: a finalizer may complain in the midst of a write.
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Take ``text``; what follows its last line break waits for its own."""
        with self._lock:
            self._begun += text.encode("utf-8", "backslashreplace")
            end = self._begun.rfind(b"\n") + 1
            if not end and len(self._begun) > _LONGEST:
                end = len(self._begun)
            if end:
                lines, self._begun = self._begun[:end], self._begun[end:]
                self._writer.put(lines, lines.count(b"\n") or 1)
        return len(text)

    def share(self, lock: OutputLock) -> None:
        """From now on other processes write there as well."""
        self._writer.lock = lock

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor that is written to."""
        return self._fd

    def isatty(self) -> bool:
        """Never: no terminal's tricks are played here."""
        return False

    def end(self) -> None:
        """Write what is left, or give it up where the reader is stuck."""
        with self._lock:
            if self._begun:
                self.write("\n")
        self._writer.close()


@contextlib.contextmanager
def standard_error(lock: OutputLock | None = None) -> Iterator[None]:
    """Put one in the place of ``sys.stderr`` for a while, unless that is no descriptor's."""
    before = sys.stderr
    try:
        # None: it was closed
        ours = StandardError(2 if before is None else before.fileno(), lock)
    except OSError:  # somebody who runs us in their own process keeps it in memory
        yield
        return
    sys.stderr = ours
    try:
        yield
    finally:
        sys.stderr = before
        ours.end()


def _tell(sentence: str) -> None:
    _log.warning("standard error: %s", sentence)
