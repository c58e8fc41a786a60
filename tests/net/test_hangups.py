"""Ends behind bytes that nobody reads."""

import asyncio
import os
import select
import socket
import struct
from collections.abc import AsyncIterator, Iterator

import pytest

from proxy.net.hangups import HangupWatcher

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="there is no epoll")
PATIENCE = 30.0
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
async def watcher() -> AsyncIterator[HangupWatcher]:
    made = HangupWatcher(asyncio.get_running_loop())
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Ours and the client's, over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with ours, theirs:
        yield ours, theirs


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def heard(told: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE):
        await told.wait()


async def silent(told: asyncio.Event) -> None:
    """Nothing more is told in the time that it has always taken."""
    await asyncio.sleep(0.05)
    assert not told.is_set()


@pytest.mark.parametrize("how", ["close", "half", "reset"])
async def test_an_end_is_seen_behind_unread_bytes(
    watcher: HangupWatcher, pair: Pair, how: str
) -> None:
    ours, theirs = pair
    told = asyncio.Event()
    watcher.watch(ours.fileno(), told.set)
    theirs.sendall(b"unread")
    await silent(told)
    if how == "close":
        theirs.close()
    elif how == "half":
        theirs.shutdown(socket.SHUT_WR)
    else:
        reset(theirs)
    await heard(told)
    assert ours.recv(100) == b"unread" or how == "reset"


async def test_it_tells_once(watcher: HangupWatcher, pair: Pair) -> None:
    ours, theirs = pair
    told: list[None] = []
    done = asyncio.Event()

    def tell() -> None:
        told.append(None)
        done.set()

    watcher.watch(ours.fileno(), tell)
    theirs.close()
    await heard(done)
    await asyncio.sleep(0.05)
    assert len(told) == 1


async def test_behind_an_end_only_a_reset_is_news(watcher: HangupWatcher, pair: Pair) -> None:
    ours, theirs = pair
    told = asyncio.Event()
    theirs.shutdown(socket.SHUT_WR)
    watcher.watch(ours.fileno(), told.set, ended=True)
    await silent(told)
    reset(theirs)
    await heard(told)


async def test_a_second_watch_of_the_same_kind_changes_nothing(
    watcher: HangupWatcher, pair: Pair
) -> None:
    ours, theirs = pair
    first, second = asyncio.Event(), asyncio.Event()
    watcher.watch(ours.fileno(), first.set)
    watcher.watch(ours.fileno(), second.set)
    theirs.close()
    await heard(first)
    assert not second.is_set()


async def test_what_is_forgotten_is_not_told_of(watcher: HangupWatcher, pair: Pair) -> None:
    ours, theirs = pair
    told = asyncio.Event()
    watcher.watch(ours.fileno(), told.set)
    watcher.forget(ours.fileno())
    watcher.forget(ours.fileno())  # twice is no error
    theirs.close()
    await silent(told)


async def test_where_there_is_no_epoll_nobody_is_told(
    monkeypatch: pytest.MonkeyPatch, pair: Pair
) -> None:
    monkeypatch.delattr(select, "epoll")
    watcher = HangupWatcher(asyncio.get_running_loop())
    told = asyncio.Event()
    watcher.watch(pair[0].fileno(), told.set)
    pair[1].close()
    await silent(told)
    watcher.forget(pair[0].fileno())
    watcher.close()


async def test_a_number_that_is_another_one_s_by_now_is_not_forgotten(
    watcher: HangupWatcher, pair: Pair
) -> None:
    """Over TLS a descriptor is closed before its connection is told that it is lost."""
    gone, told = object(), asyncio.Event()
    left = socket.socketpair()
    number = left[0].fileno()
    watcher.watch(number, lambda: None, of=gone)
    for each in left:
        each.close()
    ours, theirs = pair
    os.dup2(ours.fileno(), number)
    watcher.watch(number, told.set, of=ours)
    watcher.forget(number, gone)
    theirs.close()
    await heard(told)
    watcher.forget(number, ours)
    os.close(number)


async def test_one_that_is_closed_already_is_forgotten(watcher: HangupWatcher) -> None:
    left = socket.socketpair()
    number = left[0].fileno()
    watcher.watch(number, lambda: None, of=left)
    for each in left:
        each.close()
    watcher.forget(number, left)
    assert not watcher._told
