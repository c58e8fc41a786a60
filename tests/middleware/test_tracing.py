"""The span of each attempt, as the upstream is told it."""

import random

import pytest

from proxy.middleware.tracing import Tracing
from tests.support.loop import Script, get, reply

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
CAME = b"00-" + TRACE + b"-00f067aa0ba902b7-01"


async def test_each_attempt_has_a_span_of_its_own_in_the_same_trace() -> None:
    handler = Tracing(Script(reply(200), reply(200)), random.Random(1)).handle
    exchange = get("/")
    exchange.headers = [(b"A", b"1"), (b"TraceParent", CAME), (b"B", b"2")]
    seen = []
    for _ in range(2):
        await handler(exchange)
        a, (name, told), b = exchange.headers
        assert (a, name, b) == ((b"A", b"1"), b"TraceParent", (b"B", b"2"))
        assert told == b"00-%b-%b-01" % (TRACE, exchange.record.span_id.encode())
        seen.append(told)
    assert len({CAME, *seen}) == 3
    assert exchange.record.traced == CAME


async def test_what_is_not_sampled_is_the_same_list_as_before() -> None:
    exchange = get("/")
    fields = exchange.headers = [(b"traceparent", CAME[:-2] + b"02")]
    await Tracing(Script(reply(200)), random.Random(1)).handle(exchange)
    assert exchange.headers is fields
    assert (exchange.record.span_id, exchange.record.traced) == ("", b"")


@pytest.mark.parametrize(("flags", "sampled"), [(b"00", 0), (b"01", 1), (b"02", 0), (b"ff", 1)])
async def test_only_the_lowest_bit_says_it(flags: bytes, sampled: int) -> None:
    exchange = get("/")
    exchange.headers = [(b"traceparent", CAME[:-2] + flags), (b"B", b"2")]
    await Tracing(Script(reply(200)), random.Random(1)).handle(exchange)
    assert bool(exchange.record.span_id) == bool(sampled)


@pytest.mark.parametrize(
    ("came", "flags"),
    [
        (CAME[:-2] + b"03", b"03"),
        (CAME[:-2] + b"ff", b"03"),
        (b"cc" + CAME[2:], b"01"),
        (b"cc" + CAME[2:] + b"-what-comes-later", b"01"),
        (b"cc" + CAME[2:-2] + b"09-", b"01"),
    ],
)
async def test_what_is_written_anew_is_of_the_known_version(came: bytes, flags: bytes) -> None:
    """A later version may mean something else by a parent, or by what follows its flags."""
    exchange = get("/")
    exchange.headers = [(b"traceparent", came)]
    await Tracing(Script(reply(200)), random.Random(1)).handle(exchange)
    span = exchange.record.span_id.encode()
    assert exchange.headers == [(b"traceparent", b"00-%b-%b-%b" % (TRACE, span, flags))]
    assert exchange.record.traced == came


@pytest.mark.parametrize(
    "value",
    [b"", b"x", CAME[:-1], b"00-abc-00f067aa0ba902b7-01", CAME[:-2] + b"0x1", b"1" * 55, b"1" * 80],
)
async def test_what_is_no_traceparent_is_none(value: bytes) -> None:
    """A rule of the route may put anything there."""
    exchange = get("/")
    fields = exchange.headers = [(b"traceparent", value)]
    reached = await Tracing(Script(reply(200)), random.Random(1)).handle(exchange)
    assert reached.status == 200
    assert exchange.headers is fields
    assert (exchange.record.span_id, exchange.record.traced) == ("", b"")


async def test_without_the_field_nothing_happens() -> None:
    exchange = get("/")
    exchange.headers = [(b"Trace", b"1"), (b"t", b"2")]
    assert (await Tracing(Script(reply(200)), random.Random(1)).handle(exchange)).status == 200
    assert exchange.record.span_id == ""
