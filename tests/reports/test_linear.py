"""What a peer sends costs in proportion to its length, in however many pieces it comes.

A stream of events whose one event came in 60,000 chunks of a byte cost 7 seconds, a ``Refresh``
with 20,000 blanks 6.7 seconds, for everybody. Steps are counted, see ``tests/support/work``;
regular expressions, whose steps cannot be seen, are tried with what they could trip over.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.core.exchange import Exchange
from proxy.core.redaction import conceal
from proxy.core.reply import Reply
from proxy.core.words import plain
from proxy.edge.http1.request_reader import RequestReader
from proxy.http.accept import prefers_events
from proxy.http.authority import valid_host
from proxy.http.cache_control import cache_directives
from proxy.http.chunked import Chunked
from proxy.http.hop_by_hop import end_to_end_request, end_to_end_response, seen_by
from proxy.http.request_id import ensure_ids
from proxy.http.sse import SseScanner as Scanner
from proxy.http.sse import after, ids
from proxy.http.target import normal_path
from proxy.http.upgrade import offered
from proxy.http.vary import selecting_value
from proxy.http.websocket import Frames
from proxy.middleware.cache.asked import content_key
from proxy.middleware.rewrite.locations import LocationRewriter
from proxy.middleware.sse_keepalive.sse_keepalive import SseKeepAlive
from tests.support.events import Feed
from tests.support.loop import Script, get, loop_clock
from tests.support.work import grows_like

BOUND = 1.5
"""Linear, and something for what happens once only."""
EVENTS = ((b"Content-Type", b"text/event-stream"),)


def bytewise(data: bytes) -> Iterable[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


# Bytes that come in pieces


def scanned(size: int) -> None:
    scanner = Scanner()
    for piece in bytewise(b"data: " + b"x" * size):
        scanner.last_end(piece)
        scanner.feed(piece)


def lines(size: int) -> None:
    scanner = Scanner()
    for piece in bytewise(b"a: b\r\n" * (size // 6)):
        scanner.last_end(piece)
        scanner.feed(piece)


def requests(data: bytes) -> None:
    """Heads and bodies, cut out of what comes."""

    async def read() -> None:
        loop = asyncio.get_running_loop()
        connection: Any = SimpleNamespace(_reading_paused=False, pause_reading=lambda: None)
        reader = RequestReader(connection, loop, 1 << 30)
        for piece in bytewise(data):
            reader.feed(piece)
            reader.next()

    asyncio.run(read())


def heads(size: int) -> None:
    requests(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"Upgrade: b\r\n" * (size // 12))


def a_field(size: int) -> None:
    requests(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"b" * size)


def many_requests(size: int) -> None:
    requests(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * (size // 27))


def chunks(size: int) -> None:
    chunked = Chunked(1 << 30)
    for piece in bytewise(b"1;a=b\r\nx\r\n" * (size // 11)):
        chunked.feed(piece)


def an_extension(size: int) -> None:
    chunked = Chunked(1 << 30)
    for piece in bytewise(b"1;" + b"a" * min(size, 2000)):
        chunked.feed(piece)


def trailers(size: int) -> None:
    chunked = Chunked(1 << 30)
    for piece in bytewise(b"0\r\n" + b"a: b\r\n" * (size // 6)):
        chunked.feed(piece)


def frames(size: int) -> None:
    followed = Frames()
    for piece in bytewise(b"\x82\x7f" + size.to_bytes(8, "big") + b"x" * size):
        followed.feed(piece)


def small_frames(size: int) -> None:
    followed = Frames()
    for piece in bytewise(b"\x82\x00" * (size // 2)):
        followed.feed(piece)


def empty_lines(size: int) -> None:
    requests(b"\r\n" * (size // 2) + b"GET / HTTP/1.1\r\n")


def told(on_error: bool, text: Callable[[int], bytes]) -> Callable[[int], None]:
    """The reading of a stream with last words and heartbeats."""

    async def read(size: int) -> None:
        source = Feed(*bytewise(text(size)), b"")
        events = SseKeepAlive(
            Script(Reply(200, EVENTS, source)),
            heartbeat=3600,
            sends_error_event=on_error,
            error_event=lambda _, __: b"",
            clock=loop_clock(),
        )
        reply = await events.handle(get())
        while await reply.read():
            pass

    def run(size: int) -> None:
        asyncio.run(read(size))

    return run


def one_event(size: int) -> bytes:
    return b"data: " + b"x" * size + b"\n\n"


def one_line_after_the_other(size: int) -> bytes:
    return b"data: x\n" * (size // 8) + b"\n"


def comments(size: int) -> bytes:
    return b": x\n" * (size // 4)


IN_PIECES = {
    "events": scanned,
    "lines of events": lines,
    "heads": heads,
    "a field": a_field,
    "many requests": many_requests,
    "chunks": chunks,
    "an extension": an_extension,
    "trailers": trailers,
    "a frame": frames,
    "small frames": small_frames,
    "empty lines": empty_lines,
    "last words, one event": told(True, one_event),
    "last words, lines": told(True, one_line_after_the_other),
    "last words, comments": told(True, comments),
    "heartbeats": told(False, one_event),
}


@pytest.mark.parametrize("name", IN_PIECES)
def test_each_piece_costs_the_same(name: str) -> None:
    assert grows_like(IN_PIECES[name], 400) < BOUND


def test_the_measure_finds_what_is_quadratic(tmp_path: Any) -> None:
    folder = tmp_path / "proxy"
    folder.mkdir()
    file = folder / "slow.py"
    text = "def run(size):\n    held = b''\n    for _ in range(size):\n        held += b'x'\n"
    names: dict[str, Any] = {}
    exec(compile(text, str(file), "exec"), names)
    assert grows_like(names["run"], 400) > 3


# Fields

OURS = Exchange("GET", b"/", (), b"/", host="proxy.test")
LOCATIONS = LocationRewriter(["http://10.0.0.1:9000"], strip="/v1", add="/x")
BLANKS = b" " * 60_000
MANY = 3_900

VALUES = {
    "blanks behind url=": (b"refresh", b"0; url=" + BLANKS + b"x"),
    "blanks before url=": (b"refresh", b"0;" + BLANKS + b"url=/x"),
    "blanks before =": (b"refresh", b"0; url" + BLANKS + b"x"),
    "blanks in the middle": (b"refresh", b"0; url=/x/a" + BLANKS + b"b"),
    "blanks in quotes": (b"refresh", b"0; url='/x/a" + BLANKS + b"b"),
    "blanks at the end": (b"refresh", b"0; url=/x/a" + BLANKS),
    "blanks everywhere": (b"refresh", BLANKS + b"0" + BLANKS + b";" + BLANKS),
    "quotes": (b"refresh", b"0; url='" + b"'\"" * 10_000),
    "digits": (b"refresh", b"1." * 20_000),
    "slashes": (b"location", b"/" * 40_000),
    "backslashes": (b"location", b"http://" + b"a\\" * 20_000),
    "questions": (b"content-location", b"//a" + b"?#" * 20_000),
    "tabs": (b"location", b"/" + b"\t" * 40_000 + b"x"),
    "cookie attributes": (b"set-cookie", b"a=b" + b"; path=/x" * 4_000),
    "cookie domains": (b"set-cookie", b"a=b" + b"; domain=." * 4_000),
    "cookie blanks": (b"set-cookie", b"a=b;" + BLANKS + b"path" + BLANKS + b"=" + BLANKS + b"/"),
}
GENEROUS = 2.0
"""Seconds for what takes a few milliseconds where it is linear, and many where it is not."""


def taken(run: Callable[[], object]) -> float:
    """Processor time: a busy machine does not count."""
    began = time.process_time()
    run()
    return time.process_time() - began


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_any_shape_is_read_in_one_pass(name: str) -> None:
    assert taken(lambda: LOCATIONS.apply([VALUES[name]], OURS)) < GENEROUS


SENTENCES = {
    "a word": "x" * 60_000,
    "words": "x " * 30_000,
    "blanks": "a" + " " * 60_000 + "b",
    "digits": "<a at 0x" + "f" * 60_000,
    "errors": "A" + "Error" * 12_000,
    "errors one by one": "AError: " * 7_500,
    "objects that do not end": "a:<a at 0x" * 6_000,
    "dots": "<" + "a." * 30_000,
    "bytes that do not end": "b'\\" * 20_000,
    "names of parameters": "?" + "a?" * 30_000,
    "fields": "cookie: " * 7_500,
    "logins": "bearer " + " " * 60_000,
    "addresses": "http://" + "a@" * 30_000,
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_that_shows_what_a_peer_said_is_made_in_one_pass(name: str) -> None:
    assert taken(lambda: plain(conceal(SENTENCES[name]))) < GENEROUS
    assert taken(lambda: plain(SENTENCES[name])) < GENEROUS


LISTS: dict[str, Callable[[int], object]] = {
    "Connection lists": lambda n: end_to_end_request(
        [(b"Connection", b", ".join(b"t%d" % i for i in range(n)))] + [(b"a", b"b")] * n
    ),
    "Connection fields": lambda n: end_to_end_response(
        [(b"Connection", b"t%d" % i) for i in range(n)]
    ),
    "Via lists": lambda n: seen_by([(b"Via", b", ".join([b"1.1 a"] * n))], "x"),
    "Via fields": lambda n: seen_by([(b"Via", b"1.1 a")] * n, "x"),
    "request ids": lambda n: ensure_ids([(b"X-Request-Id", b"a")] * n),
    "traces": lambda n: ensure_ids([(b"traceparent", b"a"), (b"tracestate", b"b")] * n),
    "upgrades": lambda n: offered([(b"Upgrade", b"a"), (b"Connection", b"upgrade")] * n),
    "locations": lambda n: LOCATIONS.apply([(b"location", b"/x/a")] * n, OURS),
    "accepts": lambda n: prefers_events([(b"Accept", b"a/b;q=0.1")] * n),
    "an Accept": lambda n: prefers_events([(b"Accept", b'a/b;x=",";q=0.1,' * n)]),
    "quotes in Accept": lambda n: prefers_events([(b"Accept", b'"\\' * n)]),
    "odd quotes in Accept": lambda n: prefers_events([(b"Accept", b'a;"' * n + b"\\")]),
    "quotes in Cache-Control": lambda n: cache_directives([b'a="' + b'\\"' * n * 4 + b"\\"]),
    "odd quotes in Cache-Control": lambda n: cache_directives([b'a;"' * n + b"\\"]),
    "quotes that Vary names": lambda n: selecting_value([(b"a", b'"\\' * n * 10)], b"a"),
    "blanks that Vary names": lambda n: selecting_value(
        [(b"a", b"x" + b" " * n * 20 + b"x")], b"a"
    ),
    "commas that Vary names": lambda n: selecting_value([(b"a", b" , ," * n * 10)], b"a"),
    "quotes in Accept that Vary names": lambda n: selecting_value(
        [(b"accept", b'A="\\"="' * n * 10)], b"accept"
    ),
    "fields that shape replies": lambda n: content_key(
        Exchange("POST", b"/", [(b"%d-Beta" % i, b"") for i in range(n)], b"/"), b"", b"{}"
    ),
    "a host": lambda n: valid_host(b"a" * n + b" "),
    "dots": lambda n: normal_path(b"/a/.." * n),
    "escapes": lambda n: normal_path(b"/%41%2f" * n),
    "ids": lambda n: list(ids(b"\nid: 1\n\n" * n)),
    "ids without an end": lambda n: list(ids(b"\nid: 1" * n)),
    "an id that is not there": lambda n: after(b"\nid: 1\n\n" * n + b"\nid: 12", b"12", whole=True),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_any_length_is_read_in_one_pass(name: str) -> None:
    assert grows_like(LISTS[name], 200, pieces=False) < BOUND
    assert taken(lambda: LISTS[name](MANY)) < GENEROUS
