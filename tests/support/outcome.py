"""What becomes of a reply that comes in given segments, without a network."""

import asyncio
from typing import NamedTuple

from proxy.upstream.http1.protocol import UpstreamProtocol
from proxy.upstream.http1.reply_body import take_buffered


class Outcome(NamedTuple):
    """What a client would see of a reply."""

    kind: str
    """``whole``, ``cut`` (broken after its head), ``refused`` (before), or ``waiting``."""
    code: int = 0
    body: bytes = b""


class Wire(asyncio.Transport):
    """A transport to nowhere."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is written here."""

    def __init__(self) -> None:
        super().__init__({"socket": None})
        self.over = False

    def abort(self) -> None:
        self.over = True

    close = abort

    def is_closing(self) -> bool:
        return self.over

    def pause_reading(self) -> None:
        """Nothing comes by itself."""

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        return 0


def connected() -> tuple[UpstreamProtocol, Wire]:
    loop = asyncio.get_running_loop()
    protocol, wire = UpstreamProtocol(loop), Wire()
    protocol.connection_made(wire)
    protocol.checkout()
    protocol.begin(bodiless=False)
    return protocol, wire


def outcome(*segments: bytes, ends: bool) -> Outcome:
    """What becomes of a reply in these segments, the connection's end behind them or not."""
    protocol, wire = connected()
    for segment in segments:
        if not wire.over:
            protocol.data_received(segment)
    if ends or wire.over:
        protocol.eof_received()
        protocol.connection_lost(None)
    code, payload, heads = 0, None, protocol._buffer
    while heads and code < 200:
        (head, payload), _ = heads.popleft()
        code = head.code
    if code < 200:
        error = protocol.exception()
        return Outcome("waiting" if error is None else "refused")
    if protocol.buffered is not None:
        return Outcome("whole", code, protocol.buffered)
    assert payload is not None
    broken = payload.exception() is not None
    over = payload.is_eof()
    body = take_buffered(payload)
    return Outcome("cut" if broken else "whole" if over else "waiting", code, body)
