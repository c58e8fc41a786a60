"""Field lines are refused at their first wrong byte."""

import pytest

from proxy.http.grammar import Malformed
from proxy.upstream.http1.field_section import FieldLines

GOOD = [
    (b"\r\n", []),
    (b"A: b\r\n\r\n", [(b"A", b"b")]),
    (b"A:\t b c \r\nA:\r\n\r\n", [(b"A", b"b c"), (b"A", b"")]),
    (b"A: caf\xe9\r\n\r\n", [(b"A", b"caf\xe9")]),
    (b"A: b\n\n", [(b"A", b"b")]),
    (b"A: b\r\n c\r\n\td\r\n\r\n", [(b"A", b"b c d")]),
]
BAD = [
    b" A: b\r\n",
    b"A : b\r\n",
    b"A\r\n",
    b": b\r\n",
    b"A: \0",
    b"A: b\rc",
    b"\xe9: b",
]


def read(data: bytes) -> FieldLines:
    lines = FieldLines()
    assert lines.feed(data) == len(data)
    return lines


def one_by_one(data: bytes) -> FieldLines:
    lines = FieldLines()
    for byte in data:
        assert lines.feed(bytes((byte,))) == 1
    return lines


@pytest.mark.parametrize(("data", "fields"), GOOD)
def test_lines_are_fields(data: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    whole = read(data)
    assert (whole.fields, whole.done) == (fields, True)
    lines = one_by_one(data)
    assert (lines.fields, lines.done) == (fields, True)


@pytest.mark.parametrize("data", BAD)
def test_what_is_no_field_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)
    with pytest.raises(Malformed):
        one_by_one(data)


def test_what_follows_the_empty_line_is_left() -> None:
    assert FieldLines().feed(b"A: b\r\n\r\nbody") == 8
