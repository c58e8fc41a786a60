"""Connections are spread evenly over the workers.

The kernel chooses a worker for a connection by a hash of its addresses, or takes whichever is
awake (unix sockets). Of 64 connections, one of two workers then gets 37 or more in a quarter of all
cases. So a worker that accepts a connection while another one has fewer hands it over, as Envoy's
exact balance does: it sends the socket to the other's inbox. Two numbers of each worker stand in
memory that all share: its connections, which it alone writes, and those on the way to it, which all
write. No lock guards them: an addition that is lost makes a worker look emptier or fuller by one
until its inbox is empty the next time.

What lies in an inbox is not lost when its worker ends: the parent has the inbox too, and the next
worker of the slot reads it.
"""

import contextlib
import errno
import mmap
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence, Sized
from functools import partial
from typing import Final

from proxy.edge.entrance import Admit

_NONE: Final = -1
"""Instead of a number: the worker takes no connections."""
_SIZE: Final = 4
_ZERO: Final = bytes(_SIZE)
_TOLERANCE: Final = 16
"""The part of the least that nobody is sent on for: handing over costs as much as accepting."""


def shared_file(slots: int) -> int:
    """Descriptor of a file in memory for the counts of so many workers; none takes any yet."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("sidecar-proxy-workers")
    else:
        with tempfile.TemporaryFile() as made:
            file = os.dup(made.fileno())
    os.pwrite(file, _NONE.to_bytes(_SIZE, sys.byteorder, signed=True) * slots + _ZERO * slots, 0)
    return file


class Counts:
    """How many connections each worker has."""

    __slots__ = ("_coming", "_memory", "_own")

    def __init__(self, file: int, slots: int) -> None:
        """``file``: see ``shared_file``."""
        self._memory = mmap.mmap(file, 2 * _SIZE * slots)
        cells = memoryview(self._memory).cast("i")
        self._own = cells[:slots]
        self._coming = cells[slots:]

    def close(self) -> None:
        """Let go of the memory."""
        self._own.release()
        self._coming.release()

    def set(self, slot: int, number: int) -> None:
        """The worker has so many connections."""
        self._own[slot] = number

    def send(self, slot: int) -> None:
        """A connection is on the way to the worker."""
        self._coming[slot] += 1

    def receive(self, slot: int) -> None:
        """A connection has reached its worker."""
        self._coming[slot] = max(0, self._coming[slot] - 1)

    def receive_all(self, slot: int) -> None:
        """No connection is on its way to the worker any more."""
        if self._coming[slot]:
            self._coming[slot] = 0

    def leave(self, slot: int) -> None:
        """The worker takes no connections any more."""
        self._own[slot] = _NONE

    def takes(self, slot: int) -> bool:
        """Whether the worker takes connections."""
        return self._own[slot] != _NONE

    def get(self, slot: int) -> int:
        """Connections of a worker, and those on the way to it."""
        return max(0, self._own[slot]) + self._coming[slot]

    def least(self, own: int) -> int:
        """The slot that a new connection belongs to: ``own``, unless another has clearly fewer."""
        if not self.takes(own):
            return own
        most = low = self.get(own)
        found = own
        for slot, (number, coming) in enumerate(zip(self._own, self._coming, strict=True)):
            if number != _NONE and number + coming < low:
                found, low = slot, number + coming
        return found if most - low > low // _TOLERANCE else own


class Inboxes:
    """One for each slot: a pair of sockets, of which all workers may send into the first."""

    def __init__(self, slots: int) -> None:
        kind = socket.SOCK_SEQPACKET if hasattr(os, "memfd_create") else socket.SOCK_DGRAM
        pairs = [socket.socketpair(socket.AF_UNIX, kind) for _ in range(slots)]
        self.sending = [pair[0] for pair in pairs]
        self.receiving = [pair[1] for pair in pairs]

    def close(self) -> None:
        """Close both ends of each."""
        for end in (*self.sending, *self.receiving):
            end.close()


class Inbox:
    """Connections that others have handed over, as a listening socket gives them."""

    __slots__ = ("_empty", "_end", "_received")

    def __init__(
        self, end: socket.socket, received: Callable[[], None], empty: Callable[[], None]
    ) -> None:
        self._end = end
        self._received = received
        self._empty = empty
        end.setblocking(False)  # send_fds and recv_fds of Python drop their flags

    def fileno(self) -> int:
        """What to wait for."""
        return self._end.fileno()

    def setblocking(self, flag: bool) -> None:
        """As of a socket."""
        self._end.setblocking(flag)

    def listen(self, _: int) -> None:
        """There is nothing to do."""

    def close(self) -> None:
        """Read no more; what is in it stays there for the next worker."""
        self._end.close()

    def accept(self) -> tuple[socket.socket, str]:
        """A connection. Raises BlockingIOError where there is none, OSError as accept(2) does."""
        try:
            message, found, _, _ = socket.recv_fds(self._end, 1, 1)
        except BlockingIOError:
            self._empty()
            raise
        self._received()
        if found:
            return socket.socket(fileno=found[0]), ""
        # A message without its socket: no descriptor was left to receive it with.
        number = errno.EMFILE if message else errno.ECONNABORTED
        raise OSError(number, os.strerror(number))


class Balance:
    """The part of one worker."""

    __slots__ = (
        "_admitting",
        "_coming",
        "_counts",
        "_open",
        "_sending",
        "_slot",
        "connections",
        "inbox",
    )

    def __init__(
        self, slot: int, counts: Counts, sending: Sequence[socket.socket], end: socket.socket
    ) -> None:
        """``sending``: where the inboxes are filled, by slot; ``end``: where our own is read."""
        self._slot = slot
        self._counts = counts
        self._sending = sending
        self._admitting = self._coming = 0
        self._open = False
        self.inbox = self.inbox_of(slot, end)
        self.connections: Sized = ()
        """The connections of this worker."""
        for one in sending:
            one.setblocking(False)

    def inbox_of(self, slot: int, end: socket.socket) -> Inbox:
        """The inbox of a slot, read here."""
        received = partial(self._received, slot)
        return Inbox(end, received, partial(self._counts.receive_all, slot))

    def open(self) -> None:
        """Take connections."""
        self._open = True
        self.publish()

    def close(self, *, replaced: bool = False) -> None:
        """Be handed no more. ``replaced``: another worker has the slot, and its counts."""
        if self._open and not replaced:
            self._counts.leave(self._slot)
        self._open = False

    def publish(self) -> None:
        """Say how many connections there are, unless none is taken any more."""
        if self._open:
            self._counts.set(self._slot, len(self.connections) + self._coming)

    def made(self) -> None:
        """What was being admitted is a connection now; it is not to count twice."""
        self._coming = max(0, self._coming - 1)
        self.publish()

    def _begin(self) -> None:
        self._admitting += 1
        self._coming += 1
        self.publish()

    def _received(self, slot: int) -> None:
        """One has come that was on the way to this slot; it counts here from now on."""
        self._begin()
        self._counts.receive(slot)

    def here(self, admit: Admit) -> Admit:
        """``admit``, for connections that were handed over."""

        async def admit_counted(client: socket.socket) -> None:
            try:
                await admit(client)
            finally:
                self._admitting -= 1
                self._coming = min(self._coming, self._admitting)  # it came to nothing
                self.publish()

        return admit_counted

    def spread(self, admit: Admit) -> Admit:
        """``admit``, for connections that may be handed over."""
        here = self.here(admit)

        async def admit_or_hand_over(client: socket.socket) -> None:
            slot = self._counts.least(self._slot)
            if slot == self._slot or not self._hand_over(client, slot):
                self._begin()
                await here(client)

        return admit_or_hand_over

    def _hand_over(self, client: socket.socket, slot: int) -> bool:
        with contextlib.suppress(OSError):  # its inbox is full: it is served here
            self._counts.send(slot)
            socket.send_fds(self._sending[slot], [b"\0"], [client.fileno()])
            client.close()
            return True
        self._counts.receive(slot)
        return False
