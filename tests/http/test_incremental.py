"""Messages that are to be passed on as they come."""

import pytest

from proxy.http.incremental import is_incremental


@pytest.mark.parametrize(
    ("fields", "incremental"),
    [
        ([], False),
        ([(b"Incremental", b"?1")], True),
        ([(b"incremental", b"?1;a=1")], True),
        ([(b"Incremental", b"?0")], False),
        ([(b"Incremental", b"1")], False),
        ([(b"X-Incremental", b"?1")], False),
    ],
)
def test_one_value_says_so(fields: list[tuple[bytes, bytes]], incremental: bool) -> None:
    assert is_incremental(fields) is incremental
