"""What the load's own clients take for an answer."""

import contextlib
import resource
import socket
from collections.abc import Iterator

import pytest

from benchmarks.load.clients.events import EVENT, Stream
from benchmarks.load.clients.latency import Load, percentile, whole
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


def test_it_watches_more_connections_than_select_can(many_files: None) -> None:
    """A server that keeps nobody up with makes the client open one more for each request."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        load = Load(server.getsockname()[1])
        stack.callback(load.close)
        for _ in range(1100):
            load._send(0.0)
            last = stack.enter_context(server.accept()[0])
        last.sendall(OK + b"Content-Length: 178\r\n\r\n" + SMALL)
        load._receive(10.0)
        assert (len(load.taken), load.failed) == (1, 0)
        last.close()  # while it rests
        load._receive(10.0)
        assert load.failed == 0
        assert len(load._asked) == 1099


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many descriptors as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
