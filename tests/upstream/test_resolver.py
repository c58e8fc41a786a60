"""Names of servers, and the addresses that they stand for."""

from typing import Any

import pytest
from aiohttp import ThreadedResolver

from proxy.upstream.resolver import Resolver, chosen

ONE, TWO, THREE, FOUR = (f"127.0.0.{number}" for number in range(1, 5))


def entry(ip: str) -> Any:
    family = 10 if ":" in ip else 2
    return {"hostname": "api.test", "host": ip, "port": 0, "family": family, "proto": 0, "flags": 0}


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
    found = chosen([entry(ip) for ip in ("::3", "10.0.0.2", "::1", "10.0.0.1", "::2")])
    assert (found.servers, found.others) == (servers, others)
    assert chosen([entry("::1")]).servers == ("::1",)


async def test_without_a_ttl_answers_that_take_turns_throw_nothing_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [[ONE, THREE], [TWO, FOUR], [ONE, THREE], [TWO, FOUR]]
    coming = iter(answers)

    async def answer(*_: Any) -> list[Any]:
        return [entry(ip) for ip in next(coming)]

    monkeypatch.setattr(ThreadedResolver, "resolve", answer)
    names = Resolver()
    for _ in answers:
        await names.resolve("api.test")
    assert names.stands_for("api.test") == {ONE, TWO, THREE, FOUR}
    assert names.stands_for("other.test") == frozenset()
    await names.close()
