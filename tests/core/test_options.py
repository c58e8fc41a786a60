"""Units of durations and sizes, and the rules of every table."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.options import Duration, Size, TimeoutsOptions
from proxy.edge.options import ServerOptions


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("250ms", 0.25),
        ("5s", 5),
        ("1.5s", 1.5),
        ("2m", 120),
        ("1h", 3600),
        ("0", 0),
        ("0s", 0),
        ("0ms", 0),
    ],
)
def test_a_duration_is_one_number_and_a_unit(text: str, amount: float) -> None:
    assert Duration.parse(text) == pytest.approx(amount)


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


@pytest.mark.parametrize("kind", [Duration, Size])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "-5s",
        "-1B",
        "5 s",
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
def test_anything_else_is_refused_with_an_example(
    kind: type[Duration | Size], text: object
) -> None:
    with pytest.raises(ValueError, match="such as"):
        kind.parse(text)


@given(st.integers(0, 10**9))
def test_a_size_reads_what_it_writes(amount: int) -> None:
    assert Size.parse(str(Size(amount))) == amount


@given(st.integers(0, 999_999))
def test_a_duration_reads_what_it_writes(milliseconds: int) -> None:
    duration = Duration(milliseconds / 1000)
    assert Duration.parse(str(duration)) == pytest.approx(duration)


def test_every_instance_has_its_own_defaults_in_their_own_types() -> None:
    clocks = TimeoutsOptions()
    assert isinstance(clocks.connect, Duration)
    assert str(clocks.connect) == "5s"
    assert isinstance(ServerOptions().max_header_size, Size)


def test_options_are_frozen() -> None:
    with pytest.raises(AttributeError):
        TimeoutsOptions().connect = Duration(1)  # type: ignore[misc]


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="workers"):
        msgspec.convert({"workers": 2}, ServerOptions)
