"""What the proxy holds, and whether it lets go of it once nothing is asked of it any more."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.chaos.process import Proxy

_BEFORE: Final = 12
"""Looks at an idle proxy: health checks come and go, so the most of each counts."""
_STEP: Final = 0.2
RETURN: Final = 60.0
"""Seconds in which everything must have returned; no clock of the proxy that holds anything is
longer than 20 s."""
GROWN: Final = 40.0
"""MiB that the process may have grown by: heaps do not shrink to the byte."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is held at a moment."""

    gauges: dict[str, int]
    """Numbers of ``/api/state`` that count what is under way, by their place."""
    tasks: int
    descriptors: int
    deleted: int
    """Open files that have no name any more, as a spool has none."""
    resident: float
    """MiB."""
    files: tuple[str, ...] = ()
    """What the descriptors pointed to when there were most of them."""


def gauges(state: Any, place: str = "") -> dict[str, int]:
    """What a report counts of things that end: all ``in_flight`` and the like, and all tunnels."""
    found: dict[str, int] = {}
    if isinstance(state, dict):
        for name, value in state.items():
            where = f"{place}/{name}"
            if name in _ENDING and isinstance(value, int):
                found[where] = value
            elif name == "tunnels" and isinstance(value, list):
                found[where] = len(value)
            else:
                found |= gauges(value, where)
    elif isinstance(state, list):
        for index, value in enumerate(state):
            found |= gauges(value, f"{place}/{index}")
    return found


_ENDING: Final = frozenset({"in_flight", "waiting", "kept_bytes", "resumable"})


async def look(proxy: Proxy, *, collect: bool = False) -> Held:
    """At what it holds now."""
    state = await asyncio.to_thread(proxy.state)
    tasks = await asyncio.to_thread(lambda: proxy.tasks(collect=collect))
    files = proxy.descriptors()
    return Held(
        gauges(state),
        sum(tasks.values()),
        len(files),
        sum("(deleted)" in file for file in files),
        proxy.resident(),
    )


async def at_rest(proxy: Proxy) -> Held:
    """The most of each that an idle proxy holds."""
    looks = []
    files: list[str] = []
    for _ in range(_BEFORE):
        looks.append(await look(proxy))
        files = max(files, proxy.told_files(), key=len)
        await asyncio.sleep(_STEP)
    return Held(
        {},
        max(held.tasks for held in looks),
        max(held.descriptors for held in looks),
        max(held.deleted for held in looks),
        max(held.resident for held in looks),
        tuple(files),
    )


def left_over(start: Held, now: Held) -> dict[str, str]:
    """What has not returned, by its name."""
    found = {place: f"{value}" for place, value in now.gauges.items() if value}
    for name in ("tasks", "descriptors", "deleted"):
        was, held = getattr(start, name), getattr(now, name)
        if held > was:
            found[name] = f"{held}, {was} at the start"
    return found


async def returned(proxy: Proxy, start: Held, within: float = RETURN) -> list[str]:
    """Wait until everything has returned; what has not, in words.

    Each thing has to be seen at rest once: a health check may be under way at any moment.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + within
    missing: dict[str, str] | None = None
    while missing is None or (missing and loop.time() < until):
        now = left_over(start, await look(proxy))
        missing = now if missing is None else {k: now[k] for k in missing if k in now}
        await asyncio.sleep(_STEP)
    found = [f"leak: {name} is {value}" for name, value in missing.items()]
    if "tasks" in missing:
        found.append(f"leak: {await asyncio.to_thread(proxy.tasks)}")
    if "descriptors" in missing or "deleted" in missing:
        found.append("leak: open at the start: " + ", ".join(start.files))
        found.append("leak: open now: " + ", ".join(proxy.told_files()))
    return found


async def grown(proxy: Proxy, start: Held, most: float) -> tuple[float, float, list[str]]:
    """MiB without and with a full collection, and in words where they are too many."""
    before = (await look(proxy)).resident
    after = (await look(proxy, collect=True)).resident
    found = []
    if before - start.resident > most:
        found.append(
            f"memory: {start.resident:.0f} MiB before, {before:.0f} after, "
            f"{after:.0f} after a full collection; {most:.0f} more are allowed"
        )
    return before, after, found
