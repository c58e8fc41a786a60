"""The workers that live, and who waits for another state of theirs."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from typing import Any

from proxy.run.workers.member import Member

log = logging.getLogger(__name__)


class Roster:
    """The workers of all slots."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        """Workers that are alive."""
        self.forking: set[Member] = set()
        """Those that have been given a configuration and do not live yet."""
        self._changed = asyncio.Event()

    @property
    def serving(self) -> list[Member]:
        """Those that take new connections."""
        return [member for member in self.members if member.state == "serving"]

    def serves(self, slot: int) -> bool:
        """Whether new connections of a slot are taken."""
        return any(member.slot == slot for member in self.serving)

    def has_other_than(self, version: int) -> bool:
        """Whether one takes new connections, or will, with another configuration."""
        those = (each for each in self.members if each.state in ("starting", "serving"))
        return any(member.version != version for member in (*self.forking, *those))

    def predecessor(self, member: Member) -> Member | None:
        """The one that serves until this one does, where this one never will."""
        for other in self.members:
            if other.successor is member:
                other.successor = None
                if other.state == "serving":
                    return other
        return None

    def changed(self) -> None:
        """Say that one has another state."""
        self._changed.set()
        self._changed.clear()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds; it is looked at whenever one has another state."""
        while not holds():
            await self._changed.wait()

    async def ask(self, question: str, values: dict[str, Any]) -> list[Any]:
        """The answers of those that serve, or still finish. Raises ValueError without any."""
        members = [each for each in self.members if each.state in ("serving", "retiring")]
        answers = await asyncio.gather(
            *(member.ask(question, values) for member in members),
            return_exceptions=True,
        )
        given: list[Any] = [one for one in answers if not isinstance(one, BaseException)]
        if not given:
            for failure in answers:
                if isinstance(failure, ValueError):
                    raise failure
            raise ValueError("no worker has answered")
        return given

    def kill(self) -> None:
        """Kill the workers that do not end by themselves."""
        for member in self.members:
            log.error("worker %d, process %d, does not end: killed", member.slot, member.pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGKILL)
