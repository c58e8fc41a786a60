"""How fields say how long a client waits."""

import pytest

from proxy.middleware.deadline.fields import notation

MS = b"x-request-timeout-ms"


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("x-request-timeout-ms", b"250", 0.25),
        ("X-Request-Timeout-MS", b" 1500.5 ", 1.5005),
        ("x-request-timeout-ms", b"0", 0.0),
        ("x-request-timeout-ms", b"-1", None),
        ("x-request-timeout-ms", b"1e3", None),
        ("x-request-timeout-ms", b"", None),
        ("grpc-timeout", b"2S", 2.0),
        ("grpc-timeout", b"1H", 3600.0),
        ("grpc-timeout", b"3M", 180.0),
        ("grpc-timeout", b"100m", 0.1),
        ("grpc-timeout", b"500u", 0.0005),
        ("grpc-timeout", b"20000000n", 0.02),
        ("grpc-timeout", b"2", None),
        ("grpc-timeout", b"123456789S", None),
        ("x-timeout", b"2.5", 2.5),
        ("x-timeout", b"2m", 120.0),
        ("x-timeout", b"250ms", 0.25),
        ("x-timeout", b"soon", None),
        ("x-timeout", b"\xb2", None),
    ],
)
def test_how_long_a_client_waits_is_read_as_its_field_has_it(
    name: str, value: bytes, seconds: float | None
) -> None:
    assert notation(name)[0](value) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("name", "seconds", "value"),
    [
        ("a-ms", 0.2509, b"250"),
        ("grpc-timeout", 1.5, b"1500m"),
        ("grpc-timeout", 200_000.0, b"200000S"),
        ("x-timeout", 2.0, b"2"),
        ("x-timeout", 2.5, b"2.5"),
        ("x-timeout", 0.25, b"0.25"),
    ],
)
def test_what_is_left_is_written_likewise(name: str, seconds: float, value: bytes) -> None:
    parse, show = notation(name)
    assert show(seconds) == value
    assert parse(value) == pytest.approx(seconds, abs=0.001)
