"""What is under way while all servers are ejected."""

import asyncio

from tests.support.message import get
from tests.support.proxy import proxied
from tests.support.upstream import HEALTHY, RawUpstream, Script


async def test_what_hangs_is_ended_when_its_server_is_back() -> None:
    """All were judged while it was ejected, except the first one, for which it was."""
    options = {
        "circuit_breaker": {"consecutive_failures": 1, "base_ejection_time": "500ms"},
        "timeouts": {"per_try": "300ms", "first_byte": "30s"},
        "retry": {"attempts": 2, "backoff_base": "1ms", "on": ["5xx"]},
    }
    hang: Script = ["hold"]
    async with RawUpstream(*[hang] * 6, HEALTHY) as upstream, proxied(upstream, **options) as proxy:

        async def later(wait: float) -> int:
            await asyncio.sleep(wait)
            return (await proxy.ask(get())).status

        async with asyncio.timeout(10):
            found = await asyncio.gather(*(later(0.03 * number) for number in range(6)))
        assert found.count(200) >= 5
