"""One client request and its reply, from the first byte to the last."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeAlias

from proxy.core.body import EMPTY, Body
from proxy.core.reply import Reply
from proxy.http.fields import Encoded, RawHeaders
from proxy.http.logins import Ties

HEDGED: Final = "hedged"
"""Outcome of an attempt that another one has overtaken."""


class Try(NamedTuple):
    """One of several attempts."""

    endpoint: str
    outcome: str
    """Its status, or the class of its failure as ``[retry] on`` calls it."""
    seconds: float

    def __str__(self) -> str:
        return f"{self.endpoint} {self.outcome} {self.seconds * 1000:.0f} ms"


class Exchange:
    """What is known of a request, and what is found out while it is served.

    Times are seconds of ``time.monotonic`` (a loop's own clock may tick in whole milliseconds); a
    time that has not come is ``None``. Only ``deadline`` is on the loop's clock.
    """

    __slots__ = (
        "asked",
        "attempts",
        "body",
        "bytes_in",
        "bytes_out",
        "client",
        "coalesced",
        "committed",
        "connected",
        "deadline",
        "elsewhere",
        "encoded",
        "endless",
        "endpoint",
        "error",
        "first_byte",
        "headers",
        "heard",
        "host",
        "inform",
        "login",
        "method",
        "path",
        "proxy_credentials",
        "queued",
        "request_id",
        "route",
        "scheme",
        "stalled",
        "started",
        "status",
        "takes_trailers",
        "target",
        "ties",
        "tries",
        "upgrade",
        "upstream",
        "upstream_request_id",
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
        started: float = 0.0,
    ) -> None:
        self.method = method
        self.asked = target
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
        self.started = started
        self.deadline: float | None = None
        self.connected: float | None = None
        """Seconds that the last attempt spent on getting a connection."""
        self.queued = 0.0
        """Seconds that it waited to be let through: for a permit, a token, another's answer."""
        self.first_byte: float | None = None
        """When the reply's head arrived."""
        self.route = ""
        self.upstream = ""
        self.upstream_request_id = ""
        """What the upstream calls the request, where that is another name than ours."""
        self.endpoint = ""
        self.attempts = 0
        self.tries: tuple[Try, ...] = ()
        """All attempts, the first one first, where there was more than one."""
        self.coalesced = False
        """Whether it was given another one's answer."""
        self.elsewhere = False
        """Whether another server could be asked at once."""
        self.inform: Callable[[int, bytes, RawHeaders], None] | None = None
        """Tells the client something before its answer: status, reason, fields (RFC 9110 15.2)."""
        self.stalled: Callable[[float], float] | None = None
        """Seconds for which its client has taken nothing, by the time on the loop's clock: of all
        that a reply took, or since a byte has last gone through a tunnel."""
        self.ties: Ties | None = None
        """The upstream connections that belong to its client; None where there is no client."""
        self.login = False
        """Whether it is part of a login that its connection will have, see ``http/logins``."""
        self.takes_trailers = False
        """Whether its client wants the fields behind a chunked reply (``TE: trailers``)."""
        self.committed = False
        self.endless = False
        """Whether its reply is a stream of events, which no end belongs to."""
        self.status = 0
        self.error = ""
        """Proxy-Status error token, empty where all went well."""
        self.bytes_in = 0
        """Body bytes read from the client."""
        self.bytes_out = 0
        """Body bytes given to the client."""

    @property
    def bound(self) -> bool:
        """Whether it is answered as the user of its connection: nobody else may have the answer."""
        return self.login or (self.ties is not None and bool(self.ties.held))


Handler: TypeAlias = Callable[[Exchange], Awaitable[Reply]]
"""The one idea: an exchange goes in, a reply with an unread body comes out."""
