"""A client's connection of aiohttp, which outlasts the requests on it.

The proxy has a connection of its own for each request. What belongs to the client for longer is
kept here: the upstream connections that are its alone, and what its certificate says.
"""

import asyncio
import ssl
from typing import cast

from proxy.edge.http1.sender import sender
from proxy.http.client_cert import names_client_cert
from proxy.http.fields import RawHeaders
from proxy.http.logins import Ties


class Client(asyncio.Protocol):
    """Stands before aiohttp's protocol, to hear of the end of the connection.

    aiohttp tells nobody of the end of one on which nothing is being asked.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._protocol = cast(asyncio.Protocol, transport.get_protocol())
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

    # What the transport calls

    def data_received(self, data: bytes) -> None:
        """As aiohttp has it."""
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """As aiohttp has it."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """As aiohttp has it."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """As aiohttp has it."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """What belongs to the client goes with it."""
        try:
            self._protocol.connection_lost(exc)
        finally:
            self.ties.close()


def client_of(transport: asyncio.Transport) -> Client:
    """The client at the other end: the same one for each request on its connection."""
    known = transport.get_protocol()
    if isinstance(known, Client):
        return known
    client = Client(transport)
    transport.set_protocol(client)
    return client
