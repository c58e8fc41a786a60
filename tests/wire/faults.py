"""Ways in which an upstream misbehaves, and what the client is told of each."""

import asyncio
from typing import Any, NamedTuple

from tests.support.message import CHUNKED_HEAD, OK, chunked, length
from tests.support.upstream import Connection, Request, Script

SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ONCE = {"retry": {"attempts": 1}}
IDLE = {"timeouts": {"idle": "300ms", "first_byte": "700ms"}, **ONCE}
JUNK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"


class Fault(NamedTuple):
    """What the upstream does, and what the client is told instead."""

    name: str
    script: Script
    status: int
    error: str
    options: dict[str, Any] = ONCE


async def _endless(connection: Connection, _: Request) -> None:
    while not connection.closed.is_set():
        await connection.send(b"a" * 10_000)
        await asyncio.sleep(0)


async def _endless_fields(connection: Connection, _: Request) -> None:
    while not connection.closed.is_set():
        await connection.send(b"X-Pad: %s\r\n" % (b"p" * 500) * 20)
        await asyncio.sleep(0)


async def _dripping_fields(connection: Connection, _: Request) -> None:
    while not connection.closed.is_set():
        await connection.send(b"X-Drip: 1\r\n")
        await asyncio.sleep(0.01)


async def _interim_for_ever(connection: Connection, _: Request) -> None:
    while not connection.closed.is_set():
        await connection.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0.01)


def reply(fields: bytes, body: bytes = b"", line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """A reply with exactly these fields."""
    return line + b"\r\n" + fields + b"\r\n" + body


TERMINATED, PROTOCOL = "connection_terminated", "http_protocol_error"
TOO_LARGE, LATE = "http_response_header_section_size", "http_response_timeout"

BEFORE_THE_HEAD = [
    Fault("closes", ["fin"], 502, TERMINATED),
    Fault("resets", ["rst"], 502, TERMINATED),
    Fault("says nothing", ["hold"], 504, LATE, IDLE),
    Fault("closes in the status line", [b"HTTP/1.1 2", "fin"], 502, TERMINATED),
    Fault("closes in the fields", [b"HTTP/1.1 200 OK\r\nContent-Le", "fin"], 502, TERMINATED),
    Fault("resets in the fields", [b"HTTP/1.1 200 OK\r\nContent-Le", 0.01, "rst"], 502, TERMINATED),
    Fault("stalls in the fields", [b"HTTP/1.1 200 OK\r\nX-A: 1\r\n", "hold"], 504, LATE, IDLE),
    Fault("drips its head", [b"HTTP/1.1 200 OK\r\n", _dripping_fields], 504, LATE, IDLE),
    Fault("only interim replies, then closes", [CONTINUE * 3, "fin"], 502, TERMINATED),
    Fault("interim replies for ever", [_interim_for_ever], 504, LATE, IDLE),
    Fault("speaks something else", [b"SSH-2.0-OpenSSH_9.2\r\n", "hold"], 502, PROTOCOL, IDLE),
    Fault("speaks HTTP/0.9", [b"<html>hello</html>\r\n", "fin"], 502, PROTOCOL),
    Fault("speaks TLS", [b"\x15\x03\x01\x00\x02\x02\x46", "fin"], 502, PROTOCOL),
    Fault("a status that is a word", [reply(b"", line=b"HTTP/1.1 OK 200"), "fin"], 502, PROTOCOL),
    Fault("a status of two digits", [reply(b"", line=b"HTTP/1.1 20 OK"), "fin"], 502, PROTOCOL),
    Fault("another version", [reply(b"", line=b"HTTP/2.0 200 OK"), "fin"], 502, PROTOCOL),
    Fault("an endless status line", [b"HTTP/1.1 200 ", _endless], 502, TOO_LARGE, IDLE),
    Fault("endless fields", [b"HTTP/1.1 200 OK\r\n", _endless_fields], 502, TOO_LARGE, IDLE),
    Fault("one field of 200 KB", [reply(b"X-A: %s\r\n" % (b"a" * 200_000))], 502, TOO_LARGE),
    Fault("a field without a colon", [reply(b"bogus\r\nContent-Length: 0\r\n")], 502, PROTOCOL),
    Fault("NUL in a value", [reply(b"X-A: 1\x00b\r\nContent-Length: 0\r\n")], 502, PROTOCOL),
    Fault("CR in a value", [reply(b"X-A: 1\rb\r\nContent-Length: 0\r\n")], 502, PROTOCOL),
    Fault("a bell in a value", [reply(b"X-A: 1\x07b\r\nContent-Length: 0\r\n")], 502, PROTOCOL),
    Fault(
        "two lengths", [reply(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"ok")], 502, PROTOCOL
    ),
    Fault("a negative length", [reply(b"Content-Length: -1\r\n", b"ok"), "fin"], 502, PROTOCOL),
    Fault("a huge length", [reply(b"Content-Length: %s\r\n" % (b"9" * 23)), "fin"], 502, PROTOCOL),
    Fault(
        "length and coding",
        [reply(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")],
        502,
        PROTOCOL,
    ),
    Fault(
        "an unasked 101",
        [
            reply(
                b"Connection: upgrade\r\nUpgrade: x\r\n", JUNK, b"HTTP/1.1 101 Switching Protocols"
            ),
            "hold",
        ],
        502,
        PROTOCOL,
        IDLE,
    ),
]


class Cut(NamedTuple):
    """A body that breaks, how much of it the client gets, and what of it ends how."""

    name: str
    script: Script
    body: bytes
    options: dict[str, Any] = ONCE
    error: str = "http_response_incomplete"


AFTER_THE_HEAD = [
    Cut("closes without a body", [SHORT, "fin"], b""),
    Cut("short of its length, closes", [SHORT, b"01234", "fin"], b"01234"),
    Cut("short of its length, resets", [SHORT, b"01234", 0.02, "rst"], b"01234"),
    Cut("short of its length, stalls", [SHORT, b"01234", "hold"], b"01234", IDLE, LATE),
    Cut("closes within a chunk", [CHUNKED_HEAD, b"64\r\n01234", "fin"], b"01234"),
    Cut("resets within a chunk", [CHUNKED_HEAD, b"64\r\n01234", 0.02, "rst"], b"01234"),
    Cut("closes between chunks", [CHUNKED_HEAD, b"5\r\nhello\r\n", "fin"], b"hello"),
    Cut("closes in a size", [CHUNKED_HEAD, b"5\r\nhello\r\n6", "fin"], b"hello"),
    Cut("closes before the last line", [CHUNKED_HEAD, b"5\r\nhello\r\n0\r\n", "fin"], b"hello"),
    Cut("stalls between chunks", [CHUNKED_HEAD, b"5\r\nhello\r\n", "hold"], b"hello", IDLE, LATE),
    Cut("a bad size at once", [CHUNKED_HEAD + b"zz\r\n", "hold"], b"", IDLE),
    Cut(
        "a bad size in a later segment",
        [CHUNKED_HEAD, b"5\r\nhello\r\n", 0.02, b"zz\r\n", "hold"],
        b"hello",
        IDLE,
    ),
    Cut(
        "a negative size later",
        [CHUNKED_HEAD, b"5\r\nhello\r\n", 0.02, b"-5\r\nhello\r\n", "hold"],
        b"hello",
        IDLE,
    ),
    Cut(
        "a chunk that does not end",
        [CHUNKED_HEAD, b"5\r\nhello\r\n", 0.02, b"5\r\nworldX\r\n", "hold"],
        b"helloworld",
        IDLE,
    ),
    Cut(
        "an endless size",
        [CHUNKED_HEAD, b"5\r\nhello\r\n", 0.02, b"5;", _endless],
        b"hello",
        IDLE,
    ),
    Cut(
        "resets a body that ends with its connection",
        [UNTIL_CLOSE, b"hello", 0.02, "rst"],
        b"hello",
    ),
    Cut(
        "stalls in a body that ends with its connection",
        [UNTIL_CLOSE, b"hello", "hold"],
        b"hello",
        IDLE,
        LATE,
    ),
]


ODD = [
    ("a chunk extension", [CHUNKED_HEAD, b"5;a=b\r\nhello\r\n0\r\n\r\n"], 200, b"hello"),
    ("a trailer", [CHUNKED_HEAD, b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"], 200, b"hello"),
    ("3000 tiny chunks", [CHUNKED_HEAD, b"1\r\nx\r\n" * 3000, b"0\r\n\r\n"], 200, b"x" * 3000),
    (
        "a slow body",
        [reply(b"Content-Length: 5\r\n"), *(s for c in b"hello" for s in (bytes([c]), 0.01))],
        200,
        b"hello",
    ),
    (
        "a head in pieces",
        [
            s
            for b in (b"HTT", b"P/1.1 20", b"0 OK\r", b"\nContent-Length: 2\r\n\r", b"\nok")
            for s in (b, 0.005)
        ],
        200,
        b"ok",
    ),
    ("no reason", [reply(b"Content-Length: 2\r\n", b"ok", b"HTTP/1.1 200 ")], 200, b"ok"),
    ("a storm of 1xx", [CONTINUE * 50, OK], 200, b"ok"),
    ("1xx that take their time", [CONTINUE, 0.02, CONTINUE, 0.02, OK], 200, b"ok"),
    ("no framing at all", [b"HTTP/1.1 200 OK\r\n\r\n", b"hello", "fin"], 200, b"hello"),
    ("HTTP/1.0 without framing", [b"HTTP/1.0 200 OK\r\n\r\n", b"hello", "fin"], 200, b"hello"),
    ("junk after a reply", [OK + b"EXTRA"], 200, b"ok"),
    ("a reply too many", [OK + JUNK], 200, b"ok"),
    ("a reply too many, chunked", [CHUNKED_HEAD + chunked(b"ok") + JUNK], 200, b"ok"),
    ("a reply too many after a 204", [reply(b"", JUNK, b"HTTP/1.1 204 No Content")], 204, b""),
    (
        "a body after a 204",
        [reply(b"Content-Length: 5\r\n", b"hello", b"HTTP/1.1 204 No Content")],
        204,
        b"",
    ),
    (
        "a body after a 304",
        [reply(b"Content-Length: 5\r\n", b"hello", b"HTTP/1.1 304 No")],
        304,
        b"",
    ),
    ("a status of 600", [length(b"ok", b"600 Odd")], 600, b"ok"),
]
