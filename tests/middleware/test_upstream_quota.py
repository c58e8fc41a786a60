"""What an upstream says of its own limits."""

import asyncio

import pytest

from proxy.core.errors import UpstreamQuotaExceeded
from proxy.core.exchange import Exchange
from proxy.core.record import QUOTA, Wait
from proxy.core.reply import Reply
from proxy.core.request_key import path_of
from proxy.middleware.upstream_quota import UpstreamQuota
from tests.support.endpoint import StateOnly
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply


async def test_what_would_be_refused_is_not_sent(jumping: JumpingLoop) -> None:
    server = StateOnly()
    inner = UpstreamQuota(
        Script(reply(headers=[(b"RateLimit", b'"a";r=0;t=9')]), reply()),
        server,
        0.0,
        clock=loop_clock(),
    )
    await inner.handle(get())
    assert server.paused_until == jumping.time() + 9
    with pytest.raises(
        UpstreamQuotaExceeded, match="http://a takes no more requests for 9 s"
    ) as caught:
        await inner.handle(get())
    assert caught.value.retry_after == 9.0
    await asyncio.sleep(9)
    assert (await inner.handle(get())).status == 200


@pytest.mark.parametrize("status", [429, 503])
async def test_a_refusal_that_names_a_time_is_heeded(jumping: JumpingLoop, status: int) -> None:
    inner = UpstreamQuota(
        Script(reply(status, [(b"Retry-After", b"3")]), reply()),
        StateOnly(),
        5.0,
        clock=loop_clock(),
    )
    await inner.handle(get())
    exchange = get()
    assert (await inner.handle(exchange)).status == 200
    assert exchange.record.queue_s == 3.0
    assert exchange.record.longest_wait == Wait(
        QUOTA, exchange.started_at, server=StateOnly().name, seconds=3.0
    )


async def test_a_success_that_names_a_time_says_nothing(jumping: JumpingLoop) -> None:
    inner = UpstreamQuota(
        Script(reply(200, [(b"Retry-After", b"3")]), reply()), StateOnly(), 0.0, clock=loop_clock()
    )
    await inner.handle(get())
    assert (await inner.handle(get())).status == 200


async def test_the_last_ones_are_paced(jumping: JumpingLoop) -> None:
    def left(count: int) -> Reply:
        return reply(headers=[(b"RateLimit", b'"a";r=%d;t=10' % count)])

    server = StateOnly()
    inner = UpstreamQuota(
        Script(left(100), left(10), reply(), reply(), reply()), server, 30.0, clock=loop_clock()
    )
    for _ in range(2):
        await inner.handle(get())
    exchanges: list[Exchange] = [get() for _ in range(3)]
    await asyncio.gather(*(inner.handle(exchange) for exchange in exchanges))
    assert [exchange.record.queue_s for exchange in exchanges] == [0.0, 1.0, 2.0]


async def test_a_client_that_leaves_gives_its_turn_to_the_next(jumping: JumpingLoop) -> None:
    def left(count: int) -> Reply:
        return reply(headers=[(b"RateLimit", b'"a";r=%d;t=10' % count)])

    script = Script(left(100), left(10), reply(), reply())
    inner = UpstreamQuota(script, StateOnly(), 30.0, clock=loop_clock())
    for _ in range(3):
        await inner.handle(get())
    leaving = asyncio.create_task(inner.handle(get()))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    staying = get()
    await inner.handle(staying)
    assert staying.record.queue_s == 1.0


async def test_nobody_waits_beyond_his_deadline(jumping: JumpingLoop) -> None:
    script = Script(reply(429, [(b"Retry-After", b"5")]))
    inner = UpstreamQuota(script, StateOnly(), 30.0, clock=loop_clock())
    await inner.handle(get())
    exchange = get()
    exchange.deadline = exchange.started_at + 2
    with pytest.raises(UpstreamQuotaExceeded):
        await inner.handle(exchange)
    assert jumping.time() == exchange.started_at


async def test_pacing_refuses_nobody(jumping: JumpingLoop) -> None:
    """What the server would still take is sent, at once where nobody has the patience."""

    def left(count: int) -> Reply:
        return reply(headers=[(b"RateLimit", b'"a";r=%d;t=30' % count)])

    inner = UpstreamQuota(
        Script(left(100), *(left(n) for n in range(45, 40, -1))),
        StateOnly(),
        0.0,
        clock=loop_clock(),
    )
    exchanges = [get() for _ in range(6)]
    for exchange in exchanges:
        assert (await inner.handle(exchange)).status == 200
    assert {exchange.record.queue_s for exchange in exchanges} == {0.0}


async def test_what_is_refused_to_one_is_not_refused_to_others(jumping: JumpingLoop) -> None:
    def of(name: bytes) -> Exchange:
        return get(headers=[(b"Authorization", name)])

    script = Script(reply(429, [(b"Retry-After", b"50")]), reply(503, [(b"Retry-After", b"9")]))
    inner = UpstreamQuota(script, StateOnly(), 0.0, clock=loop_clock())
    await inner.handle(of(b"a"))
    with pytest.raises(UpstreamQuotaExceeded):
        await inner.handle(of(b"a"))
    assert (await inner.handle(of(b"b"))).status == 503  # that is said to all
    with pytest.raises(UpstreamQuotaExceeded):
        await inner.handle(of(b"c"))


async def test_credentials_that_are_ours_are_everybodys(jumping: JumpingLoop) -> None:
    inner = UpstreamQuota(
        Script(reply(429, [(b"Retry-After", b"50")])),
        StateOnly(),
        0.0,
        own_credentials=b"Authorization",
        clock=loop_clock(),
    )
    await inner.handle(get(headers=[(b"authorization", b"a")]))
    with pytest.raises(UpstreamQuotaExceeded):
        await inner.handle(get(headers=[(b"Authorization", b"b")]))


async def test_a_refusal_that_comes_while_one_waits_counts(jumping: JumpingLoop) -> None:
    server = StateOnly()
    inner = UpstreamQuota(Script(reply()), server, 5.0, clock=loop_clock())
    assert server.quotas is not None
    own = server.quotas.of("")
    own.pause(jumping.time() + 3)
    waiting = asyncio.create_task(inner.handle(get()))
    await asyncio.sleep(1)
    own.pause(jumping.time() + 50)
    with pytest.raises(UpstreamQuotaExceeded):
        await waiting


async def test_routes_learn_from_one_another(jumping: JumpingLoop) -> None:
    server = StateOnly()
    one = UpstreamQuota(
        Script(reply(headers=[(b"RateLimit", b'"a";r=0;t=9')])), server, 0.0, clock=loop_clock()
    )
    other = UpstreamQuota(Script(), server, 0.0, clock=loop_clock())
    await one.handle(get())
    with pytest.raises(UpstreamQuotaExceeded):
        await other.handle(get())


async def test_where_there_are_several_keys_a_path_that_asks_for_a_pause_still_gets_it(
    jumping: JumpingLoop,
) -> None:
    """The quotas are those of the keys; a 503 is about the path, whoever asks."""
    server = StateOnly()
    inner = UpstreamQuota(
        Script(
            reply(429, [(b"Retry-After", b"9"), (b"RateLimit", b'"a";r=0;t=9')]),
            reply(503, [(b"Retry-After", b"3")]),
            reply(),
            reply(),
        ),
        server,
        5.0,
        clock=loop_clock(),
        counts_quotas=False,
    )
    assert (await inner.handle(get("/a"))).status == 429
    began = jumping.time()
    assert (await inner.handle(get("/a"))).status == 503  # another key's, at once
    assert jumping.time() == began
    await inner.handle(get("/b"))
    assert jumping.time() == began
    exchange = get("/a")
    assert (await inner.handle(exchange)).status == 200
    assert exchange.record.queue_s == 3.0
    assert not server.paused_until


@pytest.mark.parametrize(
    "said",
    [
        [(b"x-ratelimit-remaining-requests", b"0"), (b"x-ratelimit-reset-requests", b"20s")],
        [(b"RateLimit", b'"a";r=0;t=20')],
    ],
)
async def test_retry_after_counts_more_than_a_quota(
    jumping: JumpingLoop, said: list[tuple[bytes, bytes]]
) -> None:
    """draft-ietf-httpapi-ratelimit-headers 7: it takes precedence over RateLimit."""
    server = StateOnly()
    script = Script(reply(429, [(b"Retry-After", b"1"), *said]), reply())
    inner = UpstreamQuota(script, server, 5.0, clock=loop_clock())
    await inner.handle(get())
    assert server.paused_until == 0.0  # what balances sees to that
    exchange = get()
    assert (await inner.handle(exchange)).status == 200
    assert exchange.record.queue_s == 1.0


def of(budget: bytes, left: int) -> Reply:
    """As GitHub says it."""
    return reply(
        headers=[
            (b"X-RateLimit-Resource", budget),
            (b"X-RateLimit-Remaining", b"%d" % left),
            (b"X-RateLimit-Reset", b"30"),
        ]
    )


async def test_a_limit_that_is_used_up_stops_only_what_counts_to_it(jumping: JumpingLoop) -> None:
    server = StateOnly()
    script = Script(of(b"core", 4990), of(b"search", 0), of(b"core", 4989), of(b"core", 0))
    inner = UpstreamQuota(script, server, 0.0, clock=loop_clock())
    await inner.handle(get("/user"))
    await inner.handle(get("/search"))
    assert server.paused_until == 0.0
    assert (await inner.handle(get("/user"))).status == 200
    with pytest.raises(UpstreamQuotaExceeded):
        await inner.handle(get("/search"))
    await inner.handle(get("/user"))
    for path in ("/user", "/new"):  # of most paths it is not known what they count to
        with pytest.raises(UpstreamQuotaExceeded):
            await inner.handle(get(path))


async def test_limits_that_are_named_are_each_client_s_own(jumping: JumpingLoop) -> None:
    inner = UpstreamQuota(
        Script(of(b"search", 0), of(b"search", 9)), StateOnly(), 0.0, clock=loop_clock()
    )
    one = get("/search", [(b"Authorization", b"Bearer one")])
    await inner.handle(one)
    assert (await inner.handle(get("/search", [(b"Authorization", b"Bearer two")]))).status == 200
    with pytest.raises(UpstreamQuotaExceeded):
        await inner.handle(get("/search", [(b"Authorization", b"Bearer one")]))


async def test_the_wait_lasts_as_long_as_the_deadline_that_a_shared_call_has_by_then(
    jumping: JumpingLoop,
) -> None:
    server = StateOnly()
    refused = reply(503, [(b"Retry-After", b"2")])
    inner = UpstreamQuota(Script(refused, reply()), server, 30.0, clock=loop_clock())
    await inner.handle(get())
    exchange = get()
    begun = exchange.started_at
    exchange.deadline = begun + 3
    waiting = asyncio.create_task(inner.handle(exchange))
    await asyncio.sleep(1)
    assert server.quotas is not None
    server.quotas.pause_path(path_of(exchange), begun + 5)  # another request was told so
    exchange.deadline = begun + 6
    assert (await waiting).status == 200
    assert jumping.time() == begun + 5
