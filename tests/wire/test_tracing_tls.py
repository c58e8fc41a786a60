"""A collector that is spoken to over TLS."""

import asyncio
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.message import get
from tests.support.proxy import proxied
from tests.support.upstream import HEALTHY, PATIENCE, RawUpstream


@pytest.mark.parametrize("trusted", ["ca", "server"])
async def test_the_same_collectors_are_trusted_on_every_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: str
) -> None:
    authority = Authority(tmp_path)
    authority.issue("server", "IP:127.0.0.1", also="authorityKeyIdentifier=none")
    monkeypatch.setenv("SSL_CERT_FILE", authority.path(f"{trusted}.pem"))
    monkeypatch.setattr("proxy.run.collector.EVERY", 0.01)
    asked = asyncio.get_running_loop().create_future()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        if not asked.done():
            asked.set_result(line)
        writer.close()

    async with (
        await asyncio.start_server(receive, "127.0.0.1", 0, ssl=authority.server()) as collector,
        RawUpstream(HEALTHY) as upstream,
    ):
        endpoint = f"https://127.0.0.1:{collector.sockets[0].getsockname()[1]}"
        async with proxied(upstream, tracing={"endpoint": endpoint}) as proxy:
            assert (await proxy.ask(get())).status == 200
            async with asyncio.timeout(PATIENCE):
                assert await asked == b"POST /v1/traces HTTP/1.1\r\n"
