"""A client in memory: what ``edge/http1`` is for a socket, for tests of the service alone."""

import asyncio

from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from proxy.core.exchange import Exchange
from proxy.core.reply import Sink
from proxy.core.ties import Ties
from proxy.edge.client_stream import ClientStream, Passing, Rest
from proxy.edge.http1.request_head import read_head
from proxy.edge.http1.request_reader import ReadRequest, RequestStream
from proxy.edge.responses import ErrorsOptions
from proxy.http.fields import Encoded, Fields, RawHeaders
from proxy.net.small_reads import SmallReads


class FakeClientStream:
    """Records what it is told, and fails where the calls come in an order that nobody may use.

    A test may have it ``leave``, or make it ``slow``: then whoever sends waits for ``taken``.
    """

    exchange: Exchange
    errors: ErrorsOptions | None = None
    _reading_paused = False  # what aiohttp's StreamReader asks of its protocol

    def __init__(self, *, peer: str = "192.0.2.1", scheme: str = "http") -> None:
        self.peer = peer
        self.peer_known = True
        self.scheme = scheme
        self.identity: Fields = []
        self.ties = Ties()
        self.gone = False
        self.slow = False
        self.taken = asyncio.Event()
        self.waiting = asyncio.Event()
        """Set while somebody waits for the client to take what was sent."""
        self.interim: list[tuple[int, bytes, RawHeaders]] = []
        self.status = 0
        self.fields: dict[bytes, bytes] = {}
        self.length: int | None = None
        self.last = False
        self.body = b""
        self.behind: RawHeaders = ()
        """The trailers."""
        self.ended = ""
        """``complete``, ``reset`` or ``reset at once``; empty while more may come."""
        self.remembered: list[RawHeaders] = []

    # What a body of a request asks of its connection

    @property
    def connected(self) -> bool:
        return not self.gone

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self, resume_parser: bool = True) -> None:
        self._reading_paused = False

    def expect_body(self, held: int) -> SmallReads | None:
        """Nothing is counted here."""
        return None

    def splice_body(self, sink: Sink, body: Passing) -> Rest | None:
        """There is no socket."""
        return None

    def remember(self, raw: RawHeaders) -> None:
        self.remembered.append(raw)

    # What the service says

    def informational(self, status: int, reason: bytes, fields: RawHeaders) -> None:
        self._may_send()
        assert not self.status, "something before the answer, which has begun"
        self.interim.append((status, reason, fields))

    def respond(
        self,
        status: int,
        reason: bytes,
        fields: RawHeaders,
        own: RawHeaders,
        body: bytes,
        *,
        encoded: Encoded | None = None,
        length: int | None,
        trailers: RawHeaders = (),
        last: bool = False,
    ) -> int:
        self.head(status, reason, fields, own, length=length, last=last)
        self.body = b"" if self.exchange.method == "HEAD" else body
        self.behind = trailers
        self.ended = "complete"
        return len(self.body)

    def head(
        self,
        status: int,
        reason: bytes,
        fields: RawHeaders,
        own: RawHeaders,
        *,
        encoded: Encoded | None = None,
        length: int | None,
        last: bool = False,
    ) -> None:
        self._may_send()
        assert not self.status, "a second head"
        assert status >= 200, "no final status"
        self.status, self.length, self.last = status, length, last
        self.fields = {name.lower(): value for name, value in (*fields, *own)}

    def switch(
        self,
        protocol: bytes,
        reason: bytes,
        fields: RawHeaders,
        own: RawHeaders,
        *,
        encoded: Encoded | None = None,
    ) -> None:
        self._may_send()
        assert not self.status, "a second head"
        self.status = 101
        self.fields = {b"upgrade": protocol}

    def data(self, chunk: bytes) -> None:
        self._may_send()
        assert self.status, "a body without a head"
        self.body += chunk

    def descriptor(self) -> int:
        return -1  # there is no socket

    def blocked(self, held: int) -> None:
        raise AssertionError("nobody can write past this")

    def end(self) -> None:
        self._may_send()
        assert self.status, "an end without a head"
        self.ended = "complete"

    def trailers(self, fields: RawHeaders) -> None:
        self.end()
        self.behind = fields

    def reset(self, *, at_once: bool = False) -> None:
        assert not self.ended, f"a reset behind {self.ended}"
        self.ended = "reset at once" if at_once else "reset"

    @property
    def writing_paused(self) -> bool:
        return self.slow

    async def drained(self) -> None:
        self.waiting.set()
        await self.taken.wait()
        self.waiting.clear()
        self.taken.clear()

    def take_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes]:
        raise ConnectionResetError("there is no connection here")

    def connection_lost(self, error: BaseException | None) -> None:
        self.gone = True

    def _may_send(self) -> None:
        if self.gone:
            raise ConnectionResetError("client gone")
        assert not self.ended, f"something behind {self.ended}"


def client_request(
    stream: FakeClientStream, head: bytes, body: StreamReader | None = None
) -> ReadRequest:
    """A request whose head is in these bytes; ``body`` is still coming, or there is none."""
    return ReadRequest(stream, read_head(head), body or EMPTY_PAYLOAD)  # type: ignore[arg-type]


def coming_body(stream: FakeClientStream) -> RequestStream:
    """A body that the test feeds."""
    body = RequestStream(stream, 1 << 16, loop=asyncio.get_running_loop())  # type: ignore[arg-type]
    body.trailers = []
    return body


def _is_one(fake: FakeClientStream) -> ClientStream:
    """The type checker compares all of it with what ``edge/http1`` fills."""
    return fake
