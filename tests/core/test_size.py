"""Sizes of the configuration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.size import Size
from proxy.edge.options import ServerOptions


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("64B", 64),
        ("16KiB", 16384),
        ("8MiB", 8 << 20),
        ("1GiB", 1 << 30),
        ("1.5KiB", 1536),
        ("0.5B", 1),
        ("0", 0),
    ],
)
def test_a_size_is_one_number_and_a_unit(text: str, amount: float) -> None:
    assert Size.parse(text) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "-5s",
        "-1B",
        "5 s",
        "٣B",
        "\uff11\uff10KiB",
        "5S",
        "5sec",
        "1h30m",
        "5MB",
        "8mib",
        "1e3s",
        ".5s",
        5,
        5.0,
        True,
        None,
    ],
)
def test_anything_else_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="such as"):
        Size.parse(text)


@given(st.integers(0, 10**9))
def test_a_size_reads_what_it_writes(amount: int) -> None:
    assert Size.parse(str(Size(amount))) == amount


def test_a_default_is_a_size() -> None:
    assert isinstance(ServerOptions().max_header_size, Size)
