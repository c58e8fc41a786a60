"""Probes have an address of their own, and no page of another site reads the admin listener."""

import pytest

from tests.support.client import ask
from tests.support.proxy import Proxy, proxied
from tests.support.upstream import RawUpstream

ADMIN = {"listen": "127.0.0.1:0", "probes": "127.0.0.1:0", "hosts": ["ops.example"]}


def request(path: str, *lines: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"GET {path} HTTP/{version}", *lines, "", ""]).encode()


def probes(proxy: Proxy) -> tuple[str, int]:
    host, _, port = proxy.runtime.probes.rpartition(":")
    return host, int(port)


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: 127.0.0.1:9901"],
        ["Host: [::1]:9901"],
        ["Host: 10.1.2.3"],
        ["Host: localhost:9901"],
        ["Host: LOCALHOST."],
        ["Host: a.localhost"],
        ["Host: ops.example:443"],
        ["Host: 127.0.0.1:9901", "Origin: http://127.0.0.1:9901"],
        ["Host: 127.0.0.1:9901", "Origin: https://ops.example"],
    ],
)
async def test_the_operators_own_requests_are_answered(lines: list[str]) -> None:
    async with RawUpstream() as upstream, proxied(upstream, admin=ADMIN) as proxy:
        for path in ("/api/state", "/healthz", "/readyz"):
            assert (await ask(proxy.admin, request(path, *lines))).status == 200


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: evil.example"],
        ["Host: evil.example:9901"],
        ["Host: evil"],
        ["Host: localhost.evil.example"],
        ["Host: 127.0.0.1.evil.example"],
        ["Host: xlocalhost"],
        ["Host: x.ops.example"],
        ["Host: 127.0.0.1:9901", "Origin: http://evil.example"],
        ["Host: 127.0.0.1:9901", "Origin: http://127.0.0.1:3000"],
        ["Host: 127.0.0.1:9901", "Origin: http://10.0.0.1:9901"],
        ["Host: localhost:9901", "Origin: null"],
        ["Host: localhost:9901", "Origin: file://"],
        ["Host: localhost:9901", "Origin: "],
    ],
)
async def test_a_foreign_host_or_origin_is_refused(lines: list[str]) -> None:
    async with RawUpstream() as upstream, proxied(upstream, admin=ADMIN) as proxy:
        for path in ("/api/state", "/healthz", "/nothing"):
            response = await ask(proxy.admin, request(path, *lines))
            assert response.status == 403
            assert b"servers" not in response.body


async def test_a_client_of_old_needs_no_host() -> None:
    async with RawUpstream() as upstream, proxied(upstream, admin=ADMIN) as proxy:
        assert (await ask(proxy.admin, request("/healthz", version="1.0"))).status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", 200), ("/readyz", 200), ("/api/state", 404), ("/metrics", 404), ("/", 404)],
)
async def test_the_listener_for_probes_shows_nothing_else(path: str, status: int) -> None:
    async with RawUpstream() as upstream, proxied(upstream, admin=ADMIN) as proxy:
        assert (await ask(probes(proxy), request(path, "Host: any.name"))).status == status


async def test_probes_fail_their_readiness_while_the_proxy_drains() -> None:
    async with RawUpstream() as upstream, proxied(upstream, admin=ADMIN) as proxy:
        proxy.runtime.ready = False
        assert (await ask(probes(proxy), request("/readyz", "Host: a"))).status == 503
        assert (await ask(probes(proxy), request("/healthz", "Host: a"))).status == 200


async def test_without_the_option_there_is_no_such_listener() -> None:
    admin = {"listen": "127.0.0.1:0"}
    async with RawUpstream() as upstream, proxied(upstream, admin=admin) as proxy:
        assert proxy.runtime.probes == ""
