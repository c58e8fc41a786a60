"""Streams of events as the libraries read them that people have: heartbeats, breaks, early streams.

``make clients`` installs them; they stand in ``requirements/clients.txt``. With ``on_error =
"event"`` the openai library met an error that it could not read, and failed with a TypeError.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.event_wire import EVENTS, said
from tests.support.libraries import LONG, library, url
from tests.support.proxy import Proxy, fronted

BUSY = b'{"error": {"message": "the model is asleep", "type": "overloaded_error", "code": "zzz"}}'
LATE_429 = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BUSY), BUSY)
)

pytestmark = pytest.mark.filterwarnings("default")


def data(value: Any, event: str = "") -> bytes:
    """A chunk with one event."""
    name = f"event: {event}\n" if event else ""
    return said(f"{name}data: {json.dumps(value)}\n\n".encode())


def stream(*events: bytes, end: Any = "rst") -> list[Any]:
    """These events with silence between them, and then this end."""
    script: list[Any] = ["wait-body", EVENTS]
    for event in events:
        script += [event, 0.15]
    return [*script, end]


CHUNK = {
    "id": "c",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}],
}
START = {
    "type": "message_start",
    "message": {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "m",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
}
TOKEN = [{"role": "user", "content": "x"}]


# openai


async def chat(openai: Any, proxy: Proxy) -> list[str]:
    """What a chat says."""
    async with openai.AsyncOpenAI(
        api_key="k", base_url=url(proxy, "/v1"), max_retries=0, timeout=LONG
    ) as client:
        answer = await client.chat.completions.create(model="m", messages=TOKEN, stream=True)
        return [chunk.choices[0].delta.content async for chunk in answer]


async def test_openai_reads_a_stream_with_heartbeats() -> None:
    openai = library("openai")
    script = stream(data(CHUNK), data(CHUNK), said(b"data: [DONE]\n\n"), end=b"0\r\n\r\n")
    async with fronted(script, stream={"heartbeat": "30ms", "on_error": "openai"}) as (_, proxy):
        assert await chat(openai, proxy) == ["hi", "hi"]


@pytest.mark.parametrize("shape", ["openai", "event"])
async def test_openai_raises_what_the_last_event_says(shape: str) -> None:
    openai = library("openai")
    async with fronted(
        stream(data(CHUNK)),
        stream={"heartbeat": "30ms", "on_error": shape},
    ) as (_, proxy):
        if shape == "event":  # the reason why there are others
            with pytest.raises(TypeError):
                await chat(openai, proxy)
            return
        with pytest.raises(openai.APIError, match="status 502") as caught:
            await chat(openai, proxy)
        assert (caught.value.type, caught.value.code) == ("server_error", "502")
        assert (await proxy.record()).request_id in str(caught.value)


def test_openai_reads_it_without_asyncio_too() -> None:
    """The synchronous client has a reader of its own."""
    openai = library("openai")

    async def main() -> None:
        async with fronted(
            stream(data(CHUNK)), stream={"heartbeat": "30ms", "on_error": "openai"}
        ) as (_, proxy):

            def read() -> None:
                with openai.OpenAI(
                    api_key="k", base_url=url(proxy), max_retries=0, timeout=LONG
                ) as client:
                    for _ in client.chat.completions.create(model="m", messages=TOKEN, stream=True):
                        pass

            with pytest.raises(openai.APIError, match="status 502"):
                await asyncio.to_thread(read)

    asyncio.run(main())


async def test_openai_is_told_the_word_of_the_api_where_a_stream_was_opened_early() -> None:
    openai = library("openai")
    async with fronted(
        ["wait-body", 0.3, LATE_429], stream={"heartbeat": "30ms", "on_error": "openai"}
    ) as (_, proxy):
        async with openai.AsyncOpenAI(
            api_key="k", base_url=url(proxy), max_retries=0, timeout=LONG
        ) as client:
            answer = await client.chat.completions.create(
                model="m",
                messages=TOKEN,
                stream=True,
                extra_headers={"Accept": "text/event-stream"},
            )
            with pytest.raises(openai.APIError, match="asleep") as caught:
                await anext(answer)
        assert caught.value.code == "zzz"


# anthropic


async def message(anthropic: Any, proxy: Proxy, **extra: Any) -> list[str]:
    """The types of the events of a message."""
    async with anthropic.AsyncAnthropic(
        api_key="k", base_url=url(proxy), max_retries=0, timeout=LONG
    ) as client:
        answer = await client.messages.create(
            model="m", max_tokens=5, messages=TOKEN, stream=True, **extra
        )
        return [event.type async for event in answer]


async def test_anthropic_reads_a_stream_with_heartbeats() -> None:
    anthropic = library("anthropic")
    stop = {"type": "message_stop"}
    script = stream(data(START, "message_start"), data(stop, "message_stop"), end=b"0\r\n\r\n")
    async with fronted(script, stream={"heartbeat": "30ms", "on_error": "anthropic"}) as (_, proxy):
        assert await message(anthropic, proxy) == ["message_start", "message_stop"]


async def test_anthropic_raises_what_the_last_event_says() -> None:
    anthropic = library("anthropic")
    async with fronted(
        stream(data(START, "message_start")), stream={"heartbeat": "30ms", "on_error": "anthropic"}
    ) as (_, proxy):
        with pytest.raises(anthropic.APIStatusError, match="status 502") as caught:
            await message(anthropic, proxy)
        body: Any = caught.value.body
        assert (body["type"], body["error"]["type"]) == ("error", "api_error")
        assert body["request_id"] == (await proxy.record()).request_id


async def test_anthropic_is_told_the_word_of_the_api_where_a_stream_was_opened_early() -> None:
    anthropic = library("anthropic")
    async with fronted(
        ["wait-body", 0.3, LATE_429], stream={"heartbeat": "30ms", "on_error": "anthropic"}
    ) as (_, proxy):
        with pytest.raises(anthropic.APIStatusError, match="asleep"):
            await message(anthropic, proxy, extra_headers={"Accept": "text/event-stream"})


# readers of events


async def through_httpx_sse(address: str) -> list[tuple[str, str]]:
    httpx, httpx_sse = library("httpx"), library("httpx_sse")
    seen = []
    async with httpx.AsyncClient(trust_env=False, timeout=LONG) as client:
        with contextlib.suppress(httpx.RemoteProtocolError):
            async with httpx_sse.aconnect_sse(client, "GET", address) as source:
                async for sse in source.aiter_sse():
                    seen.append((sse.event, sse.data))  # noqa: PERF401 - the cut ends the loop
    return seen


async def through_sseclient(address: str) -> list[tuple[str, str]]:
    httpx, sseclient = library("httpx"), library("sseclient")
    seen: list[tuple[str, str]] = []

    def read() -> None:
        with (
            httpx.Client(trust_env=False, timeout=LONG) as client,
            contextlib.suppress(httpx.RemoteProtocolError),
            client.stream("GET", address, headers={"Accept": "text/event-stream"}) as response,
        ):
            for event in sseclient.SSEClient(response.iter_bytes()).events():
                seen.append((event.event, event.data))  # noqa: PERF401

    await asyncio.to_thread(read)
    return seen


async def through_aiohttp(address: str) -> list[tuple[str, str]]:
    client = library("aiohttp_sse_client2.client")
    seen: list[tuple[str, str]] = []
    with contextlib.suppress(Exception):  # the cut, or that it may not connect again
        async with client.EventSource(address, timeout=LONG, max_connect_retry=0) as source:
            async for event in source:
                seen.append((event.type, event.data))
                if len(seen) == 2:
                    break
    return seen


READERS = [through_httpx_sse, through_sseclient, through_aiohttp]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("shape", ["event", "graphql"])
async def test_readers_of_events_see_the_last_one(read: Callable[[str], Any], shape: str) -> None:
    async with fronted(
        stream(data({"n": 1}, "next")), stream={"heartbeat": "30ms", "on_error": shape}
    ) as (_, proxy):
        first, last, *more = await asyncio.wait_for(read(url(proxy)), LONG)
        assert first == ("next", '{"n": 1}')
        said_last = json.loads(last[1])
        if shape == "event":
            assert (last[0], said_last["status"]) == ("error", 502)
        else:
            assert last[0] == "next"
            assert "status 502" in said_last["errors"][0]["message"]
            assert [event for event, _ in more] in ([], ["complete"])
