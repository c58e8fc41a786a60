"""TLS and the PROXY protocol of the listener change with a reload in every worker."""

import asyncio
import contextlib
import os
import shutil
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.client import RawClient
from tests.support.message import OK, get
from tests.support.process import PATIENCE, Process
from tests.support.tls_client import TlsClient, trusting
from tests.support.upstream import HEALTHY, RawUpstream
from tests.support.workers import configured, crew, reloaded, serving, state, stopped, until, where

LINE = b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\n"
TRUSTED = 'trusted_proxies = ["127.0.0.0/8"]'
SEVERAL = 6
"""Connections at a time: each worker has half of them, give or take one."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.issue("second", "IP:127.0.0.1")
    return made


def certificate(authority: Authority, name: str = "server") -> str:
    """``[server] tls``."""
    files = (authority.path(f"{name}.{kind}") for kind in ("pem", "key"))
    return 'tls = {{ certificates = [{{ cert_file = "{}", key_file = "{}" }}] }}'.format(*files)


@contextlib.asynccontextmanager
async def several(
    proxy: Process, context: ssl.SSLContext | None = None, before: bytes = b""
) -> AsyncIterator[list[RawClient]]:
    """Connections to all workers."""
    address = where(proxy.http[0])
    async with contextlib.AsyncExitStack() as stack:
        clients: list[RawClient] = []
        for _ in range(SEVERAL):
            if context is not None:
                made: RawClient = await TlsClient.open(address, context, before=before)
            else:
                made = await RawClient.connect(address)
                await made.send(before)
            clients.append(await stack.enter_async_context(made))
        await until(proxy, lambda now: all(each["connections"] for each in now["workers"]))
        yield clients


async def statuses(clients: list[RawClient]) -> set[int]:
    return {(await client.ask(get())).status for client in clients}


async def shown(proxy: Process, context: ssl.SSLContext) -> set[bytes | None]:
    """The certificates that workers show."""
    async with several(proxy, context) as clients:
        return {each.tls.getpeercert(True) for each in clients if isinstance(each, TlsClient)}


def clients_of(upstream: RawUpstream) -> set[bytes | None]:
    """Whom the last requests came from, as the upstream was told."""
    return {each.head.value("X-Forwarded-For") for each in upstream.requests[-SEVERAL:]}


async def test_all_workers_turn_to_tls_and_back_and_connections_that_stand_go_on(
    tmp_path: Path, authority: Authority
) -> None:
    context, answer = trusting(authority), asyncio.Event()
    async with (
        RawUpstream([answer, OK], HEALTHY) as upstream,
        crew(tmp_path, upstream) as proxy,
        await proxy.client() as held,
    ):
        pids = serving(await state(proxy))
        await held.send(get("/held"))
        await upstream.until(lambda: upstream.requests)
        await reloaded(proxy, tmp_path, upstream, certificate(authority))
        async with several(proxy, context) as secret:
            assert await statuses(secret) == {200}
            async with several(proxy) as plain:
                assert await statuses(plain) == {400}  # they are told that TLS is spoken here
            await reloaded(proxy, tmp_path, upstream, "")
            assert await statuses(secret) == {200}
            async with several(proxy) as plain:
                assert await statuses(plain) == {200}
        answer.set()
        assert (await held.receive()).status == 200
        assert serving(await state(proxy)) == pids
        assert (await stopped(proxy))[0] == 0


async def test_all_workers_show_the_certificate_that_a_reload_names_or_its_file_has(
    tmp_path: Path, authority: Authority
) -> None:
    context = trusting(authority)
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        await reloaded(proxy, tmp_path, upstream, certificate(authority))
        assert await shown(proxy, context) == {authority.der("server")}
        await reloaded(proxy, tmp_path, upstream, certificate(authority, "second"))
        assert await shown(proxy, context) == {authority.der("second")}
        for kind in ("key", "pem"):
            shutil.copy(authority.path(f"server.{kind}"), authority.path(f"third.{kind}"))
        await reloaded(proxy, tmp_path, upstream, certificate(authority, "third"))
        assert await shown(proxy, context) == {authority.der("server")}
        for kind in ("key", "pem"):  # as a rotation does, without a reload
            shutil.copy(authority.path(f"second.{kind}"), authority.path("new"))
            os.replace(authority.path("new"), authority.path(f"third.{kind}"))
        async with asyncio.timeout(PATIENCE):
            while await shown(proxy, context) != {authority.der("second")}:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
        assert (await stopped(proxy))[0] == 0


async def test_a_certificate_that_cannot_be_read_changes_nothing_in_any_worker(
    tmp_path: Path, authority: Authority
) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        configured(tmp_path, upstream.url, server=certificate(authority, "nobody"))
        proxy.process.send_signal(signal.SIGHUP)
        assert "refused" in await proxy.line("reload (SIGHUP)")
        async with several(proxy) as plain:
            assert await statuses(plain) == {200}


async def test_all_workers_begin_and_end_to_want_the_proxy_protocol(tmp_path: Path) -> None:
    async with (
        RawUpstream() as upstream,
        crew(tmp_path, upstream) as proxy,
        several(proxy) as plain,
    ):
        assert await statuses(plain) == {200}
        await reloaded(proxy, tmp_path, upstream, f"{TRUSTED}\nproxy_protocol = true")
        async with several(proxy, before=LINE) as named:
            assert await statuses(named) == {200}
            assert clients_of(upstream) == {b"192.0.2.7"}
            assert await statuses(plain) == {200}  # these have no header to send any more
            assert clients_of(upstream) == {b"127.0.0.1"}
            await reloaded(proxy, tmp_path, upstream, TRUSTED)
            assert await statuses(named) == {200}
            assert clients_of(upstream) == {b"192.0.2.7"}
        async with several(proxy) as again:
            assert await statuses(again) == {200}
        async with several(proxy, before=LINE) as unwanted:
            assert await statuses(unwanted) == {400}
