"""The last handler: one attempt on one connection."""

import asyncio
import ssl
from functools import partial
from typing import Any, Final

from aiohttp import ClientTimeout
from aiohttp.streams import StreamReader

from proxy.core.clock import monotonic
from proxy.core.errors import ConnectionTerminated, ProtocolViolation, ResponseTimeout, Stage
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply, Source
from proxy.core.timeouts import TimeoutsOptions
from proxy.core.words import in_seconds
from proxy.http.chunked import chunked_body
from proxy.http.fields import DASHED, encode, of_name, values
from proxy.http.framing import CHUNKED, UNTIL_CLOSE
from proxy.http.grammar import shown
from proxy.http.logins import speaks_of_login
from proxy.http.sse import streams_events
from proxy.http.trailers import announced_less, announcement
from proxy.http.upgrade import SWITCHING, accepted
from proxy.upstream.address import Address
from proxy.upstream.connection_pool import ConnectionPool
from proxy.upstream.hints import FEW, is_news
from proxy.upstream.http1.fast_reply_head import FastHead, FastHeadParser, FieldFilter
from proxy.upstream.http1.protocol import UpstreamProtocol
from proxy.upstream.http1.reply_body import ProgressReplyBody, ReplyBody, WholeBody
from proxy.upstream.http1.reply_head import ReplyHead
from proxy.upstream.http1.request_body import RequestBodySender, Upload
from proxy.upstream.http1.upgraded import UpgradedReply
from proxy.upstream.pooled_connection import PooledConnection
from proxy.upstream.translate import head_error, is_lost

_INFORMATIONAL: Final = 100
_OK: Final = 200
_UPGRADE_REQUIRED: Final = 426
_ONCE: Final = frozenset({"POST", "PATCH", "CONNECT"})
"""Methods that are not idempotent, of those in use (RFC 9110 9.2.2)."""


class Forward:
    """Sends an exchange to its endpoint and returns the reply at its head."""

    __slots__ = (
        "_address",
        "_clock",
        "_filter",
        "_head_parser",
        "_no_head",
        "_pool",
        "_timeouts",
    )

    def __init__(
        self,
        address: Address,
        pool: ConnectionPool,
        timeouts: TimeoutsOptions,
        field_filter: FieldFilter,
    ) -> None:
        """``field_filter``: keeps of a reply's fields what goes further than this connection."""
        self._address = address
        self._pool = pool
        self._timeouts = timeouts
        self._no_head = partial(_no_head, address.name, timeouts.first_byte)
        self._filter = field_filter
        self._head_parser = FastHeadParser(field_filter)
        self._clock = ClientTimeout(
            total=None,
            connect=timeouts.connect or None,
            sock_read=None,
            sock_connect=None,
            ceil_threshold=float("inf"),
        )

    async def handle(self, exchange: Exchange) -> Reply:
        """One attempt. Raises UpstreamError, or ClientError where the request's body failed."""
        address = self._address
        record = exchange.record
        record.endpoint = address.name
        record.upstream = address.upstream
        record.connect_s = record.first_byte_at = None
        if self._pool.permits is not None:
            await self._pool.set_aside(self._timeouts.connect, record)
        record.attempt_count += 1
        ties, connection = exchange.ties, None
        if ties is not None and ties.held:
            connection = await self._pool.acquire_bound(ties, self._clock)
        if connection is None:
            connection = self._pool.try_idle()
            if connection and self._pool.peer_closes_idle and exchange.method in _ONCE:
                connection = connection if self._pool.likely_open(connection) else None
        if connection is not None:
            record.connect_s = 0.0
        else:
            asked = monotonic()
            connection = await self._pool.acquire(self._clock, exchange.client, ties)
            record.connect_s = monotonic() - asked
        upload: Upload | None = None
        message: Any  # a FastHead or a ReplyHead
        begun = connection.login_begun
        protocol = connection.protocol
        try:
            protocol.begin(bodiless=exchange.method == "HEAD", fast_parser=self._head_parser)
            if exchange.upgrade:
                protocol.expect_switch()
            sent_at = record.sent_at = monotonic()
            upload = self._send(exchange, protocol)
            try:
                if (arrival := protocol.arrival()) is not None:
                    await arrival
                message, payload = protocol.take() or await protocol.read()
                if message.code < _OK and message.code != SWITCHING:
                    message, payload = await self._after_hints(exchange, protocol, message)
            except Exception as error:
                # Whoever is half logged in has to begin again, on another connection.
                stage = Stage.SENT if begun and exchange.login else _stage(protocol, error)
                first = not (protocol.reused or protocol.any_reply_byte)
                if is_lost(error):  # the others lead to the same host
                    self._pool.close_idle(monotonic() - sent_at)
                raise head_error(error, stage=stage, name=address.name, first=first) from None
            if message.code == SWITCHING:
                return await self._switched(exchange, message, connection, upload)
            record.first_byte_at = monotonic()
            record.reply_status = message.code
            if isinstance(message, FastHead):
                if exchange.login:
                    connection.bind(ties, address.name)
                source: Source
                if upload is None:
                    protocol.timer.disarm()
                    source = WholeBody(connection)
                else:
                    source = ReplyBody(connection, payload, upload, self._timeouts.idle)
                return Reply(
                    message.code,
                    message.fields,
                    source,
                    message.reason,
                    message.length,
                    whole=protocol.buffered,
                    encoded=message.encoded,
                )
            stream = ReplyBody(connection, payload, upload, self._timeouts.idle)
            if self._timeouts.progress:
                stream = self._paced(message, connection, payload, upload) or stream
            if exchange.login or speaks_of_login(message.fields):
                connection.bind(ties, address.name, begun=exchange.login)
            return self._reply(exchange, message, stream, protocol.buffered)
        except BaseException:
            if upload is not None:
                upload.task.cancel()
            connection.discard()
            raise

    def _send(self, exchange: Exchange, protocol: UpstreamProtocol) -> Upload | None:
        """Write the head, and the body where it is here; a task sends what is still to come."""
        body = exchange.body
        transport = protocol.transport
        if transport is None or transport.is_closing():
            if isinstance(why := protocol.exception(), ssl.SSLError):
                name, first = self._address.name, not protocol.reused
                raise head_error(why, stage=Stage.NOT_SENT, name=name, first=first)
            raise ConnectionTerminated("closed before the request", stage=Stage.NOT_SENT)
        head = self.request_head(exchange)
        whole = body.buffered
        if whole is None:
            protocol.send(head)
            sender = RequestBodySender(body, protocol, self._timeouts, exchange.no_trailers)
            return Upload(sender, asyncio.create_task(sender.run()))
        if body.length is None:
            end = protocol.last_chunk(body.trailers, exchange.no_trailers)
            whole = chunked_body(whole, end)
        protocol.send(head + whole)
        protocol.arm(self._timeouts.first_byte, self._no_head)
        return None

    def request_head(self, exchange: Exchange) -> bytes:
        """The bytes of the head as this endpoint is sent them."""
        address = self._address
        host = address.host or exchange.host.encode("latin-1") or address.authority
        fields = exchange.headers
        if (dropped := exchange.no_trailers) and exchange.body.length is None:
            fields = announced_less(fields, lambda name: DASHED[name] in dropped)
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
        self,
        message: Any,
        connection: PooledConnection,
        payload: StreamReader,
        upload: Upload | None,
    ) -> ProgressReplyBody | None:
        """For a stream of events, where there is a clock for those."""
        if not streams_events(message.fields):
            return None
        clocks = self._timeouts
        return ProgressReplyBody(connection, payload, upload, clocks.idle, clocks.progress)

    async def _after_hints(
        self, exchange: Exchange, protocol: UpstreamProtocol, message: Any
    ) -> tuple[Any, Any]:
        """The answer, once what is known before it is passed on (RFC 9110 15.2)."""
        record = exchange.record
        before = record.informed
        while message.code < _OK and message.code != SWITCHING:
            if message.code == _INFORMATIONAL:
                exchange.body.proceed()
            elif exchange.send_informational is not None:
                said = message.code, self._filter(message.fields)
                if not before or is_news(said, before, record.informed):
                    if len(record.informed) < FEW:
                        record.informed += (said,)
                    exchange.send_informational(said[0], message.reason, said[1])
            message, payload = await protocol.read()
        return message, payload

    async def _switched(
        self,
        exchange: Exchange,
        message: ReplyHead,
        connection: PooledConnection,
        upload: Upload | None,
    ) -> Reply:
        """A 101 that was asked for."""
        if not exchange.upgrade:
            raise ProtocolViolation("status 101, which was not asked for")
        if upload is not None:  # the request comes first (RFC 9110 7.8)
            await upload.task
            if (failed := connection.protocol.exception()) is not None:
                raise failed
        exchange.record.first_byte_at = monotonic()
        exchange.record.reply_status = SWITCHING
        answer = b", ".join(values(message.fields, b"upgrade"))
        if not accepted(exchange.upgrade, answer):
            raise ProtocolViolation(f"101 to {shown(answer)!r}, which was not offered")
        source = UpgradedReply(connection, answer, self._timeouts.tunnel_idle)
        fields = self._filter(message.fields)
        return Reply(SWITCHING, fields, source, message.reason, 0, upgraded=source)

    def _reply(
        self, exchange: Exchange, message: ReplyHead, stream: ReplyBody, whole: bytes | None
    ) -> Reply:
        fields = self._filter(message.fields)
        if message.code == _UPGRADE_REQUIRED:  # useless without what it asks for (RFC 9110 15.5.22)
            wanted = of_name(message.fields, b"upgrade")
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
            whole=whole,
            until_close=message.length == UNTIL_CLOSE,
        )
        if chunked and exchange.takes_trailers:
            reply.trailers = stream.trailers
        return reply


def _stage(protocol: UpstreamProtocol, error: Exception) -> Stage:
    """How far a request had come when its connection ended without a head."""
    if protocol.unacknowledged:
        return Stage.NOT_SENT
    idle_ended = protocol.reused and not protocol.any_reply_byte and not is_lost(error)
    return Stage.STALE if idle_ended else Stage.SENT


def _no_head(name: str, seconds: float) -> Exception:
    return ResponseTimeout(
        f"no reply from {name} within first_byte of {in_seconds(seconds)}", clock="first_byte"
    )
