"""A day in virtual time: this proxy's own chain, with the schedule in place of servers.

A machine that is busy makes answers late, which a figure of 99 % and above shows at once. Here time
passes only when all that is due has been done. Nothing goes over sockets, so connections, heads and
bodies are not tested here, and other proxies cannot take part: ``make badday`` does that.
"""

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from benchmarks.badday.answer import Outcome
from benchmarks.badday.ceiling import ceiling, foreseen
from benchmarks.badday.client import PATIENCE, Order, Record, orders
from benchmarks.badday.endpoints import Entry
from benchmarks.badday.peers import told
from benchmarks.badday.profile import Profile
from benchmarks.badday.report import Figures, figures
from benchmarks.badday.schedule import Fate, Kind, Schedule
from proxy.config.load import load
from proxy.core.body import EMPTY, BytesBody
from proxy.core.errors import (
    ConnectFailed,
    ConnectionTerminated,
    ProxyError,
    ReplyBroken,
    ResponseTimeout,
    Stage,
)
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Ending, Reply
from proxy.core.shared import Shared
from proxy.core.timeouts import TimeoutsOptions
from proxy.run import tree
from proxy.upstream.address import Address
from proxy.upstream.session import Session

_HOP: Final = 0.0003
"""Seconds from the proxy to a server."""
_OK, _BUSY = 200, 503


class _Jumper(selectors.DefaultSelector):
    """Moves the clock instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; else the clock jumps to the next timer."""
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing is ready and no timer is pending"
            self.now += max(timeout, 0.0)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    """Whose minute takes as long as its work."""

    def __init__(self) -> None:
        self._jumper = _Jumper()
        super().__init__(self._jumper)

    def time(self) -> float:
        """The clock that jumps."""
        return self._jumper.now


class _Body:
    """All of it at once, or half of it and then nothing."""

    buffered: None = None

    def __init__(self, size: int, *, cut: bool) -> None:
        self._left = b"x" * size
        self._cut = cut

    async def read(self) -> bytes:
        """Raises ReplyBroken where it is cut."""
        await asyncio.sleep(_HOP)
        if self._cut and not self._left:
            raise ReplyBroken("cut")
        left, self._left = self._left, b""
        return left

    def close(self, ending: Ending) -> None:
        """Nothing is held."""


class Servers:
    """What ``endpoints.py`` does on sockets."""

    def __init__(self, profile: Profile, seed: int, now: Callable[[], float]) -> None:
        self._profile = profile
        self._schedules = [Schedule(profile, seed, each) for each in range(profile.servers)]
        self._in_flight = [0] * profile.servers
        self._times: Counter[str] = Counter()
        self._now = now
        self.entries: list[Entry] = []

    def forward(self, address: Address, _: object, timeouts: TimeoutsOptions, __: object) -> "_To":
        """In place of ``upstream/forward``."""
        number = int(address.name.split(".")[-1].split(":")[0])
        return _To(self, number, address.name, timeouts)

    async def answer(self, exchange: Exchange, number: int, patience: float) -> Reply:
        """Of one of them, or what comes instead."""
        await asyncio.sleep(_HOP)
        down, now = self._profile.down, self._now()
        if down is not None and down.covers(number, now):
            raise ConnectFailed("refused")
        exchange.record.connect_s = 0.0
        if self._profile.partition is not None and self._profile.partition.covers(number, now):
            await asyncio.Event().wait()
        name = exchange.path
        fate = self._schedules[number].fate(name, self._times[name], now, self._in_flight[number])
        self._times[name] += 1
        self.entries.append(Entry(number, exchange.method, name, now))
        self._in_flight[number] += 1
        try:
            if down and number in down.endpoints and now < down.begins < now + fate.wait:
                await asyncio.sleep(down.begins - now)
                raise ConnectionTerminated("it has gone", stage=Stage.SENT)
            if 0 < patience < fate.wait:
                await asyncio.sleep(patience)
                raise ResponseTimeout("late", stage=Stage.SENT)
            await asyncio.sleep(fate.wait)
        finally:
            self._in_flight[number] -= 1
        return _reply(fate)


class _To:
    """One of the servers, as a route reaches it."""

    def __init__(self, servers: Servers, number: int, name: str, timeouts: TimeoutsOptions) -> None:
        self._servers = servers
        self._number = number
        self._name = name
        self._patience = float(timeouts.first_byte)

    async def handle(self, exchange: Exchange) -> Reply:
        """One attempt."""
        record = exchange.record
        record.attempt_count += 1
        record.endpoint, record.upstream = self._name, "api"
        record.connect_s = record.first_byte_at = None
        reply = await self._servers.answer(exchange, self._number, self._patience)
        record.first_byte_at = asyncio.get_running_loop().time()
        return reply


def _reply(fate: Fate) -> Reply:
    if fate.kind is Kind.RESET:
        raise ConnectionTerminated("reset", stage=Stage.SENT)
    if fate.kind in (Kind.UNAVAILABLE, Kind.RETRY_AFTER):
        fields = [(b"Retry-After", b"1")] if fate.kind is Kind.RETRY_AFTER else []
        return Reply(_BUSY, fields, _Body(2, cut=False), length=2)
    cut = fate.kind in (Kind.CUT_FIN, Kind.CUT_RST)
    size = fate.size // 2 if cut else fate.size
    return Reply(_OK, (), _Body(size, cut=cut), length=fate.size)


async def _ask(handle: Handler, order: Order, due: float) -> Record:
    loop = asyncio.get_running_loop()
    body = BytesBody(b"x", b"", 1) if order.method == "POST" else EMPTY
    exchange = Exchange(
        order.method, b"/", (), b"/", path=order.name, body=body, started_at=loop.time()
    )
    status, outcome = 0, Outcome.LATE
    try:
        async with asyncio.timeout_at(due + PATIENCE):
            reply = await handle(exchange)
            status, ending = reply.status, Ending.BROKEN
            try:
                while await reply.read():
                    pass
                ending = Ending.COMPLETE
            finally:
                reply.close(ending)
            passed = (
                Outcome.PASSED if order.method == "POST" and status == _BUSY else Outcome.STATUS
            )
            outcome = Outcome.WHOLE if status == _OK else passed
    except ReplyBroken:
        outcome = Outcome.CUT if status else Outcome.STATUS
    except ProxyError:
        outcome = Outcome.STATUS
    except TimeoutError:
        outcome = Outcome.LATE
    return Record(order.due, loop.time() - due, outcome, status or 502)


async def _spend(profile: Profile, row: str, seed: int, day: list[Order], folder: Path) -> Any:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    servers = Servers(profile, seed, lambda: loop.time() - begun)
    names = [f"10.0.0.{number}:9000" for number in range(profile.servers)]
    config = load(told(row, profile.tuning, folder, 8080, names))
    with ExitStack() as stack:
        stack.enter_context(patch.object(tree, "Forward", servers.forward))
        stack.enter_context(patch.object(tree, "Shared", partial(Shared, clock=loop.time)))
        async with Session() as session:
            built = tree.Tree(config, session, random.Random(seed)).build()
            handle = built.router.find("GET", "a", "/", ()).handle
            async with asyncio.TaskGroup() as group:
                tasks = []
                for order in day:
                    await asyncio.sleep(begun + order.due - loop.time())
                    tasks.append(group.create_task(_ask(handle, order, begun + order.due)))
            await built.close()
    return [task.result() for task in tasks], servers.entries


def virtual_day(profile: Profile, row: str, seed: int, seconds: float, folder: Path) -> Figures:
    """One row of this proxy."""
    scaled, sent = profile.lasting(seconds), orders(seed, seconds)
    with asyncio.Runner(loop_factory=_Loop) as runner:
        records, entries = runner.run(_spend(scaled, row, seed, sent, folder))
    most, without = ceiling(scaled, seed, sent), foreseen(scaled, seed, sent)
    return figures(records, entries, scaled, seconds, most=most, without_foresight=without)
