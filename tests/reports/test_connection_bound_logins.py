"""A login that belongs to a connection (NTLM, Negotiate) serves the client that made it alone.

RFC 4559 6. The server here does as IIS and express-ntlm do: it remembers by connection who has
logged in, and asks nobody twice.
"""

import asyncio
from typing import Any

import pytest

from proxy.http.logins import names_login
from tests.support.client import RawClient, Response
from tests.support.message import CHUNKED_HEAD, chunked, get, length, post
from tests.support.proxy import Proxy, dialled, fronted, proxied
from tests.support.upstream import Connection, RawUpstream, Request

BACK_TO_BACK = 5
EVENTS = b"\r\nContent-Type: text/event-stream\r\n\r\n"


class Directory:
    """Answers with the name of whoever is logged in on the connection."""

    def __init__(self, scheme: bytes = b"NTLM") -> None:
        self.scheme = scheme
        self.users: dict[Connection, bytes] = {}
        self.challenged: set[Connection] = set()

    async def __call__(self, connection: Connection, request: Request) -> None:
        await connection.until(lambda: request.complete)
        await connection.send(self._answer(connection, request))

    def _answer(self, connection: Connection, request: Request) -> bytes:
        said = request.head.value("Authorization") or b""
        scheme, _, token = said.partition(b" ")
        if scheme.lower() == self.scheme.lower():
            if token == b"hello":
                self.challenged.add(connection)
                return self._refused(b"%b challenge" % self.scheme)
            if connection in self.challenged:
                self.users[connection] = token
        user = self.users.get(connection)
        if user is None:
            return self._refused(self.scheme)
        return length(user)

    def _refused(self, challenge: bytes) -> bytes:
        return length(b"no", b"401 Unauthorized", b"WWW-Authenticate: %b\r\n" % challenge)


def said(token: bytes, scheme: bytes = b"NTLM") -> bytes:
    return b"Authorization: %b %b\r\n" % (scheme, token)


async def log_in(client: RawClient, user: bytes, scheme: bytes = b"NTLM") -> Response:
    challenge = await client.ask(get(fields=said(b"hello", scheme)))
    assert challenge.status == 401
    assert (challenge.value("WWW-Authenticate") or b"").endswith(b"challenge")
    return await client.ask(get(fields=said(user, scheme)))


@pytest.mark.parametrize("scheme", [b"NTLM", b"Negotiate", b"negotiate"])
async def test_nobody_is_answered_as_the_user_of_another_connection(scheme: bytes) -> None:
    server = Directory(scheme)
    async with fronted([server]) as (_, proxy):
        async with await proxy.connect() as first:
            assert (await log_in(first, b"alice", scheme)).body == b"alice"
            for _ in range(BACK_TO_BACK):
                async with await proxy.connect() as stranger:
                    assert (await stranger.ask(get())).status == 401
                assert (await first.ask(get())).body == b"alice"  # no login in the request itself
                assert (await first.ask(post(b"x"))).body == b"alice"
        async with await proxy.connect() as stranger:
            assert (await stranger.ask(get())).status == 401
    assert list(server.users.values()) == [b"alice"]


async def user(proxy: Proxy, name: bytes) -> None:
    """One that logs in, and is who it is from then on."""
    async with await proxy.connect() as client:
        assert (await log_in(client, name)).body == name
        for _ in range(BACK_TO_BACK):
            assert (await client.ask(get())).body == name


async def test_many_clients_log_in_side_by_side() -> None:
    server = Directory()
    async with fronted([server]) as (_, proxy):
        await asyncio.gather(*[user(proxy, b"user%d" % number) for number in range(20)])


async def test_the_connection_is_closed_with_the_client_and_not_before() -> None:
    server = Directory()
    options = {"keepalive_timeout": "50ms"}  # for what anybody may use
    async with fronted([server], upstream_options=options) as (_, proxy):
        async with await proxy.connect() as client:
            await log_in(client, b"alice")
            (bound,) = server.users
            await asyncio.sleep(0.1)
            assert not bound.closed.is_set()
            assert (await client.ask(get())).body == b"alice"
        async with asyncio.timeout(30):
            await bound.closed.wait()


@pytest.mark.parametrize(
    "challenge",
    [
        b"WWW-Authenticate: NTLM\r\n",
        b"WWW-Authenticate: Negotiate\r\n",
        b'WWW-Authenticate: Basic realm="a", Negotiate\r\n',
        b"WWW-Authenticate: Basic\r\nwww-authenticate: ntlm\r\n",
        b"Proxy-Authenticate: NTLM\r\n",
        b"Persistent-Auth: true\r\n",
        b"Proxy-Support: Session-Based-Authentication\r\n",
        b"Session-Based-Authentication: yes\r\n",
    ],
)
async def test_a_server_that_only_mentions_such_a_login_is_believed(challenge: bytes) -> None:
    reply = length(b"ok", fields=challenge)
    async with fronted([reply]) as (upstream, proxy):
        async with await proxy.connect() as one, await proxy.connect() as other:
            for client in (one, other, one, other):
                assert (await client.ask(get())).status == 200
        assert [len(connection.requests) for connection in upstream.connections] == [2, 2]


@pytest.mark.parametrize(
    "fields",
    [
        said(b"x"),
        said(b"x", b"Negotiate"),
        b"authorization: negotiate x\r\n",
        b"Proxy-Authorization: NTLM x\r\n",
    ],
)
async def test_a_client_that_mentions_such_a_login_is_believed(fields: bytes) -> None:
    async with fronted() as (upstream, proxy):
        async with await proxy.connect() as one, await proxy.connect() as other:
            assert (await one.ask(get(fields=fields))).status == 200
            assert (await other.ask(get())).status == 200
            assert (await one.ask(get())).status == 200
        assert [len(connection.requests) for connection in upstream.connections] == [2, 1]


@pytest.mark.parametrize(
    ("low", "value"),
    [
        (b"www-authenticate", b'Basic realm="x"'),
        (b"authorization", b"Bearer ntlmish"),
        (b"persistent-auth", b"false"),
        (b"x-mode", b"NTLM"),
    ],
)
def test_other_logins_bind_nothing(low: bytes, value: bytes) -> None:
    assert not names_login(low, value)


async def test_the_next_request_finds_the_same_server() -> None:
    server = Directory()
    async with RawUpstream([server]) as one, RawUpstream([server]) as two:
        options = {"servers": [one.url, two.url]}
        async with proxied(one, upstream_options=options) as proxy:
            for number in range(BACK_TO_BACK):
                async with await proxy.connect() as client:
                    name = b"user%d" % number
                    assert (await log_in(client, name)).body == name
                    for _ in range(BACK_TO_BACK):
                        assert (await client.ask(get())).body == name


@pytest.mark.parametrize(
    "tables",
    [
        {"coalesce": {}},
        {"hedge": {"delay": "1ms", "max": 1, "budget_percent": 100}},
        {"retry": {"on": ["401", "reset", "connect-failure", "stale-connection"]}},
        {"concurrency": {"max_requests": 4}, "queue": {}},
    ],
)
async def test_nothing_shares_copies_or_moves_a_login(tables: dict[str, Any]) -> None:
    server = Directory()
    async with fronted([server], **tables) as (_, proxy):
        await asyncio.gather(*[user(proxy, b"user%d" % number) for number in range(6)])


async def test_a_handshake_is_not_repeated_on_another_connection() -> None:
    """The second message means nothing to a connection that has not seen the first."""
    challenge = length(b"", b"401 Unauthorized", b"WWW-Authenticate: NTLM challenge\r\n")
    async with dialled(
        [challenge],
        ["rst"],
        [length(b"again")],
        retry={"on": ["reset", "stale-connection", "connect-failure"]},
    ) as (upstream, _, client):
        assert (await client.ask(get(fields=said(b"hello")))).status == 401
        assert (await client.ask(get(fields=said(b"alice")))).status == 502
        assert len(upstream.connections) == 1


async def test_a_client_whose_connection_has_ended_begins_anew() -> None:
    server = Directory()
    async with dialled([server]) as (_, _, client):
        assert (await log_in(client, b"alice")).body == b"alice"
        (bound,) = server.users
        bound.transport.close()
        async with asyncio.timeout(30):
            await bound.closed.wait()
        assert (await client.ask(get())).status == 401
        assert (await log_in(client, b"alice")).body == b"alice"


async def test_the_age_of_a_connection_does_not_end_a_login_on_the_way() -> None:
    server = Directory()
    options = {"max_connection_age": "1ms"}
    async with dialled([server], upstream_options=options) as (upstream, _, client):
        for _ in range(BACK_TO_BACK):
            assert (await log_in(client, b"alice")).body == b"alice"
            await asyncio.sleep(0.005)
        assert len(upstream.connections) == 1


async def test_a_limit_of_connections_counts_what_is_in_use() -> None:
    server = Directory()
    async with fronted([server], upstream_options={"limit": 1}) as (_, proxy):
        clients = [await proxy.connect() for _ in range(3)]
        for number, client in enumerate(clients):
            assert (await log_in(client, b"user%d" % number)).body == b"user%d" % number
        for number, client in enumerate(clients):
            assert (await client.ask(get())).body == b"user%d" % number
            client.close()


async def test_a_stream_of_a_logged_in_client_is_kept_for_nobody() -> None:
    """The next one that asks with Last-Event-ID says the same, and is another user."""

    class Streaming(Directory):
        async def __call__(self, connection: Connection, request: Request) -> None:
            if connection not in self.users or b"/events" not in request.line:
                await super().__call__(connection, request)
                return
            await connection.send(CHUNKED_HEAD.replace(b"\r\n\r\n", EVENTS))
            for number in range(2):
                event = b"id: %d\ndata: for %b\n\n" % (number, self.users[connection])
                await connection.send(chunked(event, end=b""))
            await connection.closed.wait()

    async with fronted([Streaming()], stream={"resume": "60s"}) as (_, proxy):
        async with await proxy.connect() as client:
            assert (await log_in(client, b"alice")).body == b"alice"
            await client.send(get("/events"))
            assert b"for alice" in await client.read_until(b"id: 1\n")
        await proxy.record(2)
        stranger = await proxy.ask(get("/events", b"Last-Event-ID: 0\r\n"))
        assert (stranger.status, stranger.body) == (401, b"no")


async def test_a_connection_that_waits_for_its_user_is_not_in_use() -> None:
    async with fronted([Directory()]) as (upstream, proxy):
        (server,) = proxy.tree.endpoints["api"].members
        async with await proxy.connect() as client:
            for _ in range(2):
                await log_in(client, b"alice")
                assert (server.pool.connections, server.pool.in_use) == (1, 0)
        async with asyncio.timeout(30):
            await upstream.connections[0].closed.wait()
        assert (server.pool.connections, server.pool.in_use) == (0, 0)
