"""The rest of a request's body that the kernel moves to the upstream."""

import asyncio
import contextlib

from proxy.core.errors import forget_frames
from proxy.core.reply import Sink
from proxy.edge.client_stream import Passing
from proxy.edge.http1.request_reader import RequestReader
from proxy.edge.http1.transport import ClientTransport
from proxy.net.splice import LEAST, MOST, Splice, can_splice


def spliced(
    uploader: ClientTransport, reader: RequestReader, sink: Sink, body: Passing
) -> "SplicedBody | None":
    """None where that cannot be, would not pay, or there are many of them already."""
    if reader.plain < LEAST or uploader.gone or uploader.scheme == "https":
        return None
    if Splice.count >= MOST:
        return None
    with contextlib.suppress(OSError):  # no descriptor is left: what was open goes on
        if can_splice():
            return SplicedBody(uploader, reader, sink, body)
    return None


class SplicedBody:
    """Tells both sides what becomes of it; the stream of the body is told its end."""

    __slots__ = ("_body", "_reader", "_sink", "_splice", "_started", "_uploader", "receiver_gone")

    def __init__(
        self, uploader: ClientTransport, reader: RequestReader, sink: Sink, body: Passing
    ) -> None:
        """Raises OSError where there is no descriptor left."""
        self._uploader = uploader
        self._reader = reader
        self._sink = sink
        self._body = body
        self._started = False
        self.receiver_gone = False
        """Whether it was the upstream that failed."""
        loop = asyncio.get_running_loop()
        source = uploader._socket.fileno()
        self._splice = Splice(loop, source, sink.descriptor, reader.plain, self)

    def start(self) -> None:
        """Move from now on; the connection reads nothing meanwhile."""
        self._started = True
        self._uploader._pause_reading_for_buffer()
        self._watch_end(watched=False)  # the client's end is seen behind its bytes
        self._splice.start()

    def close(self) -> None:
        """The connection reads on: what follows the body, or why there is no more of it."""
        self._splice.close()
        if not self._started:
            return
        self._started = False
        self._sink.blocked(0)
        if self._uploader.transport is not None:
            self._uploader._resume_reading_for_buffer()

    # What net/splice tells

    def moved(self, size: int) -> None:
        """Both sides are alive."""
        self._sink.moved(size)
        self._body.passed(size)
        self._reader.passed(size)

    def blocked(self, held: int) -> None:
        """The client is not to blame while the upstream is waited for, but it may leave."""
        self._sink.blocked(held)
        if held:
            self._body.answered()
        else:
            self._body.ask()
        self._watch_end(watched=held > 0)

    def _watch_end(self, *, watched: bool) -> None:
        """Whether the client's end is to be seen although nothing is read."""
        uploader = self._uploader
        if uploader.transport is None:  # its descriptor may be somebody else's by now
            return
        hangups, descriptor = uploader._tracker.hangups, uploader._descriptor
        if watched:
            hangups.watch(descriptor, uploader._ended_unread, of=uploader._socket)
        else:
            hangups.forget(descriptor, uploader._socket)

    def ended(self, error: Exception | None) -> None:
        """Of the end the stream knows by what has passed.

        A reset is told once, and here it was. Where else no more can be taken, the connection reads
        on and finds out why.
        """
        if error is None:
            return
        self.close()
        transport = self._uploader.transport
        if isinstance(error, (ConnectionError, TimeoutError)) and transport:
            transport.abort()

    def refused(self, error: OSError) -> None:
        """The upstream takes no more; what it has said is still to be read."""
        self.receiver_gone = True
        forget_frames(error)  # they hold this object, and the stream keeps the error
        self._reader.fail(error)
