"""What a server says of idle connections."""

import pytest

from proxy.http.keep_alive import announced


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 5),
        (b"timeout=5, max=100", 5),
        (b"max=100,timeout=15", 15),
        (b"max=100; Timeout = 15", 15),
        (b'timeout="60"', 60),
        (b"timeout=0", 0),
        (b"timeout=4.5", 4),
        (b"timeout=" + b"9" * 40, 999_999_999),
        (b"max=100", None),
        (b"timeout", None),
        (b"timeout=-1", None),
        (b"timeout=soon", None),
        (b"header-timeout=5", None),
        (b"", None),
    ],
)
def test_its_timeout_is_read_beside_whatever_else_it_says(
    value: bytes, seconds: int | None
) -> None:
    assert announced(value) == seconds


def test_the_shortest_of_several_counts() -> None:
    assert announced(b"timeout=60, timeout=2") == 2
