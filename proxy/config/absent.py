"""What other proxies have and this one has not, each with what to do instead."""

from typing import Final

_FRONT: Final = "put nginx, HAProxy or Caddy in front for it"
_ONE_FILE: Final = "one file is the whole configuration"
_WORKERS: Final = "[server] workers says how many processes serve"
_TLS: Final = (
    "for TLS to clients write [server.tls] with certificates = [{ cert_file, key_file }]; "
    "[upstreams.tls] is for servers"
)
_COMPRESSION: Final = "nothing is compressed here, bodies pass as the server sends them"
_VERSIONS: Final = f"this proxy speaks neither HTTP/2 nor HTTP/3; {_FRONT}"
_CLIENTS: Final = f"this proxy does not check who the client is; {_FRONT}"
_FILES: Final = "this proxy serves no files"
_LOG: Final = "the access log goes to standard output, everything else to standard error"
_TABLES: Final = "a table such as [retry], or [routes.retry] for one route, switches its feature on"
_ON: Final = "a table is on once it is written; NAME = false switches one off, as retry = false"
_UPGRADES: Final = "WebSocket and other upgrades pass without an option"
_ORDER: Final = "the most specific route wins"
_CHECKED: Final = "each of the servers is checked at its own address"
_ASKED: Final = "a check is a GET; its Host is the server's own, or host_header of the upstream"
_THREE: Final = "expected [server], [[upstreams]] and [[routes]]"

_SENTENCES: Final = {
    "worker_processes processes threads": _WORKERS,
    "server.ssl server.certificates server.certificate server.cert server.cert_file"
    " server.key_file server.ssl_certificate server.https tls.certificates": _TLS,
    "cache proxy_cache": "write [cache], or cache = {} in a route",
    "redirect redirects redir return": "this proxy does not redirect, the API does",
    "gzip compress compression brotli zstd encode": _COMPRESSION,
    "http2 http3 h2 h2c quic alpn": _VERSIONS,
    "basic_auth basicauth forward_auth auth_request jwt oidc": _CLIENTS,
    "include includes import imports": _ONE_FILE,
    "middleware middlewares filters plugins handlers": _TABLES,
    "http tcp entrypoints entry_points providers static_resources apps": _THREE,
    "enabled enable disabled": _ON,
    "websocket websockets upgrade": _UPGRADES,
    "routes.priority routes.order routes.weight": _ORDER,
    "root static try_files file_server": _FILES,
    "log.output log.path log.file log.stdout log.error_log log.destination": _LOG,
    "metrics prometheus": "what is counted is shown by the admin listener: write [admin]",
    "health_check.port health_check.address": _CHECKED,
    "health_check.host health_check.hostname health_check.headers health_check.method": _ASKED,
    "servers.path servers.prefix": "write add_prefix in the routes instead",
    "cache.methods": "GET and HEAD are stored, and with post = true a POST with a JSON body",
    "routes.name routes.id": "a route has no name, the log shows its host and path",
    "buffering proxy_buffering buffer": "bodies always pass as they come, without buffering",
}

_KNOWN: Final = {name: text for names, text in _SENTENCES.items() for name in names.split()}


def absent(name: str, table: tuple[str, ...]) -> str:
    """The end of the sentence ``unknown option``, or nothing; ``table`` is where it stands."""
    if name in ("tls", "ssl", "https") and not table:
        return f": {_TLS}"
    near = f"{table[-1]}.{name}" if table else ""
    text = _KNOWN.get(near) or _KNOWN.get(name)
    return f": {text}" if text else ""
