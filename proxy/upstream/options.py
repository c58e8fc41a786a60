"""The table of an upstream, ``[[upstreams]]``: its servers, and how it is spoken to."""

from typing import Annotated, Literal

from msgspec import Meta

from proxy.core.duration import Duration, seconds
from proxy.core.options import Table, described
from proxy.upstream.credentials.options import CredentialsTables


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
    send_proxy: Annotated[
        Literal["", "v1", "v2"],
        described(
            "Begin each connection with a header of the PROXY protocol, version 1 or 2, which "
            "names the client. Such a connection serves one client connection only."
        ),
    ] = ""


class UpstreamTlsOptions(Table, frozen=True, kw_only=True):
    """How the certificates of https servers are checked, and which one the proxy shows them."""

    verify: Annotated[
        bool,
        described(
            "Check the certificate and the name in it; where it has no subjectAltName, its common "
            "name counts, as for nginx, HAProxy and curl."
        ),
    ] = True
    ca_file: Annotated[
        str,
        described(
            "PEM file of the authorities to trust instead of the system's; a server's own "
            "certificate is enough. Lists of revoked certificates (CRLs) in it are enforced: then "
            "each authority needs one, and the file the authority that has signed itself."
        ),
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
        str,
        described(
            "File that holds the password of the key; a BOM and its last line break are dropped."
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
            "How long an idle connection is kept; below the upstream's own limit. If a server "
            "announces less (Keep-Alive: timeout=N), a second less than that. "
            '"0": none is.'
        ),
    ] = seconds(4)
    max_connection_age: Annotated[
        Duration,
        described(
            "A connection of this age takes no further request, so that traffic moves off old "
            "servers."
        ),
    ] = seconds(0)
    dns_ttl: Annotated[
        Duration,
        described(
            "How often names are looked up again. Each address of a name is a server of its "
            'own. "0": at each new connection, and all addresses are one server.'
        ),
    ] = seconds(30)
    limit: Annotated[
        int,
        Meta(
            ge=0,
            description="Most connections to a server that are in use at a time; 0: no limit. "
            "Further requests go to another server, or to a backup, or wait for up to `connect` "
            "where all are at their limit.",
        ),
    ] = 0
    tls: UpstreamTlsOptions | None = None
    credentials: Annotated[
        CredentialsTables | None,
        described(
            "Credentials that the proxy sends to the upstream in place of the client's; "
            "`[[upstreams.credentials]]` for several, each with its own quota."
        ),
    ] = None


def entries(options: UpstreamOptions) -> list[ServerEntry]:
    """The servers, short forms written out."""
    return [
        ServerEntry(url=server) if isinstance(server, str) else server for server in options.servers
    ]
