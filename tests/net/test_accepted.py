"""A connection that is cancelled while it is being made is told of its end."""

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest

from proxy.net.accepted import connect

PATIENCE = 30.0


class Told(asyncio.Protocol):
    """Takes something for as long as there is a connection."""

    def __init__(self) -> None:
        self.held = False
        self.made = asyncio.Event()
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.held = True
        self.made.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.held = False
        self.lost.set()


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize("after", range(6))
def test_whenever_it_is_cancelled_nothing_stays_taken(
    after: int, loops: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def cancelled() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        with theirs:
            protocol = Told()
            task = asyncio.ensure_future(connect(lambda: protocol, ours))
            await turns(after)
            task.cancel()
            await asyncio.wait((task,))
            if not task.cancelled():
                assert protocol.held  # it was a connection before, and is one
                return
            if not after:
                ours.close()  # it had not begun
            async with asyncio.timeout(PATIENCE):
                assert await asyncio.get_running_loop().sock_recv(theirs, 1) == b""
                if protocol.made.is_set():
                    await protocol.lost.wait()
            assert not protocol.held

    with asyncio.Runner(loop_factory=loops) as runner:
        runner.run(cancelled())


@pytest.fixture(params=["asyncio", "uvloop"])
def loops(request: pytest.FixtureRequest) -> Any:
    if request.param == "asyncio":
        return asyncio.SelectorEventLoop
    if sys.platform == "win32":
        pytest.skip("there is none")
    return pytest.importorskip("uvloop").new_event_loop


async def test_a_fault_of_the_protocol_is_the_callers() -> None:
    def refuse() -> asyncio.Protocol:
        raise OSError(24, "Too many open files")

    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(OSError, match="Too many"):
        await connect(refuse, ours)
