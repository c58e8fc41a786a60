"""A file of the store that is removed while a client reads from it."""

import logging
from pathlib import Path

import pytest

from tests.support.client import RawClient
from tests.support.message import CHUNKED_HEAD, chunked, get, length
from tests.support.proxy import fronted

LIFE = b"Cache-Control: max-age=60\r\n"
BODY = (
    bytes(range(256)) * 49152
)  # 12 MiB: more than what sockets hold, less than what waits for the disk
RANGES = b"Range: bytes=0-6291455,6291500-\r\n"
PIECES = [BODY[at : at + 1_000_000] for at in range(0, len(BODY), 1_000_000)]
REPLIES = {
    "length": length(BODY, fields=LIFE),
    "chunked": CHUNKED_HEAD[:-2] + LIFE + b"\r\n" + chunked(*PIECES),
}


def remove(folder: Path, names: str) -> None:
    for each in folder.glob(names):
        each.unlink()


@pytest.mark.parametrize(
    "request_",
    [get(), get(fields=RANGES), b"GET / HTTP/1.0\r\nHost: proxy.test\r\n\r\n"],
    ids=["whole", "parts", "http/1.0"],
)
@pytest.mark.parametrize(("framing", "names"), [("length", "store.db*"), ("chunked", "store.db")])
async def test_who_reads_from_a_file_that_is_removed_sees_that_the_reply_is_cut(
    tmp_path: Path,
    request_: bytes,
    framing: str,
    names: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "store.db"
    tables = {
        "cache": {"max_object": "64MiB"},
        "store": {"url": f"sqlite:{path}", "timeout": "0"},
        "retry": {"attempts": 1},
    }
    scripts = [REPLIES[framing]], [length(b"new", fields=LIFE)]
    async with fronted(*scripts, **tables) as (upstream, proxy):
        assert (await proxy.ask(get())).body == BODY
        async with await RawClient.connect(proxy.address, receive_buffer=1 << 16) as client:
            await client.send(request_)
            client._buffer += await client.read()
            remove(tmp_path, names)
            with caplog.at_level(logging.WARNING):
                answer = await client.receive()
        assert answer.ended in ("rst", "fin-short")
        assert "the rest of a stored reply is lost" in caplog.text
        assert (await proxy.ask(get())).body == b"new"
        assert len(upstream.requests) == 2
