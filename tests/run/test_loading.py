"""What a start loads, and what it costs: each test looks at a process of its own."""

import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support.authority import Authority
from tests.support.process import PATIENCE, started

CONTEXTS = """
import json, ssl
from proxy.run.loading import load_libraries
load_libraries()
from aiohttp import connector
theirs = connector._SSL_CONTEXT_VERIFIED
print(json.dumps({
    "theirs": theirs.cert_store_stats()["x509_ca"],
    "verified": theirs.verify_mode == ssl.CERT_REQUIRED and theirs.check_hostname,
    "ours": ssl.create_default_context().cert_store_stats()["x509_ca"],
}))
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def asked(script: str, **environment: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    return json.loads(done.stdout)


def test_the_certificates_of_the_system_are_read_by_whoever_wants_them(
    authority: Authority,
) -> None:
    found = asked(CONTEXTS, SSL_CERT_FILE=authority.path("ca.pem"), SSL_CERT_DIR="/nonexistent")
    assert found == {"theirs": 0, "verified": True, "ours": 1}


@contextlib.asynccontextmanager
async def api(context: ssl.SSLContext) -> AsyncIterator[tuple[str, asyncio.Queue[str]]]:
    """Its address, and the paths that were asked for."""
    paths: asyncio.Queue[str] = asyncio.Queue()

    async def answer(request: web.Request) -> web.Response:
        paths.put_nowait(request.path)
        return web.Response(text="here")

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}", paths
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("trusted", "status"), [(True, 200), (False, 502)])
async def test_who_speaks_tls_trusts_what_the_system_trusts(
    authority: Authority, tmp_path: Path, trusted: bool, status: int
) -> None:
    """The API and the collector of spans; their certificates come from nobody else."""
    trust = authority.path("ca.pem") if trusted else "/nonexistent"
    async with api(authority.server()) as (url, paths):
        config = tmp_path / "config.toml"
        config.write_text(
            f'[server]\nlisten = "127.0.0.1:0"\n[tracing]\nendpoint = "{url}/collector"\n'
            f'[[upstreams]]\nname = "api"\nservers = ["{url}"]\n'
        )
        async with started(
            "run", str(config), SSL_CERT_FILE=trust, SSL_CERT_DIR="/nonexistent"
        ) as proxy:
            await proxy.ready()
            async with await proxy.client() as client:
                reply = await client.ask(b"GET /asked HTTP/1.1\r\nHost: a\r\n\r\n")
                assert reply.status == status
            if trusted:
                async with asyncio.timeout(PATIENCE):
                    assert await paths.get() == "/asked"
                    assert await paths.get() == "/collector/v1/traces"
            else:
                assert paths.empty()
