"""Stands between a transport and its protocol, which is told all that the transport tells."""

import asyncio


class Between(asyncio.BaseProtocol):
    """Hands on what the transport calls, but for what it reads."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol

    def eof_received(self) -> bool | None:
        """As the protocol says."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Too much waits to be written."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """It has gone out."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._protocol.connection_lost(exc)
