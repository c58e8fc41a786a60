"""What became of the attempts of a proxy, as its metrics tell."""

import asyncio
from collections import Counter

from tests.support.proxy import Proxy
from tests.support.upstream import PATIENCE


def outcomes(proxy: Proxy) -> Counter[str]:
    """How many attempts came to what; by route there are as many."""
    found: Counter[str] = Counter()
    for each in proxy.runtime._observation.counters.describe():
        if each.name == "served_attempts":
            found[each.labels["outcome"]] += int(each.value)
        elif each.name == "route_attempts":
            found["all"] += int(each.value)
    assert found.pop("all", 0) == found.total()
    return found


async def until(proxy: Proxy, expected: dict[str, int]) -> None:
    async with asyncio.timeout(PATIENCE):
        while outcomes(proxy) != expected:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
