"""Unix sockets on both sides, and upstreams that speak TLS."""

import contextlib
import socket
import ssl
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from proxy.upstream import certificate
from tests.support.authority import Authority
from tests.support.client import ask
from tests.support.message import get, post
from tests.support.proxy import fronted, proxied
from tests.support.upstream import HEALTHY, RESET, RawUpstream

ONCE = {"retry": {"attempts": 1}}


async def test_both_sides_can_be_unix_sockets(tmp_path: Path) -> None:
    listen = f"unix:{tmp_path / 'proxy.sock'}"
    async with RawUpstream(path=str(tmp_path / "api.sock")) as upstream:
        async with proxied(upstream, server={"listen": listen}) as proxy:
            assert proxy.runtime.http == [listen]
            async with await proxy.connect() as client:
                for _ in range(3):
                    assert (await client.ask(post(b"hello"))).body == b"ok"
            head = upstream.requests[0].head
            assert upstream.requests[0].body == b"hello"
            assert head.value("Host") == b"proxy.test"
            assert head.value("X-Forwarded-For") is None  # there is no address to tell
            assert (head.value("Forwarded") or b"").startswith(b"for=unknown")  # RFC 7239 6.2
            assert len(upstream.connections) == 1
        assert not (tmp_path / "proxy.sock").exists()


async def test_a_unix_socket_that_nobody_listens_on_is_refused(tmp_path: Path) -> None:
    async with proxied(f"unix:{tmp_path / 'none.sock'}", **ONCE) as proxy:
        response = await proxy.ask(get())
        told = response.value("Proxy-Status")
        assert (response.status, told) == (502, b"sidecar-proxy; error=connection_refused")


async def test_a_socket_that_a_crash_left_behind_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "proxy.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    async with fronted(server={"listen": f"unix:{path}"}) as (_, proxy):
        assert (await proxy.ask(get())).status == 200


async def test_several_addresses_are_listened_on(tmp_path: Path) -> None:
    listen = ["127.0.0.1:0", f"unix:{tmp_path / 'proxy.sock'}"]
    async with fronted(server={"listen": listen}) as (_, proxy):
        assert len(proxy.runtime.http) == 2
        assert (await proxy.ask(get())).status == 200
        assert (await ask(str(tmp_path / "proxy.sock"), get())).status == 200


def trusting(authority: Authority, **tls: Any) -> dict[str, Any]:
    """An upstream whose CA we know."""
    return {"upstream_options": {"tls": {"ca_file": authority.path("ca.pem"), **tls}}, **ONCE}


@pytest.mark.parametrize("tls", [{}, {"server_name": "api.test"}])
async def test_an_upstream_is_checked_and_spoken_to(
    authority: Authority, tls: dict[str, Any]
) -> None:
    async with (
        RawUpstream(tls=authority.server()) as upstream,
        proxied(upstream, **trusting(authority, **tls)) as proxy,
    ):
        for _ in range(2):
            assert (await proxy.ask(post(b"x" * 100_000))).status == 200
        assert [len(request.body) for request in upstream.requests] == [100_000] * 2
        assert len(upstream.connections) == 1


async def test_the_name_that_is_asked_for_is_the_configured_one(authority: Authority) -> None:
    asked: list[str | None] = []
    context = authority.server()
    context.sni_callback = lambda _, name, __: asked.append(name)
    async with (
        RawUpstream(tls=context) as upstream,
        proxied(upstream, **trusting(authority, server_name="api.test")) as proxy,
    ):
        assert (await proxy.ask(get())).status == 200
    assert asked == ["api.test"]


@pytest.mark.parametrize(
    "tls", [{"server_name": "other.test"}, {"ca_file": ""}], ids=["wrong name", "unknown authority"]
)
async def test_a_certificate_that_does_not_fit_is_refused(
    authority: Authority, tls: dict[str, Any], quiet: list[str]
) -> None:
    async with RawUpstream(tls=authority.server()) as upstream:
        async with proxied(upstream, **trusting(authority, **tls)) as proxy:
            response = await proxy.ask(get())
            told = response.value("Proxy-Status")
            assert (response.status, told) == (502, b"sidecar-proxy; error=tls_certificate_error")
        assert upstream.requests == []


async def test_a_certificate_for_other_names_is_told_with_them(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "_PATIENCE", 60.0)
    options = trusting(authority, server_name="other.test") | {"errors": {"details": True}}
    async with (
        RawUpstream(tls=authority.server()) as upstream,
        proxied(upstream, **options) as proxy,
    ):
        details = (await proxy.ask(get())).body.decode()
    assert "other.test" in details
    assert "it is for api.test, 127.0.0.1" in details
    assert "SSLContext" not in details
    assert upstream.requests == []


async def test_a_check_that_is_switched_off_is_off(authority: Authority) -> None:
    options = {"upstream_options": {"tls": {"verify": False}}, **ONCE}
    async with (
        RawUpstream(tls=authority.server()) as upstream,
        proxied(upstream, **options) as proxy,
    ):
        assert (await proxy.ask(get())).status == 200


@pytest.mark.parametrize(
    "greeting", [[b"HTTP/1.1 400 Bad Request\r\n\r\n", "fin"], ["fin"], ["rst"]], ids=str
)
async def test_an_upstream_that_does_not_speak_tls(greeting: list[Any]) -> None:
    async with RawUpstream(HEALTHY, greeting=greeting) as upstream:
        url = f"https://127.0.0.1:{upstream.port}"
        async with proxied(url, **ONCE) as proxy:
            response = await proxy.ask(get())
            told = response.value("Proxy-Status")
            assert (response.status, told) == (502, b"sidecar-proxy; error=tls_protocol_error")
        assert upstream.requests == []


async def test_a_handshake_that_stalls_is_on_the_connect_clock() -> None:
    async with RawUpstream(HEALTHY, greeting=["hold"]) as upstream:
        url = f"https://127.0.0.1:{upstream.port}"
        async with proxied(url, timeouts={"connect": "80ms"}, **ONCE) as proxy:
            response = await proxy.ask(get())
            told = response.value("Proxy-Status")
            assert (response.status, told) == (504, b"sidecar-proxy; error=connection_timeout")


async def test_we_show_our_certificate_where_it_is_asked_for(authority: Authority) -> None:
    shown = {"cert_file": authority.path("client.pem"), "key_file": authority.path("client.key")}
    async with RawUpstream(tls=authority.server(demands=True)) as upstream:
        async with proxied(upstream, **trusting(authority, **shown)) as proxy:
            assert (await proxy.ask(get())).status == 200
        peer = upstream.connections[-1].peer_certificate
        assert isinstance(peer, dict)
        assert peer["subject"] == ((("commonName", "client"),),)


async def test_a_certificate_that_we_do_not_have_is_a_status_and_not_a_hang(
    authority: Authority, quiet: list[str]
) -> None:
    """With TLS 1.3 the refusal comes after the handshake, in place of the reply."""
    async with RawUpstream(tls=authority.server(demands=True)) as upstream:
        async with proxied(upstream, **trusting(authority)) as proxy:
            response = await proxy.ask(get())
            assert response.status == 502
            assert response.value("Proxy-Status") in (
                b"sidecar-proxy; error=connection_terminated",
                b"sidecar-proxy; error=tls_protocol_error",
            )
        assert upstream.requests == []
    quiet.clear()


async def test_a_tls_upstream_that_cuts_its_body_is_noticed(authority: Authority) -> None:
    script = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", "fin"]
    async with (
        RawUpstream(script, tls=authority.server()) as upstream,
        proxied(upstream, **trusting(authority)) as proxy,
    ):
        response = await proxy.ask(get())
        assert (response.body, response.ended) in ((b"hello", "fin-short"), (b"hello", "rst"))


class Ending(Thread):
    """A server over TLS that ends one reply as told: with close_notify, a FIN alone, or a reset."""

    def __init__(self, context: ssl.SSLContext, how: str, size: int) -> None:
        super().__init__(daemon=True)
        # A thread of Python 3.14 has a _context of its own.
        self._tls, self._how, self._size = context, how, size
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        """Serve one."""
        with self._listening:
            client, _ = self._listening.accept()
        tls = self._tls.wrap_socket(client, server_side=True)
        tls.recv(4096)
        tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * self._size)
        if self._how == "close_notify":
            with contextlib.suppress(OSError):
                tls.unwrap()
        with socket.socket(fileno=tls.detach()) as bare:
            if self._how == "reset":
                bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@pytest.mark.parametrize("size", [5, 3_000_000], ids=["short", "long"])
@pytest.mark.parametrize(
    ("how", "ended"), [("close_notify", "complete"), ("fin", "cut"), ("reset", "cut")]
)
async def test_a_reply_up_to_the_end_is_whole_only_behind_close_notify(
    authority: Authority, how: str, ended: str, size: int
) -> None:
    server = Ending(authority.server(), how, size)
    server.start()
    async with proxied(server.url, **trusting(authority)) as proxy, await proxy.connect() as client:
        await client.send(get())
        await proxy.breathe()
        response = await client.receive()
        whole = (response.status, response.ended, len(response.body)) == (200, "complete", size)
        assert whole is (ended == "complete")
        if how == "fin":
            assert (await proxy.record()).error == "http_response_incomplete"
    server.join()
