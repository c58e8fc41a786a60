"""What was meant by a name that its table does not have."""

from typing import Any, cast

import pytest
from msgspec import inspect

from proxy.config.model import Config
from proxy.config.names import hint, table_meant


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
    ],
)
def test_a_name_in_a_route_is_answered_with_the_table_that_was_meant(
    name: str, expected: str
) -> None:
    fields = cast(inspect.StructType, inspect.type_info(Config)).fields
    routes = next(each.type for each in fields if each.name == "routes")
    route = cast(inspect.StructType, cast(inspect.VarTupleType, routes).item_type)
    assert hint(name, route, {name: "1"}, ("routes", 0)) == expected


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
