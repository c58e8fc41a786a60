"""Where an upstream is and how it is spoken to."""

import ssl
from functools import partial
from typing import Final

from aiohttp import ClientRequest
from yarl import URL

from proxy.core.files import secret_content
from proxy.core.pipes import readable
from proxy.net.addresses import is_ip
from proxy.net.half_tls import can_half_close
from proxy.net.pem import authorities_fault, load_pair, use_revocations
from proxy.net.trust import same_on_every_python
from proxy.upstream.options import ServerEntry, UpstreamOptions, UpstreamTlsOptions, entries

_UNIX: Final = "http://localhost"
"""What stands for the server on a unix socket, which has no host."""


class Address:
    """One address of an upstream: how it is reached, and what it is told of itself."""

    __slots__ = (
        "authority",
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

    def use_tls(self, context: ssl.SSLContext | None) -> None:
        """Make new connections with this context, where they are made over TLS."""
        if self.template.args[1].scheme == "https" and context is not None:
            made = self.template
            self.template = partial(made.func, *made.args, **{**made.keywords, "ssl": context})


def _is_address(url: URL) -> bool:
    return is_ip((url.host or "").partition("%")[0])


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
        schemes = ["http" if url.scheme == "unix" else url.scheme for url in urls]
        found += [f"{scheme}://{options.host_header}" for scheme in schemes]
    elif options.host_header == "upstream" and any(url.scheme == "unix" for url in urls):
        found.append(_UNIX)
    return found


def told(options: UpstreamOptions) -> list[tuple[str, str]]:
    """Scheme of each server, and the Host that it is told; none where that is the client's."""
    found = []
    for entry in entries(options):
        url = URL(_UNIX if entry.url.startswith("unix:") else entry.url)
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


def tls_context(options: UpstreamOptions) -> ssl.SSLContext | None:
    """The one context of an upstream, where it has a server that is spoken to over TLS.

    Raises OSError or UnusableFile where a file of the options cannot be used.
    """
    if not any(entry.url.startswith("https:") for entry in entries(options)):
        return None
    return _context(options.tls or UpstreamTlsOptions())


def _context(options: UpstreamTlsOptions) -> ssl.SSLContext:
    try:
        with readable(options.ca_file) as authorities:
            context = ssl.create_default_context(cafile=authorities or None)
    except ssl.SSLError as error:
        raise authorities_fault(options.ca_file, "ca_file", error) from None
    same_on_every_python(can_half_close(context))
    if options.ca_file:
        use_revocations(context, options.ca_file, "ca_file")
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.cert_file:
        file, cert, key = options.password_file, options.cert_file, options.key_file
        password = secret_content(file) if file else b""
        with readable(cert) as shown, readable(key) as own:
            load_pair(context, cert, key, password, file, read_from=(shown, own))
        context.post_handshake_auth = True  # some servers of TLS 1.3 ask once they know the path
    return context
