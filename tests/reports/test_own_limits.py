"""What this process or machine has no more of is not the upstream's fault.

Eljaja/BibaVPN#123, genotrance/px#272: without descriptors a healthy server was taken for a broken
one, and clients were closed without an answer or a line in the log. Azure/DotNetty#470,
benoitc/gunicorn#1913: balancers look whether a server lives with connections that they reset.
"""

import asyncio
import contextlib
import errno
import json
import os
import resource
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectorError, ThreadedResolver

from proxy.core.local_limits import WORDS, Complaints
from proxy.net.accepted import connect
from proxy.run.sockets.acceptor import Acceptor, Bounds
from proxy.upstream.connector import Connector
from tests.support.authority import Authority
from tests.support.client import RawClient
from tests.support.message import OK
from tests.support.process import PATIENCE, started
from tests.support.proxy import dialled, fronted, proxied
from tests.support.upstream import RESET, RawUpstream

HELLO = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
TOKEN = b"sidecar-proxy; error=connection_limit_reached"
NERVOUS = {
    "circuit_breaker": {"consecutive_failures": 1, "base_ejection_time": "1h"},
    "retry": {"attempts": 3},
}


@pytest.fixture
def complaints(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The limits that were told of, as often as they were met."""
    told: list[str] = []
    monkeypatch.setattr(Complaints, "__call__", lambda _, kind, __: told.append(kind))
    return told


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """None can be opened meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_descriptors_the_answer_is_503_and_the_server_stays(
    complaints: list[str],
) -> None:
    async with fronted([OK], **NERVOUS) as (_, proxy):
        async with await proxy.connect() as client:
            with no_descriptors():
                for _ in range(3):
                    refused = await client.ask(HELLO, patience=PATIENCE)
                    assert (refused.status, refused.value("Proxy-Status")) == (503, TOKEN)
                    assert refused.value("Retry-After") == b"1"
            assert (await client.ask(HELLO, patience=PATIENCE)).status == 200
        assert {exchange.record.attempt_count for exchange in proxy.records} == {1}
    assert complaints == ["EMFILE"] * 3


@pytest.mark.parametrize("number", sorted(WORDS), ids=errno.errorcode.get)
async def test_whatever_runs_out_here_is_told_apart_from_a_failing_server(
    number: int, complaints: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fronted([OK], **NERVOUS) as (_, proxy):

        async def fails(*_: Any, req: Any, **__: Any) -> Any:
            raise ClientConnectorError(req.connection_key, OSError(number, os.strerror(number)))

        with monkeypatch.context() as patch:
            patch.setattr(Connector, "_wrap_create_connection", fails)
            refused = await proxy.ask(HELLO)
            assert (refused.status, refused.value("Proxy-Status")) == (503, TOKEN)
        assert (await proxy.ask(HELLO)).status == 200
    assert complaints == [errno.errorcode[number]]


async def test_without_threads_no_name_is_looked_up_and_that_is_said(
    complaints: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RawUpstream([OK]) as upstream:
        url = upstream.url.replace("127.0.0.1", "localhost")

        async def resolve(*_: Any) -> Any:
            raise RuntimeError("can't start new thread")  # as ThreadPoolExecutor.submit does

        with monkeypatch.context() as patch:
            patch.setattr(ThreadedResolver, "resolve", resolve)
            async with proxied(url) as proxy:
                refused = await proxy.ask(HELLO)
            assert (refused.status, refused.value("Proxy-Status")) == (503, TOKEN)
    assert "thread" in complaints


async def test_a_health_check_that_could_not_be_made_says_nothing_of_the_server(
    complaints: list[str],
) -> None:
    check = {"interval": "10ms", "unhealthy_threshold": 1, "healthy_threshold": 1}
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    async with dialled([closing], health_check=check) as (upstream, _, client):
        await upstream.until(lambda: len(upstream.requests) > 1)
        with no_descriptors():
            async with asyncio.timeout(PATIENCE):
                while len(complaints) < 3:  # noqa: ASYNC110 - nobody notifies tests
                    await asyncio.sleep(0.001)
        assert (await client.ask(HELLO, patience=PATIENCE)).status == 200


async def test_a_full_disk_costs_the_other_tries_and_not_the_request(
    complaints: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pwrite(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", pwrite)
    body = b"x" * 100_000
    head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with dialled(retry={"max_body": "1KiB"}) as (upstream, _, client):
        await client.send(head)
        await upstream.until(lambda: len(upstream.requests) == 1)
        await client.send(body)
        assert (await client.receive(patience=PATIENCE)).status == 200
        assert upstream.requests[0].body == body
    assert complaints == ["spool"]


async def test_accepting_waits_for_descriptors_and_does_not_spin(complaints: list[str]) -> None:
    answered = asyncio.Event()

    class Answer(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            answered.set()
            transport.close()

    listening, client = socket.socket(), socket.socket()
    listening.bind(("127.0.0.1", 0))
    loop = asyncio.get_running_loop()
    acceptor = Acceptor(listening, partial(connect, Answer), Bounds(1000))
    client.setblocking(False)
    with no_descriptors():
        await loop.sock_connect(client, listening.getsockname())
        async with asyncio.timeout(PATIENCE):
            while len(complaints) < 2:  # noqa: ASYNC110 - nobody notifies tests
                await asyncio.sleep(0.001)
        assert not answered.is_set()
    async with asyncio.timeout(PATIENCE):
        await answered.wait()
    acceptor.close()
    client.close()


@pytest.mark.parametrize("kind", ["plain", "introduced", "encrypted"])
async def test_a_client_that_is_gone_before_it_is_looked_at_met_no_limit(
    kind: str, authority: Authority, complaints: list[str]
) -> None:
    pair = {"cert_file": authority.path("server.pem"), "key_file": authority.path("server.key")}
    server: dict[str, dict[str, Any]] = {
        "plain": {},
        "introduced": {"proxy_protocol": True, "trusted_proxies": ["127.0.0.0/8"]},
        "encrypted": {"tls": {"certificates": [pair]}},
    }
    async with fronted(server=server[kind]) as (_, proxy):
        for _ in range(3):
            looking = socket.socket()
            looking.connect(proxy.address)  # nothing else runs meanwhile
            looking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            looking.close()
        async with await proxy.connect() as client:  # accepted behind them
            await client.send(b"neither a header nor TLS\r\n\r\n")
            await client.rest()
    assert complaints == []


CONFIG = """
[server]
listen = {listen}
[admin]
listen = "127.0.0.1:0"
[circuit_breaker]
consecutive_failures = 1
base_ejection_time = "1h"
[[upstreams]]
name = "api"
servers = ["{url}"]
"""


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_crowd_beyond_the_descriptors_is_answered_to_the_last(
    tmp_path: Path, kind: str
) -> None:
    config = tmp_path / "config.toml"
    listen = '"127.0.0.1:0"' if kind == "tcp" else f'"unix:{tmp_path}/proxy.sock"'
    async with RawUpstream([OK]) as upstream:
        config.write_text(CONFIG.format(url=upstream.url, listen=listen))
        async with started("run", str(config), prefix="ulimit -n 64") as proxy:
            assert "clients are served at a time" in await proxy.line("max_connections")
            await proxy.ready()

            async def ask() -> tuple[int, bytes | None]:
                async with await proxy.client() as client:
                    response = await client.ask(HELLO, patience=PATIENCE)
                    return response.status, response.value("Proxy-Status")

            answers = await asyncio.gather(*[ask() for _ in range(200)])
            assert set(answers) <= {(200, None), (503, TOKEN)}
            assert {status for status, _ in answers} == {200, 503}
            assert "a limit of the proxy, not of an upstream" in await proxy.line("a limit of")
            async with asyncio.timeout(PATIENCE):
                while (await ask())[0] != 200:  # until those that were refused have gone
                    pass
            host, _, port = proxy.admin.rpartition(":")
            async with await RawClient.connect((host, int(port))) as operator:
                state = await operator.ask(b"GET /api/state HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert [one["ejections"] for one in json.loads(state.body)["breakers"]] == [0]
            assert await proxy.stopped() == 0
            assert len(await proxy.said()) < 20  # not one for each that was refused


async def test_the_soft_limit_is_raised(tmp_path: Path) -> None:
    async with started(
        *("run", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"),
        prefix="ulimit -Sn 64",
    ) as proxy:
        await proxy.ready()
        soft, hard = resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE)
        assert soft == hard != 64
