"""The tables of the listener for clients: ``[server]``, ``[server.tls]`` and ``[shutdown]``."""

from typing import Annotated, Literal

from msgspec import Meta

from proxy.core.duration import Duration, seconds
from proxy.core.options import MODE, Table, described
from proxy.core.size import Size, size

MOST_WORKERS = 128


class CertificateOptions(Table, frozen=True, kw_only=True):
    """A certificate that the listener shows."""

    cert_file: Annotated[
        str,
        described("PEM file of the certificate, and behind it those up to its authority."),
    ]
    key_file: Annotated[
        str, described("PEM file of its key; may be left out where cert_file holds it.")
    ] = ""
    password_file: Annotated[
        str,
        described(
            "File that holds the password of the key; a BOM and its last line break are dropped."
        ),
    ] = ""


class ServerTlsOptions(Table, frozen=True, kw_only=True):
    """TLS on every address of the listener. Changed files are used within a second or two."""

    certificates: Annotated[
        tuple[CertificateOptions, ...],
        Meta(
            min_length=1,
            description="Tables such as { cert_file, key_file, password_file }. A client gets the "
            "one with the name that it asks for (SNI), else the first. Of one name there may be "
            "one with an RSA and one with an EC key.",
        ),
    ]
    client_ca_file: Annotated[
        str,
        described(
            "PEM file of the authorities whose certificates clients may show. Lists of revoked "
            "certificates (CRLs) in it are enforced: then each authority needs one."
        ),
    ] = ""
    client_auth: Annotated[
        Literal["off", "optional", "required"],
        described(
            'Whether clients show a certificate: "required" refuses those without, "optional" '
            "those with a wrong one. The upstream finds it in Client-Cert (RFC 9440) and its "
            "subject in X-Client-Cert-Subject."
        ),
    ] = "off"
    min_version: Annotated[
        Literal["1.2", "1.3"], described("Lowest version of TLS that is spoken.")
    ] = "1.2"


class ServerOptions(Table, frozen=True, kw_only=True):
    """The listener that clients speak to."""

    listen: Annotated[
        str | tuple[str, ...],
        described(
            'Address or list of addresses: "127.0.0.1:8080", "[::1]:8080", "unix:/run/proxy.sock"; '
            '":8080" is every address, "[::]:8080" every one of IPv6 alone, a port alone is on '
            "127.0.0.1."
        ),
    ] = "127.0.0.1:8080"
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_WORKERS)] | Literal["auto"],
        described(
            'Processes that serve, each on a core of its own; "auto": as many as there are cores '
            "that the process may use. Limits are divided among them."
        ),
    ] = 1
    unix_mode: Annotated[
        str,
        Meta(
            pattern=MODE,
            description="Permissions of a unix socket, in octal as for chmod: who may connect.",
        ),
    ] = "0660"
    unix_owner: Annotated[
        str,
        described(
            'Owner of a unix socket, as for chown: "USER", "USER:GROUP" or ":GROUP"; '
            "else the user of the process."
        ),
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        described(
            "CIDRs of clients whose X-Forwarded-* and Forwarded are believed and appended to; "
            '"unix" for all clients on unix sockets.'
        ),
    ] = ()
    proxy_protocol: Annotated[
        bool,
        described(
            "Each connection begins with a header of the PROXY protocol, version 1 or 2, that says "
            "who the client is. Only trusted_proxies may connect."
        ),
    ] = False
    forwarded: Annotated[
        Literal["both", "x", "forwarded", "off"],
        described(
            "What tells the upstream who asked: X-Forwarded-*, Forwarded (RFC 7239), both, or "
            "neither. Fields that are left out are also removed if a trusted proxy sent them."
        ),
    ] = "both"
    max_body: Annotated[Size, described("Largest request body; over it: 413.")] = size(0)
    max_header_size: Annotated[
        Size,
        described(
            "Largest request head in all; over it: 431, a request line over it: 414. Below 256B "
            "almost every request is refused."
        ),
    ] = size(16 << 10)
    strict: Annotated[
        bool,
        described(
            "Refuse with 400 some requests that are otherwise forwarded: targets with bytes that "
            "RFC 3986 wants escaped, such as raw UTF-8; absolute targets whose host is not the one "
            "in Host."
        ),
    ] = False
    max_connections: Annotated[
        int,
        Meta(
            ge=1,
            description="Client connections at a time. One more takes the place of the one that "
            "has been idle longest; if none is idle: 503 and close.",
        ),
    ] = 10_000
    keepalive_timeout: Annotated[
        Duration,
        described(
            'How long a client connection may stay idle between requests; "0": without a limit.'
        ),
    ] = seconds(75)
    request_headers_timeout: Annotated[
        Duration, described("From the first byte of a request head to its end; over it: 408.")
    ] = seconds(10)
    body_idle_timeout: Annotated[
        Duration, described("How long a request body may stall; over it: 408.")
    ] = seconds(60)
    body_min_rate: Annotated[
        Size,
        described("Bytes a second that a request body must average after 30 s; under it: 408."),
    ] = size(64)
    write_idle_timeout: Annotated[
        Duration, described("How long a client may take nothing of its reply before it is cut.")
    ] = seconds(60)
    via: Annotated[
        bool,
        described(
            "Send a Via field to the upstream (RFC 9110 7.6.3). false: no Via goes upstream, and "
            "loops are found by X-Sidecar-Proxy."
        ),
    ] = True
    half_close: Annotated[
        Literal["auto", "answer", "leave"],
        described(
            'What a FIN behind a whole request means: the client waits for its answer ("answer"), '
            'or it has left ("leave"). "auto" asks the kernel about clients on this host. A client '
            "on another host counts as one that waits if its FIN came right behind the request; so "
            "does one over TLS on any host if its close_notify did."
        ),
    ] = "auto"
    server_timing: Annotated[
        bool,
        described(
            "Add a Server-Timing field with the milliseconds of queue, connect and upstream, and "
            "the number of attempts."
        ),
    ] = False
    tls: ServerTlsOptions | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those of ``listen``."""
        return (self.listen,) if isinstance(self.listen, str) else self.listen


class ShutdownOptions(Table, frozen=True, kw_only=True):
    """What happens on SIGTERM and SIGINT."""

    delay: Annotated[
        Duration, described("How long the listener stays open after readiness has failed.")
    ] = seconds(0)
    grace_period: Annotated[
        Duration,
        described(
            "How long requests in flight may take to finish before they are cut; "
            '"0": they are never cut.'
        ),
    ] = seconds(30)
