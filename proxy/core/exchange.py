"""One client request, from its first byte to the last byte of its reply."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from proxy.core.body import EMPTY, Body
from proxy.core.errors import UpstreamError
from proxy.core.record import Record
from proxy.core.reply import Reply
from proxy.http.fields import Encoded, RawHeaders
from proxy.http.logins import Ties


class Exchange:
    """What was asked, what is told to the client, and the record of what was found out.

    Times are seconds of a monotonic clock; a time that has not come is ``None``.
    """

    __slots__ = (
        "body",
        "bytes_in",
        "bytes_out",
        "client",
        "committed",
        "cut",
        "deadline",
        "encoded",
        "endless",
        "error",
        "error_fields",
        "headers",
        "heard",
        "host",
        "length",
        "login",
        "method",
        "no_trailers",
        "path",
        "proxy_credentials",
        "raw_target",
        "record",
        "relaying",
        "request_id",
        "route",
        "scheme",
        "send_informational",
        "stalled",
        "started_at",
        "status",
        "suffices",
        "takes_trailers",
        "target",
        "ties",
        "upgrade",
        "version",
    )

    def __init__(
        self,
        method: str,
        target: bytes,
        headers: RawHeaders,
        *,
        path: str = "/",
        host: str = "",
        version: tuple[int, int] = (1, 1),
        client: str = "",
        scheme: str = "http",
        request_id: str = "",
        body: Body = EMPTY,
        started_at: float = 0.0,
    ) -> None:
        # What was asked
        self.method = method
        self.raw_target = target
        """The target as the client sent it."""
        self.target = target
        """As it goes upstream: origin-form or ``*``, byte for byte what the client sent."""
        self.path = path
        """Normal form of the target's path; rules are matched against it."""
        self.headers = headers
        """End-to-end fields for the upstream, Host and framing excluded."""
        self.heard: RawHeaders | None = None
        """The same as the client sent them, where a rule of the route has changed ``headers``."""
        self.encoded: Encoded | None = None
        self.no_trailers: frozenset[bytes] = frozenset()
        """Fields on which rules or credentials have the last word, as ``DASHED`` has them: of what
        comes behind the body none of these goes on."""
        self.upgrade = b""
        """Protocols that the client offers to go over to."""
        self.host = host
        """The Host field as the client sent it."""
        self.version = version
        self.client = client
        """Address of the client, as far as trusted proxies tell; empty on a unix socket."""
        self.scheme = scheme
        self.request_id = request_id
        self.body = body
        self.proxy_credentials = b""
        """Proxy-Authorization, which ends here (RFC 9110 11.7.2): who it is from, nevertheless."""
        self.ties: Ties | None = None
        """The upstream connections that belong to its client; None where there is no client."""
        self.login = False
        """Whether it is part of a login that its connection will have, see ``http/logins``."""
        self.takes_trailers = False
        """Whether its client wants the fields behind a chunked reply (``TE: trailers``)."""
        self.started_at = started_at
        """When the first byte of it came; what limits its time counts from ``asked_at`` on."""
        self.deadline: float | None = None
        """When its client, or ``[timeouts] total``, gives it up."""
        self.route = ""
        self.suffices: Callable[[Reply | UpstreamError], bool] | None = None
        """Whether what an attempt came to is enough for what stands above all tries: no other one
        is made then. None where nothing there has a say."""
        # How its client is reached
        self.send_informational: Callable[[int, bytes, RawHeaders], None] | None = None
        """Tells the client something before its answer: status, reason, fields (RFC 9110 15.2)."""
        self.stalled: Callable[[float], float] | None = None
        """Seconds for which its client has taken nothing, by the time on the loop's clock: of all
        that a reply took, or since a byte has last gone through a tunnel."""
        self.relaying: asyncio.Task[Any] | None = None
        """Hands its reply to a client that has been waited for; None before it was."""
        # What the client was told
        self.committed = False
        self.cut = False
        """Whether it is ended since its client makes no use of what others wait for."""
        self.endless = False
        """Whether its reply is a stream of events, which no end belongs to."""
        self.length: int | None = None
        """Bytes that the reply will have; None where only its end will tell, or it was whole."""
        self.status = 0
        self.error = ""
        """Proxy-Status error token, empty where all went well."""
        self.error_fields: RawHeaders = ()
        """What an answer of the proxy's own carries besides its own fields."""
        self.bytes_in = 0
        """Body bytes read from the client."""
        self.bytes_out = 0
        """Body bytes given to the client."""
        self.record = Record()

    @property
    def asked_at(self) -> float:
        """When its head was whole: until then nobody but its client was waited for."""
        return self.started_at + self.record.head_s

    @property
    def bound(self) -> bool:
        """Whether it is answered as the user of its connection: nobody else may have the answer."""
        return self.login or (self.ties is not None and bool(self.ties.held))

    def began(self, at: float) -> None:
        """The first part of its head came then; it was whole when the exchange was made."""
        self.record.head_s = max(0.0, self.started_at - at)
        self.started_at -= self.record.head_s

    def twin(self, body: Body) -> "Exchange":
        """A copy of the request, to be sent beside it or in its place.

        It has a record of its own, which goes on from this one's but counts its own attempts.
        Nothing that happens to it is told to the client before its reply is chosen, and it knows of
        no client that takes it.
        """
        # One by one: a loop with setattr takes four times as long, copy.copy eight times.
        twin = object.__new__(Exchange)
        twin.bytes_in = self.bytes_in
        twin.bytes_out = self.bytes_out
        twin.client = self.client
        twin.committed = self.committed
        twin.deadline = self.deadline
        twin.encoded = self.encoded
        twin.endless = self.endless
        twin.error = self.error
        twin.error_fields = self.error_fields
        twin.headers = self.headers
        twin.heard = self.heard
        twin.host = self.host
        twin.length = self.length
        twin.login = self.login
        twin.method = self.method
        twin.no_trailers = self.no_trailers
        twin.path = self.path
        twin.proxy_credentials = self.proxy_credentials
        twin.raw_target = self.raw_target
        twin.request_id = self.request_id
        twin.route = self.route
        twin.scheme = self.scheme
        twin.started_at = self.started_at
        twin.status = self.status
        twin.suffices = self.suffices
        twin.takes_trailers = self.takes_trailers
        twin.target = self.target
        twin.ties = self.ties
        twin.upgrade = self.upgrade
        twin.version = self.version
        twin.body = body
        twin.send_informational = twin.stalled = twin.relaying = None
        twin.cut = False
        twin.record = self.record.copy()
        twin.record.attempt_count = twin.record.unlogged = 0
        return twin


Handler: TypeAlias = Callable[[Exchange], Awaitable[Reply]]
"""The one idea: an exchange goes in, a reply with an unread body comes out."""
