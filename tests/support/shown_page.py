"""The page for operators of a proxy that has been asked once, in a browser."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.support.devtools import Page, opened
from tests.support.message import get
from tests.support.proxy import Proxy, proxied
from tests.support.upstream import RawUpstream, Script

BUSY: Script = ["wait-body", b"HTTP/1.1 500 Busy\r\nContent-Length: 4\r\n\r\nbusy"]
SILENT: Script = ["hold"]


@contextlib.asynccontextmanager
async def shown(
    *scripts: Script, dark: bool = False, where: str = "", **tables: Any
) -> AsyncIterator[tuple[Proxy, Page]]:
    """The page of a proxy whose first request was answered by the first of these."""
    async with (
        RawUpstream(*scripts) as upstream,
        RawUpstream() as other,
        proxied(
            upstream,
            admin={"listen": "127.0.0.1:0"},
            retry=False,
            upstream_options={"servers": [upstream.url, {"url": other.url, "backup": True}]},
            **tables,
        ) as proxy,
    ):
        await proxy.ask(get("/first"))
        async with opened(f"http://{proxy.runtime.admin}/{where}", dark=dark) as page:
            if not where:  # a filter in the address may hide it
                await page.until(has(".call"))
            await page.until(has(".tile"))
            yield proxy, page


def has(selector: str) -> str:
    """Whether there is one, in JavaScript."""
    return f"!!document.querySelector({json.dumps(selector)})"


def text(selector: str) -> str:
    """What stands in the first one, in JavaScript."""
    return f"document.querySelector({json.dumps(selector)}).textContent"
