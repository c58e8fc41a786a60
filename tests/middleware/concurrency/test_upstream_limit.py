"""What all routes to an upstream share of its limit."""

from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.concurrency.concurrency import link
from tests.support.loop import JumpingLoop, Script, get, reply
from tests.support.proxy import parsed
from tests.support.scope import upstream_scope

ONE_PERMIT = '[concurrency]\nmax_requests = 1\n[[upstreams]]\nname = "a"\nservers = ["http://a"]\n'


async def test_there_is_headroom_while_a_permit_is_free(jumping: JumpingLoop) -> None:
    scope = upstream_scope(parsed(ONE_PERMIT))
    found = []

    async def upstream(_: Exchange) -> Reply:
        found.append([has_headroom() for has_headroom in scope.has_headroom])
        return reply()

    handler = link(scope, upstream)
    assert handler is not None
    await handler(get())
    assert found == [[False]]
    assert [has_headroom() for has_headroom in scope.has_headroom] == [True]


async def test_two_routes_share_the_permits(jumping: JumpingLoop) -> None:
    scope = upstream_scope(parsed(ONE_PERMIT))
    assert link(scope, Script()) is not None
    assert link(scope, Script()) is not None
    assert len(scope.shared.watched) == 1
