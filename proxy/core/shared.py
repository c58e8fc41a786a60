"""What all chains of one configuration share; it outlives a reload as far as it can."""

import asyncio
import random
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from proxy.core.clock import Clock, monotonic
from proxy.core.closing import close_all
from proxy.core.recording_mode import RecordingMode
from proxy.core.samples import Described, Sample

if TYPE_CHECKING:
    from proxy.core.exchange import Exchange
    from proxy.core.stored import Store

T = TypeVar("T")


class Watched(NamedTuple):
    """Something whose state operators are shown."""

    thing: Described
    labels: dict[str, str]


class Uses(NamedTuple):
    """What the links of one route have asked ``Shared`` for.

    A reload that leaves the route as it is lets it keep all of that, see ``Shared.keep``.
    """

    keys: list[Hashable]
    """Of ``share``."""
    watched: list[Watched]
    """What operators are shown."""


@runtime_checkable
class Ends(Protocol):
    """Something shared that runs by itself, and is told of the end."""

    def retire(self) -> None:
        """A drain begins."""

    async def close(self) -> None:
        """Nobody uses it any more."""


class Shared:
    """What all chains of one configuration share.

    A configuration that follows another takes over what it shares under equal keys: ``share`` finds
    it, and ``begin`` makes it the new one's. Until then the one before has lost nothing.
    """

    __slots__ = (
        "_adaptations",
        "_before",
        "_shown",
        "_things",
        "clock",
        "recording_mode",
        "rng",
        "show_keys",
        "store",
        "tasks",
        "traced",
        "unseen",
        "uses",
        "watched",
    )

    def __init__(
        self,
        rng: random.Random,
        show_keys: tuple[str, ...] = (),
        clock: Clock = monotonic,
        before: "Shared | None" = None,
    ) -> None:
        """``show_keys``: ``[admin] show_keys``; ``before``: of the configuration that ends."""
        self.rng = rng
        self.clock = clock
        self.show_keys = show_keys
        self.store: Store | None = None
        """Where replies are stored, if a route has ``[cache]``."""
        self.recording_mode: RecordingMode | None = None
        """What is recorded or replayed, with those commands."""
        self.tasks: set[asyncio.Task[None]] = set() if before is None else before.tasks
        """Tasks that belong to no request; what is left of them at the end is cancelled."""
        self.unseen: Callable[[Exchange, float], None] = _untold
        """Is told of what an upstream was asked for no client that is there, and when that ended: a
        refresh of what is stored, or a call that goes on without the one that it was made for."""
        self.traced = False
        """Whether spans are made, with ``[tracing]``."""
        self.watched: list[Watched] = []
        self._shown: set[int] = set()
        """Identities of what is watched: with hundreds of routes there are thousands."""
        self.uses = Uses([], [])
        """What has been taken and shown since whoever builds a route put this here."""
        self._things: dict[Hashable, Any] = {}
        self._before = before
        self._adaptations: list[Callable[[], None]] = []

    def share(
        self, key: Hashable, make: Callable[[], T], adapt: Callable[[T], None] | None = None
    ) -> T:
        """What stands under this key, made by the first that asks for it.

        It may come from the configuration before. What may differ between the two stands in the
        key, or ``adapt`` is told of what there was when this configuration begins.
        """
        self.uses.keys.append(key)
        if key not in self._things:
            known = self._known(key)
            if known is not None and adapt is not None:
                self._adaptations.append(partial(adapt, known))
            self._things[key] = make() if known is None else known
        found: T = self._things[key]
        return found

    def had(self, key: Hashable) -> bool:
        """Whether the configuration before has something here that may have to be told of this."""
        return self._known(key) is not None

    def do_without(self, key: Hashable, adapt: Callable[[T], None]) -> None:
        """``adapt`` is told of what the configuration before had here, when this one begins."""
        if (known := self._known(key)) is not None:
            self._adaptations.append(partial(adapt, known))

    def _known(self, key: Hashable) -> Any:
        """What the configuration before has here."""
        return None if self._before is None else self._before._things.get(key)

    def watch(self, thing: Described, **labels: str) -> None:
        """Show operators the state of ``thing``, once; ``labels`` say which one it is."""
        self.uses.watched.append(Watched(thing, labels))
        if id(thing) not in self._shown:
            self._shown.add(id(thing))
            self.watched.append(Watched(thing, labels))

    def keep(self, uses: Uses) -> None:
        """A route stays as it is, with what it took from the configuration before."""
        assert self._before is not None
        for key in uses.keys:
            self._things.setdefault(key, self._before._things[key])
        for thing, labels in uses.watched:
            self.watch(thing, **labels)

    def begin(self) -> None:
        """This configuration applies from now on."""
        for adapt in self._adaptations:
            adapt()
        self._adaptations.clear()
        before, self._before = self._before, None
        if before is not None:
            before.tasks = set()
            for key in self._things:
                before._things.pop(key, None)

    def describe(self, now: float) -> Iterator[Sample]:
        """The samples of all that is watched; ``now`` is monotonic."""
        for thing, labels in self.watched:
            for sample in thing.describe(now):
                yield sample._replace(labels={**labels, **sample.labels})

    def retire(self) -> None:
        """A drain begins."""
        for thing in self._things.values():
            if isinstance(thing, Ends):
                thing.retire()

    def abandon(self) -> None:
        """This configuration will never begin, or has ended: hold nothing of its chains."""
        self._things = {}
        self._adaptations.clear()
        self.watched.clear()
        self._shown.clear()
        self.uses = Uses([], [])

    async def close(self) -> None:
        """End all that runs by itself and that no other configuration has taken over."""
        things = list(self._things.values())
        self.abandon()
        await close_all([thing for thing in things if isinstance(thing, Ends)])
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)


def _untold(_: "Exchange", __: float) -> None:
    """Nobody counts."""
