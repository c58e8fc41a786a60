"""A server of the API: it does what the fates say, and writes down all that it sees.

``python -m benchmarks.chaos.server SEED NUMBER PORT LEDGER SOCKET``. Each line of the ledger is a
JSON list: ``["head", server, arrival, nonce, method, target]`` as soon as a whole head is here, and
``["body", server, arrival, length, digest, state]`` when no more of its body will be read;
``state`` is ``whole``, ``cut`` (the connection ended) or ``broken`` (the framing is wrong).
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import socket
import struct
import sys
from collections import Counter

from benchmarks.chaos import content
from benchmarks.chaos.fates import End, Fate, fate, stream
from benchmarks.chaos.replies import Arrival, writes

_RESET = struct.pack("ii", 1, 0)
_FIN = struct.pack("ii", 0, 0)


class Over(Exception):
    """This connection has ended, or is to end now."""


class Server:
    """All connections of one server."""

    def __init__(self, seed: int, number: int, ledger: str) -> None:
        self._seed = seed
        self._number = number
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._seen: Counter[str] = Counter()
        self._arrivals = 0

    def write(self, *line: object) -> None:
        """Into the ledger, before anything is answered."""
        os.write(self._ledger, json.dumps(line).encode() + b"\n")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(Over, OSError, asyncio.IncompleteReadError):
            while await self._request(reader, writer):
                pass
        writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        if target == "/health":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return True
        pairs = (line.partition(":") for line in lines)
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        nonce = target.partition("?")[0].rpartition("/")[2]
        route = target[: target.index("/", 1)]
        nth = self._seen[nonce]
        self._seen[nonce] += 1
        self._arrivals += 1
        name = f"{os.getpid()}-{self._arrivals}"
        self.write("head", self._number, name, nonce, method, target)
        drawn = fate(self._seed, nonce, self._number, nth, route)
        if drawn.coding == "close" and not endings_show(writer):
            drawn = dataclasses.replace(drawn, coding="chunked")
        arrival = Arrival(name, nonce, method, target, fields, drawn)
        if route == "/events":
            await self._events(arrival, nth, writer)
            return True
        if "upgrade" in fields:
            await self._tunnel(arrival, reader, writer)
            return False
        return await self._answered(arrival, reader, writer)

    async def _answered(
        self, arrival: Arrival, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        end = arrival.fate.end
        if end is End.RESET:
            reset(writer)
        if end is End.CLOSE:
            raise Over
        if end is End.STALL_UPLOAD:
            await asyncio.sleep(30)
            raise Over
        for interim in arrival.fate.interim:
            writer.write(interim)
        if end in (End.EARLY, End.EARLY_CLOSE):
            await self._reply(arrival, writer)
            if end is End.EARLY_CLOSE:
                raise Over
        elif arrival.fate.go_ahead and "expect" in arrival.fields:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await self._body(arrival, reader, writer)
        lasts = arrival.fate.close == "keep" and arrival.fate.coding != "close"
        if arrival.sent:
            return lasts
        arrival.body = body
        await asyncio.sleep(arrival.fate.wait)
        if end is End.LATE_RESET:
            reset(writer)
        if end is End.LATE_CLOSE:
            raise Over
        if end is End.STALL:
            await reader.read()
            raise Over
        await self._reply(arrival, writer)
        return lasts

    async def _body(
        self, arrival: Arrival, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        """All of it, and the line in the ledger that says so."""
        got = bytearray()
        state = "cut"
        length = int(arrival.fields.get("content-length", 0))
        try:
            if "transfer-encoding" in arrival.fields:
                while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
                    await take(reader, got, size, arrival.fate)
                    if await reader.readexactly(2) != b"\r\n":
                        raise ValueError("a chunk that does not end where it should")
                while await reader.readuntil(b"\r\n") != b"\r\n":
                    pass
            else:
                await take(reader, got, length, arrival.fate)
            state = "whole"
        except ValueError:
            state = "broken"
            raise Over from None
        finally:
            body = bytes(got)
            self.write("body", self._number, arrival.name, len(body), content.digest(body), state)
            if arrival.fate.end is End.RESET_BODY:
                reset_quietly(writer)
        return body

    async def _reply(self, arrival: Arrival, writer: asyncio.StreamWriter) -> None:
        """Also what is wrong about it."""
        arrival.sent = True
        drawn = arrival.fate
        if drawn.coding == "close":
            linger(writer, _RESET)  # also where this process is killed in the midst of it
        for part in writes(arrival):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(drawn.drip)
        linger(writer, _FIN)
        if drawn.end is End.CUT_RST:
            reset(writer)
        if drawn.end is End.STALL_REPLY:
            await asyncio.sleep(30)
        if drawn.end in (End.CUT_FIN, End.STALL_REPLY, End.BAD_CHUNK, End.BROKEN):
            raise Over

    async def _events(self, arrival: Arrival, nth: int, writer: asyncio.StreamWriter) -> None:
        """From behind the id that the client has seen last."""
        drawn = stream(self._seed, arrival.nonce, self._number, nth)
        head = (
            f"HTTP/1.1 200 OK\r\n{content.NONCE}: {arrival.nonce}\r\n"
            "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        writer.write(head.encode())
        for number in range(int(arrival.fields.get("last-event-id", 0)) + 1, drawn.last + 1):
            said = content.event(arrival.nonce, number)
            writer.write(b"%x\r\n%b\r\n" % (len(said), said))
            await writer.drain()
            await asyncio.sleep(drawn.gap)
        if drawn.how == "whole":
            writer.write(b"0\r\n\r\n")
            return
        if drawn.how == "rst":
            reset(writer)
        if drawn.how == "stall":
            await asyncio.sleep(30)
        raise Over

    async def _tunnel(
        self, arrival: Arrival, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Go over, say the nonce, then echo; or break somewhere."""
        end = arrival.fate.end
        if end in (End.RESET, End.RESET_BODY):
            reset(writer)
        if end in (End.CLOSE, End.STALL_UPLOAD):
            raise Over
        if arrival.method == "POST":
            arrival.body = await self._body(arrival, reader, writer)
        if end in (End.EARLY, End.BROKEN):
            await self._reply(arrival, writer)
            raise Over
        protocol = arrival.fields["upgrade"]
        writer.write(
            f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n"
            f"{content.NONCE}: {arrival.nonce}\r\n\r\n{arrival.nonce}\n".encode()
        )
        left = int(arrival.fate.share * 50_000) if end is not End.ANSWER else 1 << 30
        while left > 0 and (data := await reader.read(65_536)):
            writer.write(data)
            await writer.drain()
            left -= len(data)
        if end is End.CUT_RST:
            reset(writer)


async def take(reader: asyncio.StreamReader, got: bytearray, size: int, drawn: Fate) -> None:
    """``size`` bytes, as they come. Raises Over where that is not to go on, or cannot."""
    while size:
        data = await reader.read(min(size, 65_536))
        if not data:
            raise Over
        got += data
        size -= len(data)
        if drawn.end is End.RESET_BODY and len(got) >= drawn.share * 20_000:
            raise Over
        if drawn.thirst:
            await asyncio.sleep(drawn.thirst)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST. Raises Over."""
    reset_quietly(writer)
    raise Over


def reset_quietly(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    linger(writer, _RESET)
    writer.transport.abort()


def linger(writer: asyncio.StreamWriter, how: bytes) -> None:
    """Whether a close of this connection, or the death of this process, is a RST or a FIN."""
    connection = writer.get_extra_info("socket")
    if connection is not None and not writer.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, how)


def endings_show(writer: asyncio.StreamWriter) -> bool:
    """Whether a client can tell a reset from a close: unix sockets know no RST."""
    connection = writer.get_extra_info("socket")
    return connection is not None and connection.family != socket.AF_UNIX


async def main() -> None:
    """Serve until whoever started this is gone."""
    seed, number, port = map(int, sys.argv[1:4])
    server = Server(seed, number, sys.argv[4])
    limit, backlog = 1 << 18, 1024
    await asyncio.start_server(server.serve, "127.0.0.1", port, limit=limit, backlog=backlog)
    await asyncio.start_unix_server(server.serve, sys.argv[5], limit=limit, backlog=backlog)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
