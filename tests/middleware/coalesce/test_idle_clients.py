"""What a permit of a shared call is told of clients that take nothing."""

import asyncio

import pytest

from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.core.stopwatch import Stopwatch
from proxy.http.fields import RawHeaders
from tests.middleware.coalesce.test_coalesce import shared
from tests.support.loop import JumpingLoop, Script, get
from tests.support.pieces import Pieces, body, streaming

PRIVATE: RawHeaders = [(b"Cache-Control", b"private")]
BIG = bytes(256 << 10)


def stalled(script: Script) -> float:
    """What whoever has sent the call sees now."""
    seconds = script.exchanges[0].stalled
    assert seconds is not None
    return seconds(asyncio.get_running_loop().time())


async def test_a_shared_reply_stalls_while_nobody_takes_what_was_read(jumping: JumpingLoop) -> None:
    script = Script(streaming(Pieces(*[BIG] * 3)))
    inner = shared(script)
    fast, slow = await asyncio.gather(inner.handle(get()), inner.handle(get()))
    await asyncio.sleep(1.5)  # the first piece came after a second, and it is as much as is read
    assert stalled(script) == 0.5
    for _ in range(2):
        await fast.read()
    assert stalled(script) == 0.5  # it waits for the upstream, whatever the slow one does
    await asyncio.sleep(7)
    assert stalled(script) == 7.5
    assert await body(fast) == BIG
    slow.close(Ending.ABANDONED)


async def test_a_reply_for_the_leader_stalls_as_long_as_that_is_waited_for(
    jumping: JumpingLoop,
) -> None:
    script = Script(streaming(Pieces(b"x"), PRIVATE))
    leader = get()
    reply = await shared(script).handle(leader)
    assert isinstance(leader.stalled, Stopwatch)  # which the relay goes on with
    leader.stalled.begin(jumping.time())
    await asyncio.sleep(7)
    assert stalled(script) == 7.0
    reply.close(Ending.ABANDONED)


async def cut(exchange: Exchange, task: "asyncio.Task[None] | None") -> None:
    """What a permit does with a client that others wait for."""
    exchange.error = "connection_write_timeout" if exchange.committed else "http_request_error"
    assert task is not None
    task.cancel()
    await asyncio.wait([task])


class Hasty(Pieces):
    """All of it is there when its client first looks, but not when the call did."""

    def comes(self) -> None:
        self.buffered = BIG


@pytest.mark.parametrize(
    ("headers", "kind"),
    [(PRIVATE, Pieces), (PRIVATE, Hasty), ((), Pieces)],
    ids=["one client's", "one client's, which comes meanwhile", "shared"],
)
async def test_the_end_of_the_call_is_the_end_of_its_reply(
    jumping: JumpingLoop, headers: RawHeaders, kind: type[Pieces]
) -> None:
    pieces = kind(*[BIG] * 9)
    call: asyncio.Task[None] | None = None

    async def asking(exchange: Exchange) -> Reply:
        nonlocal call
        call = asyncio.current_task()
        if isinstance(pieces, Hasty):
            jumping.call_soon(pieces.comes)
        return streaming(pieces, headers)

    script, leader = Script(asking), get()
    inner = shared(script)

    async def relaying() -> None:
        reply = await inner.handle(leader)
        try:
            await asyncio.sleep(100)  # the client takes nothing
        finally:
            reply.close(Ending.ABANDONED)

    client = asyncio.create_task(relaying())
    await asyncio.sleep(50)
    await cut(script.exchanges[0], call)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert pieces.ending is Ending.ABANDONED
    assert client.done() is bool(headers)
    assert leader.error == ("connection_write_timeout" if headers else "")
    await asyncio.wait([client])
