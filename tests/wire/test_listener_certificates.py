"""Certificates on the listener: by name, renewed, and those that clients show."""

import asyncio
import base64
import os
import shutil
import ssl
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.message import get
from tests.support.proxy import Proxy, fronted
from tests.support.tls_client import client_of, encrypted, trusting
from tests.support.upstream import PATIENCE


async def test_the_certificate_is_that_of_the_name(authority: Authority) -> None:
    authority.issue("other", "DNS:other.test,DNS:*.wild.test")
    server = encrypted(authority, "server", "other")
    shown = {}
    async with fronted(server=server) as (_, proxy):
        for name in (None, "api.test", "OTHER.test", "a.wild.test", "a.b.wild.test", "no.test"):
            async with await client_of(proxy, authority, name=name) as client:
                shown[name] = "other.test" in client.names()
    assert shown == {
        None: False,
        "api.test": False,
        "OTHER.test": True,
        "a.wild.test": True,
        "a.b.wild.test": False,
        "no.test": False,
    }


async def test_files_that_change_are_used_without_a_reload(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture, quiet: list[str]
) -> None:
    """As Kubernetes does it: a link is made to point to another folder."""
    authority.issue("renewed", "DNS:renewed.test")
    for name in ("server", "renewed"):
        (tmp_path / name).mkdir()
        for kind in ("pem", "key"):
            shutil.copy(authority.path(f"{name}.{kind}"), tmp_path / name / f"tls.{kind}")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tls.pem").write_text("nothing of use")

    def point_to(name: str) -> None:
        (tmp_path / "new").symlink_to(name)
        os.replace(tmp_path / "new", tmp_path / "data")

    point_to("server")
    files = {"cert_file": f"{tmp_path}/data/tls.pem", "key_file": f"{tmp_path}/data/tls.key"}
    server = {"tls": {"certificates": [files]}}

    async def until(proxy: Proxy, name: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                async with await client_of(proxy, authority) as client:
                    if name in client.names():
                        return
                await asyncio.sleep(0.05)

    async with (
        fronted(server=server) as (_, proxy),
        await client_of(proxy, authority) as kept,
    ):
        assert (await kept.ask(get())).status == 200
        point_to("broken")
        async with asyncio.timeout(PATIENCE):
            while "the old ones stay" not in caplog.text:
                async with await client_of(proxy, authority) as client:
                    assert "api.test" in client.names()
                await asyncio.sleep(0.05)
        point_to("renewed")
        await until(proxy, "renewed.test")
        assert (await kept.ask(get())).status == 200
    quiet.clear()
    assert caplog.text.count("the old ones stay") == 1


FORGED = b"Client-Cert: :AAAA:\r\nclient_cert: :BBBB:\r\nX-Client-Cert-Subject: CN=admin\r\n"
TAKEN_AWAY = b"Connection: keep-alive, Client-Cert, X-Client-Cert-Subject\r\n"


@pytest.mark.parametrize("auth", ["off", "optional", "required"])
async def test_the_upstream_is_told_who_the_client_is_and_nobody_can_forge_it(
    authority: Authority, auth: str
) -> None:
    authority.issue("alice", "DNS:alice.test", "/C=DE/O=Acme, Inc./CN=alice")
    asking = {} if auth == "off" else {"client_ca_file": authority.path("ca.pem")}
    server = encrypted(authority, client_auth=auth, **asking)
    async with fronted(server=server) as (upstream, proxy):
        for certificate in ("alice", "client", "alice") + (("",) if auth == "optional" else ()):
            context = trusting(authority, certificate)
            async with await client_of(proxy, authority, context=context) as client:
                # The same bytes again come from a cache.
                for fields in (b"", FORGED, TAKEN_AWAY, TAKEN_AWAY + FORGED, b"", TAKEN_AWAY):
                    assert (await client.ask(get(fields=fields))).status == 200
    subjects = [request.head.values("X-Client-Cert-Subject") for request in upstream.requests]
    certificates = [request.head.values("Client-Cert") for request in upstream.requests]
    assert all(b"client_cert" not in request.head.names() for request in upstream.requests)
    if auth == "off":
        assert subjects == certificates == [[]] * 18
        return
    alice, other = [b"CN=alice,O=Acme\\, Inc.,C=DE"], [b"CN=client"]
    assert subjects == [alice] * 6 + [other] * 6 + [alice] * 6 + [[]] * 6 * (auth == "optional")
    assert certificates[0] == [b":%b:" % base64.b64encode(authority.der("alice"))]


async def test_a_client_without_a_certificate_is_refused_where_one_is_required(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = encrypted(authority, client_auth="required", client_ca_file=authority.path("ca.pem"))
    stranger = Authority(tmp_path)
    context = trusting(authority)
    context.load_cert_chain(stranger.path("client.pem"), stranger.path("client.key"))
    caplog.set_level("INFO")
    async with fronted(server=server) as (upstream, proxy):
        for wrong in (trusting(authority), context):
            wrong.maximum_version = ssl.TLSVersion.TLSv1_2  # 1.3 tells behind the handshake
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await client_of(proxy, authority, context=wrong)
        await proxy.breathe()
    assert "the TLS handshake with 127.0.0.1 failed" in caplog.text
    assert upstream.requests == []
