"""Blocking writes, out of the way of the event loop."""

import contextlib
import fcntl
import logging
import os
import select
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Final

from proxy.core.clock import monotonic

_log = logging.getLogger(__name__)

PENDING: Final = 8 << 20
"""Bytes that may wait for a slow reader before lines are dropped."""
PATIENCE: Final = 2.0
"""Seconds that a shutdown waits for a reader that is stuck."""
NEWS: Final = 5.0
"""Seconds between two reports of dropped lines."""


class OutputLock:
    """Lets one process write at a time, among those that share an output.

    A pipe takes no more than PIPE_BUF, 4,096 bytes, as a whole; of a longer write the reader may
    find the middle of another's. So whoever writes holds a lock meanwhile, one for each file. The
    kernel takes it from a process that ends.
    """

    __slots__ = ("_file",)

    def __init__(self, file: int) -> None:
        """``file``: of the processes' own, open in all of them; nothing is written to it."""
        self._file = file

    @contextlib.contextmanager
    def at(self, fd: int) -> Iterator[None]:
        """Hold the lock of the file that ``fd`` is."""
        try:
            place = os.fstat(fd).st_ino % (1 << 31)
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, place)
        except OSError:  # no locks here: lines may be mixed, none is lost
            yield
            return
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)


class Writer:
    """A thread that writes lines to a file descriptor, and drops them where nobody reads.

    Each counter is changed by one thread only, so none needs a lock.
    """

    __slots__ = (
        "_accepted",
        "_broken",
        "_closed",
        "_complain",
        "_failing",
        "_fd",
        "_finished",
        "_given",
        "_lost",
        "_news_at",
        "_pending",
        "_queue",
        "_refused",
        "_tell",
        "_thread",
        "_told",
        "_written",
        "lock",
    )

    def __init__(
        self,
        fd: int,
        *,
        tell: Callable[[str], None] | None = None,
        complain: bool = True,
        pending: int = PENDING,
        lock: OutputLock | None = None,
    ) -> None:
        """``tell``: is given the sentences about lines that were lost, the log by default.

        ``complain``: whether it is told at once that writing fails, and at the end what was lost;
        where ``tell`` writes to this very descriptor that would only be lost as well. ``pending``:
        bytes that may wait. ``lock``: where other processes write there as well.
        """
        self.lock = lock
        self._fd = fd
        self._tell = tell or _warn
        self._complain = complain
        self._pending = pending
        self._queue: SimpleQueue[tuple[bytearray, int] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        # By the caller: bytes and lines given to the thread, lines refused.
        self._given = self._accepted = self._refused = 0
        # By the thread: bytes and lines done with, lines of them that were lost.
        self._written = self._finished = self._lost = 0
        self._failing = False
        self._broken = False
        """Whether the last line that was written has no end."""
        self._told = 0
        self._news_at = 0.0

    @property
    def dropped(self) -> int:
        """Lines that found no room or no reader."""
        return self._refused + self._lost

    def put(self, lines: bytearray, count: int) -> None:
        """Have them written, unless too much is waiting already."""
        if self._closed or self._given - self._written + len(lines) > self._pending:
            self._refused += count
            return
        self._given += len(lines)
        self._accepted += count
        self._queue.put((lines, count))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread; where it is stuck, leave it to the end of the process."""
        if self._closed:
            return
        self._closed = True
        waiting = 0
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(PATIENCE)
            waiting = self._accepted - self._finished
        lost = self.dropped - self._told + waiting
        if lost and self._complain:
            self._tell(_lost(lost))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            lines, count = item
            done = self._write_in_turn(lines)
            self._lost += 0 if done else count
            self._written += len(lines)
            self._finished += count
            if done:
                self._report_lost()

    def _write_in_turn(self, lines: bytearray) -> bool:
        lock = self.lock
        if lock is None:
            return self._write(lines)
        with lock.at(self._fd):
            return self._write(lines)

    def _write(self, lines: bytearray) -> bool:
        # The reader may be another one than that of a line which was not written to its end.
        data = b"\n" + lines if self._broken else lines
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # somebody who shares the terminal made it non-blocking
                select.select([], [self._fd], [])
            except OSError as error:  # it may pass: a named pipe may have another reader
                if not self._failing and self._complain:
                    self._tell(f"cannot write: {error}")
                self._failing = True
                if written := len(data) - len(rest):
                    self._broken = data[written - 1 : written] != b"\n"
                return False
        self._failing = self._broken = False
        return True

    def _report_lost(self) -> None:
        if not self._complain and self._given - self._written > self._pending // 2:
            return  # the sentence goes the same way, and would be dropped with the count in it
        dropped, now = self.dropped, monotonic()
        if dropped > self._told and now >= self._news_at:
            self._tell(_lost(dropped - self._told))
            self._told = dropped
            self._news_at = now + NEWS


def _lost(lines: int) -> str:
    return f"{lines} lines were dropped"


def _warn(sentence: str) -> None:
    _log.warning("access log: %s", sentence)
