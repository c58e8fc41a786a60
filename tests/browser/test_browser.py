"""What a browser sees through the proxy."""

import asyncio
from typing import Any

from aiohttp import WSMsgType, web

from tests.support.browser import chromium_wanted, shown
from tests.support.relay import Relay

pytestmark = chromium_wanted

EVENTS = 50


async def _stream(request: web.Request) -> web.StreamResponse:
    reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await reply.prepare(request)
    return reply


async def test_an_event_source_sees_each_event_before_the_next_is_sent() -> None:
    """What is slow here is the machine; that nothing waits for more is what is tested."""
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def events(request: web.Request) -> web.StreamResponse:
        reply = await _stream(request)
        for number in range(EVENTS):
            await reply.write(b"data: %d\n\n" % number)
            assert await seen.get() == str(number)
        await reply.write(b"event: end\ndata:\n\n")
        return reply

    async def note(request: web.Request) -> web.Response:
        seen.put_nowait(request.query["number"])
        return web.Response()

    script = """
      let count = 0;
      const source = new EventSource("/events");
      source.onmessage = event => { count += 1; fetch("/seen?number=" + event.data); };
      source.addEventListener("end", () => { source.close(); tell(count); });
    """
    assert await shown(script, {"/events": events, "/seen": note}) == EVENTS


async def test_an_event_source_comes_back_and_says_what_it_saw_last() -> None:
    asked: list[str | None] = []
    last = "7é:a b"

    async def events(request: web.Request) -> web.StreamResponse:
        values = [v for k, v in request.raw_headers if k.lower() == b"last-event-id"]
        asked.append(values[0].decode() if values else None)
        reply = await _stream(request)
        if len(asked) == 1:
            await reply.write(f"retry: 20\n\nid: {last}\ndata: one\n\n".encode())
            await asyncio.sleep(0.05)
            assert request.transport is not None
            request.transport.abort()
        else:
            await reply.write(b"data: two\n\n")
            await asyncio.sleep(1)
        return reply

    script = """
      const seen = [], source = new EventSource("/events");
      source.onerror = () => seen.push("error");
      source.onmessage = event => {
        seen.push(event.data);
        if (event.data == "two") { source.close(); tell(seen); }
      };
    """
    assert await shown(script, {"/events": events}) == ["one", "error", "two"]
    assert asked == [None, last]


async def test_an_event_source_whose_connection_is_cut_misses_nothing() -> None:
    """The upstream is asked once; the proxy reads on while the browser is away."""
    asked: list[str | None] = []
    relay = Relay()
    last, cuts = 30, (7, 8, 20)

    async def events(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Last-Event-ID"))
        reply = await _stream(request)
        await reply.write(b"retry: 20\n\n")
        for number in range(1, last + 1):
            await reply.write(b"id: %d\ndata: %d\n\n" % (number, number))
            await asyncio.sleep(0.02)
            if number in cuts:
                relay.cut()
        await asyncio.sleep(5)  # a stream that ends is begun anew
        return reply

    script = f"""
      const seen = [], source = new EventSource("/events");
      let errors = 0;
      source.onerror = () => errors++;
      source.onmessage = event => {{
        seen.push(+event.data);
        if (event.data == "{last}") {{ source.close(); tell([seen, errors]); }}
      }};
    """
    tables = {"stream": {"resume": "10s"}}
    seen, errors = await shown(script, {"/events": events}, relay=relay, **tables)
    assert seen == list(range(1, last + 1))
    assert errors >= 2
    assert asked == [None]


async def test_a_websocket_echoes_and_closes_with_its_code() -> None:
    async def chat(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=["chat"], max_msg_size=0)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT and message.data == "bye":
                await ws.close(code=4321, message="why é".encode())
            elif message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
            else:
                await ws.send_bytes(message.data)
        return ws

    script = """
      const ws = new WebSocket(`ws://${location.host}/chat`, ["other", "chat"]), seen = [];
      const data = Uint8Array.from({length: 1 << 20}, (_, i) => i * 31 % 256);
      ws.binaryType = "arraybuffer";
      ws.onopen = () => { seen.push(ws.protocol); ws.send("h\u00e9"); ws.send(data); };
      ws.onmessage = event => {
        if (typeof event.data == "string") return seen.push(event.data);
        const back = new Uint8Array(event.data);
        seen.push(back.length, back.every((byte, i) => byte == data[i]));
        ws.send("bye");
      };
      ws.onclose = event => tell([...seen, event.code, event.reason, event.wasClean]);
    """
    seen = await shown(script, {"/chat": chat})
    assert seen == ["chat", "hé", 1 << 20, True, 4321, "why é", True]


async def test_fetch_gets_each_chunk_when_it_is_sent() -> None:
    async def chunks(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        for number in range(5):
            await reply.write(b"chunk %d" % number)
            async with asyncio.timeout(30):  # the next only after the page has told of this one
                await seen.acquire()
        return reply

    async def next_one(_: web.Request) -> web.Response:
        seen.release()
        return web.Response()

    seen = asyncio.Semaphore(0)
    script = """
      const reader = (await fetch("/chunks")).body.getReader(), seen = [];
      for (;;) {
        const {done, value} = await reader.read();
        if (done) break;
        seen.push(new TextDecoder().decode(value));
        await fetch("/next");
      }
      tell(seen);
    """
    saw = await shown(script, {"/chunks": chunks, "/next": next_one})
    assert saw == [f"chunk {number}" for number in range(5)]


async def test_fetch_rejects_a_reply_that_is_cut() -> None:
    def cut(**headers: str) -> Any:
        async def handler(request: web.Request) -> web.StreamResponse:
            reply = web.StreamResponse(headers=headers)
            await reply.prepare(request)
            await reply.write(b"half")
            await asyncio.sleep(0.05)
            assert request.transport is not None
            request.transport.abort()
            return reply

        return handler

    script = """
      const seen = [];
      for (const path of ["/chunked", "/length"]) {
        const reply = await fetch(path);
        seen.push(reply.status, await reply.text().catch(error => error.name));
      }
      tell(seen);
    """
    handlers = {"/chunked": cut(), "/length": cut(**{"Content-Length": "8"})}
    shows = {"commit": "headers"}  # by default a short reply is held until it is whole
    assert await shown(script, handlers, stream=shows) == [200, "TypeError", 200, "TypeError"]
