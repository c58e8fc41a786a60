"""Stale is better than down."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import (
    BadRequest,
    ConnectFailed,
    NoEndpointAvailable,
    QueueFull,
    ResponseTimeout,
    UpstreamQuotaExceeded,
)
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from tests.support.caching import Caching, fresh, settled
from tests.support.loop import get, reply
from tests.support.samples import told

pytestmark = pytest.mark.usefixtures("nothing_left")


async def stale(*outcomes: Any, control: bytes = b"max-age=5", **options: Any) -> Caching:
    """With an entry that has been stale for five seconds, and these outcomes."""
    caching = Caching(reply(200, [(b"Cache-Control", control)], b"old"), *outcomes, **options)
    await caching.ask()
    await asyncio.sleep(10)
    return caching


@pytest.mark.parametrize(
    "failure",
    [
        ConnectFailed,
        ResponseTimeout,
        NoEndpointAvailable(),
        QueueFull(),
        UpstreamQuotaExceeded(),
        reply(500, [], b"no"),
        reply(503, [], b"no"),
        reply(429, [], b"no"),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("by_reply", [False, True])
async def test_a_stale_reply_is_better_than_an_error(failure: Any, by_reply: bool) -> None:
    control = b"max-age=5, stale-if-error=60" if by_reply else b"max-age=5"
    options = {} if by_reply else {"stale_if_error": 60.0}
    caching = await stale(failure, fresh(60, b"new"), control=control, **options)
    answer = await caching.ask()
    assert (answer.status, answer.body) == (200, b"old")
    assert answer.cache.startswith("fwd=stale; ")
    assert answer.cache.endswith("ttl=-5; detail=stale-if-error")
    assert answer.exchange.error == ""
    again = await caching.ask()  # the upstream is left alone for a second
    assert again.cache == "hit; ttl=-5; detail=stale-if-error"
    assert caching.script.sends == 2
    await asyncio.sleep(1)
    assert (await caching.ask()).body == b"new"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (ConnectFailed("no connection"), "no connection on route /"),
        (reply(503, [], b"no"), "http://a answered 503 on route /"),
    ],
)
async def test_a_stale_reply_leaves_the_reason_in_the_log(
    fault: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    caching = await stale(fault, stale_if_error=60.0)
    asked = caching.exchange("/")
    asked.route, asked.record.endpoint = "/", "http://a"
    assert (await caching.ask(asked)).body == b"old"
    assert caplog.messages == [told]


@pytest.mark.parametrize(
    ("control", "field"),
    [
        (b"max-age=5", None),
        (b"max-age=5, must-revalidate", None),
        (b"s-maxage=5", None),
        (b"max-age=5, stale-if-error=4", None),
        (b"max-age=5, stale-if-error=60", (b"Cache-Control", b"no-cache")),
    ],
    ids=range(5),
)
async def test_within_its_bounds_only(control: bytes, field: tuple[bytes, bytes] | None) -> None:
    by_option = 60.0 if b"revalidate" in control or b"s-maxage" in control else 0.0
    failures = reply(503, [], b"no"), ConnectFailed
    caching = await stale(*failures, control=control, stale_if_error=by_option)
    fields = () if field is None else (field,)
    assert (await caching.ask_for(*fields)).status == 503
    with pytest.raises(ConnectFailed):
        await caching.ask_for(*fields)


async def test_a_client_may_ask_for_a_stale_reply_in_place_of_an_error() -> None:
    caching = await stale(ConnectFailed)
    answer = await caching.ask_for((b"Cache-Control", b"stale-if-error=60"))
    assert answer.body == b"old"


@pytest.mark.parametrize(("age", "why"), [(3, "request"), (10, "stale")], ids=["fresh", "stale"])
async def test_a_reload_gets_a_stored_reply_in_place_of_an_error(age: int, why: str) -> None:
    reload = (b"Cache-Control", b"max-age=0")
    caching = Caching(fresh(5, b"old"), ConnectFailed, fresh(5, b"new"), stale_if_error=60.0)
    await caching.ask()
    await asyncio.sleep(age)
    answer = await caching.ask_for(reload)
    assert answer.body == b"old"
    assert answer.cache == f"fwd={why}; ttl={5 - age}; detail=stale-if-error"
    await asyncio.sleep(1)
    assert (await caching.ask_for(reload)).body == b"new"


@pytest.mark.parametrize("words", [b"max-age=20", b"max-stale=4", b"max-age=20, max-stale=4"])
async def test_a_client_bounds_how_stale_its_answer_is(words: bytes) -> None:
    caching = await stale(fresh(60, b"new"), stale_while_revalidate=60.0)
    assert (await caching.ask_for((b"Cache-Control", words))).body == b"new"


async def test_a_fault_of_the_client_is_its_own() -> None:
    caching = await stale(BadRequest, stale_if_error=60.0)
    with pytest.raises(BadRequest):
        await caching.ask()


@pytest.mark.parametrize("by_reply", [False, True])
async def test_a_stale_reply_is_refreshed_behind_the_answer_once(by_reply: bool) -> None:
    control = b"max-age=5, stale-while-revalidate=60" if by_reply else b"max-age=5"
    options = {} if by_reply else {"stale_while_revalidate": 60.0}
    caching = await stale((3, fresh(60, b"new")), control=control, **options)
    answers = await asyncio.gather(*(caching.ask() for _ in range(20)))
    assert {(each.body, each.cache) for each in answers} == {
        (b"old", "hit; ttl=-5; detail=stale-while-revalidate")
    }
    assert told(caching.cache)["cache_refreshing"] == 1
    await asyncio.sleep(4)
    assert (await caching.ask()).body == b"new"
    assert caching.script.sends == 2


async def test_a_refresh_that_fails_leaves_the_upstream_alone_for_a_second() -> None:
    caching = await stale(ConnectFailed, reply(503), fresh(60, b"new"), stale_while_revalidate=60.0)
    for sends in (2, 3):
        for _ in range(3):
            assert (await caching.ask()).body == b"old"
            await settled()
        assert caching.script.sends == sends
        await asyncio.sleep(1)
    assert (await caching.ask()).body == b"old"
    await settled()
    assert (await caching.ask()).body == b"new"


async def test_an_error_does_not_take_the_place_of_what_is_better() -> None:
    error = reply(503, [(b"Cache-Control", b"max-age=60")], b"no")
    caching = await stale(error, error, stale_if_error=30.0)
    assert (await caching.ask()).body == b"old"
    await asyncio.sleep(2)
    assert (await caching.ask()).body == b"old"
    await asyncio.sleep(60)
    caching.script._outcomes = iter([reply(503, [(b"Cache-Control", b"max-age=60")], b"no")])
    assert (await caching.ask()).status == 503
    assert (await caching.ask()).cache.startswith("hit")


async def test_a_refresh_goes_on_without_its_client_and_without_its_conditions() -> None:
    seen: list[Any] = []

    async def second(exchange: Exchange) -> Reply:
        seen.extend((exchange.method, exchange.deadline, list(exchange.headers)))
        return fresh(60, b"new")

    caching = await stale(second, stale_while_revalidate=60.0)
    exchange = get(method="HEAD", headers=[(b"If-None-Match", b'"x"'), (b"Accept", b"a")])
    exchange.deadline = 1.0
    assert (await caching.ask(exchange)).status == 200
    await settled()
    assert seen == ["GET", None, [(b"Accept", b"a")]]


async def test_a_stale_reply_is_better_than_that_of_a_fallback() -> None:
    async def fixed(exchange: Exchange) -> Reply:
        exchange.error = "destination_unavailable"
        return reply(200, [], b"sorry")

    caching = await stale(fixed, stale_if_error=60.0)
    answer = await caching.ask()
    assert (answer.body, answer.exchange.error) == (b"old", "")


@pytest.mark.parametrize("start", [0.0, 0.4])
@pytest.mark.parametrize("lifetime", [1.0, 1.3, 3.9])
async def test_a_hit_that_is_repeated_ends_when_the_reply_is_stale(
    start: float, lifetime: float
) -> None:
    """What the last answer was made of is used again, but for no moment longer."""
    caching = Caching(reply(200, (), b"one"), reply(200, (), b"two"), ttl=lifetime)
    await asyncio.sleep(start)
    await caching.ask()
    for tenths in range(1, round(lifetime * 10)):
        await asyncio.sleep(0.1)
        found = await caching.ask()
        assert (found.body, found.cache) == (b"one", f"hit; ttl={int(lifetime) - tenths // 10}")
    await asyncio.sleep(0.101)
    assert (await caching.ask()).body == b"two"


async def test_a_hit_is_no_answer_to_who_wants_another_one_at_the_same_moment() -> None:
    caching = Caching(fresh(60, b"one"), fresh(60, b"two"))
    await caching.ask()
    assert (await caching.ask()).body == b"one"
    assert (await caching.ask(get(headers=((b"Cache-Control", b"no-cache"),)))).body == b"two"


WITHDRAWN = (
    reply(410, [(b"Cache-Control", b"no-store")], b"gone"),
    reply(200, [(b"Cache-Control", b"private")], b"mine"),
    reply(404, [(b"Cache-Control", b"no-store")], b"none"),
)


@pytest.mark.parametrize("answer", WITHDRAWN, ids=range(3))
async def test_what_the_upstream_has_withdrawn_is_served_no_more(answer: Reply) -> None:
    caching = await stale(answer, reply(503), stale_if_error=600.0)
    assert (await caching.ask()).status == answer.status
    assert (await caching.ask()).status == 503


async def test_what_was_withdrawn_behind_an_answer_is_served_no_more() -> None:
    gone = reply(410, [(b"Cache-Control", b"no-store")], b"gone")
    caching = await stale(gone, reply(404), stale_while_revalidate=600.0)
    assert (await caching.ask()).body == b"old"
    await settled()
    assert (await caching.ask()).status == 404


@pytest.mark.parametrize("status", [401, 403, 429, 500, 206])
async def test_what_is_about_this_request_withdraws_nothing(status: int) -> None:
    refused = reply(status, [(b"Cache-Control", b"no-store")], b"no")
    caching = await stale(refused, reply(503), stale_if_error=600.0)
    await caching.ask()
    await asyncio.sleep(2)
    assert (await caching.ask()).body == b"old"


@pytest.mark.parametrize("field", [(b"Authorization", b"Bearer a"), (b"Cookie", b"a=1")])
async def test_what_one_client_is_told_withdraws_nothing(field: tuple[bytes, bytes]) -> None:
    mine = reply(200, [(b"Cache-Control", b"private")], b"mine")
    control = b"public, max-age=5, stale-if-error=600"
    caching = await stale(mine, reply(503), control=control)
    assert (await caching.ask_for(field)).body == b"mine"
    assert (await caching.ask()).body == b"old"


PUBLIC = b"public, max-age=5, stale-if-error=600"
MINE = [(b"Cache-Control", b"private"), (b"ETag", b'"b"')]


@pytest.mark.parametrize("status", [200, 304])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("who", [(b"Cookie", b"a=1"), (b"Authorization", b"Bearer a")])
async def test_what_everybody_is_given_stays_whatever_one_client_is_told(
    who: tuple[bytes, bytes], status: int, method: str
) -> None:
    """Also if that client was the one that it was stored for."""
    first = reply(200, [(b"Cache-Control", PUBLIC), (b"ETag", b'"a"')], b"old")
    said = [(b"Cache-Control", b"private")] if status == 304 else MINE
    caching = Caching(first, reply(status, said, b""), reply(503))
    await caching.ask_for(who)
    await asyncio.sleep(10)
    await caching.ask(get(method=method, headers=[who]))
    await asyncio.sleep(2)
    assert (await caching.ask()).body == b"old"


async def test_a_client_that_insists_withdraws_nothing() -> None:
    """It could take from others what they are given, by asking in a way that nobody else does."""
    caching = Caching(fresh(60, b"fresh"), reply(404, [(b"Cache-Control", b"no-store")], b"none"))
    await caching.ask()
    assert (await caching.ask_for((b"Cache-Control", b"no-cache"))).status == 404
    assert (await caching.ask()).body == b"fresh"
