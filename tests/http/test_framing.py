"""Where a body ends, and whether another message may follow."""

import pytest

from proxy.http.framing import content_length, has_no_body, keeps_alive


@pytest.mark.parametrize(
    ("method", "status", "none"),
    [
        ("GET", 200, False),
        ("HEAD", 200, True),
        ("HEAD", 404, True),
        ("GET", 101, True),
        ("GET", 103, True),
        ("GET", 204, True),
        ("GET", 205, False),
        ("POST", 304, True),
        ("GET", 500, False),
    ],
)
def test_some_replies_have_no_body_whatever_their_fields_say(
    method: str, status: int, none: bool
) -> None:
    assert has_no_body(method, status) is none


@pytest.mark.parametrize(
    ("value", "length"),
    [
        (b"0", 0),
        (b"007", 7),
        (b"9223372036854775807", (1 << 63) - 1),
        (b"9223372036854775808", None),
        (b"0" * 100_000 + b"1", 1),
        (b"9" * 100_000, None),
        (b"", None),
        (b"-1", None),
        (b"+1", None),
        (b"1 ", None),
        (b"1,1", None),
        (b"0x1", None),
        (b"1_0", None),
        (b"\xb2", None),
    ],
)
def test_a_length_is_digits_and_nothing_else(value: bytes, length: int | None) -> None:
    assert content_length(value) == length


@pytest.mark.parametrize(
    ("options", "version", "kept"),
    [
        ([], (1, 1), True),
        ([], (1, 0), False),
        ([b"keep-alive"], (1, 0), True),
        ([b"keep-alive", b"close"], (1, 0), False),
        ([b"close"], (1, 1), False),
        ([b"upgrade"], (1, 1), True),
    ],
)
def test_a_connection_is_kept_as_the_rfc_says(
    options: list[bytes], version: tuple[int, int], kept: bool
) -> None:
    assert keeps_alive(options, version) is kept
