"""A client that speaks TLS, and says how the connection ended."""

import asyncio
import socket
import ssl
from typing import Any, Self

from tests.support.authority import Authority
from tests.support.client import PATIENCE, Address, RawClient
from tests.support.proxy import Proxy


def trusting(authority: Authority, certificate: str = "") -> ssl.SSLContext:
    """The client's side; ``certificate``: the name of the one that it shows."""
    context = ssl.create_default_context(cafile=authority.path("ca.pem"))
    context.check_hostname = False
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify is an error
    if certificate:
        context.load_cert_chain(
            authority.path(f"{certificate}.pem"), authority.path(f"{certificate}.key")
        )
    return context


class TlsClient(RawClient):
    """A connection to the proxy over TLS. ``end`` is ``fin`` only behind a close_notify."""

    tls: ssl.SSLSocket

    @classmethod
    async def open(
        cls,
        address: Address,
        context: ssl.SSLContext,
        *,
        name: str | None = None,
        before: bytes = b"",
        receive_buffer: int = 0,
        session: ssl.SSLSession | None = None,
    ) -> Self:
        """Shake hands; ``name``: which host is asked for, ``before``: bytes that go first."""
        assert isinstance(address, tuple)

        def connect() -> ssl.SSLSocket:
            sock = socket.socket()
            sock.settimeout(PATIENCE)
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            try:
                sock.connect(address)
                sock.sendall(before)
                return context.wrap_socket(
                    sock, server_hostname=name, suppress_ragged_eofs=False, session=session
                )
            except BaseException:
                sock.close()
                raise

        tls = await asyncio.to_thread(connect)
        client = cls(tls)
        client.tls = tls
        return client

    async def send(self, data: bytes) -> None:
        """As it says."""
        await asyncio.to_thread(self.tls.sendall, data)

    async def read(self, patience: float = PATIENCE) -> bytes:
        """What comes next; at the end ``b""``, see ``end``."""
        if self.end:
            return b""
        self.tls.settimeout(patience)
        try:
            data = await asyncio.to_thread(self.tls.recv, 1 << 18)
        except TimeoutError:
            return b""
        except (ConnectionError, ssl.SSLError):
            self.end = "rst"
            return b""
        if not data:
            self.end = "fin"
        return data

    def shown(self) -> dict[str, Any]:
        """The certificate of the proxy."""
        return self.tls.getpeercert() or {}

    def names(self) -> set[str]:
        """Whom it is for."""
        return {value for kind, value in self.shown().get("subjectAltName", ()) if kind == "DNS"}


def entry(authority: Authority, name: str = "server") -> dict[str, str]:
    """One of the certificates of a listener."""
    return {"cert_file": authority.path(f"{name}.pem"), "key_file": authority.path(f"{name}.key")}


def encrypted(authority: Authority, *names: str, **options: Any) -> dict[str, Any]:
    """The table of a listener that shows these certificates."""
    certificates = [entry(authority, name) for name in names or ("server",)]
    return {"tls": {"certificates": certificates, **options}}


async def client_of(proxy: Proxy, authority: Authority, **options: Any) -> TlsClient:
    """A connection to the proxy; ``options`` as ``TlsClient.open`` has them."""
    context = options.pop("context", None) or trusting(authority)
    return await TlsClient.open(proxy.address, context, **options)
