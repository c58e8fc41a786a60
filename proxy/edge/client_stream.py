"""The way back to one client, whichever version of HTTP it speaks.

All that a client sees of an exchange goes through a ``ClientStream``. ``edge/http1`` fills it; a
listener for HTTP/2 would fill it too. Nobody above it writes or reads the bytes of a version. The
calls come in this order, and nothing may follow the last one:

- ``informational``, any number of times;
- one reply: ``respond`` where all of its body is here, else ``head``, ``data`` for each piece, and
  ``end`` or ``trailers``. ``switch`` stands for a reply after which both sides speak another
  protocol;
- ``reset`` at any moment: the reply cannot be finished, and the client is to see that.

Each call raises ConnectionError where the client has gone, but for ``reset``.
"""

from typing import Protocol

from proxy.core.clock import monotonic
from proxy.core.exchange import Exchange
from proxy.core.reply import RawConnection, Sink
from proxy.core.ties import Ties
from proxy.edge.responses import CLIENT_GONE, ErrorsOptions, log_client_gone
from proxy.http.fields import Encoded, Fields, RawHeaders
from proxy.net.small_reads import SmallReads


class Passing(Protocol):
    """A body whose bytes go past it."""

    def passed(self, size: int) -> None:
        """So many more of them."""

    def ask(self) -> None:
        """Its client is waited for from now on."""

    def answered(self) -> None:
        """Its client is not waited for any more."""


class Rest(Protocol):
    """What is still to come of a body, to be moved by the kernel.

    Whoever waits for more of the body waits for its end, or gets the error that ends it.
    """

    receiver_gone: bool
    """Whether it was the receiver that failed."""

    def start(self) -> None:
        """Move from now on."""

    def close(self) -> None:
        """It is over, or nobody wants the rest; may be called again."""


class ClientStream(RawConnection, Protocol):
    """One exchange as its client's connection sees it."""

    exchange: Exchange
    """The exchange that is being served; the service sets it."""
    errors: ErrorsOptions | None
    """How our own answers look on its route; the service sets it."""
    ties: Ties
    """The upstream connections that belong to the client."""

    @property
    def peer(self) -> str:
        """Address of the other side; empty on a unix socket."""

    @property
    def peer_known(self) -> bool:
        """Whether who speaks has that address.

        False where a balancer has passed somebody on without an address: then it is the balancer's.
        """

    @property
    def scheme(self) -> str:
        """``http``, or ``https`` on a listener with TLS."""

    @property
    def identity(self) -> Fields:
        """What the upstream is told of the certificate that the client has shown."""

    @property
    def gone(self) -> bool:
        """Whether nobody is there to answer."""

    @property
    def writing_paused(self) -> bool:
        """Whether so much waits to be taken that ``drained`` has to be waited for."""

    # The request

    def expect_body(self, held: int) -> SmallReads | None:
        """The body of the request is still coming, and somebody is about to read it.

        ``held``: bytes of it that were read before. What this gives counts those that are read
        from now on; None where the client has gone.
        """

    def splice_body(self, sink: Sink, body: Passing) -> Rest | None:
        """All that is still to come of the body, for the kernel to move to ``sink``.

        None where it has to pass through here. ``body`` is told what goes past it.
        """

    def remember(self, raw: RawHeaders) -> None:
        """The exchange is complete but for its request id, and all of its body is here.

        ``raw``: its fields as they came. The next request with such fields may be made of it.
        """

    # The reply

    def informational(self, status: int, reason: bytes, fields: RawHeaders) -> None:
        """Say something before the answer (RFC 9110 15.2), to a client that can take it."""

    def respond(
        self,
        status: int,
        reason: bytes,
        fields: RawHeaders,
        own: RawHeaders,
        body: bytes,
        *,
        encoded: Encoded | None = None,
        length: int | None,
        trailers: RawHeaders = (),
        last: bool = False,
    ) -> int:
        """Send a whole reply. Returns how many bytes of its body go out: none where it has none.

        The arguments are those of ``head``, with the body and the fields behind it.
        """

    def head(
        self,
        status: int,
        reason: bytes,
        fields: RawHeaders,
        own: RawHeaders,
        *,
        encoded: Encoded | None = None,
        length: int | None,
        last: bool = False,
    ) -> None:
        """Send the head of a reply whose body follows.

        ``own``: fields of the proxy, behind the ``fields`` of the reply, whose lines ``encoded``
        has where they are known. ``length`` in bytes, None where only the end of the body will
        tell. ``last``: the client may ask nothing more on this connection.
        """

    def switch(
        self,
        protocol: bytes,
        reason: bytes,
        fields: RawHeaders,
        own: RawHeaders,
        *,
        encoded: Encoded | None = None,
    ) -> None:
        """Agree to speak ``protocol`` from now on (RFC 9110 7.8)."""

    def data(self, chunk: bytes) -> None:
        """Send the next bytes of the body."""

    def descriptor(self) -> int:
        """Of a socket to which the next bytes of the body may be written as they are.

        -1 where they may not: they would have to be framed or encrypted, or others wait before.
        """

    def blocked(self, held: int) -> None:
        """Whoever writes there has so many bytes that the client does not take; 0: it has."""

    def end(self) -> None:
        """The body is whole."""

    def trailers(self, fields: RawHeaders) -> None:
        """The body is whole; send these behind it where that can be done."""

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was sent."""

    def reset(self, *, at_once: bool = False) -> None:
        """End a reply that cannot be finished, so that nobody takes it for a whole one.

        What was sent still goes out, unless it is to end ``at_once``.
        """


def mark_client_gone(exchange: Exchange, stream: ClientStream) -> None:
    """The client left; nobody is to blame, nothing is to send.

    One that closes as soon as it has the last byte may be seen to leave before whoever waited for
    it to take that byte goes on: it has its answer.
    """
    taken = exchange.bytes_out == exchange.length and not stream.writing_paused
    if not taken and not exchange.error:  # else it was we who cut it
        exchange.status = CLIENT_GONE
        exchange.error = "client_gone"
        log_client_gone(exchange, monotonic())
