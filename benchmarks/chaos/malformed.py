"""Requests that nobody may take for good ones, and replies of the same sort."""

from typing import Final

MALFORMED: Final[dict[str, bytes]] = {
    "length and chunked": b"POST %t HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST %t HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"
    b"hello!",
    "no length": b"POST %t HTTP/1.1\r\nHost: c\r\nContent-Length: -5\r\n\r\nhello",
    "space before the colon": b"GET %t HTTP/1.1\r\nHost: c\r\nX-A : b\r\n\r\n",
    "a NUL in a value": b"GET %t HTTP/1.1\r\nHost: c\r\nX-A: b\0c\r\n\r\n",
    "a folded line": b"GET %t HTTP/1.1\r\nHost: c\r\nX-A: b\r\n c\r\n\r\n",
    "no version": b"GET %t\r\nHost: c\r\n\r\n",
    "version 3": b"GET %t HTTP/3.0\r\nHost: c\r\n\r\n",
    "no Host": b"GET %t HTTP/1.1\r\nX-A: b\r\n\r\n",
    "two Hosts": b"GET %t HTTP/1.1\r\nHost: c\r\nHost: d\r\n\r\n",
    "unknown coding": b"POST %t HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
    b"0\r\n\r\n",
    "a bad method": b"G@T %t HTTP/1.1\r\nHost: c\r\n\r\n",
    "a bare CR": b"GET %t HTTP/1.1\r\nHost: c\r\nX-A: b\rX-B: c\r\n\r\n",
    "no name": b"GET %t HTTP/1.1\r\nHost: c\r\n: b\r\n\r\n",
    "no line but a bare LF": b"GET %t HTTP/1.1\nHost: c\n\n",
    "two spaces": b"GET  %t HTTP/1.1\r\nHost: c\r\n\r\n",
    "another protocol": b"GET %t RTSP/1.0\r\nHost: c\r\n\r\n",
    "a long head": b"GET %t HTTP/1.1\r\nHost: c\r\nX-A: " + b"a" * 40_000 + b"\r\n\r\n",
}
"""Heads that must not reach a server; ``%t`` stands for the target."""


def malformed(wrong: str, target: str, name: str) -> bytes:
    """One of them, whole; ``name`` is its X-Request-Id, where there is a Host to put it behind."""
    named = f"Host: c\r\nX-Request-Id: {name}\r\n".encode()
    whole = MALFORMED[wrong].replace(b"%t", target.encode())
    return whole.replace(b"Host: c\r\n", named, 1)


BROKEN: Final[dict[str, bytes]] = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "no status": b"HTTP/1.1 \r\nContent-Length: 0\r\n\r\n",
    "a word for a status": b"HTTP/1.1 two OK\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n%n\r\nabcd",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
    b"%n\r\n3\r\nabc\r\n0\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n%n\r\n",
    "a NUL in a value": b"HTTP/1.1 200 OK\r\nX-A: b\0\r\nContent-Length: 0\r\n%n\r\n",
    "a 101 that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
    b"Upgrade: chaos\r\n%n\r\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n%n\r\n",
    "a bare CR": b"HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\nContent-Length: 0\r\n%n\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: b\r\nContent-Length: 0\r\n%n\r\n",
    "a long head": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n",
}
"""Replies that no client may see; ``%n`` stands for a field that says so."""
