"""Tunnels over TLS of which one side ends before the other (RFC 8446 6.1)."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, cast

import pytest

from proxy.edge.tunnel import Side
from tests.support.authority import Authority
from tests.support.client import PATIENCE
from tests.support.half_tls import Half, HalfTls
from tests.support.peer import SWITCHING
from tests.support.proxy import Proxy, proxied
from tests.support.tls_client import encrypted, trusting
from tests.support.tunnel import OFFER
from tests.support.upstream import RawUpstream

LARGE = 6 << 20


Speak: TypeAlias = Callable[[Half], None]
Ask: TypeAlias = Callable[[Half, Proxy], None]


@contextlib.contextmanager
def upstream(speak: Speak, context: ssl.SSLContext | None) -> Iterator[str]:
    """The address of a server that goes over to ``foo`` and then speaks."""
    listener = socket.create_server(("127.0.0.1", 0))
    failed: list[BaseException] = []

    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            try:
                side = HalfTls(sock, context, server=True) if context else Half(sock)
                side.read_until(b"\r\n\r\n")
                side.write(SWITCHING % b"foo")
                speak(side)
            except BaseException as error:
                failed.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        thread.join(PATIENCE)
        listener.close()
        assert not failed


def client(proxy: Proxy, context: ssl.SSLContext | None, act: Ask) -> None:
    """Go over to ``foo``, then act."""
    assert isinstance(proxy.address, tuple)
    with socket.create_connection(proxy.address) as sock:
        side = HalfTls(sock, context, server=False) if context else Half(sock)
        side.write(OFFER % b"foo")
        assert side.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        act(side, proxy)


WAYS = pytest.mark.parametrize(
    ("client_tls", "upstream_tls"), [(False, True), (True, False), (True, True), (False, False)]
)


async def between(
    authority: Authority, client_tls: bool, upstream_tls: bool, asks: Ask, answers: Speak
) -> Proxy:
    """A tunnel between the two; back when it has ended."""
    server = authority.server()
    with upstream(answers, server if upstream_tls else None) as url:
        tls = {"tls": {"ca_file": authority.path("ca.pem")}} if upstream_tls else {}
        tables = {"server": encrypted(authority)} if client_tls else {}
        async with proxied(url, upstream_options=tls, **tables) as proxy:
            context = trusting(authority) if client_tls else None
            await asyncio.to_thread(client, proxy, context, asks)
            record = await proxy.record()
            assert (record.status, record.error) == (101, "")
    return proxy


@WAYS
@pytest.mark.parametrize("fin", [False, True])
async def test_who_has_ended_still_gets_the_answer(
    authority: Authority, client_tls: bool, upstream_tls: bool, fin: bool
) -> None:
    """Docker and kubectl with ``-i``: the end of the input, and then the output."""
    got: list[bytes] = []

    def asks(side: Half, proxy: Proxy) -> None:
        side.write(b"stdin\n" * 10)
        side.end(fin=fin)
        got.append(side.rest())

    def answers(side: Half) -> None:
        size = len(side.rest())
        side.write(b"out of %d bytes\n" % size)
        side.end()

    proxy = await between(authority, client_tls, upstream_tls, asks, answers)
    assert got == [b"out of 60 bytes\n"]
    assert (proxy.records[0].bytes_in, proxy.records[0].bytes_out) == (60, 16)


@WAYS
@pytest.mark.parametrize("fin", [False, True])
async def test_a_server_that_has_ended_still_gets_the_rest(
    authority: Authority, client_tls: bool, upstream_tls: bool, fin: bool
) -> None:
    got: list[bytes] = []

    def answers(side: Half) -> None:
        side.write(b"all of it")
        side.end(fin=fin)
        got.append(side.rest())

    def asks(side: Half, proxy: Proxy) -> None:
        got.append(side.rest())
        side.write(b"thanks")
        side.end()

    await between(authority, client_tls, upstream_tls, asks, answers)
    assert got == [b"all of it", b"thanks"]


@WAYS
@pytest.mark.parametrize("fin", [False, True])
async def test_an_end_in_the_midst_of_a_large_answer_takes_nothing_of_it(
    authority: Authority, client_tls: bool, upstream_tls: bool, fin: bool
) -> None:
    """Nothing is read from a server whose client takes nothing, and yet it learns of the end."""
    sizes: list[int] = []

    def answers(side: Half) -> None:
        side.write(b"o" * LARGE)
        side.rest()
        side.write(b"o" * LARGE)
        side.end()

    def asks(side: Half, proxy: Proxy) -> None:
        tunnel: Any = next(iter(proxy.runtime._tracker.tunnels))
        while not tunnel._upstream.held:
            threading.Event().wait(0.01)
        side.end(fin=fin)
        size = 0
        while data := side.read():
            size += len(data)
        sizes.append(size)

    await between(authority, client_tls, upstream_tls, asks, answers)
    assert sizes == [2 * LARGE]


async def test_an_end_right_behind_the_101_is_no_failure(authority: Authority) -> None:
    """A command that is over at once: all of it comes in one piece."""
    script = [SWITCHING % b"foo" + b"all of it", "fin"]
    tls = {"tls": {"ca_file": authority.path("ca.pem")}}
    async with (
        RawUpstream(script, tls=authority.server()) as upstream,
        proxied(upstream, upstream_options=tls) as proxy,
        await proxy.connect() as asking,
    ):
        await asking.send(OFFER % b"foo")
        assert (await asking.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await asking.rest() == b"all of it"
        assert asking.end == "fin"


async def test_an_offer_that_is_declined_may_end_with_its_connection(authority: Authority) -> None:
    script = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"no, thanks", "fin"]
    tls = {"tls": {"ca_file": authority.path("ca.pem")}}
    async with (
        RawUpstream(script, tls=authority.server()) as upstream,
        proxied(upstream, upstream_options=tls) as proxy,
        await proxy.connect() as asking,
    ):
        reply = await asking.ask(OFFER % b"foo")
        assert (reply.status, reply.body, reply.ended) == (200, b"no, thanks", "complete")


class Paused:
    """Counts how often it is held."""

    def __init__(self) -> None:
        self.pauses = 0

    def pause_reading(self) -> None:
        self.pauses += 1


@pytest.mark.parametrize("ending", [False, True])
def test_a_side_that_says_its_end_is_read_until_it_has(ending: bool) -> None:
    """What was not read then would be an error of TLS, and both sides would be reset."""
    nobody: Any = None
    one, other = (Side(nobody, nobody, frames=False, masked=False) for _ in range(2))
    one.other, other.transport, other.ending = other, cast(Any, Paused()), ending
    one.pause_writing()
    assert other.held, "it is held as soon as that is over"
    assert cast(Any, other.transport).pauses == (not ending)
