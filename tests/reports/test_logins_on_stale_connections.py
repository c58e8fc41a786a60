"""The message that begins a login (NTLM, Negotiate) needs no connection of its own past.

Servers close connections that they have challenged: IIS after its idle time, others with the next
request. What begins a login goes on a new connection then, as any request of its method does. What
goes on with one cannot: the server has forgotten what was said before.
"""

from typing import Any

import pytest

from tests.support.message import get, length, post
from tests.support.proxy import dialled, fronted

QUICK: dict[str, Any] = {"retry": {"backoff_base": "1ms"}}


def refused(challenge: bytes) -> list[Any]:
    return [
        "wait-body",
        length(b"no", b"401 Unauthorized", b"WWW-Authenticate: %b\r\n" % challenge),
    ]


def said(scheme: bytes, token: bytes) -> bytes:
    return b"Authorization: %b %b\r\n" % (scheme, token)


@pytest.mark.parametrize("scheme", [b"NTLM", b"Negotiate"])
@pytest.mark.parametrize("end", ["fin", "rst"])
async def test_a_challenged_connection_that_has_ended_is_replaced(scheme: bytes, end: str) -> None:
    async with dialled(
        refused(scheme), ["wait-body", end], refused(scheme + b" challenge"), **QUICK
    ) as (upstream, _, client):
        assert (await client.ask(get())).status == 401
        response = await client.ask(get(fields=said(scheme, b"hello")))
        assert response.value("WWW-Authenticate") == scheme + b" challenge"
        assert [len(connection.requests) for connection in upstream.connections] == [2, 1]
        # And the login goes on there.
        upstream.play([length(b"alice")])
        assert (await client.ask(get(fields=said(scheme, b"alice")))).body == b"alice"
        assert [len(connection.requests) for connection in upstream.connections] == [2, 2]


async def test_a_shared_connection_that_has_ended_is_replaced() -> None:
    """That of clients which begin with a login, unasked (curl --ntlm)."""
    async with fronted(
        ["wait-body", length(b"ok")], ["wait-body", "fin"], refused(b"NTLM c"), **QUICK
    ) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 200
        assert (await proxy.ask(get(fields=said(b"NTLM", b"hello")))).status == 401
        assert [len(connection.requests) for connection in upstream.connections] == [2, 1]


@pytest.mark.parametrize("before", [[b"hello"], [b"hello", b"alice"]])
@pytest.mark.parametrize("end", ["fin", "rst"])
async def test_what_goes_on_with_a_login_is_not_repeated(end: str, before: list[bytes]) -> None:
    async with dialled(
        refused(b"NTLM"), *[refused(b"NTLM c")] * len(before), ["wait-body", end], **QUICK
    ) as (upstream, _, client):
        assert (await client.ask(get())).status == 401
        for token in before:
            assert (await client.ask(get(fields=said(b"NTLM", token)))).status == 401
        assert (await client.ask(get(fields=said(b"NTLM", b"on")))).status == 502
        assert len(upstream.connections) == 1


async def test_what_may_run_twice_is_not_repeated_for_a_login() -> None:
    async with dialled(refused(b"NTLM"), ["wait-body", "fin"], **QUICK) as (upstream, _, client):
        assert (await client.ask(get())).status == 401
        assert (await client.ask(post(b"x", fields=said(b"NTLM", b"hello")))).status == 502
        assert len(upstream.connections) == 1


async def test_a_login_that_has_met_part_of_an_answer_is_not_repeated() -> None:
    async with dialled(
        refused(b"NTLM"),
        ["wait-body", b"HTTP/1.1 200", "fin"],
        **QUICK,
    ) as (upstream, _, client):
        assert (await client.ask(get())).status == 401
        assert (await client.ask(get(fields=said(b"NTLM", b"hello")))).status == 502
        assert len(upstream.connections) == 1
