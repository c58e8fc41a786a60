"""What was meant by a name that its table does not have."""

from typing import Any, cast

import pytest
from msgspec import inspect

from proxy.config.model import Config
from proxy.config.names import hint, table_meant
from proxy.middleware.rewrite.options import HeaderRules


def _shape(name: str) -> inspect.StructType:
    for field in inspect.type_info(Config).fields:  # type: ignore[attr-defined]
        kind = field.type
        kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
        for each in kinds:
            if field.encode_name == name and isinstance(each, inspect.StructType):
                return each
    raise AssertionError(name)


@pytest.mark.parametrize(
    ("table", "name", "expected"),
    [
        ("retry", "maxRetryAfter", ", did you mean 'max_retry_after'?"),
        ("retry", "max-retry-after", ", did you mean 'max_retry_after'?"),
        ("retry", "atempts", ", did you mean 'attempts'?"),
        ("retry", "first_byte", ", it belongs in [timeouts]"),
        ("retry", "zzzzzz", ""),
        ("retry", "max_delay", ", did you mean 'backoff_max'?"),
        ("retry", "allowed_methods", ", did you mean 'methods'?"),
        ("timeouts", "response_header", ", did you mean 'first_byte'?"),
        ("timeouts", "pool", ", did you mean 'queue'?"),
        ("server", "pool", ", did you mean 'upstream' in [[routes]]?"),
        ("shutdown", "wait", ", did you mean 'grace_period'?"),
        ("rate_limit", "header", ", did you mean 'key'?"),
        ("rate_limit", "capacity", ", did you mean 'burst'?"),
        ("admin", "token", ", did you mean 'token_file'?"),
        ("admin", "origins", ", did you mean 'hosts'?"),
        ("server", "max_upload_size", ", did you mean 'max_body'?"),
        # options of other tables that have this name mean something else
        ("cache", "max_age", ", did you mean 'ttl'?"),
        ("cache", "size", ", did you mean 'max_size'?"),
        ("cache", "max_body", ", did you mean 'max_object'?"),
        ("cache", "interval", ""),
        ("cors", "max_body", ", it belongs in [server]"),
        ("concurrency", "max_connections", ", did you mean 'max_requests'?"),
        ("shutdown", "graceTimeOut", ", did you mean 'grace_period'?"),
        ("server", "graceTimeOut", ", did you mean 'grace_period' in [shutdown]?"),
        ("server", "lifeCycle", ", did you mean [shutdown]?"),
        ("server", "limit_req", ", did you mean [rate_limit]?"),
        ("server", "proxy_send_timeout", ", did you mean 'first_byte' in [timeouts]?"),
        ("server", "inFlightReq", ", did you mean [concurrency]?"),
        ("server", "check", ", did you mean [health_check]?"),
        ("server", "lb_retries", ", did you mean 'attempts' in [retry]?"),
        ("server", "health_uri", ", did you mean 'path' in [health_check]?"),
        ("timeouts", "tunnel", ", did you mean 'tunnel_idle'?"),
        ("retry", "initialInterval", ", did you mean 'backoff_base'?"),
        ("tracing", "sampling_rate", ", did you mean 'sample'?"),
        ("server", "cookieDomainRewrite", ", did you mean 'rewrite_location' in [[routes]]?"),
        ("server", "proxy_redirect", ", did you mean 'rewrite_location' in [[routes]]?"),
        # no slip of the keyboard
        ("server", "observe", ""),
        ("server", "keepalive_requests", ""),
        (
            "log",
            "error_log",
            ": the access log goes to standard output, everything else to standard error",
        ),
        # the name says for which table it is
        ("store", "health_timeout", ", did you mean 'timeout' in [health_check]?"),
        ("retry", "idempotency_key", ", did you mean 'idempotency_header'?"),
        ("health_check", "uhealthy_threshold", ", did you mean 'unhealthy_threshold'?"),
        ("store", "path", ", did you mean 'url'?"),
        ("tracing", "url", ", did you mean 'endpoint'?"),
        ("load_balance", "key", ", did you mean 'hash_key'?"),
        ("retry", "percent", ", it belongs in [retry.budget]"),
        ("hedge", "percent", ", did you mean 'budget_percent'?"),
        ("health_check", "port", ": each of the servers is checked at its own address"),
        ("shutdown", "port", ""),
        ("log", "port", ""),
        ("tracing", "name", ", did you mean 'service_name'?"),
        (
            "cache",
            "methods",
            ": GET and HEAD are stored, and with post = true a POST with a JSON body",
        ),
    ],
)
def test_a_name_is_answered_with_the_one_that_was_meant(
    table: str, name: str, expected: str
) -> None:
    assert hint(name, _shape(table), {name: 1}, (table,)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("max_body", ", it belongs in [server]"),
        ("credentials", ", it belongs in [[upstreams]]"),
        ("url", ", did you mean 'servers' in [[upstreams]]?"),
        ("attempts", ", it belongs in [routes.retry]"),
        ("ttl", ", it belongs in [routes.cache]"),
        ("timeout", ", did you mean [routes.timeouts]?"),
        ("add_header", ", did you mean 'response_headers'?"),
        ("header_down", ", did you mean 'response_headers'?"),
        ("proxy_hide_header", ", did you mean 'response_headers'?"),
        ("hide", ", did you mean 'response_headers'?"),
        ("header_up", ", did you mean 'request_headers'?"),
        ("proxy_set_header", ", did you mean 'request_headers'?"),
        ("passHostHeader", ", did you mean 'host_header' in [[upstreams]]?"),
        ("proxy_ssl_name", ", did you mean 'server_name' in [upstreams.tls]?"),
        ("proxy_ssl_certificate", ", did you mean 'cert_file' in [upstreams.tls]?"),
        ("proxy_next_upstream", ", did you mean 'on' in [routes.retry]?"),
        ("proxy_next_upstream_tries", ", did you mean 'attempts' in [routes.retry]?"),
        ("limit_req", ", did you mean [routes.rate_limit]?"),
        # http-proxy, nginx and Apache: what leads back to where clients asked
        ("cookieDomainRewrite", ", did you mean 'rewrite_location'?"),
        ("cookiePathRewrite", ", did you mean 'rewrite_location'?"),
        ("autoRewrite", ", did you mean 'rewrite_location'?"),
        ("protocolRewrite", ", did you mean 'rewrite_location'?"),
        ("hostRewrite", ", did you mean 'rewrite_location'?"),
        ("proxy_cookie_path", ", did you mean 'rewrite_location'?"),
        ("ProxyPassReverse", ", did you mean 'rewrite_location'?"),
        ("changeOrigin", ", did you mean 'host_header' in [[upstreams]]?"),
        ("hots", ", did you mean 'host'?"),
        ("map", ": there are no variables of your own; a route says what it takes"),
    ],
)
def test_a_name_in_a_route_is_answered_with_the_table_that_was_meant(
    name: str, expected: str
) -> None:
    fields = cast(inspect.StructType, inspect.type_info(Config)).fields
    routes = next(each.type for each in fields if each.name == "routes")
    route = cast(inspect.StructType, cast(inspect.VarTupleType, routes).item_type)
    assert hint(name, route, {name: "1"}, ("routes", 0)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("host", ", did you mean 'servers' or 'host_header'?"),
        ("pass_host_header", ", did you mean 'host_header'?"),
        ("host_rewrite", ", did you mean 'host_header'?"),
        ("check", ", did you mean [upstreams.health_check]?"),
        ("max_conns", ", did you mean 'limit'?"),
        ("sub_filter", ": bodies are not changed"),
    ],
)
def test_a_name_in_an_upstream_is_answered_too(name: str, expected: str) -> None:
    fields = cast(inspect.StructType, inspect.type_info(Config)).fields
    upstreams = next(each.type for each in fields if each.name == "upstreams")
    shape = cast(inspect.StructType, cast(inspect.VarTupleType, upstreams).item_type)
    assert hint(name, shape, {name: "1"}, ("upstreams", 0)) == expected
    written = {name: "1", "servers": ["http://a"]}
    assert hint(name, shape, written, ("upstreams", 0)) == expected.replace("'servers' or ", "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hide", ", did you mean 'remove'?"),
        ("X-A", ', did you mean set = { X-A = "..." }?'),
        ("Location", ', did you mean set = { Location = "..." }?'),
    ],
)
def test_a_field_in_a_table_of_rules_is_one_to_set(name: str, expected: str) -> None:
    shape = cast(inspect.StructType, inspect.type_info(HeaderRules))
    assert hint(name, shape, {name: "b"}, ("routes", 0, "response_headers")) == expected


def test_a_table_within_a_route_is_answered_by_the_route_around_it() -> None:
    assert hint("path", _shape("cors"), {"path": "/"}, ("routes", 0, "cors")) == (
        ", it belongs in [[routes]]"
    )


@pytest.mark.parametrize(
    ("hint_", "value", "expected"),
    [
        (", did you mean [[upstreams]]?", [{}], "upstreams"),
        (", did you mean 'routes'?", {}, "routes"),
        (", did you mean 'routes'?", "a", ""),
        ("", {}, ""),
    ],
)
def test_a_table_that_was_meant_is_found_in_the_hint(hint_: str, value: Any, expected: str) -> None:
    assert table_meant(hint_, value) == expected


@pytest.mark.parametrize("value", [False, {}])
@pytest.mark.parametrize("table", ["server", "retry"])
def test_a_table_that_is_off_is_looked_for_among_tables(table: str, value: object) -> None:
    """``queue`` is an option of ``[timeouts]`` too, but none that could be false."""
    meant = ", it belongs in [[upstreams]] or the top of the file"
    assert hint("queue", _shape(table), {"queue": value}, (table,)) == meant
    at_home = hint("queue", _shape(table), {"queue": "5s"}, ("routes", table))
    assert at_home == ", it belongs in [routes.timeouts]"
