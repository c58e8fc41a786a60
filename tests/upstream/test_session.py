"""One session for all upstreams: what it makes, and what it lets go of."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientRequest, ClientTimeout, ThreadedResolver
from yarl import URL

from proxy.upstream.connection_pool import ConnectionPool
from proxy.upstream.http1.protocol import UpstreamProtocol
from proxy.upstream.session import Session
from tests.support.upstream import RawUpstream

CLOCK = ClientTimeout(connect=30, ceil_threshold=float("inf"))


def pool(session: Session, upstream: RawUpstream, path: str | None = None) -> ConnectionPool:
    url = "http://api" if path else upstream.url
    template = partial(ClientRequest, "GET", URL(url))
    return session.connection_pool(template, path, keepalive=75.0, limit=0)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_connections_are_of_ours_and_are_kept_by_their_pool(
    tmp_path: Path, kind: str
) -> None:
    path = str(tmp_path / "api") if kind == "unix" else ""
    async with RawUpstream(path=path) as upstream:
        async with Session() as session:
            servers = pool(session, upstream, path or None)
            first = await servers.acquire(CLOCK)
            assert isinstance(first.protocol, UpstreamProtocol)
            first.release()
            assert await servers.acquire(CLOCK) is first
            assert len(upstream.connections) == 1
            first.discard()
            await upstream.connections[0].closed.wait()
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_there_is_no_limit_but_that_of_the_configuration() -> None:
    """aiohttp's own, 100, would let requests wait without a word."""
    async with RawUpstream() as upstream, Session() as session:
        servers = pool(session, upstream)
        taken = [await servers.acquire(CLOCK) for _ in range(120)]
        assert servers.connections == 120
        for connection in taken:
            connection.discard()
        assert servers.connections == 0


async def test_two_unix_sockets_do_not_share_connections(tmp_path: Path) -> None:
    one, other = (str(tmp_path / name) for name in ("one", "other"))
    async with (
        RawUpstream(path=one) as first,
        RawUpstream(path=other) as second,
        Session() as session,
    ):
        for upstream, path in ((first, one), (second, other)):
            connection = await pool(session, upstream, path).acquire(CLOCK)
            connection.release()
            await upstream.until(lambda up=upstream: len(up.connections) == 1)  # type: ignore[misc]


async def test_the_way_to_a_unix_socket_goes_with_the_last_pool_that_uses_it(
    tmp_path: Path,
) -> None:
    """Configurations may name ever new sockets: those of before stayed for good."""
    async with Session() as session:
        for number in range(3):
            path = str(tmp_path / str(number))
            async with RawUpstream(path=path) as upstream:
                one, other = pool(session, upstream, path), pool(session, upstream, path)
                first, second = await one.acquire(CLOCK), await other.acquire(CLOCK)
                first.release()
                one.close()
                del one, first
                assert list(session._unix) == [path]
                other.close()
                second.release()  # what is in use goes on to its end
                del other, second
                for connection in upstream.connections:
                    await connection.closed.wait()
            await asyncio.sleep(0)
            assert not session._unix


async def test_what_the_connector_tries_besides_follows_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Addresses of the other family stand by for those that are servers; none for one alone."""
    answers: list[list[str]] = [
        ["192.0.2.1", "192.0.2.2", "2001:db8::1"],
        ["192.0.2.1", "192.0.2.3", "2001:db8::2"],
        ["192.0.2.1", "2001:db8::2"],
    ]

    async def resolve(_: Any, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return [
            {"hostname": host, "host": ip, "port": port, "family": 10 if ":" in ip else 2}
            for ip in answers.pop(0)
        ]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    monkeypatch.setattr("proxy.upstream.resolver._routed", lambda ip: ":" not in ip)
    async with Session() as session:
        alternatives = session._connector.alternatives
        found = await session.look_up("api.test")
        assert found.servers == ("192.0.2.1", "192.0.2.2")
        assert alternatives == dict.fromkeys(found.servers, ("2001:db8::1",))
        await session.look_up("api.test")
        assert alternatives == dict.fromkeys(("192.0.2.1", "192.0.2.3"), ("2001:db8::2",))
        session.set_ttl("api", ["api.test"], 5)
        assert len(alternatives) == 2
        session.set_ttl("api", ["api.test"], 0)  # nobody would hear that they are others by now
        assert alternatives == {}
        await session.look_up("api.test")
        assert alternatives == {}
