"""A client's connection of aiohttp, which outlasts the requests on it.

The proxy has a connection of its own for each request. What belongs to the client for longer is
kept here: the upstream connections that are its alone, what its certificate says, and the clock of
what it has not taken yet.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator
from typing import cast

from proxy.core.ties import Ties
from proxy.edge.http1.sender import sender
from proxy.edge.http1.write_stall import WriteStallTimer
from proxy.http.client_cert import names_client_cert
from proxy.http.fields import RawHeaders
from proxy.net.between import Between
from proxy.run.mounted.tunnel import Offer


class Client(Between, asyncio.Protocol):
    """Stands before aiohttp's protocol, to hear of the end of the connection.

    aiohttp tells nobody of the end of one on which nothing is being asked.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(cast(asyncio.Protocol, transport.get_protocol()))
        self._transport = transport
        self._writing: WriteStallTimer | None = None
        """Of the last reply."""
        self._half_closes: Callable[[], bool] | None = None
        """Says whether it may still be told something where it sends nothing more."""
        self.was_reset = False
        """Whether its connection has ended, and not cleanly."""
        self.ties = Ties()
        """The upstream connections that belong to it."""
        self.ties.transport = transport
        self.sender = sender(transport, None)
        encryption = transport.get_extra_info("ssl_object")
        self.encrypted = encryption is not None
        self._shows = encryption is not None and encryption.context.verify_mode != ssl.CERT_NONE
        """Whether it had to, or could, show a certificate."""

    def own(self, fields: RawHeaders) -> RawHeaders:
        """What it may say itself: nothing of a certificate, where it was asked for one."""
        if not self._shows:
            return fields
        return [each for each in fields if not names_client_cert(each[0])]

    def writing(self, patience: float, stuck: Callable[[], None]) -> WriteStallTimer:
        """The clock of another reply, as of ``write_idle_timeout``; see ``WriteStallTimer``."""
        if self._writing is not None:
            self._writing.close()
        self._writing = WriteStallTimer(
            asyncio.get_running_loop(),
            patience,
            stuck,
            self._transport,
            self._transport.get_extra_info("socket"),
        )
        return self._writing

    @contextlib.contextmanager
    def tunnelling(self, offer: Offer | None) -> Iterator[None]:
        """Meanwhile its end may be that of one direction alone, but not over TLS."""
        self.was_reset = False  # by a request before it, which somebody else has answered
        if offer is not None and not self.encrypted:
            self._half_closes = offer.half_closed
        try:
            yield
        finally:
            self._half_closes = None

    # What the transport calls

    def eof_received(self) -> bool | None:
        """As aiohttp has it, but for tunnels."""
        if self._half_closes is not None and self._half_closes():
            return True
        return super().eof_received()

    def data_received(self, data: bytes) -> None:
        """As aiohttp has it."""
        self._protocol.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """What belongs to the client goes with it."""
        self.was_reset = self.was_reset or exc is not None
        try:
            super().connection_lost(exc)
        finally:
            self.ties.close()
            if self._writing is not None:
                self._writing.close()


def client_of(transport: asyncio.Transport) -> Client:
    """The client at the other end: the same one for each request on its connection."""
    known = transport.get_protocol()
    if isinstance(known, Client):
        return known
    client = Client(transport)
    transport.set_protocol(client)
    return client
