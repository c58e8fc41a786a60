"""A server of TLS 1.3 refuses our certificate after the handshake is over for us.

It was taken for a server that hangs up: GETs were sent again and again, and no answer named the
cause. curl/curl#3026, m-click/requests_pkcs12#17: one that asks for it once it knows the path
(RFC 8446 4.6.2; Apache's SSLVerifyClient in a Location) has to be told that it may.
"""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.support.authority import Authority
from tests.support.message import get, length, post
from tests.support.proxy import fronted
from tests.support.upstream import PATIENCE

Serves: TypeAlias = Callable[[socket.socket, ssl.SSLContext], None]

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(name="authority", scope="module")
def an_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def _refuse(client: socket.socket, context: ssl.SSLContext) -> None:
    """Say by an alert what is wrong, which servers of asyncio do not, and read what is sent."""
    client.settimeout(PATIENCE)
    tls = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
    with contextlib.suppress(OSError):
        tls.do_handshake()
    with socket.socket(fileno=tls.detach()) as rest, contextlib.suppress(OSError):
        rest.settimeout(PATIENCE)
        rest.shutdown(socket.SHUT_WR)
        while rest.recv(1 << 16):
            pass


def _ask_late(client: socket.socket, context: ssl.SSLContext) -> None:
    """Ask for the certificate behind the first bytes of a request, and answer with its subject."""
    client.settimeout(PATIENCE)
    with context.wrap_socket(client, server_side=True) as tls, contextlib.suppress(OSError):
        tls.recv(1 << 16)
        tls.verify_client_post_handshake()
        tls.do_handshake()  # sends the request
        tls.setblocking(False)
        while not (shown := tls.getpeercert()):
            readable, _, _ = select.select([tls], [], [], PATIENCE)
            if not readable:
                return
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.recv(1 << 16)
        subject = str(shown["subject"]).encode()
        tls.sendall(length(subject))


@contextlib.contextmanager
def picky(
    authority: Authority, version: ssl.TLSVersion, serves: Serves = _refuse
) -> Iterator[tuple[int, list[str]]]:
    """A server that takes certificates of an authority only: its port, and who has connected."""
    context = authority.server(demands=True)
    context.maximum_version = version
    context.post_handshake_auth = serves is _ask_late
    seen: list[str] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, peer = listener.accept()
                seen.append(str(peer))
                serves(client, context)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], seen
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)


async def refused(asked: bytes, port: int, tls: dict[str, Any]) -> bytes:
    """The body of the answer."""
    options = {"servers": [f"https://127.0.0.1:{port}"], "tls": tls}
    tables = {"upstream_options": options, "errors": {"details": True}}
    async with fronted(**tables) as (_, proxy):
        answer = await proxy.ask(asked)
        assert answer.status == 502
        assert b"error=tls_protocol_error" in (answer.value("Proxy-Status") or b"")
        return answer.body


@pytest.mark.parametrize(
    "asked", [get(), post(b"x" * 10), post(b"x" * 300_000)], ids=["GET", "POST", "long POST"]
)
async def test_a_server_that_wants_a_certificate_is_asked_once(
    asked: bytes, authority: Authority
) -> None:
    with picky(authority, TLS_1_3) as (port, seen):
        body = await refused(asked, port, {"ca_file": authority.path("ca.pem")})
        assert b"[upstreams.tls] cert_file names no certificate" in body
        assert len(seen) == 1


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
async def test_a_server_that_refuses_our_certificate_is_asked_once(
    version: ssl.TLSVersion, authority: Authority, tmp_path: Path
) -> None:
    foreign = Authority(tmp_path)
    tls = {
        "ca_file": authority.path("ca.pem"),
        "cert_file": foreign.path("client.pem"),
        "key_file": foreign.path("client.key"),
    }
    with picky(authority, version) as (port, seen):
        assert b"the certificate of [upstreams.tls] cert_file" in await refused(get(), port, tls)
        assert len(seen) == 1


@pytest.mark.parametrize("asked", [get(), post(b"x" * 10)], ids=["GET", "POST"])
async def test_a_server_that_asks_behind_the_head_is_shown_it(
    asked: bytes, authority: Authority
) -> None:
    pair = {"cert_file": authority.path("client.pem"), "key_file": authority.path("client.key")}
    with picky(authority, TLS_1_3, _ask_late) as (port, seen):
        options = {
            "servers": [f"https://127.0.0.1:{port}"],
            "tls": {"ca_file": authority.path("ca.pem"), **pair},
        }
        async with fronted(upstream_options=options) as (_, proxy):
            answer = await proxy.ask(asked)
        assert (answer.status, b"commonName" in answer.body) == (200, True)
        assert len(seen) == 1
