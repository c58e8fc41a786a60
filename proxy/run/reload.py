"""Another configuration while the proxy runs: read and checked as a whole, then used, or not."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from proxy.config.files import named_files
from proxy.config.load import usable
from proxy.config.model import Config
from proxy.config.problems import ConfigError, Problem
from proxy.core.clock import wall
from proxy.core.daemon_threads import in_daemon_thread
from proxy.core.local_limits import local_limit, tells_of_one
from proxy.core.redaction import conceal
from proxy.core.samples import Sample, counter, gauge, info
from proxy.core.state_changes import tell
from proxy.run.changes import Report
from proxy.run.notify import notify
from proxy.run.reasons import CannotReload
from proxy.telemetry.access_log_line import stamp

log = logging.getLogger(__name__)

Read: TypeAlias = Callable[[], tuple[Config | None, list[Problem]]]
"""Reads the configuration again: it, and all that is wrong with it. May wait for a disk."""
Apply: TypeAlias = Callable[[Config], Awaitable[Report]]
"""Has a configuration used. Raises CannotReload, and then nothing has changed."""

_SINCE: Final = time.CLOCK_MONOTONIC
"""What systemd compares with its own reading, to tell one reload from the next (sd_notify(3))."""
_WHY_NOT: Final = "the configuration was not changed"


class Outcome(NamedTuple):
    """How one reload ended."""

    at: float
    """When it ended, in seconds since the epoch."""
    problems: list[str]
    """Why nothing has changed; warnings where ``report`` is there."""
    report: Report | None
    """What has changed; None where nothing has."""
    passing: bool = False
    """Whether what spoke against it is not in the file, so that another try may succeed."""

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        why = self.report or "\n".join(["nothing was changed:", *self.problems])
        told: dict[str, Any] = {"reloaded": self.report is not None, "message": str(why)}
        told["at"] = stamp(self.at)
        if self.report is not None:
            told |= self.report._asdict()
        return told | {"problems": self.problems}


class Reloader:
    """Reloads, one at a time."""

    def __init__(self, read: Read, apply: Apply, config: Config | None = None) -> None:
        """``config``: what is used now."""
        self._read = read
        self._apply = apply
        self._lock = asyncio.Lock()
        self._tried = config
        """The last configuration that could be read, used or not."""
        self._next: asyncio.Task[Outcome] | None = None
        self.done = self.refused = 0
        self.last: Outcome | None = None

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators."""
        yield counter("reload_done", self.done)
        yield counter("reload_refused", self.refused)
        if (last := self.last) is not None:
            yield info("reload_last", "refused" if last.report is None else str(last.report))
            yield info("reload_at", stamp(last.at))
            yield gauge("reload_succeeded", int(last.report is not None))
            for number, problem in enumerate(last.problems, 1):
                yield info("reload_problem", problem, {"number": str(number)})

    def files(self, path: str) -> Iterator[str]:
        """The file of the configuration, and those that it names now."""
        yield path
        if self._tried is not None:
            yield from named_files(self._tried)

    async def reload(self, by: str = "--watch") -> Outcome:
        """Read the configuration, and use it if nothing speaks against it.

        Whoever asks while one is under way has another one after it, together with all others that
        ask meanwhile: the file may have changed since it was read. ``by``: who asks, for the log.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._run(by))
        return await asyncio.shield(self._next)

    async def watched(self) -> bool:
        """Reload as a file has changed; whether that failed for a reason that may pass."""
        return (await self.reload()).passing

    async def answer(self) -> dict[str, Any]:
        """To the question of the admin listener."""
        return (await self.reload("POST /api/reload")).told()

    async def _run(self, by: str) -> Outcome:
        async with self._lock:
            self._next = None
            notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(_SINCE) // 1000}")
            try:
                outcome = self.last = await self._reload()
            finally:
                notify("READY=1")
        if outcome.report is None:
            self.refused += 1
            for problem in outcome.problems:
                log.error("reload: %s", problem)
            words = f"reload ({by}): refused, {_WHY_NOT}"
            tell("reload_refused", words, level=logging.ERROR, by=by, problems=outcome.problems)
        else:
            self.done += 1
            for problem in outcome.problems:
                log.warning("reload: %s", problem)
            words = f"reload ({by}): {outcome.report}"
            tell("reloaded", words, level=logging.INFO, by=by, **outcome.report._asdict())
        return outcome

    async def _reload(self) -> Outcome:
        try:
            config, problems = await in_daemon_thread(self._read)
            self._tried = config or self._tried
            config = usable(config, problems)
        except ConfigError as error:
            passing = all(tells_of_one(problem.message) for problem in error.problems)
            return self._outcome(error.problems, passing=passing)
        except Exception as error:
            return self._failed(error)
        try:
            report = await self._apply(config)
        except CannotReload as error:
            return self._outcome([str(error)], passing=True)
        except Exception as error:
            return self._failed(error)
        return self._outcome(problems, report)

    def _failed(self, error: Exception) -> Outcome:
        log.error("reload", exc_info=error)
        return self._outcome([repr(error)], passing=local_limit(error) is not None)

    def _outcome(
        self, problems: Sequence[object], report: Report | None = None, *, passing: bool = False
    ) -> Outcome:
        return Outcome(wall(), [conceal(str(each)) for each in problems], report, passing)
