"""Checksums of what stands in a file."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.store.seals import as_number, intact, sealed, unsealed


@given(st.binary(max_size=300), st.data())
def test_any_changed_bit_is_seen(data: bytes, draw: st.DataObject) -> None:
    stored = sealed(data)
    assert unsealed(stored) == data
    broken = bytearray(stored)
    at = draw.draw(st.integers(0, 8 * len(stored) - 1))
    broken[at // 8] ^= 1 << at % 8
    assert intact(bytes(broken)) is None
    with pytest.raises(sqlite3.DatabaseError):
        unsealed(bytes(broken))


def test_a_place_counts_too() -> None:
    stored = sealed(b"a", b"key", 1)
    assert intact(stored, b"key", 1) == b"a"
    for place in ((b"key", 2), (b"other", 1), (b"key",), ()):
        assert intact(stored, *place) is None


@pytest.mark.parametrize("stored", [None, 5, 1.5, "text", b"", b"abc"])
def test_what_was_never_sealed(stored: object) -> None:
    with pytest.raises(sqlite3.DatabaseError):
        unsealed(stored)


@pytest.mark.parametrize("stored", [None, -1, 1.0, "1", b"1"])
def test_what_is_no_number(stored: object) -> None:
    assert as_number(5) == 5
    with pytest.raises(sqlite3.DatabaseError):
        as_number(stored)
