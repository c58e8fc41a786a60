"""Heads that need no parser are read as aiohttp's parser reads them."""

import asyncio
import math
from typing import Any

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpResponseParser, RawResponseMessage
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.http.hop_by_hop import end_to_end_response
from proxy.upstream.http1.fast_reply_head import HEAD_LIMIT, FastHead, FastHeadParser

LIMIT = 64 << 10
NAMES = [
    *(b"Server", b"Date", b"content-type", b"ETag", b"X-Request-Id", b"Set-Cookie", b"Via"),
    *(b"Connection", b"Keep-Alive", b"Transfer-Encoding", b"Upgrade", b"Trailer", b"TE"),
    *(b"Content-Length", b"content-length", b"Proxy-Connection", b"X-\xe9", b"X Y", b"", b"X:"),
]
VALUES = [
    *(b"a", b"", b" ", b"\t", b"a b", b"a\tb", b"caf\xe9", b'"x, y"', b"close", b"keep-alive"),
    *(b"2", b"02", b"+2", b"-1", b"2, 2", b"0x2", b"2 ", b"chunked", b"gzip", b"a\rb", b"a\nb"),
    *(b"a\0b", b"\x7f", b"a\r\n b", b"Keep-Alive, X-Named", b"99999999999999999999"),
]
STATUSES = [
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.0 200 OK"),
    *(b"HTTP/1.1 404 Not  Found", b"HTTP/1.1 204 No", b"HTTP/1.1 304 N", b"HTTP/1.1 100 C"),
    *(b"HTTP/1.1 999 x", b"HTTP/1.1  200 OK", b"HTTP/1.1 200 caf\xe9", b"http/1.1 200 OK"),
    *(b"HTTP/1.1 200 OK ", b"HTTP/2.0 200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 503 Busy"),
]
fields = st.tuples(
    st.one_of(st.sampled_from(NAMES), st.binary(max_size=6)),
    st.sampled_from([b":", b": ", b":\t", b" : ", b":  ", b""]),
    st.one_of(st.sampled_from(VALUES), st.binary(max_size=8)),
    st.sampled_from([b"", b" ", b"\t"]),
).map(b"".join)
plain = st.tuples(
    st.sampled_from(NAMES[:7]), st.just(b": "), st.sampled_from(VALUES[:10]), st.just(b"")
).map(b"".join)
heads = st.tuples(
    st.one_of(st.sampled_from(STATUSES[:2]), st.sampled_from(STATUSES), st.binary(max_size=20)),
    st.lists(st.one_of(plain, plain, plain, fields), max_size=4),
    st.sampled_from([b"Content-Length: 2", b"content-length:2", b"Content-Length: 02", b"X: y"]),
).map(lambda parts: b"\r\n".join((parts[0], *parts[1], parts[2])) + b"\r\n\r\n")


def reader() -> FastHeadParser:
    return FastHeadParser(end_to_end_response)


def parsed(data: bytes) -> tuple[RawResponseMessage, bytes]:
    """What aiohttp makes of it: a message, and its body so far."""

    async def run() -> tuple[RawResponseMessage, bytes]:
        loop = asyncio.get_running_loop()
        limits: dict[str, Any] = {
            "max_line_size": LIMIT,
            "max_field_size": LIMIT,
            "max_headers": LIMIT,
        }
        parser = HttpResponseParser(
            BaseProtocol(loop), loop, LIMIT, read_until_eof=True, auto_decompress=False, **limits
        )
        messages, _, _ = parser.feed_data(data)
        ((message, payload),) = messages
        return message, payload.read_nowait()

    return asyncio.run(run())


def same(head: FastHead, data: bytes) -> None:
    message, body = parsed(data)
    assert (message.code, message.version) == (head.code, (1, 1))
    assert message.reason.encode("utf-8", "surrogateescape") == head.reason
    assert list(end_to_end_response(message.raw_headers)) == list(head.fields)
    assert head.encoded.fields is head.fields
    assert head.encoded.lines == b"".join([b"%b: %b\r\n" % field for field in head.fields])
    assert not message.should_close
    assert not message.chunked
    assert not message.upgrade
    assert int(message.headers["Content-Length"]) == head.length
    assert body == data[head.size :][: head.length]


@settings(max_examples=400, deadline=None)
@given(heads)
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n")
def test_what_is_read_is_what_the_parser_reads(head: bytes) -> None:
    data = head + b"ok"
    known = reader()
    for _ in range(2):  # the second time from memory
        found = known.parse(data)
        if found is not None:
            same(found, data)


@settings(max_examples=100, deadline=None)
@given(st.lists(heads, min_size=2, max_size=5))
def test_one_head_after_another_is_read_as_the_parser_reads_it(some: list[bytes]) -> None:
    known = reader()
    for head in (*some, *some):
        found = known.parse(head + b"ok")
        if found is not None:
            same(found, head + b"ok")
            alone = reader().parse(head + b"ok")  # what came before changes nothing
            assert alone is not None
            known_of_others = replace(alone.encoded, alike=found.encoded.alike)
            assert found == replace(alone, encoded=known_of_others)


VARIED = (
    b"HTTP/1.1 200 OK\r\nDate: %d\r\nServer: a\r\nKeep-Alive: max=%d\r\nETag: %d\r\n"
    b"X-Request-Id: %d\r\nContent-Length: %d\r\n\r\n"
)


def test_of_heads_that_differ_in_some_lines_those_are_read() -> None:
    known = reader()
    for number in (*range(5), 3, 1):
        data = VARIED % ((number,) * 5) + b"b" * number
        head = known.parse(data)
        assert head is not None
        same(head, data)
        assert head.encoded.dated
        assert head.encoded.ids == [(b"X-Upstream-Request-Id", b"%d" % number)]
        assert known.parse(data[: -1 - len(b"\r\n\r\n")]) is None
    for odd in (b"a\0", b"1\r\n b", b"1\r\nConnection: close", b"1\r\nContent-Length: 1"):
        line = b"ETag: " + odd
        assert known.parse((VARIED % ((1,) * 5) + b"b").replace(b"ETag: 1", line)) is None


def test_what_names_the_request_comes_in_its_order() -> None:
    known = reader()
    head = b"HTTP/1.1 200 OK\r\nX-Request-Id: %b\r\nx-request-id: b\r\nContent-Length: 0\r\n\r\n"
    for first in (b"a", b"a", b"c", b"d"):
        found = known.parse(head % first)
        assert found is not None
        assert found.encoded.ids is not None
        assert [value for _, value in found.encoded.ids] == [first, b"b"]


def test_heads_of_many_layouts_are_told_apart() -> None:
    known = reader()
    for number in (*range(9), *range(9)):
        fields = b"".join([b"X-%d: %d\r\n" % (each, number) for each in range(number)])
        data = b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 2\r\n\r\nok"
        head = known.parse(data)
        assert head is not None
        same(head, data)
        assert not head.encoded.dated


@pytest.mark.parametrize(
    "line",
    [
        *(b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: keep-alive, X-A"),
        *(b"Upgrade: h2c", b"Content-Length: 2", b"Content-Length: 3", b" folded", b"X Y: z"),
        *(b"X: a\0b", b": empty", b"X-\xe9: a", b"no colon"),
    ],
)
def test_what_leaves_a_doubt_is_left_to_the_parser(line: bytes) -> None:
    assert (
        reader().parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + line + b"\r\n\r\nok") is None
    )


@pytest.mark.parametrize(
    "status", [b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No", b"HTTP/1.1 304 N", b"HTTP/1.1 103 E"]
)
def test_other_versions_and_bodiless_statuses_are_left_to_the_parser(status: bytes) -> None:
    assert reader().parse(status + b"\r\nContent-Length: 2\r\n\r\nok") is None


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", b"HTTP/1.1 2"])
def test_what_is_not_all_here_is_left_to_the_parser(data: bytes) -> None:
    assert reader().parse(data) is None


def test_a_head_without_length_or_over_the_limit_is_left_to_the_parser() -> None:
    assert reader().parse(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n") is None
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: %b\r\n\r\n"
    assert reader().parse(long % (b"a" * 1000)) is not None
    assert reader().parse(long % (b"a" * HEAD_LIMIT)) is None


def test_what_belongs_to_the_connection_or_to_us_goes_no_further() -> None:
    head = reader().parse(
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\nX-Request-Id: a\r\n"
        b"x-b:  c \r\nContent-Length: 0\r\n\r\n"
    )
    assert head is not None
    assert head.encoded.lines == b"X-Upstream-Request-Id: a\r\nx-b: c\r\n"
    assert head.fields == [(b"X-Upstream-Request-Id", b"a"), (b"x-b", b"c")]


def test_another_head_is_not_the_last_one() -> None:
    known = reader()
    data = b"HTTP/1.1 200 OK\r\nETag: %d\r\nContent-Length: 2\r\n\r\nok"
    for number in (1, 1, 2, 1):
        head = known.parse(data % number)
        assert head is not None
        assert head.fields == [(b"ETag", b"%d" % number)]


def test_what_is_said_of_idle_connections_is_read_of_each_head() -> None:
    known = reader()
    head = b"HTTP/1.1 200 OK\r\nKeep-Alive: %b\r\nContent-Length: 0\r\n\r\n"
    for said, usable in [
        (b"timeout=5, max=100", 4.0),
        (b"timeout=5, max=99", 4.0),
        (b"timeout=3, max=98", 2.0),
        (b"max=97", math.inf),
        (b"timeout=1", 0.5),
    ]:
        found = known.parse(head % said)
        assert found is not None
        assert (found.usable, found.fields) == (usable, [])
    found = known.parse(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert found is not None
    assert found.usable == math.inf


def test_what_is_said_twice_of_idle_connections_is_left_to_the_parser() -> None:
    twice = b"Keep-Alive: timeout=5\r\nkeep-alive: timeout=3\r\n"
    assert reader().parse(b"HTTP/1.1 200 OK\r\n" + twice + b"Content-Length: 0\r\n\r\n") is None
