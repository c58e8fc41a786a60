"""A path that is removed from the cache is written in many ways (nginx-modules/ngx_cache_purge#21).

`?path=/a%20b`, pasted from the access log, removed nothing.
"""

import json
from typing import Any

import pytest

from tests.support.client import ask
from tests.support.message import get, length
from tests.support.proxy import fronted

STORED: dict[str, Any] = {"cache": {}, "admin": {"listen": "127.0.0.1:0"}}
FRESH = length(b"kept", fields=b"Cache-Control: max-age=60\r\n")


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        ("/a%20b", "/a%20b"),  # as the log shows it
        ("/a%20b", "/a%2520b"),  # escaped for a query
        ("/a%20b", "%2Fa%2520b"),  # by curl -G --data-urlencode
        ("/a%20b", "%2Fa%20b"),  # likewise, and written with a blank
        ("/a%20b?q=1", "/a%20b"),
        ("/a+b", "/a+b"),
        ("/a+b", "%2Fa%2Bb"),
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/caf%C3%A9", "%2Fcaf%25C3%25A9"),
        ("/%2F%3b", "/%2F%3b"),
        ("/a=b", "/a=b"),
        ("/a&b", "/a%26b"),
    ],
)
async def test_a_path_is_found_as_the_log_shows_it_and_escaped(target: str, asked: str) -> None:
    async with fronted([FRESH], **STORED) as (upstream, proxy):
        for each in (target, "/other"):
            await proxy.ask(get(each))
        remove = f"DELETE /api/cache?path={asked} HTTP/1.1\r\nHost: proxy.test\r\n\r\n"
        answer = await ask(proxy.admin, remove.encode())
        assert (answer.status, json.loads(answer.body)) == (200, {"removed": 1, "complete": True})
        for each in (target, "/other"):
            await proxy.ask(get(each))
        assert len(upstream.requests) == 3  # the other one is still there
