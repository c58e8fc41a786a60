"""Connections are spread evenly over the workers.

The kernel chooses a worker for a connection by a hash of its addresses, or takes whichever is
awake (unix sockets). Of 64 connections, one of two workers then gets 37 or more in a quarter of all
cases. So a worker that accepts a connection while another one has fewer hands it over, as Envoy's
exact balance does: it sends the socket to the other's inbox. Each worker's number of connections
stands in memory that all share, and so does whether it takes any.

What lies in an inbox is not lost when its worker ends: the parent has the inbox too, and the next
worker of the slot reads it.
"""

import contextlib
import errno
import mmap
import os
import socket
import tempfile
from collections.abc import Sequence, Sized
from typing import Any, Final

from proxy.edge.entrance import Admit

_NONE: Final = -1
"""Instead of a number: the worker takes no connections."""
_SIZE: Final = 4
_TOLERANCE: Final = 16
"""The part of the least that nobody is sent on for: handing over costs as much as accepting."""


def shared_file(slots: int) -> int:
    """Descriptor of a file in memory for the counts of so many workers; none takes any yet."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("sidecar-proxy-workers")
    else:
        with tempfile.TemporaryFile() as made:
            file = os.dup(made.fileno())
    os.pwrite(file, _NONE.to_bytes(_SIZE, "little", signed=True) * slots, 0)
    return file


class Counts:
    """How many connections each worker has."""

    __slots__ = ("_cells", "_memory")

    def __init__(self, file: int, slots: int) -> None:
        """``file``: see ``shared_file``."""
        self._memory = mmap.mmap(file, _SIZE * slots)
        self._cells = memoryview(self._memory).cast("i")

    def close(self) -> None:
        """Let go of the memory."""
        self._cells.release()
        self._memory.close()

    def set(self, slot: int, number: int) -> None:
        """So many connections."""
        self._cells[slot] = number

    def leave(self, slot: int) -> None:
        """This worker takes none any more."""
        self._cells[slot] = _NONE

    def get(self, slot: int) -> int | None:
        """Connections of a worker; None where it takes none."""
        number = self._cells[slot]
        return None if number == _NONE else number

    def least(self, own: int) -> int:
        """The slot that a new connection belongs to: ``own``, unless another has clearly fewer."""
        cells = self._cells
        most = cells[own]
        if most == _NONE:
            return own
        found, low = own, most
        for slot, number in enumerate(cells):
            if _NONE < number < low:
                found, low = slot, number
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

    __slots__ = ("_end",)

    def __init__(self, end: socket.socket) -> None:
        self._end = end
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
        message, found, _, _ = socket.recv_fds(self._end, 1, 1)
        if found:
            return socket.socket(fileno=found[0]), ""
        # A message without its socket: no descriptor was left to receive it with.
        number = errno.EMFILE if message else errno.ECONNABORTED
        raise OSError(number, os.strerror(number))


class Balance:
    """The part of one worker."""

    __slots__ = ("_admitting", "_counts", "_sending", "_slot", "connections", "inbox")

    def __init__(
        self, slot: int, counts: Counts, sending: Sequence[socket.socket], end: socket.socket
    ) -> None:
        """``sending``: where the inboxes are filled, by slot; ``end``: where our own is read."""
        self._slot = slot
        self._counts = counts
        self._sending = sending
        self._admitting = 0
        self.inbox: Any = Inbox(end)
        self.connections: Sized = ()
        """Those that this worker has."""
        for one in sending:
            one.setblocking(False)

    def open(self) -> None:
        """Take connections."""
        self._counts.set(self._slot, 0)
        self.publish()

    def close(self) -> None:
        """Be handed no more."""
        self._counts.leave(self._slot)

    def publish(self) -> None:
        """Say how many connections there are, unless none is taken any more."""
        if self._counts.get(self._slot) is not None:
            self._counts.set(self._slot, len(self.connections) + self._admitting)

    def counted(self, admit: Admit) -> Admit:
        """``admit``, for connections that are served here."""

        async def admit_counted(client: socket.socket) -> None:
            self._admitting += 1
            self.publish()
            try:
                await admit(client)
            finally:
                self._admitting -= 1
                self.publish()

        return admit_counted

    def spread(self, admit: Admit) -> Admit:
        """``admit``, for connections that may be handed over."""
        here = self.counted(admit)

        async def admit_or_hand_over(client: socket.socket) -> None:
            slot = self._counts.least(self._slot)
            if slot == self._slot or not self._hand_over(client, slot):
                await here(client)

        return admit_or_hand_over

    def _hand_over(self, client: socket.socket, slot: int) -> bool:
        with contextlib.suppress(OSError):  # its inbox is full: it is served here
            socket.send_fds(self._sending[slot], [b"\0"], [client.fileno()])
            # It counts there before it is read: others come at the same time.
            number = self._counts.get(slot)
            if number is not None:
                self._counts.set(slot, number + 1)
            client.close()
            return True
        return False
