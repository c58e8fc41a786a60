"""A request that has stalled is sent again before its client leaves; a POST is not."""

import pytest

from proxy.middleware.retry.stalled import StalledAttempts
from tests.support.message import get, post
from tests.support.proxy import Proxy, fronted
from tests.support.scope import watched
from tests.support.upstream import HEALTHY


def teach(proxy: Proxy, patience: float) -> None:
    """Eight clients have left after so many seconds, and twenty were answered in 50 ms."""
    (stalled,) = watched(proxy, StalledAttempts)
    now = stalled._clock()
    for _ in range(20):
        stalled._chance.answered(now - 0.05, now)
    for _ in range(8):
        stalled._chance.patience.left(patience, now)
    stalled._follow()


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
async def test_what_stalls_is_answered_by_another_attempt(method: bytes) -> None:
    async with fronted(["hold"], HEALTHY) as (upstream, proxy):
        teach(proxy, patience=1.0)
        assert (await proxy.ask(get().replace(b"GET", method, 1))).status == 200
        assert [request.line.split()[0] for request in upstream.requests] == [method, method]
        # What has given way holds no connection.
        await upstream.until(upstream.connections[0].closed.is_set)


async def test_a_post_is_never_sent_twice() -> None:
    async with fronted([2.0, *HEALTHY]) as (upstream, proxy):
        teach(proxy, patience=1.0)
        assert (await proxy.ask(post(b"x"))).status == 200
        assert len(upstream.requests) == 1


async def test_nothing_is_sent_again_where_nobody_has_left() -> None:
    async with fronted([2.0, *HEALTHY]) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 200
        assert len(upstream.requests) == 1
