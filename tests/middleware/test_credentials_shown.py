"""Which credentials are shown, and what of the client's own goes no further."""

import asyncio
from typing import Any

import pytest

from proxy.core.credentials import Field
from proxy.core.exchange import Exchange
from proxy.core.record import CREDENTIALS, Wait
from proxy.core.reply import Reply
from proxy.middleware.credentials import OwnCredentials
from tests.middleware.test_credentials import Held, kept, refusals, shows
from tests.support.loop import JumpingLoop, get, loop_clock, reply


async def test_a_key_that_is_refused_does_not_keep_a_request_from_waiting_for_a_good_one(
    jumping: JumpingLoop,
) -> None:
    own, sent = shows(Held("a", "b"), *refusals(401, 429), reply(), max_wait=20.0)
    assert (await own.handle(get())).status == 429  # "a" is out for a minute, "b" for nine seconds
    exchange = get()
    assert (await own.handle(exchange)).status == 200
    assert exchange.record.queue_s == 9.0
    assert sent == [b"a", b"b", b"b"]


async def test_where_no_good_key_comes_in_time_a_refused_one_is_asked(
    jumping: JumpingLoop,
) -> None:
    own, sent = shows(Held("a", "b"), *refusals(401, 429), reply(), max_wait=5.0)
    await own.handle(get())
    assert (await own.handle(get())).status == 200
    assert sent == [b"a", b"b", b"a"]


async def test_a_key_that_is_free_in_a_moment_is_waited_for(jumping: JumpingLoop) -> None:
    own, sent = shows(Held("a", "b"), *refusals(429, 429), reply(), max_wait=0.0)
    await own.handle(get())
    await asyncio.sleep(9 - 0.001)
    assert (await own.handle(get())).status == 200
    assert len(sent) == 3


async def test_a_key_that_was_refused_is_asked_if_no_other_can_be_waited_for(
    jumping: JumpingLoop,
) -> None:
    held = Held("a", "b")
    own, sent = shows(held, reply(), max_wait=20.0)
    held.keys[0].refuse(jumping.time())
    held.keys[1].exceed(9.0, jumping.time())
    exchange = get()
    exchange.deadline = jumping.time() + 8.0
    assert (await own.handle(exchange)).status == 200
    assert sent == [b"a"]


@pytest.mark.parametrize("name", [b"x-key", b"X_Key", b"x_KEY"])
async def test_no_spelling_of_the_field_brings_a_clients_own_value(
    jumping: JumpingLoop, name: bytes
) -> None:
    """Servers of CGI and WSGI take both for HTTP_X_KEY."""
    seen: list[Any] = []

    async def inner(exchange: Exchange) -> Reply:
        seen.extend(exchange.headers)
        return reply()

    await OwnCredentials(inner, Held("a"), "api", kept, clock=loop_clock()).handle(
        get(headers=[(name, b"theirs"), (b"X-Keys", b"other")])
    )
    assert seen == [(b"X-Keys", b"other"), (b"X-Key", b"a")]


@pytest.mark.parametrize("method", ["TRACE", "TRACK"])
async def test_a_request_that_is_sent_back_shows_nothing(jumping: JumpingLoop, method: str) -> None:
    """RFC 9110 9.3.8: the client gets all fields of it as the body of the reply."""
    seen: list[Any] = []

    async def inner(exchange: Exchange) -> Reply:
        seen.extend(exchange.headers)
        return reply()

    held = Held("a", "b")
    own = OwnCredentials(inner, held, "api", kept, clock=loop_clock())
    await own.handle(get(method=method, headers=[(b"X-Key", b"theirs"), (b"Accept", b"x")]))
    assert seen == [(b"Accept", b"x")]
    assert [key.requests for key in held.keys] == [0, 0]


async def test_replies_that_refuse_the_only_key_are_counted_and_told_once_a_minute(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held("only-key")
    own, sent = shows(held, *refusals(401, 401, 429, 403, 401), reply())
    for status in (401, 401, 429, 403):
        assert (await own.handle(get())).status == status
    (key,) = held.keys
    assert (key.refused, key.exceeded) == (2, 1)
    assert key.blocked_for(jumping.time()) == 0.0
    line = "api does not accept the credentials 'only-key' (401)"
    assert [record.getMessage() for record in caplog.records] == [line]
    await asyncio.sleep(61)
    assert (await own.handle(get())).status == 401
    assert [record.getMessage() for record in caplog.records] == [line] * 2
    assert (await own.handle(get())).status == 200
    assert sent == [b"only-key"] * 6


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
async def test_a_401_that_another_value_answers_is_counted_and_no_news(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture, names: tuple[str, ...]
) -> None:
    held = Held(*names)
    held.renewed["a"] = [b"new"]
    own, _ = shows(held, *refusals(401), reply())
    assert (await own.handle(get())).status == 200
    assert held.keys[0].refused == 1
    assert caplog.records == []


async def test_a_token_that_is_on_its_way_is_waited_for(jumping: JumpingLoop) -> None:
    held = Held("a")
    [key] = held.keys
    key.usable_until = jumping.time()  # it has expired

    async def ready(*_: object) -> Field:
        await asyncio.sleep(4)
        assert key.field is not None
        return key.field

    held.ready = ready  # type: ignore[method-assign, assignment]
    own, _ = shows(held, reply())
    exchange = get()
    assert (await own.handle(exchange)).status == 200
    assert exchange.record.longest_wait == Wait(CREDENTIALS, exchange.started_at, "api", "", 4.0)


async def test_no_trailer_of_a_client_stands_for_our_field(jumping: JumpingLoop) -> None:
    held: Any = Held("a")
    seen = []

    async def inner(exchange: Exchange) -> Reply:
        seen.append(exchange.no_trailers)
        return reply()

    exchange = get()
    exchange.no_trailers = frozenset({b"x-user"})
    own = OwnCredentials(inner, held, "api", kept, clock=loop_clock())
    assert (await own.handle(exchange)).status == 200
    assert seen == [{b"x-user", b"x-key"}]
    assert exchange.no_trailers == {b"x-user"}  # another upstream has others
