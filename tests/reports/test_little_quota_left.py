"""A reply that says how little is left does not have the tables of all routes made anew."""

from typing import Any

from proxy.middleware.load_balance.targets import TargetSet
from tests.support.message import get, length
from tests.support.proxy import proxied
from tests.support.scope import watched
from tests.support.upstream import RawUpstream


def left(count: int) -> Any:
    return [length(b"one", fields=b'RateLimit: "a";r=%d;t=60\r\n' % count)]


async def test_tables_stay_while_servers_stay() -> None:
    one, two = RawUpstream(left(100), *map(left, range(40, 0, -1))), RawUpstream(left(5))
    async with one, two:
        servers = {"upstream_options": {"servers": [one.url, two.url]}}
        routes = [{"path": f"/{n}", "upstream": "api"} for n in range(5)]
        async with proxied(one, rate_limit={}, routes=routes, **servers) as proxy:
            told: list[None] = []
            proxy.tree.endpoints["api"].on_state.append(lambda: told.append(None))
            targets = watched(proxy, TargetSet)
            before = [each.now for each in targets]
            statuses = {(await proxy.ask(get("/1"))).status for _ in range(40)}
            assert statuses == {200}
            assert all(each.now is was for each, was in zip(targets, before, strict=True))
            assert len(before) == len(routes)
            assert told
