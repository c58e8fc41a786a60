"""What removes stored replies."""

import json
import logging
from typing import Any

import pytest

from tests.support.client import Response, ask
from tests.support.message import get, length
from tests.support.proxy import Proxy, fronted

STORED: dict[str, Any] = {"cache": {}, "admin": {"listen": "127.0.0.1:0"}}
FRESH = length(b"kept", fields=b"Cache-Control: max-age=60\r\nCache-Tag: a\r\n")


async def remove(proxy: Proxy, query: str) -> Response:
    line = f"DELETE /api/cache{query} HTTP/1.1\r\nHost: proxy.test\r\n\r\n"
    return await ask(proxy.admin, line.encode())


@pytest.mark.parametrize(
    ("query", "told", "words"),
    [
        ("?path=/a", {"path": "/a", "removed": 1}, "1 stored reply of path /a removed"),
        ("?path=/a%3Fq=1", {"path": "/a"}, "0 stored replies of path /a removed"),
        ("?path=/nothing", {"path": "/nothing"}, "0 stored replies of path /nothing removed"),
        ("?tag=a", {"tag": "a", "removed": 1}, "1 stored reply of tag a removed"),
        ("?tag=b%0A", {"tag": "b%0A"}, "0 stored replies of tag b%0A removed"),
        ("?route=/", {"route": "/", "removed": 1}, "1 stored reply of route / removed"),
        (
            "?path=/a&tag=b",
            {"path": "/a", "tag": "b", "removed": 1},
            "1 stored reply of path /a and of tag b removed",
        ),
    ],
)
async def test_each_removal_is_told_also_where_there_was_nothing(
    query: str, told: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with fronted([FRESH], **STORED) as (_, proxy):
        await proxy.ask(get("/a"))
        with caplog.at_level(logging.WARNING, "proxy.state"):
            answer = await remove(proxy, query)
        assert json.loads(answer.body) == {"removed": told.get("removed", 0), "complete": True}
    [record] = [each for each in caplog.records if each.name == "proxy.state"]
    assert record.message == f"{words}, as an operator has asked"
    keys = {"path": "", "tag": "", "route": "", "removed": 0, "complete": True} | told
    assert {key: vars(record)[key] for key in keys} == keys
    assert vars(record)["event"] == "purged"


@pytest.mark.parametrize("query", ["", "?path=", "?path=&route=", "?tag=&path=/a"])
async def test_what_says_nothing_removes_nothing(
    query: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with fronted([FRESH], **STORED) as (upstream, proxy):
        await proxy.ask(get("/a"))
        assert (await remove(proxy, query)).status == 400
        await proxy.ask(get("/a"))
        assert len(upstream.requests) == 1
    assert "purged" not in [vars(each).get("event") for each in caplog.records]
