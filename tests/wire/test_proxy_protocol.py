"""Clients that a balancer introduces: the PROXY protocol on the listener."""

import logging
import socket
import struct
from ipaddress import ip_address
from typing import Any

import pytest

from proxy.edge.entrance import Entrance
from proxy.edge.options import ServerOptions
from proxy.net.proxy_protocol import SIGNATURE
from tests.support.authority import Authority
from tests.support.message import get
from tests.support.proxy import dialled, fronted
from tests.support.tls_client import TlsClient, trusting
from tests.support.upstream import RESET

BALANCED: dict[str, Any] = {"proxy_protocol": True, "trusted_proxies": ["127.0.0.0/8"]}
LINE = b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\n"
LOCAL = SIGNATURE + struct.pack("!BBH", 0x20, 0, 0)


def binary(client: str) -> bytes:
    body = ip_address(client).packed + bytes(16) + struct.pack("!HH", 5000, 443)
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x21, len(body)) + body


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (LINE, "192.0.2.7"),
        (binary("2001:db8::7"), "2001:db8::7"),
        (LOCAL, "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    ],
)
async def test_the_address_of_the_client_is_used_everywhere(header: bytes, client: str) -> None:
    async with dialled(server=BALANCED) as (upstream, proxy, connection):
        await connection.send(header + get())
        assert (await connection.receive()).status == 200
        assert (await connection.ask(get())).status == 200
        for number in range(2):
            assert (await proxy.record(number)).client == client
    for request in upstream.requests:
        assert request.head.value("X-Forwarded-For") == client.encode()
        node = client if "." in client else f'"[{client}]"'
        assert (request.head.value("Forwarded") or b"").startswith(f"for={node};".encode())


async def test_what_the_client_itself_says_of_others_is_not_believed() -> None:
    async with dialled(server=BALANCED) as (upstream, _, client):
        await client.send(LINE + get(fields=b"X-Forwarded-For: 203.0.113.1\r\n"))
        assert (await client.receive()).status == 200
    assert upstream.requests[0].head.values("X-Forwarded-For") == [b"192.0.2.7"]


UNNAMED = [
    LOCAL,
    SIGNATURE + struct.pack("!BBH", 0x21, 0, 0),
    SIGNATURE + struct.pack("!BBH", 0x21, 0x31, 216) + bytes(216),
    b"PROXY UNKNOWN\r\n",
]
CLAIMS = (
    b"X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-Proto: https\r\nSCRIPT_NAME: /public\r\n"
    b"Forwarded: for=203.0.113.1\r\nClient-Cert: :AAAA:\r\n"
)


@pytest.mark.parametrize("header", UNNAMED, ids=["local", "unspecified", "unix", "unknown"])
async def test_a_client_without_an_address_is_not_the_balancer(header: bytes) -> None:
    """It has its address for want of another, but not its word; also where heads are known."""
    options = {"rate_limit": {"average": 4, "period": "1h", "burst": 4}}
    local = LINE.replace(b"192.0.2.7", b"127.0.0.1")  # a proxy on this host, which is trusted
    statuses = []
    async with fronted(server=BALANCED, **options) as (upstream, proxy):
        for introduced in (local, header, header):
            async with await proxy.connect() as client:
                await client.send(introduced + get(fields=CLAIMS))
                statuses.append((await client.receive()).status)
                statuses.append((await client.ask(get(fields=CLAIMS))).status)
        async with await proxy.connect() as client:
            claim = CLAIMS.replace(b"203.0.113.1", b"203.0.113.2")
            await client.send(header + get(fields=claim))
            statuses.append((await client.receive()).status)
        assert {(await proxy.record(number)).client for number in range(2, 7)} == {"127.0.0.1"}
    assert statuses == [200] * 6 + [429]
    heads = [request.head for request in upstream.requests]
    assert [head.value("Client-Cert") for head in heads] == [b":AAAA:"] * 2 + [None] * 4
    for head in heads[2:]:
        assert head.values("X-Forwarded-For") == [b"127.0.0.1"]
        assert head.values("X-Forwarded-Proto") == [b"http"]
        assert b"203.0.113" not in (head.value("Forwarded") or b"")
        assert head.value("SCRIPT_NAME") is None


async def test_limits_tell_clients_apart_that_come_by_one_balancer() -> None:
    options = {"rate_limit": {"average": 1, "period": "1h", "burst": 1}}
    async with fronted(server=BALANCED, **options) as (_, proxy):
        statuses = []
        for address in ("192.0.2.7", "192.0.2.7", "192.0.2.8"):
            async with await proxy.connect() as client:
                await client.send(LINE.replace(b"192.0.2.7", address.encode()) + get())
                statuses.append((await client.receive()).status)
    assert statuses == [200, 429, 200]


async def test_a_header_may_come_in_pieces() -> None:
    async with fronted(server=BALANCED) as (upstream, proxy):
        for data in (LINE + get(), binary("2001:db8::7") + get()):
            for cut in (1, 5, 13, 20, 41, 60):
                async with await proxy.connect() as client:
                    await client.send(data[:cut])
                    await proxy.breathe()
                    await client.send(data[cut:])
                    assert (await client.receive()).status == 200
    assert len(upstream.requests) == 12


@pytest.mark.parametrize(
    "sent", [get(), b"PROXY TCP4 nonsense\r\n" + get(), SIGNATURE + b"\x11\x11\0\0" + get()]
)
async def test_a_connection_without_a_header_is_closed_with_a_word(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with dialled(server=BALANCED) as (upstream, _, client):
        await client.send(sent)
        assert await client.rest() == b""
        assert client.end
    assert upstream.requests == []
    assert "closed a connection of 127.0.0.1" in caplog.text
    assert "(proxy_protocol)" in caplog.text


async def test_nobody_but_trusted_proxies_may_introduce_clients(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    server = {"proxy_protocol": True, "trusted_proxies": ["10.0.0.0/8"]}
    async with dialled(server=server) as (upstream, _, client):
        await client.send(LINE + get())
        assert await client.rest() == b""
        assert client.end
    assert upstream.requests == []
    assert "trusted_proxies does not name it" in caplog.text


@pytest.mark.parametrize("start", [b"", b"PROXY TCP4 1"], ids=["nothing", "half"])
async def test_a_header_has_the_time_of_a_request_head(
    start: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with dialled(server={**BALANCED, "request_headers_timeout": "120ms"}) as (_, _, client):
        await client.send(start)
        assert await client.rest() == b""
        assert client.end
    assert "a header of the PROXY protocol did not come within 0.12 s" in caplog.text


async def test_a_balancer_that_only_looks_whether_we_live_is_no_news(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with fronted(server=BALANCED) as (_, proxy):
        (await proxy.connect()).close()
        async with await proxy.connect() as client:
            await client.send(LINE + get())
            assert (await client.receive()).status == 200
    assert "closed a connection" not in caplog.text


async def test_the_header_stands_before_tls(authority: Authority) -> None:
    certificates = [
        {"cert_file": authority.path("server.pem"), "key_file": authority.path("server.key")}
    ]
    server = {**BALANCED, "tls": {"certificates": certificates}}
    async with fronted(server=server) as (upstream, proxy):
        for before in (LINE, binary("2001:db8::7")):
            async with await TlsClient.open(
                proxy.address, trusting(authority), before=before
            ) as client:
                assert (await client.ask(get())).status == 200
        async with await proxy.connect() as plain:
            await plain.send(LINE + get())
            assert (await plain.receive()).status == 400
        assert (await proxy.record(2)).client == "192.0.2.7"
    told = [request.head.value("X-Forwarded-For") for request in upstream.requests]
    assert told == [b"192.0.2.7", b"2001:db8::7"]
    assert upstream.requests[0].head.value("X-Forwarded-Proto") == b"https"


async def test_unix_sockets_are_introduced_where_they_are_trusted(tmp_path: Any) -> None:
    server = {
        "proxy_protocol": True,
        "trusted_proxies": ["unix"],
        "listen": f"unix:{tmp_path}/proxy.sock",
    }
    async with dialled(server=server) as (upstream, _, client):
        await client.send(LINE + get())
        assert (await client.receive()).status == 200
    assert upstream.requests[0].head.value("X-Forwarded-For") == b"192.0.2.7"


async def test_a_balancer_that_resets_its_connection_at_once_is_no_stranger(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It has no address any more, and looks so whether we live: nothing is said of it."""
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        accepted, _ = listening.accept()
    with pytest.raises(OSError, match="not connected"):
        accepted.getpeername()
    await Entrance(_nobody, ServerOptions(**BALANCED)).admit(accepted)
    assert accepted.fileno() == -1
    assert not caplog.messages


def _nobody() -> Any:
    raise AssertionError("nobody comes in")
