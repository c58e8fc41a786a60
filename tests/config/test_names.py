"""What was meant by a name that its table does not have."""

from typing import Any

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
    ],
)
def test_a_name_is_answered_with_the_one_that_was_meant(
    table: str, name: str, expected: str
) -> None:
    assert hint(name, _shape(table), {name: 1}, (table,)) == expected


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
