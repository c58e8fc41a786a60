"""Memory that is free goes back to the system, and garbage does not pile up.

Requests leave no cycles behind (``core/errors.forget_frames`` and others see to it), so Python's
collector has little to do and comes rarely; what a bug or a library forgets must not wait for it.
And what glibc has been given back it keeps: between the bodies of 1,000 uploads of 50 kB lie small
things that live, so the end of its heap never comes free. Both are looked after once a second.

Between two looks glibc is to keep what it was given back: by itself it returns the end of its heap
to the system as soon as 128 KiB of it are free. A body of 64 KiB had its pages taken, cleared and
returned once for each request, which was an eighth of what it cost.
"""

import asyncio
import ctypes
import gc
import os
import time
from collections.abc import Callable
from typing import Final

LOOK: Final = 1.0
"""Seconds between two looks; one costs 15 µs."""
GROWTH: Final = 32 << 20
"""Bytes to grow by before all that lives is looked at; a quarter, if that is more."""
RELEASE: Final = 4 << 20
"""Bytes over the least that was seen from which on free memory is given back."""
RARELY: Final = 4
"""Looks between two tries to give back, where they find nothing to give."""
SHARE: Final = 20
"""A full collection is followed by at least so many times its own duration without one."""

COLLECT = (1_000, 10, 100)
"""Thresholds of the three generations: all that lives is looked at once in a million objects."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_IN_HEAP: Final = 512 << 10
"""Bytes from which on a piece of memory goes back when it is freed: twice what uvloop reads."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def settle_memory() -> None:
    """Keep the garbage collector from stopping the loop for long.

    What start-up made lives for good. Requests leave no cycles behind, so a look at all that lives
    is rarely worth its time: by default there is one whenever a quarter more lives than at the
    last, and with thousands of requests in flight each takes tenths of a second.
    """
    gc.freeze()
    gc.set_threshold(*COLLECT)


def resident() -> int:
    """Bytes of this process in memory; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0


def _trimmer() -> Callable[[], None]:
    """glibc's ``malloc_trim``; other allocators give back by themselves."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return _nothing
    return lambda: trim(0)


def _nothing() -> None:
    """There is nothing to do."""


def keep_what_is_free() -> None:
    """Have glibc keep what is freed, up to ``RELEASE`` bytes, until somebody trims it."""
    try:
        tune = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    tune(_M_TRIM_THRESHOLD, RELEASE)
    tune(_M_MMAP_THRESHOLD, _IN_HEAP)


class Memory:
    """Looks after the memory of the process."""

    __slots__ = (
        "_collect",
        "_collected",
        "_handle",
        "_least",
        "_loop",
        "_pause",
        "_resident",
        "_rest_until",
        "_trim",
        "_wait",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        resident: Callable[[], int] = resident,
        collect: Callable[[], object] = gc.collect,
        trim: Callable[[], None] | None = None,
    ) -> None:
        """``resident``: bytes in use; ``collect`` and ``trim`` make them less."""
        self._loop = loop
        self._resident = resident
        self._collect = collect
        if trim is None:
            keep_what_is_free()
            trim = _trimmer()
        self._trim = trim
        self._least = self._collected = resident()
        self._pause = self._wait = 0
        self._rest_until = 0.0
        self._handle = loop.call_later(LOOK, self._look)

    def close(self) -> None:
        """Look no more."""
        self._handle.cancel()

    def _look(self) -> None:
        self._handle = self._loop.call_later(LOOK, self._look)
        now = self._resident()
        if not now:
            return
        self._collected = min(self._collected, now)
        if now > self._collected + max(GROWTH, self._collected // 4):
            now = self._gather(now)
        self._least = min(self._least, now)
        if now < self._least + RELEASE:
            return
        if self._wait:
            self._wait -= 1
            return
        self._trim()
        freed = now - self._resident()
        self._pause = 0 if freed >= RELEASE // 4 else min(2 * self._pause + 1, RARELY)
        self._wait = self._pause

    def _gather(self, now: float) -> int:
        """A full collection, where there was not one a moment ago."""
        began = time.perf_counter()
        if began < self._rest_until:
            return int(now)
        self._collect()
        ended = time.perf_counter()
        self._rest_until = ended + SHARE * (ended - began)
        self._collected = self._resident()
        self._wait = 0
        return self._collected
