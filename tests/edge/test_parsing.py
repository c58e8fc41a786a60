"""Methods that the parser does not know, and what its complaints mean."""

import pytest
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import (
    BadRequest,
    HeadTooLarge,
    ProxyError,
    TargetTooLong,
    UnsupportedCoding,
)
from proxy.edge.parsing import MethodGate, parse_error


@pytest.mark.parametrize(
    ("data", "parsed", "method"),
    [
        (b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n", ""),
        (b"PROPFIND / HTTP/1.1\r\n", b"PROPFIND / HTTP/1.1\r\n", ""),
        (b"CONNECT a:1 HTTP/1.1\r\n", b"CONNECT a:1 HTTP/1.1\r\n", ""),
        (b"BREW / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n", "BREW"),
        (b"get / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n", "get"),
        (b"\r\nBREW / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n", "BREW"),
        # for the parser to refuse
        (b"BREW", b"", ""),
        (b"BREW\t/ HTTP/1.1\r\n", b"BREW\t/ HTTP/1.1\r\n", ""),
        (b"\x16\x03\x01\x02", b"\x16\x03\x01\x02", ""),
        (b"B(W / HTTP/1.1\r\n", b"B(W / HTTP/1.1\r\n", ""),
        (b"B" * 33 + b" / HTTP/1.1\r\n", b"B" * 33 + b" / HTTP/1.1\r\n", ""),
    ],
)
def test_a_method_that_is_a_token_goes_through(data: bytes, parsed: bytes, method: str) -> None:
    gate = MethodGate()
    assert gate.admit(data) == parsed
    assert gate.take() == method
    assert gate.take() == ""


@given(
    method=st.sampled_from([b"GET", b"BREW", b"get", b"M-SEARCH", b"X" * 31]),
    cuts=st.lists(st.integers(1, 40)),
)
def test_pieces_are_the_same_as_the_whole(method: bytes, cuts: list[int]) -> None:
    data = method + b" /a HTTP/1.1\r\nHost: a\r\n\r\n"
    whole = MethodGate()
    wanted = whole.admit(data)
    pieces = MethodGate()
    fed = b""
    start = 0
    for cut in [*sorted(set(cuts)), len(data)]:
        piece, start = data[start:cut], max(start, cut)
        if piece:
            fed += piece if fed else pieces.admit(piece)
    assert (fed, pieces.take()) == (wanted, whole.take())


@pytest.mark.parametrize(
    ("error", "message", "kind"),
    [
        (LineTooLong("GET /aaa", "100"), "", TargetTooLong),
        (LineTooLong("X-A: aaa", "101"), "", HeadTooLarge),
        (BadHttpMessage("x"), "Too many headers received", HeadTooLarge),
        (
            BadHttpMessage("x"),
            "Request has invalid `Transfer-Encoding`:\n\n b''",
            UnsupportedCoding,
        ),
        (BadHttpMessage("x"), "Content-Length can't be present with Transfer-Encoding", BadRequest),
        (BadHttpMessage("x"), "Invalid header token:\n\n  b'X'", BadRequest),
        (None, "", BadRequest),
    ],
)
def test_a_complaint_becomes_one_of_our_errors(
    error: Exception | None, message: str, kind: type[ProxyError]
) -> None:
    if isinstance(error, LineTooLong):
        error.args = (error.args[0], int(error.args[1]))
    found = parse_error(error, message, 100)
    assert type(found) is kind
    assert "\n" not in found.detail
