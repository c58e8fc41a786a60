"""Clients with conditions of their own, while one call validates what is stored."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import ConnectFailed, ProxyError
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.http.conditional import entity_tags
from proxy.http.fields import values
from tests.support.caching import Answer, Caching, fresh
from tests.support.loop import get, reply, settle

pytestmark = pytest.mark.usefixtures("nothing_left")

OLD, NEW = b'"old"', b'"new"'
LIFE = (b"Cache-Control", b"max-age=60")
CLIENTS: tuple[tuple[tuple[bytes, bytes], ...], ...] = (
    (),
    ((b"If-None-Match", OLD),),
    ((b"If-None-Match", NEW),),
    ((b"If-None-Match", b'"other"'),),
    ((b"If-None-Match", b"old"),),
    ((b"If-None-Match", b"*"),),
)


async def crowd(answer: Any) -> list[Answer | ProxyError]:
    """What all of them are given: something stale is stored, and the server answers so."""

    async def server(exchange: Exchange) -> Reply:
        await asyncio.sleep(3)
        made: Reply = answer(exchange)
        return made

    stored = fresh(5, b"old", (b"ETag", OLD))
    caching = Caching(stored, *(server for _ in CLIENTS))
    await caching.ask()
    await asyncio.sleep(6)
    asked = [settle(caching.ask(get(headers=fields))) for fields in CLIENTS]
    return list(await asyncio.gather(*asked))


def got(answers: list[Answer | ProxyError]) -> list[tuple[int, bytes]]:
    """Status and body of each; 0 where there is none."""
    return [(each.status, each.body) if isinstance(each, Answer) else (0, b"") for each in answers]


def serving(tag: bytes, body: bytes) -> Any:
    """What a server says that has this."""

    def answer(exchange: Exchange) -> Reply:
        fields = [LIFE, (b"ETag", tag)]
        named = entity_tags(values(exchange.headers, b"if-none-match"))
        if tag in named or b"*" in named:
            return reply(304, fields)
        return reply(200, fields, body)

    return answer


async def test_each_is_answered_by_its_own_condition_where_nothing_has_changed() -> None:
    whole, same = (200, b"old"), (304, b"")
    answers = got(await crowd(serving(OLD, b"old")))
    assert answers == [whole, same, whole, whole, same, same]


async def test_each_is_answered_by_its_own_condition_where_it_has_changed() -> None:
    whole, same = (200, b"new"), (304, b"")
    answers = got(await crowd(serving(NEW, b"new")))
    assert answers == [whole, whole, same, whole, whole, whole]


async def test_an_error_is_the_answer_to_each() -> None:
    assert got(await crowd(lambda _: reply(500, body=b"no"))) == [(500, b"no")] * len(CLIENTS)


async def test_a_fault_of_the_network_is_told_to_each() -> None:
    def reset(_: Exchange) -> Reply:
        raise ConnectFailed("reset")

    assert all(isinstance(each, ConnectFailed) for each in await crowd(reset))
