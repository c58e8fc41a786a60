"""What is wrong with the listener beyond its addresses: TLS, and the PROXY protocol."""

import ssl
from collections.abc import Iterator

from proxy.config import values
from proxy.config.authorities import authorities_doubts
from proxy.config.problems import of_file
from proxy.core.clock import wall
from proxy.core.findings import Finding, Place, one, warn
from proxy.edge.certificates import files_of, listener_context, read_certificate
from proxy.edge.options import ServerOptions, ServerTlsOptions

_TLS: Place = ("server", "tls")


def listener_problems(server: ServerOptions) -> Iterator[Finding]:
    """Of ``[server]`` and ``[server.tls]``."""
    if server.proxy_protocol and not server.trusted_proxies:
        yield Finding(
            ("server", "proxy_protocol"),
            "only trusted_proxies may introduce clients, and there are none: nobody could connect",
        )
    if server.tls is not None:
        yield from _tls(server.tls)


def _tls(options: ServerTlsOptions) -> Iterator[Finding]:
    found = list(_files(options))
    asked = options.client_auth != "off"
    if options.client_ca_file and not asked:
        message = 'no certificate is asked for: expected client_auth = "required" or "optional" too'
        found.append(Finding((*_TLS, "client_ca_file"), message))
    if asked and not options.client_ca_file:
        message = "expected client_ca_file too: nobody's certificate would be accepted"
        found.append(Finding((*_TLS, "client_auth"), message))
    yield from found
    if found or any(map(values.is_pipe, files_of(options))):
        return
    before: dict[tuple[bytes, str], int] = {}
    for index, entry in enumerate(options.certificates):
        try:
            names, not_after, kind = read_certificate(entry)
        except (OSError, ValueError) as error:
            yield of_file(error, (*_TLS, "certificates", index))
            return
        if ssl.cert_time_to_seconds(not_after) <= wall():
            message = f"the certificate in {entry.cert_file!r} has expired on {not_after}"
            yield from warn((*_TLS, "certificates", index), message)
        shown = [before.setdefault((kind, name), index) for name in names]
        if index and index not in shown:
            why = "it names no host"
            if shown:
                first = options.certificates[shown[0]].cert_file
                why = f"its names have {first!r} already, with a key of the same kind"
            message = f"the certificate in {entry.cert_file!r} is never shown: {why}"
            yield from warn((*_TLS, "certificates", index), message)
    try:
        listener_context(options)
    except (OSError, ValueError) as error:
        yield of_file(error, _TLS)
    else:
        yield from authorities_doubts(
            options.client_ca_file, (*_TLS, "client_ca_file"), any_is_enough=False
        )


def _files(options: ServerTlsOptions) -> Iterator[Finding]:
    if options.client_ca_file:
        yield from one((*_TLS, "client_ca_file"), values.file_fault(options.client_ca_file))
    for index, entry in enumerate(options.certificates):
        for name in ("cert_file", "key_file", "password_file"):
            path = getattr(entry, name)
            secret = name != "cert_file"
            if path or not secret:
                place = (*_TLS, "certificates", index, name)
                yield from one(place, values.file_fault(path, secret=secret))
