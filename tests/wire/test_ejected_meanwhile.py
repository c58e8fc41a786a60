"""What is under way while all servers are ejected."""

import asyncio

from tests.support.message import get
from tests.support.proxy import fronted
from tests.support.upstream import HEALTHY, Script


async def test_what_hangs_is_ended_when_its_server_is_back() -> None:
    """All were judged while it was ejected, except the first one, for which it was."""
    options = {
        "circuit_breaker": {"consecutive_failures": 1, "base_ejection_time": "4s"},
        "timeouts": {"per_try": "2s", "first_byte": "60s"},
        "retry": {"attempts": 2, "backoff_base": "1ms", "on": ["5xx"]},
    }
    hang: Script = ["hold"]
    async with fronted(*[hang] * 6, HEALTHY, **options) as (upstream, proxy):

        async def status() -> int:
            return (await proxy.ask(get(), patience=60)).status

        async with asyncio.timeout(60):
            first = asyncio.create_task(status())
            await upstream.until(lambda: upstream.requests)
            await asyncio.sleep(1)  # of the two after which the first one is judged
            found = await asyncio.gather(first, *(status() for _ in range(5)))
        assert found.count(200) >= 5
