"""Requests are cut out of a stream of bytes alike, wherever its segments end."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from typing import cast

import pytest
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import BadRequest, HeadTooLarge, ProxyError
from proxy.edge.http1.request_reader import ReadRequest, RequestReader, RequestStream

LIMIT = 400
REQUESTS = [
    b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\n\r\nBREW /2 HTTP/1.0\r\n\r\n",
    b"POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\na\r\n\r\nbc",
    b"POST /4 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\na\r\n2;x\r\nbc\r\n0\r\nT: 1\r\n\r\n",
    b"PUT /5 HTTP/1.1\r\nContent-Length: 0\r\n\r\n\r\n",
]


class Taken:
    """What a client that serves at once makes of the bytes it is fed."""

    def __init__(self) -> None:
        loop = asyncio.new_event_loop()
        self.reader = RequestReader(BaseProtocol(loop), loop, LIMIT)
        self.requests: list[ReadRequest] = []
        loop.close()

    def feed(self, data: bytes) -> None:
        """Take all requests that are whole by now."""
        self.reader.feed(data)
        while not self.requests or self.requests[-1].content.is_eof():
            request = self.reader.next()
            if request is None:
                return
            self.requests.append(request)

    def bodies(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Method, target and body of each."""
        for request in self.requests:
            content = request.content
            body = content.read_nowait() if isinstance(content, RequestStream) else b""
            yield request.head.method, request.head.target, body


@given(
    order=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 400), max_size=6),
)
def test_segments_change_nothing(order: list[bytes], cuts: list[int]) -> None:
    data = b"".join(order)
    whole = Taken()
    whole.feed(data)
    pieces = Taken()
    for start, end in pairwise(sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})):
        pieces.feed(data[start:end])
    found = list(pieces.bodies())
    assert found == list(whole.bodies())
    assert [target for _, target, _ in found] == [request.split(b" ", 2)[1] for request in order]
    assert not pieces.reader.begun


def test_trailers_are_there_once_the_body_has_ended() -> None:
    taken = Taken()
    taken.feed(REQUESTS[3][:-4])
    assert not taken.requests[0].content.is_eof()
    taken.feed(REQUESTS[3][-4:])
    stream = cast(RequestStream, taken.requests[0].content)
    assert (stream.is_eof(), stream.trailers) == (True, [(b"T", b"1")])


@pytest.mark.parametrize(
    ("tail", "kind"),
    [(b"zz\r\n", BadRequest), (b"0\r\nX: " + b"a" * LIMIT, HeadTooLarge), (b"\n", BadRequest)],
)
def test_a_body_that_breaks_tells_whoever_reads_it(tail: bytes, kind: type[ProxyError]) -> None:
    taken = Taken()
    taken.feed(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n" + tail + REQUESTS[0]
    )
    assert isinstance(taken.requests[0].content.exception(), kind)
    taken.reader.feed(REQUESTS[0])
    assert taken.reader.next() is None  # nothing behind it is a request
    assert not taken.reader.held


@pytest.mark.parametrize(
    "junk", [b"junk\r\n\r\n", b"\x00", b"GET / HTTP/1.1\r\nX: " + b"a" * LIMIT]
)
def test_nothing_is_read_behind_what_is_no_request(junk: bytes) -> None:
    taken = Taken()
    with pytest.raises(ProxyError):
        taken.feed(junk)
    taken.reader.feed(REQUESTS[0])
    assert taken.reader.next() is None


def test_half_an_empty_line_is_no_request_that_has_begun() -> None:
    taken = Taken()
    taken.feed(b"\r\n\r")
    assert not taken.reader.begun
    taken.feed(b"\n" + REQUESTS[0])
    assert len(taken.requests) == 1
