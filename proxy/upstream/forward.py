"""The last handler: one attempt on one connection."""

import asyncio
import time
from functools import partial
from typing import Any, Final

from aiohttp import ClientTimeout
from aiohttp.streams import StreamReader

from proxy.core.errors import (
    ConnectionTerminated,
    ProtocolViolation,
    ResponseTimeout,
    Stage,
)
from proxy.core.exchange import Exchange
from proxy.core.options import TimeoutsOptions
from proxy.core.reply import Reply
from proxy.http.fields import encode, values, without
from proxy.http.framing import CHUNKED, chunked_body
from proxy.http.logins import speaks_of_login
from proxy.http.sse import streams_events
from proxy.http.trailers import announcement, last_chunk
from proxy.http.upgrade import accepted
from proxy.upstream.address import Endpoint
from proxy.upstream.connection import Line
from proxy.upstream.connection_pool import Gateway
from proxy.upstream.http1.protocol import UpstreamProtocol
from proxy.upstream.http1.reply_body import PacedStream, Stream
from proxy.upstream.http1.reply_head import Head, HeadReader, Scrub
from proxy.upstream.http1.request_body import Upload
from proxy.upstream.http1.response_head import Response
from proxy.upstream.http1.upgraded import Upgraded
from proxy.upstream.translate import head_error

_INFORMATIONAL: Final = 100
_SWITCHING: Final = 101
_OK: Final = 200
_UPGRADE_REQUIRED: Final = 426
_ONCE: Final = frozenset({"POST", "PATCH", "CONNECT"})
"""Methods that are not idempotent, of those in use (RFC 9110 9.2.2)."""


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
        record = exchange.record
        record.attempt_count += 1
        record.endpoint = endpoint.name
        record.upstream = endpoint.upstream
        record.connect_s = record.first_byte_at = None
        ties, line = exchange.ties, None
        if ties is not None and ties.held:
            line = await self._gateway.own(ties, self._clock)
        if line is None:
            line = self._gateway.rested()
            if line and self._gateway.wary and exchange.method in _ONCE:
                line = line if self._gateway.fresh(line) else None
        if line is not None:
            record.connect_s = 0.0
        else:
            asked = time.monotonic()
            line = await self._gateway.line(self._clock)
            record.connect_s = time.monotonic() - asked
        upload: asyncio.Task[None] | None = None
        message: Any  # a Head or a Response
        known = line.owner is not None
        protocol = line.protocol
        try:
            protocol.begin(bodiless=exchange.method == "HEAD", reader=self._reader)
            upload = self._send(exchange, protocol)
            try:
                message, payload = await protocol.read()
                while message.code < _OK and message.code != _SWITCHING:
                    if message.code == _INFORMATIONAL:
                        exchange.body.proceed()
                    else:
                        self._inform(exchange, message)
                    message, payload = await protocol.read()
            except Exception as error:
                # Whoever is half logged in has to begin again, on another connection.
                stage = Stage.SENT if known and exchange.login else _stage(protocol)
                raise head_error(error, stage=stage, name=endpoint.name) from None
            if message.code == _SWITCHING:
                return await self._switched(exchange, message, line, upload)
            record.first_byte_at = time.monotonic()
            stream = Stream(line, payload, upload, self._timeouts.idle)
            if self._timeouts.progress:
                stream = self._paced(message, line, payload, upload) or stream
            if isinstance(message, Head):
                if exchange.login:
                    line.bind(ties, endpoint.name)
                reply = Reply(
                    message.code,
                    message.fields,
                    stream,
                    reason=message.reason,
                    length=message.length,
                    buffered=protocol.buffered,
                )
                reply.encoded = message.encoded
                return reply
            if exchange.login or speaks_of_login(message.fields):
                line.bind(ties, endpoint.name)
            return self._reply(exchange, message, stream, protocol.buffered)
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
        whole = body.buffered
        if whole is None:
            protocol.send(head)
            return asyncio.create_task(Upload(body, protocol, self._timeouts).run())
        if body.length is None:
            whole = chunked_body(whole, last_chunk(body.trailers))
        protocol.send(head + whole)
        protocol.expect(self._timeouts.first_byte, self._no_head)
        return None

    def _request_head(self, exchange: Exchange) -> bytes:
        endpoint = self._endpoint
        fields = exchange.headers
        if endpoint.credentials is not None:
            fields = [*without(fields, endpoint.credentials[0].lower()), endpoint.credentials]
        host = endpoint.host or exchange.host.encode("latin-1") or endpoint.authority
        return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b%b\r\n" % (
            exchange.method.encode(),
            exchange.target,
            host,
            encode(fields, exchange.encoded),
            exchange.body.framing,
            b"Connection: Upgrade\r\nUpgrade: %b\r\n" % exchange.upgrade
            if exchange.upgrade
            else b"",
        )

    def _paced(
        self, message: Any, line: Line, payload: StreamReader, upload: asyncio.Task[None] | None
    ) -> PacedStream | None:
        """For a stream of events, where there is a clock for those."""
        if not streams_events(message.fields):
            return None
        clocks = self._timeouts
        return PacedStream(line, payload, upload, clocks.idle, clocks.progress)

    def _inform(self, exchange: Exchange, message: Response) -> None:
        """Pass on what is known before the answer, 103 (Early Hints) for one (RFC 9110 15.2)."""
        if exchange.send_informational is not None:
            fields = self._scrub(message.fields)
            exchange.send_informational(message.code, message.reason, fields)

    async def _switched(
        self, exchange: Exchange, message: Response, line: Line, upload: asyncio.Task[None] | None
    ) -> Reply:
        """A 101 that was asked for."""
        if not exchange.upgrade:
            raise ProtocolViolation("status 101, which was not asked for")
        if upload is not None:  # the request comes first (RFC 9110 7.8)
            await upload
            if (failed := line.protocol.exception()) is not None:
                raise failed
        exchange.record.first_byte_at = time.monotonic()
        answer = b", ".join(values(message.fields, b"upgrade"))
        if not accepted(exchange.upgrade, answer):
            raise ProtocolViolation(f"101 to {answer!r}, which was not offered")
        source = Upgraded(line, answer, self._timeouts.tunnel_idle)
        fields = self._scrub(message.fields)
        reply = Reply(101, fields, source, reason=message.reason, length=0)
        reply.upgraded = source
        return reply

    def _reply(
        self, exchange: Exchange, message: Response, stream: Stream, whole: bytes | None
    ) -> Reply:
        fields = self._scrub(message.fields)
        if message.code == _UPGRADE_REQUIRED:  # useless without what it asks for (RFC 9110 15.5.22)
            wanted = [(b"Upgrade", value) for value in values(message.fields, b"upgrade")]
            fields = [*fields, *wanted, (b"Connection", b"Upgrade")] if wanted else fields
        chunked = message.length == CHUNKED
        if chunked and exchange.takes_trailers:
            fields = [*fields, *announcement(message.fields)]
        reply = Reply(
            message.code,
            fields,
            stream,
            reason=message.reason,
            length=None if chunked else message.declared,
            version=message.version,
            buffered=whole,
        )
        if chunked and exchange.takes_trailers:
            reply.trailers = stream.trailers
        return reply


def _stage(protocol: UpstreamProtocol) -> Stage:
    """How far a request had come when its connection ended without a head."""
    if protocol.unheard:
        return Stage.NOT_SENT
    return Stage.STALE if protocol.reused and not protocol.replied else Stage.SENT


def _no_head(name: str, seconds: float) -> Exception:
    return ResponseTimeout(f"no reply from {name} within first_byte of {seconds:g} s")
