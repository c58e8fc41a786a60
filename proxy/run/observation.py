"""Who is told of exchanges that end, and what operators may ask about this process."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from proxy.admin.source import Answer
from proxy.config.model import Config
from proxy.core.exchange import Exchange
from proxy.core.redaction import redact
from proxy.core.samples import Sample
from proxy.core.tasks import keep
from proxy.edge.connections import ConnectionTracker, Observer
from proxy.run.collector import Collector, collector
from proxy.run.reload import Read
from proxy.run.scopes import name_of
from proxy.telemetry.counters import Counters
from proxy.telemetry.ended import Ended
from proxy.telemetry.log import AccessLog, configure
from proxy.telemetry.options import LogOptions, TracingOptions
from proxy.upstream.endpoints import Endpoints

if TYPE_CHECKING:
    from proxy.run.answers import Answers
    from proxy.telemetry.recorder import Recorder

Follow: TypeAlias = Callable[[Config], tuple[Observer, ...]]
"""Is told of each configuration that is used, and says who observes exchanges then."""


def logged(access: AccessLog) -> Follow:
    """Have both logs follow the configuration, ``access`` and that of the process."""
    before: LogOptions | None = None

    def follow(config: Config) -> tuple[Observer, ...]:
        nonlocal before
        configure(config.log, before)
        before = config.log
        access.follow(config.log)
        return (access.record,) if config.log.access else ()

    return follow


class Observation:
    """Of one process; nothing but an ``[admin]`` table asks for counters and a recorder."""

    def __init__(
        self,
        tracker: ConnectionTracker,
        observers: tuple[Observer, ...],
        follow: Follow,
        upstreams: Callable[[], Mapping[str, Endpoints]],
        read: Read | None,
    ) -> None:
        """``upstreams``: those of now. ``read``: what reads the configuration."""
        self._read = read
        self._tracker = tracker
        self._observers = observers
        self._follow = follow
        self._upstreams = upstreams
        self._config: Config
        self._ended = Ended()
        self.counters = Counters(self._ended)
        self._recorder: Recorder | None = None
        self._traced: tuple[TracingOptions, LogOptions] | None = None
        self._collector: Collector | None = None
        self._leaving = set[asyncio.Task[None]]()
        """Collectors of configurations before, which send what is left."""
        self._about: Answers | None = None
        self.answers: dict[str, Answer] = {}
        """By the names of their questions, see ``admin/source``."""

    def follow(self, config: Config) -> None:
        """Observe, and hide secrets, as this configuration says."""
        self._config = config
        routes = {"", *map(name_of, config.routes)}
        found = self._upstreams().items()
        servers = {name: {each.name for each in (*of.members, *of.away)} for name, of in found}
        self.counters.keep(routes, {"": {""}, **servers})
        redact(config.log.redact)
        observers = (*self._observers, *self._follow(config))
        if config.admin is not None:
            if self._recorder is None:
                self._recorder = self._record(config.log)
            else:
                self._recorder.event("proxy", "reloaded: other options are in force")
            self._recorder.redact(config.log.redact)
            self._recorder.keep(routes)
            observers = (*observers, self._ended.record)
        if (tracer := self._tracer(config)) is not None:
            observers = (*observers, tracer)
        self._tracker.observers = observers

    def _record(self, logged: LogOptions) -> "Recorder":
        """From now on, for operators; what they may ask is loaded when there are any."""
        from proxy.run.answers import Answers  # noqa: PLC0415 - it is there with [admin] alone
        from proxy.telemetry.recorder import Recorder  # noqa: PLC0415 - likewise

        recorder = Recorder(self._ended, self._tracker.exchanges, logged.redact)
        self._about = Answers(
            recorder, self._tracker, self._upstreams, lambda: self._config, self._read
        )
        self.answers |= self._about.table()
        return recorder

    def _tracer(self, config: Config) -> Observer | None:
        """Who makes spans, where there is ``[tracing]``."""
        wanted = None if config.tracing is None else (config.tracing, config.log)
        if wanted != self._traced:
            if self._collector is not None:
                keep(asyncio.ensure_future(self._collector.close()), self._leaving)
            self._traced = wanted
            self._collector = None if wanted is None else collector(*wanted)
        return None if self._collector is None else self._collector.tracer.record

    def unseen(self, exchange: Exchange, now: float) -> None:
        """An upstream was asked for no client that is there, see ``Shared.unseen``."""
        if self._recorder is not None:
            self.counters.count_unseen(exchange, now)
            self._recorder.count_unseen(exchange, now)
        if self._collector is not None:
            self._collector.tracer.record_refresh(exchange, now)

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators."""
        yield from self.counters.describe(now)
        if self._collector is not None:
            yield from self._collector.tracer.describe(now)

    def times(self) -> Iterator[Sample]:
        """For metrics alone."""
        return chain.from_iterable(self.counters.times())

    async def times_in_steps(self) -> list[Sample]:
        """The same, with time for others in between."""
        return await self.counters.times_in_steps()

    async def end(self) -> None:
        """Send the spans that are left, for a bounded time."""
        if self._collector is not None:
            await self._collector.close()
        await asyncio.gather(*self._leaving)

    def close(self) -> None:
        """Nothing is done later any more."""
        if self._about is not None:
            self._about.close()
