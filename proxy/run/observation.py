"""Who is told of exchanges that end, and what operators may ask about this process."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from proxy.admin.source import Answer
from proxy.config.model import Config
from proxy.core.secrets import redact
from proxy.edge.connections import ConnectionTracker, Observer
from proxy.run.answers import Answers
from proxy.telemetry.counters import Counters
from proxy.telemetry.recorder import Recorder
from proxy.upstream.endpoints import Endpoints

Follow: TypeAlias = Callable[[Config], tuple[Observer, ...]]
"""Is told of each configuration that is used, and says who observes exchanges then."""


class Observation:
    """Of one process; nothing but an ``[admin]`` table asks for counters and a recorder."""

    def __init__(
        self,
        tracker: ConnectionTracker,
        observers: tuple[Observer, ...],
        follow: Follow,
        upstreams: Callable[[], Mapping[str, Endpoints]],
    ) -> None:
        """``upstreams``: those of now."""
        self._tracker = tracker
        self._observers = observers
        self._follow = follow
        self._upstreams = upstreams
        self._config: Config
        self.counters = Counters()
        self._recorder: Recorder | None = None
        self._about: Answers | None = None
        self.answers: dict[str, Answer] = {}
        """By the names of their questions, see ``admin/source``."""

    def follow(self, config: Config) -> None:
        """Observe, and hide secrets, as this configuration says."""
        self._config = config
        redact(config.log.redact)
        observers = (*self._observers, *self._follow(config))
        if config.admin is not None:
            if self._recorder is None:
                self._recorder = Recorder(self._tracker.exchanges, config.log.redact)
                self._about = Answers(
                    self._recorder, self._tracker, self._upstreams, lambda: self._config
                )
                self.answers |= self._about.table()
            else:
                self._recorder.event("proxy", "reloaded: other options are in force")
            self._recorder.redact(config.log.redact)
            observers = (*observers, self.counters.record, self._recorder.record)
        self._tracker.observers = observers

    def close(self) -> None:
        """Nothing is done later any more."""
        if self._about is not None:
            self._about.close()
