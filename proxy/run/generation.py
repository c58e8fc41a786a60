"""What one configuration was built into, and how many exchanges still use it.

A reload makes another generation and gives that to the edge. What is under way ends with the
generation with which it began: requests, streams of events, tunnels. The old one ends with the last
of them, and closes what the new one has not taken over (``run/tree``).
"""

import asyncio
import random
import secrets
from collections.abc import Callable, Mapping

from proxy.config.model import Config
from proxy.core.recording_mode import RecordingMode
from proxy.core.tasks import keep
from proxy.edge.intake import Intake
from proxy.edge.preflights import PageRouter
from proxy.edge.relay import Relay
from proxy.edge.responses import ErrorsOptions
from proxy.http.request_id import EVERY, sampled_of
from proxy.run.chains import missing
from proxy.run.later import load
from proxy.run.scopes import tables as tables_of
from proxy.run.tree import RouteNode, Tree
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.session import Session


class Generation:
    """One configuration at work."""

    __slots__ = (
        "_on_end",
        "config",
        "errors",
        "intake",
        "number",
        "relay",
        "router",
        "superseded",
        "tree",
        "users",
    )

    def __init__(
        self, config: Config, tree: Tree, intake: Intake, relay: Relay, number: int = 1
    ) -> None:
        """``number``: 1 at the start, one more after each reload."""
        self.config = config
        self.tree = tree
        self.intake = intake
        self.relay = relay
        self.number = number
        self.errors: ErrorsOptions | None = config.errors
        self.router: PageRouter[RouteNode] = tree.router
        self.users = 0
        """Exchanges that have begun with it and not ended."""
        self.superseded = False
        """Whether another one is in its place."""
        self._on_end: Callable[[], None] | None = None

    def supersede(self, on_end: Callable[["Generation"], None]) -> None:
        """Another one is in its place; ``on_end`` is called when the last exchange has ended."""
        self.superseded = True
        self._on_end = lambda: on_end(self)
        if not self.users:
            self.end()

    def end(self) -> None:
        """The last exchange has ended."""
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end()


def _sampled(config: Config) -> int:
    """Which share of the traces that begin here is sampled, see ``http/request_id``."""
    return EVERY if config.tracing is None else sampled_of(config.tracing.sample)


def _nothing(_: Generation) -> None:
    """It is being closed already."""


class Generations:
    """The one that serves, and those before it that have not ended."""

    def __init__(
        self,
        session: Session,
        instance: str,
        recording_mode: RecordingMode | None,
        mount: str,
    ) -> None:
        """``instance``: the id in Via, where there is one already; ``mount``: see ``Runtime``."""
        self._session = session
        self._recording_mode = recording_mode
        self._mount = mount
        self._instance = instance or secrets.token_hex(4)
        self.current: Generation | None = None
        self.before: set[Generation] = set()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def endpoints(self) -> Mapping[str, Endpoints]:
        """The servers of now, by the names of their upstreams."""
        return {} if self.current is None else self.current.tree.endpoints

    async def build(self, config: Config) -> Generation:
        """What a configuration is built into; ``become`` it, or ``abandon`` its tree.

        Raises OSError, ssl.SSLError or ValueError.
        """
        before = self.current
        if before is None:
            tree = self._tree(config, random.Random()).build()
            return Generation(config, tree, self._intake(config), self._relay(config))
        tables = {
            type(each) for of in (*config.routes, *config.upstreams) for each in tables_of(of)
        }
        if late := missing(tables):  # the loop has requests to serve meanwhile
            await asyncio.to_thread(load, late)
        rng = before.tree.shared.rng
        tree = self._tree(config, rng, before.tree)
        await tree.build_in_turns()
        intake, relay = before.intake, before.relay
        if config.server != before.config.server:
            intake, relay = self._intake(config, intake), self._relay(config)
        elif _sampled(config) != intake.sampled:
            intake = self._intake(config, intake)
        return Generation(config, tree, intake, relay, before.number + 1)

    def _tree(self, config: Config, rng: random.Random, before: Tree | None = None) -> Tree:
        return Tree(
            config,
            self._session,
            rng,
            before=before,
            recording_mode=self._recording_mode,
            mount=self._mount,
        )

    def _intake(self, config: Config, before: Intake | None = None) -> Intake:
        return Intake(config.server, self._instance, before, _sampled(config))

    def _relay(self, config: Config) -> Relay:
        return Relay(f"sidecar-proxy-{self._instance}", server_timing=config.server.server_timing)

    def become(self, generation: Generation) -> None:
        """Begin with this one; the one before ends when its last exchange has."""
        before, self.current = self.current, generation
        generation.tree.open()
        if before is not None:
            self.before.add(before)
            before.supersede(self._ended)

    def _ended(self, generation: Generation) -> None:
        self.before.discard(generation)
        keep(asyncio.get_running_loop().create_task(generation.tree.close()), self._closing)

    async def purge(self, **wanted: str) -> tuple[int, bool]:
        """Remove stored replies, as an operator has asked; see ``purging.purge``."""
        from proxy.middleware.cache.purging import purge  # noqa: PLC0415 - few ask for it

        store = None if self.current is None else self.current.tree.shared.store
        return await purge(store, **wanted)

    def retire(self) -> None:
        """A drain begins."""
        for generation in (*self.before, self.current):
            if generation is not None:
                generation.tree.shared.retire()

    async def close(self) -> None:
        """End all of them."""
        for ending in self.before:
            ending.supersede(_nothing)
        for generation in (*self.before, self.current):
            if generation is not None:
                await generation.tree.close()
        self.before.clear()
        if self._closing:
            await asyncio.wait(tuple(self._closing))
