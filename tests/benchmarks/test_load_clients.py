"""What the load's own clients take for an answer."""

import pytest

from benchmarks.load.clients.events import EVENT, Stream
from benchmarks.load.clients.latency import percentile, whole
from benchmarks.load.servers.upstream import SMALL


def test_the_small_reply_has_its_178_bytes() -> None:
    assert len(SMALL) == 178


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\nb2\r\n" + SMALL


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        (OK + b"Content-Length: 178\r\n\r\n" + SMALL, True),
        (OK + b"content-length:178\r\n\r\n" + SMALL, True),
        (OK + b"Content-Length: 178\r\n\r\n" + SMALL[:-1], False),
        (OK + b"Content-Length: 178\r\n", False),
        (CHUNKED + b"\r\n0\r\n\r\n", True),
        (CHUNKED + b"\r\n", False),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 178\r\n\r\n" + SMALL, False),
        # Caddy's answer to a host that it does not serve.
        (OK + b"Content-Length: 0\r\n\r\n", False),
    ],
)
def test_only_a_complete_200_from_the_upstream_is_an_answer(data: bytes, complete: bool) -> None:
    assert whole(data) == complete


@pytest.mark.parametrize(("part", "value"), [(0.5, 51.0), (0.99, 100.0), (1.0, 100.0)])
def test_a_percentile_is_a_value_that_was_measured(part: float, value: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], part) == value


@pytest.mark.parametrize("cut", range(1, 20))
def test_an_event_that_comes_in_two_parts_counts_once(cut: int) -> None:
    data = b"14\r\ndata: 1.0000000\n\n\r\n"
    late: list[float] = []
    stream = Stream(late)
    stream.data_received(data[:cut])
    stream.data_received(data[cut:])
    assert len(late) == stream.events == len(EVENT.findall(data)) == 1
