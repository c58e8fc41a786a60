"""Writes that come on another route, or are answered in another way."""

from typing import Any

import pytest

from proxy.core.exchange import Exchange
from proxy.middleware.cache.keying import Keys
from proxy.middleware.cache.writes import Writes
from tests.support.caching import Caching, fresh
from tests.support.loop import JumpingLoop, Script, post, reply


def writes(caching: Caching, *outcomes: Any, upstreams: tuple[str, ...] = ("api",)) -> Writes:
    """On a route without a cache of its own."""
    return Writes(Script(*outcomes), caching.store, map(Keys, upstreams), ["http://origin:9000"])


@pytest.mark.parametrize("upstreams", [("api",), ("other", "api")])
async def test_a_write_on_another_route_makes_what_is_stored_invalid(
    jumping: JumpingLoop, upstreams: tuple[str, ...]
) -> None:
    caching = Caching(fresh(60, b"old"), fresh(60, b"new"))
    await caching.ask()
    answer = await writes(caching, reply(200, [], b"done"), upstreams=upstreams).handle(post("/"))
    assert answer.status == 200
    assert (await caching.ask()).body == b"new"


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("QUERY", 200), ("POST", 500)])
async def test_what_failed_or_is_safe_makes_nothing_invalid(
    jumping: JumpingLoop, method: str, status: int
) -> None:
    caching = Caching(fresh(60, b"old"))
    await caching.ask()
    exchange = post("/")
    exchange.method = method
    await writes(caching, reply(status, [], b"")).handle(exchange)
    assert (await caching.ask()).body == b"old"


@pytest.mark.parametrize(
    "location", [b"http://origin:9000/made", b"/made", b"http://ORIGIN:9000/made#part"]
)
async def test_a_reply_may_name_its_upstream(jumping: JumpingLoop, location: bytes) -> None:
    caching = Caching(fresh(60, b"old"), fresh(60, b"new"))
    await caching.ask_for(path="/made")
    made = reply(201, [(b"Location", location)], b"")
    await writes(caching, made).handle(post("/"))
    assert (await caching.ask_for(path="/made")).body == b"new"


async def test_a_reply_that_names_somebody_else_makes_nothing_of_ours_invalid(
    jumping: JumpingLoop,
) -> None:
    caching = Caching(fresh(60, b"old"))
    await caching.ask_for(path="/made")
    made = reply(201, [(b"Location", b"http://other:9000/made")], b"")
    await writes(caching, made).handle(post("/"))
    assert (await caching.ask_for(path="/made")).body == b"old"


def offering(exchange: Exchange) -> None:
    exchange.upgrade = b"foo"


def logged_in(exchange: Exchange) -> None:
    exchange.login = True


@pytest.mark.parametrize("how", [offering, logged_in])
async def test_a_write_that_bypasses_the_store_counts(jumping: JumpingLoop, how: object) -> None:
    caching = Caching(fresh(60, b"old"), reply(200, [], b"done"), fresh(60, b"new"))
    await caching.ask()
    exchange = post("/", b"x")
    assert callable(how)
    how(exchange)
    await caching.ask(exchange)
    assert (await caching.ask()).body == b"new"
