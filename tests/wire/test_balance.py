"""Who of several servers really received what."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from aiohttp import ThreadedResolver

from proxy.policy.balance import POLICIES
from tests.support.message import CHUNKED_HEAD, OK, chunked, get, length, post
from tests.support.proxy import Proxy, proxied
from tests.support.timing import taking_at_least
from tests.support.upstream import HEALTHY, Connection, RawUpstream, Script, closed_port

QUICK = {"backoff_base": "1ms", "backoff_max": "5ms"}
KEY = b"Idempotency-Key: k\r\n"


def refusal(after: int | None = None) -> Script:
    fields = b"" if after is None else b"Retry-After: %d\r\n" % after
    return ["wait-body", length(b"busy", b"503 Busy", fields)]


BUSY = refusal()


def over(*servers: Any, retry: dict[str, Any] | None = None, **upstream: Any) -> dict[str, Any]:
    """One upstream of these servers; a tuple adds options to one."""
    entries = [
        {"url": entry[0].url, **entry[1]}
        if isinstance(entry, tuple)
        else getattr(entry, "url", entry)
        for entry in servers
    ]
    # In turn, whatever they do: else nobody could say who is asked next.
    fixed = {"policy": "round_robin", "ejection_time": "0"}
    balance = {**fixed, **upstream.pop("load_balance", {})}
    return {
        "retry": {**QUICK, **(retry or {})},
        "upstream_options": {"servers": entries, "load_balance": balance, **upstream},
    }


@pytest.fixture
async def trio() -> AsyncIterator[list[RawUpstream]]:
    """Three servers that are well."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(RawUpstream()) for _ in range(3)]


def counts(*servers: RawUpstream) -> list[int]:
    return [len(server.requests) for server in servers]


async def ask(proxy: Proxy, times: int, request: bytes = get()) -> list[int]:
    return [(await proxy.ask(request)).status for _ in range(times)]


async def test_weights_are_honoured(trio: list[RawUpstream]) -> None:
    a, b, c = trio
    options = over((a, {"weight": 3}), (b, {"weight": 2}), c)
    async with proxied(a, **options) as proxy:
        assert set(await ask(proxy, 24)) == {200}
    assert counts(*trio) == [12, 8, 4]


@pytest.mark.parametrize("policy", POLICIES)
async def test_every_policy_uses_every_server(trio: list[RawUpstream], policy: str) -> None:
    async with proxied(trio[0], **over(*trio, load_balance={"policy": policy})) as proxy:
        for number in range(30):
            assert (await proxy.ask(get(f"/{number}"))).status == 200
    assert min(counts(*trio)) > 0
    assert sum(counts(*trio)) == 30


@pytest.mark.parametrize("script", [[OK], [CHUNKED_HEAD + chunked(b"ok")], ["fin"]])
async def test_a_backup_waits_for_its_turn(trio: list[RawUpstream], script: Script) -> None:
    a, b, spare = trio
    a.play(script)
    b.play(script)
    options = over(a, b, (spare, {"backup": True}), retry={"on": ["reset", "stale-connection"]})
    async with proxied(a, **options) as proxy:
        assert (await proxy.ask(get())).body == b"ok"
    assert counts(*trio) == ([1, 1, 1] if script == ["fin"] else [1, 0, 0])


async def test_a_refused_connection_goes_to_the_backup() -> None:
    async with RawUpstream() as spare:
        dead = f"http://127.0.0.1:{closed_port()}"
        async with proxied(dead, **over(dead, (spare, {"backup": True}))) as proxy:
            assert await ask(proxy, 3, post(b"x")) == [200] * 3
            assert [exchange.record.attempt_count for exchange in proxy.records] == [2] * 3


FAILURES: dict[str, Script] = {
    # class in `on`: what happens
    "reset": ["wait-body", "rst"],
    "timeout": ["wait-body", "hold"],
    "503": BUSY,
}
MALFORMED: Script = ["wait-body", b"nonsense\r\n\r\n"]


@pytest.mark.parametrize(
    ("script", "name"),
    [*((script, name) for name, script in FAILURES.items()), (MALFORMED, "reset")],
    ids=[*FAILURES, "malformed"],
)
@pytest.mark.parametrize(
    ("request_", "again"),
    [(get(), True), (post(b"x"), False), (post(b"x", fields=KEY), True)],
    ids=["get", "post", "post with a key"],
)
async def test_a_failed_attempt_goes_to_another_server(
    trio: list[RawUpstream], script: Script, name: str, request_: bytes, *, again: bool
) -> None:
    """A POST that may have been received goes nowhere else (RFC 9110 9.2.2)."""
    trio[0].play(script)
    trio[1].play(script)
    options = over(*trio, retry={"on": [name]}) | {
        "timeouts": {"first_byte": "700ms" if "hold" in script else "1m"}
    }
    async with proxied(trio[0], **options) as proxy:
        assert ((await proxy.ask(request_)).status == 200) is again
        assert counts(*trio) == ([1, 1, 1] if again else [1, 0, 0])
        tries = [attempt.endpoint for attempt in (await proxy.record()).record.attempt_log]
        assert tries == ([server.url for server in trio] if again else [])


@pytest.mark.parametrize("request_", [get(), post(b"x")])
async def test_what_was_not_sent_goes_to_another_server(
    trio: list[RawUpstream], request_: bytes
) -> None:
    dead = f"http://127.0.0.1:{closed_port()}"
    async with proxied(dead, **over(dead, *trio[:2])) as proxy:
        assert await ask(proxy, 6, request_) == [200] * 6
    assert counts(*trio) == [3, 3, 0]


async def test_a_failed_attempt_returns_to_its_server_when_no_other_is_left() -> None:
    async with RawUpstream(BUSY) as a, RawUpstream(BUSY) as b:
        async with proxied(a, **over(a, b, retry={"on": ["503"], "attempts": 5})) as proxy:
            assert await ask(proxy, 1) == [503]
        assert sorted(counts(a, b)) == [2, 3]


async def test_retry_after_of_one_server_does_not_make_the_request_wait() -> None:
    async with RawUpstream(refusal(20), HEALTHY) as a, RawUpstream() as b:
        async with proxied(a, **over(a, b, retry={"on": ["503"]})) as proxy:
            async with asyncio.timeout(15):
                assert await ask(proxy, 5) == [200] * 5
        assert counts(a, b) == [1, 5]


async def test_retry_after_of_all_servers_is_no_reason_to_refuse() -> None:
    async with RawUpstream(refusal(20)) as a, RawUpstream(refusal(20)) as b:
        async with proxied(a, **over(a, b, retry={"attempts": 1})) as proxy:
            for _ in range(4):
                response = await proxy.ask(get())
                assert (response.status, response.body) == (503, b"busy")
                assert response.value("Proxy-Status") is None
        assert counts(a, b) == [2, 2]


async def test_the_only_server_is_given_the_time_it_asks_for() -> None:
    async with RawUpstream(refusal(1), HEALTHY) as a:
        options = over(a, retry={"on": ["503"]}) | {"timeouts": {"total": "30s"}}
        async with proxied(a, **options, circuit_breaker={}) as proxy:
            with taking_at_least(1):
                assert await ask(proxy, 1) == [200]
        assert counts(a) == [2]


async def test_a_time_beyond_the_deadline_is_not_waited_for() -> None:
    async with RawUpstream(refusal(3)) as a:
        options = over(a, retry={"on": ["503"]}) | {"timeouts": {"total": "2s"}}
        async with proxied(a, **options, circuit_breaker={}) as proxy:
            response = await proxy.ask(get())
            assert (response.status, response.body) == (503, b"busy")
            assert response.value("Retry-After") == b"3"
        assert counts(a) == [1]


@pytest.mark.parametrize(
    ("budget", "sent"),
    [
        ({"min_per_second": 0}, 60),
        ({"min_per_second": 0, "percent": 100}, 100),
        ({"min_per_second": 0.5, "percent": 0}, 55),
    ],
)
async def test_a_flood_of_failures_makes_few_more(budget: dict[str, Any], sent: int) -> None:
    """50 requests that fail, at most as many retries as the budget has."""
    async with RawUpstream(BUSY) as a, RawUpstream(BUSY) as b:
        retry = {"on": ["503"], "attempts": 10, "budget": budget}
        async with proxied(a, **over(a, b, retry=retry)) as proxy:
            for _ in range(50):
                response = await proxy.ask(get())
                assert (response.status, response.body) == (503, b"busy")
                assert response.value("Proxy-Status") is None
        assert sent - 2 <= sum(counts(a, b)) <= sent


@pytest.mark.parametrize(
    ("key", "field"), [("header:X-User", "X-User: {}"), ("cookie:sid", "Cookie: a=b; sid={}")]
)
async def test_a_hash_sticks(trio: list[RawUpstream], key: str, field: str) -> None:
    options = over(*trio, load_balance={"policy": "hash", "hash_key": key})
    async with proxied(trio[0], **options) as proxy:
        homes = []
        for number in range(40):
            request = get(f"/{number}", field.format(number % 20).encode() + b"\r\n")
            assert (await proxy.ask(request)).status == 200
            homes.append((await proxy.record(number)).record.endpoint)
    assert homes[:20] == homes[20:]
    assert len(set(homes)) > 1


def have(number: int, *servers: RawUpstream) -> bool:
    """Whether they have so many requests."""
    return sum(len(server.requests) for server in servers) >= number


@pytest.mark.parametrize(("policy", "most"), [("least_request", 5), ("peak_ewma", 3)])
async def test_a_slow_server_is_spared(policy: str, most: int) -> None:
    go_on = asyncio.Event()
    async with RawUpstream([go_on, OK]) as slow, RawUpstream() as fast:
        options = over(slow, fast, load_balance={"policy": policy})
        async with proxied(slow, **options) as proxy:
            asking = []
            for number in range(40):
                asking.append(asyncio.ensure_future(proxy.ask(get())))
                await fast.until(partial(have, number + 1, slow, fast))
                await proxy.breathe()
            go_on.set()
            assert {response.status for response in await asyncio.gather(*asking)} == {200}
        assert len(slow.requests) <= most + 20 * (policy == "least_request")


@asynccontextmanager
async def beside(one: RawUpstream) -> AsyncIterator[RawUpstream]:
    """A server on the same port of another address."""
    two = RawUpstream()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(two), "127.0.0.2", one.port)
    yield two
    server.close()
    for connection in two.connections:
        connection.transport.abort()


async def test_each_address_of_a_name_is_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of the name moves the traffic, and connections to what is gone are closed."""
    addresses = ["127.0.0.1", "127.0.0.2"]

    async def resolve(_: Any, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        assert host == "api.test"
        return [
            {"hostname": host, "host": ip, "port": port, "family": 2, "proto": 0, "flags": 0}
            for ip in addresses
        ]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    async with RawUpstream() as one, beside(one) as two:
        url = f"http://api.test:{one.port}"
        options = over(url, dns_ttl="50ms", keepalive_timeout="30s")
        async with proxied(url, **options) as proxy:
            await asyncio.sleep(0.02)
            assert await ask(proxy, 8) == [200] * 8
            assert counts(one, two) == [4, 4]
            names = {f"http://127.0.0.{n}:{one.port}" for n in (1, 2)}
            assert {exchange.record.endpoint for exchange in proxy.records} == names
            addresses[:] = ["127.0.0.2", "127.0.0.3"]
            await one.until(lambda: all(each.closed.is_set() for each in one.connections))
            assert await ask(proxy, 8) == [200] * 8  # what is refused goes to the other
            assert counts(one, two) == [4, 12]
            assert len(two.connections) == 1


@pytest.mark.parametrize(("age", "connections"), [("1h", 1), ("60ms", 2)])
async def test_a_connection_of_a_certain_age_takes_no_further_request(
    age: str, connections: int
) -> None:
    async with (
        RawUpstream() as upstream,
        proxied(upstream, **over(upstream, max_connection_age=age)) as proxy,
    ):
        for _ in range(2):
            assert await ask(proxy, 1) == [200]
            await asyncio.sleep(0.07)
        assert len(upstream.connections) == connections
        if connections > 1:
            await upstream.until(upstream.connections[0].closed.is_set)
