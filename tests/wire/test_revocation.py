"""Certificates that their authority has revoked, of clients and of upstreams."""

import asyncio
import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest

from proxy.core.files import LOOK_EVERY
from proxy.edge.certificates import ListenerTls
from proxy.edge.options import CertificateOptions, ServerTlsOptions
from tests.support.authority import Authority
from tests.support.message import get
from tests.support.proxy import Proxy, fronted, proxied
from tests.support.tls_client import client_of, encrypted, entry, trusting
from tests.support.upstream import PATIENCE, RawUpstream

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


async def lets_in(proxy: Proxy, authority: Authority, context: ssl.SSLContext) -> bool:
    """Whether a client is served."""
    try:
        async with await client_of(proxy, authority, context=context) as client:
            await client.send(get())
            return (await client.receive()).status == 200
    except (ssl.SSLError, ConnectionError, AssertionError):
        return False


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
async def test_a_client_whose_certificate_is_revoked_is_refused(
    authority: Authority, version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    authority.issue("bob", "DNS:bob.test")
    file = authority.revoke("bob")
    server = encrypted(authority, "server", client_auth="required", client_ca_file=file)
    caplog.set_level("INFO")
    async with fronted(server=server) as (upstream, proxy):
        for name, served in (("client", True), ("bob", False)):
            context = trusting(authority, name)
            context.maximum_version = version
            assert await lets_in(proxy, authority, context) is served
        await proxy.breathe()
    assert "its certificate is not acceptable: its authority has revoked it" in caplog.text
    assert len(upstream.requests) == 1


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - it is asked over a socket
            await asyncio.sleep(0.05)


async def test_a_list_that_comes_later_holds_for_sessions_that_are_taken_up_again(
    authority: Authority,
) -> None:
    authority.issue("bob", "DNS:bob.test")
    file = authority.revoke(file="later.pem")
    server = encrypted(authority, client_auth="required", client_ca_file=file)
    context = trusting(authority, "bob")
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose tickets come with the handshake
    async with fronted(server=server) as (_, proxy):
        async with await client_of(proxy, authority, context=context) as client:
            session = client.tls.session
        async with await client_of(proxy, authority, context=context, session=session) as client:
            assert client.tls.session_reused
        authority.revoke("bob", file="later.pem")

        async def refused() -> bool:
            try:
                again = await client_of(proxy, authority, context=context, session=session)
            except (ssl.SSLError, ConnectionError):
                return True
            again.close()
            return False

        await until(refused)
        assert await lets_in(proxy, authority, trusting(authority, "client"))


async def test_a_list_that_expires_ends_sessions_too_and_is_logged(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    clocks = [0.0, 1e9]
    options = ServerTlsOptions(
        certificates=(CertificateOptions(**entry(authority)),),
        client_ca_file=authority.revoke(until="20300101000000Z"),
        client_auth="required",
    )
    tls = ListenerTls(options, lambda: clocks[0], lambda: clocks[1])
    first = tls.context()
    clocks[0] += LOOK_EVERY
    assert tls.context() is first
    clocks[:] = clocks[0] + LOOK_EVERY, 1893456000.0
    second = tls.context()
    assert second is not first
    clocks[0] += LOOK_EVERY
    assert tls.context() is second
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.startswith("[server.tls] client_ca_file: the list of revoked certificates")
    assert "'test ca'" in warning
    assert warning.endswith("has expired on 2030-01-01 00:00 UTC: its certificates are refused")


async def test_clients_are_refused_where_the_list_has_expired(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    file = authority.revoke(until="20200201000000Z")
    server = encrypted(authority, client_auth="required", client_ca_file=file)
    caplog.set_level("INFO")
    async with fronted(server=server) as (_, proxy):
        assert not await lets_in(proxy, authority, trusting(authority, "client"))
        await proxy.breathe()
    assert "revoked certificates (CRL) of its authority has expired" in caplog.text


async def test_an_upstream_whose_certificate_is_revoked_is_refused(
    authority: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "authorities.pem"
    options = {"upstream_options": {"tls": {"ca_file": str(file)}}, "retry": {"attempts": 1}}
    details = {"errors": {"details": True}}
    shutil.copy(authority.revoke(), file)
    once = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    async with (
        RawUpstream([once, "fin"], tls=authority.server()) as upstream,
        proxied(upstream, **options, **details) as proxy,
    ):
        assert (await proxy.ask(get())).status == 200
        shutil.copy(authority.revoke("server"), file)

        async def refused() -> bool:
            response = await proxy.ask(get())
            return response.status == 502 and b"certificate revoked" in response.body

        await until(refused)


async def test_a_token_server_whose_certificate_is_revoked_gets_no_secret(
    authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("s3cret")
    async with RawUpstream(tls=authority.server()) as server, RawUpstream() as upstream:
        oauth2 = {
            "token_url": f"https://127.0.0.1:{server.port}/",
            "client_id": "a",
            "ca_file": authority.revoke("server"),
            "client_secret_file": str(tmp_path / "secret"),
        }
        options = {"upstream_options": {"credentials": {"oauth2": oauth2}}}
        async with proxied(upstream, **options) as proxy:
            assert (await proxy.ask(get())).status == 503
        assert server.requests == upstream.requests == []
