"""Ranges of bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.ranges import byte_ranges


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"bytes=0-1", [(0, 1)]),
        (b"bytes=1-", [(1, 9)]),
        (b"bytes=-3", [(7, 9)]),
        (b"bytes=-30", [(0, 9)]),
        (b"BYTES=8-99", [(8, 9)]),
        (b"bytes=0-0, -1", [(0, 0), (9, 9)]),
        (b"bytes=5-6,0-1", [(5, 6), (0, 1)]),
        (b"bytes=10-", []),
        (b"bytes=-0", []),
        (b"bytes=0-1,99-", [(0, 1)]),
        # ignored
        (b"bytes=2-1", None),
        (b"bytes=a-", None),
        (b"bytes=", None),
        (b"bytes=-", None),
        (b"lines=0-1", None),
        (b"bytes=0-5,5-9", None),  # overlap
        (b"bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(17)), None),
        (b"bytes=0-" + b"9" * 30, None),
    ],
    ids=range(18),
)
def test_ranges_of_ten_bytes(value: bytes, found: list[tuple[int, int]] | None) -> None:
    assert byte_ranges([value], 10) == found


@pytest.mark.parametrize("value", [b"bytes=0-", b"bytes=0-0", b"bytes=-5", b"bytes=-0"])
def test_a_range_of_nothing_is_ignored(value: bytes) -> None:
    assert byte_ranges([value], 0) is None


def test_two_fields_are_ignored() -> None:
    assert byte_ranges([b"bytes=0-1", b"bytes=0-1"], 10) is None


@given(st.binary(max_size=30), st.integers(0, 50))
def test_no_range_leaves_the_body(text: bytes, length: int) -> None:
    for start, last in byte_ranges([b"bytes=" + text], length) or ():
        assert 0 <= start <= last < length
