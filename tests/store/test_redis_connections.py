"""Connections to Redis."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.store.redis_calls import RedisCalls
from proxy.store.redis_connections import Connection, TlsConnection, UnixConnection
from tests.support.authority import Authority
from tests.support.fake_redis import FakeRedis, fake_redis
from tests.support.names import system_names


@asynccontextmanager
async def redis(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of what says yes to all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            writer.write(b"+OK\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def test_its_name_is_looked_up_as_all_others_are() -> None:
    with system_names(api=["127.0.0.1"]) as names:
        async with redis() as port:
            made = Connection(host="api.test", port=port, socket_connect_timeout=30)
            await made._connect()
            assert made.is_connected
            await made.disconnect()
        assert names.asked == ["api.test"]


async def test_over_tls_the_certificate_has_to_be_for_that_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trust = authority.path("ca.pem")
    with system_names(api=["127.0.0.1"], other=["127.0.0.1"]):
        async with redis(authority.server()) as port:
            made = TlsConnection(host="api.test", port=port, ssl_ca_certs=trust)
            await made._connect()
            assert made.is_connected
            await made.disconnect()
            other = TlsConnection(host="other.test", port=port, ssl_ca_certs=trust)
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                await other._connect()


@pytest.mark.parametrize("trusted", ["ca", "server"])
async def test_over_tls_the_same_is_trusted_on_every_python(tmp_path: Path, trusted: str) -> None:
    authority = Authority(tmp_path)
    authority.issue("server", "DNS:api.test", also="authorityKeyIdentifier=none")
    with system_names(api=["127.0.0.1"]):
        async with redis(authority.server()) as port:
            trust = authority.path(f"{trusted}.pem")
            made = TlsConnection(host="api.test", port=port, ssl_ca_certs=trust)
            await made._connect()
            assert made.is_connected
            await made.disconnect()


async def test_a_look_up_has_the_time_of_a_connect_and_holds_no_exit_up() -> None:
    with system_names() as names:
        names.hang("api.test")
        made = Connection(host="api.test", port=6379, socket_connect_timeout=0.01)
        with pytest.raises(TimeoutError):
            await made._connect()
        await names.begun("api.test")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://a.test", Connection),
        ("rediss://a.test", TlsConnection),
        ("unix:///a", UnixConnection),
    ],
)
async def test_they_are_those_of_the_client(url: str, kind: type) -> None:
    calls = RedisCalls(url, 1, asyncio.get_running_loop().time)
    assert type(calls.client.connection_pool.make_connection()) is kind
    await calls.close()


@pytest.mark.parametrize("end", [FakeRedis.close_all, FakeRedis.reset_all])
async def test_one_that_has_ended_while_nobody_used_it_is_made_anew_before_its_next_use(
    end: Callable[[FakeRedis], None],
) -> None:
    async with fake_redis(b"$1\r\nx\r\n") as redis:
        calls = RedisCalls(redis.url, 60.0, asyncio.get_running_loop().time)
        assert await calls.ask(lambda: calls.client.get("a")) == b"x"
        [idle] = calls.client.connection_pool._available_connections
        end(redis)
        async with asyncio.timeout(60):
            while not (idle._reader.at_eof() or idle._reader.exception()):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.005)
        assert await calls.ask(lambda: calls.client.get("a")) == b"x"
        assert len(redis.connections) == 2
        assert not calls.failures
        await calls.close()
