"""What other proxies have and this one has not, each with what to do instead."""

from typing import Final

from proxy.config.foreign import meanings
from proxy.config.similar import plain

_FRONT: Final = "put nginx, HAProxy or Caddy in front for it"
_ONE_FILE: Final = "one file is the whole configuration"
_WORKERS: Final = "[server] workers says how many processes serve"
_TLS: Final = (
    "for TLS to clients write [server.tls] with certificates = [{ cert_file, key_file }]; "
    "[upstreams.tls] is for servers"
)
_COMPRESSION: Final = "nothing is compressed here, bodies pass as the server sends them"
_VERSIONS: Final = f"this proxy speaks neither HTTP/2 nor HTTP/3; {_FRONT}"
_REDIRECTS: Final = f"this proxy does not redirect, the API does; from http to https: {_FRONT}"
_RENEWED: Final = f"[server.tls] certificates are files that another program renews; or {_FRONT}"
_LISTS: Final = f"no addresses are let in or kept out here; {_FRONT}, or use a firewall"
SPLIT: Final = (
    "requests are not split between upstreams: weight stands at the servers of one, as in "
    'servers = [{ url = "http://10.0.0.1:9000", weight = 9 }]'
)
_MIRROR: Final = "a request goes to one upstream; put nginx, Envoy or Traefik in front to mirror it"
_CHOICE: Final = "routes are chosen by host, path, methods and headers, not by query or cookie"
_RULE: Final = "a route says what it takes by host, path, methods and headers"
_LAST: Final = "a route that names neither host nor path takes what no other route takes"
_HASH: Final = 'expected load_balance = { policy = "hash", hash_key = "%s" }'
_STICKY: Final = f"{_HASH % 'cookie:NAME'}, a cookie of the API: the proxy sets none"
_KEYS: Final = "path, route, client_addr, header:NAME or cookie:NAME"
_BANDWIDTH: Final = "the bandwidth of clients is not limited; put nginx or HAProxy in front for it"
_PER_CLIENT: Final = (
    "connections of one client are not limited: [rate_limit] limits its requests, and [queue] "
    "shares an upstream with [concurrency] fairly among clients"
)
_LIMITS: Final = (
    "max_body in [server] limits bodies, limit in [[upstreams]] connections and [rate_limit] "
    "requests"
)
_BURST: Final = "requests within burst pass at once; with max_wait others wait for their turn"
_VERIFIED: Final = "expected verify in [upstreams.tls], which is true by default"
_VERIFY: Final = (
    "verify = false in [upstreams.tls] trusts any certificate, also that of somebody in between"
)
_NAMES: Final = 'expected host = "NAME" in [[routes]]; server_name of [upstreams.tls] is of servers'
_CLIENT: Final = (
    "the client is known by the X-Forwarded-For or Forwarded of those in [server] trusted_proxies"
)
_ADDED: Final = (
    "the client's address goes upstream in X-Forwarded-For without an option; trusted_proxies in "
    "[server] says whose own is believed and added to"
)
_OTHERS: Final = 'upstreams that take over are a list of names, as in fallback = ["other"]'
_FIXED: Final = "the proxy answers for an upstream that has failed: fallback = { status, file }"
_HSTS: Final = (
    'expected response_headers = { set = { Strict-Transport-Security = "max-age=31536000" } } '
    "in [[routes]]"
)
_SIGNED: Final = (
    'no Server field is added; response_headers = { remove = ["Server"] } in [[routes]] removes '
    "that of the API"
)
_CLOCKS: Final = (
    "expected request_headers_timeout, body_idle_timeout, write_idle_timeout and "
    "keepalive_timeout in [server]"
)
_OF_CLIENTS: Final = "expected body_idle_timeout and write_idle_timeout in [server]"
_SERVERS: Final = "[upstreams.tls] and [timeouts] say how servers are spoken to"
_AT_ONCE: Final = "bodies always pass as they come, without buffering"
_COUNTED: Final = "what is counted is shown by the admin listener: write [admin]"
_CLIENTS: Final = f"this proxy does not check who the client is; {_FRONT}"
_FILES: Final = "this proxy serves no files"
_PERIOD: Final = 'expected average with period = "%s"'
_TOKENS: Final = (
    "requests are counted, not tokens of a model; learn respects what the API says of its limits"
)
_FIELDS: Final = (
    "expected request_headers in [[routes]], or [upstreams.credentials] for a key of the API; "
    "headers of a route is what a request has to carry"
)
_DIRECT: Final = "servers are reached directly: HTTP_PROXY is not read either"
_DOUBLES: Final = "backoff_base doubles for each further attempt"
_TRIAL: Final = "after an ejection there is one trial at a time"
_EXACT: Final = "expected path_regex, which matches the whole path"
_LOG: Final = "the access log goes to standard output, everything else to standard error"
_TABLES: Final = "a table such as [retry], or [routes.retry] for one route, switches its feature on"
_ON: Final = "a table is on once it is written; NAME = false switches one off, as retry = false"
_UPGRADES: Final = "WebSocket and other upgrades pass without an option"
_ORDER: Final = "the most specific route wins"
_CHECKED: Final = "each of the servers is checked at its own address"
_ASKED: Final = "a check is a GET; its Host is the server's own, or host_header of the upstream"
_GOOD: Final = "an answer from 200 to 399 is good"
_RULES: Final = "rules for fields stand in request_headers and in response_headers"
_BREAKERS: Final = (
    "expected limit in [[upstreams]], max_requests in [concurrency] and percent in [retry.budget]; "
    "[circuit_breaker] leaves a server alone that fails"
)
_KEPT: Final = 'expected url in [store], as in url = "sqlite:/var/lib/sidecar-proxy/store.db"'
_TLS_VERSIONS: Final = (
    "servers are spoken to in TLS 1.2 or 1.3, the newer that both know; it is no option"
)
_OWN_KEY: Final = "a reply is kept for its URL and what its Vary names, not for a key of your own"
_THREE: Final = "expected [server], [[upstreams]] and [[routes]]"

_SENTENCES: Final = {
    "worker_processes processes threads": _WORKERS,
    "server.ssl server.certificates server.certificate server.cert server.cert_file"
    " server.key_file server.ssl_certificate server.https tls.certificates": _TLS,
    "cache proxy_cache": "write [cache], or cache = {} in a route",
    "redirect redirects redir return redirect_scheme redirect_regex redirect_https redirect_http"
    " redirect_to_https http_redirect https_redirect https_only force_https http_to_https"
    " ssl_redirect auto_https": _REDIRECTS,
    "gzip gzip_types gzip_min_length gzip_comp_level gunzip compress compression brotli zstd"
    " encode": _COMPRESSION,
    "http2 http3 h2 h2c quic alpn": _VERSIONS,
    "basic_auth auth_basic auth_basic_user_file htpasswd digest_auth auth_digest forward_auth"
    " auth_request ext_authz jwt jwt_authn auth_jwt oidc api_keys key_auth consumers users"
    " authentication routes.auth routes.authorization routes.api_key": _CLIENTS,
    "upstreams.headers": _FIELDS,
    "upstreams.proxy upstreams.proxies http_proxy https_proxy outgoing_proxy": _DIRECT,
    "exact exact_path path_exact exact_match": _EXACT,
    "include includes import imports": _ONE_FILE,
    "middleware middlewares filters plugins handlers": _TABLES,
    "http tcp entrypoints entry_points providers static_resources apps": _THREE,
    "enabled enable disabled": _ON,
    "websocket websockets upgrade": _UPGRADES,
    "routes.priority routes.order": _ORDER,
    "root static try_files file_server": _FILES,
    "log.output log.path log.file log.stdout log.destination error_log": _LOG,
    "metrics prometheus stats stub_status stats_prefix": _COUNTED,
    "health_check.port health_check.address health_port": _CHECKED,
    "health_check.host health_check.hostname health_check.headers health_check.method"
    " health_headers": _ASKED,
    "servers.path servers.prefix": "write add_prefix in the routes instead",
    "cache.methods": "GET and HEAD are stored, and with post = true a POST with a JSON body",
    "routes.name routes.id": "a route has no name, the log shows its host and path",
    "buffering proxy_buffering buffer flush_interval response_forwarding proxy_request_buffering"
    " proxy_buffers proxy_buffer_size request_buffers response_buffers": _AT_ONCE,
    "acme letsencrypt certbot cert_resolver acme_ca acme_email email on_demand": _RENEWED,
    "routes.client_ip routes.client_ips routes.source_ip routes.source_ips routes.src"
    " allow deny allow_list deny_list white_list black_list block_list allow_ips deny_ips"
    " allowed_ips ip_allow_list ip_deny_list ip_white_list ip_black_list ip_filter ip_restriction"
    " source_range remote_ip satisfy rbac": _LISTS,
    "routes.weight split split_clients traffic_split weighted weighted_clusters canary": SPLIT,
    "mirror mirroring mirrors request_mirror_policies request_mirror_policy shadow": _MIRROR,
    "query queries query_string query_params query_parameters params args cookies"
    " routes.cookie": _CHOICE,
    "rule acl use_backend": _RULE,
    "default_backend default_service": _LAST,
    "sticky stick stick_table sticky_session sticky_sessions session_affinity"
    " session_persistence upstreams.cookie load_balance.cookie": _STICKY,
    "ip_hash": _HASH % "client_addr",
    "hash hash_policy": f"{_HASH % '...'}: {_KEYS}",
    "least_conn": 'expected load_balance = { policy = "least_request" }, the default',
    "limit_rate limit_rate_after bwlim": _BANDWIDTH,
    "limit_conn limit_conn_zone": _PER_CLIENT,
    "routes.limit server.limit": _LIMITS,
    "nodelay rate_limit.delay": _BURST,
    "insecure_skip_verify tls_insecure_skip_verify skip_verify insecure": _VERIFY,
    "tls_verify ssl_verify verify_ssl verify_tls proxy_ssl_verify": _VERIFIED,
    "tls.min_version proxy_ssl_protocols proxy_ssl_ciphers": _TLS_VERSIONS,
    "cors.allow": "expected allow_origins",
    "cors.cookies cors.cookie": "expected credentials",
    "server.server_name routes.server_name server_alias": _NAMES,
    "real_ip_header real_ip_recursive client_ip_headers use_remote_address"
    " xff_num_trusted_hops": _CLIENT,
    "forwardfor add_forward_for x_forwarded_for xforwardedfor proxy_add_x_forwarded_for": _ADDED,
    "fallback.upstream fallback.upstreams fallback.server fallback.servers fallback.url fallback.to"
    " fallback.backend": _OTHERS,
    "fallback.body fallback.content fallback.text": "expected file, with the body in it",
    "respond direct_response static_response errorfile": _FIXED,
    "hsts": _HSTS,
    "server_tokens": _SIGNED,
    "responding_timeouts": _CLOCKS,
    "timeouts.client timeout_client": _OF_CLIENTS,
    "timeouts.server timeout_server": "expected first_byte and idle in [timeouts]",
    "timeouts.check": "expected timeout in [health_check]",
    "timeouts.http_request timeout_http_request": "expected request_headers_timeout in [server]",
    "timeouts.http_keep_alive timeout_http_keep_alive": "expected keepalive_timeout in [server]",
    "shutdown.timeout": "expected grace_period",
    "servers_transport transport transport_socket common_tls_context": _SERVERS,
    "proxy_http_version": "servers are spoken to in HTTP/1.1",
    "sub_filter sub_filter_once subs_filter replace_response": "bodies are not changed",
    "reverse_proxy": "expected [[upstreams]] with servers, and upstream in [[routes]]",
    "handle_path": "expected path and strip_prefix in [[routes]]",
    "frontend frontends": "expected listen in [server], and [[routes]]",
    "map": "there are no variables of your own; a route says what it takes",
    "resolver resolvers": "names are looked up as the system does; see dns_ttl in [[upstreams]]",
    "cache.path cache.backend cache.store cache.storage cache.redis proxy_cache_path": _KEPT,
    "cache.key cache.keys cache.vary proxy_cache_key": _OWN_KEY,
    "cache.max_entries cache.max_items": "expected max_size, which counts bytes",
    "cache.statuses cache.status cache.status_codes": "HTTP says which may be stored",
    "rate_limit.requests_per_minute rate_limit.per_minute rate_limit.rpm": _PERIOD % "1m",
    "rate_limit.requests_per_hour rate_limit.per_hour": _PERIOD % "1h",
    "rate_limit.requests_per_day rate_limit.per_day": _PERIOD % "24h",
    "rate_limit.tokens rate_limit.tokens_per_minute rate_limit.tpm": _TOKENS,
    "retry.timeout": "expected per_try in [timeouts]",
    "retry.multiplier retry.factor backoff_factor backoff_multiplier": _DOUBLES,
    "circuit_breaker.half_open_requests half_open_max_calls half_open": _TRIAL,
    "cache.lock proxy_cache_lock": "it is always so: of equal requests that miss, one is sent",
    "proxy_ignore_headers": "a reply that says how long it may be stored is believed",
    "health_check.expected_status health_check.expected_statuses health_check.status"
    " health_check.expect health_check.expected_codes": _GOOD,
    "jitter": "waits are always spread by chance",
    "server.root_path server.base_path": "expected strip_prefix or add_prefix in [[routes]]",
    "queue.timeout queue.max_wait queue.wait": "expected queue in [timeouts]",
    "circuit_breakers": _BREAKERS,
    "stream.sse": "streams of events are known by their Content-Type",
}

_KNOWN: Final = {
    ".".join(map(plain, name.split("."))): text
    for names, text in _SENTENCES.items()
    for name in names.split()
}

_OF_TRAFFIC: Final = frozenset({_LISTS, SPLIT, _CHOICE, _RULE, _SERVERS, _RENEWED})
"""Sentences about what is let in and where it goes: in a table of a feature the word means more."""
_CHANGES: Final = frozenset(
    {"set", "add", "remove", "hide", "ignore", "delete", "unset", "replace"}
)
_OF_SERVERS: Final = frozenset({_VERIFY, _VERIFIED})
_TRAFFIC: Final = ((), ("server",), ("routes",), ("upstreams",), ("upstreams", "servers"))


def absent(name: str, table: tuple[str, ...]) -> str:
    """The end of the sentence ``unknown option``, or nothing; ``table`` is where it stands."""
    if name in ("tls", "ssl", "https") and not table:
        return f": {_TLS}"
    near = f"{plain(table[-1])}.{plain(name)}" if table else ""
    text = _KNOWN.get(near) or _anywhere(plain(name), table) or _of_fields(name, table)
    return f": {text}" if text else ""


def _of_fields(name: str, table: tuple[str, ...]) -> str:
    """What is said of a name that changes fields, where ``headers`` is a condition."""
    words = set(name.split("_"))
    changes = words & _CHANGES and words & {"header", "headers"}
    return _RULES if table == ("routes",) and changes and not meanings(name) else ""


def _anywhere(name: str, table: tuple[str, ...]) -> str:
    """What is said of a name in all tables for which it is true."""
    text = _KNOWN.get(name, "")
    if text in _OF_TRAFFIC:
        return text if table in _TRAFFIC else ""
    if text in _OF_SERVERS:
        return text if table in (*_TRAFFIC, ("upstreams", "tls")) else ""
    return text
