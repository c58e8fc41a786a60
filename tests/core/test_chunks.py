"""Chunked framing is read to the letter, however it is cut; what breaks it: tests/reports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.chunks import Chunks
from proxy.core.field_lines import Malformed

size = st.sampled_from([b"%x", b"%X", b"0%x", b"%x;a", b'%x ;a="b;c"', b"%x\t"])
chunk = st.tuples(size, st.binary(min_size=1, max_size=300)).map(
    lambda both: both[0] % len(both[1]) + b"\r\n" + both[1] + b"\r\n"
)


def read(*segments: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], bool, int]:
    pieces: list[bytes] = []
    chunks, behind = Chunks(), 0
    for segment in segments:
        behind = len(segment) - chunks.feed(segment, pieces)
    return b"".join(pieces), chunks.trailers, chunks.done, behind


@given(st.lists(chunk, max_size=5), st.lists(st.integers(0, 500), max_size=6))
def test_cuts_make_no_difference(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts) + b"0\r\nX-T: 1\r\n\r\n"
    places = sorted({cut for cut in cuts if 0 < cut < len(data)})
    segments = [data[i:j] for i, j in zip([0, *places], [*places, len(data)], strict=True)]
    assert read(*segments) == read(data)
    assert read(data)[1:] == ([(b"X-T", b"1")], True, 0)


def test_what_follows_the_body_is_left() -> None:
    assert read(b"2\r\nok\r\n0\r\n\r\nHTTP") == (b"ok", [], True, 4)


@pytest.mark.parametrize(
    "data", [b"5" + b";" + b"a" * 5000, b"0\r\n" + b"X: %b\r\n" % (b"a" * 70_000)]
)
def test_lines_are_bounded(data: bytes) -> None:
    with pytest.raises(Malformed, match="too long"):
        read(data)


def test_many_tiny_segments_are_not_read_again() -> None:
    """What is kept of a line is its size so far, not its text."""
    pieces: list[bytes] = []
    chunks = Chunks()
    for byte in b"1;" + b"x" * 4000 + b"\r\na\r\n0\r\n\r\n":
        assert chunks.feed(bytes((byte,)), pieces) == 1
    assert (b"".join(pieces), chunks.done) == (b"a", True)
