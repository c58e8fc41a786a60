"""What is left of a deadline, as the upstream is told it."""

import asyncio

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import ConnectionTerminated, DeadlineTooShort, LocalLimit
from proxy.core.exchange import Exchange
from proxy.core.request_key import asked_for
from proxy.http.fields import Encoded, encode
from proxy.middleware.deadline import propagation
from proxy.middleware.deadline.options import DeadlineOptions
from proxy.middleware.deadline.propagation import DeadlinePropagation
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply

MS = b"x-request-timeout-ms"


def remaining(script: Script, **options: object) -> DeadlinePropagation:
    return DeadlinePropagation(script, DeadlineOptions(**options), clock=loop_clock())  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    "told", [[], [(b"X-Request-Timeout-Ms", b"9")], [(b"GRPC-Timeout", b"9S")]]
)
async def test_lines_that_are_known_are_not_written_again(
    jumping: JumpingLoop, told: list[tuple[bytes, bytes]]
) -> None:
    """Where one line is added, the others stay as they were; else all are written anew."""
    script = Script(reply())
    fields = [(b"A", b"1"), *told]
    exchange = get(headers=fields)
    exchange.deadline = asyncio.get_running_loop().time() + 5.0
    exchange.encoded = Encoded(fields, encode(fields, None), agent=b"agent", trace=b"00-")
    await remaining(script).handle(exchange)
    known = exchange.encoded
    assert (known.fields is exchange.headers) is not bool(told)
    assert encode(exchange.headers, known) == encode(exchange.headers, None)
    assert (known.trace, known.agent) == (b"00-", b"agent")


async def test_lines_of_other_fields_are_not_taken_for_these(jumping: JumpingLoop) -> None:
    """A rule of the route has changed the fields since their lines were written."""
    fields = [(b"A", b"changed")]
    exchange = get(headers=fields)
    exchange.deadline = asyncio.get_running_loop().time() + 5.0
    exchange.encoded = Encoded([(b"A", b"1")], b"A: 1\r\n")
    await remaining(Script(reply())).handle(exchange)
    written = encode(exchange.headers, exchange.encoded)
    assert written == b"A: changed\r\nx-request-timeout-ms: 4950\r\n"


async def test_nothing_is_said_where_that_is_not_wanted(jumping: JumpingLoop) -> None:
    fields = [(b"grpc-timeout", b"9S")]
    assert await sent(fields, 5.0, forward="") == fields
    # Nobody is told less, so nothing has to be left for the way back.
    assert await sent(fields, 0.5, forward="", reserve=Duration(1)) == fields


async def test_a_request_without_a_deadline_passes_as_it_came(jumping: JumpingLoop) -> None:
    script = Script(reply())
    exchange = get(headers=((b"A", b"1"),))
    await remaining(script).handle(exchange)
    assert script.exchanges[0].headers == ((b"A", b"1"),)


async def hurried(inner: DeadlinePropagation, left: float) -> float:
    """How long a request with so many seconds left takes."""
    exchange = get()
    exchange.deadline = exchange.started_at + left
    await inner.handle(exchange)
    return asyncio.get_running_loop().time() - exchange.started_at


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


@pytest.mark.parametrize(
    ("reserve", "left", "said"),
    [
        (0.05, 0.04, r"^0\.04 s are left, and \[deadline\] reserve is 0\.05 s$"),
        (0.0, 0.0, "^0 s are left$"),
    ],
)
async def test_nothing_is_begun_with_nothing_left(
    jumping: JumpingLoop, reserve: float, left: float, said: str
) -> None:
    with pytest.raises(DeadlineTooShort, match=said):
        await hurried(remaining(Script(), reserve=Duration(reserve)), left)


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
    assert inner._quickest.value(asked_for(get()), jumping.time()) == 2.0


async def test_one_that_was_given_up_had_taken_at_least_so_long(jumping: JumpingLoop) -> None:
    script = Script(*[(1, reply())] * 20, *[(99, reply())] * 40)
    inner = remaining(script)
    for _ in range(20):
        await inner.handle(get())
    for _ in range(40):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await inner.handle(get())
    assert inner._quickest.value(asked_for(get()), jumping.time()) == 1.0
    await asyncio.sleep(200)
    # Those that took a second are forgotten; that it took more than three is known still.
    assert inner._quickest.value(asked_for(get()), jumping.time()) == 3.0


async def test_one_that_no_server_was_asked_for_says_nothing_of_how_long_it_takes(
    jumping: JumpingLoop,
) -> None:
    script = Script(*[(1, reply())] * 20, *[(3, LocalLimit("no port"))] * 40)
    inner = remaining(script)
    for _ in range(20):
        await inner.handle(get())
    for _ in range(40):
        with pytest.raises(LocalLimit):
            await inner.handle(get())
    await asyncio.sleep(200)
    assert inner._quickest.value(asked_for(get()), jumping.time()) is None


async def test_no_more_probes_are_remembered_than_answers(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients choose the targets."""
    monkeypatch.setattr(propagation, "KEYS", 3)
    inner = remaining(Script(*[(2, reply())] * (5 * 21)))
    for number in range(5):
        for left in [60.0] * 20 + [1.0]:  # the last one is sent to see whether it is faster now
            exchange = Exchange("GET", b"/%d" % number, (), b"/%d" % number)
            exchange.deadline = jumping.time() + left
            await inner.handle(exchange)
        assert len(inner._probed) <= 3
