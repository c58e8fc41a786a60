"""One client request, from its first byte to the last byte of its reply."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from proxy.core.body import EMPTY, Body
from proxy.core.errors import ProxyError, UpstreamError
from proxy.core.record import Record
from proxy.core.reply import Reply
from proxy.core.ties import Ties
from proxy.http.fields import Encoded, RawHeaders


class Exchange(msgspec.Struct, eq=False):
    """What was asked, what is told to the client, and the record of what was found out.

    Times are seconds of a monotonic clock; a time that has not come is ``None``. It is a struct
    since one is made for each request: that takes a third of the time of an ``__init__``.
    """

    # What was asked
    method: str
    target: bytes
    """As it goes upstream: origin-form or ``*``, byte for byte what the client sent."""
    headers: RawHeaders
    """End-to-end fields for the upstream, Host and framing excluded."""
    raw_target: bytes = b""
    """The target as the client sent it."""
    path: str = "/"
    """Normal form of the target's path; rules are matched against it."""
    host: str = ""
    """The Host field as the client sent it."""
    version: tuple[int, int] = (1, 1)
    client: str = ""
    """Address of the client, as far as trusted proxies tell; empty on a unix socket."""
    scheme: str = "http"
    request_id: str = ""
    body: Body = EMPTY
    started_at: float = 0.0
    """When the first byte of it came; what limits its time counts from ``asked_at`` on."""
    heard: RawHeaders | None = None
    """The same as the client sent them, where a rule of the route has changed ``headers``."""
    encoded: Encoded | None = None
    no_trailers: frozenset[bytes] = frozenset()
    """Fields on which rules or credentials have the last word, as ``DASHED`` has them: of what
    comes behind the body none of these goes on."""
    upgrade: bytes = b""
    """Protocols that the client offers to go over to."""
    proxy_credentials: bytes = b""
    """Proxy-Authorization, which ends here (RFC 9110 11.7.2): who it is from, nevertheless."""
    ties: Ties | None = None
    """The upstream connections that belong to its client; None where there is no client."""
    login: bool = False
    """Whether it is part of a login that its connection will have, see ``http/logins``."""
    takes_trailers: bool = False
    """Whether its client wants the fields behind a chunked reply (``TE: trailers``)."""
    deadline: float | None = None
    """When its client, or ``[timeouts] total``, gives it up."""
    route: str = ""
    suffices: Callable[[Reply | UpstreamError], bool] | None = None
    """Whether a link above all attempts is content with this outcome, so that no other attempt is
    made. None if no link decides that."""
    # How its client is reached
    send_informational: Callable[[int, bytes, RawHeaders], None] | None = None
    """Tells the client something before its answer: status, reason, fields (RFC 9110 15.2)."""
    stalled: Callable[[float], float] | None = None
    """Seconds for which its client has taken nothing, by the time on the loop's clock: of all
    that a reply took, or since a byte has last gone through a tunnel."""
    relaying: asyncio.Task[Any] | None = None
    """Hands its reply to a client that has been waited for; None before it was."""
    # What the client was told
    committed: bool = False
    cut: bool = False
    """Whether it is ended because its client stalls and others wait for its permit."""
    ended_by: ProxyError | None = None
    """Why an operator, or the end of the proxy, has ended it."""
    endless: bool = False
    """Whether its reply is a stream of events, which has no end of its own."""
    length: int | None = None
    """Bytes that the reply will have; None where only its end will tell, or it was whole."""
    status: int = 0
    error: str = ""
    """Proxy-Status error token, empty where all went well."""
    error_fields: RawHeaders = ()
    """What an answer of the proxy's own carries besides its own fields."""
    bytes_in: int = 0
    """Body bytes read from the client."""
    bytes_out: int = 0
    """Body bytes given to the client."""
    record: Record = msgspec.field(default_factory=Record)

    def __repr__(self) -> str:
        """Without fields and target, which may hold credentials."""
        return f"<Exchange {self.request_id} {self.method} {self.path}>"

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
        record = self.record.copy()
        record.attempt_count = record.unlogged = 0
        return replace(
            self,
            body=body,
            record=record,
            send_informational=None,
            stalled=None,
            relaying=None,
            cut=False,
            ended_by=None,
        )


Handler: TypeAlias = Callable[[Exchange], Awaitable[Reply]]
"""The one idea: an exchange goes in, a reply with an unread body comes out."""
