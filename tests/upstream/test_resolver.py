"""Names of servers, and the addresses that they stand for."""

import asyncio
from typing import Any

import pytest
from aiohttp import ThreadedResolver

from proxy.upstream.resolver import Resolver, chosen
from tests.support.loop import JumpingLoop
from tests.support.names import look_up_result

ONE, TWO, THREE, FOUR = (f"127.0.0.{number}" for number in range(1, 5))


@pytest.mark.parametrize(
    ("reaches", "servers", "others"),
    [
        ({"4", "6"}, ("10.0.0.1", "10.0.0.2"), ("::1", "::2")),
        ({"4"}, ("10.0.0.1", "10.0.0.2"), ("::1", "::2")),
        ({"6"}, ("::1", "::2", "::3"), ("10.0.0.1", "10.0.0.2")),
        (set(), ("10.0.0.1", "10.0.0.2"), ("::1", "::2")),
    ],
)
def test_a_family_without_a_route_is_not_picked(
    monkeypatch: pytest.MonkeyPatch,
    reaches: set[str],
    servers: tuple[str, ...],
    others: tuple[str, ...],
) -> None:
    monkeypatch.setattr(
        "proxy.upstream.resolver._routed", lambda ip: ("6" if ":" in ip else "4") in reaches
    )
    found = chosen([look_up_result(ip) for ip in ("::3", "10.0.0.2", "::1", "10.0.0.1", "::2")])
    assert (found.servers, found.others) == (servers, others)
    assert chosen([look_up_result("::1")]).servers == ("::1",)


@pytest.mark.parametrize("ttl", [0.0, 60.0])
@pytest.mark.parametrize(
    ("reaches", "listed", "tried"),
    [
        ("46", ["::1", "10.0.0.1"], ["10.0.0.1", "::1"]),
        ("6", ["10.0.0.1", "::1"], ["::1", "10.0.0.1"]),
        # Within a family as the name has them: it may shuffle them.
        ("46", ["::2", "10.0.0.2", "::1", "10.0.0.1"], ["10.0.0.2", "10.0.0.1", "::2", "::1"]),
        ("46", ["::2", "::1"], ["::2", "::1"]),
    ],
)
async def test_addresses_are_tried_in_the_order_of_their_families(
    monkeypatch: pytest.MonkeyPatch, reaches: str, listed: list[str], tried: list[str], ttl: float
) -> None:
    """getaddrinfo has IPv6 first, and where that is a black hole each connection waited for it."""

    async def answer(*_: Any) -> list[Any]:
        return [look_up_result(ip) for ip in listed]

    monkeypatch.setattr(ThreadedResolver, "resolve", answer)
    monkeypatch.setattr(
        "proxy.upstream.resolver._routed", lambda ip: ("6" if ":" in ip else "4") in reaches
    )
    names = Resolver()
    names.set_ttl("api", ("api.test",), ttl)
    for _ in range(2):  # as it is found out, and as it is remembered
        assert [each["host"] for each in await names.resolve("api.test")] == tried
    await names.close()


async def test_without_a_ttl_answers_that_take_turns_throw_nothing_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [[ONE, THREE], [TWO, FOUR], [ONE, THREE], [TWO, FOUR]]
    coming = iter(answers)

    async def answer(*_: Any) -> list[Any]:
        return [look_up_result(ip) for ip in next(coming)]

    monkeypatch.setattr(ThreadedResolver, "resolve", answer)
    names = Resolver()
    for _ in answers:
        await names.resolve("api.test")
    assert names.stands_for("api.test") == {ONE, TWO, THREE, FOUR}
    assert names.stands_for("other.test") == frozenset()
    await names.close()


@pytest.mark.parametrize("left", [{"ttl": 0.0}, {"hosts": ()}], ids=["dns_ttl 0", "gone"])
async def test_a_name_that_is_followed_no_more_is_looked_up_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, left: dict[str, Any]
) -> None:
    """A reload says so at once, and what was known of it is not kept."""
    fails = False

    async def answer(*_: Any) -> list[Any]:
        if fails:
            raise OSError("no answer")
        return [look_up_result(ONE)]

    monkeypatch.setattr(ThreadedResolver, "resolve", answer)
    names = Resolver()
    names.set_ttl("api", ("api.test",), 60.0)
    await names.resolve("api.test")
    fails = True
    assert [each["host"] for each in await names.resolve("api.test")] == [ONE]
    with pytest.raises(OSError, match="no answer"):
        await names.look_up("api.test")
    asked: dict[str, Any] = {"hosts": ("api.test",), "ttl": 60.0} | left
    names.set_ttl("api", **asked)
    with pytest.raises(OSError, match="no answer"):
        await names.resolve("api.test")
    names.set_ttl("api", ("api.test",), 60.0)
    caplog.clear()
    with pytest.raises(OSError, match="no answer"):
        await names.resolve("api.test")
    assert [each for each in caplog.messages if "no address is known" in each]
    await names.close()


async def test_a_name_that_fails_is_not_looked_up_for_each_request(
    monkeypatch: pytest.MonkeyPatch, jumping: JumpingLoop
) -> None:
    """But again before ``dns_ttl`` is over."""
    asked: list[float] = []

    async def answer(*_: Any) -> list[Any]:
        asked.append(jumping.time())
        if len(asked) > 1:
            raise OSError("no answer")
        return [look_up_result(ONE)]

    monkeypatch.setattr(ThreadedResolver, "resolve", answer)
    names = Resolver()
    names.set_ttl("api", ("api.test",), 30.0)
    began = jumping.time()
    for _ in range(42):
        assert [each["host"] for each in await names.resolve("api.test")] == [ONE]
        await asyncio.sleep(1)
    assert [round(each - began) for each in asked] == [0, 30, 35, 40]
    await names.close()


async def test_what_connections_have_looked_up_is_forgotten_once_the_name_is_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else each new connection would be closed for an address that the name once had."""

    async def answer(*_: Any) -> list[Any]:
        return [look_up_result(ONE)]

    monkeypatch.setattr(ThreadedResolver, "resolve", answer)
    names = Resolver()
    names.set_ttl("api", ["api.test"], 0)
    await names.resolve("api.test")
    names.set_ttl("other", ["other.test"], 5)
    assert names.stands_for("api.test") == {ONE}
    names.set_ttl("api", ["api.test"], 5)
    assert names.stands_for("api.test") == frozenset()
    await names.close()


async def test_nothing_is_kept_of_an_upstream_that_is_gone() -> None:
    """Reloads may bring ever new upstreams, with names or without."""
    names = Resolver()
    names.set_ttl("stays", ["api.test"], 5)
    for number in range(10):
        names.set_ttl(f"new-{number}", [f"{number}.test"], 5)
        names.set_ttl(f"addresses-{number}", [], 5)
        names.set_ttl(f"new-{number}", (), 0)
    assert names._asked == {"stays": {"api.test": 5}}
    assert names._ttl == {"api.test": 5}
    await names.close()
