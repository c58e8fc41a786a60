"""Streams of events that outlive a client's connection, so that the client can come back to them.

How it works. A reply with status 200 that streams events, to a GET without a body, is read by a
`ResumableStream`: a task of its own, which goes on when the client's connection is lost. The stream
is an `Entry` of `ResumableStreams`, under the key of its request (``resume_key``). A request with
the same key and a Last-Event-ID that the stream still has is given that stream, without a request
to the upstream. It goes on after the event with that id. Any other request goes to the upstream.

A stream keeps two windows of its bytes, each up to WINDOW:

    bytes that came:   dropped | _sent: given to a client | _pending: no client has read them yet
                                  ^ searched for the id, as _pending is, when a client comes back

If ``_pending`` is full, reading pauses, with or without a client: the upstream has to wait. If
``_sent`` is full, its oldest bytes are dropped. A client that comes back moves the border between
the two (``rewind``).

States of an entry, and what may follow:

- attached: a client reads the stream. Next: waiting or removed. If another client is given the
  stream it stays attached, and the client before is cut.
- waiting: its client has left and had been given an id to come back with. A timer of ``keep_s``
  runs. Next: attached or removed.
- removed: the task is cancelled, the reply closed, the stream forgotten.

Events:

- The client has read all or the upstream broke the stream: removed.
- The client leaves (ABANDONED): waiting; removed if no id was among what it was given, or in a
  drain.
- The upstream ends or breaks the stream: what has come stays, the reply is closed at once. The
  client gets the rest and then the end, or the error, also if it comes back only now.
- A client comes back: attached. A waiting stream is preferred; one that has a client is taken over
  at most once in ``keep_s``.
- The timer runs out, too many wait (MAX_WAITING, MAX_WAITING_PER_KEY), a drain begins: removed.
"""

from collections.abc import Hashable
from functools import partial
from typing import Final

from proxy.core.clock import Clock
from proxy.core.exchange import Exchange, Handler
from proxy.core.redaction import CREDENTIALS, digest
from proxy.core.reply import Reply
from proxy.core.scope import Scope
from proxy.core.stream_options import StreamOptions
from proxy.http.equivalence import TRACING_FIELDS, comparable_fields
from proxy.http.fields import RawHeaders, values
from proxy.http.sse import streams_events
from proxy.middleware.resume.resumable_stream import WINDOW, ResumableStream
from proxy.middleware.resume.resumable_streams import Entry, ResumableStreams

_LAST_EVENT_ID: Final = b"last-event-id"
_IGNORED_FIELDS: Final = TRACING_FIELDS | {_LAST_EVENT_ID, b"cache-control", b"pragma"}
"""Fields that may differ between two requests of one client, and give no right to anything."""


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where ``[stream] resume`` is set."""
    options = scope.find(StreamOptions)
    if options is None or not options.resume:
        return None
    shared = scope.shared
    streams = shared.share("resume", partial(ResumableStreams, clock=shared.clock))
    shared.watch(streams)
    # Where a rule may take credentials away, they do not tell clients apart.
    return Resume(
        inner,
        options.resume,
        streams,
        by_address=bool(scope.field_changes),
        identity=scope.identity,
        clock=shared.clock,
    ).handle


class Resume:
    """Gives a client that comes back with Last-Event-ID the stream that it lost."""

    __slots__ = ("_by_address", "_clock", "_identity", "_inner", "_keep_s", "_streams", "_window")

    def __init__(
        self,
        inner: Handler,
        keep_s: float,
        streams: ResumableStreams,
        *,
        by_address: bool = False,
        identity: Hashable = None,
        window: int = WINDOW,
        clock: Clock,
    ) -> None:
        """``by_address``: the client's address has to be the same, even if it has credentials.

        ``identity``: of the route; a stream can be resumed on the route on which it began.
        ``keep_s``: seconds for which a stream waits for a client; ``window``: see WINDOW.
        """
        self._inner = inner
        self._keep_s = keep_s
        self._streams = streams
        self._clock = clock
        self._by_address = by_address
        self._identity = self if identity is None else identity
        self._window = window

    async def handle(self, exchange: Exchange) -> Reply:
        """Resumes streams for GET without a body only.

        A client that is logged in by its connection is left out: another client that sends the same
        fields on another connection is not that user.
        """
        if exchange.method != "GET" or exchange.body.length != 0 or exchange.bound:
            return await self._inner(exchange)
        key = resume_key(exchange, by_address=self._by_address)
        if key is not None and (last_event_id := _last_event_id(exchange.headers)):
            entry = self._streams.reclaim((self._identity, key), last_event_id)
            if entry is not None:
                record = exchange.record
                record.upstream, record.endpoint = entry.upstream, entry.endpoint
                record.first_byte_at = self._clock()
                return _reply_from(entry.stream, exchange, length=None)
        reply = await self._inner(exchange)
        if key is None or reply.buffered is not None or not _resumable(reply):
            return reply
        entry = Entry((self._identity, key), exchange, self._keep_s)
        stream = self._streams.add(entry, reply, self._window)
        return _reply_from(stream, exchange, length=reply.length)


def _reply_from(stream: ResumableStream, exchange: Exchange, *, length: int | None) -> Reply:
    """The reply that gives a stream to its next client."""
    source = stream.attach(reset=exchange.version < (1, 1))
    return stream.reply.with_body(source, length)


def _resumable(reply: Reply) -> bool:
    """Whether a reply is a stream of events without a content coding, so that ids can be read."""
    return reply.status == 200 and streams_events(reply.headers)


def _last_event_id(fields: RawHeaders) -> bytes:
    found = values(fields, _LAST_EVENT_ID)
    return found[0].strip(b" \t") if len(found) == 1 else b""


def resume_key(exchange: Exchange, *, by_address: bool = False) -> bytes | None:
    """What has to be equal for a request to be given the stream of another; None: never.

    All that the client says, so that credentials of any kind are part of it; and its address if it
    shows no credentials that we know as such.
    """
    fields = comparable_fields(exchange.headers, _IGNORED_FIELDS)
    has_credentials = bool(exchange.proxy_credentials) or any(
        name in CREDENTIALS and value.strip() for name, value in fields
    )
    address = ""
    if not has_credentials or by_address:
        address = exchange.client
        if not address:
            return None
    words = (exchange.scheme, exchange.host, address)
    said = [part for field in fields for part in field]
    return digest(
        exchange.target, exchange.proxy_credentials, *[word.encode() for word in words], *said
    )
