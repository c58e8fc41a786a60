"""Streams of events on the wire."""

import json
from typing import Any

from tests.support.client import Response
from tests.support.message import chunked

ACCEPT = b"Accept: text/event-stream\r\n"
TYPE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
EVENTS = TYPE + b"Transfer-Encoding: chunked\r\n\r\n"


def said(*pieces: bytes) -> bytes:
    """Chunks that are not the last ones."""
    return chunked(*pieces, end=b"")


def last_words(answer: Response, before: bytes = b"") -> dict[str, Any]:
    """The data of the event that ended a stream, which was cut behind it."""
    assert answer.ended == "fin-short"
    body = bytes(answer.body)
    assert body.startswith(before + b"event: error\ndata: ")
    assert body.endswith(b"}\n\n")
    found: dict[str, Any] = json.loads(body[len(before) + len(b"event: error\ndata: ") :])
    return found
