"""What a head says of its body and its connection (RFC 9112 6.3, 9.3)."""

import pytest

from proxy.http.framing import CHUNKED, UNTIL_CLOSE
from proxy.upstream.http1.reply_head import ReplyHeadParser

NEW, OLD = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n"
CODED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("head", "bodiless", "length", "closes"),
    [
        (NEW + b"Content-Length: 5\r\n", False, 5, False),
        (NEW + b"Content-Length: 5\r\n", True, 0, False),
        (NEW + CODED, False, CHUNKED, False),
        (NEW + CODED, True, 0, False),
        (NEW, False, UNTIL_CLOSE, True),
        (NEW, True, 0, False),
        (NEW + b"Connection: x, Close\r\nContent-Length: 5\r\n", False, 5, True),
        (OLD + b"Content-Length: 5\r\n", False, 5, True),
        (OLD + b"Connection: Keep-Alive\r\nContent-Length: 5\r\n", False, 5, False),
        (OLD + b"Connection: keep-alive\r\n" + CODED, False, CHUNKED, True),
        (b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n", False, 0, False),
        (b"HTTP/1.1 304 No\r\n" + CODED, False, 0, False),
        (b"HTTP/1.1 103 Hints\r\n", False, 0, False),
    ],
)
def test_the_body_is_delimited(head: bytes, bodiless: bool, length: int, closes: bool) -> None:
    response, end = ReplyHeadParser(bodiless=bodiless).feed(head + b"\r\nbody")
    assert response is not None
    assert (response.length, response.closes) == (length, closes)
    assert end == len(head) + 2
