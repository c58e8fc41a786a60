"""Two proxies and a store in Redis between them."""

from tests.support.message import get, length
from tests.support.proxy import proxied
from tests.support.redis_server import redis_server
from tests.support.upstream import RawUpstream

LIFE = b"Cache-Control: max-age=60\r\n"
BODY = bytes(range(256)) * 1000


async def test_two_proxies_share_a_store_and_do_without_it() -> None:
    async with redis_server() as server, RawUpstream([length(BODY, fields=LIFE)]) as upstream:
        tables = {"cache": {}, "store": {"url": server.url, "timeout": "5s"}}
        async with proxied(upstream, **tables) as one, proxied(upstream, **tables) as two:
            assert (await one.ask(get())).body == BODY
            assert b"; hit" in ((await one.ask(get())).value("Cache-Status") or b"")
            answer = await two.ask(get())
            assert b"; hit" in (answer.value("Cache-Status") or b"")
            assert answer.body == BODY
            part = await two.ask(get(fields=b"Range: bytes=65530-65540\r\n"))
            assert part.body == BODY[65530:65541]
            assert len(upstream.requests) == 1
            await server.kill()
            assert (await two.ask(get())).body == BODY
            assert len(upstream.requests) == 2
