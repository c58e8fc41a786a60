"""The last reply on a connection reaches a client that reads it slowly.

The connection used to be aborted one second after the last byte was written, and what the transport
still held was lost.
"""

import asyncio

import pytest

from proxy.edge.http1 import write_stall as writing
from tests.support.message import get, length
from tests.support.proxy import fronted

BODY = b"x" * 20_000_000


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_the_last_reply_is_whole_however_slowly_it_is_read(
    monkeypatch: pytest.MonkeyPatch, version: bytes
) -> None:
    monkeypatch.setattr(writing, "LINGER", 0.01)
    async with (
        fronted([length(BODY)]) as (_, proxy),
        await proxy.connect(receive_buffer=65536) as client,
    ):
        request = get(fields=b"Connection: close\r\n").replace(b"HTTP/1.1", b"HTTP/" + version)
        await client.send(request)
        got = b""
        while b"\r\n\r\n" not in got:
            got += await client.read()
        size = len(got.partition(b"\r\n\r\n")[2])
        while not proxy.records:  # until all is written as far as the relay is concerned
            size += len(await client.read())
        await asyncio.sleep(0.1)
        while data := await client.read():
            size += len(data)
    assert size == len(BODY)


async def test_a_client_that_does_not_take_its_last_reply_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "LINGER", 0.01)
    options = {"server": {"write_idle_timeout": "100ms"}}
    async with (
        fronted([length(b"x" * 60_000)], **options) as (upstream, proxy),
        await proxy.connect(receive_buffer=4096) as client,
    ):
        await client.send(get(fields=b"Connection: close\r\n"))
        await proxy.record()
        await upstream.until(lambda: not proxy.runtime._tracker.connections)
        assert (await client.receive()).ended != "open"
