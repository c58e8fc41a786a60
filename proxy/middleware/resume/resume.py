"""Streams of events that are read on while their client is away, for it to come back to."""

import time
from typing import Final

from proxy.core.body import EMPTY
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.secrets import CREDENTIALS, digest
from proxy.http.equivalence import TRACES
from proxy.http.fields import RawHeaders, values
from proxy.http.sse import streams_events
from proxy.middleware.resume.resumable_stream import WINDOW, ResumableStream
from proxy.middleware.resume.resumable_streams import Entry, ResumableStreams

_LAST_EVENT_ID: Final = b"last-event-id"
_PASSING: Final = TRACES | {_LAST_EVENT_ID, b"cache-control", b"pragma"}
"""What differs between two requests of one client, and gives no right to anything."""


class Resume:
    """Gives a client that comes back with Last-Event-ID the stream that it lost."""

    __slots__ = ("_by_address", "_half", "_inner", "_seconds", "_shelf")

    def __init__(
        self,
        inner: Handler,
        seconds: float,
        shelf: ResumableStreams,
        *,
        by_address: bool = False,
        half: int = WINDOW,
    ) -> None:
        """``by_address``: a client is known by its address too, whatever credentials it shows."""
        self._inner = inner
        self._seconds = seconds
        self._shelf = shelf
        self._by_address = by_address
        self._half = half

    async def handle(self, exchange: Exchange) -> Reply:
        """Only what is safe to be answered from before: GET without a body.

        Nothing of a client that is logged in by its connection: the next one that says the same is
        not that user.
        """
        if exchange.method != "GET" or exchange.body is not EMPTY or exchange.bound:
            return await self._inner(exchange)
        key = key_of(exchange, by_address=self._by_address)
        if key is not None and (wanted := _last_event_id(exchange.headers)):
            place = self._shelf.find((self, key), wanted)
            if place is not None:
                record = exchange.record
                record.upstream, record.endpoint = place.upstream, place.endpoint
                record.first_byte_at = time.monotonic()
                return _shown(place.stream, exchange, length=None)
        reply = await self._inner(exchange)
        if key is None or reply.buffered is not None or not _resumable(reply):
            return reply
        place = Entry((self, key), exchange, self._seconds)
        stream = self._shelf.put(place, reply, self._half)
        return _shown(stream, exchange, length=reply.length)


def _shown(stream: ResumableStream, exchange: Exchange, *, length: int | None) -> Reply:
    """A stream as its next client gets it."""
    source = stream.attach(reset=exchange.version < (1, 1))
    kept = stream.reply
    reply = Reply(
        kept.status, kept.headers, source, reason=kept.reason, length=length, version=kept.version
    )
    reply.encoded = kept.encoded
    reply.trailers_of(kept)
    return reply


def _resumable(reply: Reply) -> bool:
    """Of an encoded stream ids cannot be read, and half of it is of no use."""
    return reply.status == 200 and streams_events(reply.headers)


def _last_event_id(fields: RawHeaders) -> bytes:
    found = values(fields, _LAST_EVENT_ID)
    return found[0].strip(b" \t") if len(found) == 1 else b""


def key_of(exchange: Exchange, *, by_address: bool = False) -> bytes | None:
    """What two requests have to share for one to be given the stream of the other; None: never.

    All that the client says, so that credentials of any kind are among it; and its address, where
    it shows none that we know as such.
    """
    fields = []
    known = bool(exchange.proxy_credentials)
    for name, value in exchange.headers:
        low = name.lower()
        if low not in _PASSING:
            fields.append((low, value))
            if low in CREDENTIALS and value.strip():
                known = True
    address = ""
    if not known or by_address:
        address = exchange.client
        if not address:
            return None
    fields.sort(key=_name)  # those of one name stay in their order
    words = (exchange.scheme, exchange.host, address)
    said = [part for field in fields for part in field]
    return digest(
        exchange.target, exchange.proxy_credentials, *[word.encode() for word in words], *said
    )


def _name(field: tuple[bytes, bytes]) -> bytes:
    return field[0]
