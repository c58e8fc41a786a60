"""The rest of a reply's body that the kernel moves to the client."""

import asyncio
import contextlib
from collections.abc import Callable

from proxy.core.errors import forget_frames
from proxy.core.reply import Sink
from proxy.net.splice import MOST, Splice, can_splice
from proxy.upstream.http1.protocol import UpstreamProtocol


def spliced(
    protocol: UpstreamProtocol, sink: Sink, on_clock: Callable[[], None]
) -> "SplicedReply | None":
    """None where that cannot be, or there are many of them already."""
    transport = protocol.transport
    if transport is None or transport.is_closing() or Splice.count >= MOST:
        return None
    with contextlib.suppress(OSError):  # no descriptor is left: what was open goes on
        if can_splice():
            return SplicedReply(transport, protocol, sink, on_clock)
    return None


class SplicedReply:
    """Tells both sides what becomes of it; the stream of the body is told its end."""

    __slots__ = ("_on_clock", "_protocol", "_sink", "_splice", "receiver_gone")

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: UpstreamProtocol,
        sink: Sink,
        on_clock: Callable[[], None],
    ) -> None:
        """``on_clock`` starts the clock of the upstream. Raises OSError."""
        self._protocol = protocol
        self._sink = sink
        self._on_clock = on_clock
        self.receiver_gone = False
        """Whether it was the client that failed."""
        source = transport.get_extra_info("socket").fileno()
        loop = asyncio.get_running_loop()
        self._splice = Splice(loop, source, sink.descriptor, protocol.plain, self)

    def start(self) -> None:
        """Move from now on; its transport reads nothing meanwhile."""
        self._protocol._pause_reading_for_buffer()
        self._splice.start()

    def close(self) -> None:
        """It is over, or nobody wants the rest."""
        self._splice.close()
        self._sink.blocked(0)
        self._protocol._resume_reading_for_buffer()

    # What net/splice tells

    def moved(self, size: int) -> None:
        """Both sides are alive."""
        self._sink.moved(size)
        self._protocol.passed(size)
        self._on_clock()

    def blocked(self, held: int) -> None:
        """The upstream is not to blame while the client is waited for."""
        self._sink.blocked(held)
        if held:
            self._protocol.timer.disarm()
        else:
            self._on_clock()

    def ended(self, error: Exception | None) -> None:
        """Of the end the stream knows by what has passed.

        A reset is told once, and here it was. Where else no more can be taken, the connection reads
        on and finds out why.
        """
        if isinstance(error, (ConnectionError, TimeoutError)):
            self._fail(error)
        elif error is not None:
            self.close()

    def refused(self, error: OSError) -> None:
        """The client has gone."""
        self.receiver_gone = True
        self._fail(error)

    def _fail(self, error: OSError) -> None:
        forget_frames(error)  # they hold this object, and the stream keeps the error
        self._protocol.set_exception(error)
