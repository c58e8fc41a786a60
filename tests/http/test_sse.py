"""Events, comments and pings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.sse import Events, streams_events

STREAMS = [
    # bytes, whether anything is an event's data, whether it ends between two events
    (b"", False, True),
    (b": hello\n", False, True),
    (b": hello", False, False),
    (b":\r\n\r\n", False, True),
    (b"\xef\xbb\xbf: bom\n\n", False, True),
    (b"\xef\xbb\xbfdata: bom\n\n", True, True),
    (b"event: ping\ndata: 1\n\n", False, True),
    (b"event:ping\r\ndata: 1\r\n\r\n", False, True),
    (b"event: pinged\ndata: 1\n\n", True, True),
    (b"event: ping\n\ndata: 1\n\n", True, True),
    (b"event: ping\ndata: 1\n\ndata: 2", True, False),
    (b"retry: 10\n\n", False, True),
    (b"id: 1\n", False, False),
    (b"data\n\n", True, True),
    (b"data: x\r\r", True, True),
    (b"data: x\r\n", True, False),
    (b"database: x\n\n", False, True),
]


@pytest.mark.parametrize(("stream", "meant", "between"), STREAMS)
def test_comments_and_pings_are_no_events(stream: bytes, meant: bool, between: bool) -> None:
    events = Events()
    assert (events.feed(stream), events.between) == (meant, between)


LINES = [
    b"data: x",
    b"data",
    b": c",
    b"event: ping",
    b"event: a",
    b"id: 1",
    b"",
    b"dat",
    b"\xef\xbb\xbf",
]


@given(
    st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from([b"\n", b"\r\n", b"\r"]))),
    st.lists(st.integers(1, 9)),
)
def test_slices_say_the_same_as_the_whole(
    lines: list[tuple[bytes, bytes]], sizes: list[int]
) -> None:
    stream = b"".join(line + end for line, end in lines)
    whole, sliced = Events(), Events()
    meant = whole.feed(stream)
    said, rest = False, stream
    for size in sizes:
        piece, rest = rest[:size], rest[size:]
        said |= sliced.feed(piece)
    said |= sliced.feed(rest)
    assert (said, sliced.between) == (meant, whole.between)


def test_data_is_known_before_its_line_has_ended() -> None:
    events = Events()
    assert not events.feed(b"data")
    assert events.feed(b": a")


@pytest.mark.parametrize(
    ("kind", "coding", "is_one"),
    [
        (b"text/event-stream", b"", True),
        (b"Text/Event-Stream; charset=utf-8", b"", True),
        (b"text/event-stream", b"gzip", False),
        (b"text/plain", b"", False),
    ],
)
def test_a_stream_is_known_by_its_type(kind: bytes, coding: bytes, is_one: bool) -> None:
    fields = [(b"content-TYPE", kind), *([(b"Content-Encoding", coding)] if coding else [])]
    assert streams_events(fields) is is_one
