"""The process that forks the workers, and the parent's end of it.

A process that runs an event loop and threads, as the parent does, must not fork: the child would
share the loop's epoll descriptor and find locks that no thread will ever release. The nursery is a
process of its own, started by an exec: one thread, no loop, everything imported, so that a fork is
safe and takes milliseconds. Where it dies, the parent starts another one; workers live on, they
are known by their links.

The parent writes one line of JSON with the descriptors of the worker (SCM_RIGHTS) and waits for
the answer before it writes the next. The nursery writes ``{"forked": PID}`` or ``{"failed": WHY}``,
and ``{"ended": PID, "status": STATUS}`` as of waitpid(2), in any order.
"""

import asyncio
import contextlib
import gc
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn

from proxy.run.orphans import AWAITED

_log = logging.getLogger(__name__)

_MOST: Final = 253
"""Descriptors in one message (SCM_MAX_FD)."""
_LONGEST: Final = 4096
_IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""A terminal and systemd send them to every process; it is the parent that decides."""

PATIENCE: Final = 60.0
"""Seconds for a fork, and for the start of the nursery before the first; longer, and it hangs."""

Work = Callable[[int, Sequence[int]], int]
"""What a worker does: from its slot and its descriptors to its exit code."""


# In the nursery


def main(control: int, work: Work) -> None:
    """Fork until the parent has ended."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    woken, waker = socket.socketpair()
    for end in (woken, waker):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, _wake)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    parent = socket.socket(fileno=control)
    gc.collect()
    gc.freeze()  # a collection in a worker leaves the pages alone that all of them share
    while True:
        ready, _, _ = select.select((parent, woken), (), ())
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                woken.recv(_LONGEST)
            for ended in _ended():
                _say(parent, ended)
        if parent in ready:
            asked, descriptors, _, _ = socket.recv_fds(parent, _LONGEST, _MOST)
            if not asked:
                signal.set_wakeup_fd(-1)  # a worker may end after waker has been closed
                return  # the workers' links have closed too: they end by themselves
            slot: int = json.loads(asked)["fork"]
            try:
                child = os.fork()
            except OSError as error:
                _say(parent, {"failed": str(error)})
            else:
                if not child:
                    _become_worker((parent, woken, waker), work, slot, descriptors)
                _say(parent, {"forked": child})
            for descriptor in descriptors:
                os.close(descriptor)


def _wake(_number: int, _frame: object) -> None:
    """Python writes to the wake-up descriptor for signals that have a handler."""


def _ended() -> Iterator[dict[str, int]]:
    """The children that have ended since the last time."""
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not child:
            return
        yield {"ended": child, "status": status}


def _say(parent: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # it has ended, which is seen at the next look
        parent.sendall(json.dumps(message).encode() + b"\n")


def _become_worker(
    ours: Sequence[socket.socket], work: Work, slot: int, descriptors: Sequence[int]
) -> NoReturn:
    """In the child; nothing of the nursery's is to run there afterwards."""
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in ours:
            end.close()
        code = work(slot, descriptors)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


# In the parent


class CannotFork(Exception):
    """A sentence for the operator."""


class Nursery:
    """Starts the process when it is needed, and again where it has died."""

    def __init__(self, keep: Sequence[int], ended: Callable[[int, int], None]) -> None:
        """``keep``: descriptors that it inherits. ``ended``: is told process id and status."""
        self._keep = keep
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._received = b""
        self._forked: asyncio.Future[int] | None = None
        self._turn = asyncio.Lock()

    async def fork(self, slot: int, descriptors: Callable[[], Sequence[int]]) -> int:
        """The process id of a new worker. Raises CannotFork.

        ``descriptors`` is called when it is this one's turn: they may be others by then.
        """
        async with self._turn:
            if self._control is None:
                self._start()
            assert self._control is not None
            self._forked = asyncio.get_running_loop().create_future()
            try:
                message = json.dumps({"fork": slot}).encode() + b"\n"
                socket.send_fds(self._control, [message], descriptors())
                async with asyncio.timeout(PATIENCE):
                    return await self._forked
            except OSError as error:  # TimeoutError too
                self._lost()
                why = str(error) or f"no answer for {PATIENCE:g} s"
                raise CannotFork(f"cannot start a worker: {why}") from error
            finally:
                self._forked = None

    def _start(self) -> None:
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise CannotFork(f"cannot start a worker: {error}") from error
        # As multiprocessing does: the same modules, wherever this process has them from.
        path = os.pathsep.join(filter(None, sys.path))
        command = [sys.executable, "-P", "-m", "proxy.run.workers", str(theirs.fileno())]
        try:
            self._process = subprocess.Popen(
                command,
                # By number: where they were closed, what stands there now is not inherited else.
                stdin=0,
                stdout=1,
                stderr=2,
                pass_fds=(theirs.fileno(), *self._keep),
                env={**os.environ, "PYTHONPATH": path},
            )
        except OSError as error:
            ours.close()
            raise CannotFork(f"cannot start {sys.executable}: {error}") from error
        finally:
            theirs.close()
        AWAITED.add(self._process.pid)
        self._received = b""
        self._control = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._read)

    def _read(self) -> None:
        assert self._control is not None
        try:
            data = self._control.recv(_LONGEST, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        waiting = self._forked
        if "ended" in message:
            self._ended(message["ended"], message["status"])
        elif waiting is not None and not waiting.done():
            if "forked" in message:
                waiting.set_result(message["forked"])
            else:
                waiting.set_exception(CannotFork(f"cannot start a worker: {message['failed']}"))

    def _lost(self) -> None:
        """The process has ended; the next fork starts another one."""
        _log.warning("the process that starts workers has ended; another one takes its place")
        self.close()
        if self._forked is not None and not self._forked.done():
            self._forked.set_exception(CannotFork("the process that starts workers has ended"))

    def close(self) -> None:
        """Have it end; workers go on."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        if self._process is not None:
            process, self._process = self._process, None
            try:
                process.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            AWAITED.discard(process.pid)
