"""``kill -9`` while replies are being stored in a file, and what the next process answers."""

import asyncio
import contextlib
import random
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.cache.programs import free_port, proxy

_TARGETS: Final = 60
_SIZES: Final = (500, 60_000, 150_000, 700_000)


class Kills(NamedTuple):
    """What was found."""

    rounds: int
    hits: int
    """Entries that a process before had stored."""
    wrong: int
    """Of those, how many were not what the API had answered, or cut and passed off as whole."""
    cut: int
    """Answers that ended before their stated length, so that the client knows: the file was full,
    with what killed processes had on its way, and the entry gave way while it was read."""


def _body(target: str, size: int) -> bytes:
    mark = f"<{target} {size}>".encode()
    return (mark * (size // len(mark) + 1))[:size]


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An API whose bodies say what they are: 64 KiB at a time, chunked or of known length."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            target = head.split()[1].decode()
            size = _SIZES[sum(target.encode()) % len(_SIZES)]
            body = _body(target, size)
            life = b"Cache-Control: max-age=3600\r\n"
            chunked = size % 3 == 0
            framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
            writer.write(b"HTTP/1.1 200 OK\r\n%b%b\r\n\r\n" % (life, framing))
            for at in range(0, size, 65536):
                piece = body[at : at + 65536]
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await writer.drain()
                await asyncio.sleep(0)
            if chunked:
                writer.write(b"0\r\n\r\n")
    writer.close()


async def kills(where: Path, rounds: int, seed: int) -> Kills:
    """Kill a proxy while it stores, and ask the next one for everything."""
    rng = random.Random(seed)
    server = await asyncio.start_server(_answer, "127.0.0.1", free_port())
    behind = server.sockets[0].getsockname()[1]
    store = f'[store]\nurl = "sqlite:{where / "killed.db"}"\ntimeout = "5s"'
    hits = wrong = cut = 0
    for number in range(rounds):
        with proxy(where, behind, store) as running:
            for target in (f"/{n}" for n in range(_TARGETS)):
                if rng.random() < 0.5:
                    continue
                try:
                    status, body, cache = await fetch_any(running.port, target)
                except asyncio.IncompleteReadError:
                    cut += 1
                    continue
                if "; hit" in cache:
                    hits += 1
                    size = _SIZES[sum(target.encode()) % len(_SIZES)]
                    wrong += status != 200 or body != _body(target, size)
            fresh = [f"/{n}?{number}" for n in range(_TARGETS)]
            asking = [asyncio.create_task(fetch_any(running.port, each)) for each in fresh]
            await asyncio.sleep(rng.uniform(0.0, 0.25))
            running.kill()
            for each in await asyncio.gather(*asking, return_exceptions=True):
                if isinstance(each, BaseException) and not isinstance(
                    each, OSError | EOFError | KeyError
                ):
                    raise each
    server.close()
    return Kills(rounds, hits, wrong, cut)


async def fetch_any(port: int, target: str) -> tuple[int, bytes, str]:
    """As ``fetch``, of a body in either framing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        cache = next((x for x in head.split("\r\n") if x.startswith("cache-status:")), "")
        if "content-length:" in head:
            size = int(head.partition("content-length:")[2].split()[0])
            return int(head.split()[1]), await reader.readexactly(size), cache
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        return int(head.split()[1]), body, cache
    finally:
        writer.close()
