"""A server that writes head and body apart is not kept waiting for an acknowledgement.

Django's runserver and http.server do so. With Nagle's algorithm there and a delayed acknowledgement
here each request took 40 ms.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.message import chunked, get
from tests.support.proxy import proxied

ROUNDS = 50
PARTS = [
    [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"body"],
    [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 4\r\n", b"\r\n", b"body"],
    [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"bo", b"d", b"y"],
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"4\r\n",
        b"body",
        b"\r\n",
        chunked(),
    ],
]


@contextlib.contextmanager
def blocking(parts: list[bytes]) -> Iterator[str]:
    """A server with Nagle's algorithm, which writes each part by itself."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                while connection.recv(10_000):
                    for part in parts:
                        connection.sendall(part)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        thread.join()


@pytest.mark.parametrize("parts", PARTS, ids=["two", "lines", "drops", "chunks"])
async def test_no_part_waits_for_the_one_before(parts: list[bytes]) -> None:
    with blocking(parts) as url:
        async with proxied(url) as proxy, await proxy.connect() as client:
            taken = []
            for _ in range(ROUNDS):
                began = time.monotonic()
                response = await client.ask(get())
                taken.append(time.monotonic() - began)
                assert (response.body, response.ended) == (b"body", "complete")
    # A delayed acknowledgement is 40 ms for every one of them; a busy machine is slow now and then.
    assert min(taken[ROUNDS // 2 :]) < 0.035
