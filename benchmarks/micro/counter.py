"""Counts of what is done in this thread: calls, writes, timers, tasks."""

import asyncio
import sys
from asyncio import selector_events
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

# The loop's own work is left out: in production it is uvloop's, in C, where nothing can be counted.
_LOOP: Final = frozenset(
    f"{asyncio.__path__[0]}/{name}.py"
    for name in ("base_events", "events", "selector_events", "transports", "unix_events", "runners")
)
_SELECTORS: Final = "selectors.py"
_TRANSPORT: Final[Any] = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]


class CountingLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, which tells ``tally`` of timers and tasks that are made on it."""

    def __init__(self) -> None:
        super().__init__()
        self.tally: Tally[str] = Tally()

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, **options: Any
    ) -> Any:
        """A timer; ``call_later`` comes here too."""
        self.tally["timers"] += 1
        return super().call_at(when, callback, *args, **options)

    def create_task(self, coro: Any, **options: Any) -> Any:
        """A task."""
        self.tally["tasks"] += 1
        return super().create_task(coro, **options)


class Counter:
    """Counts while its block runs."""

    def __init__(self, loop: CountingLoop, upstream: int) -> None:
        """``upstream``: the port that tells writes to the upstream from those to the client."""
        self._loop = loop
        self._upstream = upstream
        self._ours = {__file__}

    @contextmanager
    def counting(self) -> Iterator[Tally[str]]:
        """What is counted is there when the block has ended."""
        tally: Tally[str] = Tally()
        self._loop.tally = tally
        write, writelines = _TRANSPORT.write, _TRANSPORT.writelines
        _TRANSPORT.write = self._told(write, tally)
        _TRANSPORT.writelines = self._told(writelines, tally)
        calls = Calls({*_LOOP, *self._ours})
        sys.setprofile(calls.event)
        try:
            yield tally
        finally:
            sys.setprofile(None)
            _TRANSPORT.write, _TRANSPORT.writelines = write, writelines
            self._loop.tally = Tally()
            tally["calls"] = calls.count

    def _told(self, write: Callable[..., None], tally: Tally[str]) -> Callable[..., None]:
        def told(transport: Any, data: Any) -> None:
            peer = transport.get_extra_info("peername")
            if peer is not None:
                to_upstream = peer[1] == self._upstream
                tally["writes to the upstream" if to_upstream else "writes to the client"] += 1
            write(transport, data)

        return told


class Calls:
    """A profile function: calls of Python code, and of C code from Python code."""

    __slots__ = ("_ignored", "count")

    def __init__(self, ignored: set[str]) -> None:
        self._ignored = ignored
        self.count = 0

    def event(self, frame: FrameType, event: str, _: Any) -> None:
        """See ``sys.setprofile``: of a call in C the frame is the caller's."""
        if event in ("call", "c_call"):
            file = frame.f_code.co_filename
            if file not in self._ignored and not file.endswith(_SELECTORS):
                self.count += 1
