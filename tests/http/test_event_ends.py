"""Streams of events that have not come to the end that was meant."""

import pytest

from proxy.http.event_ends import ends_well

CHUNK = b'data: {"id": "x", "object": "chat.completion.chunk", "choices": []}\n\n'
CLAUDE = b'event: message_start\ndata: {"type": "message_start"}\n\n'
CREATED = b'event: response.created\ndata: {"type": "response.created"}\n\n'


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"data: 1\n\ndata: 2\n\n",
        CHUNK + b"data: [DONE]\n\n",
        CHUNK.replace(b"\n", b"\r\n") + b"data:[DONE]\r\n\r\n",
        CLAUDE + b'event: message_stop\r\ndata: {"type": "message_stop"}\r\n\r\n',
        CREATED + b"event: response.completed\ndata: {}\n\n",
        CREATED + b"event: response.incomplete\ndata: {}\n\n",
        b'data: {"error": null, "text": "a"}\n\n',
        b"event: errors\ndata: 1\n\n",
        b"data: event: error\n\n",
    ],
    ids=range(10),
)
def test_a_stream_that_is_whole(stream: bytes) -> None:
    assert ends_well(stream, stream)


@pytest.mark.parametrize(
    "stream",
    [
        b"data: 1\n\nevent: error\ndata: overloaded\n\n",
        b"data: 1\r\n\r\nevent:error\r\ndata: overloaded\r\n\r\n",
        CHUNK + b'data: {"error": {"message": "overloaded"}}\n\ndata: [DONE]\n\n',
        CHUNK,
        b'data: {"object":"text_completion"}\n\n',
        CLAUDE + b"event: content_block_delta\ndata: {}\n\n",
        CLAUDE + b'event: error\ndata: {"type": "error"}\n\n',
        CREATED + b"event: response.failed\ndata: {}\n\n",
        CREATED,
    ],
    ids=range(9),
)
def test_one_that_failed_or_was_cut(stream: bytes) -> None:
    assert not ends_well(stream, stream)
