"""A worker, as its parent knows it."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

from proxy.core.clock import monotonic
from proxy.core.samples import Sample, counter, gauge, info
from proxy.run.workers.link import Link, LinkClosed
from proxy.run.workers.totals import unpacked

PATIENCE: Final = 2.0
"""Seconds that a worker has for an answer."""
_LONGER: Final = {"purge": 15.0}
"""For what may take longer: a purge waits for its store up to 10 s, for each of its targets."""


class Member:
    """A worker process."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.version = 0
        """Number of the configuration that it serves."""
        self.pid = 0
        self.state = "starting"
        """Then ``serving``, ``retiring`` and ``ended``."""
        self.link: Link | None = None
        self.shelf: socket.socket | None = None
        """Where it is handed sockets."""
        self.samples: list[Sample] = []
        """The last that it told."""
        self.clean: bool | None = None
        """Whether nothing was cut; None before it has said so."""
        self.replaced = False
        """Whether another one takes its place, which may not have been started yet."""
        self.successor: Member | None = None
        """The worker that takes its place, once that has started."""
        self.since = monotonic()

    def tell(self, notice: str, **values: Any) -> None:
        """Say something, where it is there to hear it."""
        if self.link is not None:
            self.link.tell(notice, **values)

    async def ask(self, question: str, values: dict[str, Any]) -> Any:
        """Its answer. Raises ValueError where it has none, TimeoutError where it gives none."""
        if self.link is None:
            raise LinkClosed("the process has ended")
        async with asyncio.timeout(_LONGER.get(question, PATIENCE)):
            return await self.link.ask(question, **values)

    def ended(self) -> None:
        """Its process has ended."""
        self.link = None  # they hold each other
        if self.shelf is not None:
            self.shelf.close()

    async def look(self) -> None:
        """Have it tell its samples."""
        if self.state in ("serving", "retiring"):
            with contextlib.suppress(ValueError, TimeoutError):
                told = unpacked(await self.ask("samples", {}))
                if self.clean is None:  # else it has told its last ones
                    self.samples = told

    def describe(self, now: float, connections: int) -> Iterator[Sample]:
        """How it is; ``connections``: those of its slot."""
        labels = {"worker": str(self.slot), "pid": str(self.pid)}
        yield info("worker_state", self.state, labels)
        yield gauge("worker_age_seconds", now - self.since, labels)
        yield gauge("worker_connections", connections, labels)
        requests = (each.value for each in self.samples if each.name == "route_requests")
        yield counter("worker_requests", sum(map(int, requests)), labels)
