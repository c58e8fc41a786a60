"""What the options of an upstream say is what happens: Host, reuse, certificates, keys."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.client import ask
from tests.support.message import get
from tests.support.proxy import dialled, proxied
from tests.support.upstream import RawUpstream
from tests.wire.test_unix_tls import trusting


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("ca"))
    authority.issue("server", "DNS:api.test,DNS:localhost,IP:127.0.0.1")
    return authority


@pytest.mark.parametrize(
    ("option", "named", "host"),
    [
        (None, True, b"localhost:%d"),
        (None, False, b"proxy.test"),
        ("auto", True, b"localhost:%d"),
        ("preserve", True, b"proxy.test"),
        ("upstream", False, b"127.0.0.1:%d"),
    ],
)
async def test_a_virtual_host_over_https_is_asked_for_by_its_name(
    certified: Authority, option: str | None, named: bool, host: bytes
) -> None:
    async with RawUpstream(tls=certified.server()) as upstream:
        url = upstream.url.replace("127.0.0.1", "localhost") if named else upstream.url
        tables = trusting(certified)
        if option is not None:
            tables["upstream_options"]["host_header"] = option
        async with proxied(url, **tables) as proxy:
            assert (await ask(proxy.address, get())).status == 200
        wanted = host % upstream.port if b"%" in host else host
        assert upstream.requests[0].head.value("Host") == wanted
        assert upstream.requests[0].head.value("X-Forwarded-Host") == b"proxy.test"


@pytest.mark.parametrize(("rest", "connections"), [("0", 3), ("0s", 3), ("60s", 1)])
async def test_no_rest_is_no_reuse(rest: str, connections: int) -> None:
    async with dialled(upstream_options={"keepalive_timeout": rest}) as (upstream, _, client):
        for _ in range(3):
            assert (await client.ask(get())).status == 200
        assert len(upstream.connections) == connections


async def test_a_wrong_certificate_is_looked_at_once(certified: Authority) -> None:
    async with RawUpstream(tls=certified.server()) as upstream:
        options = trusting(certified, server_name="other.test")
        options.pop("retry")
        async with proxied(upstream, **options) as proxy:
            response = await proxy.ask(get())
            assert response.status == 502
            assert response.value("Proxy-Status") == b"sidecar-proxy; error=tls_certificate_error"
            assert (await proxy.record()).record.attempt_count == 1


async def test_another_server_is_asked_where_one_has_a_wrong_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)  # it has signed for the address, not for the name
    tls = authority.server()
    async with RawUpstream(tls=tls) as right, RawUpstream(tls=tls) as wrong:
        options = trusting(authority)
        options.pop("retry")
        servers = [wrong.url.replace("127.0.0.1", "localhost"), right.url]
        options["upstream_options"]["servers"] = servers
        options["upstream_options"]["load_balance"] = {"policy": "round_robin"}
        async with proxied(right, **options) as proxy:
            for _ in range(4):
                assert (await proxy.ask(get())).status == 200
            assert {exchange.record.attempt_count for exchange in proxy.records} == {1, 2}
        assert len(right.requests) == 4


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
async def test_a_key_may_have_a_password(certified: Authority, tmp_path: Path, ending: str) -> None:
    words = ["openssl", "pkcs8", "-topk8", "-in", certified.path("client.key")]
    locked, password = tmp_path / "locked.key", tmp_path / "password"
    words += ["-out", str(locked), "-passout", "pass:swordfish"]
    await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True)
    password.write_bytes(b"swordfish" + ending.encode())
    shown = {
        "cert_file": certified.path("client.pem"),
        "key_file": str(locked),
        "password_file": str(password),
    }
    async with RawUpstream(tls=certified.server(demands=True)) as upstream:
        async with proxied(upstream, **trusting(certified, **shown)) as proxy:
            assert (await proxy.ask(get())).status == 200
        assert upstream.connections[-1].peer_certificate is not None
