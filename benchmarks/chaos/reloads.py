"""Reloads in the middle of it: each changes a route, a limit and options of the listener."""

import asyncio
from typing import Any, Final

from benchmarks.chaos.checks import Violation
from benchmarks.chaos.process import Proxy

_BAD_EVERY: Final = 5
"""Of so many files one is bad."""
_LAST: Final = 30.0
"""Seconds in which the first file has to be taken again."""
_OURS: Final = "Too many open files"
"""While there are no descriptors a file cannot be read."""


def varied(text: str, number: int) -> str:
    """Another configuration that gives the same answers; 0 is the first one."""
    if number % _BAD_EVERY == _BAD_EVERY - 1:
        return text.replace("first_byte", "frist_byte")
    text = text.replace("max_requests = 50", f"max_requests = {50 + number % 7}")
    text = text.replace("limit = 40", f"limit = {40 + number % 3}")
    text = text.replace("size = 20", f"size = {20 + number % 4}")
    if number % 2:
        text = text.replace("server_timing = true", "server_timing = false")
    if number % 3:
        text += f'[[routes]]\npath = "/more/{number}"\nupstream = "three"\n'
    return text


def judged(told: dict[str, Any], number: int) -> str:
    """What is wrong with the answer to a reload; empty where nothing is."""
    bad = number % _BAD_EVERY == _BAD_EVERY - 1
    if told["reloaded"] and bad:
        return f"reload: file {number} is bad, and was taken"
    refused = not told["reloaded"] and not bad
    if refused and not any(_OURS in each for each in told["problems"]):
        return f"reload: file {number} was refused: {told['problems']}"
    return ""


class Reloads:
    """One after the other."""

    def __init__(self, proxy: Proxy, every: float) -> None:
        """``every``: seconds between two."""
        self._proxy = proxy
        self._every = every
        self.number = 0
        self.found: list[Violation] = []

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(self._every)
            self.number += 1
            await self._reload(self.number)

    async def _reload(self, number: int) -> bool:
        try:
            told = await asyncio.to_thread(self._proxy.reload, varied(self._proxy.text, number))
        except OSError:  # no descriptor is left to answer with
            return False
        if wrong := judged(told, number):
            self.found.append(Violation(wrong))
        return bool(told["reloaded"])

    async def end(self) -> None:
        """Back to the first file."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _LAST
        while not await self._reload(0):
            if loop.time() > until:
                self.found.append(Violation("reload: the first file is not taken any more"))
                return
            await asyncio.sleep(0.2)
