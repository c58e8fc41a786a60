"""What a client passes between its connection and its first request: a PROXY header, then TLS.

States of a connection, and what may follow: accepted; introduced, where ``proxy_protocol`` wants to
be told who the client is; encrypted, where ``[server.tls]`` is written; a ``Connection``. All of it
has the time of one request head (``request_headers_timeout``). What does not get that far is
closed, with a line in the log. Why a socket is looked at before a transport has it:
``docs/decisions/0040``.
"""

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from proxy.core.errors import TlsExpected
from proxy.core.words import in_seconds
from proxy.edge.certificates import ListenerTls
from proxy.edge.forwarded import Forwarding
from proxy.edge.http1.connection import Connection
from proxy.edge.options import ServerOptions
from proxy.http.grammar import TCHAR
from proxy.net.accepted import connect
from proxy.net.proxy_protocol import LONGEST, read_introduction
from proxy.net.revocation import refusal
from proxy.net.sockets import acknowledge

Admit: TypeAlias = Callable[[socket.socket], Awaitable[object]]
"""Takes a socket that was accepted, which is its to close."""

log = logging.getLogger(__name__)

LONGEST_WAIT: Final = 60.0
"""Seconds for all of it, where ``request_headers_timeout`` is off."""
CLOSING: Final = 60.0
"""Seconds for what was written, and for the client's close_notify, where ``write_idle_timeout`` is
off. A client that has all of its reply is not waited for as long: see ``hang_up``."""
_OF_HTTP: Final = re.compile(rb"[\r\n%b]" % TCHAR)
"""How a request begins, after an empty line perhaps (RFC 9112 2.2); nothing of TLS does."""
_TELL_EVERY: Final = 1.0
"""Seconds between two lines about connections that came to nothing: anyone can make them."""


class _Refused(Exception):
    """A sentence about a client that is closed."""


class _Left(Exception):
    """It has closed before it said anything of use: balancers look like that whether we live."""


def entrance(factory: Callable[[], Connection], options: ServerOptions) -> Admit | None:
    """None where clients may send requests at once.

    Raises OSError or ValueError where a certificate cannot be used.
    """
    if options.tls is None and not options.proxy_protocol:
        return None
    return Entrance(factory, options).admit


class Entrance:
    """Admits the connections of one listener."""

    __slots__ = (
        "_factory",
        "_forwarding",
        "_left_out",
        "_loop",
        "_options",
        "_patience",
        "_tell_at",
        "_tls",
    )

    def __init__(self, factory: Callable[[], Connection], options: ServerOptions) -> None:
        self._factory = factory
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._forwarding = Forwarding(options.trusted_proxies)
        self._tls = None if options.tls is None else ListenerTls(options.tls)
        self._patience = options.request_headers_timeout or LONGEST_WAIT
        self._tell_at = 0.0
        self._left_out = 0

    async def admit(self, client: socket.socket) -> None:
        """Let a client in, or close it. Raises OSError where a limit of ours is in the way."""
        peer = "a client"
        try:
            peer = _address(client) or peer
            await self._admit(client)
        except _Refused as refused:
            client.close()
            self._tell(f"closed a connection of {peer}: {refused}")
        except (_Left, ConnectionError):
            client.close()
        except ssl.SSLError as error:
            self._tell(f"the TLS handshake with {peer} failed: {_reason(error)}")
        except BaseException:
            client.close()
            raise

    async def _admit(self, client: socket.socket) -> None:
        end = self._loop.time() + self._patience
        told: str | None = None
        encrypted = False
        step = "a header of the PROXY protocol"
        try:
            async with asyncio.timeout_at(end):
                if self._options.proxy_protocol:
                    told = await self._introduction(client)
                if self._tls is not None:
                    step = "the TLS handshake"
                    encrypted = not _OF_HTTP.match(await self._peek(client, 1))
        except TimeoutError:
            raise _Refused(f"{step} did not come within {in_seconds(self._patience)}") from None
        connection = self._factory()
        connection.introduced = told
        if self._tls is None or not encrypted:
            if self._tls is not None:
                connection.refusal = TlsExpected("this address speaks TLS: use https:// to ask it")
            await connect(lambda: connection, client)
            return
        tls = await self._tls.latest()
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: connection,
                client,
                ssl=tls,
                ssl_handshake_timeout=max(0.001, end - self._loop.time()),
                ssl_shutdown_timeout=self._options.write_idle_timeout or CLOSING,
            )
        except ConnectionAbortedError:
            raise _Refused(f"{step} took longer than {in_seconds(self._patience)}") from None
        acknowledge(transport.get_extra_info("socket"))

    async def _introduction(self, client: socket.socket) -> str:
        """Address of the client, empty where the balancer does not say it."""
        if not self._forwarding.trusts(_address(client)):
            raise _Refused(
                "trusted_proxies does not name it, so it may not introduce clients (proxy_protocol)"
            )
        head = b""
        while True:
            data = await self._peek(client, LONGEST + 1 - len(head))
            try:
                found = read_introduction(head + data)
            except ValueError as error:
                raise _Refused(f"{error} (proxy_protocol)") from None
            if found is not None:
                client.recv(found.size - len(head))
                return found.client
            head += client.recv(len(data))  # all of it belongs to the header

    async def _peek(self, client: socket.socket, size: int) -> bytes:
        """What comes next, at least a byte of it, left where it is."""
        while True:
            try:
                data = client.recv(size, socket.MSG_PEEK)
            except BlockingIOError:
                await self._readable(client)
            else:
                if not data:
                    raise _Left
                return data

    async def _readable(self, client: socket.socket) -> None:
        descriptor = client.fileno()
        come = asyncio.Event()
        self._loop.add_reader(descriptor, come.set)
        try:
            await come.wait()
        finally:
            self._loop.remove_reader(descriptor)

    def _tell(self, sentence: str) -> None:
        now = self._loop.time()
        if now < self._tell_at:
            self._left_out += 1
            return
        more = f" ({self._left_out} more since the last such line)" if self._left_out else ""
        self._tell_at, self._left_out = now + _TELL_EVERY, 0
        log.info("%s%s", sentence, more)


def _address(client: socket.socket) -> str:
    """Empty on a unix socket. Raises _Left where the client has reset its connection."""
    try:
        name = client.getpeername()
    except OSError:  # ENOTCONN, which is no ConnectionError
        raise _Left from None
    return name[0] if isinstance(name, tuple) else ""


def _reason(error: ssl.SSLError) -> str:
    """What OpenSSL says, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = refusal(error) or error.verify_message
        return f"its certificate is not acceptable: {why}"
    return (error.reason or str(error)).replace("_", " ").lower()
