"""Writes that come on another route, or are answered in another way."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.core.exchange import Exchange
from proxy.core.stored import Removal
from proxy.middleware.cache.writes import Writes
from proxy.store.memory import MemoryStore
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


@pytest.mark.parametrize(("first", "second"), [("/x", "/v1/x"), ("/v1/x", "/x")])
@pytest.mark.parametrize("written", ["/x", "/v1/x"])
async def test_what_several_urls_are_sent_as_is_removed_by_each(
    jumping: JumpingLoop, first: str, second: str, written: str
) -> None:
    caching = Caching(fresh(60, b"old"), fresh(60, b"new"))

    def asking(path: str) -> Exchange:
        exchange = get(path)
        exchange.target = b"/x"
        return exchange

    assert (await caching.ask(asking(first))).body == b"old"
    assert (await caching.ask(asking(second))).body == b"old"
    write = post(written)
    write.target = b"/x"
    await writes(caching, reply(200, [], b"done")).handle(write)
    assert (await caching.ask(asking(second))).body == b"new"


async def test_who_leaves_before_the_answer_removes_nothing(jumping: JumpingLoop) -> None:
    """Anybody could empty the store, who may change nothing."""
    caching = Caching(fresh(60, b"old"))
    await caching.ask()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await writes(caching, (9, reply(200, [], b"done"))).handle(post("/"))
    await settled()
    assert (await caching.ask()).body == b"old"


async def test_who_leaves_after_the_answer_stops_no_removal(jumping: JumpingLoop) -> None:
    caching = Caching(fresh(60, b"old"), fresh(60, b"new"))
    await caching.ask()
    purge = caching.store.purge

    async def slow(label: bytes) -> Removal:
        await asyncio.sleep(5)
        return await purge(label)

    made = writes(caching, reply(200, [], b"done"))
    made._store = SimpleNamespace(purge=slow)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await made.handle(post("/"))
    assert caching.shared.tasks
    await asyncio.sleep(5)
    assert (await caching.ask()).body == b"new"


async def test_on_a_route_whose_posts_change_nothing_none_is_a_write(jumping: JumpingLoop) -> None:
    caching = Caching(fresh(60, b"old"), *[reply(200, [], b"done")] * 2, post=True)
    json = [(b"Content-Type", b"application/json")]
    await caching.ask(post("/", b"{}", json))
    await caching.ask(post("/", b"text", [(b"Content-Type", b"text/plain")]))
    bound = post("/", b"{}", json)
    logged_in(bound)
    await caching.ask(bound)
    assert (await caching.ask(post("/", b"{}", json))).body == b"old"


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


async def test_a_client_that_leaves_while_its_write_removes_leaves_no_reply_open(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removal goes on; a reply that nobody closes would hold its connection for good."""
    caching = Caching(fresh(60, b"old"), fresh(60, b"new"))
    await caching.ask()
    answer = reply(200, [], b"done")
    removing, goes_on = asyncio.Event(), asyncio.Event()
    purge = MemoryStore.purge

    async def slow(store: MemoryStore, label: bytes) -> Removal:
        removing.set()
        await goes_on.wait()
        return await purge(store, label)

    monkeypatch.setattr(MemoryStore, "purge", slow)
    leaving = asyncio.create_task(writes(caching, answer).send(post("/")))
    await removing.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert answer.closed
    goes_on.set()
    await settled()
    assert (await caching.ask()).body == b"new"
