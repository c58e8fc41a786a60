"""Looks once a second at what happened, and keeps it: of this process, or of all its workers."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from proxy.admin.live import Live
from proxy.admin.source import Source
from proxy.core.clock import wall
from proxy.telemetry.call import Call
from proxy.telemetry.changes import Changes
from proxy.telemetry.history import History
from proxy.telemetry.recorder import SHOWN
from proxy.telemetry.second import Event, Flying, Hit, Second

log = logging.getLogger(__name__)

EVERY: Final = 1.0
"""Seconds from one look to the next."""
_BEHIND: Final = 0.01
"""Seconds after the full one: timers may ring a little early."""
_second: Final = msgspec.msgpack.Decoder(Second).decode
_calls: Final = msgspec.msgpack.Decoder(list[Call]).decode


class Observatory:
    """What the page and the API show beside the state."""

    __slots__ = ("_changes", "_ready", "_task", "_wall", "history", "live", "source", "stopping")

    def __init__(self, source: Source, wall: Callable[[], float] = wall) -> None:
        """``wall``: seconds since 1970."""
        self.source = source
        self.stopping = False
        """Whether the admin API was told to stop the proxy."""
        self.history = History(wall())
        self.live = Live(self.history, source)
        self._changes = Changes()
        self._ready = False
        self._wall = wall
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        """Look no more; who listens is told no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.live.close()

    async def _run(self) -> None:
        while True:
            # On the second: each look is in a second of its own, and none has none.
            await asyncio.sleep(EVERY - self._wall() % EVERY + _BEHIND)
            try:
                await self.look()
            except Exception:  # or nobody would look again
                log.exception("what happened in the last second is not known")

    async def look(self) -> None:
        """A second is over."""
        try:
            answers = await self.source.ask("second")
        except ValueError:  # nobody serves yet, or any more
            return
        second = merged([_second(each) for each in answers], self._wall())
        second.events += self._changes.look(self.source.describe(), second.at)
        if self.source.ready is not self._ready:
            self._ready = self.source.ready
            text = "the proxy wants new requests" if self._ready else "the proxy drains"
            second.events.append(Event(at=second.at, kind="proxy", text=text))
        self.history.add(second)
        self.live.publish(second)

    async def in_flight(self) -> list[Call]:
        """Exchanges in flight at this moment, the oldest first."""
        found = [call for each in await self.source.ask("in_flight") for call in _calls(each)]
        return _oldest(found)

    async def any(self, question: str, **values: Any) -> Any:
        """The first answer that is not None or False; else the last one."""
        answers = await self.source.ask(question, **values)
        return next((each for each in answers if each), answers[-1] if answers else None)


def merged(seconds: list[Second], at: float) -> Second:
    """What several processes have to say of one second, as one."""
    flying: dict[tuple[str, ...], Flying] = {}
    hits: dict[tuple[str, ...], Hit] = {}
    for second in seconds:
        for up in second.flying:
            known = flying.setdefault((up.route, up.upstream, up.server, up.phase), up)
            if known is not up:
                known.number += up.number
                known.oldest = max(known.oldest, up.oldest)
        for hit in second.hits:
            seen = hits.setdefault((hit.cause, hit.route, hit.upstream, hit.server, hit.about), hit)
            if seen is not hit:
                seen.number += hit.number
                if hit.worst > seen.worst:
                    seen.worst, seen.example = hit.worst, hit.example
    return Second(
        at=round(at, 3),
        cells=[cell for second in seconds for cell in second.cells],
        flying=list(flying.values()),
        in_flight=_oldest(call for second in seconds for call in second.in_flight),
        kept=[call for second in seconds for call in second.kept],
        hits=list(hits.values()),
        events=[event for second in seconds for event in second.events],
        connections=sum(second.connections for second in seconds),
    )


def _oldest(calls: Iterable[Call]) -> list[Call]:
    return sorted(calls, key=lambda call: (call.endless, call.at))[:SHOWN]
