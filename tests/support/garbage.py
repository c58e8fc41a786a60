"""What only the garbage collector would let go of, and who holds what."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CellType, CoroutineType, FrameType, FunctionType, ModuleType, TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def collector_off() -> Iterator[Callable[[], Counter[str]]]:
    """Counts what only the collector would find."""
    gc.collect()
    gc.freeze()  # what has been there is not looked at, neither now nor later
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)

    def found() -> Counter[str]:
        gc.collect()
        return Counter(filter(None, map(_ours, gc.garbage)))

    try:
        yield found
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _ours(thing: object) -> str:
    kind = type(thing)
    if kind.__module__.partition(".")[0] in ("proxy", "aiohttp", "aiohttp_retry"):
        return kind.__qualname__
    code: Any = None
    if isinstance(thing, FrameType):
        code = thing.f_code
    elif isinstance(thing, CoroutineType):
        code = thing.cr_code
    elif isinstance(thing, TracebackType):
        code = thing.tb_frame.f_code
    if code is not None and ("/proxy/" in code.co_filename or "/aiohttp" in code.co_filename):
        return f"{kind.__name__} of {code.co_qualname}"
    return ""


def living(kind: type[T]) -> list[T]:
    """All objects of a class. ``isinstance`` would ask weak proxies whose object is gone."""
    return [thing for thing in gc.get_objects() if issubclass(type(thing), kind)]


def held(mark: bytes) -> list[str]:
    """Who holds long bytes that bear this mark, tests aside."""
    found = []
    gc.collect()
    gc.unfreeze()  # what has been there since before the tests may hold them as well
    things = gc.get_objects()
    gc.freeze()
    for thing in things:
        if type(thing) in (FrameType, CoroutineType, FunctionType, CellType):
            continue
        if type(thing).__name__ == "managedbuffer":  # where reads go, see net/small_reads
            continue
        # Before CPython 3.12.6, asking _asyncio gives what it has freed (gh-122695); what modules
        # hold is in their dicts.
        if issubclass(type(thing), ModuleType):
            continue
        if str(type(thing).__module__).startswith("tests.") or _module(thing):
            continue
        found += [
            type(thing).__qualname__
            for part in gc.get_referents(thing)
            if type(part) in (bytes, bytearray) and len(part) > 10_000 and mark in part[:200]
        ]
    return found


def _module(thing: object) -> bool:
    return isinstance(thing, dict) and str(thing.get("__name__", "")).startswith("tests.")
