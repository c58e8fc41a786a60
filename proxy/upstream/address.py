"""Where an upstream is and how it is spoken to."""

import ssl
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from aiohttp import ClientRequest
from msgspec import Meta
from yarl import URL

from proxy.core.options import Duration, Table, described, seconds
from proxy.core.secrets import configured
from proxy.http.grammar import CONTROL


class ServerEntry(Table, frozen=True, kw_only=True):
    """One server of an upstream."""

    url: Annotated[
        str, described('"http://10.0.0.1:9000", "https://api.example.com" or "unix:/path".')
    ]
    weight: Annotated[
        float, Meta(gt=0, le=1000, description="Share of the requests, beside the others' weights.")
    ] = 1.0
    backup: Annotated[
        bool, described("Takes requests only while no other server of the upstream can.")
    ] = False


class UpstreamTlsOptions(Table, frozen=True, kw_only=True):
    """How the certificates of https servers are checked, and which one the proxy shows them."""

    verify: Annotated[bool, described("Check the certificate and the name in it.")] = True
    ca_file: Annotated[
        str, described("PEM file of the authorities to trust instead of the system's.")
    ] = ""
    server_name: Annotated[
        str, described("Name to ask for (SNI) and to check, instead of the URL's.")
    ] = ""
    cert_file: Annotated[
        str, described("PEM file of our own certificate, for servers that ask for one.")
    ] = ""
    key_file: Annotated[
        str, described("PEM file of its key; may be left out where cert_file holds it.")
    ] = ""
    password_file: Annotated[
        str, described("File that holds the password of the key; its last line break is dropped.")
    ] = ""


class CredentialsOptions(Table, frozen=True, kw_only=True):
    """Credentials that the proxy sends to the upstream in place of the client's."""

    header: Annotated[str, described("Field that carries the credentials.")] = "Authorization"
    value: Annotated[
        str, described('The value, usually from the environment: "Bearer ${API_TOKEN}".')
    ] = ""
    value_file: Annotated[
        str,
        described(
            "File that holds the value; its last line break is dropped. It is read again within "
            "seconds when it changes."
        ),
    ] = ""


class UpstreamOptions(Table, frozen=True, kw_only=True):
    """A named service that requests are forwarded to."""

    name: Annotated[str, Meta(min_length=1, description="Name that routes refer to.")]
    servers: Annotated[
        tuple[str | ServerEntry, ...],
        Meta(
            min_length=1,
            description='Addresses, or tables such as { url = "...", weight = 2, backup = true }.',
        ),
    ]
    host_header: Annotated[
        str,
        described(
            '"auto": the server\'s name where it is reached over https by its name, else what the '
            'client sent; "preserve" what the client sent, "upstream" for the server\'s own, or a '
            "name."
        ),
    ] = "auto"
    keepalive_timeout: Annotated[
        Duration,
        # uvicorn and Node close after 5 s, and a POST that meets a closing connection is lost.
        described(
            'How long an idle connection is kept; below the upstream\'s own limit. "0": none is.'
        ),
    ] = seconds(4)
    max_connection_age: Annotated[
        Duration,
        described("A connection this old takes no further request; moves traffic off old servers."),
    ] = seconds(0)
    dns_ttl: Annotated[
        Duration,
        described(
            "How often names are looked up again; each of several addresses is a server of its "
            'own. "0": for each new connection, and all addresses are one server.'
        ),
    ] = seconds(30)
    limit: Annotated[
        int,
        Meta(
            ge=0,
            description="Connections to a server at a time, 0 for no limit; over it requests wait "
            "`connect`.",
        ),
    ] = 0
    tls: UpstreamTlsOptions | None = None
    credentials: CredentialsOptions | None = None


def entries(options: UpstreamOptions) -> list[ServerEntry]:
    """The servers, short forms written out."""
    return [
        ServerEntry(url=server) if isinstance(server, str) else server for server in options.servers
    ]


class Address:
    """One address of an upstream: how it is reached, and what it is told of itself."""

    __slots__ = (
        "authority",
        "credentials",
        "host",
        "lookup",
        "name",
        "template",
        "unix_path",
        "upstream",
    )

    def __init__(
        self,
        options: UpstreamOptions,
        entry: ServerEntry,
        tls: ssl.SSLContext | None,
        ip: str = "",
    ) -> None:
        """``tls``: for https servers, see ``tls_context``; ``ip``: one of the name's addresses."""
        self.upstream = options.name
        self.name = entry.url
        self.unix_path: str | None = None
        if entry.url.startswith("unix:"):
            self.unix_path = entry.url.removeprefix("unix:")
            url = URL("http://localhost")
        else:
            url = URL(entry.url)
        self.lookup = "" if self.unix_path or ip or _is_address(url) else (url.host or "")
        """The name to look up; empty where the address is one already."""
        self.authority = _authority(url).encode()
        server_name = options.tls.server_name if options.tls is not None else ""
        if ip:
            server_name = server_name or url.host or ""
            url = url.with_host(ip)
            self.name = str(url).removesuffix("/")
        encrypted = url.scheme == "https"
        self.template = partial(
            ClientRequest,
            "GET",
            url,
            ssl=tls if encrypted and tls is not None else True,
            server_hostname=server_name if encrypted and server_name else None,
        )
        """Makes what the connector wants to know of a request."""
        self.host: bytes | None = None
        """The Host field to send; None for the client's own."""
        if options.host_header == "auto":
            # Virtual hosts know the name that their certificate is for, not that of our clients.
            self.host = self.authority if renames(options, entry.url) else None
        elif options.host_header == "upstream":
            self.host = self.authority
        elif options.host_header != "preserve":
            self.host = options.host_header.encode()
        self.credentials = None if options.credentials is None else credentials(options.credentials)


def _is_address(url: URL) -> bool:
    try:
        ip_address((url.host or "").partition("%")[0])
    except ValueError:
        return False
    return True


def renames(options: UpstreamOptions, url: str) -> bool:
    """Whether the server with this URL is asked for by another host than the client named."""
    if options.host_header == "auto":
        return url.startswith("https:") and not _is_address(URL(url))
    return options.host_header != "preserve"


def origins(options: UpstreamOptions) -> list[str]:
    """What servers may call themselves: their own address, and the host that they are asked for."""
    urls = [URL(server if isinstance(server, str) else server.url) for server in options.servers]
    found = [str(url.origin()) for url in urls if url.scheme in ("http", "https")]
    if options.host_header not in ("auto", "preserve", "upstream"):
        found += [f"{url.scheme}://{options.host_header}" for url in urls if url.host]
    return found


def told(options: UpstreamOptions) -> list[tuple[str, str]]:
    """Scheme of each server, and the Host that it is told; none where that is the client's."""
    found = []
    for entry in entries(options):
        url = URL("http://localhost" if entry.url.startswith("unix:") else entry.url)
        host = options.host_header
        if not renames(options, entry.url):
            host = ""
        elif host in ("upstream", "auto"):
            host = _authority(url)
        found.append((url.scheme, host))
    return found


def _authority(url: URL) -> str:
    """Host and port as a Host field has them (RFC 9110 7.2), without a default port."""
    host = url.host_subcomponent or ""
    return host if url.is_default_port() else f"{host}:{url.port}"


def _content(path: str) -> bytes:
    return Path(path).read_bytes().removesuffix(b"\n").removesuffix(b"\r")


def credentials(options: CredentialsOptions) -> tuple[bytes, bytes]:
    """The field to send. Raises OSError, or ValueError where its value cannot stand in a field.

    It is a secret, so no message repeats it.
    """
    value = options.value.encode("utf-8", "surrogateescape")
    if options.value_file:
        value = _content(options.value_file)
    configured(value)
    if not value:
        raise ValueError("the value is empty")
    if CONTROL.search(value):
        raise ValueError("a control character cannot stand in a field")
    return options.header.encode(), value


def tls_context(options: UpstreamOptions) -> ssl.SSLContext | None:
    """The one context of an upstream, where it has a server that is spoken to over TLS.

    Raises OSError or ssl.SSLError where a file of the options cannot be used.
    """
    if not any(entry.url.startswith("https:") for entry in entries(options)):
        return None
    return _context(options.tls or UpstreamTlsOptions())


def _context(options: UpstreamTlsOptions) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.ca_file or None)
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.cert_file:
        # An encrypted key without a password is an error, not a question on the terminal.
        password = _content(options.password_file) if options.password_file else b""
        context.load_cert_chain(options.cert_file, options.key_file or None, password=password)
    return context
