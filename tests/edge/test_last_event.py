"""The last event of a stream that broke, in the shapes that clients know."""

import json
from typing import Any

import pytest

from proxy.core.errors import ReplyBroken
from proxy.core.reply import Reply
from proxy.edge.last_event import last_event


class _Nothing:
    buffered = b""

    async def read(self) -> bytes:
        return b""

    def close(self, _: Any) -> None:
        """It holds nothing."""


def data(event: bytes) -> Any:
    [line] = [line for line in event.split(b"\n") if line.startswith(b"data: {")]
    return json.loads(line.removeprefix(b"data: "))


def late(status: int, body: bytes = b"", *fields: tuple[bytes, bytes]) -> Reply:
    """A reply that came instead of a stream."""
    reason = b"OK" if status == 200 else b"Too Many Requests"
    return Reply(status, list(fields), _Nothing(), reason=reason, length=0, whole=body)


@pytest.mark.parametrize("shape", ["event", "abort"])
def test_an_error_is_problem_json(shape: str) -> None:
    event = last_event(ReplyBroken("it broke"), "id-1", shape=shape)
    assert event.startswith(b"event: error\n")
    assert event.endswith(b"\n\n")
    assert data(event)["status"] == 502
    assert data(event)["instance"] == "id-1"


def test_each_api_has_its_shape() -> None:
    error = ReplyBroken("it broke")
    openai, anthropic, graphql = (
        last_event(error, "id-1", shape=shape) for shape in ("openai", "anthropic", "graphql")
    )
    assert data(openai)["error"]["code"] == "502"
    assert data(anthropic)["error"]["type"] == "api_error"
    assert data(graphql)["errors"][0]["extensions"]["code"] == "UPSTREAM_ERROR"
    assert graphql.endswith(b"event: complete\ndata:\n\n")


@pytest.mark.parametrize("shape", ["openai", "anthropic"])
def test_the_apis_own_error_is_passed_on(shape: str) -> None:
    own = {"type": "rate_limit_error", "message": "slow down"}
    reply = late(429, json.dumps({"error": own}).encode())
    assert data(last_event(reply, "id-1", shape=shape))["error"] == own


@pytest.mark.parametrize(
    ("fields", "with_what"),
    [
        ([(b"Content-Type", b"text/html")], "with text/html,"),
        ([(b"content-TYPE", b"text/html"), (b"Content-Encoding", b"br")], "Content-Encoding: br,"),
        ([(b"content-TYPE", b"text/html"), (b"Content-Encoding", b"none")], "with text/html,"),
        ([], "with no Content-Type,"),
    ],
)
def test_a_reply_that_is_no_stream_is_no_success(
    fields: list[tuple[bytes, bytes]], with_what: str
) -> None:
    said = data(last_event(late(200, b"", *fields), "id-1", shape="event"))
    assert said["status"] == 502
    assert with_what in said["detail"]
