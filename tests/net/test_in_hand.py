"""What bodies have in hand is what of them is unread, and nothing once they have ended.

Kind: a PUT that is kept on the disk slowed all other bodies, since what had been written counted.
"""

import asyncio

import pytest
from aiohttp.streams import StreamReader

from proxy.edge.http1.spool import Spool
from proxy.net.small_reads import IN_HAND, LARGEST, TOTAL
from proxy.upstream.http1.reply_body import ReplyBody
from tests.support.garbage import living
from tests.support.message import OK, get, length
from tests.support.proxy import fronted

PATIENCE = 30.0
HEAD = b"%b / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


async def test_in_hand_is_what_is_unread_and_not_all_that_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While a piece is written to the disk, or to a client, the next one has come already."""
    body = b"y" * (3 * TOTAL)
    most = 0
    receive = Spool.put

    async def put(spool: Spool, data: bytes) -> None:
        nonlocal most
        await asyncio.sleep(0.001)
        most = max(most, IN_HAND.bytes)
        await receive(spool, data)

    monkeypatch.setattr(Spool, "put", put)
    async with fronted(["wait-body", length(b"")]) as (_, proxy), await proxy.connect() as client:
        sending = asyncio.ensure_future(client.send(HEAD % (b"PUT", len(body)) + body))
        assert (await client.receive()).status == 200
        await sending
    assert 0 < most <= 4 * LARGEST


async def test_in_hand_of_a_reply_is_what_is_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"y" * (3 * TOTAL)
    most = 0
    read = ReplyBody.read

    async def slowly(reply: ReplyBody) -> bytes:
        nonlocal most
        found = await read(reply)
        await asyncio.sleep(0.001)
        most = max(most, IN_HAND.bytes)
        return found

    monkeypatch.setattr(ReplyBody, "read", slowly)
    async with fronted([length(body)]) as (_, proxy), await proxy.connect() as client:
        await client.send(get())
        assert len((await client.receive()).body) == len(body)
    assert 0 < most <= 4 * LARGEST


@pytest.mark.parametrize("piece", [1 << 20, 100])
async def test_what_is_unread_of_an_upload_is_in_hand(
    monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """Else nothing would bound what many slow uploads hold."""
    held: list[tuple[int, int]] = []
    put = Spool.put
    others = set(living(StreamReader))  # of tests before, which nobody has let go of yet

    async def late(spool: Spool, data: bytes) -> None:
        await put(spool, data)
        await asyncio.sleep(0.01)
        unread = sum(reader._size for reader in living(StreamReader) if reader not in others)
        held.append((IN_HAND.bytes, unread))

    monkeypatch.setattr(Spool, "put", late)
    body = b"y" * (8 * piece)
    async with fronted(["wait-body", OK]) as (_, proxy), await proxy.connect() as client:
        await client.send(HEAD % (b"PUT", len(body)) + body)
        assert (await client.receive()).status == 200
    assert all(in_hand >= unread for in_hand, unread in held)
    assert any(unread for _, unread in held) is (piece > LARGEST)
