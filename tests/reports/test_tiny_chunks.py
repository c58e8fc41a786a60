"""A body in chunks of a byte each costs little more than what a peer pays to send it.

6 MiB of them took 2.7 s of processor time, and one read held everybody else up for 66 to 150 ms.
"""

import pytest

from proxy.http.chunked import LONGEST_LINE, Chunked
from proxy.http.grammar import Malformed
from tests.support.work import work

MANY = 1000
STEPS = 8
"""Lines of Python for one chunk; there were 42."""

UNITS = {"a size": b"1\r\nx\r\n", "an extension": b'1 ;a="b"\r\nx\r\n', "zeros": b"0001\r\nx\r\n"}


@pytest.mark.parametrize("name", UNITS)
def test_a_chunk_of_a_byte_takes_a_few_steps(name: str) -> None:
    data = UNITS[name] * MANY
    chunks = Chunked(1024)
    assert chunks.feed(data) == (b"x" * MANY, None)
    assert work(lambda: chunks.feed(data), pieces=False) <= STEPS * MANY


@pytest.mark.parametrize("name", UNITS)
def test_where_a_piece_ends_changes_nothing(name: str) -> None:
    data = UNITS[name] * 3 + b"0\r\nX-T: 1\r\n\r\nGET"
    for cut in range(1, len(data) - 3):
        chunks = Chunked(1024)
        first, rest = chunks.feed(data[:cut])
        assert rest is None
        assert (first + (fed := chunks.feed(data[cut:]))[0], fed[1]) == (b"xxx", b"GET")
        assert chunks.trailers == [(b"X-T", b"1")]


@pytest.mark.parametrize(
    "bad",
    [
        b"1\r\nxy\r\n",
        b"1\r\nx\n",
        b"1\nx\r\n",
        b"0x1\r\nx\r\n",
        b"10000000000000001\r\nx\r\n",
        b"1;" + b"a" * LONGEST_LINE + b"\r\nx\r\n",
    ],
)
def test_what_is_wrong_behind_whole_chunks_is_refused(bad: bytes) -> None:
    chunks = Chunked(1024)
    with pytest.raises(Malformed):
        chunks.feed(UNITS["a size"] * 3 + bad)
    assert chunks.before[:3] == b"xxx"
