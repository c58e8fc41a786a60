"""A request that says that its body has no bytes is one without content (RFC 9110 6.4, 8.6)."""

import asyncio

import pytest

from proxy.middleware.coalesce.coalesce import Coalesce
from tests.support.message import get, length
from tests.support.proxy import fronted
from tests.support.scope import watched

LIFE = b"Cache-Control: max-age=60\r\n"
NOTHING = b"Content-Length: 0\r\n"


@pytest.mark.parametrize("fields", [[NOTHING, b""], [b"", NOTHING], [NOTHING, NOTHING]])
async def test_it_is_stored_and_answered_from_the_store(fields: list[bytes]) -> None:
    script = [length(b"body", fields=LIFE)]
    async with fronted(script, cache={}) as (_, proxy):
        first, second = [await proxy.ask(get(fields=each)) for each in fields]
        assert (first.body, second.body) == (b"body", b"body")
        assert b"; stored" in (first.value("Cache-Status") or b"")
        assert b"; hit; " in (second.value("Cache-Status") or b"")
        only = await proxy.ask(get(fields=NOTHING + b"Cache-Control: only-if-cached\r\n"))
        assert only.status == 200


async def test_it_shares_a_call() -> None:
    gate = asyncio.Event()
    script = [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", gate, b"body"]
    async with fronted(script, coalesce={}) as (upstream, proxy):
        asks = [asyncio.create_task(proxy.ask(get(fields=each))) for each in (NOTHING, b"")]
        [shared] = watched(proxy, Coalesce)
        await upstream.until(lambda: shared.counts["joined"] or len(upstream.requests) == 2)
        gate.set()
        assert [(await each).body for each in asks] == [b"body", b"body"]
        assert len(upstream.requests) == 1


async def test_one_with_content_passes_by_and_says_so() -> None:
    scripts = [length(b"body", fields=LIFE)], [length(b"other", fields=LIFE)]
    async with fronted(*scripts, cache={}) as (_, proxy):
        await proxy.ask(get())
        answer = await proxy.ask(get(fields=b"Content-Length: 1\r\n") + b"x")
        assert answer.body == b"other"
        assert answer.value("Cache-Status") == b"sidecar-proxy; fwd=bypass; detail=content"
