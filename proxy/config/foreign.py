"""What other proxies, and those who guess, call our tables and options."""

from collections.abc import Mapping
from typing import Final

from proxy.config.similar import plain

_WORDS: Final = """
routes.upstream: backend service cluster pool to target proxy_pass forward_to forward dest
    destination
[upstreams]: upstream backend backends service services clusters pools
routes.path: matcher uri location paths prefix path_prefix pathprefix url_prefix match endpoint_path
server.listen: address addr port bind listen_address listener listeners http_port host socket
admin.listen: address addr port bind listen_address host
upstreams.servers: to host port target upstream_url server url urls uri address addresses endpoint
    endpoints
    nodes targets origin origins hosts lb_endpoints
[server]: server
upstreams.servers.url: address addr port host
routes.host: hosts domain domains hostname vhost virtual_host
admin.hosts: hosts origins
admin.token_file: token secret password
upstreams.limit: pool_size maxconn max_connections max_conns max_conn max_conns_per_host
routes.fallback: error_page handle_errors proxy_intercept_errors
tracing.service_name: service
concurrency.adaptive: algorithm
retry.methods: allowed_methods non_idempotent retry_non_idempotent retry_post
[routes]: route rules locations
routes.path_regex: regex path_regexp regexp safe_regex
routes.rewrite.pattern: regex regexp from
routes.methods: method verbs limit_except
routes.headers: header
routes.rewrite: rewrite_path path_rewrite regex_rewrite replace_path replace_path_regex
routes.rewrite.replacement: substitution to
routes.strip_prefix: strip strip_path stripprefix prefix_rewrite
routes.request_headers: request_header
    set_headers add_headers proxy_set_header header_up custom_request_headers
    request_headers_to_add request_headers_to_remove
routes.response_headers: response_header
    add_header header_down more_set_headers more_clear_headers hide hide_header
    proxy_hide_header proxy_pass_header custom_response_headers
    response_headers_to_add response_headers_to_remove
routes.request_headers.remove: delete unset del
routes.response_headers.remove: hide delete unset del
server.unix_mode: socket_mode mode
server.max_body: client_max_body_size max_body_size max_upload_size body_limit max_request_body
    max_request_size
    max_request_body_bytes
server.max_header_size: max_header_bytes large_client_header_buffers client_header_buffer_size
    max_request_headers_kb
server.max_connections: max_conn maxconn worker_connections
server.trusted_proxies: forwarded_allow_ips
    trusted set_real_ip_from trust_proxy trusted_ips forwarded_headers
server.body_idle_timeout: client_body_timeout
server.request_headers_timeout: client_header_timeout read_header_timeout
timeouts.first_byte: header response_timeout read_timeout proxy_read_timeout read
    first_byte_timeout ttfb response response_header response_header_timeout headers
    proxy_send_timeout
timeouts.idle: idle_timeout stream_idle_timeout read_timeout proxy_read_timeout read
timeouts.queue: pool pool_timeout acquire acquire_timeout timeout_queue
timeouts.tunnel_idle: tunnel timeout_tunnel
server.keepalive_timeout: keepalive keep_alive keep_alive_timeout idle_timeout
[timeouts]: timeout timeouts_ms forwarding_timeouts
timeouts.total: request_timeout overall request deadline_ms max_stream_duration
    proxy_next_upstream_timeout
server.write_idle_timeout: write_timeout write send_timeout
timeouts.connect: connect_timeout connection_timeout connection proxy_connect_timeout
    dial_timeout timeout_connect
timeouts.per_try: try_timeout per_try_timeout attempt
retry.idempotency_header: idempotency_key
retry.attempts: attempt retries max_retries num_retries tries max_attempts count lb_retries
    proxy_next_upstream_tries
retry.on: retry_on statuses status status_codes codes conditions proxy_next_upstream
[retry]: retry_policy redispatch
retry.budget: retry_budget
retry.budget.percent: ratio retry_ratio budget_percent
[hedge]: hedge_policy hedging
hedge.delay: after percentile
[tracing]: otel opentelemetry otlp
deadline.accept: header
retry.wait_for_connect: lb_try_duration
retry.backoff_base: backoff delay wait backoff_min initial_interval initial_delay retry_back_off
shutdown.delay: delay
retry.backoff_max: max_backoff max_delay
shutdown.grace_period: wait grace graceful_timeout drain_timeout shutdown_timeout grace_timeout
    graceful_shutdown
    termination_grace_period_seconds
[shutdown]: life_cycle
log.level: log_level loglevel verbosity debug
[log]: logging
log.access: access_log
log.format: log_format
[health_check]: health health_checks check httpchk
health_check.path: health_path health_uri
health_check.interval: health_interval inter
health_check.timeout: health_timeout
health_check.unhealthy_threshold: fails fall failures
health_check.healthy_threshold: passes rise successes
rate_limit.key: by header source_criterion limit_by identifier
cors.allow_origins: origins origin allowed_origins allow_origin
cors.allow_methods: methods allowed_methods
cors.allow_headers: headers allowed_headers
cors.expose_headers: exposed_headers
cors.credentials: allow_credentials supports_credentials
queue.size: max_pending max_pending_requests
server.proxy_protocol: accept_proxy proxy_proto
server.tls.certificates: certs certificate ssl_certificate ssl_certificate_key
server.tls.certificates.cert_file: cert crt cert_path
server.tls.certificates.key_file: key private_key key_path
server.tls.client_ca_file: client_ca ssl_client_certificate trusted_ca
server.tls.client_auth: tls_client_auth verify_client ssl_verify_client mtls
    require_client_certificate
server.tls.min_version: protocols ssl_protocols tls_minimum_protocol_version minimum_version
upstreams.tls: ssl tls
upstreams.tls.ca_file: ca ca_cert proxy_ssl_trusted_certificate tls_trust_pool root_cas
upstreams.tls.cert_file: cert certificate proxy_ssl_certificate
upstreams.tls.key_file: proxy_ssl_certificate_key
upstreams.tls.server_name: sni proxy_ssl_name proxy_ssl_server_name tls_server_name
upstreams.credentials: auth authorization
upstreams.credentials.value: token api_key password bearer secret
upstreams.credentials.value_file: token_file file
upstreams.credentials.header: name
upstreams.name: name
upstreams.host_header: preserve_host change_origin host_rewrite host_rewrite_literal host
    auto_host_rewrite pass_host_header upstream_vhost
routes.rewrite_location: cookie_domain_rewrite cookie_path_rewrite auto_rewrite protocol_rewrite
    host_rewrite proxy_redirect proxy_cookie_domain proxy_cookie_path proxy_pass_reverse
load_balance.policy: mode lb_policy lb_type balance strategy algorithm
[load_balance]: load_balancing load_balancer lb
[circuit_breaker]: breaker outlier_detection
circuit_breaker.consecutive_failures: failures threshold max_fails max_failures failure_threshold
    consecutive_errors consecutive_5xx consecutive_gateway_failure
circuit_breaker.base_ejection_time: fail_timeout cooldown sleep_window fail_duration
    open_for reset_timeout recovery_timeout
[concurrency]: in_flight_req in_flight
concurrency.max_requests: max limit max_concurrency max_concurrent max_in_flight max_connections
    amount
rate_limit.average: limit max rps rate requests_per_second requests
rate_limit.period: per window
queue.size: max max_size max_length length depth capacity maxqueue
[rate_limit]: rate_limits limit_req limit_req_zone local_rate_limit
[coalesce]: dedupe collapse single_flight
[stream]: streaming sse
cache.ttl: max_age age expiry lifetime valid default_ttl expires
    proxy_cache_valid
cache.stale_if_error: use_stale proxy_cache_use_stale
cache.max_size: size capacity
cache.max_object: max_object_size max_body
store.url: path file database db dsn address host uri
tracing.endpoint: url address host collector
tracing.sample: sampling_rate sampling sample_rate
load_balance.hash_key: key
rate_limit.burst: size capacity
"""
"""Each ``TABLE.OPTION`` or ``[TABLE]`` with words for it. A word may stand for several, of which
the first is meant where nothing speaks for another."""


def _targets(words: str) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    target = ""
    for word in words.split():
        if word.endswith(":"):
            target = word[:-1]
        else:
            found.setdefault(word, []).append(target)
    return found


TARGETS: Final = _targets(_WORDS)
"""Tables and options by the words for them."""
_PLAIN: Final = {plain(word): targets for word, targets in TARGETS.items()}


def meanings(name: str) -> list[str]:
    """The tables and options that a word stands for, with or without its underscores."""
    return TARGETS.get(name) or _PLAIN.get(plain(name), [])


_VALUES: Final = """
warning: warn
debug: trace
error: critical fatal
info: notice
text: plain
console: pretty text
problem+json: json problemjson
round_robin: roundrobin rr
least_request: leastconn leastconnections leastrequests random
peak_ewma: ewma latency
hash: consistenthash ringhash maglev
gradient: true on
off: false
fifo: first
abort: close
client_addr: ip clientip client remoteaddr remoteip remotehost binaryremoteaddr sourceip srcip src
    address
path: requesturi uri url
connect-failure: connect connecterror connectionrefused refused error
stale-connection: stale
reset: disconnect connectionreset connreset
5xx: servererror http5xx
1.2: tlsv12 tls12
1.3: tlsv13 tls13
"""
VALUES: Final = {word: meant for word, [meant] in _targets(_VALUES).items()}
"""Words of other proxies, without signs, and ours; each counts only where the option takes it."""

HASHED: Final = {
    **dict.fromkeys(("iphash", "source", "sourceip", "sourcehash", "clientiphash"), "client_addr"),
    **dict.fromkeys(("uri", "urihash", "url", "urlhash", "path"), "path"),
    **dict.fromkeys(("cookie", "sticky", "stick", "cookiehash"), "cookie:NAME"),
    **dict.fromkeys(("header", "hdr", "headerhash"), "header:NAME"),
}
"""Policies of other proxies that balance by a hash, and what they hash."""
