"""An unmodified WebSocket client and server see the same through the proxy as directly."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)

from tests.support.websocket import Heard, alike, client, echo, ending, listen, shake

SIZES = [0, 1, 125, 126, 127, 128, 65535, 65536, 1 << 20, 16 << 20]
CODES = [1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999]
BEST = "é" * 61 + "x"  # 123 bytes, as many as fit


def digest(data: str | bytes) -> tuple[type, int, str]:
    """As failures of long messages are to be short."""
    raw = data.encode() if isinstance(data, str) else data
    return type(data), len(raw), hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["text", "binary"])
async def test_messages_of_any_size_pass(kind: str, size: int) -> None:
    data: str | bytes = os.urandom(size) if kind == "binary" else ("aé…😀" * (size // 10 + 1))
    if isinstance(data, str):
        data = data.encode()[:size].decode(errors="ignore").ljust(size)[:size]

    async def handler(ws: ServerConnection, heard: Heard) -> None:
        message = await ws.recv()
        heard.append(digest(message))
        await ws.send(message)

    async def scenario(url: str) -> Any:
        async with client(url) as ws:
            await ws.send(data)
            return digest(await ws.recv())

    seen = await alike(handler, scenario)
    assert seen.client == digest(data)
    assert seen.server[1:] == [digest(data), (1000, "")]


@pytest.mark.parametrize(
    "parts",
    [["a", "b"], ["", "", ""], ["é", "", "x" * 70000, ""], [b"\0", b"", bytes(126)], [b"x"] * 300],
    ids=["two", "empty", "long", "binary", "many"],
)
@pytest.mark.parametrize("pinged", [False, True])
async def test_fragments_stay_fragments(parts: list[Any], pinged: bool) -> None:
    async def pieces(ws: Any) -> AsyncIterator[Any]:
        for number, part in enumerate(parts):
            if pinged:
                await ws.ping(b"between %d" % number)
            yield part

    async def handler(ws: ServerConnection, heard: Heard) -> None:
        heard.append([part async for part in ws.recv_streaming()])
        await ws.send(pieces(ws))
        await listen(ws, heard)

    async def scenario(url: str) -> Any:
        async with client(url) as ws:
            await ws.send(pieces(ws))
            return [part async for part in ws.recv_streaming()]

    seen = await alike(handler, scenario)
    assert seen.client == seen.server[1]
    assert seen.client[: len(parts)] == parts


@pytest.mark.parametrize("size", [0, 1, 4, 64, 124, 125])
async def test_pings_are_answered_by_the_other_end(size: int) -> None:
    async def handler(ws: ServerConnection, heard: Heard) -> None:
        pong = await ws.ping(bytes(size))
        await ws.pong(b"nobody asked")
        await pong
        await echo(ws, heard)

    async def scenario(url: str) -> Any:
        async with client(url) as ws:
            await ws.pong(b"y" * size)
            pong = await ws.ping(b"x" * size)
            await ws.send("m")
            await pong
            return await ws.recv()

    seen = await alike(handler, scenario)
    assert seen.client == "m"
    assert seen.server[1:] == ["m", ((1000, ""), (1000, ""), True), (1000, "")]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("reason", ["", "why", BEST], ids=["none", "short", "longest"])
@pytest.mark.parametrize("who", ["client", "server"])
async def test_close_codes_and_reasons_arrive(code: int, reason: str, who: str) -> None:
    async def handler(ws: ServerConnection, heard: Heard) -> None:
        if who == "server":
            await ws.send("bye")
            await ws.close(code, reason)
        else:
            await listen(ws, heard)

    async def scenario(url: str) -> Any:
        saw = []
        async with client(url) as ws:
            if who == "client":
                await ws.send("bye")
                await ws.close(code, reason)
            try:
                while True:
                    saw.append(await ws.recv())
            except ConnectionClosed as closed:
                return [*saw, ending(closed)]

    seen = await alike(handler, scenario)
    theirs = seen.client if who == "server" else seen.server[1:-1]
    assert theirs == ["bye", ((code, reason), (code, reason), True)]
    assert seen.server[-1] == (code, reason)


@pytest.mark.parametrize("who", ["client", "server"])
async def test_too_long_a_message_is_refused_by_whom_it_is_too_long_for(who: str) -> None:
    limit = {"max_size": 100}

    async def handler(ws: ServerConnection, heard: Heard) -> None:
        if who == "client":
            await ws.send(bytes(100))
            await ws.send(bytes(101))
        await listen(ws, heard)

    async def scenario(url: str) -> Any:
        saw = []
        async with client(url, **(limit if who == "client" else {})) as ws:
            if who == "server":
                await ws.send(bytes(100))
                await ws.send(bytes(101))
            try:
                while True:
                    saw.append(await ws.recv())
            except ConnectionClosed as closed:
                return [*saw, ending(closed)]

    seen = await alike(handler, scenario, **(limit if who == "server" else {}))
    told = seen.client if who == "client" else seen.server[1:]
    assert told[0] == bytes(100)
    other = seen.client[-1] if who == "server" else seen.server[-2]
    assert other[0][0] == 1009


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("bits", [9, 15])
async def test_compression_is_between_the_two_ends(takeover: bool, bits: int) -> None:
    messages: list[str | bytes] = [
        "a" * 100_000,
        "",
        "a" * 100_000,
        os.urandom(70_000),
        b"\0" * (1 << 20),
        "é",
    ]
    options: dict[str, Any] = {"client_max_window_bits": bits, "server_max_window_bits": bits}
    if not takeover:
        options |= {"server_no_context_takeover": True, "client_no_context_takeover": True}

    async def scenario(url: str) -> Any:
        async with client(url, extensions=[ClientPerMessageDeflateFactory(**options)]) as ws:
            saw = []
            for message in messages:
                await ws.send(message)
                saw.append(await ws.recv())
            assert ws.response is not None
            return saw, shake(ws.response.headers)

    seen = await alike(echo, scenario, extensions=[ServerPerMessageDeflateFactory(**options)])
    assert seen.client[0] == messages
    assert ("no_context_takeover" in str(seen.client[1])) is not takeover
    assert f"window_bits={bits}" in str(seen.client[1])


async def test_compression_that_only_one_end_wants_is_not_used() -> None:
    async def scenario(url: str) -> Any:
        async with client(url, compression="deflate") as ws:
            await ws.send("x" * 1000)
            assert ws.response is not None
            return await ws.recv(), shake(ws.response.headers)

    seen = await alike(echo, scenario)
    assert seen.client == ("x" * 1000, [])
    assert "permessage-deflate" in str(seen.server[0])


@pytest.mark.parametrize("who", ["client", "server"])
async def test_a_loss_of_the_connection_is_no_close(who: str) -> None:
    async def handler(ws: ServerConnection, heard: Heard) -> None:
        heard.append(await ws.recv())
        if who == "server":
            ws.transport.abort()
        else:
            await ws.send("go")
            await listen(ws, heard)

    async def scenario(url: str) -> Any:
        async with client(url) as ws:
            await ws.send("x")
            if who == "client":
                await ws.recv()
                ws.transport.abort()
            try:
                await ws.recv()
            except ConnectionClosed as closed:
                return ending(closed), ws.close_code

    seen = await alike(handler, scenario)
    assert seen.client == ((None, None, None), 1006)
    assert seen.server[-1] == (1006, "")


@pytest.mark.parametrize("who", ["client", "server"])
async def test_a_slow_reader_stops_the_sender(who: str) -> None:
    message, number = bytes(1 << 20), 48

    async def pour(ws: Any, counted: list[int]) -> None:
        for _ in range(number):
            await ws.send(message)
            counted[0] += 1

    async def drink(ws: Any) -> tuple[bool, int]:
        count = -1
        while count != counted[0]:  # until the sender stands still
            count = counted[0]
            await asyncio.sleep(0.05)
        got = [len(await ws.recv()) for _ in range(number)]
        return count < number, sum(got)

    counted = [0]

    async def handler(ws: ServerConnection, heard: Heard) -> None:
        if who == "server":
            await pour(ws, counted)
        else:
            heard.append(await drink(ws))
            await ws.close()

    async def scenario(url: str) -> Any:
        counted[0] = 0
        async with client(url, max_queue=1) as ws:
            if who == "server":
                return await drink(ws)
            await pour(ws, counted)
            await ws.wait_closed()
            return None

    seen = await alike(handler, scenario, max_queue=1)
    assert (seen.client if who == "server" else seen.server[1]) == (True, number << 20)
