"""A ``value_file`` that is written anew is shown without a restart."""

import asyncio
from pathlib import Path
from typing import Any

from tests.support.credentials import turn
from tests.support.message import get
from tests.support.proxy import fronted
from tests.support.upstream import RawUpstream


def options(path: Path) -> dict[str, Any]:
    return {"credentials": {"value_file": str(path)}}


async def shown(proxy: Any, upstream: RawUpstream) -> bytes | None:
    assert (await proxy.ask(get(fields=b"Authorization: theirs\r\n"))).status == 200
    return upstream.requests[-1].head.value("Authorization")


async def test_the_next_requests_show_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "token"
    turn(path, "Bearer one\n")
    async with fronted(upstream_options=options(path)) as (upstream, proxy):
        assert await shown(proxy, upstream) == b"Bearer one"
        for text in ("Bearer two\n", "Bearer three"):
            turn(path, text)
            async with asyncio.timeout(30):
                while await shown(proxy, upstream) != text.strip().encode():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
