"""The two ways of reading a request agree, whatever comes: on what is taken, and on every byte."""

import asyncio
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.errors import ProxyError
from proxy.core.exchange import Exchange
from proxy.edge.http1.fast_request_head import FastHeadReader
from proxy.edge.http1.request_reader import RequestReader
from proxy.edge.intake import Intake
from proxy.edge.options import ServerOptions, ServerTlsOptions
from proxy.http.fields import RawHeaders, encode
from proxy.http.request_id import ID_FIELDS
from tests.support.client_stream import FakeClientStream
from tests.support.request_lines import BODIES, FIRST, NAMED, ODD, TRACE, USUAL

lines = st.lists(
    st.one_of(
        st.sampled_from(USUAL),
        st.sampled_from(ODD),
        st.builds(b"X-%d: %d".__mod__, st.tuples(st.integers(0, 3), st.integers(0, 99))),
    ),
    max_size=7,
)
requests = st.tuples(
    st.sampled_from([b"GET /a HTTP/1.1", b"POST /p HTTP/1.1"]) | st.sampled_from(FIRST),
    st.booleans(),
    lines,
    st.sampled_from(BODIES),
)


class Listener:
    """Reads requests in both ways; the fast one learns from the long one."""

    def __init__(self, **options: Any) -> None:
        self.options = ServerOptions(**options)
        self.intake = Intake(self.options, "00c0ffee")
        self.fast = FastHeadReader(self.options)

    def ask(self, data: bytes, *, peer: str = "192.0.2.1", scheme: str = "http") -> bool:
        """Whether it is read fast. Fails where the ways differ."""
        fast = self.fast.read(data, peer, scheme)
        long = self._long(data, peer, scheme)
        if fast is not None:
            assert long is not None, data
            assert seen(*fast) == seen(*long), data
        return fast is not None

    def _long(self, data: bytes, peer: str, scheme: str) -> tuple[Exchange, RawHeaders] | None:
        listener = self

        class Stream(FakeClientStream):
            def remember(self, raw: RawHeaders) -> None:
                assert request is not None
                if alone and request.head.keep_alive:  # as edge/http1/connection has it
                    listener.fast.learn(data, self.exchange, raw, peer, scheme)

        stream = Stream(peer=peer, scheme=scheme)
        reader = RequestReader(
            stream,  # type: ignore[arg-type]
            asyncio.get_running_loop(),
            self.options.max_header_size,
        )
        reader.feed(data)
        try:
            request = reader.next()
            if request is None:
                return None
            alone = not reader.begun and not reader.midway
            stream.exchange = exchange = self.intake.open(request, stream)
            if not self.intake.admit(exchange, request, stream):
                return None
        except ProxyError:
            return None
        return (exchange, request.raw_headers) if alone else None


def seen(exchange: Exchange, raw: RawHeaders) -> dict[str, Any]:
    """All that is known of it, but for what is new in each request."""
    assert encode(exchange.headers, exchange.encoded) == encode(exchange.headers, None)
    given = {(name.lower(), value) for name, value in raw}
    own = {
        name: getattr(exchange, name)
        for name in Exchange.__struct_fields__
        if name not in ("body", "encoded", "headers", "record", "request_id", "started_at")
    }
    fields = []
    for name, value in exchange.headers:
        if (low := name.lower()) in ID_FIELDS and (low, value) not in given:
            assert re.fullmatch(rb"(00-)?[0-9a-f]{32}(-[0-9a-f]{16}-01)?", value)
            fields.append((name, b"new"))
        else:
            fields.append((name, value))
    ids = [value for name, value in exchange.headers if name.lower() == b"x-request-id"]
    body = exchange.body
    own["named"] = ids == [exchange.request_id.encode()]
    own["body"] = (type(body), body.buffered, body.framing, body.length, body.received)
    return {**own, "fields": fields, "raw": list(raw)}


def made(first: bytes, hosted: bool, fields: list[bytes], body: bytes) -> bytes:
    """The bytes of a request."""
    named = [b"Host: api.test"] if hosted else []
    return b"\r\n".join([first, *named, *fields, b"", body])


LEARNT = made(b"GET /a HTTP/1.1", True, [], b"")
LISTENERS: list[dict[str, Any]] = [
    {},
    {"trusted_proxies": ["192.0.2.0/24"]},
    {"via": False, "forwarded": "off"},
    {"strict": True, "max_body": 2, "forwarded": "x"},
    {"tls": ServerTlsOptions(certificates=(), client_auth="off")},
    {"tls": ServerTlsOptions(certificates=(), client_auth="required"), "max_header_size": 120},
]


@pytest.mark.parametrize("options", LISTENERS, ids=lambda options: "-".join(options) or "defaults")
@given(st.lists(requests, min_size=2, max_size=12))
@settings(max_examples=100, deadline=None)
def test_what_is_read_fast_is_what_the_long_way_reads(
    options: dict[str, Any], batch: list[tuple[bytes, bool, list[bytes], bytes]]
) -> None:
    async def check() -> None:
        listener = Listener(**options)
        for each in batch:
            listener.ask(made(*each))
        for each in batch:  # now with what was learnt
            listener.ask(made(*each))
            listener.ask(made(*each), peer="192.0.2.2")
            listener.ask(made(*each), scheme="https")

    asyncio.run(check())


@pytest.mark.parametrize("options", LISTENERS, ids=lambda options: "-".join(options) or "defaults")
async def test_every_line_beside_every_usual_one(options: dict[str, Any]) -> None:
    for odd in ODD:
        listener = Listener(**options)
        listener.ask(LEARNT)
        for first in FIRST[1:3]:
            for fields in ([odd], [*USUAL[1:], odd], [odd, *USUAL[1:]], [odd, odd], [odd, NAMED]):
                for body in (b"", b"abc"):
                    listener.ask(made(first, True, fields, body))


FAST = {
    "another path and query": made(b"GET /b?x=1 HTTP/1.1", True, [], b""),
    "other fields": made(b"GET /a HTTP/1.1", True, [b"X-A: 1", b"Cookie: a=b"], b""),
    "a trace of its own": made(b"GET /a HTTP/1.1", True, [TRACE, b"tracestate: a=b"], b""),
    "a name of its own": made(b"GET /a HTTP/1.1", True, [b"X-Request-Id: mine"], b""),
    "a token": made(b"GET /a HTTP/1.1", True, [b"Authorization: Bearer " + b"x" * 800], b""),
    "a small body": made(b"POST /a HTTP/1.1", True, [b"Content-Length: 3"], b"abc"),
    "another method": made(b"DELETE /a HTTP/1.1", True, [], b""),
    "a long line": made(b"GET /a HTTP/1.1", True, [b"X-Long: " + b"x" * 5000], b""),
}
LONG = {
    "another host": LEARNT.replace(b"api.test", b"b.test"),
    "a trace that is none": made(b"GET /a HTTP/1.1", True, [b"traceparent: 00-1-2-01"], b""),
    "two lengths": made(b"POST /a HTTP/1.1", True, [b"Content-Length: 3"] * 2, b"abc"),
    "half a body": made(b"POST /a HTTP/1.1", True, [b"Content-Length: 3"], b"ab"),
    "more than a body": made(b"POST /a HTTP/1.1", True, [b"Content-Length: 3"], b"abcd"),
    "chunks": made(b"POST /a HTTP/1.1", True, [b"Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "a last request": made(b"GET /a HTTP/1.1", True, [b"Connection: close"], b""),
    "a login": made(b"GET /a HTTP/1.1", True, [b"Authorization: NTLM TlRM"], b""),
    "a version of old": LEARNT.replace(b"1.1", b"1.0"),
    "an absolute target": LEARNT.replace(b"/a", b"http://api.test/a"),
}


@pytest.mark.parametrize("options", LISTENERS, ids=lambda options: "-".join(options) or "defaults")
async def test_every_first_line_before_and_behind_a_usual_one(options: dict[str, Any]) -> None:
    for first in FIRST:
        listener = Listener(**options)
        listener.ask(made(first, True, [], b""))
        listener.ask(LEARNT)
        listener.ask(made(first, True, [], b""))


async def test_a_shape_of_which_something_was_taken_away_is_none() -> None:
    listener = Listener()
    raw = [(b"Host", b"a"), (b"X-Secret", b"1"), (b"Accept", b"*/*")]
    request = b"GET / HTTP/1.1\r\nHost: a\r\nX-Secret: 1\r\nAccept: */*\r\n\r\n"
    listener.fast.learn(request, Exchange("GET", b"/", [raw[2]], b"/", host="a"), raw, "", "http")
    assert listener.fast.read(request, "", "http") is None
    listener.fast.learn(request, Exchange("GET", b"/", raw[1:], b"/", host="a"), raw, "", "http")
    assert listener.fast.read(request, "", "http") is not None


@pytest.mark.parametrize("request_", FAST.values(), ids=FAST)
async def test_what_decides_has_come_before(request_: bytes) -> None:
    listener = Listener()
    assert not listener.ask(LEARNT)
    for _ in range(3):
        assert listener.ask(request_)


def differing(
    number: int, token: bytes = b"Bearer a%d", length: bytes = b"", body: bytes = b""
) -> bytes:
    """A request of which four lines differ from those of others."""
    fields = [
        b"Accept: */*",
        b"Authorization: " + (token % number if b"%" in token else token),
        b"traceparent: 00-%032x-%016x-01" % (number + 1, number + 1),
        b"X-A: 1",
        b"Content-Length: " + (length or b"%d" % (number + 1)),
    ]
    return made(b"POST /%d HTTP/1.1" % number, True, fields, body or b"b" * (number + 1))


async def test_of_heads_that_differ_in_some_lines_those_are_read() -> None:
    listener = Listener()
    listener.ask(LEARNT)
    for number in (*range(6), *range(6)):
        assert listener.ask(differing(number))
    assert listener.ask(differing(1, b"Basic a"))
    for odd in (b"NTLM a", b"a\0b", b"a\r\nConnection: close", b"a\r\n b"):
        assert not listener.ask(differing(1, odd))
    assert not listener.ask(differing(1, length=b"+2"))
    assert not listener.ask(differing(1, length=b"2\r\nContent-Length: 2"))
    assert not listener.ask(differing(1, body=b"bbb"))
    assert listener.ask(differing(1))


async def test_heads_of_many_layouts_are_told_apart() -> None:
    listener = Listener()
    listener.ask(LEARNT)
    for number in (*range(9), *range(9), *range(9)):
        fields = [b"X-%d: %d" % (each, number) for each in range(number)]
        assert listener.ask(made(b"GET / HTTP/1.1", True, fields, b""))


@pytest.mark.parametrize("request_", LONG.values(), ids=LONG)
async def test_what_the_long_way_has_to_look_at(request_: bytes) -> None:
    listener = Listener()
    listener.ask(LEARNT)
    assert not listener.ask(request_)


@pytest.mark.parametrize("lines_", [["Host"], ["Host", "X-Forwarded-For", "X-Forwarded-Proto"]])
async def test_what_a_trusted_proxy_says_decides_too(lines_: list[str]) -> None:
    said = {"Host": b"api.test", "X-Forwarded-For": b"198.51.100.7", "X-Forwarded-Proto": b"https"}
    fields = [name.encode() + b": " + said[name] for name in lines_]
    listener = Listener(trusted_proxies=["192.0.2.0/24"])
    assert not listener.ask(made(b"GET /1 HTTP/1.1", False, fields, b""))
    assert listener.ask(made(b"GET /2 HTTP/1.1", False, [b"X-A: 1", *fields], b""))
    assert listener.ask(made(b"GET /3 HTTP/1.1", False, [*fields[:1], TRACE, *fields[1:]], b""))
    others = [field.replace(b"198.51.100.7", b"198.51.100.8") for field in fields]
    assert listener.ask(made(b"GET /4 HTTP/1.1", False, others, b"")) == (len(lines_) == 1)
