"""Where the time of an exchange went that was tried again.

The waits before an attempt were those of its server while it was under way, and for good where the
call ended in it; a slow upload was counted with the attempt that failed as well as with its client;
and the time until a copy was sent was counted twice. In ``/metrics`` the time of retries was not to
be found where the second attempt was the last.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from proxy.telemetry.phases import NAMES
from tests.support.client import RawClient, ask
from tests.support.message import OK, get, length, post
from tests.support.metrics import families
from tests.support.proxy import Proxy, dialled, proxied
from tests.support.upstream import RawUpstream

ADMIN = {"listen": "127.0.0.1:0"}
QUICK = {"backoff_base": "1ms", "backoff_max": "5ms"}
TOOK = 0.1
LEAST = 0.9 * TOOK
"""A loop may believe that it is a little later than it is."""
BUSY = length(b"busy", b"503 Busy")
FIRST = get(fields=b"X-Request-Id: first\r\nX-Request-Timeout-Ms: 1000\r\n")
End: TypeAlias = Callable[[Proxy, RawClient], Awaitable[object]]


async def leave(_: Proxy, client: RawClient) -> None:
    client.close()


async def cancel(proxy: Proxy, _: RawClient) -> None:
    await ask(proxy.admin, post(b"", "/api/exchanges/first/cancel"))


async def wait(_: Proxy, client: RawClient) -> None:
    await client.receive()


async def told(proxy: Proxy) -> dict[str, float]:
    """The sums of all durations in ``/metrics``."""
    text = (await ask(proxy.admin, get("/metrics"))).body.decode()
    found = {}
    for family in families(text, openmetrics=False):
        sums = [each.value for each in family.samples if each.name.endswith("_seconds_sum")]
        found[family.name.removeprefix("sidecar_proxy_request_")] = sum(sums)
    return found


async def spent(proxy: Proxy, last: float = 0.0) -> dict[str, float]:
    """Seconds of each phase of the one that has ended; its retries end where its last attempt
    began, but for what its client took. ``last``: when that was."""
    record = (await proxy.record()).record
    sums = await told(proxy)
    found = {name: sums.get(f"{name}_seconds", 0.0) for name in NAMES}
    assert sum(found.values()) == pytest.approx(sums["duration_seconds"])
    first = min(each.began for each in record.attempt_log)
    failed = (last or record.attempt_began_at) - first - record.client_before
    assert found["retries"] == pytest.approx(failed)
    return found


@pytest.mark.parametrize("failed", [1, 2])
@pytest.mark.parametrize(
    ("end", "tables"),
    [
        (leave, {}),
        (cancel, {}),
        (wait, {"timeouts": {"total": "1s"}}),
        (wait, {"deadline": {}}),
    ],
    ids=["the client leaves", "an operator ends it", "total", "deadline"],
)
async def test_what_ends_in_an_attempt_has_waited_for_those_before_it(
    end: End, tables: dict[str, Any], failed: int
) -> None:
    scripts = [[TOOK, BUSY]] * failed
    async with dialled(*scripts, ["hold"], admin=ADMIN, retry=QUICK, **tables) as parts:
        upstream, proxy, client = parts
        await client.send(FIRST)
        await upstream.until(lambda: len(upstream.requests) > failed)
        if not tables:  # nothing ends it yet
            seen = await ask(proxy.admin, get("/api/exchanges"))
            [call] = json.loads(seen.body)["in_flight"]
            assert call["phases"][NAMES.index("retries")] >= failed * LEAST
        await end(proxy, client)
        assert (await spent(proxy))["retries"] >= failed * LEAST


async def test_a_slow_upload_is_no_failed_attempt() -> None:
    async with dialled(
        ["wait-body", TOOK, BUSY], ["wait-body", TOOK, OK], admin=ADMIN, retry=QUICK
    ) as (upstream, proxy, client):
        request = post(b"body", method=b"PUT")
        await client.send(request[:-2])
        await upstream.until(lambda: upstream.requests)
        await asyncio.sleep(3 * TOOK)
        await client.send(request[-2:])
        assert (await client.receive()).status == 200
        found = await spent(proxy)
        assert found["client"] >= 3 * LEAST
        assert found["retries"] >= LEAST
        assert found["first_byte"] >= LEAST


async def test_rounds_of_copies_follow_each_other() -> None:
    hold = ["wait-body", "hold"]
    async with (
        RawUpstream(hold, hold, ["wait-body", OK]) as one,
        RawUpstream(hold) as other,
        proxied(
            one,
            admin=ADMIN,
            hedge={"delay": "100ms", "budget_percent": 100.0},
            timeouts={"per_try": "200ms"},
            retry={"attempts": 6, "on": ["timeout"], **QUICK, "budget": {"min_per_second": 100}},
            upstream_options={"servers": [one.url, other.url]},
        ) as proxy,
    ):
        await proxy.ask(get())
        record = (await proxy.record()).record
        *_, beside, answered = record.attempt_log
        assert answered.outcome == "200"
        began = answered.began  # with no copy, or before it
        await spent(proxy, min(began, beside.began) if beside.hedged else began)
