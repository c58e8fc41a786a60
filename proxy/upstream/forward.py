"""The last handler: one attempt on one connection."""

import asyncio
import re
import time
from functools import partial
from typing import Any, Final

from aiohttp import ClientTimeout
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader

from proxy.core.errors import (
    ConnectionTerminated,
    ProtocolViolation,
    ResponseTimeout,
    Stage,
)
from proxy.core.exchange import Exchange
from proxy.core.fields import RawHeaders, encode
from proxy.core.options import TimeoutsOptions
from proxy.core.reply import Reply
from proxy.core.sse import streams_events
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.heads import Head, HeadReader, Scrub
from proxy.upstream.session import Gateway, Line
from proxy.upstream.stream import PacedStream, Stream
from proxy.upstream.translate import head_error
from proxy.upstream.upgraded import Upgraded, accepted
from proxy.upstream.upload import Upload
from proxy.upstream.wire import UpstreamProtocol

_INFORMATIONAL: Final = 100
_SWITCHING: Final = 101
_OK: Final = 200
_VERSIONS: Final = ((1, 0), (1, 1))
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TOKENS: Final[set[bytes]] = set()
"""Names that have been looked at; an API repeats its own."""
_REMEMBERED: Final = 1024
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Forward:
    """Sends an exchange to its endpoint and returns the reply at its head."""

    __slots__ = (
        "_clock",
        "_endpoint",
        "_gateway",
        "_no_head",
        "_reader",
        "_scrub",
        "_timeouts",
    )

    def __init__(
        self, endpoint: Endpoint, gateway: Gateway, timeouts: TimeoutsOptions, scrub: Scrub
    ) -> None:
        """``scrub``: keeps of a reply's fields what goes further than this connection."""
        self._endpoint = endpoint
        self._gateway = gateway
        self._timeouts = timeouts
        self._no_head = partial(_no_head, endpoint.name, timeouts.first_byte)
        self._scrub = scrub
        self._reader = HeadReader(scrub)
        self._clock = ClientTimeout(
            total=None,
            connect=timeouts.connect or None,
            sock_read=None,
            sock_connect=None,
            ceil_threshold=float("inf"),
        )

    async def handle(self, exchange: Exchange) -> Reply:
        """One attempt. Raises UpstreamError, or ClientError where the request's body failed."""
        endpoint = self._endpoint
        exchange.attempts += 1
        exchange.endpoint = endpoint.name
        exchange.upstream = endpoint.upstream
        exchange.connected = exchange.first_byte = None
        line = self._gateway.rested()
        if line is not None:
            exchange.connected = 0.0
        else:
            asked = time.monotonic()
            line = await self._gateway.line(self._clock)
            exchange.connected = time.monotonic() - asked
        upload: asyncio.Task[None] | None = None
        message: Any  # aiohttp's, or a Head
        try:
            protocol = line.protocol
            protocol.begin(bodiless=exchange.method == "HEAD", reader=self._reader)
            upload = self._send(exchange, protocol)
            try:
                message, payload = await protocol.read()
                while message.code < _OK:
                    if message.code == _SWITCHING and exchange.upgrade:
                        break
                    if message.code < _INFORMATIONAL or message.code == _SWITCHING:
                        raise ProtocolViolation(f"status {message.code}")
                    if message.code == _INFORMATIONAL:
                        exchange.body.proceed()
                    else:
                        self._inform(exchange, message)
                    message, payload = await protocol.read()
            except Exception as error:
                raise head_error(error, stage=_stage(protocol), name=endpoint.name) from error
            exchange.first_byte = time.monotonic()
            if message.code == _SWITCHING:
                return self._switched(exchange, message, line)
            stream = Stream(line, payload, upload, self._timeouts.idle)
            if self._timeouts.progress:
                stream = self._paced(message, line, payload, upload) or stream
            if isinstance(message, Head):
                reply = Reply(
                    message.code,
                    message.fields,
                    stream,
                    reason=message.reason,
                    length=message.length,
                    whole=protocol.whole,
                )
                reply.encoded = message.encoded
                return reply
            return self._reply(message, stream, protocol.whole)
        except BaseException:
            if upload is not None:
                upload.cancel()
            line.discard()
            raise

    def _send(self, exchange: Exchange, protocol: UpstreamProtocol) -> asyncio.Task[None] | None:
        """Write the head, and the body where it is here; a task sends what is still to come."""
        body = exchange.body
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise ConnectionTerminated("closed before the request", stage=Stage.NOT_SENT)
        head = self._request_head(exchange)
        whole = body.finished
        if whole is None:
            protocol.send(head)
            return asyncio.create_task(Upload(body, protocol, self._timeouts).run())
        if body.length is None:
            whole = b"%x\r\n%b\r\n0\r\n\r\n" % (len(whole), whole) if whole else b"0\r\n\r\n"
        protocol.send(head + whole)
        protocol.expect(self._timeouts.first_byte, self._no_head)
        return None

    def _request_head(self, exchange: Exchange) -> bytes:
        endpoint = self._endpoint
        fields = exchange.headers
        if endpoint.credentials is not None:
            name = endpoint.credentials[0].lower()
            fields = [field for field in fields if field[0].lower() != name]
            fields.append(endpoint.credentials)
        host = endpoint.host or exchange.host.encode("latin-1") or endpoint.authority
        return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n" % (
            exchange.method.encode(),
            exchange.target,
            host,
            encode(fields, exchange.encoded),
            b"Connection: Upgrade\r\nUpgrade: %b\r\n" % exchange.upgrade
            if exchange.upgrade
            else exchange.body.framing,
        )

    def _paced(
        self, message: Any, line: Line, payload: StreamReader, upload: asyncio.Task[None] | None
    ) -> PacedStream | None:
        """For a stream of events, where there is a clock for those."""
        fields = message.fields if isinstance(message, Head) else message.raw_headers
        if not streams_events(fields):
            return None
        clocks = self._timeouts
        return PacedStream(line, payload, upload, clocks.idle, clocks.progress)

    def _inform(self, exchange: Exchange, message: RawResponseMessage) -> None:
        """Pass on what is known before the answer, 103 (Early Hints) for one (RFC 9110 15.2)."""
        reason = message.reason.encode("utf-8", "surrogateescape")
        check_fields(message.raw_headers, reason)
        if exchange.inform is not None and exchange.version >= (1, 1) and not exchange.committed:
            lines = encode(self._scrub(message.raw_headers), None)
            exchange.inform(b"HTTP/1.1 %d %b\r\n%b\r\n" % (message.code, reason, lines))

    def _switched(self, exchange: Exchange, message: RawResponseMessage, line: Line) -> Reply:
        """A 101 that was asked for."""
        answer = b", ".join([v for n, v in message.raw_headers if n.lower() == b"upgrade"])
        if not accepted(exchange.upgrade, answer):
            raise ProtocolViolation(f"101 to {answer!r}, which was not offered")
        reason = message.reason.encode("utf-8", "surrogateescape")
        check_fields(message.raw_headers, reason)
        source = Upgraded(line, answer, self._timeouts.tunnel_idle)
        reply = Reply(101, self._scrub(message.raw_headers), source, reason=reason, length=0)
        reply.duplex = source
        return reply

    def _reply(self, message: RawResponseMessage, stream: Stream, whole: bytes | None) -> Reply:
        if message.version not in _VERSIONS:
            raise ProtocolViolation(f"HTTP version {message.version}")
        length = None
        if "Transfer-Encoding" in message.headers:
            codings = message.headers.getall("Transfer-Encoding")
            if not message.chunked or [c.lower() for c in codings] != ["chunked"]:
                raise ProtocolViolation(f"transfer coding {codings!r}")
            if message.version == (1, 0):
                stream.end_connection()
        elif (declared := message.headers.get("Content-Length")) is not None:
            length = int(declared)
        reason = message.reason.encode("utf-8", "surrogateescape")
        check_fields(message.raw_headers, reason)
        return Reply(
            message.code,
            self._scrub(message.raw_headers),
            stream,
            reason=reason,
            length=length,
            version=message.version,
            whole=whole,
        )


def _stage(protocol: UpstreamProtocol) -> Stage:
    """How far a request had come when its connection ended without a head."""
    if protocol.unheard:
        return Stage.NOT_SENT
    return Stage.STALE if protocol.reused and not protocol.replied else Stage.SENT


def check_fields(fields: RawHeaders, reason: bytes) -> None:
    """aiohttp reads replies leniently; what we would pass on malformed is refused (RFC 9112 2.2).

    Raises ProtocolViolation.
    """
    for name, _ in fields:
        if name not in _TOKENS:
            if not _TOKEN.fullmatch(name):
                raise ProtocolViolation(f"field name {name!r}")
            if len(_TOKENS) < _REMEMBERED:
                _TOKENS.add(name)
    if found := _CONTROL.search(b"".join([value for _, value in fields]) + reason):
        raise ProtocolViolation(f"control character {found[0]!r} in the head")


def _no_head(name: str, seconds: float) -> Exception:
    return ResponseTimeout(f"no reply from {name} within first_byte of {seconds:g} s")
