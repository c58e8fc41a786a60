"""What an API refuses to one client, or on one path, is not refused to others."""

import pytest

from proxy.core.errors import UpstreamQuotaExceeded
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.upstream_quota import UpstreamQuota
from tests.support.endpoint import StateOnly
from tests.support.loop import JumpingLoop, Script, loop_clock, reply, settle
from tests.support.message import get, length
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream

LATER = [(b"Retry-After", b"50")]
NONE_LEFT = [(b"X-RateLimit-Remaining", b"0"), (b"X-RateLimit-Reset", b"50")]


def asked(client: str = "10.0.0.1", path: str = "/", **fields: bytes) -> Exchange:
    headers = [(name.replace("_", "-").encode(), value) for name, value in fields.items()]
    return Exchange("GET", path.encode(), headers, path.encode(), path=path, client=client)


async def refused(first: Reply, by: Exchange, then: Exchange, ours: bytes = b"") -> bool:
    """Whether a reply to one has the proxy refuse another."""
    inner = UpstreamQuota(
        Script(first, reply(), reply()), StateOnly(), 0.0, ours, clock=loop_clock()
    )
    await inner.handle(by)
    return isinstance(await settle(inner.handle(then)), UpstreamQuotaExceeded)


@pytest.mark.parametrize(
    ("status", "fields", "by", "then", "expected"),
    [
        # an anonymous client, by its address
        (429, LATER, asked(), asked(), True),
        (429, LATER, asked(), asked("10.0.0.2"), False),
        (200, NONE_LEFT, asked(), asked(), True),
        (200, NONE_LEFT, asked(), asked("10.0.0.2"), False),
        (429, LATER, asked(), asked(Authorization=b"a"), False),
        (403, LATER, asked(), asked(), True),  # GitHub's secondary limits
        (403, LATER, asked(), asked("10.0.0.2"), False),
        (403, [], asked(), asked(), False),
        # one with credentials, by these, wherever it is
        (429, LATER, asked(Authorization=b"a"), asked("10.0.0.2", Authorization=b"a"), True),
        (429, LATER, asked(Authorization=b"a"), asked(Authorization=b"b"), False),
        (429, LATER, asked(Authorization=b"a"), asked(), False),
        (429, LATER, asked(api_key=b"a"), asked(api_key=b"b"), False),
        (429, LATER, asked(X_Goog_Api_Key=b"a"), asked(X_Goog_Api_Key=b"b"), False),
        (429, LATER, asked(Cookie=b"a"), asked(Cookie=b"b"), False),
        # a path
        (503, LATER, asked(path="/a"), asked("10.0.0.2", "/a"), True),
        (503, LATER, asked(path="/a"), asked(path="/b"), False),
        (529, LATER, asked(path="/a"), asked(path="/b"), False),
        (503, LATER, asked(Authorization=b"a"), asked(path="/b", Authorization=b"a"), False),
    ],
)
async def test_a_refusal_concerns_whoever_it_was_said_to(  # noqa: PLR0917
    jumping: JumpingLoop,
    status: int,
    fields: list[tuple[bytes, bytes]],
    by: Exchange,
    then: Exchange,
    expected: bool,
) -> None:
    assert await refused(reply(status, fields), by, then) is expected


async def test_credentials_of_the_proxys_own_are_everybodys(jumping: JumpingLoop) -> None:
    first = reply(429, LATER)
    assert await refused(first, asked(), asked("10.0.0.2"), ours=b"Authorization")


async def test_other_methods_of_a_path_go_on(jumping: JumpingLoop) -> None:
    then = asked()
    then.method = "POST"
    assert not await refused(reply(503, LATER), asked(), then)


async def test_long_credentials_are_kept_as_numbers(jumping: JumpingLoop) -> None:
    server = StateOnly()
    inner = UpstreamQuota(Script(reply(429, LATER)), server, 0.0, clock=loop_clock())
    await inner.handle(asked(Authorization=b"x" * 16_000))
    assert server.quotas is not None
    assert all(isinstance(key, int) for key in server.quotas._by_key)


async def test_one_path_that_is_down_leaves_the_others_up() -> None:
    down = length(b"", b"503 Down", b"Retry-After: 30\r\n")
    upstream = RawUpstream([down], [length(b"ok")])
    async with upstream, proxied(upstream, rate_limit={}, retry=False) as proxy:
        assert (await proxy.ask(get("/down"))).status == 503
        assert (await proxy.ask(get("/down"))).status == 429
        assert [(await proxy.ask(get("/up"))).status for _ in range(3)] == [200] * 3
