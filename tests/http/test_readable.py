"""Bytes of a peer in a sentence for people."""

import pytest

from proxy.http.readable import readable


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"Host", "'Host'"),
        (b"", "''"),
        (b"it's", '"it\'s"'),
        (b"a\xff\r\n\x1b[2J", "'a\\xff\\r\\n\\x1b[2J'"),
    ],
)
def test_they_stand_between_quotes_and_end_no_line(data: bytes, shown: str) -> None:
    assert readable(data) == shown
    assert readable(bytearray(data)) == shown
