"""Client and upstream of the proxy under count, in lock-step on one thread.

A process of its own, so that nothing of it is counted. Each side speaks only when the other has
heard: every request and every chunk is one read for the proxy, however slow the machine is.
Commands come on standard input: ``KIND PROXY_PORT COUNT``; each is answered with ``done``. The kind
``ask:HEX`` sends the request whose bytes these are. The upstream has every address of 127.0.0.0/8.
"""

import json
import select
import socket
import sys
from email.utils import formatdate
from typing import Final

PATIENCE: Final = 20.0
CHUNK: Final = b"x" * (16 << 10)
SMALL: Final = json.dumps({"items": ["x" * 20] * 6, "total": 6}).encode()
DOCUMENT: Final = b"y" * (4 << 10)
LARGE: Final = b"w" * (60 << 10)
"""With its head it is one segment on loopback, so that the proxy has it in one read."""

HOST: Final = b"Host: api.test\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n"
PRODUCTION: Final = (
    b"Host: api.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
    b"Accept: application/json\r\nAccept-Language: en-GB,en;q=0.8\r\nAccept-Encoding: gzip, br\r\n"
    b"Authorization: Bearer %b\r\nCookie: session=%b; theme=dark\r\n"
    b"Origin: https://app.test\r\nReferer: https://app.test/items\r\nCache-Control: no-cache\r\n"
    b"Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nDNT: 1\r\n"
    b"X-Client-Version: 4.11.2\r\nX-Tenant: acme\r\nX-Region: eu-west-1\r\n"
    b"Connection: keep-alive\r\n"
) % (b"e" * 800, b"s" * 64)
"""What a browser or a service sends in earnest; each request has a query and a trace of its own."""
TRACE: Final = b"traceparent: 00-%032x-%016x-01\r\n"
REPLY: Final = (
    b"HTTP/1.1 200 OK\r\nServer: upstream\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nCache-Control: no-store\r\n\r\n"
)
STORED: Final = (
    b"HTTP/1.1 200 OK\r\nDate: %b\r\nServer: upstream\r\nContent-Type: text/plain\r\n"
    b'Content-Length: %d\r\nCache-Control: %b\r\nETag: "a"\r\n\r\n'
)
"""Its date, its length, and whether it may be stored."""
PAGE: Final = b"z" * 1024
VARIED: Final = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: upstream\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: %d\r\nCache-Control: no-store\r\nVary: Accept-Encoding\r\n"
    b'ETag: "%016x"\r\nX-Request-Id: %032x\r\nX-Runtime: 0.%06d\r\n\r\n'
)
"""Replies of which no two are alike."""


class Peer:
    """Both ends of the proxy: one client connection, and those that it opens towards us."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("", 0))
        self.port = self._listener.getsockname()[1]
        self._upstreams: list[socket.socket] = []
        self._client: tuple[int, socket.socket] | None = None
        self._number = 0
        self._hits = 0
        """The port of the proxy that has what is asked for again and again."""

    def run(self, kind: str, proxy: int, count: int) -> None:
        """``count`` requests, or one request with ``count`` chunks."""
        client = self._connected(proxy)
        if kind == "get":
            for _ in range(count):
                self._exchange(client, b"GET /v1/items HTTP/1.1\r\n" + HOST + b"\r\n")
        elif kind == "get-large":
            for _ in range(count):
                request = b"GET /v1/large HTTP/1.1\r\n" + HOST + b"\r\n"
                self._exchange(client, request, REPLY % len(LARGE) + LARGE)
        elif kind == "post":
            head = b"POST /v1/items HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n"
            for _ in range(count):
                self._exchange(client, head % (HOST, len(DOCUMENT)) + DOCUMENT)
        elif kind == "get-production":
            for _ in range(count):
                self._varied(client, b"GET", b"", b"")
        elif kind == "post-production":
            fields = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(DOCUMENT)
            for _ in range(count):
                self._varied(client, b"POST", fields, DOCUMENT)
        elif kind == "hit":
            self._hit(client, proxy, count)
        elif kind in ("miss", "miss-stored"):
            life = b"max-age=3600" if kind == "miss-stored" else b"no-store"
            for _ in range(count):
                self._number += 1
                line = b"GET /v1/items/%d HTTP/1.1\r\n" % self._number
                self._exchange(client, line + HOST + b"\r\n", storable(life))
        elif kind.startswith("ask:"):
            request = bytes.fromhex(kind.removeprefix("ask:"))
            for _ in range(count):
                self._exchange(client, request)
        elif kind == "download":
            self._download(client, count)
        elif kind == "upload":
            self._upload(client, count)
        else:
            raise ValueError(kind)

    def _hit(self, client: socket.socket, proxy: int, count: int) -> None:
        """Requests that the proxy answers from its store, but for the very first one."""
        request = b"GET /v1/hit HTTP/1.1\r\n" + HOST + b"\r\n"
        for _ in range(count):
            if self._hits == proxy:
                client.sendall(request)
                received(client)
            else:
                self._exchange(client, request, storable(b"max-age=3600"))
                self._hits = proxy

    def _varied(self, client: socket.socket, method: bytes, fields: bytes, body: bytes) -> None:
        """A request and a reply that are like no other."""
        self._number = number = self._number + 1
        line = b"%b /v1/items/%d?page=%d HTTP/1.1\r\n" % (method, number, number % 7)
        trace = TRACE % (number, number)
        request = line + PRODUCTION + trace + fields + b"\r\n" + body
        reply = VARIED % (len(SMALL), number, number, number) + SMALL
        self._exchange(client, request, reply)

    def _exchange(
        self, client: socket.socket, request: bytes, reply: bytes = REPLY % len(SMALL) + SMALL
    ) -> None:
        client.sendall(request)
        upstream = self._asked()
        upstream.sendall(reply)
        received(client)

    def _download(self, client: socket.socket, count: int) -> None:
        client.sendall(b"GET /download HTTP/1.1\r\n" + HOST + b"\r\n")
        upstream = self._asked()
        upstream.sendall(REPLY % (count * len(CHUNK)))
        head(client)
        for _ in range(count):
            upstream.sendall(CHUNK)
            exactly(client, len(CHUNK))

    def _upload(self, client: socket.socket, count: int) -> None:
        line = b"POST /upload HTTP/1.1\r\n"
        client.sendall(line + HOST + b"Content-Length: %d\r\n\r\n" % (count * len(CHUNK)))
        upstream = self._heard()
        head(upstream)
        for _ in range(count):
            client.sendall(CHUNK)
            exactly(upstream, len(CHUNK))
        upstream.sendall(REPLY % len(SMALL) + SMALL)
        received(client)

    def _connected(self, proxy: int) -> socket.socket:
        if self._client is None or self._client[0] != proxy:
            connection = socket.create_connection(("127.0.0.1", proxy), PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client = proxy, connection
        return self._client[1]

    def _asked(self) -> socket.socket:
        """The connection on which a whole request has come."""
        upstream = self._heard()
        received(upstream)
        return upstream

    def _heard(self) -> socket.socket:
        """The connection on which the proxy speaks, one that it has or a new one."""
        while True:
            ready, _, _ = select.select([self._listener, *self._upstreams], [], [], PATIENCE)
            if not ready:
                raise TimeoutError("the proxy asks for nothing")
            for connection in ready:
                if connection is self._listener:
                    upstream = self._listener.accept()[0]
                    upstream.settimeout(PATIENCE)
                    upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._upstreams.append(upstream)
                elif connection.recv(1, socket.MSG_PEEK):
                    return connection
                else:
                    self._upstreams.remove(connection)


def storable(life: bytes) -> bytes:
    """A reply of 1 KiB; ``life``: its Cache-Control."""
    now = formatdate(usegmt=True).encode()
    return STORED % (now, len(PAGE), life) + PAGE


def head(connection: socket.socket) -> bytes:
    """A head, up to its end and not further, as nothing follows before we go on."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += some(connection, 1 << 16)
    return data


def received(connection: socket.socket) -> None:
    """A whole message with a Content-Length or without a body."""
    whole, _, rest = head(connection).partition(b"\r\n\r\n")
    _, found, length = whole.lower().partition(b"\r\ncontent-length: ")
    if found:
        exactly(connection, int(length.split(b"\r\n")[0]) - len(rest))


def exactly(connection: socket.socket, size: int) -> None:
    """As many bytes."""
    while size > 0:
        size -= len(some(connection, size))


def some(connection: socket.socket, size: int) -> bytes:
    """At least one byte."""
    data = connection.recv(size)
    if not data:
        raise ConnectionError("the proxy hung up")
    return data


def main() -> None:
    """Say the port, then do as told until standard input ends."""
    peer = Peer()
    print(peer.port, flush=True)
    for line in sys.stdin:
        kind, proxy, count = line.split()
        peer.run(kind, int(proxy), int(count))
        print("done", flush=True)


if __name__ == "__main__":
    main()
