"""What a head says of its body and its connection (RFC 9112 6.3, 9.3)."""

import math

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


@pytest.mark.parametrize(
    ("fields", "usable"),
    [
        (b"", math.inf),
        (b"Set-Cookie: timeout=5\r\n", math.inf),
        (b"Keep-Alive: timeout=5\r\nConnection: keep-alive\r\n", 4.0),
        (b"keep-alive: timeout=5\r\nKeep-Alive: timeout=3\r\nKeep-Alive: max=1\r\n", 2.0),
        (b"Keep-Alive: timeout=1\r\n", 0.5),
    ],
)
def test_it_says_for_how_long_its_connection_may_be_idle(fields: bytes, usable: float) -> None:
    response, _ = ReplyHeadParser(bodiless=False).feed(NEW + fields + CODED + b"\r\n")
    assert response is not None
    assert response.usable == usable
