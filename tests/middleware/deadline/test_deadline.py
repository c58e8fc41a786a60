"""The time that a client gives a request."""

import asyncio

import pytest

from proxy.core.errors import ConnectionTerminated, DeadlineTooShort, ResponseTimeout
from proxy.core.options import Duration
from proxy.middleware.deadline.deadline import Deadline, DeadlineOptions, Remaining
from proxy.middleware.deadline.fields import notation
from tests.support.loop import JumpingLoop, Script, get, reply

MS = b"x-request-timeout-ms"


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("x-request-timeout-ms", b"250", 0.25),
        ("X-Request-Timeout-MS", b" 1500.5 ", 1.5005),
        ("x-request-timeout-ms", b"0", 0.0),
        ("x-request-timeout-ms", b"-1", None),
        ("x-request-timeout-ms", b"1e3", None),
        ("x-request-timeout-ms", b"", None),
        ("grpc-timeout", b"2S", 2.0),
        ("grpc-timeout", b"1H", 3600.0),
        ("grpc-timeout", b"3M", 180.0),
        ("grpc-timeout", b"100m", 0.1),
        ("grpc-timeout", b"500u", 0.0005),
        ("grpc-timeout", b"20000000n", 0.02),
        ("grpc-timeout", b"2", None),
        ("grpc-timeout", b"123456789S", None),
        ("x-timeout", b"2.5", 2.5),
        ("x-timeout", b"2m", 120.0),
        ("x-timeout", b"250ms", 0.25),
        ("x-timeout", b"soon", None),
        ("x-timeout", b"\xb2", None),
    ],
)
def test_how_long_a_client_waits_is_read_as_its_field_has_it(
    name: str, value: bytes, seconds: float | None
) -> None:
    assert notation(name)[0](value) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("name", "seconds", "value"),
    [
        ("a-ms", 0.2509, b"250"),
        ("grpc-timeout", 1.5, b"1500m"),
        ("grpc-timeout", 200_000.0, b"200000S"),
        ("x-timeout", 2.0, b"2"),
        ("x-timeout", 2.5, b"2.5"),
        ("x-timeout", 0.25, b"0.25"),
    ],
)
def test_what_is_left_is_written_likewise(name: str, seconds: float, value: bytes) -> None:
    parse, show = notation(name)
    assert show(seconds) == value
    assert parse(value) == pytest.approx(seconds, abs=0.001)


def bounded(script: Script, total: float = 0.0, **options: object) -> Deadline:
    return Deadline(script, script, DeadlineOptions(**options), total)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "total", "ends"),
    [
        ([(MS, b"3000")], 0, 3),
        ([(MS, b"3000"), (b"Grpc-Timeout", b"2S")], 0, 2),
        ([(MS, b"nonsense"), (b"grpc-timeout", b"4S")], 0, 4),
        ([(MS, b"3000")], 1, 1),
        ([(MS, b"3000")], 9, 3),
        ([(MS, b"86400000")], 0, 600),
        ([(MS, b"0")], 0, 0),
    ],
)
async def test_the_exchange_ends_when_its_client_would_go(
    jumping: JumpingLoop, fields: list[tuple[bytes, bytes]], total: float, ends: float
) -> None:
    exchange = get(headers=fields)
    with pytest.raises(ResponseTimeout):
        await bounded(Script((9_999, reply())), total).handle(exchange)
    assert jumping.time() == pytest.approx(exchange.started + ends, abs=0.01)
    assert exchange.deadline == exchange.started + ends


async def test_a_client_that_says_nothing_waits_as_ever(jumping: JumpingLoop) -> None:
    told, untold = Script(), Script(reply())
    exchange = get(headers=((b"x-other", b"1"),))
    await Deadline(told, untold, DeadlineOptions(), 5).handle(exchange)
    assert untold.sends == 1
    assert exchange.deadline is None


async def test_no_longest_time_is_none(jumping: JumpingLoop) -> None:
    exchange = get(headers=[(MS, b"86400000")])
    await bounded(Script(reply()), max=Duration(0)).handle(exchange)
    assert exchange.deadline == exchange.started + 86_400


def remaining(script: Script, **options: object) -> Remaining:
    return Remaining(script, DeadlineOptions(**options))  # type: ignore[arg-type]


async def sent(
    fields: list[tuple[bytes, bytes]], left: float, **options: object
) -> list[tuple[bytes, bytes]]:
    """The fields of a request that has so many seconds left."""
    script = Script(reply())
    exchange = get(headers=fields)
    exchange.deadline = asyncio.get_running_loop().time() + left
    await remaining(script, **options).handle(exchange)
    return list(script.exchanges[0].headers)


async def test_the_upstream_is_told_what_is_left(jumping: JumpingLoop) -> None:
    fields = [(b"A", b"1"), (b"X-Request-Timeout-Ms", b"9000"), (b"B", b"2")]
    told = [(b"A", b"1"), (b"X-Request-Timeout-Ms", b"4950"), (b"B", b"2")]
    assert await sent(fields, 5.0) == told


async def test_every_field_that_says_it_is_brought_up_to_date(jumping: JumpingLoop) -> None:
    fields = [(b"grpc-timeout", b"9S"), (b"A", b"1")]
    assert await sent(fields, 5.0) == [
        (b"grpc-timeout", b"4950m"),
        (b"A", b"1"),
        (b"x-request-timeout-ms", b"4950"),
    ]


async def test_nothing_is_said_where_that_is_not_wanted(jumping: JumpingLoop) -> None:
    fields = [(b"grpc-timeout", b"9S")]
    assert await sent(fields, 5.0, forward="") == fields


async def test_a_request_without_a_deadline_passes_as_it_came(jumping: JumpingLoop) -> None:
    script = Script(reply())
    exchange = get(headers=((b"A", b"1"),))
    await remaining(script).handle(exchange)
    assert script.exchanges[0].headers == ((b"A", b"1"),)


async def hurried(inner: Remaining, left: float) -> float:
    """How long a request with so many seconds left takes."""
    exchange = get()
    exchange.deadline = exchange.started + left
    await inner.handle(exchange)
    return asyncio.get_running_loop().time() - exchange.started


async def test_what_cannot_be_done_in_time_is_not_begun(jumping: JumpingLoop) -> None:
    script = Script(*[(2, reply())] * 20, (2, reply()), (2, reply()))
    inner = remaining(script)
    for _ in range(20):
        await inner.handle(get())
    assert await hurried(inner, 3.0) == 2.0
    task = asyncio.create_task(hurried(inner, 1.0))  # one a second is tried: it may be faster now
    await asyncio.sleep(0)
    before = jumping.time()
    with pytest.raises(
        DeadlineTooShort, match=r"1 s are left, the quickest answer lately took 2 s"
    ):
        await hurried(inner, 1.0)
    assert jumping.time() == before
    assert await task == 2.0
    assert script.sends == 22


async def test_nothing_is_begun_with_nothing_left(jumping: JumpingLoop) -> None:
    with pytest.raises(DeadlineTooShort):
        await hurried(remaining(Script()), 0.05)


async def test_refusals_and_short_visits_say_nothing_of_how_long_it_takes(
    jumping: JumpingLoop,
) -> None:
    refusals = [reply(503) for _ in range(20)]
    script = Script(*[(2, reply())] * 20, *refusals, *[ConnectionTerminated("reset")] * 20)
    inner = remaining(script)
    for _ in range(20):
        await inner.handle(get())
    for _ in range(20):
        assert (await inner.handle(get())).status == 503
    for _ in range(20):
        with pytest.raises(ConnectionTerminated):
            await inner.handle(get())
    assert inner._taken.value(b"GET /", jumping.time()) == 2.0


async def test_one_that_was_given_up_had_taken_at_least_so_long(jumping: JumpingLoop) -> None:
    script = Script(*[(1, reply())] * 20, *[(99, reply())] * 5)
    inner = remaining(script)
    for _ in range(20):
        await inner.handle(get())
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await inner.handle(get())
    await asyncio.sleep(290)
    # Those that took a second are forgotten; that it took more than three is known still.
    assert inner._taken.value(b"GET /", jumping.time()) is None
