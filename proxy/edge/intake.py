"""From aiohttp's request to an exchange; what is ambiguous or hostile ends here."""

import asyncio
from collections.abc import Mapping
from functools import partial

from proxy.core.body import EMPTY, Body, BytesBody
from proxy.core.clock import monotonic
from proxy.core.errors import (
    BadRequest,
    BodyTooLarge,
    ClientError,
    LoopDetected,
    MethodNotAllowed,
    ProxyError,
)
from proxy.core.exchange import Exchange
from proxy.edge.client_stream import ClientStream
from proxy.edge.forwarded import Forwarding
from proxy.edge.http1.request_body import ClientBody
from proxy.edge.http1.request_head import CERTIFICATE, LOGINS, PROXY_CREDENTIALS
from proxy.edge.http1.request_reader import ReadRequest
from proxy.edge.http1.spool import SMALL, CountedBody, Room
from proxy.edge.last_hop import COUNTED, count_down
from proxy.edge.options import ServerOptions
from proxy.edge.router import USUAL
from proxy.http.authority import comparable, valid_host
from proxy.http.client_cert import names_client_cert
from proxy.http.fields import Fields, RawHeaders, values
from proxy.http.framing import CHUNKED, CHUNKED_LINE, LENGTH_LINE
from proxy.http.grammar import Malformed, members, shown
from proxy.http.hop_by_hop import bears_mark, end_to_end_request, marked, seen_by, via
from proxy.http.request_id import EVERY, ensure_ids
from proxy.http.target import check_escapes, normal_path, split_target
from proxy.http.trailers import announcement, takes_trailers
from proxy.http.upgrade import offered


class Intake:
    """Makes exchanges of requests."""

    __slots__ = ("_forwarding", "_instance", "_loop", "_loops", "_options", "_room", "sampled")

    def __init__(
        self,
        options: ServerOptions,
        instance: str,
        before: "Intake | None" = None,
        sampled: int = EVERY,
    ) -> None:
        """``instance``: 8 hex digits that tell this proxy from others in Via.

        ``before``: of other options; what bodies take is counted together with it. ``sampled``: of
        the traces that begin here, see ``http/request_id``.
        """
        self.sampled = sampled
        self._options = options
        self._instance = instance
        self._loops = seen_by if options.via else bears_mark
        self._forwarding = Forwarding(options.trusted_proxies, options.forwarded)
        self._loop = asyncio.get_running_loop()
        self._room: Room = Room() if before is None else before._room

    def open(self, request: ReadRequest, stream: ClientStream) -> Exchange:
        """What the log wants to know of any request, good or bad; no path before it is read."""
        head = request.head
        exchange = Exchange(
            head.method,
            head.target,
            head.fields,
            head.target,
            path="",
            version=head.version,
            client=stream.peer,
            started_at=monotonic(),
        )
        if request.begun_at is not None:
            exchange.began(request.begun_at)
        return exchange

    def admit(self, exchange: Exchange, request: ReadRequest, stream: ClientStream) -> bool:
        """Check and complete the exchange. False where it is to be answered here.

        Raises ClientError or LoopDetected.
        """
        head = request.head
        if head.fault is not None:
            _note_host(exchange)
            raise head.fault.error()
        watched = head.decisive
        try:
            host = read_target(exchange, watched, strict=self._options.strict)
        except ClientError:
            _note_host(exchange)
            raise
        exchange.body = self._body(exchange, watched, request, stream)
        exchange.login = not watched.keys().isdisjoint(LOGINS)
        raw = exchange.headers
        further: RawHeaders | None = raw
        if b"max-forwards" in watched and exchange.method in COUNTED:
            further = count_down(raw, watched[b"max-forwards"])
        if b"upgrade" in watched and exchange.version >= (1, 1):
            exchange.upgrade = offered(raw)
        if PROXY_CREDENTIALS in watched:
            exchange.proxy_credentials = watched[PROXY_CREDENTIALS]
        if self._loops(raw, self._instance):
            raise LoopDetected("Via, or the mark in its place, names this instance")
        fields, exchange.client, exchange.scheme = self._forwarding.apply(
            end_to_end_request(further or raw),
            peer=stream.peer,
            peer_known=stream.peer_known,
            scheme=stream.scheme,
            host=host,
        )
        if CERTIFICATE in watched or stream.identity:
            fields = self._identified(fields, stream)
        if b"te" in watched or b"trailer" in watched:
            fields += _of_trailers(exchange, watched)
        if self._options.via:
            fields.append((b"Via", via(self._instance, exchange.version)))
        else:
            fields = marked(fields, self._instance)
        exchange.headers = fields
        if type(exchange.body) is BytesBody:  # it is here, or there is none
            stream.remember(raw)
        exchange.headers, exchange.request_id = ensure_ids(fields, sampled=self.sampled)
        return further is not None

    def _identified(self, fields: Fields, stream: ClientStream) -> Fields:
        """Say who the client is as far as its certificate does, and nobody else (RFC 9440 3).

        Where no certificate is asked for, one that a trusted proxy was shown may be told.
        """
        tls = self._options.tls
        asked = tls is not None and tls.client_auth != "off"
        shown = stream.identity  # to aiohttp as well, where that has the connection
        if not (asked or shown) and stream.peer_known and self._forwarding.trusts(stream.peer):
            return fields
        kept = [field for field in fields if not names_client_cert(field[0])]
        return kept + shown

    def _body(
        self,
        exchange: Exchange,
        watched: dict[bytes, bytes],
        request: ReadRequest,
        stream: ClientStream,
    ) -> Body:
        length: int | None = request.head.length
        if length == CHUNKED:
            length = None
        elif length == 0 and b"content-length" not in watched:
            return EMPTY
        framing = CHUNKED_LINE if length is None else LENGTH_LINE % length
        if length != 0:
            self._check_body(exchange, length)
        content = request.content
        if (broken := content.exception()) is not None:
            raise _again(broken)
        if content.is_eof():
            size = content.total_bytes
            self._check_length(size)
            if size <= SMALL or self._room.has_memory(size):
                whole = content.read_nowait()
                if size <= SMALL:
                    body = BytesBody(whole, framing, length)
                else:
                    body = CountedBody(whole, framing, length, room=self._room)
                body.trailers = getattr(content, "trailers", ())
                return body
        go_ahead = None
        if b"expect" in watched and _waits(watched[b"expect"]) and exchange.version >= (1, 1):
            go_ahead = partial(stream.informational, 100, b"Continue", ())
        reads = stream.expect_body(content._size)
        return ClientBody(
            content,
            length,
            self._options,
            self._loop,
            go_ahead,
            room=self._room,
            reads=reads,
            stream=stream,
        )

    def _check_body(self, exchange: Exchange, length: int | None) -> None:
        if exchange.method == "TRACE":  # RFC 9110 9.3.8
            raise BadRequest("a TRACE request has no body")
        if length is not None:
            self._check_length(length)

    def _check_length(self, length: int) -> None:
        limit = self._options.max_body
        if limit and length > limit:
            raise BodyTooLarge(f"the body has {length} bytes, more than max_body of {limit}")


def read_target(exchange: Exchange, watched: Mapping[bytes, bytes], *, strict: bool) -> bytes:
    """Find target, host and path of an exchange, whose fields are ``watched``; returns the host.

    Raises BadRequest, or MethodNotAllowed for CONNECT.
    """
    if exchange.method == "CONNECT":
        raise MethodNotAllowed("no tunnels", USUAL)
    try:
        if strict:
            check_escapes(exchange.target)
        asked = exchange.target
        exchange.target, authority = split_target(exchange.method, asked)
        host = _host(exchange, watched, asked, authority, strict=strict)
        exchange.host = host.decode("latin-1")
        exchange.path = normal_path(exchange.target)
    except Malformed as error:
        raise BadRequest(str(error)) from None
    return host


def _note_host(exchange: Exchange) -> None:
    """For the log of a request that is refused before its host is looked at."""
    hosts = values(exchange.headers, b"host")
    if len(hosts) == 1 and valid_host(hosts[0]):
        exchange.host = hosts[0].decode("latin-1")


def _again(broken: BaseException) -> ProxyError:
    """What broke a body, without holding on to the body."""
    return (
        type(broken)(broken.detail) if isinstance(broken, ClientError) else BadRequest(str(broken))
    )


def _of_trailers(exchange: Exchange, watched: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """What the upstream is told of fields behind bodies, the client's and its own."""
    told = []
    takes = exchange.version >= (1, 1) and takes_trailers(watched.get(b"te", b""))
    if takes and not exchange.upgrade:
        exchange.takes_trailers = True
        told += [(b"TE", b"trailers"), (b"Connection", b"TE")]  # RFC 9110 10.1.4
    if b"trailer" in watched and exchange.body.framing == CHUNKED_LINE:
        told += announcement([(b"Trailer", watched[b"trailer"])])
    return told


def _waits(expect: bytes) -> bool:
    """Whether the client waits for 100 (Continue), whatever else it expects (RFC 9110 10.1.1)."""
    return b"100-continue" in members(expect.lower())


def _host(
    exchange: Exchange,
    watched: Mapping[bytes, bytes],
    asked: bytes,
    authority: bytes | None,
    *,
    strict: bool,
) -> bytes:
    """The host that is asked: that of an absolute target, else the field (RFC 9112 3.2).

    The field is ignored where the target names another (``docs/decisions/0017``). ``asked``: the
    target as it came, whose scheme says which port is the default.
    """
    host = watched.get(b"host")
    if host is None:
        if exchange.version >= (1, 1):
            raise BadRequest("there is no Host field")
        return authority or b""
    if not valid_host(host):
        user, _, name = host.rpartition(b"@")
        named = b"***@%b" % name if user else host  # a password may stand there
        raise BadRequest(f"Host {shown(named)!r} is not a host name")
    if authority is None:
        return host
    scheme = asked.partition(b":")[0].lower()
    if comparable(scheme, authority) == comparable(scheme, host):
        return host
    if strict:
        raise BadRequest(
            f"Host {shown(host)!r} is not the host of the target, {shown(authority)!r}"
        )
    return authority
