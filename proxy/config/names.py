"""What was probably meant by a name that its table does not have."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from msgspec import inspect

from proxy.config.model import LISTS, Config
from proxy.config.problems import Place, suggestion

_ALIASES: Final[Mapping[str, str]] = {
    # words of other proxies, and of those who guess: TABLE.OPTION, several with a blank between
    "upstream": "[upstreams]", "backend": "routes.upstream [upstreams]", "backends": "[upstreams]",
    "service": "routes.upstream [upstreams]", "services": "[upstreams]", "cluster": "routes.upstream",
    "clusters": "[upstreams]", "pool": "routes.upstream", "pools": "[upstreams]",
    "to": "routes.upstream", "target": "routes.upstream upstreams.servers",
    "proxy_pass": "routes.upstream", "forward_to": "routes.upstream", "forward": "routes.upstream",
    "dest": "routes.upstream", "destination": "routes.upstream",
    "upstream_url": "upstreams.servers", "server": "upstreams.servers [server]",
    "url": "upstreams.servers", "urls": "upstreams.servers", "uri": "routes.path upstreams.servers",
    "address": "server.listen admin.listen upstreams.servers upstreams.servers.url",
    "addresses": "upstreams.servers", "addr": "server.listen admin.listen upstreams.servers.url",
    "endpoint": "upstreams.servers", "endpoints": "upstreams.servers", "nodes": "upstreams.servers",
    "targets": "upstreams.servers", "origin": "upstreams.servers", "origins": "upstreams.servers",
    "hosts": "upstreams.servers routes.host admin.hosts",
    "route": "[routes]", "rules": "[routes]", "location": "routes.path", "locations": "[routes]",
    "paths": "routes.path", "prefix": "routes.path", "path_prefix": "routes.path",
    "pathprefix": "routes.path", "url_prefix": "routes.path", "match": "routes.path",
    "endpoint_path": "routes.path", "regex": "routes.path_regex routes.rewrite.pattern",
    "path_regexp": "routes.path_regex", "regexp": "routes.path_regex routes.rewrite.pattern",
    "domain": "routes.host", "domains": "routes.host", "hostname": "routes.host",
    "vhost": "routes.host", "virtual_host": "routes.host",
    "method": "routes.methods", "verbs": "routes.methods", "header": "routes.headers",
    "rewrite_path": "routes.rewrite", "path_rewrite": "routes.rewrite",
    "from": "routes.rewrite.pattern", "substitution": "routes.rewrite.replacement",
    "strip": "routes.strip_prefix", "strip_path": "routes.strip_prefix",
    "stripprefix": "routes.strip_prefix", "prefix_rewrite": "routes.strip_prefix",
    "set_headers": "routes.request_headers", "add_headers": "routes.request_headers",
    "proxy_set_header": "routes.request_headers",
    "port": "server.listen admin.listen upstreams.servers.url",
    "bind": "server.listen admin.listen", "listen_address": "server.listen admin.listen",
    "listener": "server.listen", "listeners": "server.listen", "http_port": "server.listen",
    "host": "server.listen admin.listen upstreams.servers.url",
    "socket": "server.listen", "socket_mode": "server.unix_mode", "mode": "server.unix_mode",
    "client_max_body_size": "server.max_body", "max_body_size": "server.max_body",
    "body_limit": "server.max_body", "max_request_body": "server.max_body",
    "max_header_bytes": "server.max_header_size", "max_conn": "server.max_connections",
    "maxconn": "server.max_connections", "worker_connections": "server.max_connections",
    "trusted": "server.trusted_proxies", "set_real_ip_from": "server.trusted_proxies",
    "trust_proxy": "server.trusted_proxies", "keepalive": "server.keepalive_timeout",
    "keep_alive": "server.keepalive_timeout", "keep_alive_timeout": "server.keepalive_timeout",
    "idle_timeout": "timeouts.idle server.keepalive_timeout",
    "timeout": "[timeouts]", "timeouts_ms": "[timeouts]", "request_timeout": "timeouts.total",
    "response_timeout": "timeouts.first_byte", "read_timeout": "timeouts.idle timeouts.first_byte",
    "proxy_read_timeout": "timeouts.idle timeouts.first_byte", "read": "timeouts.idle timeouts.first_byte",
    "write_timeout": "server.write_idle_timeout", "write": "server.write_idle_timeout",
    "send_timeout": "server.write_idle_timeout", "connect_timeout": "timeouts.connect",
    "connection_timeout": "timeouts.connect", "connection": "timeouts.connect",
    "proxy_connect_timeout": "timeouts.connect", "dial_timeout": "timeouts.connect",
    "first_byte_timeout": "timeouts.first_byte", "ttfb": "timeouts.first_byte",
    "response": "timeouts.first_byte", "header": "timeouts.first_byte", "overall": "timeouts.total",
    "request": "timeouts.total", "try_timeout": "timeouts.per_try",
    "per_try_timeout": "timeouts.per_try", "attempt": "timeouts.per_try retry.attempts",
    "deadline_ms": "timeouts.total", "retries": "retry.attempts", "max_retries": "retry.attempts",
    "num_retries": "retry.attempts", "tries": "retry.attempts", "max_attempts": "retry.attempts",
    "count": "retry.attempts", "retry_on": "retry.on", "statuses": "retry.on", "status": "retry.on",
    "status_codes": "retry.on", "codes": "retry.on", "conditions": "retry.on",
    "backoff": "retry.backoff_base", "delay": "retry.backoff_base shutdown.delay", "wait": "retry.backoff_base",
    "max_backoff": "retry.backoff_max", "backoff_min": "retry.backoff_base",
    "grace": "shutdown.grace_period", "graceful_timeout": "shutdown.grace_period",
    "drain_timeout": "shutdown.grace_period", "shutdown_timeout": "shutdown.grace_period",
    "log_level": "log.level", "loglevel": "log.level", "logging": "[log]", "verbosity": "log.level",
    "access_log": "log.access", "log_format": "log.format", "debug": "log.level",
    "metrics": "[admin]", "health": "[health_check]", "healthcheck": "[health_check]",
    "health_checks": "[health_check]", "health_path": "health_check.path",
    "verify": "upstreams.tls.verify", "tls_verify": "upstreams.tls.verify",
    "insecure": "upstreams.tls.verify", "insecure_skip_verify": "upstreams.tls.verify",
    "skip_verify": "upstreams.tls.verify", "ssl_verify": "upstreams.tls.verify",
    "ssl": "upstreams.tls", "tls": "upstreams.tls", "ca": "upstreams.tls.ca_file", "ca_cert": "upstreams.tls.ca_file",
    "cacert": "upstreams.tls.ca_file", "cert": "upstreams.tls.cert_file",
    "certificate": "upstreams.tls.cert_file", "sni": "upstreams.tls.server_name",
    "auth": "upstreams.credentials", "authorization": "upstreams.credentials",
    "token": "upstreams.credentials.value", "api_key": "upstreams.credentials.value",
    "password": "upstreams.credentials.value", "bearer": "upstreams.credentials.value",
    "secret": "upstreams.credentials.value", "token_file": "upstreams.credentials.value_file",
    "file": "upstreams.credentials.value_file", "name": "upstreams.credentials.header upstreams.name",
    "preserve_host": "upstreams.host_header", "change_origin": "upstreams.host_header",
    "host_rewrite": "upstreams.host_header", "lb_policy": "load_balance.policy",
    "load_balancing": "[load_balance]", "loadbalancer": "[load_balance]",
    "load_balancer": "[load_balance]", "lb": "[load_balance]", "balance": "load_balance.policy",
    "strategy": "load_balance.policy", "algorithm": "load_balance.policy",
    "breaker": "[circuit_breaker]", "outlier_detection": "[circuit_breaker]",
    "failures": "circuit_breaker.consecutive_failures", "threshold": "circuit_breaker.consecutive_failures",
    "max_fails": "circuit_breaker.consecutive_failures", "fail_timeout": "circuit_breaker.base_ejection_time",
    "cooldown": "circuit_breaker.base_ejection_time", "limit": "concurrency.max_requests rate_limit.average",
    "max_concurrency": "concurrency.max_requests", "max_concurrent": "concurrency.max_requests",
    "max_in_flight": "concurrency.max_requests", "rps": "rate_limit.average",
    "rate": "rate_limit.average", "requests_per_second": "rate_limit.average",
    "requests": "rate_limit.average", "per": "rate_limit.period", "window": "rate_limit.period",
    "max_size": "queue.size", "length": "queue.size", "depth": "queue.size",
    "ratelimit": "[rate_limit]", "rate_limits": "[rate_limit]", "dedupe": "[coalesce]",
    "collapse": "[coalesce]", "single_flight": "[coalesce]", "streaming": "[stream]", "sse": "[stream]",
}  # fmt: skip

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def hint(name: str, shape: inspect.StructType, taken: Mapping[str, Any], place: Place) -> str:
    """The end of the sentence ``unknown option``; ``place`` is the table's."""
    here = {field.encode_name for field in shape.fields}
    spelled = _CAMEL.sub("_", name.strip()).replace("-", "_").replace(" ", "_").lower()
    if spelled in here:
        return f", did you mean {spelled!r}?"
    table = tuple(step for step in place if isinstance(step, str))
    value = taken.get(name)
    if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
        aliases = [each[1:-1] for each in _ALIASES.get(spelled, "").split() if each[0] == "["]
        if aliases and not table:
            return f", did you mean {_header((aliases[0],))}?"
    for word in dict.fromkeys((name, spelled)):
        if homes := _homes(word, table):
            if homes == [()]:
                return f", it is a table of its own: {_header((word,))}"
            return f", it belongs into {' or '.join(map(_header, homes))}"
    alias = _alias(spelled, table, here)
    if alias:
        return alias
    if near := suggestion(spelled, here - taken.keys()):
        return near
    if near := suggestion(spelled, here | _index().keys()):
        word = near.split("'")[1]
        if word in here:
            return near
        return f"{near[:-1]} in {' or '.join(map(_header, _homes(word, table)))}?"
    return ""


def table_meant(hint: str, value: Any) -> str:
    """The table of the top that a hint names, where a table or a list of them was written."""
    found = re.search(r"did you mean (?:\[+|')(\w+)", hint)
    several = isinstance(value, list) and all(isinstance(each, dict) for each in value)
    return found[1] if found and (isinstance(value, dict) or several) else ""


def _alias(name: str, table: tuple[str, ...], here: set[str]) -> str:
    """What other proxies call an option, in this table if possible."""
    known = _ALIASES.get(name, "").split()
    known = [each for each in known if each[0] == "[" or _exists(each)]
    for each in known:
        home, _, option = each.rpartition(".")
        if option in here and home.split(".")[-1] == (table[-1] if table else ""):
            return f", did you mean {option!r}?"
    if not known:
        return ""
    meant = [each for each in known if each[0] == "["] if not table else []
    [target, *_] = meant or [each for each in known if each[0] != "["] or known
    if target[0] == "[":
        return f", did you mean {_header((target[1:-1],))}?"
    home, _, option = target.rpartition(".")
    path = tuple(home.split("."))
    if table[:1] == ("routes",) and ("routes", *path) in _index().get(option, ()):
        path = ("routes", *path)
    return f", did you mean {option!r} in {_header(path)}?"


def _exists(dotted: str) -> bool:
    home, _, option = dotted.rpartition(".")
    return tuple(home.split(".")) in _index().get(option, ())


def _homes(name: str, table: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Tables that have this option: those near to ``table``, else those of the top."""
    homes = _index().get(name, [])
    near = [home for home in homes if table and home[:1] == table[:1] and home != table]
    top = [home for home in homes if home[:1] not in (("routes",), ("upstreams",))]
    lists = [home for home in homes if len(home) == 1 and home[0] in LISTS]
    return (near or lists + top or homes)[:3]


@cache
def _index() -> dict[str, list[tuple[str, ...]]]:
    """The tables of every option, by its name; () is the top of the file."""
    found: dict[str, list[tuple[str, ...]]] = {}

    def walk(kind: inspect.Type, path: tuple[str, ...]) -> None:
        for table in _tables(kind):
            for field in table.fields:
                found.setdefault(field.encode_name, []).append(path)
                walk(field.type, (*path, field.encode_name))

    walk(inspect.type_info(Config), ())
    return found


def _tables(kind: inspect.Type) -> Iterator[inspect.StructType]:
    if isinstance(kind, inspect.StructType):
        yield kind
    elif isinstance(kind, inspect.Metadata):
        yield from _tables(kind.type)
    elif isinstance(kind, inspect.VarTupleType):
        yield from _tables(kind.item_type)
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _tables(each)


def _header(path: tuple[str, ...]) -> str:
    """A table as its header is written."""
    if not path:
        return "the top of the file"
    if path == ("upstreams", "servers"):
        return "an entry of servers"
    return f"[[{path[0]}]]" if len(path) == 1 and path[0] in LISTS else f"[{'.'.join(path)}]"
