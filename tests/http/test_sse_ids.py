"""Ids in a stream of events."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.sse_ids import after, ids, lined_up

BITS = [b"id", b":", b" ", b"\r", b"\n", b"\r\n", b"\n\n", b"1", b"2", b"\0", b"data: id: 1", b"x"]
STREAMS = st.lists(st.sampled_from([*BITS, b"id: 1\n\n", b"id:2\r\n", b"\xef\xbb\xbf"])).map(
    b"".join
)


def as_the_standard_says(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Line by line: each id and the end of the event that sets it."""
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    found: bytes | None = None
    for line in re.findall(rb"[^\r\n]*(?:\r\n|\r|\n)", data[at:]):
        at += len(line)
        name, _, value = line.rstrip(b"\r\n").partition(b":")
        if line in (b"\r\n", b"\r", b"\n"):
            if found is not None:
                yield found, at
            found = None
        elif name == b"id" and b"\0" not in value:
            found = value.removeprefix(b" ")


@given(STREAMS)
def test_ids_are_those_of_the_standard(data: bytes) -> None:
    lined, moved = lined_up(data)
    assert [(name, end - moved) for name, end in ids(lined)] == list(as_the_standard_says(data))


@given(STREAMS, st.sampled_from([b"1", b"2", b"1x", b""]))
def test_a_client_goes_on_after_the_first_event_that_set_its_id(data: bytes, wanted: bytes) -> None:
    ends = [end for name, end in as_the_standard_says(data) if name == wanted != b""]
    assert after(data, wanted, whole=True) == (ends[0] if ends else None)


@given(STREAMS, STREAMS, st.sampled_from([b"1", b"2"]))
def test_half_a_line_in_front_is_not_mistaken_for_a_line(
    before: bytes, data: bytes, wanted: bytes
) -> None:
    """What has lost its start says no more than the whole."""
    stream = before + data
    end = after(data, wanted, whole=False)
    if end is not None:
        known = [(name, end - len(before)) for name, end in as_the_standard_says(stream)]
        assert (wanted, end) in known


@pytest.mark.parametrize(
    ("data", "wanted", "rest"),
    [
        (b"id: 7\ndata: a\n\ndata: b\n\n", b"7", b"data: b\n\n"),
        (b"id: 7\r\ndata: a\r\n\r\ndata: b\r\n\r\n", b"7", b"data: b\r\n\r\n"),
        (b"\xef\xbb\xbfid:7\r\rdata: b\r\r", b"7", b"data: b\r\r"),
        (b"id: 7\nid: 8\n\nid: 7\n\nrest", b"7", b"rest"),
        (b"id: 7\n\ndata: a\n\nid: 7\n\nrest", b"7", b"data: a\n\nid: 7\n\nrest"),
        (b"data: id: 7\n\nid: 7\n\nrest", b"7", b"rest"),
    ],
)
def test_what_follows_an_id(data: bytes, wanted: bytes, rest: bytes) -> None:
    end = after(data, wanted, whole=True)
    assert end is not None
    assert data[end:] == rest


@pytest.mark.parametrize(
    "data",
    [
        b"id: 7\ndata: a\n",  # not yet an event
        b"id: 7\nid\n\n",  # taken back
        b"id: 7\0\n\n",
        b"ID: 7\n\nxid: 7\n\nid 7\n\nid:  7\n\n",
        b"data: 7\n\n",
    ],
)
def test_what_is_no_id(data: bytes) -> None:
    assert after(data, b"7", whole=True) is None
