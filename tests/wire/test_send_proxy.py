"""Servers that are told who the client is by a PROXY header: ``send_proxy``."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.net.proxy_protocol import read_introduction
from tests.support.authority import Authority
from tests.support.client import RawClient
from tests.support.fronts import front, installed
from tests.support.message import get
from tests.support.proxy import proxied
from tests.support.upstream import PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Behind:
    """A server that reads a header, then TLS where it has a context, then requests."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.introduced: list[str] = []
        """The client of each connection; empty for LOCAL and UNKNOWN."""
        self.requests: list[tuple[int, bytes]] = []
        """Number of the connection, and the request line."""
        self.ended = asyncio.Event()

    async def accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as clients:
            while True:
                client, _ = await loop.sock_accept(listening)
                clients.create_task(self._serve(client))

    async def _serve(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        data = b""
        with client:
            while (header := read_introduction(data)) is None:
                data += (byte := await loop.sock_recv(client, 1))  # what follows may be TLS
                if not byte:
                    return
            number = len(self.introduced)
            self.introduced.append(header.client)
            reader = asyncio.StreamReader()
            try:
                transport, _ = await loop.connect_accepted_socket(
                    lambda: asyncio.StreamReaderProtocol(reader), client, ssl=self.tls
                )
            except OSError:  # it did not like our certificate
                return
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    self.requests.append((number, head.split(b"\r\n")[0]))
                    transport.write(OK)
            except (asyncio.IncompleteReadError, OSError):
                self.ended.set()
            finally:
                transport.abort()


@asynccontextmanager
async def behind(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Behind, str]]:
    made = Behind(tls)
    scheme = "https" if tls else "http"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        accepting = asyncio.create_task(made.accept(listening))
        try:
            yield made, f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)


def told(url: str, version: str = "v1", **more: Any) -> dict[str, Any]:
    servers = [{"url": url, "send_proxy": version}]
    return {"upstream_options": {"servers": servers, **more}}


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_connection_belongs_to_the_client_that_it_names(version: str) -> None:
    async with behind() as (server, url), proxied(url, **told(url, version)) as proxy:
        one, two = await proxy.connect(), await proxy.connect()
        for client in (one, two, one, two, one):
            assert (await client.ask(get())).status == 200
        assert server.introduced == ["127.0.0.1"] * 2
        assert [number for number, _ in server.requests] == [0, 1, 0, 1, 0]
        (endpoint,) = proxy.tree.endpoints["api"].members
        assert (endpoint.pool.connections, endpoint.pool.in_use) == (2, 0)
        one.close()
        async with asyncio.timeout(PATIENCE):
            await server.ended.wait()  # it ends with its client
        assert (endpoint.pool.connections, endpoint.pool.in_use) == (1, 0)
        assert (await two.ask(get())).status == 200
        two.close()


async def test_each_client_that_a_trusted_proxy_speaks_for_has_its_own() -> None:
    trusted = {"trusted_proxies": ["127.0.0.0/8"]}
    async with (
        behind() as (server, url),
        proxied(url, server=trusted, **told(url)) as proxy,
        await proxy.connect() as client,
    ):
        for address in (b"192.0.2.7", b"192.0.2.7", b"192.0.2.8", b"2001:db8::1"):
            asked = await client.ask(get(fields=b"X-Forwarded-For: %b\r\n" % address))
            assert asked.status == 200
        assert server.introduced == ["192.0.2.7", "192.0.2.8", "2001:db8::1"]


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_the_header_comes_ahead_of_tls(tmp_path: Path, version: str) -> None:
    authority = Authority(tmp_path)
    tls = {"ca_file": authority.path("ca.pem")}
    async with (
        behind(authority.server()) as (server, url),
        proxied(url, **told(url, version, tls=tls)) as proxy,
        await proxy.connect() as client,
    ):
        for _ in range(2):
            assert (await client.ask(get())).status == 200
        assert server.introduced == ["127.0.0.1"]


async def test_a_wrong_certificate_is_still_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with behind(authority.server()) as (_, url), proxied(url, **told(url)) as proxy:
        response = await proxy.ask(get())
        assert response.status == 502
        assert response.value("Proxy-Status") == b"sidecar-proxy; error=tls_certificate_error"


async def test_nobody_is_introduced_by_a_health_check_or_a_unix_socket(tmp_path: Path) -> None:
    listen = {"listen": f"unix:{tmp_path / 'proxy.sock'}"}
    tables = told(url="", health_check={"path": "/up"})
    async with behind() as (server, url):
        tables["upstream_options"]["servers"][0]["url"] = url
        async with proxied(url, server=listen, **tables) as proxy:
            assert (await proxy.ask(get("/x"))).status == 200
            async with asyncio.timeout(PATIENCE):
                while len(server.requests) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        assert server.introduced == ["", ""]


async def test_connections_are_given_back_to_a_limit() -> None:
    async with behind() as (server, url), proxied(url, **told(url, limit=1)) as proxy:
        for _ in range(3):
            async with await proxy.connect() as client:
                for _ in range(2):
                    assert (await client.ask(get())).status == 200
        assert len(server.introduced) == 3


async def test_without_rest_each_request_is_introduced() -> None:
    tables = told(url="", keepalive_timeout="0")
    async with behind() as (server, url):
        tables["upstream_options"]["servers"][0]["url"] = url
        async with proxied(url, **tables) as proxy, await proxy.connect() as client:
            for _ in range(3):
                assert (await client.ask(get())).status == 200
        assert len(server.introduced) == 3


REAL = {
    "nginx": """server { listen 127.0.0.1:8000 proxy_protocol;
        location / { return 200 "$proxy_protocol_addr $proxy_protocol_port"; } }""",
    "haproxy": """defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 30s
frontend behind
  bind 127.0.0.1:8000 accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port]"
""",
}


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("name", REAL)
async def test_real_servers_read_it(name: str, version: str, tmp_path: Path) -> None:
    if not installed(name):
        pytest.skip(f"needs {name}")
    async with front(name, tmp_path, "", REAL[name]) as (host, port):
        url = f"http://{host}:{port}"
        async with proxied(url, **told(url, version)) as proxy:
            clients = [await RawClient.connect(proxy.address) for _ in range(2)]
            for client in (*clients, *clients):
                response = await client.ask(get())
                own = client._socket.getsockname()
                assert response.status == 200
                assert response.body == f"{own[0]} {own[1]}".encode()
            for client in clients:
                client.close()
