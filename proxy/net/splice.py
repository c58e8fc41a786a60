"""Bytes from one connection to another through a pipe of the kernel's: nobody here holds them.

A long body whose bytes nobody has to see costs two calls (splice, Linux) for each piece of up to
half a MiB, and no copy. What that costs, and when it is used: ``docs/decisions/0051``.

How it works. A `Splice` takes as much from the source as there is and the pipe can hold, then gives
the sink what the pipe holds, and so on. Nothing is taken while the pipe holds anything. States:

- taking: the pipe is empty, and the source is watched. Next: blocked, or over.
- blocked: the sink takes nothing more for now, and is watched in the source's place. Next: taking,
  or over.
- over: all has gone on, the source has ended too early, one of the two has failed, or ``close``.

Where the loop says that there is something to take and the kernel takes nothing, that is an urgent
byte (RFC 9293 3.8.5), which any peer may send: ``read`` skips it, ``splice`` stops before it, and
the loop would say so again and again. Such a source has failed; whoever reads from it may go on.

Both sockets stay with their transports, whose loop lets nobody else watch their descriptors: what
is watched are copies. So a socket is open until ``close``, whatever its transport does.
"""

import asyncio
import contextlib
import errno
import fcntl
import functools
import os
import socket
from typing import Final, Protocol

LEAST: Final = 256 << 10
"""Bytes from which on it is worth its pipe and its copies."""
MOST: Final = 64
"""Of them at a time: each has four descriptors and a pipe. Others are copied, as ever."""

_PIECE: Final = 512 << 10
"""Bytes to ask for, and room of a pipe. That counts pages: each place of a pipe may hold no more
than one page of a body: with the 16 places that the system gives it, it takes 64 KiB."""
_ROOMY: Final = 16
"""Pipes with that room at a time; others stay as they are made. All pipes of one user have a bound
in common (``pipe-user-pages-soft``), of which these take an eighth for each process."""
_LITTLE: Final = 64 << 10
"""Room below which a pipe costs more than copying: beyond that bound new ones have two places."""
_TURNS: Final = 8
"""Pieces before others have their turn."""
_FLAGS: Final[int] = getattr(os, "SPLICE_F_MOVE", 0) | getattr(os, "SPLICE_F_NONBLOCK", 0)


class Spliced(Protocol):
    """Is told how the transfer goes on."""

    def moved(self, size: int) -> None:
        """The sink has so many bytes more."""

    def blocked(self, held: int) -> None:
        """The sink takes nothing more for now; the pipe holds so many bytes. 0: it goes on."""

    def ended(self, error: Exception | None) -> None:
        """All has gone on; or nothing more can be taken here: the source ended too early
        (EOFError), failed, or has to be read (BlockingIOError). The pipe is empty.
        """

    def refused(self, error: OSError) -> None:
        """The sink failed."""


def _pipe(*, roomy: bool) -> tuple[int, int]:
    """Raises OSError where no descriptor is left, or a pipe has no more than a little room."""
    pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    if roomy:
        with contextlib.suppress(OSError):  # that bound is met, or the system has a lower one
            fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, _PIECE)
    if fcntl.fcntl(pipe[1], fcntl.F_GETPIPE_SZ) < _LITTLE:
        for descriptor in pipe:
            os.close(descriptor)
        raise OSError(errno.ENOSPC, "this user's pipes have no more room")
    return pipe


class Splice:
    """One body, or what is left of it."""

    __slots__ = ("_held", "_left", "_loop", "_pipe", "_sink", "_source", "_told", "_waiting")

    count = 0
    """How many there are."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, source: int, sink: int, size: int, told: Spliced
    ) -> None:
        """``size``: bytes to move. Raises OSError where no descriptor is left, or no room."""
        self._loop = loop
        self._told: Spliced | None = told
        self._left = size
        self._held = 0
        self._waiting = False
        """Whether the sink is waited for."""
        self._pipe = _pipe(roomy=Splice.count < _ROOMY)
        self._source = self._sink = -1
        Splice.count += 1
        try:
            self._source = os.dup(source)  # one by one: where the second fails, the first is closed
            self._sink = os.dup(sink)
        except OSError:
            self.close()
            raise

    def start(self) -> None:
        """Move what is there, and watch for what is not."""
        self._loop.add_reader(self._source, self._ready)
        self._move()

    def close(self) -> None:
        """Move nothing more; what the pipe holds is lost."""
        pipe, self._pipe = self._pipe, (-1, -1)
        if pipe[0] < 0:
            return
        Splice.count -= 1
        self._told = None  # it holds this
        if self._source >= 0:
            self._loop.remove_reader(self._source)
        if self._sink >= 0:
            self._loop.remove_writer(self._sink)
        for descriptor in (*pipe, self._source, self._sink):
            if descriptor >= 0:
                os.close(descriptor)

    def _ready(self) -> None:
        """The loop says that there is something to take."""
        self._move(there=True)

    def _move(self, *, there: bool = False) -> None:
        """Until one of the two has to be waited for. ``there``: the first piece is there."""
        for _ in range(_TURNS):
            if not self._held and not self._take(there=there):
                return
            there = False
            if not self._give():
                return
            if not self._left:
                self._end(None)
                return
        if self._told is not None:
            # uvloop tells of a reset once, maybe before all was taken: it is to look again.
            self._loop.remove_reader(self._source)
            self._loop.add_reader(self._source, self._ready)

    def _take(self, *, there: bool) -> bool:
        """Fill the pipe. False where there is nothing to take."""
        try:
            size = os.splice(self._source, self._pipe[1], min(self._left, _PIECE), flags=_FLAGS)
        except BlockingIOError as error:
            if there:
                self._end(error)
            return False
        except OSError as error:
            self._end(error)
            return False
        if not size:
            self._end(EOFError())
            return False
        self._held = size
        self._left -= size
        return True

    def _give(self) -> bool:
        """Empty the pipe. False where the sink does not take it all."""
        try:
            size = os.splice(self._pipe[0], self._sink, self._held, flags=_FLAGS)
        except BlockingIOError:
            size = 0
        except OSError as error:
            told = self._told
            self.close()
            if told is not None:
                told.refused(error)
            return False
        self._held -= size
        told = self._told
        assert told is not None
        if size:
            told.moved(size)
        if self._held:
            if not self._waiting:
                self._waiting = True
                self._loop.remove_reader(self._source)
                self._loop.add_writer(self._sink, self._move)
            told.blocked(self._held)
            return False
        if self._waiting:
            self._waiting = False
            self._loop.remove_writer(self._sink)
            self._loop.add_reader(self._source, self._ready)
            told.blocked(0)
        return True

    def _end(self, error: Exception | None) -> None:
        told = self._told
        self.close()
        if told is not None:
            told.ended(error)


@functools.cache
def can_splice() -> bool:
    """Whether this system moves bytes between two sockets; some sandboxes have half of it.

    Raises OSError where there is no descriptor to try it with: then it is asked again.
    """
    if not hasattr(os, "splice"):
        return False
    with contextlib.ExitStack() as opened:
        ends: list[socket.socket] = []
        for _ in range(2):
            ends += map(opened.enter_context, socket.socketpair())
        pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        opened.callback(os.close, pipe[0])
        opened.callback(os.close, pipe[1])
        try:
            ends[0].send(b"x")
            os.splice(ends[1].fileno(), pipe[1], 1, flags=_FLAGS)
            os.splice(pipe[0], ends[2].fileno(), 1, flags=_FLAGS)
            return ends[3].recv(1, socket.MSG_DONTWAIT) == b"x"
        except OSError:
            return False
