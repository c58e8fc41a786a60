"""What one process answers to the questions of the admin listener, see ``admin/source``."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from proxy.admin.source import Answer
from proxy.config.config_file import ConfigFile
from proxy.config.in_force import Unwritten, in_force
from proxy.config.model import Config
from proxy.core.state_changes import tell
from proxy.edge.connections import ConnectionTracker
from proxy.run.explain.explain import asked_for, explained
from proxy.run.reload import Read
from proxy.telemetry.recorder import Recorder
from proxy.telemetry.why import spell
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.endpoints import Endpoints

_encode = msgspec.msgpack.encode


class Answers:
    """What a process that serves requests answers to its operators."""

    def __init__(
        self,
        recorder: Recorder,
        tracker: ConnectionTracker,
        upstreams: Callable[[], Mapping[str, Endpoints]],
        config: Callable[[], Config],
        read: Read | None = None,
    ) -> None:
        """``upstreams``, ``config``: those of now, as both may be replaced. ``read``: what reads
        the configuration."""
        self._recorder = recorder
        self._tracker = tracker
        self._upstreams = upstreams
        self._config = config
        self._read = read
        self._timers: dict[Endpoint, asyncio.TimerHandle] = {}

    def table(self) -> dict[str, Answer]:
        """By the names of the questions."""
        return {
            "second": self.second,
            "in_flight": self.in_flight,
            "cancel": self.cancel,
            "change_server": self.change_server,
            "log_level": self.log_level,
            "configuration": self.configuration,
            "explain": self.explain,
        }

    def close(self) -> None:
        """No server is restored any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def second(self) -> bytes:
        """What happened since it was asked last: a ``Second``."""
        return _encode(self._recorder.tick(len(self._tracker.connections)))

    def in_flight(self) -> bytes:
        """A list of ``Call``, the oldest first."""
        return _encode(self._recorder.look())

    def cancel(self, request_id: str) -> bool:
        """Whether there was such an exchange; it has been ended."""
        return self._tracker.cancel(request_id)

    def change_server(
        self, action: str, upstream: str, server: str, seconds: float = 0.0
    ) -> str | None:
        """Withdraw a server or restore it, see ``POST /api/servers/drain``.

        Returns what was done, None where there is no such server. Raises ValueError.
        """
        endpoints = self._upstreams().get(upstream)
        if endpoints is None:
            return None
        found = [each for each in endpoints.members if each.name == server]
        if not found:
            return None
        # A reload may have left a withdrawn server alone, so that one can always be restored.
        if action != "restore" and len(endpoints.members) == 1 and not endpoints.changes:
            raise ValueError(f"{server} is the only server of {upstream}: nobody else can be asked")
        for endpoint in found:
            if (timer := self._timers.pop(endpoint, None)) is not None:
                timer.cancel()
            endpoint.withdraw(withdrawn=action != "restore")
            if action == "eject" and seconds:
                loop = asyncio.get_running_loop()
                self._timers[endpoint] = loop.call_later(seconds, self._restore, endpoint, upstream)
        done = {
            "drain": "is asked no more",
            "eject": f"is asked no more for {spell(seconds)}" if seconds else "is asked no more",
            "restore": "is asked again",
        }[action]
        told = f"{server} of {upstream} {done}"
        words = f"{told}, as an operator has asked"
        if action == "restore":
            tell("restored", words, upstream=upstream, endpoint=server)
        else:
            tell("withdrawn", words, upstream=upstream, endpoint=server, for_s=seconds)
        return told

    def _restore(self, endpoint: Endpoint, upstream: str) -> None:
        self._timers.pop(endpoint, None)
        endpoint.withdraw(withdrawn=False)
        words = f"{endpoint.name} of {upstream} is asked again: an operator's time for it is over"
        tell("restored", words, upstream=upstream, endpoint=endpoint.name)

    def log_level(self, level: str = "") -> str:
        """Set it, or say what it is."""
        root = logging.getLogger()
        if level:
            root.setLevel(level.upper())
            words = f"the level of the log is {level} now, as an operator has asked"
            tell("log_level", words, to=level)
        return logging.getLevelName(root.level).lower()

    def configuration(self) -> dict[str, Any]:
        """The options in force, without secrets."""
        return in_force(self._config())

    async def explain(self, method: str, url: str, fields: list[list[str]]) -> list[str]:
        """What would become of a request, in lines. Raises ValueError."""
        return await explanation(self._config(), self._read, method, url, fields)


async def explanation(
    config: Config, read: Read | None, method: str, url: str, fields: list[list[str]]
) -> list[str]:
    """What would become of a request. Raises ValueError.

    Where its options were written is told while the file says what is in force.
    """
    asked = asked_for(method, url, [(name, value) for name, value in fields])

    def lines() -> list[str]:
        if not isinstance(read, ConfigFile):
            return list(explained(config, asked, Unwritten()))
        origins = read.origins(config) or Unwritten("the file says something else by now")
        return list(explained(config, asked, origins))

    return await asyncio.to_thread(lines)
