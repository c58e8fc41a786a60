"""Ends of TLS of which each direction ends by itself (RFC 8446 6.1).

The loops close a connection over TLS as soon as one side has ended: ``transport.close()`` drops
what still comes, and a close_notify of the other side is answered at once with one of our own. Two
things get round that, with the documented parts of ``ssl`` and of transports only:

- our end: ``SSLObject.unwrap`` puts a close_notify behind what was written. It only has to be sent,
  and the transport goes on reading.
- the other side's end: the loops ask ``SSLObject.read`` for it. One that says "nothing has come
  yet" instead keeps the connection open, and it can be written to.

A FIN below TLS is no such end: without a close_notify before it, it ends both directions.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Protocol

_read = ssl.SSLObject.read


class HalfTls(ssl.SSLObject):
    """What a context with ``can_half_close`` makes."""

    on_end: Callable[[], None] | None = None
    """Called once when the other side has sent all that it will, behind its last bytes. Who sets it
    closes the transport himself; None: the loop does, as it does without this class."""
    ended = False
    """Whether ``on_end`` has been called, or will be in a moment."""
    held = False
    """See ``leave_fin``."""

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """As the loops want it. Raises SSLWantReadError, also behind the end."""
        try:
            data = _read(self, len, buffer)
        except ssl.SSLZeroReturnError:  # the end, where ours has been sent already
            if self.on_end is None:
                raise
        else:
            if data or self.on_end is None:
                return data
        if not self.ended:
            self.ended = True
            # What was read just before is passed on first.
            asyncio.get_running_loop().call_soon(self._tell)
        raise ssl.SSLWantReadError

    def _tell(self) -> None:
        if self.on_end is not None:
            self.on_end()


def can_half_close(context: ssl.SSLContext) -> ssl.SSLContext:
    """Have it make such ends."""
    context.sslobject_class = HalfTls
    return context


def hear_of_end(encryption: Any, on_end: Callable[[], None]) -> HalfTls | None:
    """Have ``on_end`` called; if it has been called before, whoever asks looks at ``ended``.

    ``encryption``: the ``ssl_object`` of a transport; None where that is of no use.
    """
    if not isinstance(encryption, HalfTls):
        return None
    encryption.on_end = on_end
    return encryption


def leave_fin(transport: Any) -> None:
    """Have a transport read no more behind a close_notify: a FIN would end both directions."""
    encryption: HalfTls = transport.get_extra_info("ssl_object")
    if not encryption.held:  # a second time would have the loop read on
        encryption.held = True
        transport.set_read_buffer_limits(high=0)


class Writer(Protocol):
    """Who ends one direction and reads on."""

    transport: asyncio.Transport
    held: bool
    """Whether it does not want to read for now; for a moment it is made to."""
    ending: bool
    """That moment, in which it must not stop the reading."""

    def tls_failed(self) -> None:
        """The other side has broken TLS."""


def end_writing(writer: Writer) -> None:
    """Send close_notify behind what was written, and go on reading."""
    loop = asyncio.get_running_loop()
    transport = writer.transport

    def notify() -> None:
        writer.ending = False
        if transport.is_closing():
            return
        try:
            transport.get_extra_info("ssl_object").unwrap()
        except ssl.SSLWantReadError:  # the other side has not ended yet
            pass
        except ssl.SSLError:
            writer.tls_failed()
            return
        # A transport that resumes reading sends what TLS has to say as well.
        transport.pause_reading()
        transport.resume_reading()
        loop.call_soon(hold)

    def hold() -> None:
        if writer.held and not transport.is_closing():
            transport.pause_reading()

    # OpenSSL takes bytes that have come and were not read for an error when it sends close_notify.
    writer.ending = True
    transport.resume_reading()
    loop.call_soon(notify)
