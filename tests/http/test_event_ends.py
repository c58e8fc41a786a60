"""Streams of events that have not come to the end that was meant."""

import sys
from collections import Counter
from types import FrameType
from typing import Any

import pytest

from proxy.http.event_ends import EventEnd, ends_well

CHUNK = b'data: {"id": "x", "object": "chat.completion.chunk", "choices": []}\n\n'
MESSAGES = b'event: message_start\ndata: {"type": "message_start"}\n\n'
CREATED = b'event: response.created\ndata: {"type": "response.created"}\n\n'
LONG = b"x" * 20_000
WHOLE = [
    b"",
    b"data: 1\n\ndata: 2\n\n",
    CHUNK + b"data: [DONE]\n\n",
    CHUNK.replace(b"\n", b"\r\n") + b"data:[DONE]\r\n\r\n",
    CHUNK.replace(b"\n", b"\r") + b"data:[DONE]\r\r",
    MESSAGES + b'event: message_stop\r\ndata: {"type": "message_stop"}\r\n\r\n',
    b"".join(line + b"\n" for line in MESSAGES.splitlines() if not line.startswith(b"event"))
    + b'data: {"type": "message_stop"}\n\n',
    CREATED + b"event: response.completed\ndata: {}\n\n",
    CREATED + b'event: response.completed\ndata: {"a": "%b"}\n\n' % LONG,
    CREATED + b"event: response.incomplete\ndata: {}\n\n",
    b'data: {"error": null, "text": "a"}\n\n',
    b'data: {"error": "", "text": "a"}\n\n',
    b'data: {"error": false}\n\n',
    b"event: errors\ndata: 1\n\n",
    b"data: event: error\n\n",
    b"event: error\ndata: one of many\n\ndata: goes on\n\ndata: to the end\n\n",
    CHUNK + b"data: [DONE] \n\n",
    CHUNK + b"data: [DONE]",
    CREATED + b"event: response.completed\ndata: {}\n\ndata: [DONE]\n\n",
    b'data: {"id":"%b","object":"chat.completion.chunk"}\n\ndata: [DONE]\n\n' % (b"y" * 900),
    b"data: 1\n\ndata: not ended",
    b"data: a\ndata: [DONE]\n\n",
]
FAILED = [
    b"data: 1\n\nevent: error\ndata: overloaded\n\n",
    b"data: 1\n\nevent: error\ndata: %b\n\n" % LONG,
    b"data: 1\r\n\r\nevent:error\r\ndata: overloaded\r\n\r\n",
    b'data: 1\n\nevent: error\ndata: {"type": "overloaded_error"}\n\n',
    b'data: 1\n\ndata: {"type": "error", "error": {}}\n\n',
    b'data: 1\n\ndata: {"type":"response.failed"}\n\n',
    b'data: 1\n\ndata: {"error": "overloaded"}\n\n',
    CHUNK + b'data: {"error": {"message": "overloaded"}}\n\ndata: [DONE]\n\n',
    CHUNK,
    b'data: {"object":"text_completion"}\n\n',
    MESSAGES + b"event: content_block_delta\ndata: {}\n\n",
    b"\xef\xbb\xbf" + MESSAGES + b"event: content_block_delta\ndata: {}\n\n",
    MESSAGES + b'event: error\ndata: {"type": "error"}\n\n',
    CREATED + b"event: response.failed\ndata: {}\n\n",
    CREATED,
    CREATED + b'event: response.completed\ndata: {"response":{"id":"r',
    CREATED + b"event: response.completed\ndata: {}\n",
    CREATED + b"data: a\n\ndata: [DONE]\n\n",
    MESSAGES + b"event: message_stop\n",
    b'data: {"message": {"id": 1}, "type": "message_start"}\n\ndata: {"a": 1}\n\n',
    b'data: {"id":"%b","object":"chat.completion.chunk"}\n\n' % (b"y" * 900),
    b'data: {"error": 500}\n\n',
    b'data: {"error": true, "a": 1}\n\n',
    b'data: {"error": ["x"]}\n\n',
    b'data: {"error":\ndata: {"message": "x"}}\n\n',
    b"event: error\ndata: busy\n\nevent: close\ndata: x\n\n",
    b"event: error\t\ndata: busy\n\n",
    b'data: {"id": "a", "error": {"code": 502}}\n\ndata: [DONE]\n\n',
    b"data: 1\n\nevent: error\ndata: not ended",
]


def heard(stream: bytes, size: int) -> bool:
    """In pieces of this many bytes."""
    end = EventEnd()
    for start in range(0, len(stream), size):
        end.hear(stream[start : start + size])
    return end.is_good()


@pytest.mark.parametrize("stream", WHOLE, ids=range(len(WHOLE)))
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_stream_that_is_whole(stream: bytes, size: int) -> None:
    assert heard(stream, size)
    assert ends_well(stream)


@pytest.mark.parametrize("stream", FAILED, ids=range(len(FAILED)))
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_one_that_failed_or_was_cut(stream: bytes, size: int) -> None:
    assert not heard(stream, size)
    assert not ends_well(stream)


def test_what_is_kept_of_a_long_line_is_short() -> None:
    end = EventEnd()
    steps: Counter[str] = Counter()

    def count(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and frame.f_code.co_name == "_take":
            steps["lines"] += 1

    sys.setprofile(count)
    try:
        for _ in range(10_000):
            end.hear(b"x" * 10)
            assert len(end._rest) <= 2048
    finally:
        sys.setprofile(None)
    assert not steps["lines"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_line_break_in_two_pieces_is_one(end: bytes, size: int) -> None:
    """Else an event would end within itself."""
    stream = MESSAGES + b'event: message_delta\ndata: {"type": "message_stop"}\n\n'
    assert not heard(stream.replace(b"\n", end), size)
    assert heard((MESSAGES + b"event: message_stop\ndata: {}\n\n").replace(b"\n", end), size)


@pytest.mark.parametrize(
    ("stream", "over"),
    [
        (CHUNK + b"data: [DONE]\n\n", True),
        (b"data: 1\n\ndata: [DONE]\r\n\r\n", True),
        (MESSAGES + b"event: message_stop\ndata: {}\n\n", True),
        (CREATED + b'event: response.completed\ndata: {"a": "%b"}\n\n' % LONG, True),
        (CREATED + b"event: response.failed\ndata: {}\n\n", True),
        (CREATED + b"event: response.completed\ndata: {}\n\ndata: [DONE]\n\n: bye\n\n", True),
        (b'event: x\ndata: 1\n\nevent: message_stop\ndata: {"type": "message_stop"}\n\n', True),
        (b'data: {"type": "text", "text": "\\"type\\": \\"message_stop\\""}\n\n', False),
        (b"", False),
        (CHUNK, False),
        (CHUNK + b"data: [DONE]\n", False),
        (CHUNK + b"data: [DONE]\n\ndata: more\n\n", False),
        (MESSAGES + b"event: message_stop\ndata: {}\n\nevent: pi", False),
        (b"event: message_stop\ndata: {}\n\n", False),  # of whatever it is
    ],
)
def test_a_stream_is_over_behind_its_last_event(stream: bytes, over: bool) -> None:
    for size in (1, 7, len(stream) or 1):
        end = EventEnd()
        for start in range(0, len(stream), size):
            end.hear(stream[start : start + size])
        assert end.is_over() is over


def test_what_is_kept_of_an_event_is_short() -> None:
    end = EventEnd()
    for _ in range(100):
        end.hear(b"data: %b\n" % (b"x" * 1000))
    end.hear(b"event: %b\n" % (b"y" * 100_000))
    assert len(end._data) <= 2048
    assert len(end._name) <= 2048
