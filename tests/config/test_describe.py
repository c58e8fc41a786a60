"""Declarations as text for the reference."""

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, inspect

from proxy.config.describe import Option, literal, options, summary, words
from proxy.core.duration import Duration, seconds
from proxy.core.options import Table, described
from proxy.core.size import Size


class Inner(Table, frozen=True, kw_only=True):
    """A table
    within one."""

    size: int = 1


class Outer(Table, frozen=True, kw_only=True):
    """A table."""

    name: str
    wait: Annotated[Duration, described("How long.")] = seconds(5)
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (Duration(0.25), '"250ms"'),
        (Size(8 << 20), '"8MiB"'),
        (("a", 1), '["a", 1]'),
        ({}, "{}"),
        ({"a": "b", "c": 1}, '{ a = "b", c = 1 }'),
        ('say "a"', '"say \\"a\\""'),
    ],
)
def test_a_value_is_written_as_in_toml(value: Any, text: str) -> None:
    assert literal(value) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (str, "string"),
        (bool, "true or false"),
        (tuple[str, ...], "list of strings"),
        (str | tuple[str, ...], "string or list of strings"),
        (Literal["a", "b"], '`"a"` or `"b"`'),
        (Annotated[int, Meta(ge=1, le=10)], "integer, 1 to 10"),
        (Annotated[float, Meta(gt=0, le=100)], "number, above 0, 100 at most"),
        (Annotated[float, Meta(ge=0)], "number, at least 0"),
        (Duration, "duration"),
        (Inner, "table"),
    ],
)
def test_a_type_is_told_in_words(kind: Any, text: str) -> None:
    assert words(inspect.type_info(kind)) == text


def test_a_table_lists_its_options_in_their_order() -> None:
    shape = inspect.type_info(Outer)
    assert isinstance(shape, inspect.StructType)
    name, wait, inner = options(shape)
    assert name == Option("name", "string", "", "", None)
    assert wait == Option("wait", "duration", '"5s"', "How long.", None)
    assert inner.table is not None
    assert summary(inner.table) == "A table within one."
