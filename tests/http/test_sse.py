"""Events, comments, pings and ids in streams of events."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.sse import SseScanner, after, ids, lined_up, of_events, streams_events

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
    events = SseScanner()
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
    whole, sliced = SseScanner(), SseScanner()
    meant = whole.feed(stream)
    said, rest = False, stream
    for size in sizes:
        piece, rest = rest[:size], rest[size:]
        said |= sliced.feed(piece)
    said |= sliced.feed(rest)
    assert (said, sliced.between) == (meant, whole.between)


def test_data_is_known_before_its_line_has_ended() -> None:
    events = SseScanner()
    assert not events.feed(b"data")
    assert events.feed(b": a")


@pytest.mark.parametrize(
    ("kind", "coding", "is_one"),
    [
        (b"text/event-stream", b"", True),
        (b"Text/Event-Stream; charset=utf-8", b"", True),
        (b"text/event-stream", b"gzip", False),
        (b"text/event-stream", b"identity", True),
        (b"text/event-stream", b"None", True),
        (b"text/plain", b"none", False),
        (b"text/plain", b"", False),
    ],
)
def test_a_stream_is_known_by_its_type(kind: bytes, coding: bytes, is_one: bool) -> None:
    fields = [(b"content-TYPE", kind), *([(b"Content-Encoding", coding)] if coding else [])]
    assert streams_events(fields) is is_one


BITS = [b"id", b":", b" ", b"\r", b"\n", b"\r\n", b"\n\n", b"1", b"2", b"\0", b"data: id: 1", b"x"]
WITH_IDS = st.lists(st.sampled_from([*BITS, b"id: 1\n\n", b"id:2\r\n", b"\xef\xbb\xbf"])).map(
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


@given(WITH_IDS)
def test_ids_are_those_of_the_standard(data: bytes) -> None:
    lined, moved = lined_up(data)
    assert [(name, end - moved) for name, end in ids(lined)] == list(as_the_standard_says(data))


@given(WITH_IDS, st.sampled_from([b"1", b"2", b"1x", b""]))
def test_a_client_goes_on_after_the_first_event_that_set_its_id(data: bytes, wanted: bytes) -> None:
    ends = [end for name, end in as_the_standard_says(data) if name == wanted != b""]
    assert after(data, wanted, whole=True) == (ends[0] if ends else None)


@given(WITH_IDS, WITH_IDS, st.sampled_from([b"1", b"2"]))
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


def last_blank(stream: bytes) -> int:
    """Where the last empty line ends, looked for at every byte."""
    return max(
        (
            at + len(blank)
            for at in range(len(stream))
            for blank in (b"\n\n", b"\n\r", b"\n\r\n", b"\r\r")
            if stream.startswith(blank, at)
        ),
        default=0,
    )


@pytest.mark.parametrize(
    "stream",
    [
        b"data: 1\n\ndata: 2",
        b"data: 1\r\n\r\ndata: 2\r\n",
        b"data: 1\r\rdata: 2\r",
        b"data: 1\n\r\ndata: 2\n\n",
        b"data: 1\n\rdata: 2\r\n\rdata: 3",
        b"data: 1",
        b"\n\n\n",
    ],
)
def test_the_end_of_an_event_is_found_wherever_a_piece_ends(stream: bytes) -> None:
    for cut in range(len(stream) + 1):
        events = SseScanner()
        first, second = stream[:cut], stream[cut:]
        assert events.last_end(first) == last_blank(first)
        found = events.last_end(second)
        assert found == max(last_blank(stream) - cut, 0)
        assert found <= len(second)
    events = SseScanner()
    ends = [events.last_end(stream[at : at + 1]) for at in range(len(stream))]
    assert ends == [int(last_blank(stream[: at + 1]) == at + 1) for at in range(len(stream))]


def test_no_more_of_a_line_is_kept_than_tells_what_it_is() -> None:
    events = SseScanner()
    for _ in range(1000):
        events.feed(b"x" * 1000)
    assert len(events._open) <= 64
    assert not events.between
    assert not events.feed(b"\n\n")
    assert events.between


@pytest.mark.parametrize(
    ("kinds", "one"),
    [
        ([b"text/event-stream"], True),
        ([b"text/html"], False),
        ([b"text/html", b"text/event-stream; charset=utf-8"], True),
        ([], False),
    ],
)
def test_a_stream_of_events_is_one_compressed_or_not(kinds: list[bytes], one: bool) -> None:
    fields = [(b"Content-Encoding", b"gzip"), *((b"content-Type", kind) for kind in kinds)]
    assert of_events(fields) is one


def test_an_id_with_nul_is_none() -> None:
    data = b"\nid: 1\n\nid: a\0b\n\nid: 2\nid: \0\n\n"
    assert [found for found, _ in ids(data)] == [b"1", b"2"]
