"""On which of the two ways requests and replies are read: a switch of the tests, not of the proxy.

The first request with new deciding lines goes the long way, and most tests send just one. So:

- ``usual``: as in production, the first one the long way and the others fast where they can be.
- ``long``: nothing is read fast, neither requests nor replies.
- ``fast``: what the long way makes of a request is learnt before it is read, so that the first
  one is read fast too. What cannot be read fast goes the long way as ever.
"""

import asyncio
import contextlib
from typing import Any, Final

import pytest

from proxy.edge.http1.connection import Connection
from proxy.edge.http1.fast_request_head import FastHeadReader
from proxy.edge.http1.request_reader import RequestReader
from proxy.http.fields import RawHeaders
from proxy.upstream.http1.fast_reply_head import FastHeadParser
from tests.support.client_stream import FakeClientStream

WAYS: Final = ("usual", "long", "fast")


def take(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every proxy in this process read on this way."""
    if way == "long":
        monkeypatch.setattr(FastHeadReader, "read", _leave)
        monkeypatch.setattr(FastHeadParser, "parse", _leave)
    elif way == "fast":
        received = Connection.data_received

        def learnt_before(connection: Connection, data: bytes) -> None:
            _teach(connection, data)
            received(connection, data)

        monkeypatch.setattr(Connection, "data_received", learnt_before)


def _leave(*_: object) -> None:
    """It is not for me."""


def _teach(connection: Connection, data: bytes) -> None:
    """Let the fast reader learn from what the long way makes of this request."""
    if not connection._idle or connection._reader.held or connection.gone:
        return
    fast, sender, scheme = connection._fast, connection.sender, connection.scheme
    if fast.read(data, sender, scheme) is not None:
        return
    intake = _service(connection).generation.intake

    class Stream(FakeClientStream):
        def remember(self, raw: RawHeaders) -> None:
            if not reader.begun and not reader.midway and request.head.keep_alive:
                fast.learn(data, self.exchange, raw, sender, scheme)

    stream: Any = Stream(peer=connection.peer, scheme=scheme)
    stream.peer_known, stream.identity = connection.peer_known, connection.identity
    limit = connection._reader._limit
    reader = RequestReader(stream, asyncio.get_running_loop(), limit)
    reader.feed(data)
    with contextlib.suppress(Exception):  # what is wrong with it, the connection finds too
        request: Any = reader.next()
        if request is not None:
            stream.exchange = intake.open(request, stream)
            intake.admit(stream.exchange, request, stream)


def _service(connection: Connection) -> Any:
    """Who serves it: see ``edge/service.flattened``."""
    return connection._manager.request_handler.func.__self__  # type: ignore[union-attr]
