"""Where one request ends and the next one begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.edge.boundary import Boundary

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\na\r\n\r\nbc"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"


def length(request: bytes) -> int | None:
    return 7 if request is POST else None


def test_nothing_has_been_crossed_at_the_start() -> None:
    assert Boundary().crossed is False


@pytest.mark.parametrize("request_", [GET, POST, CHUNKED])
@pytest.mark.parametrize(
    "rest", [b"", b"G", b"GET / HT", b"\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n"]
)
@given(cuts=st.lists(st.integers(1, 60), max_size=4))
def test_the_start_of_another_head_is_noticed_in_any_pieces(
    request_: bytes, rest: bytes, cuts: list[int]
) -> None:
    data = request_ + rest
    head_end = request_.index(b"\r\n\r\n") + 4
    boundary = Boundary()
    start = 0
    for cut in sorted({*cuts, len(data)}):
        piece = data[start:cut]
        if piece:
            arrived = int(start < head_end <= cut)
            boundary.feed(piece, arrived, length(request_) if arrived else None)
            start = cut
    assert boundary.crossed is bool(rest.strip())  # an empty line is no head yet


def test_behind_several_heads_a_length_cannot_be_counted() -> None:
    boundary = Boundary()
    boundary.feed(GET + POST, 2, 7)
    assert boundary.crossed is None
    boundary.clean()
    assert boundary.crossed is False
