"""What an upstream says of its own limits."""

import asyncio

import pytest

from proxy.core.errors import UpstreamQuotaExceeded
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
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


async def test_a_success_that_names_a_time_says_nothing(jumping: JumpingLoop) -> None:
    inner = UpstreamQuota(
        Script(reply(200, [(b"Retry-After", b"3")]), reply()), StateOnly(), 0.0, clock=loop_clock()
    )
    await inner.handle(get())
    assert (await inner.handle(get())).status == 200


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


async def test_routes_learn_from_one_another(jumping: JumpingLoop) -> None:
    server = StateOnly()
    one = UpstreamQuota(
        Script(reply(headers=[(b"RateLimit", b'"a";r=0;t=9')])), server, 0.0, clock=loop_clock()
    )
    other = UpstreamQuota(Script(), server, 0.0, clock=loop_clock())
    await one.handle(get())
    with pytest.raises(UpstreamQuotaExceeded):
        await other.handle(get())


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


@pytest.mark.parametrize("status", [429, 503])
async def test_a_wait_that_is_over_in_a_moment_is_no_refusal(
    jumping: JumpingLoop, status: int
) -> None:
    """Who waits for the same Retry-After is woken a little early, and looks at another clock."""
    script = Script(reply(status, [(b"Retry-After", b"1")]), reply())
    inner = UpstreamQuota(script, StateOnly(), 0.0, clock=loop_clock())
    await inner.handle(get())
    began = jumping.time()
    await asyncio.sleep(0.999)
    exchange = get()
    assert (await inner.handle(exchange)).status == 200
    assert jumping.time() >= began + 1
