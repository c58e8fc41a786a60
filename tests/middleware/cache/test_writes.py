"""Writes that come on another route, or are answered in another way."""

import asyncio
from typing import Any

import pytest

from proxy.core.exchange import Exchange
from proxy.middleware.cache.writes import Writes
from tests.support.caching import Caching, fresh, settled
from tests.support.loop import JumpingLoop, Script, get, post, reply


def writes(caching: Caching, *outcomes: Any, upstream: str = "api") -> Writes:
    """On a route without a cache of its own."""
    origins = ["http://origin:9000"]
    return Writes(Script(*outcomes), caching.store, upstream, origins, caching.shared.tasks)


@pytest.mark.parametrize("upstream", ["api", "other"])
async def test_a_write_on_another_route_makes_what_is_stored_invalid(
    jumping: JumpingLoop, upstream: str
) -> None:
    caching = Caching(fresh(60, b"old"), fresh(60, b"new"))
    await caching.ask()
    answer = await writes(caching, reply(200, [], b"done"), upstream=upstream).handle(post("/"))
    assert answer.status == 200
    assert (await caching.ask()).body == b"new"
    await settled()
    assert not caching.shared.tasks


@pytest.mark.parametrize("rewritten", [True, False])
async def test_a_url_is_what_clients_call_it(jumping: JumpingLoop, *, rewritten: bool) -> None:
    caching = Caching(fresh(60, b"old"), fresh(60, b"new"))

    def asking() -> Exchange:
        exchange = get("/api/a")
        exchange.target = b"/a"  # the prefix is stripped
        return exchange

    await caching.ask(asking())
    write = post("/api/a")
    if rewritten:
        write.target = b"/v1/a"
    await writes(caching, reply(200, [], b"done"), upstream="other").handle(write)
    assert (await caching.ask(asking())).body == b"new"


async def test_the_same_target_of_another_service_stays(jumping: JumpingLoop) -> None:
    caching = Caching(fresh(60, b"old"))
    exchange = get("/a/x")
    exchange.target = b"/x"
    await caching.ask(exchange)
    write = post("/b/x")
    write.target = b"/x"
    await writes(caching, reply(200, [], b"done"), upstream="other").handle(write)
    again = get("/a/x")
    again.target = b"/x"
    assert (await caching.ask(again)).body == b"old"


@pytest.mark.parametrize("sent", [True, False])
async def test_a_write_counts_if_its_client_leaves(jumping: JumpingLoop, *, sent: bool) -> None:
    caching = Caching(fresh(60, b"old"), fresh(60, b"new"))
    await caching.ask()
    exchange = post("/")
    exchange.record.attempt_count = int(sent)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await writes(caching, (9, reply(200, [], b"done"))).handle(exchange)
    await settled()
    assert (await caching.ask()).body == (b"new" if sent else b"old")


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 200), ("QUERY", 200), ("PROPFIND", 207), ("POST", 500)]
)
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
