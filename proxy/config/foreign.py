"""What other proxies, and those who guess, call our tables and options."""

from collections.abc import Mapping
from typing import Final

_WORDS: Final = """
routes.upstream: backend service cluster pool to target proxy_pass forward_to forward dest
    destination
[upstreams]: upstream backend backends service services clusters pools
routes.path: matcher uri location paths prefix path_prefix pathprefix url_prefix match endpoint_path
server.listen: address addr port bind listen_address listener listeners http_port host socket
admin.listen: address addr port bind listen_address host
upstreams.servers: to host port target upstream_url server url urls uri address addresses endpoint
    endpoints
    nodes targets origin origins hosts
[server]: server
upstreams.servers.url: address addr port host
routes.host: hosts domain domains hostname vhost virtual_host
admin.hosts: hosts origins
admin.token_file: token secret password
upstreams.limit: maxconn max_connections max_conns max_conn
routes.fallback: error_page
tracing.service_name: service
concurrency.adaptive: algorithm
retry.methods: allowed_methods
[routes]: route rules locations
routes.path_regex: regex path_regexp regexp
routes.rewrite.pattern: regex regexp from
routes.methods: method verbs
routes.rewrite: rewrite_path path_rewrite
routes.rewrite.replacement: substitution
routes.strip_prefix: strip strip_path stripprefix prefix_rewrite
routes.request_headers: set_headers add_headers proxy_set_header
server.unix_mode: socket_mode mode
server.max_body: client_max_body_size max_body_size max_upload_size body_limit max_request_body
server.max_header_size: max_header_bytes
server.max_connections: max_conn maxconn worker_connections
server.trusted_proxies: trusted set_real_ip_from trust_proxy
timeouts.first_byte: header response_timeout read_timeout proxy_read_timeout read
    first_byte_timeout ttfb response response_header response_header_timeout headers
timeouts.idle: idle_timeout read_timeout proxy_read_timeout read
timeouts.queue: pool pool_timeout acquire acquire_timeout
server.keepalive_timeout: keepalive keep_alive keep_alive_timeout idle_timeout
[timeouts]: timeout timeouts_ms
timeouts.total: request_timeout overall request deadline_ms
server.write_idle_timeout: write_timeout write send_timeout
timeouts.connect: connect_timeout connection_timeout connection proxy_connect_timeout
    dial_timeout
timeouts.per_try: try_timeout per_try_timeout attempt
retry.attempts: attempt retries max_retries num_retries tries max_attempts count
retry.on: retry_on statuses status status_codes codes conditions
retry.backoff_base: backoff delay wait backoff_min
shutdown.delay: delay
retry.backoff_max: max_backoff max_delay
shutdown.grace_period: wait grace graceful_timeout drain_timeout shutdown_timeout
log.level: log_level loglevel verbosity debug
[log]: logging
log.access: access_log
log.format: log_format
[health_check]: health healthcheck health_checks
health_check.path: health_path
health_check.unhealthy_threshold: fails fall failures
health_check.healthy_threshold: passes rise successes
rate_limit.key: by header
cors.allow_origins: origins origin allowed_origins allow_origin
cors.allow_methods: methods allowed_methods
cors.allow_headers: headers allowed_headers
cors.expose_headers: exposed_headers
cors.credentials: allow_credentials supports_credentials
queue.size: max_pending max_pending_requests
server.proxy_protocol: accept_proxy proxyprotocol proxy_proto
server.tls.certificates: certs certificate
server.tls.certificates.cert_file: cert crt cert_path
server.tls.certificates.key_file: key private_key key_path
server.tls.client_ca_file: client_ca ssl_client_certificate trusted_ca
server.tls.client_auth: verify_client ssl_verify_client require_client_certificate mtls
server.tls.min_version: protocols ssl_protocols tls_minimum_protocol_version minimum_version
upstreams.tls.verify: verify tls_verify insecure insecure_skip_verify skip_verify ssl_verify
upstreams.tls: ssl tls
upstreams.tls.ca_file: ca ca_cert cacert
upstreams.tls.cert_file: cert certificate
upstreams.tls.server_name: sni
upstreams.credentials: auth authorization
upstreams.credentials.value: token api_key password bearer secret
upstreams.credentials.value_file: token_file file
upstreams.credentials.header: name
upstreams.name: name
upstreams.host_header: preserve_host change_origin host_rewrite
load_balance.policy: mode lb_policy balance strategy algorithm
[load_balance]: load_balancing loadbalancer load_balancer lb
[circuit_breaker]: breaker outlier_detection
circuit_breaker.consecutive_failures: failures threshold max_fails max_failures failure_threshold
    consecutive_errors
circuit_breaker.base_ejection_time: fail_timeout cooldown sleep_window
concurrency.max_requests: max limit max_concurrency max_concurrent max_in_flight
rate_limit.average: limit max rps rate requests_per_second requests
rate_limit.period: per window
queue.size: max max_size max_length length depth capacity
[rate_limit]: ratelimit rate_limits
[coalesce]: dedupe collapse single_flight
[stream]: streaming sse
cache.ttl: max_age age expiry lifetime valid default_ttl
cache.max_size: size
cache.max_object: max_object_size max_body
store.url: path file database db dsn address host uri
tracing.endpoint: url address host collector
load_balance.hash_key: key
rate_limit.burst: size capacity
"""
"""Each ``TABLE.OPTION`` or ``[TABLE]`` with words for it. A word may stand for several, of which
the first is meant where nothing speaks for another."""


def _targets() -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    target = ""
    for word in _WORDS.split():
        if word.endswith(":"):
            target = word[:-1]
        else:
            found.setdefault(word, []).append(target)
    return found


TARGETS: Final = _targets()
"""Tables and options by the words for them."""

VALUES: Final = {
    "warn": "warning",
    "trace": "debug",
    "critical": "error",
    "fatal": "error",
    "notice": "info",
    "plain": "text",
    "pretty": "console",
    "text": "console",
    "json": "problem+json",
    "problemjson": "problem+json",
    "roundrobin": "round_robin",
    "rr": "round_robin",
    "leastconn": "least_request",
    "leastconnections": "least_request",
    "leastrequests": "least_request",
    "random": "least_request",
    "ewma": "peak_ewma",
    "latency": "peak_ewma",
    "iphash": "hash",
    "consistenthash": "hash",
    "ringhash": "hash",
    "true": "gradient",
    "on": "gradient",
    "false": "off",
    "first": "fifo",
    "close": "abort",
    "ip": "client_addr",
    "clientip": "client_addr",
    "client": "client_addr",
    "remoteaddr": "client_addr",
    "remoteip": "client_addr",
    "remotehost": "client_addr",
    "binaryremoteaddr": "client_addr",
    "sourceip": "client_addr",
    "srcip": "client_addr",
    "src": "client_addr",
    "requesturi": "path",
    "address": "client_addr",
    "uri": "path",
    "url": "path",
    "connect": "connect-failure",
    "connecterror": "connect-failure",
    "connectionrefused": "connect-failure",
    "refused": "connect-failure",
    "stale": "stale-connection",
    "disconnect": "reset",
    "connectionreset": "reset",
    "connreset": "reset",
    "gatewayerror": "5xx",
    "servererror": "5xx",
    "error": "connect-failure",
    "http5xx": "5xx",
    "retriable4xx": "429",
}
"""Words of other proxies, without signs, and ours; each counts only where the option takes it."""
