"""Bodies that are sent again: the same bytes, and as many files as before."""

import asyncio
import random

import pytest

from tests.edge.http1.test_spool import descriptors
from tests.support.message import length
from tests.support.proxy import fronted
from tests.support.upstream import HEALTHY, Script

QUICK = {"backoff_base": "1ms", "backoff_max": "5ms"}
BODY = random.Random(1).randbytes(3 << 20)
BUSY: Script = ["wait-body", length(b"busy", b"503 Busy")]
EARLY: Script = [length(b"busy", b"503 Busy")]


def framed(body: bytes, *, chunked: bool) -> bytes:
    if not chunked:
        return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    pieces = [body[at : at + 70_000] for at in range(0, len(body), 70_000)]
    chunks = b"".join([b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces])
    return b"Transfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % chunks


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("first", [BUSY, EARLY, ["rst"]], ids=["refused", "refused early", "reset"])
@pytest.mark.parametrize("limit", ["1MiB", "10MiB", "1B"])
async def test_a_replay_is_the_same_byte_for_byte(limit: str, first: Script, chunked: bool) -> None:
    before = descriptors()
    options = {"retry": {**QUICK, "on": ["503", "reset", "stale-connection"], "max_body": limit}}
    async with fronted(first, HEALTHY, **options) as (upstream, proxy):
        response = await proxy.ask(b"PUT / HTTP/1.1\r\nHost: a\r\n" + framed(BODY, chunked=chunked))
        assert response.status == 200
        exchange = await proxy.record()
        assert exchange.record.attempt_count == 2
        assert upstream.requests[-1].body == BODY
        assert exchange.bytes_in == len(BODY)
    assert descriptors() == before


async def test_a_client_that_leaves_in_the_middle_leaves_no_file() -> None:
    before = descriptors()
    options = {"retry": {**QUICK, "on": ["503"], "max_body": "64KiB"}}
    async with fronted(["hold"], **options) as (_, proxy):
        client = await proxy.connect()
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n")
        await client.send(b"x" * 500_000)
        async with asyncio.timeout(30):
            while descriptors() == before:  # noqa: ASYNC110  (nobody tells)
                await asyncio.sleep(0.01)
        client.reset()
        await proxy.record()
        async with asyncio.timeout(30):
            while descriptors() != before:  # noqa: ASYNC110  (likewise)
                await asyncio.sleep(0.01)
